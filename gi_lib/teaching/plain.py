"""The text of a page without the roles and directives of the book, for where nothing knows them: Jupyter, slides."""

import ast
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from gi_lib.book import BookError, Project
from gi_lib.pages.citing import authors_of
from gi_lib.pages.exercises import QUIZ, parse_quiz


def glued(notebook: NotebookNode) -> dict[str, object]:
    """Numbers and words that a page gives to its text, by name."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if named := output.get("metadata", {}).get("scrapbook"):
                data = {
                    kind.removeprefix(named["mime_prefix"]): shown for kind, shown in output["data"].items()
                }
                found[named["name"]] = (
                    data["text/html"] if "text/html" in data else ast.literal_eval(data["text/plain"])
                )
    return found


class Places:
    """Where the labels of the book are, and what stands there."""

    def __init__(self, project: Project):
        self.base = project.settings["html"]["baseurl"].rstrip("/")
        self.titles: dict[str, str] = {}  # of pages
        self.labels: dict[str, tuple[str, str]] = {}  # page and title
        self.cited = _citations(project.root / "book" / "references.bib")
        for page in project.pages.values():
            notebook = nbformat.read(project.notebooks / f"{page.notebook}.ipynb", as_version=4)
            text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
            self._read(f"notebooks/{page.name}", text, page.title)
            for cell in notebook.cells:
                if name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
                    self.labels.setdefault(name, (f"notebooks/{page.name}", "the figure"))
        for prose in sorted((project.root / "book").glob("*.md")):
            self._read(prose.stem, prose.read_text(encoding="utf-8"))

    def _read(self, page: str, text: str, title: str | None = None) -> None:
        heading = re.search(r"^# (.+)$", text, re.MULTILINE)
        self.titles[page] = title or (heading[1] if heading else page)
        for label, below in re.findall(r"^\(([\w:.-]+)\)=\n(?:#+ (.+))?", text, re.MULTILINE):
            is_head = heading and below == heading[1]
            self.labels.setdefault(label, (page, self.titles[page] if is_head else below or "the place"))
        for label in re.findall(r"^:label: ([\w:.-]+)$|\$\$ *\(([\w:.-]+)\)", text, re.MULTILINE):
            name = next(filter(None, label))
            kind = {"eq": "the equation", "ex": "the exercise"}.get(name.partition("-")[0], "the statement")
            self.labels.setdefault(name, (page, kind))

    def url(self, page: str, label: str = "") -> str:
        """Address of a page of the published book, or of a label on it."""
        anchor = f"equation-{label}" if label.startswith("eq-") else label
        return f"{self.base}/{page}.html" + (f"#{anchor}" if label else "")

    def link(self, label: str, text: str | None = None) -> str:
        """A link to a label, with what stands there or another text."""
        page, title = self.labels[label]
        return f"[{text or title}]({self.url(page, label)})"


def _citations(path: Path) -> dict[str, tuple[str, str]]:
    """Authors and year of each entry of a bibliography."""
    if not path.exists():
        return {}
    from pybtex.database import parse_file

    return {
        key: (re.sub(r"[{}]", "", authors_of(entry)), str(entry.fields.get("year", "n.d.")))
        for key, entry in parse_file(str(path)).entries.items()
    }


@dataclass(frozen=True)
class Plain:
    """Turns the text of a page into Markdown that Jupyter shows: links instead of roles, quotes instead of boxes."""

    places: Places
    page: str
    glued: Mapping[str, object]

    def __call__(self, text: str) -> str:
        """The same text for Jupyter."""
        text = QUIZ.sub(self._quiz, text + "\n")
        text = re.sub(r"^\([\w:.-]+\)=\n", "", text, flags=re.MULTILINE)
        text = _BOX.sub(self._box, text)
        text = re.sub(r"\$\$ *\([\w:.-]+\)[ \t]*$", "$$", text, flags=re.MULTILINE)
        return _ROLE.sub(self._role, text).strip()

    def _quiz(self, match: re.Match[str]) -> str:
        quiz = parse_quiz(*match.groups())
        lines = [f"**Question.** {quiz.question}\n"]
        for choice in quiz.choices:
            verdict = "Right" if choice.is_right else "No"
            lines.append(
                f"<details><summary>{choice.text}</summary>\n\n**{verdict}.** {choice.why}\n\n</details>\n"
            )
        return "\n".join(lines)

    @staticmethod
    def _box(match: re.Match[str]) -> str:
        body = re.sub(r"^(?::[\w-]+:.*\n)+", "", match["body"])
        kind = match["kind"].removeprefix("prf:").capitalize()
        named = match["title"].strip()
        title = named if kind == "Admonition" else f"{kind} ({named})" if named else kind
        return "\n".join(f"> {line}".rstrip() for line in f"**{title}.** {body.strip()}".splitlines()) + "\n"

    def _role(self, match: re.Match[str]) -> str:
        role, content = match["role"], match["content"]
        shown = re.fullmatch(r"(.+?)\s*<([^<>]+)>", content, re.DOTALL)
        text, target = shown.groups() if shown else (None, content)
        if role.startswith("glue:"):
            return self._glue(content)
        if role.startswith("cite:"):
            return self._cite(role, content)
        if role == "term":
            return text or target
        if role == "doc":
            page = target.removeprefix("/") if target[0] == "/" else posixpath.normpath(f"notebooks/{target}")
            return f"[{text or self.places.titles[page]}]({self.places.url(page)})"
        if target not in self.places.labels:
            raise BookError(f"Page {self.page} mentions {target!r}, which no page of the book has.")
        return self.places.link(target, text)

    def _glue(self, content: str) -> str:
        name, _, form = content.partition(":")
        if name not in self.glued:
            raise BookError(f"Page {self.page} mentions the value {name!r}, which its run has not given.")
        value = self.glued[name]
        return format(value, form) if form else str(value)

    def _cite(self, role: str, content: str) -> str:
        cited = [self.places.cited[key.strip()] for key in content.split(",")]
        if role == "cite:t":
            return ", ".join(f"{who} ({year})" for who, year in cited)
        return f"({'; '.join(f'{who}, {year}' for who, year in cited)})"


_ROLE = re.compile(
    r"\{(?P<role>ref|numref|eq|doc|term|prf:ref|cite:[tp]|glue:(?:text)?)\}`(?P<content>[^`]+)`"
)
_BOX = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<kind>note|tip|warning|important|hint|admonition|prf:\w+)\}(?P<title>[^\n]*)\n"
    r"(?P<body>.*?)^(?P=fence)[ \t]*\n?",
    re.MULTILINE | re.DOTALL,
)
