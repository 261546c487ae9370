"""Sweeps: what a file may say, and that the gathered table does not depend on how its jobs were run."""

import subprocess
import sys

import pandas as pd
import pytest
import torch
import yaml
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

from gi_lib.cli import app
from gi_lib.cohorts import load_cohort
from gi_lib.datasets.cohort import save_cohort
from gi_lib.lineup import baselines
from gi_lib.notebook import REPOSITORY
from gi_lib.sweep import Sweep, SweepError, gather, known_models, read_sweep, run_job
from gi_lib.validation import COLUMNS, RandomFolds, cross_validate

SMALL = {
    "cohorts": ["simulated"],
    "seeds": [1, 2],
    "models": ["country mean", "GBLUP"],
    "n_splits": 3,
    "min_accessions": 15,
}


@pytest.fixture
def written(tmp_path):
    def write(**changes) -> str:
        path = tmp_path / "sweep.yaml"
        path.write_text(yaml.safe_dump({**SMALL, **changes}))
        return str(path)

    return write


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """All jobs of a small sweep, run in reverse order."""
    folder = tmp_path_factory.mktemp("sweep")
    sweep = Sweep(**{name: tuple(v) if isinstance(v, list) else v for name, v in SMALL.items()})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GI_CACHE_DIR", str(folder / "cache"))
        for name in reversed(sweep.jobs()):
            run_job(sweep, name, folder)
    gather(sweep, folder)
    return sweep, folder


def test_the_example_says_what_is_left_out_means():
    example = read_sweep(REPOSITORY / "workflow" / "sweep.yaml")
    assert example == Sweep(example.cohorts, example.models)


def test_jobs_are_one_for_each_combination(written):
    sweep = read_sweep(written(splits=["random", "by country"]))
    assert len(sweep.jobs()) == 1 * 2 * 2 * 2
    assert next(iter(sweep.jobs())) == "simulated--random--seed-1--country-mean"
    whole = read_sweep(written(job="all models"))
    assert list(whole.jobs()) == [f"simulated--random--seed-{seed}--all-models" for seed in (1, 2)]
    assert whole.jobs()["simulated--random--seed-1--all-models"].models == ("country mean", "GBLUP")


BAD = {
    "unknown setting": ({"epoch": 3}, "the sweep has no setting 'epoch'; settings are cohorts, models"),
    "unknown model": ({"models": ["Galileo"]}, r"models has 'Galileo'; allowed are Galiana, transf50"),
    "unknown split": ({"splits": ["by colour"]}, "splits has 'by colour'; allowed are random, by country"),
    "unknown cohort": ({"cohorts": ["rye"]}, "cohorts has 'rye'; allowed are simulated, arabidopsis"),
    "cohort of another kind": ({"cohorts": [3]}, "cohorts has 3; allowed are simulated"),
    "no list": ({"seeds": 3}, "seeds must be a list of different entries, not 3"),
    "empty list": ({"models": []}, r"models must be a list of different entries, not \[\]"),
    "one twice": ({"seeds": [1, 1]}, r"seeds must be a list of different entries, not \[1, 1\]"),
    "text for a number": ({"epochs": "many"}, "epochs has 'many'; allowed are whole numbers from 1"),
    "true for a number": ({"epochs": True}, "epochs has True; allowed are whole numbers from 1"),
    "negative seed": ({"seeds": [-1]}, "seeds has -1; allowed are whole numbers from 0"),
    "one fold": ({"n_splits": 1}, "n_splits has 1; allowed are whole numbers from 2"),
    "scale": ({"scale": "huge"}, "scale has 'huge'; allowed are demo, paper"),
    "job": ({"job": "fold"}, "job has 'fold'; allowed are model, all models"),
    "resources as text": ({"resources": "plenty"}, "resources must be a table of settings, not 'plenty'"),
    "unknown resource": ({"resources": {"disk": 3}}, "resources has no setting 'disk'; settings are minutes"),
    "no memory": ({"resources": {"megabytes": 0}}, "megabytes has 0; allowed are whole numbers from 1"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_sweep_is_refused_in_a_sentence(what, written):
    changes, message = BAD[what]
    with pytest.raises(SweepError, match=message) as error:
        read_sweep(written(**changes))
    assert "sweep.yaml: " in str(error.value)


@pytest.mark.parametrize(
    "content, message",
    [
        ("- 1", "holds no table of settings, but list"),
        ("a: [", "cannot be read as YAML"),
        ("", "holds no table of settings, but NoneType"),
        ("models: [GBLUP]", "the sweep needs a list of cohorts"),
    ],
)
def test_a_file_that_is_no_sweep_is_refused(content, message, tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(content)
    with pytest.raises(SweepError, match=message):
        read_sweep(path)
    with pytest.raises(SweepError, match="cannot be read"):
        read_sweep(tmp_path / "none.yaml")


def test_known_models_are_those_of_a_cohort_that_has_everything():
    assert {"Galiana", "frozen500", "GPSNN", "GBLUP", "country mean"} <= set(known_models())


def test_the_table_holds_what_cross_validation_gives(done, monkeypatch):
    _, folder = done
    table = pd.read_parquet(folder / "predictions.parquet")
    assert list(table) == ["cohort", *COLUMNS]
    monkeypatch.setenv("GI_CACHE_DIR", str(folder / "cache"))  # for the cohort
    cohort = load_cohort("simulated", "demo", 2)
    gblup = [model for model in baselines(cohort) if model.name == "GBLUP"]
    alone = cross_validate(cohort, gblup, RandomFolds(3, 1, 2), 2, cached=False)
    mine = table[(table["model"] == "GBLUP") & (table["seed"] == 2)].drop(columns="cohort")
    pd.testing.assert_frame_equal(mine.reset_index(drop=True), alone)


def test_scores_have_an_interval_over_seeds(done):
    _, folder = done
    scores = pd.read_csv(folder / "scores.csv")
    assert set(scores["model"]) == set(SMALL["models"]) and set(scores["repeats"]) == {2}
    gblup = scores[(scores["model"] == "GBLUP") & (scores["score"] == "pooled")].iloc[0]
    assert gblup["low"] < gblup["estimate"] < gblup["high"]
    page = (folder / "summary.html").read_text()
    assert "simulated (simulated), random" in page
    assert "country mean" in page and f"{gblup['estimate']:.3f}" in page
    assert "http" not in page.replace("http-equiv", "")


def test_jobs_in_another_order_give_the_same_bytes(done, tmp_path):
    sweep, folder = done
    for name in sweep.jobs():
        run_job(sweep, name, tmp_path)
    gather(sweep, tmp_path)
    for name in ("predictions.parquet", "scores.csv", "summary.html"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_cohort_of_ones_own_is_found_beside_the_sweep_file(done, written, tmp_path, monkeypatch):
    save_cohort(load_cohort("simulated", "demo", 1), tmp_path / "mine.zarr")
    sweep = read_sweep(written(cohorts=["mine.zarr"], seeds=[1]))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in sweep.jobs():
        assert name.startswith("mine--random")
        run_job(sweep, name, ".")
    gather(sweep, ".")
    mine = pd.read_parquet("predictions.parquet")
    assert set(mine["cohort"]) == {"mine"}
    of_simulated = pd.read_parquet(done[1] / "predictions.parquet").query("seed == 1")
    assert mine["predicted"].tolist() == of_simulated["predicted"].tolist()
    assert str(tmp_path) not in (tmp_path / "elsewhere" / "summary.html").read_text()
    with pytest.raises(SweepError, match="two of cohorts have the same name"):
        read_sweep(written(cohorts=["mine.zarr", "other/mine.zarr"]))


def test_the_threads_around_a_job_do_not_matter(done, tmp_path, monkeypatch):
    sweep, folder = done
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))  # the cohort is made anew, too
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(2):
        for name in (jobs := [name for name in sweep.jobs() if "seed-1" in name]):
            run_job(sweep, name, tmp_path)
        assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
    for name in jobs:
        assert (tmp_path / "jobs" / f"{name}.parquet").read_bytes() == (
            folder / "jobs" / f"{name}.parquet"
        ).read_bytes()


def test_what_is_missing_or_damaged_is_named(done, tmp_path, written):
    sweep, folder = done
    first, second, *_ = sweep.jobs()
    with pytest.raises(SweepError, match=rf"4 of 4 jobs have left no predictions in .*'{first}'"):
        gather(sweep, tmp_path, partial=True)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / f"{first}.parquet").write_bytes((folder / "jobs" / f"{first}.parquet").read_bytes())
    with pytest.raises(SweepError, match="3 of 4 jobs have left no predictions"):
        gather(sweep, tmp_path)
    _, missing = gather(sweep, tmp_path, partial=True)
    assert len(missing) == 3 and second in (tmp_path / "summary.html").read_text()
    (tmp_path / "jobs" / f"{first}.parquet").write_bytes(b"half a file")
    with pytest.raises(SweepError, match=r"is damaged: .*remove it and run again"):
        gather(sweep, tmp_path, partial=True)
    with pytest.raises(SweepError, match="There is no job 'x'; the first of 4 is 'simulated--random"):
        run_job(sweep, "x", tmp_path)


def test_a_cohort_that_lacks_what_a_model_needs_is_named(tmp_path, monkeypatch):
    def without_source(*_):
        return load_cohort("simulated", "demo", 1).drop_vars("source_trait_value")

    monkeypatch.setattr("gi_lib.sweep.load_cohort", without_source)
    sweep = Sweep(("simulated",), ("transf50",), epochs=1, source_epochs=1)
    with pytest.raises(SweepError, match="'simulated' lacks what transf50 needs, a source task or complete"):
        run_job(sweep, next(iter(sweep.jobs())), tmp_path)


def test_the_commands_say_it_in_a_sentence(written, tmp_path):
    run = CliRunner().invoke(app, ["sweep", "gather", written(models=["Galileo"]), "--out", str(tmp_path)])
    assert run.exit_code == 1 and run.stderr.startswith("gi: ") and "allowed are Galiana" in run.stderr
    run = CliRunner().invoke(app, ["sweep", "gather", written(), "--out", str(tmp_path)])
    assert run.exit_code == 1 and "4 of 4 jobs have left no predictions" in run.stderr


@pytest.mark.slow
def test_a_sweep_on_this_machine(written, tmp_path, done):
    _, folder = done
    out = tmp_path / "out"
    command = [sys.executable, "-m", "gi_lib.cli", "sweep", "run", written(), "--out", out, "--cores", "2"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (out / "predictions.parquet").read_bytes() == (folder / "predictions.parquet").read_bytes()
    before = {path: path.stat().st_mtime_ns for path in (out / "jobs").iterdir()}
    (out / "jobs" / "simulated--random--seed-2--GBLUP.parquet").unlink()
    (out / "predictions.parquet").unlink()
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    after = {path: path.stat().st_mtime_ns for path in (out / "jobs").iterdir()}
    assert sum(before[path] != after[path] for path in before) == 1  # only what was missing
    assert (out / "predictions.parquet").read_bytes() == (folder / "predictions.parquet").read_bytes()
