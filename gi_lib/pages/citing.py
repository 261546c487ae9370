"""How to cite a chapter of the book: an entry for a bibliography program, and a line of text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from gi_lib import __version__

PAPERS = ("raimondi2024ionome", "raimondi2022galiana", "mathew2022neurallasso", "kontolati2025binn")
"""The works that the book reproduces, by their keys in ``book/references.bib``."""


@dataclass(frozen=True)
class Book:
    """What every citation of a chapter says of the book."""

    title: str
    author: str
    year: str
    url: str
    version: str = __version__


def papers_of(notebook: NotebookNode) -> list[str]:
    """Which of `PAPERS` the text of a chapter cites, in that order."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    cited = {key for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", text) for key in re.split(r"\s*,\s*", keys)}
    return [key for key in PAPERS if key in cited]


def title_of(notebook: NotebookNode) -> str:
    """First heading of a chapter."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (found := re.search(r"^# (.+)$", cell.source, re.MULTILINE)):
            return found[1].strip()
    return ""


def entries(bibliography: Path, keys: Sequence[str]) -> list[str]:
    """Entries of a BibTeX file, as they are written there."""
    text = bibliography.read_text(encoding="utf-8")
    return [re.search(rf"^@\w+\{{{key},.*?^\}}$", text, re.MULTILINE | re.DOTALL)[0] for key in keys]


def authors_of(work: Any) -> str:
    """Family names of the authors of an entry that pybtex has read, "et al." after the first of three or more."""
    names = [
        " ".join([*person.prelast_names, *person.last_names]) for person in work.persons.get("author", [])
    ]
    return f"{names[0]} et al." if len(names) > 2 else " and ".join(names) or work.key


def _as_text(entry: str) -> str:
    """One entry as a line: who, when, what, where."""
    from pybtex.database import parse_string  # slow to import, and needed here alone

    (work,) = parse_string(entry, "bibtex").entries.values()
    fields = work.fields
    what = re.sub(r"[{}]", "", fields["title"])
    where = fields.get("journal") or fields.get("howpublished") or fields.get("booktitle", "")
    return f"{authors_of(work)} ({fields['year']}). {what}. {where}. https://doi.org/{fields['doi']}"


def chapter_citation(name: str, notebook: NotebookNode, book: Book, bibliography: Path) -> str:
    """A folded block in MyST Markdown that says how to cite a chapter, for the end of its page.

    Parameters
    ----------
    name : str
        Page name; the page's address is ``notebooks/<name>.html``.
    notebook : NotebookNode
        The chapter.
    book : Book
        The book that it belongs to.
    bibliography : Path
        BibTeX file with the papers that the chapter cites.
    """
    title, url = title_of(notebook), f"{book.url.rstrip('/')}/notebooks/{name}.html"
    papers = entries(bibliography, papers_of(notebook))
    escaped = re.sub(r"([&%$#_])", r"\\\1", title)
    own = f"""\
@incollection{{companion-{name},
  author    = {{{{{book.author}}}}},
  title     = {{{escaped}}},
  booktitle = {{{book.title}}},
  year      = {{{book.year}}},
  note      = {{Version {book.version}}},
  url       = {{{url}}}
}}"""
    end = "" if title.endswith(("?", "!")) else "."
    line = f"{book.author} ({book.year}). {title}{end} In: {book.title}, version {book.version}. {url}"
    behind = (
        ", and the papers behind it" if len(papers) > 1 else ", and the paper behind it" if papers else ""
    )
    bibtex, text = "\n\n".join([own, *papers]), "\n\n".join([line, *map(_as_text, papers)])
    return f"""\
````{{dropdown}} Cite this chapter
:class-container: cite-chapter

The chapter{behind}:

```bibtex
{bibtex}
```

The same as text:

```text
{text}
```
````"""
