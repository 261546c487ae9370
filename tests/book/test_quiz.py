"""Questions on a page: answers that open and explain themselves, without a script."""

import re
from pathlib import Path

import pytest
from sphinx.application import Sphinx

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"
PAGE = """\
# One

```{quiz} quiz-half
What is *half* of `four`?

- [ ] One heritability.
  A quarter of it, see [below](#below).
- [x] Two.
  Twice two is four; heritability is something else.
```
"""
GLOSSARY = "# Glossary\n\n```{glossary}\nheritability\n  A share.\n```\n"


@pytest.fixture
def rendered(tmp_path: Path) -> str:
    return build(tmp_path, PAGE)


def build(folder: Path, page: str) -> str:
    source = folder / "src"
    (source / "notebooks").mkdir(parents=True)
    (source / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(EXTENSIONS)!r})\n"
        "extensions = ['myst_parser', 'quiz', 'companion']\nproject = 'Toy'\n"
    )
    (source / "sources.json").write_text("{}")
    (source / "index.md").write_text("# Top\n\n```{toctree}\nglossary\nnotebooks/one\n```\n")
    (source / "glossary.md").write_text(GLOSSARY)
    (source / "notebooks" / "one.md").write_text(page)
    warnings = (folder / "warnings.txt").open("w+")
    Sphinx(source, source, folder / "out", folder / "trees", "html", status=None, warning=warnings).build()
    warnings.seek(0)
    said = [line for line in warnings if "Quiz quiz-half" in line]
    return "".join(said) or (folder / "out" / "notebooks" / "one.html").read_text()


def test_each_answer_opens_and_says_whether_it_is_right(rendered: str) -> None:
    box = re.search(
        r'<div class="quiz" role="group" aria-label="Question" id="quiz-half">.*', rendered, re.DOTALL
    )[0]
    assert "<em>half</em>" in box and "four" in box
    choices = re.findall(
        r'<details class="quiz-choice quiz-(\w+)"><summary>(.*?)</summary>(.*?)</details>', box, re.DOTALL
    )
    assert [(kind, says) for kind, says, _ in choices] == [("wrong", "One heritability."), ("right", "Two.")]
    assert "<strong>No.</strong> A quarter of it" in choices[0][2]
    assert "<strong>Right.</strong> Twice two" in choices[1][2]


def test_what_is_clicked_holds_no_link_and_the_reason_may(rendered: str) -> None:
    """A word of the glossary is linked at its first use, but not inside of what opens an answer."""
    assert not re.search(r"<summary>(?:(?!</summary>).)*<a ", rendered)
    assert re.search(r"Twice two is four; <a [^>]*#term-heritability", rendered)


def test_a_quiz_that_is_not_whole_is_an_error_with_its_sentence(tmp_path: Path) -> None:
    said = build(tmp_path, PAGE.replace("[x]", "[ ]"))
    assert "Quiz quiz-half needs a right answer and a wrong one." in said
