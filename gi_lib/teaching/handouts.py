"""Notebooks to hand out: of each chapter one for students, without solutions, and one for instructors, with them.

Both come from the executed page of the book, so text, exercises and solutions have one source. An instructor's notebook
is what nbgrader calls a *source* notebook: each answer is marked by ``### BEGIN SOLUTION``, each check has its points.
A student's is the same without what is marked. Roles and directives, which Jupyter does not know, become plain Markdown
with links to the book.
"""

import ast
import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gi_lib.book import BookError, Page, Project, read_executed, write_notebook
from gi_lib.datasets.foreign import one_line
from gi_lib.pages.exercises import (
    LEVELS,
    Exercise,
    ExerciseError,
    Piece,
    exercises,
    pieces,
    skeleton,
)
from gi_lib.process import make_folder, or_elsewhere
from gi_lib.teaching.plain import Places, Plain, glued

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
YOURS = {"code": "# YOUR CODE HERE", "markdown": "*Your answer:*"}


def hand_out(
    project: Project, names: Sequence[str], folder: Path, scale: str = "demo"
) -> Iterator[tuple[str, NotebookNode]]:
    """Write ``student/NAME.ipynb`` and ``instructor/NAME.ipynb`` of chapters.

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
    tuple of str and NotebookNode
        Name and instructor's notebook of each page, when both are written.

    Raises
    ------
    BookError
        If there is no such page, a page has not been executed, or an exercise is not written as it should be.
    """
    pages = [project.page(name) for name in names] or list(project.pages.values())
    places = Places(project)
    with or_elsewhere("choose another folder", BookError):
        for page in pages:
            executed = read_executed(project, page, scale)
            try:
                notebook = instructors(executed, page, places)
            except ExerciseError as error:
                raise BookError(f"Page {page.name}: {error}") from None
            for kind, made in (("instructor", notebook), ("student", students(notebook))):
                write_notebook(make_folder(folder / kind) / f"{page.name}.ipynb", made)
            yield page.name, notebook


# --- two notebooks of one page --------------------------------------------------------------------


def instructors(notebook: NotebookNode, page: Page, places: "Places") -> NotebookNode:
    """The executed page with its solutions marked, in the format that nbgrader calls *source*.

    Parameters
    ----------
    notebook
        The executed page; not changed.
    page
        Which one it is.
    places
        Of the book, for links.

    Returns
    -------
    NotebookNode
        Solution cells and checks carry nbgrader's metadata, version 3. An answer that no check looks at is graded by
        hand.
    """
    known = {exercise.label: exercise for exercise in exercises(notebook)}
    number = {label: i for i, label in enumerate(known, start=1)}
    say = Plain(places, page.name, glued(notebook))
    cells = []
    for (place, label), group in groupby(pieces(notebook), lambda piece: (piece.place, piece.label)):
        if place == "chapter":
            cells += [_of_chapter(piece, say) for piece in group]
        elif place == "exercise":
            cells.append(new_markdown_cell(_asked(known[label], number[label], say)))
        else:
            cells += _answers(known[label], list(group), say)
    chapter = places.url(f"notebooks/{page.name}")
    said = (
        f"*A handout of [this chapter]({chapter}) of the book. Numbers in the text are those of its run there. Install "
        "the package as it says there, and run all cells up to the exercises.*"
    )
    cells.insert(1, new_markdown_cell(said))
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"
    return new_notebook(cells=cells, metadata=notebook.metadata)


def students(notebook: NotebookNode) -> NotebookNode:
    """An instructor's notebook without solutions and without results."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if _graded(cell).get("solution"):
            cell.source = unsolved(cell)
    return notebook


def unsolved(cell: NotebookNode) -> str:
    """What a student gets in the place of an answer."""
    if cell.cell_type == "markdown":
        return YOURS["markdown"]
    return re.sub(rf"^{BEGIN}$.*?^{END}$", YOURS["code"], cell.source, flags=re.MULTILINE | re.DOTALL)


def _graded(cell: NotebookNode) -> Mapping[str, object]:
    return cell.metadata.get("nbgrader", {})


def _mark(name: str, points: int = 0, solution: bool = False) -> dict[str, object]:
    """nbgrader's metadata of an answer (a solution) or a check; points are given for it if there are any."""
    metadata = {"grade": bool(points), "grade_id": name, "locked": not solution, "schema_version": 3}
    metadata |= {"solution": solution, "task": False}
    return {"nbgrader": metadata | ({"points": points} if points else {})}


def _of_chapter(piece: Piece, say: "Plain") -> NotebookNode:
    if piece.cell is None:
        return new_markdown_cell(say(piece.text))
    source = re.sub(r"^(?:scale|results_dir) = .*\n", "", piece.text, flags=re.MULTILINE)
    is_injected = "injected-parameters" in piece.cell.metadata.get("tags", [])
    cell = new_code_cell(source if is_injected else piece.text, outputs=_shown(piece.cell))
    tags = set(piece.cell.metadata.get("tags", []))
    if tags & {"parameters", "injected-parameters"}:
        cell.metadata["tags"] = sorted(tags & {"parameters", "injected-parameters"})
    elif tags & {"remove-input", "hide-input", "remove-cell", "hide-cell"}:
        cell.metadata["jupyter"] = {"source_hidden": True}
    return cell


def _shown(cell: NotebookNode) -> list[NotebookNode]:
    """Outputs without the numbers that are kept for the text."""
    return [o for o in cell.outputs if "scrapbook" not in o.get("metadata", {})]


def _asked(exercise: Exercise, number: int, say: "Plain") -> str:
    hint = f"<details><summary>Hint</summary>\n\n{say(exercise.hint)}\n\n</details>"
    return f"### Exercise {number}: {exercise.level}\n\n{say(exercise.text)}\n\n{hint}"


def _answers(exercise: Exercise, solution: Sequence[Piece], say: "Plain") -> Iterator[NotebookNode]:
    """One cell for code, those of the checks, and one for words, as far as the solution has them."""
    code = [piece for piece in solution if piece.cell is not None and not piece.is_check]
    words = "\n\n".join(piece.text for piece in solution if piece.cell is None)
    points = LEVELS[exercise.level]
    if code:
        given = "\n\n".join(_displayed(piece.text) for piece in code[:-1]) + ("\n\n" if code[1:] else "")
        given += code[-1].text
        head = "\n".join(filter(None, (skeleton(exercise, piece.text) for piece in code)))
        yield new_code_cell(
            "\n".join(filter(None, (head, BEGIN, given, END))),
            outputs=[output for piece in code for output in _shown(piece.cell)],
            metadata=_mark(f"{exercise.label}-code", 0 if exercise.check else points, solution=True),
        )
    if exercise.check:
        praise = f'print("{exercise.label}: right.")'
        yield new_code_cell(
            f"{exercise.check.text}\n{praise}", metadata=_mark(f"{exercise.label}-check", points)
        )
    if words:
        yield new_markdown_cell(
            say(words), metadata=_mark(f"{exercise.label}-words", 1 if code else points, solution=True)
        )


def _displayed(code: str) -> str:
    """A cell whose last value is shown even if more lines follow."""
    last = ast.parse(code).body[-1]
    if not isinstance(last, ast.Expr) or ast.unparse(last).startswith(("display(", "print(")):
        return code
    lines = code.splitlines()
    shown = "\n".join(lines[last.lineno - 1 : last.end_lineno])
    return "\n".join([*lines[: last.lineno - 1], f"display({shown})", *lines[last.end_lineno :]])


# --- trying them out ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a check said to one answer."""

    exercise: str
    answer: str  # "none", "right", or the code of a wrong one
    said: str  # name and message of the failure; nothing if it was taken
    as_expected: bool


@dataclass(frozen=True)
class Wrong:
    """A wrong answer, and words that a student must be told."""

    answer: str
    message: str


def try_out(
    notebook: NotebookNode,
    folder: Path,
    wrong: Mapping[str, Iterable[Wrong]] | None = None,
    timeout: int = 900,
) -> list[Outcome]:
    """Run an instructor's notebook in one kernel, and at each answer also what a student has got, and wrong answers.

    Parameters
    ----------
    notebook
        As `instructors` makes it; not changed.
    folder
        Where the kernel starts.
    wrong
        Wrong answers by the label of the exercise.
    timeout
        Seconds that a cell may take.

    Returns
    -------
    list of Outcome
        For each check three kinds: no answer, which must be told apart from a wrong one; the solution; wrong answers,
        each of which may replace a part of the solution only.

    Raises
    ------
    BookError
        If a cell of the chapter fails, or the cell that students fill in fails before they have.
    """
    from nbclient import NotebookClient

    notebook, outcomes, solution = copy.deepcopy(notebook), [], ""
    client = NotebookClient(
        notebook,
        timeout=timeout,
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=50"],
    )

    def run(code: str) -> str:
        cell = new_code_cell(code)
        notebook.cells.append(cell)
        client.execute_cell(cell, len(notebook.cells) - 1)
        failed = [output for output in cell.outputs if output.output_type == "error"]
        return f"{failed[0].ename}: {failed[0].evalue}" if failed else ""

    def must_run(code: str) -> None:
        if said := run(code):
            raise BookError(f"The cell {one_line(code, 60)!r} stopped with {one_line(said, 200)}.")

    def judge(exercise: str, answer: str, check: str, expected: Callable[[str], bool]) -> None:
        said = run(check)
        outcomes.append(Outcome(exercise, answer, said, expected(said)))

    with client.setup_kernel():
        for cell in list(notebook.cells):
            graded = _graded(cell)
            if cell.cell_type != "code":
                continue
            if not graded:
                must_run(cell.source)
            elif graded["solution"]:
                solution = cell.source
                must_run(unsolved(cell))
                if graded["grade"]:  # no check follows
                    must_run(solution)
            else:
                exercise = str(graded["grade_id"]).removesuffix("-check")
                judge(exercise, "none", cell.source, lambda said: said.startswith("NotAnswered"))
                must_run(solution)
                judge(exercise, "right", cell.source, lambda said: not said)
                for each in (wrong or {}).get(exercise, []):
                    must_run(each.answer)
                    is_helped = re.compile(rf"AssertionError: .*{re.escape(each.message)}", re.DOTALL).match
                    judge(exercise, each.answer, cell.source, lambda said, match=is_helped: bool(match(said)))
                    must_run(solution)
    return outcomes
