"""Notebooks for students and instructors: same source, no solution where there should be none, checks that help."""

import contextlib
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
import yaml
from typer.testing import CliRunner

from gi_lib import book
from gi_lib.cli import app
from gi_lib.pages.exercises import exercises
from gi_lib.teaching.handouts import (
    BEGIN,
    YOURS,
    Wrong,
    hand_out,
    instructors,
    students,
    try_out,
)
from gi_lib.teaching.plain import Places, Plain

PROJECT = book.Project()
WRONG = yaml.safe_load((Path(__file__).parent / "wrong_answers.yml").read_text(encoding="utf-8"))
NEXT = """
```{code-cell} python
from gi_lib.notebook import answered
```

:::{note}
{term}`Dosages <dosage>` count alleles {cite:p}`mathew2022neurallasso`.
:::

## Exercises

```{quiz} quiz-first
Is {glue:text}`answer` the answer?

- [x] Yes.
  See {ref}`nb-first`.
- [ ] No.
  It is.
```

```{exercise-start}
:label: ex-first
```

**Compute.** Put the half of `seed` into `half`, and write `double`.

```{hint}
:class: dropdown
Not {eq}`eq-one`.
```

```{exercise-end}
```

```{solution-start} ex-first
:class: dropdown
```

```{code-cell} python
seed
```

```{code-cell} python
half = seed / 2


def double(x):
    \"\"\"Twice x.\"\"\"
    return 2 * x
```

```{code-cell} python
:tags: [check]

twice = double(3)
answered(half=half, twice=twice)
assert half != seed * 2, "That is the double."
assert half == seed / 2, "Divide."
assert twice == 6, "Multiply."
```

Halves are easy.

```{solution-end}
```

```{code-cell} python
print("the end")
```
"""


@pytest.fixture(scope="module")
def made(make_toy: Callable[[Path], book.Project], tmp_path_factory: pytest.TempPathFactory) -> book.Project:
    """The toy book with an exercise; both pages are executed."""
    toy = make_toy(tmp_path_factory.mktemp("handouts") / "toy")
    source = toy.notebooks / "first.md"
    source.write_text(source.read_text() + NEXT)
    shutil.copy(PROJECT.root / "book" / "references.bib", toy.root / "book")
    book.sync_pairs(toy)
    for page in toy.pages:
        book.execute(toy, page)
    return toy


@pytest.fixture
def executed(made: book.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> book.Project:
    """A copy of it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the toy asks for it
    return book.Project(shutil.copytree(made.root, tmp_path / "toy"))


def named(notebook: nbformat.NotebookNode) -> dict[str, nbformat.NotebookNode]:
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def test_handouts_of_a_book(executed: book.Project, tmp_path: Path) -> None:
    out = tmp_path / "handouts"
    made = dict(hand_out(executed, [], out))
    assert sorted(made) == ["first", "first-again"]
    for kind in ("student", "instructor"):
        for name in made:
            nbformat.validate(nbformat.read(out / kind / f"{name}.ipynb", as_version=4))

    student = nbformat.read(out / "student" / "first-again.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in student.cells)
    assert student.cells[0].source.startswith("# First again")
    assert BEGIN not in text and "seed / 2\n" not in text and "Halves are easy" not in text
    assert named(student)["ex-first-code"].source == (
        'half = ...\ndef double(x):\n    """Twice x."""\n    return ...\n# YOUR CODE HERE'
    )
    assert named(student)["ex-first-words"].source == YOURS["markdown"]
    assert not any(cell.get("outputs") for cell in student.cells)
    assert str(executed.root) not in text and "_build/results/demo" not in text

    instructor = named(nbformat.read(out / "instructor" / "first.ipynb", as_version=4))
    assert "display(seed)\n" in instructor["ex-first-code"].source  # no value is lost where cells were joined
    assert "half = seed / 2" in instructor["ex-first-code"].source
    assert instructor["ex-first-words"].source == "Halves are easy."
    graded = {
        name: (cell.metadata.nbgrader.grade, cell.metadata.nbgrader.get("points"))
        for name, cell in instructor.items()
    }
    assert graded == {
        "ex-first-code": (False, None),
        "ex-first-check": (True, 2),
        "ex-first-words": (True, 1),
    }
    assert len(set(graded)) == 3 and instructor["ex-first-check"].metadata.nbgrader.locked


def test_roles_and_boxes_become_plain_markdown(executed: book.Project) -> None:
    page = executed.pages["first"]
    notebook = nbformat.read(executed.executed("first", "demo"), as_version=4)
    made = instructors(notebook, page, Places(executed))
    text = "\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    base = "https://genome-interpretation.github.io/companion/notebooks/first.html"
    assert (
        f"The answer is 42; see [the equation]({base}#equation-eq-one) and [the top]({base}#nb-first)."
        in text
    )
    assert "> **Note.** Dosages count alleles (Mathew et al., 2022)." in text
    assert "<details><summary>Yes.</summary>" in text and "**Question.** Is 42 the answer?" in text
    assert not re.search(r"\{[\w:]+\}`|^\(nb-|^[`:]{3,}\{", text, re.MULTILINE)


def test_a_mention_of_nothing_is_refused(executed: book.Project) -> None:
    say = Plain(Places(executed), "first", {"known": 1})
    assert say("{glue:text}`known:.2f`") == "1.00"
    with pytest.raises(book.BookError, match="mentions 'nb-nowhere', which no page of the book has"):
        say("{ref}`nb-nowhere`")
    with pytest.raises(book.BookError, match="mentions the value 'unknown', which its run has not given"):
        say("{glue:text}`unknown`")


def test_every_answer_is_tried(executed: book.Project) -> None:
    ((_, notebook),) = hand_out(executed, ["first"], executed.build / "handouts")
    wrong = {"ex-first": [Wrong("half = 2 * seed", "the double"), Wrong("half = 0", "the double")]}
    outcomes = try_out(notebook, executed.root, wrong)
    assert [(o.answer, o.said.partition(":")[0], o.as_expected) for o in outcomes] == [
        ("none", "NotAnswered", True),
        ("right", "", True),
        ("half = 2 * seed", "AssertionError", True),
        ("half = 0", "AssertionError", False),  # another message than the one that was promised
    ]
    assert "half and twice still to be answered" in outcomes[0].said


def test_a_chapter_that_fails_and_pages_that_are_not_there_get_a_sentence(
    executed: book.Project, tmp_path: Path
) -> None:
    ((_, notebook),) = hand_out(executed, ["first"], tmp_path / "out")
    notebook.cells[-1].source = "1 / 0"
    with pytest.raises(book.BookError, match="The cell '1 / 0' stopped with ZeroDivisionError"):
        try_out(notebook, executed.root)
    with pytest.raises(book.BookError, match="There is no page 'second'"):
        list(hand_out(executed, ["second"], tmp_path / "out"))
    executed.executed("first", "demo").unlink()
    with pytest.raises(book.BookError, match="first has not been executed at scale demo"):
        list(hand_out(executed, ["first"], tmp_path / "out"))
    (tmp_path / "file").touch()
    with pytest.raises(book.BookError, match="a file stands in its place"):
        list(hand_out(executed, ["first-again"], tmp_path / "file"))


def test_the_command_writes_both_and_tries_them(executed: book.Project, tmp_path: Path) -> None:
    arguments = ["handouts", "first", "--out", str(tmp_path / "out"), "--run", "--root", str(executed.root)]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    assert "first: 2 answers tried, 0 judged wrongly" in ran.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["instructor", "student"]


# --- the real chapters ----------------------------------------------------------------------------


def test_every_check_has_wrong_answers_and_no_other_exercise_has() -> None:
    checked = [
        exercise.label
        for name in dict.fromkeys(page.notebook for page in PROJECT.pages.values())
        for exercise in exercises(nbformat.read(PROJECT.notebooks / f"{name}.ipynb", as_version=4))
        if exercise.check
    ]
    assert list(WRONG) == checked
    assert all(set(each) == {"answer", "message"} for answers in WRONG.values() for each in answers)
    assert all(WRONG.values())


@pytest.mark.slow
@pytest.mark.parametrize("page", (os.environ.get("GI_HANDOUTS") or "verdict").split(","))
def test_wrong_answers_get_a_message_that_helps(page: str, tmp_path: Path, use_mirror) -> None:
    """``GI_HANDOUTS=galiana,ionome`` tries these pages, ``all`` every one."""
    for name in PROJECT.pages if page == "all" else [page]:
        # Of plants that are simulated in place of maize nobody knows the parents, which a check asks for.
        with use_mirror("maize/agro_tibble.RDS") if name == "binn-maize" else contextlib.nullcontext():
            if not PROJECT.executed(name, "demo").exists():
                book.execute(PROJECT, name)
            ((_, notebook),) = hand_out(PROJECT, [name], tmp_path)
            wrong = {label: [Wrong(**each) for each in answers] for label, answers in WRONG.items()}
            outcomes = try_out(notebook, PROJECT.root, wrong)
        assert len(outcomes) >= 6
        assert [(name, outcome) for outcome in outcomes if not outcome.as_expected] == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nbgrader") is None, reason="nbgrader is not installed")
def test_nbgrader_makes_and_grades_an_assignment(executed: book.Project, tmp_path: Path) -> None:
    """With nbgrader's own commands: the student's version, and points for a right, a wrong and no answer."""
    ((_, notebook),) = hand_out(executed, ["first"], tmp_path / "handouts")
    course = tmp_path / "course"
    submitted = {
        "ann": "half, double = seed / 2, lambda x: 2 * x",
        "bob": "half, double = 7, lambda x: 2 * x",
    }
    (course / "source" / "ps1").mkdir(parents=True)
    nbformat.write(notebook, course / "source" / "ps1" / "first.ipynb")
    kernels = tmp_path / "jupyter" / "kernels" / "python3"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(
        json.dumps(
            {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
             "display_name": "Python 3", "language": "python"}
        )
    )  # fmt: skip
    environment = os.environ | {"JUPYTER_PATH": str(tmp_path / "jupyter"), "PYTHONPATH": str(PROJECT.root)}

    def nbgrader(*arguments: str) -> None:
        done = subprocess.run(
            ["nbgrader", *arguments], cwd=course, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    (course / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'gi'\n")
    nbgrader("generate_assignment", "ps1", "--force")
    released = nbformat.read(course / "release" / "ps1" / "first.ipynb", as_version=4)
    assert BEGIN not in str(released) and "half = ..." in named(released)["ex-first-code"].source
    for student, code in {**submitted, "cas": None}.items():
        answer = students(notebook)
        if code:
            named(answer)["ex-first-code"].source += f"\n{code}"
        place = course / "submitted" / student / "ps1"
        place.mkdir(parents=True)
        nbformat.write(answer, place / "first.ipynb")
    nbgrader("autograde", "ps1", "--force")
    nbgrader("export")
    with (course / "grades.csv").open() as file:
        grades = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert grades == {"ann": 2.0, "bob": 0.0, "cas": 0.0}
