"""The figures of the book, each with the code that draws it.

A figure is a cell of a notebook with a label and a caption. What draws it is read from the code: the functions of
`gi_lib.plots` that the cell calls, itself or through functions that the notebook defines; where it calls none, the
figure is drawn by the cell, and the cell is what a reader is led to.
"""

import ast
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

from nbformat import NotebookNode

REPOSITORY = Path(__file__).resolve().parents[2]
PLOTS = "gi_lib.plots"


class FigureError(ValueError):
    """A figure cannot be followed to its code; the message is one sentence."""


@dataclass(frozen=True)
class Code:
    """Some lines of a file of the repository.

    Attributes
    ----------
    name : str
        Name of the function; empty for a cell.
    path : str
        File, relative to the root of the repository.
    first, last : int
        Line numbers, counted from 1.
    """

    name: str
    path: str
    first: int
    last: int

    def link(self, repository: str) -> str:
        """Address of these lines in the repository at `repository`, such as ``https://…/blob/main``."""
        plain = "?plain=1" if self.path.endswith(".md") else ""  # rendered Markdown has no lines to lead to
        return f"{repository}/{self.path}{plain}#L{self.first}-L{self.last}"

    def words(self, repository: str) -> str:
        """The link in Markdown, under the name of the function or of the notebook."""
        shown = f"`{self.name}`" if self.name else f"a cell of `{Path(self.path).name}`"
        return f"[{shown}]({self.link(repository)})"


@dataclass(frozen=True)
class Figure:
    """One figure of a page: its cell, label, caption, and what draws it."""

    cell: NotebookNode
    label: str
    caption: str
    drawn_by: tuple[Code, ...]

    @property
    def first_sentence(self) -> str:
        """Caption up to the end of its first sentence."""
        return re.split(r"(?<=[.!?])\s+(?=[^a-z])", " ".join(self.caption.split()), maxsplit=1)[0]

    def code(self, repository: str) -> str:
        """Links to the code, in Markdown."""
        return ", ".join(code.words(repository) for code in self.drawn_by)


def figures_of(notebook: NotebookNode, source: Path, root: Path, suffix: str | None = None) -> list[Figure]:
    """Every figure of a page, in order.

    Parameters
    ----------
    notebook : NotebookNode
        The page, executed or not.
    source : Path
        The text notebook that it was made from.
    root : Path
        Root of the repository, which addresses are relative to.
    suffix : str, optional
        What the page has appended to the labels of its source.

    Raises
    ------
    FigureError
        If a figure of the page is not in `source`, or calls a function of `gi_lib.plots` that is not there.
    """
    text = source.read_text(encoding="utf-8").splitlines()
    scope: dict[str, str | ast.FunctionDef] = {}
    figures = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        scope |= _names(tree)
        if label := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
            functions = dict.fromkeys(_plots_called(tree, scope, set()))
            own = label.removesuffix(f"-{suffix}") if suffix else label
            drawn_by = [_of_function(name) for name in functions] or [_of_cell(text, own, source, root)]
            caption = cell.metadata["mystnb"]["figure"].get("caption", "")
            figures.append(Figure(cell, label, caption, tuple(drawn_by)))
    return figures


def _names(tree: ast.AST) -> dict[str, str | ast.FunctionDef]:
    """What the names that a cell imports or defines stand for: a dotted name of ours, or a function's code."""
    names: dict[str, str | ast.FunctionDef] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gi_lib":
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.FunctionDef):
            names[node.name] = node
    return names


def _plots_called(
    tree: ast.AST, scope: Mapping[str, str | ast.FunctionDef], seen: set[str]
) -> Iterator[FunctionType]:
    """The functions of `gi_lib.plots` that some code calls, in the order of the text."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        first, *rest = ast.unparse(call.func).split(".")
        stands_for = scope.get(first)
        if isinstance(stands_for, ast.FunctionDef):
            if not rest and first not in seen:
                yield from _plots_called(stands_for, scope, seen | {first})
        elif stands_for and f"{stands_for}.".startswith(f"{PLOTS}."):
            dotted = ".".join([stands_for, *rest])
            try:
                called = pkgutil.resolve_name(dotted)
            except (AttributeError, ImportError):
                raise FigureError(f"A figure is drawn by {dotted}, which is not there.") from None
            if inspect.isfunction(called):  # and no method of a palette
                yield called


def _of_function(function: FunctionType) -> Code:
    """Where a function of `gi_lib.plots` is defined."""
    lines, first = inspect.getsourcelines(function)
    path = Path(inspect.getsourcefile(function)).resolve().relative_to(REPOSITORY)
    return Code(function.__name__, path.as_posix(), first, first + len(lines) - 1)


def _of_cell(text: Sequence[str], label: str, source: Path, root: Path) -> Code:
    """Where the cell with a label stands in its text notebook."""
    named = re.compile(rf"^:\s*name:\s*{re.escape(label)}\s*$")
    at = next((row for row, line in enumerate(text) if named.match(line)), None)
    if at is None:
        raise FigureError(
            f"Figure {label} is not in {source.name}, which its page was made from; run 'gi book execute' anew."
        )
    first = max(row for row in range(at) if text[row].startswith("```{code-cell}"))
    last = next(row for row in range(at, len(text)) if text[row] == "```")
    return Code("", source.relative_to(root).as_posix(), first + 1, last + 1)


def add_links(figures: Sequence[Figure], repository: str) -> None:
    """Append to each caption a line that leads to the code; the cells are changed in place."""
    for figure in figures:
        line = f"[Code: {figure.code(repository)}]{{.figure-code}}"
        figure.cell.metadata["mystnb"]["figure"]["caption"] = f"{figure.caption} {line}"


KIND_CLASS = {"real": "data-real", "simulated": "data-simulated"}
"""The look of a kind of data; every other kind is a mixture of these."""


def index(pages: Mapping[str, tuple[str, str | None, Sequence[Figure]]], repository: str) -> str:
    """Markdown list of all figures, chapter by chapter.

    Parameters
    ----------
    pages : mapping
        Per page: its title, the kind of data that it ran on, and its figures.
    repository : str
        Address of the files of the repository.
    """
    blocks = []
    for page, (title, kind, figures) in pages.items():
        if not figures:
            continue
        kind = kind or "no data"
        lines = [f"## {title}", "", f"[{kind}]{{.{KIND_CLASS.get(kind, 'data-mixed')}}}"]
        lines[-1] += f" {{doc}}`Open the chapter <notebooks/{page}>`"
        lines += ["", ":::{div} figure-index", "", "| Figure | What it shows | Code |", "|:--|:--|:--|"]
        for figure in figures:
            shown = _GLUED.sub(rf"\1notebooks/{page}.ipynb::", figure.first_sentence).replace("|", r"\|")
            lines.append(f"| {{numref}}`{figure.label}` | {shown} | {figure.code(repository)} |")
        blocks.append("\n".join([*lines, "", ":::"]))
    return "\n\n".join(blocks)


_GLUED = re.compile(
    r"(\{glue:\w*\}`)(?![^`]*::)"
)  # a value of the page itself, which another page names in full
