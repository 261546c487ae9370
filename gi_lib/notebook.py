"""What a running notebook needs around its analysis: parameters, data, tables, provenance.

Every notebook of the book begins and ends alike::

    run = notebook.start("galiana", globals())
    cohort = run.load_cohort()
    ...
    run.finish()
"""

import functools
import importlib.metadata
import json
import math
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from IPython.display import HTML, display
from myst_nb import glue

from gi_lib import RENDERING, plots
from gi_lib.cohorts import COHORTS, SCALES, CohortError, is_own, load_cohort, resolve_cohort
from gi_lib.cohorts.panels import PANELS, load_panel, resolve_panel
from gi_lib.datasets.cohort import fingerprint
from gi_lib.datasets.registry import DataError
from gi_lib.plots.style import number
from gi_lib.process import make_room, or_elsewhere, write_text
from gi_lib.training import DEVICES, resolve_device

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "torch", "xarray")

BANNERS = {
    "real": ("data-real", "Real data."),
    "simulated": ("data-simulated", "Simulated data."),
    "real genomes, simulated traits": ("data-mixed", "Real genomes, simulated traits."),
}


class ParameterError(ValueError):
    """A notebook was called with a parameter it does not have, or a value it cannot take."""

    def _render_traceback_(self) -> list[str]:
        """IPython shows this instead of a traceback: one sentence is all there is to say."""
        return [f"ParameterError: {self}"]


class NotAnswered(AssertionError):
    """An exercise has no answer yet."""

    def _render_traceback_(self) -> list[str]:
        """As that of `ParameterError`."""
        return [f"NotAnswered: {self}"]


def start(
    name: str, namespace: Mapping[str, Any], limits: Mapping[str, tuple[float, float]] | None = None
) -> "Run":
    """Check a notebook's parameters and set it up.

    Parameters
    ----------
    name
        Name of the notebook, without its ending.
    namespace
        The notebook's ``globals()``. Its parameters are the annotated names of the parameters cell; any
        other plain value in it was injected by somebody who mistyped a name.
    limits
        For numbers that are not common to all notebooks: smallest and largest allowed value.

    Raises
    ------
    ParameterError
        If a parameter is unknown, has a value of another type, or one that is not allowed, or `results_dir` cannot be
        written.
    """
    types = _annotations(namespace)
    parameters = {key: namespace[key] for key in types if key in namespace}
    _refuse_unknown(namespace, types)
    for key, value in parameters.items():
        _check_type(key, value, types[key])
    choices = {
        "cohort": ("auto", *COHORTS),
        "panel": ("auto", *PANELS),
        "scale": SCALES,
        "device": DEVICES,
    }
    owned = {"cohort": "gi encode", "panel": "gi panel"}
    for key, allowed in choices.items():
        if (
            key in parameters
            and parameters[key] not in allowed
            and not (key in owned and is_own(parameters[key]))
        ):
            own = f", or a folder NAME.zarr that `{owned[key]}` wrote" if key in owned else ""
            raise ParameterError(f"{key} is {parameters[key]!r}; allowed are {', '.join(allowed)}{own}.")
    for key, (low, high) in ({"seed": (0, 2**31 - 1)} | dict(limits or {})).items():
        if key in parameters and not low <= parameters[key] <= high:
            bounds = f"at least {low}" if high == math.inf else f"from {low} to {high}"
            raise ParameterError(f"{key} is {parameters[key]!r}; it must be {bounds}.")
    try:
        device = device_name(resolve_device(parameters.get("device", "cpu")))
    except ValueError as error:
        raise ParameterError(str(error)) from None
    folder = Path(parameters.get("results_dir", f"_build/results/{name}"))
    with _or_elsewhere():
        make_room(folder)
    plots.use_style()
    return Run(name, parameters, device, folder)


def _or_elsewhere() -> AbstractContextManager[None]:
    return or_elsewhere("choose another folder by results_dir", ParameterError)


def device_name(device: torch.device) -> str:
    """``cpu``, or ``cuda`` with the name of the GPU."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def _annotations(namespace: Mapping[str, Any]) -> dict[str, type]:
    if "__annotations__" in namespace:
        return dict(namespace["__annotations__"])
    annotate = namespace.get("__annotate__")  # Python 3.14 and later evaluate annotations when asked
    return dict(annotate(1)) if annotate else {}


def _refuse_unknown(namespace: Mapping[str, Any], types: Mapping[str, type]) -> None:
    plain = (bool, int, float, str, list, dict, type(None))
    shell = {"In", "Out", "exit", "quit"}
    for key, value in namespace.items():
        if key.startswith("_") or key in types or key in shell or isinstance(value, ModuleType):
            continue
        if isinstance(value, plain):
            raise ParameterError(f"There is no parameter {key!r}; allowed are {', '.join(types)}.")


def _check_type(key: str, value: Any, wanted: type) -> None:
    is_whole_number_for_float = wanted is float and isinstance(value, int) and not isinstance(value, bool)
    is_bool_for_number = wanted in (int, float) and isinstance(value, bool)
    if is_whole_number_for_float:
        return
    if not isinstance(value, wanted) or is_bool_for_number:
        raise ParameterError(f"{key} is {value!r}; it must be of type {wanted.__name__}.")


@dataclass
class Run:
    """One execution of a notebook; made by `start`."""

    name: str
    parameters: dict[str, Any]
    device: str
    folder: Path
    _cohorts: dict[str, dict[str, str]] = field(default_factory=dict)
    _main_cohort: str | None = None

    @property
    def scale(self) -> str:
        """``demo`` or ``paper``."""
        return self.parameters["scale"]

    @property
    def progress(self) -> bool:
        """Whether to show progress bars: to a person who waits, not in a page of the book."""
        return "GI_BOOK_BUILD" not in os.environ

    def load_cohort(self, name: str | None = None, banner: bool = True) -> xr.Dataset:
        """Load the cohort of the run and say at this place which kind of data it is.

        Parameters
        ----------
        name
            Another cohort than the parameter ``cohort`` names.
        banner
            Show the data banner.

        Raises
        ------
        ParameterError
            If the data cannot be had.
        """
        asked = name or self.parameters["cohort"]
        try:
            resolved = resolve_cohort(asked)
            cohort = load_cohort(resolved, self.scale, self.parameters["seed"])
        except (DataError, CohortError) as error:
            raise ParameterError(f"The cohort {asked!r} cannot be loaded: {error}") from None
        for what, there in (
            ("traits", cohort.sizes["trait"]),
            ("countries", (cohort["country"] != "").any()),
        ):
            if not there:
                raise ParameterError(
                    f"The cohort {asked!r} has no {what}, which this notebook needs; give `gi encode` a table of "
                    f"{'traits (--traits)' if what == 'traits' else 'accessions (--accessions)'}."
                )
        self._loaded(cohort, asked, resolved, banner)
        return cohort

    def load_panel(
        self,
        name: str | None = None,
        real: str = "rice",
        stand_in: str = "simulated",
        banner: bool = True,
    ) -> xr.Dataset:
        """Load the panel of the run and say at this place which kind of data it is.

        Parameters
        ----------
        name
            Another panel than the parameter ``panel`` names.
        real, stand_in
            The panel that ``auto`` prefers, and the simulated one where its files cannot be had.
        banner
            Show the data banner.

        Raises
        ------
        ParameterError
            If the data cannot be had.
        """
        asked = name or self.parameters["panel"]
        try:
            resolved = resolve_panel(asked, real, stand_in)
            panel = load_panel(resolved, self.scale, self.parameters["seed"])
        except (DataError, CohortError) as error:
            raise ParameterError(f"The panel {asked!r} cannot be loaded: {error}") from None
        if not panel.sizes["trait"]:
            raise ParameterError(f"The panel {asked!r} has no traits, which this notebook needs.")
        self._loaded(panel, asked, resolved, banner)
        return panel

    def _loaded(self, cohort: xr.Dataset, asked: str, resolved: str, banner: bool) -> None:
        """Note what was loaded, and show its banner."""
        kind = cohort.attrs["data_kind"]
        self.uses(resolved, kind, fingerprint(cohort))
        self._main_cohort = self._main_cohort or resolved
        if banner:
            self.banner(kind, describe(cohort), asked == "auto" and kind == "simulated")

    def uses(self, source: str, data_kind: str, sha256: str) -> None:
        """Note a source of data for the provenance line."""
        self._cohorts[source] = {"data_kind": data_kind, "sha256": sha256}

    def banner(self, data_kind: str, text: str, stand_in: bool = False) -> None:
        """Show which kind of data the numbers below come from."""
        style, title = BANNERS[data_kind]
        if stand_in:
            text += (
                " This page is meant for real data, which could not be had when it was built. What it shows says "
                "nothing about real plants; results recorded on the real data stand further below."
            )
        display(
            HTML(
                f'<div class="data-banner {style}" role="note"><strong>{title}</strong> {escape(text)}</div>'
            )
        )

    def save(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Write a small result table as ``<results_dir>/<name>.csv`` and return it.

        Raises
        ------
        ParameterError
            If the folder cannot be written; what was saved before stays.
        """
        text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        with _or_elsewhere():
            write_text(self.folder / f"{name}.csv", text)
        return table

    def recorded(self, name: str, notebook: str | None = None) -> pd.DataFrame:
        """All recorded tables of this notebook, or of another, with this name.

        They get the marks ``cohort``, ``scale``, ``data``, ``commit``, ``device``, ``recorded`` (a date) and
        ``parameters``.

        Recorded runs stand in ``results/<notebook>/<cohort>-<scale>/``, or a part of one in
        ``<cohort>-<scale>-<part>/``; the table is empty if there are none.
        """
        tables = []
        for path in sorted((REPOSITORY / "results" / (notebook or self.name)).glob(f"*/{name}.csv")):
            provenance = json.loads((path.parent / "provenance.json").read_text())
            table = pd.read_csv(path, keep_default_na=False, na_values=[""])
            parameters = provenance["parameters"]
            marks = {
                "cohort": provenance["main_cohort"],
                "scale": parameters["scale"],
                "data": (COHORTS | PANELS)[provenance["main_cohort"]],
                "commit": provenance["commit"],
                "device": provenance["device"],
                "recorded": provenance["recorded"],
                "parameters": ", ".join(f"{key}={value}" for key, value in parameters.items()),
            }
            tables.append(table.assign(**marks))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def benchmark(self, name: str) -> pd.DataFrame:
        """A table that a script of ``benchmarks/`` has recorded: ``results/benchmarks/<name>.csv``."""
        return pd.read_csv(REPOSITORY / "results" / "benchmarks" / f"{name}.csv", keep_default_na=False)

    def finish(self) -> None:
        """Write ``provenance.json`` and print the line of provenance that ends every notebook."""
        kinds = sorted({used["data_kind"] for used in self._cohorts.values()})
        shown = {key: value for key, value in self.parameters.items() if key != "results_dir"}
        provenance = {
            "notebook": self.name,
            "parameters": shown,
            "data_kind": " and ".join(kinds),
            "cohort": ", ".join(self._cohorts),
            "main_cohort": self._main_cohort,
            "data_sha256": {name: used["sha256"] for name, used in self._cohorts.items()},
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
            "commit": commit_of(self.name),
            "device": self.device,
        }
        with _or_elsewhere():
            write_text(self.folder / "provenance.json", json.dumps(provenance, indent=1) + "\n")
        parts = [
            ", ".join(f"{key}={value}" for key, value in shown.items()),
            "; ".join(f"{name} sha256 {sha[:12]}" for name, sha in provenance["data_sha256"].items()),
            ", ".join(f"{name} {version}" for name, version in provenance["packages"].items()),
            f"commit {provenance['commit']}",
            f"device {self.device}",
        ]
        display(HTML(f'<p class="provenance"><strong>Provenance.</strong> {escape(" | ".join(parts))}</p>'))


def enough_accessions(cohort: xr.Dataset, asked: int = 0) -> int:
    """How many labelled accessions a country needs to exceed to enter the within-country score.

    Parameters
    ----------
    cohort
        The cohort that is scored.
    asked
        A number to use as it is; 0 takes the paper's 50, or 15 where the cohort is a small simulation.
    """
    return asked or (50 if cohort.sizes["sample"] > 600 else 15)


def compare(difference: float, low: float, high: float, other: str) -> str:
    """What a paired difference says: ``ahead of X``, ``behind X``, ``not told apart from X``; of NaN, that it is none.

    Examples
    --------
    >>> compare(0.04, 0.01, 0.07, "ridge")
    'ahead of ridge by 0.04 [0.01, 0.07]'
    """
    if math.isnan(low) or math.isnan(high):
        return f"too few accessions to compare with {other}"
    size = (
        interval(abs(difference), *sorted((abs(low), abs(high))))
        if low * high > 0
        else interval(difference, low, high)
    )
    if low > 0:
        return f"ahead of {other} by {size}"
    if high < 0:
        return f"behind {other} by {size}"
    return f"not told apart from {other} ({size})"


def describe(cohort: xr.Dataset) -> str:
    """One sentence on what a cohort holds."""
    sizes = cohort.sizes
    genomes = f"{sizes['sample']:,} accessions × " + (
        f"{sizes['gene']:,} genes × {sizes['variant_type']} variant types"
        if "counts" in cohort
        else f"{sizes['marker']:,} markers"
    )
    traits = "1 trait" if sizes["trait"] == 1 else f"{sizes['trait']} traits"
    return f"{genomes}; {traits}. {cohort.attrs['source']}"


def show(table: pd.DataFrame) -> HTML:
    """A table without its row numbers, thousands set apart; the same HTML in every run."""
    whole = {name: "{:,}".format for name in table.select_dtypes("integer")}
    return HTML(table.to_html(index=False, border=0, na_rep="–", formatters=whole, classes="text-table"))


def recorded_note(recorded: pd.DataFrame) -> HTML:
    """When, on what, from which state of the sources and with which parameters `Run.recorded`'s rows were made."""
    runs = recorded[["data", "scale", "device", "recorded", "commit", "parameters"]].drop_duplicates()
    notes = [
        f"{run.data} ({run.scale} scale): {run.recorded}, {run.device}, commit {run.commit}"
        for run in runs.itertuples()
    ]
    parameters = "".join(
        f"<li>{escape(run.data)}: {escape(run.parameters)}</li>" for run in runs.itertuples()
    )
    return HTML(
        f'<p class="provenance"><strong>Recorded.</strong> {escape("; ".join(notes))}</p>'
        f'<details class="provenance"><summary>Parameters</summary><ul>{parameters}</ul></details>'
    )


def paper_beside_ours(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The table that closes every chapter: what the paper states, what was measured here, and on which data.

    Parameters
    ----------
    rows
        Dictionaries with the keys ``claim``, ``paper``, ``ours``, ``data`` and ``verdict``.

    Raises
    ------
    ValueError
        If a row lacks a key or has another one.
    """
    columns = ["claim", "paper", "ours", "data", "verdict"]
    for row in rows:
        if set(row) != set(columns):
            raise ValueError(f"A row has the keys {sorted(row)}; needed are {columns}.")
    return pd.DataFrame(rows)[columns]


def interval(estimate: float, low: float, high: float, digits: int = 2) -> str:
    """``0.62 [0.55, 0.68]``; a dash where there is no number.

    Examples
    --------
    >>> interval(0.618, 0.5512, 0.679)
    '0.62 [0.55, 0.68]'
    """
    if math.isnan(estimate):
        return "–"
    return f"{number(estimate, digits)} [{number(low, digits)}, {number(high, digits)}]"


def power_of_ten(exponent: int) -> str:
    """As text that needs no typesetting.

    Examples
    --------
    >>> power_of_ten(-5)
    '10⁻⁵'
    """
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def percent(share: float, digits: int = 0) -> str:
    """A share in percent.

    Examples
    --------
    >>> percent(0.4712)
    '47 %'
    """
    return "–" if math.isnan(share) else f"{number(100 * share, digits)} %"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence.

    Examples
    --------
    >>> listed(["Na23", "K39", "Ca43"]), listed([])
    ('Na23, K39 and Ca43', 'none')
    """
    names = [str(name) for name in names]
    if not names:
        return "none"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def say(**values: object) -> None:
    """Give numbers and words to the text, which shows them by ``{glue:text}`NAME```."""
    for name, value in values.items():
        # A NumPy scalar would be shown with its type around it.
        glue(name, value.item() if isinstance(value, np.generic) else value, display=False)


def answered(**answers: object) -> None:
    """Look whether the answers to an exercise are given, before a check looks whether they are right.

    Parameters
    ----------
    **answers
        Name and value of each.

    Raises
    ------
    NotAnswered
        If one is still the ``...`` that stands in its place.
    """
    if missing := [name for name, value in answers.items() if value is ...]:
        raise NotAnswered(
            f"{listed(missing)} still to be answered: put a value in the place of each '...' above."
        )


@functools.cache
def commit_of(name: str) -> str:
    """The last commit that touched what a notebook's results depend on, and ``+`` if that has changed since.

    Later commits elsewhere do not show, so that two builds of the same sources are alike.
    """
    paths = ["gi_lib", *(f":!gi_lib/{part}" for part in RENDERING), "data_manifest", f"notebooks/{name}.md"]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(REPOSITORY), *arguments, "--", *paths]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        last, changed = git("log", "-1", "--format=%h", "--abbrev=10"), git("status", "--porcelain")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{last or 'none'}{'+' if changed else ''}"
