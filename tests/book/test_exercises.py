"""How exercises and quizzes are written, on a small chapter and in every chapter of the book."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gi_lib import book
from gi_lib.pages.exercises import (
    LEVELS,
    ExerciseError,
    assigned,
    exercises,
    parse_quiz,
    pieces,
    quizzes,
    skeleton,
)

PROJECT = book.Project()
CHAPTERS = sorted({page.notebook for page in PROJECT.pages.values()})

QUESTION = """\
What is half of *four*?

- [ ] One.
  That is a quarter,
  or half of two.
- [x] Two.
  Twice two is four.
"""

EXERCISE = """\
## Exercises

```{exercise-start}
:label: ex-half
```

**Recall.** Put half of four into `half`.

```{hint}
:class: dropdown
Think of pairs.
```

```{exercise-end}
```

```{solution-start} ex-half
:class: dropdown
```

Divide:
"""


def chapter(
    text: str = EXERCISE, code: str = "half = 4 / 2", check: str = "assert half == 2"
) -> nbformat.NotebookNode:
    return new_notebook(
        cells=[
            new_markdown_cell(f"# Halves\n\n{text}"),
            new_code_cell(code),
            new_code_cell(check, metadata={"tags": ["check"]}),
            new_markdown_cell("```{solution-end}\n```\n\nThe end."),
        ]
    )


# --- quizzes --------------------------------------------------------------------------------------


def test_a_quiz_is_read() -> None:
    quiz = parse_quiz("quiz-half", QUESTION)
    assert quiz.question == "What is half of *four*?"
    assert [(c.text, c.is_right, c.why) for c in quiz.choices] == [
        ("One.", False, "That is a quarter, or half of two."),
        ("Two.", True, "Twice two is four."),
    ]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("What is half of *four*?", "", "needs a question"),
        ("- [x] Two.\n  Twice two is four.\n", "", "two answers or more"),
        ("  Twice two is four.\n", "", "'Two.' needs a reason"),
        ("  Twice two", "Twice two", "'Two.' is not indented"),
        ("  That is", "That is", "'One.' is not indented"),
        ("[x]", "[ ]", "a right answer and a wrong one"),
        ("[ ]", "[x]", "a right answer and a wrong one"),
    ],
)
def test_a_quiz_that_is_not_whole_is_refused(old: str, new: str, sentence: str) -> None:
    assert old in QUESTION
    with pytest.raises(ExerciseError, match=sentence):
        parse_quiz("quiz-half", QUESTION.replace(old, new))


def test_quizzes_are_found_in_their_order() -> None:
    text = f"```{{quiz}} quiz-a\n{QUESTION}```\n\nBetween.\n\n```{{quiz}} quiz-b\n{QUESTION}```"
    assert [quiz.name for quiz in quizzes(new_notebook(cells=[new_markdown_cell(text)]))] == [
        "quiz-a",
        "quiz-b",
    ]


# --- exercises ------------------------------------------------------------------------------------


def test_a_chapter_is_taken_apart() -> None:
    assert [(piece.place, piece.label, piece.is_check) for piece in pieces(chapter())] == [
        ("chapter", None, False),
        ("exercise", "ex-half", False),
        ("solution", "ex-half", False),
        ("solution", "ex-half", False),
        ("solution", "ex-half", True),
        ("chapter", None, False),
    ]


def test_an_exercise_is_read() -> None:
    (exercise,) = exercises(chapter())
    assert (exercise.label, exercise.level, exercise.text, exercise.hint) == (
        "ex-half",
        "Recall",
        "Put half of four into `half`.",
        "Think of pairs.",
    )
    assert exercise.answers == ["half"]
    assert exercise.check.text == "assert half == 2"
    assert skeleton(exercise, "half = 4 / 2") == "half = ..."


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("**Recall.** ", "", "must begin with its level, one of"),
        ("Recall", "Remember", "must begin with its level"),
        ("```{hint}\n:class: dropdown\nThink of pairs.\n```", "", "has no hint"),
        (
            "```{solution-start} ex-half",
            "```{solution-start} ex-other",
            "a solution of ex-other, but no exercise",
        ),
        ("```{exercise-end}\n```", "", "A solution begins inside the exercise ex-half"),
        ("```{exercise-start}\n:label: ex-half\n```", "", "has not begun"),
    ],
)
def test_an_exercise_that_is_not_whole_is_refused(old: str, new: str, sentence: str) -> None:
    assert old in EXERCISE
    with pytest.raises(ExerciseError, match=sentence):
        exercises(chapter(EXERCISE.replace(old, new)))


def test_what_does_not_end_and_what_has_no_solution_is_refused() -> None:
    with pytest.raises(ExerciseError, match="solution ex-half does not end"):
        exercises(new_notebook(cells=chapter().cells[:-1]))
    alone = EXERCISE[: EXERCISE.index("```{solution-start}")]
    with pytest.raises(ExerciseError, match="ex-half has no solution"):
        exercises(new_notebook(cells=[new_markdown_cell(alone)]))


def test_a_check_of_nothing_and_two_checks_are_refused() -> None:
    with pytest.raises(ExerciseError, match="looks at nothing"):
        exercises(chapter(check="assert 1 == 1"))
    twice = chapter()
    twice.cells.insert(2, twice.cells[2])
    with pytest.raises(ExerciseError, match="more than one check"):
        exercises(twice)


def test_names_of_a_cell_are_those_outside_its_functions() -> None:
    code = (
        "a, (b, *c) = x\n"
        "for d in y:\n    e = 1\n"
        "with z as f:\n    pass\n"
        "def g(h):\n    i = 1\n"
        "k = [j for j in a]\n"
        "a += 1\n"
    )
    assert assigned(code) == ["a", "b", "c", "d", "e", "f", "g", "k"]


def test_a_function_keeps_its_head_and_its_description() -> None:
    code = 'def half(x, *, of=2):\n    """Half of it."""\n    return x / of'
    (exercise,) = exercises(chapter(code=code, check="assert half(4) == 2"))
    empty = skeleton(exercise, code)
    assert empty == 'def half(x, *, of=2):\n    """Half of it."""\n    return ...'
    compile(empty, "empty", "exec")


# --- every chapter --------------------------------------------------------------------------------


@pytest.fixture(params=CHAPTERS)
def real(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(PROJECT.notebooks / f"{request.param}.ipynb", as_version=4)


def test_a_chapter_asks_from_recall_to_an_open_project(real: nbformat.NotebookNode) -> None:
    levels = [list(LEVELS).index(exercise.level) for exercise in exercises(real)]
    assert len(levels) >= 4
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, len(LEVELS) - 1)


def test_a_chapter_has_checks_that_first_look_whether_there_is_an_answer(real: nbformat.NotebookNode) -> None:
    checks = [exercise.check.text for exercise in exercises(real) if exercise.check]
    assert len(checks) >= 2
    assert all("answered(" in check and "assert " in check for check in checks)


def test_a_chapter_has_questions_with_the_answer_at_different_places(real: nbformat.NotebookNode) -> None:
    asked = quizzes(real)
    assert len(asked) >= 3
    assert len({quiz.name for quiz in asked}) == len(asked)
    assert len({[choice.is_right for choice in quiz.choices].index(True) for quiz in asked}) > 1
