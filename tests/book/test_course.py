"""The two tracks through the book: every chapter in its place, and no more work than there are minutes."""

import re
from collections import Counter
from typing import NamedTuple

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gi_lib import book

PROJECT = book.Project()
PAGES = ("course", "teaching")
TEXT = {name: (PROJECT.root / "book" / f"{name}.md").read_text(encoding="utf-8") for name in PAGES}
NOTEBOOKS = {
    name: nbformat.read(PROJECT.notebooks / f"{page.notebook}.ipynb", as_version=4)
    for name, page in PROJECT.pages.items()
}  # the pairs, which are read much faster than the texts that they are made from
PROSE = {
    name: "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for name, notebook in NOTEBOOKS.items()
}
LENGTH = {"workshop": 90, "week": 120}  # minutes of one session


class Session(NamedTuple):
    """One session, as course.md describes it."""

    label: str
    fields: dict[str, str]

    @property
    def track(self) -> str:
        return self.label.split("-")[1]

    @property
    def chapters(self) -> list[str]:
        return re.findall(r"\{ref\}`nb-([\w-]+)`", self.fields["Chapters"])

    def minutes(self, place: str) -> Counter[str]:
        listed = re.findall(r"(\d+) (\w+)", self.fields.get(f"Minutes {place}", ""))
        return Counter({what: int(number) for number, what in listed})


def sessions() -> list[Session]:
    blocks = re.findall(
        r"^\((course-(?:workshop|week)-\d+)\)=\n### [^\n]+\n(.*?)(?=^\(|\Z)", TEXT["course"], re.M | re.S
    )
    return [
        Session(label, dict(re.findall(r"^- \*\*(.+?):\*\* (.*?)(?=\n- |\n\n|\Z)", body, re.M | re.S)))
        for label, body in blocks
    ]


SESSIONS = sessions()
SAME_SESSION = pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.label)


def needed(chapter: str) -> set[str]:
    """Chapters that a chapter needs: those in the first sentence after *What you need*."""
    (first,) = re.findall(r"^\*\*What you need:\*\*\s*(.*?)\.(?:\s|$)", PROSE[chapter], re.M | re.S)
    return set(re.findall(r"\{(?:ref|doc)\}`(?:nb-)?([\w-]+)`", first))


def defined() -> dict[str, set[str]]:
    """Labels by kind: of places, exercises and figures, on the pages of the book as they are rendered."""
    found: dict[str, set[str]] = {"ref": set(), "numref": set()}
    for name, page in PROJECT.pages.items():
        end = f"-{page.suffix}" if page.suffix else ""
        figures = [c.metadata.get("mystnb", {}).get("figure", {}) for c in NOTEBOOKS[name].cells]
        found["numref"] |= {figure["name"] + end for figure in figures if "name" in figure}
        labels = re.findall(r"^\(([\w:.-]+)\)=$|^:label: ([\w:.-]+)$", PROSE[name], re.M)
        found["ref"] |= {label + end for pair in labels for label in pair if label}
    for prose in (PROJECT.root / "book").glob("*.md"):
        found["ref"] |= set(re.findall(r"^\(([\w:.-]+)\)=$", prose.read_text(encoding="utf-8"), re.M))
    return found


def test_there_are_two_days_and_six_weeks() -> None:
    assert Counter(session.track for session in SESSIONS) == {"workshop": 8, "week": 6}


def test_the_needs_of_the_chapters_are_found() -> None:
    assert needed("galiana") == {"encoding", "population-structure"}
    assert needed("making-it-fast") == {"galiana"}
    assert not needed("genotype-to-phenotype")  # names another chapter to begin with, and needs none


def test_every_chapter_is_in_a_track() -> None:
    assert {chapter for session in SESSIONS for chapter in session.chapters} == set(PROJECT.pages)


@pytest.mark.parametrize("track", sorted(LENGTH))
def test_no_chapter_comes_before_one_that_it_needs(track: str) -> None:
    order = [chapter for session in SESSIONS if session.track == track for chapter in session.chapters]
    assert len(order) == len(set(order))
    for place, chapter in enumerate(order):
        assert needed(chapter) <= set(order[:place]), f"{chapter} comes too early in the {track} track"


@SAME_SESSION
def test_a_session_is_complete_and_fits_its_time(session: Session) -> None:
    wanted = {"Chapters", "Minutes in class", "Prerequisites", "Afterwards a student can", "Homework"}
    assert wanted <= set(session.fields)
    assert session.minutes("in class").total() == LENGTH[session.track]
    total = session.minutes("in class") + session.minutes("at home")
    texts = {PROJECT.pages[chapter].source: NOTEBOOKS[chapter] for chapter in session.chapters}
    assert total["reading"] >= sum(map(book.minutes_to_read, texts.values()))
    assert total["running"] > 0
    assert total["exercises"] > 0


@SAME_SESSION
def test_the_exercises_belong_to_the_chapters_and_stand_once(session: Session) -> None:
    set_in = re.findall(
        r"\{ref\}`(ex-[\w-]+)`", session.fields["Exercises in class"] + session.fields["Homework"]
    )
    assert len(set_in) == len(set(set_in)) > 0
    there = {label for name in session.chapters for label in re.findall(r":label: (ex-[\w-]+)", PROSE[name])}
    assert set(set_in) <= there


@pytest.mark.parametrize("page", PAGES)
def test_every_target_exists(page: str) -> None:
    labels = defined()
    terms = set(
        re.findall(r"^(\S.*)\n:? ", (PROJECT.root / "book" / "glossary.md").read_text(encoding="utf-8"), re.M)
    )
    labels["term"] = terms
    labels["doc"] = {p.stem for p in (PROJECT.root / "book").glob("*.md")}
    labels["doc"] |= {f"notebooks/{name}" for name in PROJECT.pages}
    mentions = re.findall(r"\{(ref|numref|doc|term)\}`(?:[^`<]*<)?([^`>]+)>?`", TEXT[page])
    assert mentions
    assert [(kind, target) for kind, target in mentions if target not in labels[kind]] == []


# --- reading times --------------------------------------------------------------------------------


def test_words_are_those_of_text_and_captions_before_the_exercises() -> None:
    text = """\
(nb-x)=
# One two

Three {term}`four <allele>` five$x$ {glue:text}`six`: seven.

$$ a = b $$ (eq-one)

```sh
not counted
```

```{note}
:class: also-not
Eight
```

| nine | ten |
|---|---|
"""
    notebook = new_notebook(
        cells=[
            new_markdown_cell(text),
            new_code_cell("x = 1", metadata={"mystnb": {"figure": {"caption": "Eleven."}}}),
            new_markdown_cell("Twelve\n\n## Exercises\n\nno more"),
            new_markdown_cell("nor here"),
        ]
    )
    assert book.count_words(notebook) == 12
    assert book.minutes_to_read(notebook) == 1


def test_the_table_has_a_line_for_each_page() -> None:
    lines = book.reading_table(NOTEBOOKS).splitlines()[2:]
    assert len(lines) == len(PROJECT.pages)
    for (name, notebook), line in zip(NOTEBOOKS.items(), lines, strict=True):
        page, words, minutes, exercises, stated = (cell.strip() for cell in line.strip("|").split("|"))
        assert page == f"{{doc}}`notebooks/{name}`"
        assert int(words.replace(",", "")) == book.count_words(notebook) > 0
        assert (int(minutes) - 1) * book.WORDS_PER_MINUTE < book.count_words(notebook)
        assert int(exercises) == len(re.findall(r"^:label: ex-", PROSE[name], re.M))
        assert stated != "not stated"


def test_the_table_is_put_into_the_course_page(toy: book.Project, as_executed) -> None:
    (toy.root / "book" / "course.md").write_text(f"# Course\n\n{book.READING_MARKER}\n")
    with (toy.root / "book" / "_toc.yml").open("a") as contents:
        contents.write("- file: course\n")
    as_executed(toy)
    staged = (book.stage(toy) / "course.md").read_text()
    assert book.READING_MARKER not in staged
    assert "| {doc}`notebooks/first-again` |" in staged
    assert TEXT["course"].count(book.READING_MARKER) == 1
