"""Sweeps: cohorts × splits × seeds × models, declared in one file, run as jobs anywhere, gathered into one table.

`workflow/sweep.yaml` is such a file, and says what each line means. A job leaves one table of predictions; which jobs
there are depends on the file alone, so a laptop and a cluster run the same ones and gather the same bytes.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields
from html import escape
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import xarray as xr
import yaml
from threadpoolctl import threadpool_limits

import gi_lib
from gi_lib.cohorts import COHORTS, SCALES, is_own, load_cohort
from gi_lib.datasets.foreign import one_line
from gi_lib.evaluation import MEAN_OVER_TRAITS, fold_scores, interval_over_repeats
from gi_lib.lineup import baselines, pathway_layers, published_models
from gi_lib.plots.panels import model_dots
from gi_lib.process import make_folder, make_room, or_elsewhere, write_text, written_whole
from gi_lib.validation import (
    COLUMNS,
    CountryFolds,
    Model,
    RandomFolds,
    RegionFolds,
    cross_validate,
    save_predictions,
)

SPLITS = {"random": RandomFolds, "by country": CountryFolds, "by region": RegionFolds}
SHARES = ("model", "all models")


class SweepError(ValueError):
    """A sweep that cannot be run; the message names what is wrong, where, and what is allowed."""


@dataclass(frozen=True)
class Resources:
    """What one job needs, for schedulers: `minutes` of time, `megabytes` of memory, `gpus`, and `cores`."""

    minutes: int = 60
    megabytes: int = 4000
    gpus: int = 0
    cores: int = 1


@dataclass(frozen=True)
class Sweep:
    """What a sweep file holds.

    Attributes
    ----------
    cohorts, scale
        Names of `gi_lib.cohorts.COHORTS` or folders ``NAME.zarr``; size of those that are simulated.
    seeds
        Each decides simulation, division and training of its jobs.
    splits
        Names of `SPLITS`, with `n_splits` folds and `n_repeats`.
    models
        Names of `known_models`, trained for `epochs`, those of a source task for `source_epochs` before.
    job
        What one job takes of a cohort, split and seed: one ``model``, which suits a CPU core, or ``all models``, which
        suits a GPU: it trains all folds at once.
    min_accessions
        A country counts in the scores within countries if more than so many of its accessions have a label.
    resources
        Of each job.
    folder
        Where folders ``NAME.zarr`` are looked for: that of the sweep file.
    """

    cohorts: tuple[str, ...]
    models: tuple[str, ...]
    seeds: tuple[int, ...] = (1,)
    splits: tuple[str, ...] = ("random",)
    scale: str = "demo"
    n_splits: int = 5
    n_repeats: int = 1
    epochs: int = 50
    source_epochs: int = 50
    job: str = "model"
    min_accessions: int = 50
    resources: Resources = Resources()
    folder: Path = field(default=Path(), compare=False)

    def plan(self) -> str:
        """What `workflow/sweep.smk` reads, as JSON: the names of jobs, what they depend on, and what they need.

        So the graph need not load this package, which every job on a cluster does twice before it begins.
        """
        shared = "scale", "n_splits", "n_repeats", "epochs", "source_epochs"
        settings = {name: getattr(self, name) for name in shared}
        settings |= {"cores": self.resources.cores, "version": gi_lib.__version__}
        plan = {"jobs": list(self.jobs()), "settings": settings, "resources": asdict(self.resources)}
        return json.dumps(plan, indent=1) + "\n"

    def jobs(self) -> "dict[str, Job]":
        """All jobs by name, in the order of the gathered table."""
        shares = [(model,) for model in self.models] if self.job == "model" else [self.models]
        jobs = [
            Job(cohort, split, seed, models)
            for cohort in self.cohorts
            for split in self.splits
            for seed in self.seeds
            for models in shares
        ]
        return {job.name: job for job in jobs}


@dataclass(frozen=True)
class Job:
    """Some models on one cohort, split and seed."""

    cohort: str
    split: str
    seed: int
    models: tuple[str, ...]

    @property
    def name(self) -> str:
        """A name for its file."""
        what = self.models[0] if len(self.models) == 1 else "all models"
        parts = _name(self.cohort), self.split, f"seed {self.seed}", what
        return "--".join(part.replace(" ", "-") for part in parts)


def _name(cohort: str) -> str:
    """What a cohort is called in names and tables, wherever its folder is."""
    return Path(cohort).stem if is_own(cohort) else cohort


def known_models() -> list[str]:
    """Names that a sweep may ask for."""
    everything = xr.Dataset({"source_trait_value": ("s", [0.0]), "dosage": ("s", np.zeros(1, np.uint8))})
    return [model.name for model in (*published_models(everything, ()), *baselines(everything))]


def read_sweep(path: str | Path) -> Sweep:
    """Read a sweep file.

    Raises
    ------
    SweepError
        If the file cannot be read, or something in it is unknown, of another type, or out of range.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SweepError(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SweepError(f"{path} cannot be read as YAML: {one_line(error)}.") from None
    if not isinstance(content, dict):
        raise SweepError(f"{path} holds no table of settings, but {type(content).__name__}.")
    try:
        resources = Resources(**_checked(content.pop("resources", {}), Resources, "resources"))
        sweep = Sweep(
            **_checked(content, Sweep, "the sweep"), resources=resources, folder=path.resolve().parent
        )
        if len({_name(cohort) for cohort in sweep.cohorts}) < len(sweep.cohorts):
            raise SweepError("two of cohorts have the same name; rename a folder.")
        return sweep
    except SweepError as error:
        raise SweepError(f"{path}: {error}") from None


def _checked(given: Any, kind: type, what: str) -> dict[str, Any]:
    """Settings as `kind` takes them."""
    if not isinstance(given, dict):
        raise SweepError(f"{what} must be a table of settings, not {given!r}.")
    known = {one.name: one for one in fields(kind) if one.name not in ("resources", "folder")}
    allowed: Mapping[str, Sequence] = {
        "scale": SCALES, "splits": tuple(SPLITS), "job": SHARES, "models": known_models(),
    }  # fmt: skip
    checked = {}
    for name, value in given.items():
        if name not in known:
            raise SweepError(f"{what} has no setting {name!r}; settings are {', '.join(known)}.")
        is_list = "tuple" in str(known[name].type)
        values = value if is_list and isinstance(value, list) else [value]
        if is_list and not (isinstance(value, list) and value and len(set(map(str, value))) == len(value)):
            raise SweepError(f"{name} must be a list of different entries, not {value!r}.")
        for one in values:
            if name in allowed and one not in allowed[name]:
                raise SweepError(f"{name} has {one!r}; allowed are {', '.join(allowed[name])}.")
            if name == "cohorts" and not (isinstance(one, str) and (one in COHORTS or is_own(one))):
                raise SweepError(
                    f"cohorts has {one!r}; allowed are {', '.join(COHORTS)} or a folder NAME.zarr."
                )
            is_number = isinstance(one, int) and not isinstance(one, bool)
            if "int" in str(known[name].type) and not (is_number and one >= _LEAST.get(name, 1)):
                raise SweepError(f"{name} has {one!r}; allowed are whole numbers from {_LEAST.get(name, 1)}.")
        checked[name] = tuple(values) if is_list else value
    for name in ("cohorts", "models"):
        if name in known and name not in checked:
            raise SweepError(f"{what} needs a list of {name}.")
    return checked


_LEAST = {"n_splits": 2, "gpus": 0, "min_accessions": 0, "seeds": 0}


def run_job(sweep: Sweep, name: str, folder: str | Path) -> Path:
    """Run one job and write its predictions.

    It runs on as many threads as the sweep gives a job.

    Returns
    -------
    Path
        ``folder/jobs/NAME.parquet``, whole or not there.

    Raises
    ------
    SweepError
        If there is no such job, its cohort cannot be had or lacks what a model needs, its folder cannot be written, or
        a training diverges.
    """
    job = _find(sweep, name)
    with _or_elsewhere():
        make_room(_predictions(folder, name).parent)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(sweep.resources.cores)
        place = str(sweep.folder / job.cohort) if is_own(job.cohort) else job.cohort
        with threadpool_limits(sweep.resources.cores):
            cohort = load_cohort(place, sweep.scale, job.seed)
            split = SPLITS[job.split](sweep.n_splits, sweep.n_repeats, job.seed)
            predictions = cross_validate(cohort, _models(sweep, cohort, job.models), split, job.seed)
    except (ValueError, FloatingPointError, OSError) as error:
        raise SweepError(f"Job {name}: {error}") from None
    finally:
        torch.set_num_threads(before)
    with _or_elsewhere():
        return save_predictions(predictions, _predictions(folder, name))


def _or_elsewhere() -> AbstractContextManager[None]:
    return or_elsewhere("choose another folder by --out", SweepError)


def write_plan(sweep: Sweep, folder: str | Path) -> None:
    """Write ``plan.json`` into the folder of a sweep, where it is not there or another one.

    Raises
    ------
    SweepError
        If the folder cannot be written.
    """
    with _or_elsewhere():
        plan = make_folder(Path(folder)) / "plan.json"
        if not plan.exists() or plan.read_text(encoding="utf-8") != sweep.plan():
            write_text(plan, sweep.plan())


def _find(sweep: Sweep, name: str) -> Job:
    jobs = sweep.jobs()
    if name not in jobs:
        raise SweepError(f"There is no job {name!r}; the first of {len(jobs)} is {next(iter(jobs))!r}.")
    return jobs[name]


def _predictions(folder: str | Path, name: str) -> Path:
    return Path(folder) / "jobs" / f"{name}.parquet"


def _models(sweep: Sweep, cohort: xr.Dataset, names: Sequence[str]) -> list[Model]:
    needs_pathways = any(name.startswith("BMSNN") for name in names)
    layers = pathway_layers(cohort) if needs_pathways else ()
    epochs = {"epochs": sweep.epochs, "source_epochs": sweep.source_epochs}
    models = {
        model.name: model for model in (*published_models(cohort, layers, **epochs), *baselines(cohort))
    }
    for name in names:
        if name not in models:
            raise SweepError(
                f"the cohort {cohort.attrs['name']!r} lacks what {name} needs, a source task or complete dosages."
            )
    return [models[name] for name in names]


def gather(sweep: Sweep, folder: str | Path, partial: bool = False) -> tuple[Path, list[str]]:
    """Put the predictions of all jobs into one table, and sum it up on one page.

    Writes ``predictions.parquet``, ``scores.csv`` and ``summary.html`` into the folder.

    Parameters
    ----------
    partial
        Take what is there and say what is missing, where otherwise nothing would be gathered.

    Returns
    -------
    path
        Of the table: ``cohort`` and the columns of `gi_lib.validation.COLUMNS`.
    missing
        Names of jobs that have left nothing yet.

    Raises
    ------
    SweepError
        If jobs are missing (all of them, if `partial`), a file is damaged, or the folder cannot be written.
    """
    folder, tables = Path(folder), []
    missing = [name for name in sweep.jobs() if not _predictions(folder, name).exists()]
    if missing and (not partial or len(missing) == len(sweep.jobs())):
        raise SweepError(
            f"{len(missing)} of {len(sweep.jobs())} jobs have left no predictions in {folder}, the first is "
            f"{missing[0]!r}."
        )
    for name, job in sweep.jobs().items():
        if name in missing:
            continue
        try:
            table = pd.read_parquet(_predictions(folder, name), columns=list(COLUMNS))
        except (ValueError, OSError) as error:
            raise SweepError(
                f"{_predictions(folder, name)} is damaged: {error}; remove it and run again."
            ) from None
        table.insert(0, "cohort", _name(job.cohort))
        tables.append(table)
    path = folder / "predictions.parquet"
    everything = pd.concat(tables, ignore_index=True)
    scores = summarise(everything, sweep.min_accessions)
    with _or_elsewhere():
        with written_whole(path) as scratch:
            everything.to_parquet(scratch, index=False)
        write_text(folder / "scores.csv", scores.to_csv(index=False, float_format="%.6g"))
        write_text(folder / "summary.html", _page(sweep, scores, missing))
    return path, missing


def summarise(predictions: pd.DataFrame, min_accessions: int = 50) -> pd.DataFrame:
    """Mean correlation over folds of each seed, and over seeds with its interval.

    Returns
    -------
    pandas.DataFrame
        Columns ``cohort``, ``split``, ``model``, ``score`` (pooled, within country), ``estimate``, ``low``, ``high``,
        ``repeats`` (seeds). The mean over traits where there are several.
    """
    rows = []
    for (cohort, split, seed), part in predictions.groupby(["cohort", "split", "seed"], sort=False):
        scores = fold_scores(part, min_accessions)
        if part["trait"].nunique() > 1:
            scores = scores[scores["trait"] == MEAN_OVER_TRAITS]
        mean = scores.groupby(["model", "score"], sort=False)["estimate"].mean().reset_index()
        rows.append(mean.assign(cohort=cohort, split=split, seed=seed))
    table = pd.concat(rows, ignore_index=True)
    return interval_over_repeats(table, ["cohort", "split", "model", "score"], "estimate")


def _page(sweep: Sweep, scores: pd.DataFrame, missing: list[str]) -> str:
    """The summary as one HTML page without links to anywhere."""
    kinds = scores["cohort"].map(COHORTS).fillna("data of one's own")
    shown = scores.assign(
        where=scores["cohort"] + " (" + kinds + "), " + scores["split"],
        correlation=[
            f"{row.estimate:.3f}" + ("" if np.isnan(row.low) else f" [{row.low:.3f}, {row.high:.3f}]")
            for row in scores.itertuples()
        ],
    )  # fmt: skip
    table = shown.pivot(index=["where", "model"], columns="score", values="correlation")
    order = [model for model in sweep.models if model in set(scores["model"])]
    table = table.reindex([(where, model) for where in dict.fromkeys(shown["where"]) for model in order])
    figure = model_dots(shown[shown["score"] == "pooled"], order, group="where", label="pooled correlation")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120, bbox_inches="tight")
    plt.close(figure)
    declared = {name: value for name, value in asdict(sweep).items() if name != "folder"}
    settings = yaml.safe_dump(_plain(declared), sort_keys=False)
    absent = f"<p><strong>Missing:</strong> {len(missing)} jobs, {escape(', '.join(missing))}.</p>"
    picture = base64.b64encode(image.getvalue()).decode()
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Sweep</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font-family: sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }}
table {{ border-collapse: collapse }} th, td {{ padding: .2rem .8rem; text-align: left; border-bottom: 1px solid #ccc }}
img {{ max-width: 100% }}
</style></head><body>
<h1>Sweep</h1>
<p>Pearson correlation, mean over folds and traits, then over {len(sweep.seeds)} seeds with the 95 % interval of a t
distribution: it covers what differs between seeds, which is division and training, and the genomes where they are
simulated.</p>
{absent if missing else ""}
<img alt="Pooled correlation of each model with its interval, one panel for each cohort and split."
src="data:image/png;base64,{picture}">
{table.reset_index().to_html(index=False, na_rep="–", border=0)}
<h2>Settings</h2>
<pre>{escape(settings)}</pre>
</body></html>
"""


def _plain(value: Any) -> Any:
    """Tuples as lists, for YAML."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
