"""Slides of a chapter: what it teaches, its figures, its questions and its key points, in one file without a network.

A deck is an HTML page that any browser shows (arrow keys, or scrolling) and prints, one slide a page. Formulae are
MathML, figures are inside the file; of a figure that can be moved the picture of its first state is taken.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from latex2mathml.converter import convert as to_mathml
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

from gi_lib.book import BookError, Page, Project, read_executed
from gi_lib.pages.exercises import ExerciseError, Quiz, pieces, quizzes
from gi_lib.process import make_folder, or_elsewhere, write_text
from gi_lib.teaching.plain import Places, Plain, glued

LONGEST_LIST, LONGEST_TABLE = 5, 6  # key points and rows on one slide
COMPARED = ("Paper beside ours", "Rule beside what was measured", "The recorded run")


@dataclass(frozen=True)
class Figure:
    """A figure of a chapter."""

    section: str
    caption: str
    alt: str
    png: bytes


def make_slides(
    project: Project, names: Sequence[str], folder: Path, scale: str = "demo"
) -> Iterator[tuple[str, Path]]:
    """Write a deck for each chapter, and a page that lists them.

    Parameters
    ----------
    project
        The book; its pages must have been executed.
    names
        Pages; none for all.
    folder
        Where to write.
    scale
        Which executed pages to take.

    Yields
    ------
    tuple of str and Path
        Title and file of each deck, when it is written; last those of the list.

    Raises
    ------
    BookError
        If there is no such page, a page has not been executed, or a quiz is not written as it should be.
    """
    pages = [project.page(name) for name in names] or list(project.pages.values())
    places, made = Places(project), []
    with or_elsewhere("choose another folder", BookError):
        for page in pages:
            notebook = read_executed(project, page, scale)
            path = make_folder(folder) / f"{page.name}.html"
            try:
                write_text(path, deck(notebook, page, places))
            except ExerciseError as error:
                raise BookError(f"Page {page.name}: {error}") from None
            made.append((places.titles[f"notebooks/{page.name}"], path))
            yield made[-1]
        listed = "\n".join(f'<li><a href="{path.name}">{escape(title)}</a></li>' for title, path in made)
        index = folder / "index.html"
        write_text(
            index,
            _PAGE.format(
                title="Slides",
                style=STYLE,
                script="",
                body=_slide("Slides", f"<ul>{listed}</ul>", kind="contents"),
            ),
        )
        yield "Slides", index


def deck(notebook: NotebookNode, page: Page, places: Places) -> str:
    """The slides of one executed chapter as an HTML page."""
    title = places.titles[f"notebooks/{page.name}"]
    say = Plain(places, page.name, glued(notebook))
    prose = "\n\n".join(
        piece.text for piece in pieces(notebook) if piece.place == "chapter" and piece.cell is None
    )
    address = places.url(f"notebooks/{page.name}")
    slides = [_slide(title, _html(_section(say, prose, r"\*\*What you will learn\*\*")), kind="title")]
    slides += [_of_figure(figure, say) for figure in figures(notebook)]
    slides += [_slide(heading, table, kind="table") for heading, table in comparisons(notebook)]
    slides += [_of_quiz(quiz, say) for quiz in quizzes(notebook)]
    points = re.findall(r"^- .*(?:\n  .*)*", _section(say, prose, "## Key points"), re.MULTILINE)
    slides += [_slide("Key points", _html("\n".join(part))) for part in _of_length(points, LONGEST_LIST)]
    slides.append(_slide("Exercises and code", f'<p><a href="{escape(address)}">{escape(address)}</a></p>'))
    return _PAGE.format(title=escape(title), style=STYLE, script=SCRIPT, body="\n".join(slides))


def figures(notebook: NotebookNode) -> Iterator[Figure]:
    """The numbered figures of an executed chapter, before its exercises, in its order."""
    for section, cell in _outputs(notebook):
        shown = cell.metadata.get("mystnb", {})
        pngs = [o["data"]["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
        if "figure" in shown and pngs:
            png = base64.b64decode(pngs[0])
            yield Figure(section, shown["figure"].get("caption", ""), shown["image"]["alt"], png)


def comparisons(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Heading and HTML of the tables that put claims beside what was measured."""
    for section, cell in _outputs(notebook):
        if section in COMPARED:
            for output in cell.outputs:
                table = _TABLE.search(output.get("data", {}).get("text/html", ""))
                for rows in _of_length(_ROW.findall(table["rows"]), LONGEST_TABLE) if table else []:
                    yield section, table["head"] + "\n".join(rows) + table["end"]


_TABLE = re.compile(r"(?P<head><table.*?<tbody>)(?P<rows>.*?)(?P<end></tbody>\s*</table>)", re.DOTALL)
_ROW = re.compile(r"<tr.*?</tr>", re.DOTALL)


def _of_length(items: Sequence[str], longest: int) -> Iterator[Sequence[str]]:
    """Parts of nearly equal length, none longer than that."""
    n_parts = -(-len(items) // longest)
    for i in range(n_parts):
        yield items[len(items) * i // n_parts : len(items) * (i + 1) // n_parts]


def _outputs(notebook: NotebookNode) -> Iterator[tuple[str, NotebookNode]]:
    """Code cells of the chapter itself, each with the heading above it."""
    section = ""
    for piece in pieces(notebook):
        if piece.place == "chapter" and piece.cell is not None:
            yield section, piece.cell
        elif piece.place == "chapter":
            section = (re.findall(r"^##+ (.+)$", piece.text, re.MULTILINE) or [section])[-1]


def _section(say: Plain, prose: str, heading: str) -> str:
    """Text of a section, up to the next heading or bold line."""
    found = re.search(rf"^{heading}$\n(.*?)(?=^#|^\*\*[A-Z]|\Z)", prose, re.MULTILINE | re.DOTALL)
    return say(found[1]) if found else ""


def _of_figure(figure: Figure, say: Plain) -> str:
    source = f"data:image/png;base64,{base64.b64encode(figure.png).decode()}"
    image = f'<img src="{source}" alt="{escape(figure.alt)}">'
    caption = _html(say(figure.caption))
    return _slide(
        figure.section, f"<figure>{image}<figcaption>{caption}</figcaption></figure>", kind="figure"
    )


def _of_quiz(quiz: Quiz, say: Plain) -> str:
    answers = "".join(
        f"<details><summary>{_inline(say(choice.text))}</summary>"
        f"<p><strong>{'Right' if choice.is_right else 'No'}.</strong> {_inline(say(choice.why))}</p></details>"
        for choice in quiz.choices
    )
    return _slide("Question", f"{_html(say(quiz.question))}{answers}", kind="question")


def _slide(heading: str, body: str, kind: str = "text") -> str:
    level = "h1" if kind == "title" else "h2"
    return (
        f'<section class="{kind}" tabindex="-1">\n<{level}>{_inline(heading)}</{level}>\n{body}\n</section>'
    )


def _math(formula: str, options: dict[str, bool]) -> str:
    return to_mathml(formula, display="block" if options["display_mode"] else "inline")


_MARKDOWN = MarkdownIt("commonmark").use(dollarmath_plugin, renderer=_math)


def _html(text: str) -> str:
    return _MARKDOWN.render(text)


def _inline(text: str) -> str:
    return _MARKDOWN.renderInline(text)


STYLE = """
:root { color-scheme: light; font-family: "Source Sans 3", "Segoe UI", system-ui, sans-serif; line-height: 1.4; }
body { margin: 0; color: #1c2321; background: #fff; scroll-snap-type: y mandatory; }
section { box-sizing: border-box; height: 100vh; padding: 5vh 6vw; overflow: auto; scroll-snap-align: start;
  font-size: clamp(14px, min(2.1vw, 3.6vh), 40px); outline: none; }
h1, h2 { margin: 0 0 0.6em; color: #1b5e3b; font-family: Charter, Cambria, Georgia, serif; line-height: 1.2; }
h1 { font-size: 1.9em; } h2 { font-size: 1.35em; }
body { counter-reset: slide; }
section { position: relative; counter-increment: slide; }
section::after { content: counter(slide); position: absolute; right: 3vw; top: 2vh; color: #5c6662; font-size: 0.6em; }
section.title { border-left: 1.2vw solid #1b5e3b; }
li { margin: 0.4em 0; } a { color: #14532d; }
figure { display: flex; flex-direction: column; height: 76vh; margin: 0; }
figure img { flex: 1; min-height: 0; max-width: 100%; object-fit: contain; object-position: left; }
figcaption { margin-top: 1vh; font-size: 0.68em; }
figcaption p { margin: 0; }
.contents ul { columns: 2; font-size: 0.8em; }
table { border-collapse: collapse; font-size: 0.62em; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25em 0.8em 0.25em 0; border-bottom: 1px solid #c9d1cd; text-align: left; vertical-align: top; }
.question > p { font-weight: 600; }
summary { padding: 0.3em 0; cursor: pointer; } details p { margin: 0.2em 0 0.8em 1.2em; }
@page { size: 338.7mm 190.5mm; margin: 0; }
@media print {
  section { height: 190mm; break-after: page; overflow: hidden; font-size: 20pt; }
  figure { height: 145mm; }
}
"""

SCRIPT = """
const slides = [...document.querySelectorAll("section")];
const now = () => slides.findIndex((s) => s.getBoundingClientRect().bottom > innerHeight / 2);
const go = (i) => { const s = slides[Math.max(0, Math.min(i, slides.length - 1))]; s.scrollIntoView(); s.focus(); };
addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }[event.key];
  if (step) { event.preventDefault(); go(now() + step); }
});
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
<script>{script}</script>
</body>
</html>
"""
