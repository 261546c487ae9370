"""The local Sphinx extension: what it repairs, how it labels, where its buttons lead."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from pybtex.database import Entry, Person

from gi_lib.book import REPOSITORY

GITHUB = "https://github.com/genome-interpretation/companion"


@pytest.fixture(scope="module")
def companion() -> ModuleType:
    spec = importlib.util.spec_from_file_location("companion", REPOSITORY / "book" / "_ext" / "companion.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        ('<div role="list" class="citation-list">', '<div class="citation-list">'),
        ("<tr><th></th><th>a</th></tr>", "<tr><td></td><th>a</th></tr>"),
        ('<table border="1" class="dataframe">', '<table class="dataframe">'),
        (
            '<p id="proof-content"></p><p id="proof-content"></p>',
            '<p id="proof-content-1"></p><p id="proof-content-2"></p>',
        ),
        ("<p>Nothing to repair.</p>", "<p>Nothing to repair.</p>"),
    ],
)
def test_repair(companion: ModuleType, before: str, after: str) -> None:
    assert companion.repair(before) == after


def entry(year: str, *authors: str) -> Entry:
    work = Entry("article", fields={"year": year}, persons={"author": [Person(a) for a in authors]})
    work.key = "key2020"
    return work


def test_bibliography_labels(companion: ModuleType) -> None:
    works = [
        entry("1951", "Simpson, E. H."),
        entry("2001", "Meuwissen, T.", "Hayes, B."),
        entry("2020", "Lin, A.", "Berg, B. van den", "Cox, C."),
        entry("2020"),
        entry("2021", "Doe, J."),
        entry("2021", "Doe, J."),
    ]
    assert list(companion.AuthorYearLabels().format_labels(works)) == [
        "Simpson, 1951",
        "Meuwissen and Hayes, 2001",
        "Lin et al., 2020",
        "key2020, 2020",
        "Doe, 2021a",
        "Doe, 2021b",
    ]


@pytest.mark.parametrize(
    ("page", "before", "after"),
    [
        (
            "notebooks/one-real",
            f"{GITHUB}/edit/main/_build/src/notebooks/one-real.ipynb",
            f"{GITHUB}/edit/main/notebooks/one.md",
        ),
        ("run", f"{GITHUB}/edit/main/_build/src/run.md", f"{GITHUB}/edit/main/book/run.md"),
        (
            "notebooks/one-real",
            "https://mybinder.org/v2/gh/o/r/main?urlpath=lab/tree/notebooks/one-real.ipynb",
            "https://mybinder.org/v2/gh/o/r/main?urlpath=lab/tree/notebooks/one.ipynb",
        ),
        (
            "notebooks/one-real",
            "https://colab.research.google.com/github/o/r/blob/main/notebooks/one-real.ipynb",
            "https://colab.research.google.com/github/o/r/blob/main/notebooks/one.ipynb",
        ),
        ("notebooks/one-real", f"{GITHUB}/issues/new", f"{GITHUB}/issues/new"),
    ],
)
def test_buttons(companion: ModuleType, tmp_path: Path, page: str, before: str, after: str) -> None:
    (tmp_path / "sources.json").write_text(json.dumps({"notebooks/one-real": "notebooks/one.md"}))
    button = {"url": before}
    context = {"header_buttons": [{"type": "group", "buttons": [button]}, {"type": "javascript"}]}
    companion.point_buttons(SimpleNamespace(srcdir=tmp_path), page, "page.html", context, None)
    assert button["url"] == after
