"""Slides: all that a chapter has to show, in one file that loads nothing."""

import base64
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from typer.testing import CliRunner

from gi_lib import book
from gi_lib.cli import app
from gi_lib.teaching.plain import Places
from gi_lib.teaching.slides import LONGEST_LIST, comparisons, deck, figures, make_slides

PNG = base64.b64encode(b"a picture").decode()
HEAD = """\
(nb-first)=
# First & last

**What you will learn**

- why $h^2 < 1$;
- {term}`dosages <dosage>`.

**What you need:** nothing.

## One picture
"""
TAIL = """\
## Key points

- One, on two
  lines.
- Two.
- Three.
- Four.
- Five.
- Six.

## Exercises

```{quiz} quiz-first
Is $1 < 2$?

- [x] Yes.
  By one.
- [ ] No.
  *Count*.
```
"""


def table(n_rows: int) -> str:
    rows = "\n".join(f"<tr><td>claim {i}</td></tr>" for i in range(n_rows))
    return f"<p>before</p><table><thead><tr><th>claim</th></tr></thead><tbody>\n{rows}\n</tbody></table>"


def figure(caption: str = "Some {glue:text}`n` < *dots*.") -> nbformat.NotebookNode:
    outputs = [
        new_output("display_data", {"image/png": PNG, "text/html": "<div>one that moves</div>"}),
        new_output(
            "display_data",
            {"application/papermill.record/text/plain": "5"},
            metadata={"scrapbook": {"mime_prefix": "application/papermill.record/", "name": "n"}},
        ),
    ]
    metadata = {"mystnb": {"figure": {"name": "fig-a", "caption": caption}, "image": {"alt": 'Five "dots".'}}}
    return new_code_cell("plot()", outputs=outputs, metadata=metadata)


@pytest.fixture
def chapter() -> nbformat.NotebookNode:
    compared = new_code_cell("show(rows)", outputs=[new_output("display_data", {"text/html": table(8)})])
    return new_notebook(
        cells=[
            new_markdown_cell(HEAD),
            figure(),
            new_markdown_cell("## Paper beside ours"),
            compared,
            new_markdown_cell(TAIL),
        ]
    )


@pytest.fixture
def slides(chapter: nbformat.NotebookNode, toy: book.Project) -> list[str]:
    book.sync_pairs(toy)
    html = deck(chapter, toy.pages["first"], Places(toy))
    assert not re.search(r"(?:src|href)=\"(?!data:|https://genome-interpretation)|@import|url\(", html)
    return re.findall(r"<section.*?</section>", html, re.DOTALL)


def test_a_deck_has_all_that_a_chapter_shows(slides: list[str]) -> None:
    headings = [re.search(r"<h[12]>(.*?)</h[12]>", slide)[1] for slide in slides]
    assert headings == [
        "First",  # as the contents of the book name it
        "One picture",
        "Paper beside ours",
        "Paper beside ours",
        "Question",
        "Key points",
        "Key points",
        "Exercises and code",
    ]


def test_formulae_are_mathml_and_roles_are_gone(slides: list[str]) -> None:
    assert "<math" in slides[0] and "dosages." in slides[0] and "What you need" not in slides[0]
    assert not any("{term}" in slide or "$" in slide for slide in slides)


def test_a_figure_is_inside_the_file_with_its_texts(
    slides: list[str], chapter: nbformat.NotebookNode
) -> None:
    (shown,) = figures(chapter)
    assert (shown.section, shown.png) == ("One picture", b"a picture")
    assert f"data:image/png;base64,{PNG}" in slides[1]
    assert 'alt="Five &quot;dots&quot;."' in slides[1]
    assert "Some 5 &lt; <em>dots</em>." in slides[1]


def test_long_tables_and_lists_are_divided_evenly(slides: list[str], chapter: nbformat.NotebookNode) -> None:
    assert [part.count("<td>") for _, part in comparisons(chapter)] == [4, 4]
    assert all("<th>claim</th>" in part and "before" not in part for _, part in comparisons(chapter))
    assert [slide.count("<li>") for slide in slides[5:7]] == [3, 3] and LONGEST_LIST < 6
    assert "One, on two\nlines." in slides[5]


def test_the_answers_of_a_question_open(slides: list[str]) -> None:
    assert slides[4].count("<details>") == 2
    assert "<summary>Yes.</summary><p><strong>Right.</strong> By one.</p>" in slides[4]
    assert "<strong>No.</strong> <em>Count</em>." in slides[4]


def test_the_command_writes_decks_and_a_list_of_them(toy: book.Project, as_executed, tmp_path: Path) -> None:
    book.sync_pairs(toy)
    with pytest.raises(book.BookError, match="first has not been executed at scale demo"):
        list(make_slides(toy, ["first"], tmp_path))
    as_executed(toy)
    ran = CliRunner().invoke(app, ["slides", "--out", str(tmp_path / "out"), "--root", str(toy.root)])
    assert ran.exit_code == 0, ran.output
    index = (tmp_path / "out" / "index.html").read_text()
    assert re.findall(r'href="([^"]+)">([^<]+)', index) == [
        ("first.html", "First"),
        ("first-again.html", "First again"),
    ]
    assert all((tmp_path / "out" / name).exists() for name in ("first.html", "first-again.html"))
