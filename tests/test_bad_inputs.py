"""Every bad input of the table in `bad_inputs.py` is answered by one sentence of ours."""

import importlib.util
import os
import traceback
from pathlib import Path

import pytest

import gi_lib

PATH = Path(__file__).with_name("bad_inputs.py")
OURS = Path(gi_lib.__file__).parent
AREAS = {
    "VCF", "Annovar", "gene models", "pathways", "PLINK", "dosages and tables as CSV",
    "AraPheno, ionome, countries", "cohorts", "data manifests", "command line", "notebook parameters",
    "estimators", "evaluation", "sweep files",
}  # fmt: skip
FAMILIES = (
    "Galiana", "transfer", "BMSNN", "GPSNN", "GBLUP", "RKHS", "elastic net", "Bayesian", "NeuralLasso",
    "BINN", "country mean", "ridge", "map neighbours", "gradient boosting",
)  # fmt: skip
LONGEST = 450  # what is allowed may be a long list
COMMANDS = ("encode", "panel", "build", "record", "sweep", "data", "book")


def load():
    spec = importlib.util.spec_from_file_location("bad_inputs", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLE = load()


@pytest.mark.parametrize("case", TABLE.CASES, ids=lambda case: f"{case.area}: {case.wrong}")
def test_it_is_refused_in_one_sentence(case, tmp_path, monkeypatch):
    if case.wrong == "no permission to read" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    monkeypatch.setenv("COLUMNS", "200")  # typer breaks lines
    error = case.run(tmp_path)
    kind, message = TABLE.shown(error)
    assert kind == (f"exit {case.error}" if isinstance(case.error, int) else case.error.__name__), message
    for name in case.names:
        assert name in message
    assert "\n" not in message and "Traceback" not in message
    if kind == "exit 2":
        assert message.startswith("Usage: ")  # typer's own
        return
    for folder in (str(tmp_path), os.environ["GI_CACHE_DIR"]):
        message = message.replace(folder, "")
    assert 10 < len(message) <= LONGEST
    if kind == "exit 1":
        assert message.startswith("gi: ")
    elif not isinstance(error, PermissionError):
        last = traceback.extract_tb(error.__traceback__)[-1]
        assert Path(last.filename).is_relative_to(OURS), f"{last.filename}, line {last.lineno}: {message}"


def test_the_table_covers_all_areas():
    assert {case.area for case in TABLE.CASES} == AREAS
    assert len(TABLE.CASES) >= 80
    assert len({(case.area, case.wrong) for case in TABLE.CASES}) == len(TABLE.CASES)
    told = {area: [case.wrong for case in TABLE.CASES if case.area == area] for area in AREAS}
    for family in FAMILIES:
        assert any(wrong.startswith(family) for wrong in told["estimators"]), family
    for command in COMMANDS:
        assert any(wrong.split(":")[0].split(" ")[0] == command for wrong in told["command line"]), command


def test_no_row_names_nothing():
    assert all(case.names for case in TABLE.CASES)
