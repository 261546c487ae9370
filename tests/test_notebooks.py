"""Every notebook runs alone, and refuses what it does not know in one sentence."""

import ast
import json
import re

import pandas as pd
import papermill
import pytest

from gi_lib import book
from gi_lib.notebook import ParameterError

PROJECT = book.Project()
NOTEBOOKS = sorted({page.notebook for page in PROJECT.pages.values()})
SMALL = {
    "cohort": "simulated",
    "panel": "simulated",
    "n_markers": 200,
    "n_iterations": 60,
    "burn_in": 10,
    "n_chains": 2,
    "inner_folds": 2,
    "iterations": [20, 50],
    "n_lines": 200,
    "device": "cpu",
    "seed": 2,
    "epochs": 2,
    "source_epochs": 2,
    "n_splits": 2,
    "n_components": 20,
    "n_repeats": 1,
    "n_shuffles": 2,
    "n_draws": 2,
    "n_trials": 2,
    "n_networks": 2,
    "n_simulations": 50,
    "n_permutations": 19,
    "n_bootstrap": 20,
    "experiment_folds": 1,
    "dial_steps": 2,
}
SMALLEST = {
    "simpsons-paradox": {"n_shuffles": 20},
    "tuning": {"n_draws": 20},
    # These two have worlds of their own, with parameters that fit each other.
    "four-hormones": {
        "panel": "shoot-branching",
        "n_worlds": 2,
        "n_plants": 80,
        "n_train": 50,
        "train_sizes": [30],
        "n_neutral": 20,
        "weights": [1.0],
        "shares": [1.0],
    },
    "three-papers": {"cohorts": ["shoot-branching", "simulated"], "n_markers": 60, "hidden": 4},
    "binn-maize": {"panel": "shoot-branching", "n_markers": 0, "traits": [], "n_splits": 3},
}  # where these numbers cost little, or others do not fit


def run(name: str, folder, **parameters):
    """Execute a notebook as a reader would: papermill on the paired .ipynb."""
    return papermill.execute_notebook(
        PROJECT.notebooks / f"{name}.ipynb",
        folder / "out.ipynb",
        parameters={"results_dir": str(folder / "results"), **parameters},
        cwd=PROJECT.root,
        progress_bar=False,
        extra_arguments=["--log-level=40"],
    )


WRONG = [
    ("device", "tpu", "device is 'tpu'; allowed are auto, cpu, cuda."),
    ("sede", 3, "There is no parameter 'sede'; allowed are "),
]


@pytest.mark.parametrize(("parameter", "value", "sentence"), WRONG)
def test_a_wrong_parameter_is_refused_in_one_sentence(parameter, value, sentence, tmp_path):
    with pytest.raises(papermill.PapermillExecutionError) as error:
        run("galiana", tmp_path, **{parameter: value})
    assert error.value.ename == "ParameterError"
    assert error.value.evalue.startswith(sentence)
    assert len(error.value.traceback) == 1  # the sentence alone


@pytest.mark.parametrize("name", NOTEBOOKS)
@pytest.mark.parametrize(("parameter", "value", "sentence"), WRONG)
def test_every_notebook_checks_its_parameters_first(name, parameter, value, sentence, tmp_path):
    namespace = {"__name__": "__main__"}
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        for cell in book.convert(PROJECT.notebooks / f"{name}.md").cells:
            if cell.cell_type == "code":
                exec(cell.source, namespace)  # a kernel takes seconds to start; see the test above for one
                if "parameters" in cell.metadata.get("tags", []):
                    namespace |= {"results_dir": str(tmp_path), parameter: value}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_each_notebook_runs_alone_with_another_seed(name, tmp_path, monkeypatch):
    monkeypatch.setenv("GI_BOOK_BUILD", "1")  # no progress bars: whatever else is on stderr is a fault
    declared = book.declared_parameters(book.convert(PROJECT.notebooks / f"{name}.md"))
    small = SMALL | SMALLEST.get(name, {})
    executed = run(name, tmp_path, **{key: value for key, value in small.items() if key in declared})

    provenance = json.loads((tmp_path / "results" / "provenance.json").read_text())
    assert provenance["parameters"]["seed"] == 2
    if {"cohort", "panel"} & set(declared):
        assert provenance["data_kind"] == "simulated"
    assert provenance["device"] == "cpu"
    beside = pd.read_csv(tmp_path / "results" / "paper_beside_ours.csv")
    assert list(beside.columns) == ["claim", "paper", "ours", "data", "verdict"]
    assert len(beside) > 0
    book.clean(executed, name)  # raises on errors, warnings, and figures without alternative text

    # What is recorded must still have the columns that this version of the notebook writes and reads.
    for recorded in (PROJECT.root / "results" / name).glob("*/*.csv"):
        fresh = tmp_path / "results" / recorded.name
        assert fresh.exists(), f"{recorded} is recorded, but the notebook no longer writes {recorded.name}"
        assert list(pd.read_csv(recorded, nrows=0)) == list(pd.read_csv(fresh, nrows=0))


def test_recorded_runs_carry_their_provenance():
    folders = {path.parent for path in (PROJECT.root / "results").glob("*/*/*.csv")}
    for folder in folders:
        provenance = json.loads((folder / "provenance.json").read_text())
        assert provenance["notebook"] == folder.parent.name
        named = [provenance["main_cohort"], provenance["parameters"]["scale"], provenance.get("part")]
        assert folder.name == "-".join(filter(None, named))
        assert provenance["data_sha256"]
        assert not provenance["commit"].endswith("+"), f"{folder} was recorded from uncommitted sources"


def claims_of_the_verdict():
    """Chapter, anchor and table of each claim, read from the text of the notebook."""
    cells = re.findall(
        r"```\{code-cell\} python\n(?::[^\n]*\n)*(.*?)```",
        (PROJECT.notebooks / "verdict.md").read_text(),
        re.S,
    )
    for cell in cells:
        for node in ast.walk(ast.parse(cell)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Claim":
                yield tuple(argument.value for argument in node.args[2:5])


@pytest.mark.parametrize(("chapter", "anchor", "table"), sorted(set(claims_of_the_verdict())))
def test_a_claim_of_the_verdict_leads_to_what_computed_it(chapter, anchor, table):
    text = (PROJECT.notebooks / f"{chapter}.md").read_text()
    headings = {
        re.sub(r"\W+", "-", name.lower()).strip("-") for name in re.findall(r"^##+ (.*)$", text, re.M)
    }
    assert f":    name: {anchor}\n" in text or anchor in headings
    assert re.search(rf'run\.save\(\s*"{table}"', text)


def test_the_verdict_hears_of_every_chapter_of_its_part():
    heard = {chapter for chapter, _, _ in claims_of_the_verdict()}
    assert heard >= {"ionome", "transfer-learning", "bmsnn", "upper-bounds", "stratification"}
    assert heard >= {"simpsons-paradox", "ionome-structure", "tuning", "relevance"}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_code_that_is_shown_fits_the_page(name):
    # What stands behind a button may be wider and scroll.
    hidden = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
    cells = book.convert((PROJECT.notebooks / name).with_suffix(".md")).cells
    wide = [
        line
        for cell in cells
        if cell.cell_type == "code" and not hidden & set(cell.metadata.get("tags", []))
        for line in cell.source.splitlines()
        if len(line) > 88
    ]
    assert not wide, wide
