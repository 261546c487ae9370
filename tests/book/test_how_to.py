"""The pages for contributors, followed step by step in a copy of the repository: what they say is what is tried."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from gi_lib import book
from gi_lib.datasets.cohort import MISSING_DOSAGE, open_cohort

FENCE = re.compile(r"^( *)(`{3,})([^`\s][^\n]*)\n(.*?)^\1\2 *$", re.M | re.S)
DIRECTIVE = re.compile(r"\{code-block\} (\w+)")
CAPTION = re.compile(r":caption: (\S+?)(?:, before (.+))?\n\n")


def blocks(page: str) -> Iterator[tuple[str, str, str, str]]:
    """Language, file, the line to stand before, and text of every block of a page; without a file, to be run."""
    for indent, _, opening, body in FENCE.findall(
        (book.REPOSITORY / "book" / f"{page}.md").read_text("utf-8")
    ):
        text = re.sub(f"^{indent}", "", body, flags=re.M)
        if directive := DIRECTIVE.fullmatch(opening):
            caption = CAPTION.match(text)
            file = caption[1].replace("\\_", "_")  # Markdown would take __init__ for bold
            yield directive[1], file, caption[2] or "", text[caption.end() :]
        else:
            yield opening, "", "", text


def write(file: Path, language: str, before: str, text: str) -> None:
    """Apply one block to a file: change it by a diff, insert into it, append to it, or make it."""
    there = file.read_text("utf-8") if file.exists() else ""
    if language == "diff":
        lines = text.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert there.count(old) == 1, f"{file} does not hold once:\n{old}"
        there = there.replace(old, new)
    elif before:
        assert there.count(f"\n{before}") == 1, f"{file} does not hold once: {before}"
        there = there.replace(f"\n{before}", f"\n{text}\n\n{before}")
    else:
        gap = "\n\n" if language == "python" else "\n"
        there = f"{there}{gap}{text}" if there else text
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(there, "utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git tracks of this repository, elsewhere; one for all pages, whose additions do not touch each other."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=book.REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no clone: git cannot tell what belongs to the repository")
    root = tmp_path_factory.mktemp("how-to") / "copy"
    for name in filter(None, listed.stdout.split("\0")):
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(book.REPOSITORY / name, target)
    return root


def follow(page: str, root: Path) -> str:
    """Do what a page says, in its order, and return what was printed."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "PATH": programs,
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }
    printed, shell = "", "set -e\n"
    for language, file, before, text in blocks(page):
        if file:
            write(root / file, language, before, text)
            continue
        if language == "sh":
            shell += "".join(line for line in text.splitlines(True) if line.startswith("export "))
        command = [sys.executable, "-c", text] if language == "python" else ["bash", "-c", f"{shell}\n{text}"]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        printed += done.stdout
    return printed


@pytest.mark.parametrize("page", ["add-a-model", "add-a-data-set", "add-a-chapter"])
def test_every_fence_of_a_page_is_a_block_that_is_tried(page):
    text = (book.REPOSITORY / "book" / f"{page}.md").read_text("utf-8")
    found = list(blocks(page))
    assert {language for language, file, _, _ in found if not file} <= {"sh", "python"}
    assert len(re.findall(r":caption: \S+\.\w+", text)) == sum(bool(file) for _, file, _, _ in found)


@pytest.mark.slow
def test_a_model_is_added_as_the_page_says(copy):
    printed = follow("add-a-model", copy)
    assert " passed" in printed
    scores = dict(re.findall(r"^(.+?)  +([-\d.]+) +[-\d.]+$", printed, re.M))
    assert {"country mean", "map neighbours", "ridge on counts", "genome neighbours"} <= set(scores)
    assert float(scores["genome neighbours"]) > 0


@pytest.mark.slow
def test_a_data_set_is_added_as_the_page_says(copy):
    printed = follow("add-a-data-set", copy)
    assert re.search(r"^beans +beans\.csv .* in mirror$", printed, re.M)
    assert re.search(r"^ok +beans/beans\.csv", printed, re.M)
    assert "1 passed" in printed
    manifest = (copy / "data_manifest" / "beans.yaml").read_text("utf-8")
    assert set(re.findall(r"^([0-9a-f]{64}|\d+) +mirror/beans/beans\.csv$", printed, re.M)) == set(
        re.findall(r"(?:sha256|bytes): (\w+)", manifest)
    )
    own = open_cohort(copy / "own.zarr", needs="dosage")
    assert own["sample"].values.tolist() == ["Ada", "Boro", "Cleo", "Dora", "Emil", "Fay"]
    assert own["country"].values.tolist() == ["Andean"] * 3 + ["Mesoamerican"] * 3
    assert (own["dosage"] == MISSING_DOSAGE).sum() == 1
    assert own["trait_value"].isnull().sum() == 1


@pytest.mark.slow
def test_a_chapter_is_added_as_the_page_says(copy):
    printed = follow("add-a-chapter", copy)
    assert "country-means: finished in" in printed
    project = book.Project(copy)
    executed = nbformat.read(project.executed("country-means", "demo"), as_version=4)
    book.clean(executed, "country-means")
    assert (
        sum("image/png" in output.get("data", {}) for c in executed.cells for output in c.get("outputs", []))
        == 1
    )
    record = json.loads(project.record("country-means", "demo").read_text())
    assert record["data_kind"] == "simulated"
    assert {path.name for path in (copy / project.results("country-means", "demo")).iterdir()} == {
        "paper_beside_ours.csv",
        "provenance.json",
        "scores.csv",
    }
    for page in project.pages.values():  # the other pages stand in unexecuted
        if page.name != "country-means":
            shutil.copy(project.notebooks / f"{page.notebook}.ipynb", project.executed(page.name, "demo"))
            project.record(page.name, "demo").write_text(json.dumps(record | {"page": page.name}))
    staged = book.stage(project)
    assert "nb-country-means" in (staged / "notebooks" / "country-means.ipynb").read_text("utf-8")
    assert "notebooks/country-means" in (staged / "_toc.yml").read_text("utf-8")
    assert "notebooks/country-means" in (staged / "status.md").read_text("utf-8")
