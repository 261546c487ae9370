"""A citation for every chapter: it parses, and names what it has to."""

import re

import nbformat
import pytest
from pybtex.database import parse_string

from gi_lib import __version__, book
from gi_lib.pages import citing

PROJECT = book.Project()
BIBLIOGRAPHY = PROJECT.root / "book" / "references.bib"
BOOK = citing.Book("The Book", "Its contributors", "2026", "https://example.org/book/")
PAGES = {
    name: nbformat.read(PROJECT.notebooks / f"{page.notebook}.ipynb", as_version=4)
    for name, page in PROJECT.pages.items()
}


def test_the_papers_are_those_of_the_page_on_citing() -> None:
    page = (PROJECT.root / "book" / "cite.md").read_text(encoding="utf-8")
    assert re.findall(r"\{cite:t\}`(\w+)`", page) == list(citing.PAPERS)


@pytest.mark.parametrize("name", PAGES)
def test_a_chapter_is_cited_with_title_address_version_year_and_paper(name: str) -> None:
    cell = citing.chapter_citation(name, PAGES[name], BOOK, BIBLIOGRAPHY)
    bibtex, text = (
        re.search(rf"^```{kind}\n(.*?)^```$", cell, re.M | re.S)[1] for kind in ("bibtex", "text")
    )
    entries = parse_string(bibtex, "bibtex").entries
    chapter, *papers = entries
    text_of_page = "\n".join(c.source for c in PAGES[name].cells if c.cell_type == "markdown")
    title = re.search(r"^# (.+)$", text_of_page, re.M)[1]
    fields = entries[chapter].fields
    assert fields["title"] == title
    assert fields["url"] == f"https://example.org/book/notebooks/{name}.html"
    assert (fields["year"], fields["note"]) == ("2026", f"Version {__version__}")
    assert papers == citing.papers_of(PAGES[name])
    for part in (title, fields["url"], __version__, "2026", *(entries[key].fields["doi"] for key in papers)):
        assert part in text
    assert ("behind it" in cell) == bool(papers)


def test_every_paper_is_behind_some_chapter() -> None:
    cited = {key for notebook in PAGES.values() for key in citing.papers_of(notebook)}
    assert cited == set(citing.PAPERS)


def test_a_staged_page_ends_with_its_citation_and_has_no_set_up(toy: book.Project, as_executed) -> None:
    as_executed(toy)
    staged = book.stage(toy) / "notebooks"
    for name, title in {"first": "First", "first-again": "First again"}.items():
        notebook = nbformat.read(staged / f"{name}.ipynb", as_version=4)
        assert f"title     = {{{title}}}" in notebook.cells[-1].source
        assert f"/notebooks/{name}.html" in notebook.cells[-1].source
        assert "set-up" not in [cell.id for cell in notebook.cells]
