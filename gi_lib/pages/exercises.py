"""Exercises, hints, checks and quizzes of a chapter, as its text writes them.

An exercise stands between ``{exercise-start}`` and ``{exercise-end}``. It begins with its level in bold words, and ends
with a hint. Its solution, text and code, stands between ``{solution-start}`` and ``{solution-end}``; a code cell tagged
``check`` holds assertions about the names that the solution assigns, with messages that help. A quiz is a directive::

    ```{quiz} quiz-h2-mean
    What happens to heritability when three plants are measured instead of one?

    - [ ] It is three times as large.
      A share cannot be larger than one, and here it would be.
    - [x] It rises, and stays below one.
      The noise of a mean of three is a third; the genetic variance stays.
    ```
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from nbformat import NotebookNode

LEVELS = {"Recall": 1, "Compute": 2, "Apply": 3, "Judge": 3, "Open project": 5}
"""Levels of an exercise from the easiest, with the points that an answer is worth."""


class ExerciseError(ValueError):
    """An exercise or a quiz is not written as it should be; the message is one sentence."""


# --- quizzes --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """One answer of a quiz, and why it is right or wrong."""

    text: str
    is_right: bool
    why: str


@dataclass(frozen=True)
class Quiz:
    """A question with explained answers."""

    name: str
    question: str
    choices: tuple[Choice, ...]


_CHOICE = re.compile(r"^- \[([ x])\] +(\S.*)\n((?:(?:  .*)?\n)*)", re.MULTILINE)
QUIZ = re.compile(r"^```\{quiz\} +(\S+)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)


def parse_quiz(name: str, text: str) -> Quiz:
    """Read the content of a quiz.

    Raises
    ------
    ExerciseError
        If there is no question, fewer than two answers, none or all of them right, or one without a reason.
    """
    text = text.rstrip("\n") + "\n"
    found = list(_CHOICE.finditer(text))
    question = text[: found[0].start()].strip() if found else ""
    if not question or len(found) < 2:
        raise ExerciseError(
            f"Quiz {name} needs a question, and two answers or more that begin with '- [ ]' or '- [x]'."
        )
    if between := [a for a, b in pairwise(found) if a.end() != b.start()]:
        raise ExerciseError(f"Quiz {name}: the reason for {between[0][2]!r} is not indented by two spaces.")
    if found[-1].end() != len(text):
        raise ExerciseError(f"Quiz {name}: the reason for {found[-1][2]!r} is not indented by two spaces.")
    choices = tuple(
        Choice(text.strip(), mark == "x", " ".join(why.split()))
        for mark, text, why in (m.groups() for m in found)
    )
    if unexplained := [choice for choice in choices if not choice.why]:
        raise ExerciseError(f"Quiz {name}: {unexplained[0].text!r} needs a reason, on the lines below it.")
    if len({choice.is_right for choice in choices}) < 2:
        raise ExerciseError(f"Quiz {name} needs a right answer and a wrong one.")
    return Quiz(name, question, choices)


def quizzes(notebook: NotebookNode) -> list[Quiz]:
    """The quizzes of a chapter, in its order."""
    return [
        parse_quiz(*found.groups())
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for found in QUIZ.finditer(cell.source + "\n")
    ]


# --- exercises ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """A stretch of text, or a code cell, that belongs to the chapter, to an exercise or to a solution."""

    place: str  # "chapter", "exercise" or "solution"
    label: str | None  # of the exercise
    text: str
    cell: NotebookNode | None = None  # for code

    @property
    def is_check(self) -> bool:
        """Whether it is code that looks at an answer."""
        return self.cell is not None and "check" in self.cell.metadata.get("tags", [])


_GATE = re.compile(
    r"^```\{(?P<place>exercise|solution)-(?P<end>start|end)\}[ \t]*(?P<label>\S*)\n(?P<options>(?::.*\n)*)```[ \t]*$",
    re.MULTILINE,
)


def pieces(notebook: NotebookNode) -> Iterator[Piece]:
    """Take a chapter apart at the ends of its exercises and solutions.

    Raises
    ------
    ExerciseError
        If one begins inside another, ends without having begun, or does not end.
    """
    place, label = "chapter", None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield Piece(place, label, cell.source, cell)
            continue
        if cell.cell_type != "markdown":
            continue
        at = 0
        for gate in _GATE.finditer(cell.source):
            if text := cell.source[at : gate.start()].strip():
                yield Piece(place, label, text)
            at = gate.end()
            if gate["end"] == "end":
                if gate["place"] != place:
                    raise ExerciseError(f"The {gate['place']} that ends after {label} has not begun.")
                place, label = "chapter", None
            else:
                if place != "chapter":
                    raise ExerciseError(f"A {gate['place']} begins inside the {place} {label}.")
                place = gate["place"]
                named = re.search(r"^:label: +(\S+)$", gate["options"], re.MULTILINE)
                label = gate["label"] or (named and named[1])
        if text := cell.source[at:].strip():
            yield Piece(place, label, text)
    if place != "chapter":
        raise ExerciseError(f"The {place} {label} does not end.")


@dataclass
class Exercise:
    """One exercise of a chapter."""

    label: str
    level: str = ""
    text: str = ""  # without level and hint
    hint: str = ""
    solution: list[Piece] = field(default_factory=list)

    @property
    def check(self) -> Piece | None:
        """Code that looks at the answer, if there is some."""
        return next((piece for piece in self.solution if piece.is_check), None)

    @property
    def answers(self) -> list[str]:
        """Names that the solution gives and the check asks for, in the order of the solution."""
        asked = _loaded(self.check.text) if self.check else set()
        given = [
            name
            for piece in self.solution
            if piece.cell and not piece.is_check
            for name in assigned(piece.text)
        ]
        return [name for name in dict.fromkeys(given) if name in asked]


_HINT = re.compile(r"^```\{hint\}\n:class: dropdown\n(.*?)^```[ \t]*\n?", re.MULTILINE | re.DOTALL)
_LEVEL = re.compile(r"\*\*([^*]+)\.\*\*\s+")


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The exercises of a chapter, in its order.

    Raises
    ------
    ExerciseError
        If one is not written as the head of this module says.
    """
    found: dict[str, Exercise] = {}
    for piece in pieces(notebook):
        if piece.place == "exercise":
            if piece.cell is not None or piece.label in found:
                raise ExerciseError(f"Exercise {piece.label} is more than one stretch of text.")
            text = piece.text + "\n"
            level, hint = _LEVEL.match(text), _HINT.search(text)
            if level is None or level[1] not in LEVELS:
                levels = ", ".join(f"**{name}.**" for name in LEVELS)
                raise ExerciseError(f"Exercise {piece.label} must begin with its level, one of {levels}.")
            if hint is None or not hint[1].strip():
                raise ExerciseError(
                    f"Exercise {piece.label} has no hint, '```{{hint}}' with ':class: dropdown'."
                )
            found[piece.label] = Exercise(
                piece.label,
                level[1],
                (text[level.end() : hint.start()] + text[hint.end() :]).strip(),
                hint[1].strip(),
            )
        elif piece.place == "solution":
            if piece.label not in found:
                raise ExerciseError(f"There is a solution of {piece.label}, but no exercise before it.")
            found[piece.label].solution.append(piece)
    for exercise in found.values():
        if not exercise.solution:
            raise ExerciseError(f"Exercise {exercise.label} has no solution.")
        if sum(piece.is_check for piece in exercise.solution) > 1:
            raise ExerciseError(f"Exercise {exercise.label} has more than one check; put them into one cell.")
        if exercise.check and not exercise.answers:
            raise ExerciseError(f"The check of {exercise.label} looks at nothing that its solution assigns.")
    return list(found.values())


def assigned(code: str) -> list[str]:
    """Names that a cell gives a value to outside its functions, and the functions themselves, in order."""
    names, left = [], list(ast.parse(code).body)
    while left:
        node = left.pop(0)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            left = [*ast.iter_child_nodes(node), *left]
    return list(dict.fromkeys(names))


def _loaded(code: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def skeleton(exercise: Exercise, code: str) -> str:
    """What stands in the place of a solution: the names that the check asks for, without their values.

    Parameters
    ----------
    exercise
        With its check.
    code
        One cell of its solution.

    Returns
    -------
    str
        A line ``name = ...`` for each name, and the head of each function.
    """
    functions = {node.name: node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
    lines = []
    for name in [name for name in assigned(code) if name in exercise.answers]:
        if name in functions:
            node = functions[name]
            lines.append(f"def {name}({ast.unparse(node.args)}):")
            if described := ast.get_docstring(node):
                lines.append(f'    """{described}"""')
            lines.append("    return ...")
        else:
            lines.append(f"{name} = ...")
    return "\n".join(lines)
