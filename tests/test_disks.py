"""A disk that is full, and one that may not be written: one sentence that names the folder and what to do."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from sklearn.base import BaseEstimator, RegressorMixin
from typer.testing import CliRunner

from gi_lib import notebook
from gi_lib.book import REPOSITORY
from gi_lib.cli import app
from gi_lib.cohorts.store import keep_cohort
from gi_lib.datasets.cohort import open_cohort, save_cohort
from gi_lib.datasets.registry import DataError
from gi_lib.datasets.small_genome import simulate_small_genome
from gi_lib.encoding import Settings, encode
from gi_lib.notebook import ParameterError
from gi_lib.process import WriteError
from gi_lib.tuning import Tuned
from gi_lib.validation import Model, RandomFolds, cross_validate

PAGE = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Toy

```{code-cell} python
:tags: [parameters]

seed: int = 1
results_dir: str = "results"
```
"""


@dataclass
class Disk:
    """A small disk of its own, and what spoils it."""

    folder: Path
    kind: str

    def spoil(self) -> None:
        """Fill it, or let nobody write any more."""
        if self.kind == "read-only":
            self._mount("remount,ro")
            return
        with (
            pytest.raises(OSError, match="No space"),
            (self.folder / "filler").open("wb", buffering=0) as file,
        ):
            while True:
                file.write(bytes(4096))

    def mend(self) -> None:
        """Have it as before."""
        if self.kind == "read-only":
            self._mount("remount,rw")
        else:
            (self.folder / "filler").unlink()

    def _mount(self, how: str) -> None:
        subprocess.run(["mount", "-o", how, self.folder], check=True)

    def tells(self, sentence: str, remedy: str) -> None:
        """Check what a user is told."""
        assert "\n" not in sentence and sentence.endswith(".") and "Traceback" not in sentence
        assert str(self.folder) in sentence and remedy in sentence
        expected = "The disk is full" if self.kind == "full" else "cannot be written (Read-only file system)"
        assert expected in sentence


@pytest.fixture(params=["full", "read-only"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a disk of a few megabytes cannot be mounted here")
    yield Disk(folder, request.param)
    subprocess.run(["umount", "-l", folder], check=True)


def made_cohort(n: int = 30) -> xr.Dataset:
    random = np.random.default_rng(0)
    return xr.Dataset(
        {
            "trait_value": (("sample", "trait"), random.normal(size=(n, 2))),
            "dosage": (("sample", "marker"), random.choice([0, 2], (n, 9)).astype(np.uint8)),
        },
        coords={
            "sample": [f"s{i}" for i in range(n)],
            "trait": ["a", "b"],
            "country": ("sample", np.full(n, "SE")),
            "latitude": ("sample", np.zeros(n)),
            "longitude": ("sample", np.zeros(n)),
            "chromosome": ("marker", np.full(9, "1")),
            "position": ("marker", np.arange(9)),
        },
        attrs={"data_kind": "simulated", "name": "made", "source": "made"},
    )


class Mean(RegressorMixin, BaseEstimator):
    """Predicts the mean; notes every fit."""

    fits = 0

    def __init__(self, plus: float = 0.0):
        self.plus = plus

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Mean":
        """Take the mean."""
        Mean.fits += 1
        self.mean_ = np.nanmean(y, axis=0) + self.plus
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The mean for everyone."""
        return np.tile(self.mean_, (len(X), 1))


# ---------------------------------------------------------------------------------------------- notebooks


def started(folder: Path) -> notebook.Run:
    types = {"scale": str, "seed": int, "results_dir": str}
    values = {"scale": "demo", "seed": 1, "results_dir": str(folder / "results")}
    return notebook.start("toy", {"__annotations__": types, "__name__": "__main__", **values})


def test_a_notebook_refuses_such_a_folder_before_it_computes_anything(disk):
    disk.spoil()
    with pytest.raises(ParameterError) as caught:
        started(disk.folder)
    disk.tells(str(caught.value), "another folder by results_dir")


def test_what_a_notebook_has_saved_before_stays(disk):
    run = started(disk.folder)
    table = pd.DataFrame({"a": range(3000)})
    run.save("first", table)
    before = (disk.folder / "results" / "first.csv").read_bytes()
    disk.spoil()
    for write in (lambda: run.save("second", table), lambda: run.save("first", table + 1)):
        with pytest.raises(ParameterError) as caught:
            write()
        disk.tells(str(caught.value), "another folder by results_dir")
    assert {path.name: path.read_bytes() for path in (disk.folder / "results").iterdir()} == {
        "first.csv": before
    }


# ---------------------------------------------------------------------------------------------- the cache


def test_predictions_in_the_cache_are_not_lost_and_none_are_computed_in_vain(disk, monkeypatch):
    monkeypatch.setenv("GI_CACHE_DIR", str(disk.folder / "cache"))
    cohort, models = made_cohort(), [Model(f"plus {k}", Mean(float(k)), "dosage") for k in range(2)]
    Mean.fits = 0
    cross_validate(cohort, models[:1], RandomFolds(3))
    assert Mean.fits == 3
    disk.spoil()
    with pytest.raises(DataError) as caught:
        cross_validate(cohort, models, RandomFolds(3))
    disk.tells(str(caught.value), "GI_CACHE_DIR")
    assert Mean.fits == 3
    disk.mend()
    cross_validate(cohort, models, RandomFolds(3))
    assert Mean.fits == 6


def test_a_cohort_that_does_not_fit_into_the_cache(disk, monkeypatch):
    monkeypatch.setenv("GI_CACHE_DIR", str(disk.folder / "cache"))
    disk.spoil()
    with pytest.raises(DataError) as caught:
        keep_cohort("made", lambda path: save_cohort(made_cohort(), path))
    disk.tells(str(caught.value), "GI_CACHE_DIR")
    disk.mend()
    assert keep_cohort("made", lambda path: save_cohort(made_cohort(), path)).identical(
        open_cohort(disk.folder / "cache" / "cohorts" / "made.zarr")
    )
    assert not list(disk.folder.rglob("*.tmp"))


def test_trials_of_a_search_are_kept(disk):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(40, 3)), random.normal(size=(40, 2))
    search = Tuned(Mean(), {"plus": ("uniform", 0.0, 1.0)}, n_trials=2, storage=str(disk.folder / "trials"))
    search.fit(X, y)
    disk.spoil()
    with pytest.raises(WriteError) as caught:
        search.set_params(n_trials=400).fit(X, y)
    disk.tells(str(caught.value), "another folder by storage")
    disk.mend()
    again = search.set_params(n_trials=2).fit(X, y)
    assert len(again.trials_) == 2


# ------------------------------------------------------------------------------------------- the commands


def gi(*arguments: object) -> str:
    """What the command says when it fails."""
    outcome = CliRunner().invoke(app, [str(a) for a in arguments])
    assert outcome.exit_code == 1, outcome.output
    assert isinstance(outcome.exception, SystemExit)
    last = outcome.stderr.strip().splitlines()[-1]
    assert last.startswith("gi: ")
    return last


def a_genome(folder: Path) -> list[object]:
    files = simulate_small_genome(folder, n_genes=6, n_samples=8, n_variants=60)
    return [
        files.vcf,
        "--gff3",
        files.gff3,
        "--fasta",
        files.fasta,
        "--simulated",
        "--no-progress",
        "--cores",
        1,
    ]


def a_sweep(folder: Path) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump({"cohorts": ["simulated"], "models": ["country mean"]}))
    return path


def a_book(folder: Path) -> Path:
    root = folder / "project"
    for name in ("book", "notebooks"):
        (root / name).mkdir(parents=True)
    (root / "book" / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters:\n- file: notebooks/toy\n"
    )
    shutil.copy(REPOSITORY / "_config.yml", root)
    (root / "book" / "index.md").write_text("# Index\n" + 9000 * "text ")
    (root / "notebooks" / "toy.md").write_text(PAGE)
    (root / "notebooks" / "runs.yml").write_text("toy: {source: toy.md}\n")
    return root


COMMANDS: dict[str, tuple[Callable[[Path, Path], list[object]], str]] = {
    "encode": (lambda own, there: ["encode", *a_genome(own), "--out", there / "a.zarr"], "--out"),
    "encode, work": (
        lambda own, there: ["encode", *a_genome(own), "--out", own / "a.zarr", "--work", there / "work"],
        "--work",
    ),
    "panel": (
        lambda own, there: ["panel", a_genome(own)[0], "--out", there / "a.zarr", "--simulated"],
        "--out",
    ),
    "sweep run": (lambda own, there: ["sweep", "run", a_sweep(own), "--out", there / "out"], "--out"),
    "sweep job": (
        lambda own, there: ["sweep", "job", a_sweep(own), "simulated--random--seed-1--country-mean", "--out", there],
        "--out",
    ),
    "book sync": (lambda own, there: ["book", "sync", "--root", a_book(there)], "--root"),
    "book stage": (lambda own, there: ["book", "stage", "--root", a_book(there)], "--root"),
    "book execute": (lambda own, there: ["book", "execute", "toy", "--root", a_book(there)], "--root"),
    "record": (lambda own, there: ["record", "toy", "--root", a_book(there)], "--root"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_in_one_sentence_where_it_cannot_write(disk, tmp_path, name):
    prepare, remedy = COMMANDS[name]
    own = tmp_path / "own"
    own.mkdir()
    arguments = prepare(own, disk.folder)
    disk.spoil()
    disk.tells(gi(*arguments), remedy)
    assert not list(disk.folder.rglob("*.tmp"))


def test_what_is_counted_is_kept_until_there_is_room(disk, tmp_path):
    inputs, out = a_genome(tmp_path / "own"), disk.folder / "a.zarr"
    work = ["--work", tmp_path / "work", "--stretch", 2000]
    assert (
        CliRunner()
        .invoke(app, [*map(str, ("encode", *inputs, *work, "--out", out, "--share", "1/1"))])
        .exit_code
        == 0
    )
    counted = sorted((tmp_path / "work").glob("part-*"))
    disk.spoil()
    disk.tells(gi("encode", *inputs, *work, "--out", out), "--out")
    assert sorted((tmp_path / "work").glob("part-*")) == counted != []
    disk.mend()
    settings = Settings(gff3=str(inputs[2]), fasta=str(inputs[4]))
    assert encode(inputs[0], out, settings, work=tmp_path / "work", stretch=2000, cores=1).counted == 0


def test_a_limit_on_the_size_of_files_is_told_too(tmp_path):
    """Where no disk can be mounted: the operating system refuses to let a file grow."""
    program = (
        "import resource, sys; from pathlib import Path; from gi_lib.process import make_room, or_elsewhere\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    with or_elsewhere('go elsewhere'): make_room(Path(sys.argv[1]))\n"
        "except OSError as error: print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, env=os.environ
    )
    assert run.stdout == f"The folder {tmp_path} cannot be written (File too large); go elsewhere.\n"
    assert not list(tmp_path.iterdir())
