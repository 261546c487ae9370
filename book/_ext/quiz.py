"""Sphinx extension of the book: ``{quiz}``, a question with answers that explain themselves when they are opened.

No script is needed: each answer is a ``<details>`` element.
"""

from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from gi_lib.pages.exercises import ExerciseError, parse_quiz


class quiz(nodes.container):
    """The question and its answers."""


class choice(nodes.container):
    """One answer, with ``right``; its first child is what it says, the second why."""


class summary(nodes.container):
    """What an answer says. It is what is clicked, so nothing in it may be a link."""


class Quiz(Directive):
    """The directive; `gi_lib.pages.exercises` says how it is written."""

    has_content = True
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Parse the parts as Markdown."""
        try:
            parsed = parse_quiz(self.arguments[0], "\n".join(self.content))
        except ExerciseError as error:
            raise self.error(str(error)) from None
        node = quiz(ids=[parsed.name])
        question = nodes.container(classes=["quiz-question"])
        self._parse(parsed.question, question)
        node += question
        for answer in parsed.choices:
            item = choice(right=answer.is_right)
            for text, part in ((answer.text, summary()), (answer.why, nodes.container())):
                self._parse(text, part)
                item += part
            node += item
        return [node]

    def _parse(self, text: str, parent: nodes.Element) -> None:
        self.state.nested_parse(StringList(text.splitlines()), self.content_offset, parent)


def visit_quiz(self: Any, node: quiz) -> None:
    """Open the box."""
    self.body.append(f'<div class="quiz" role="group" aria-label="Question" id="{node["ids"][0]}">')


def depart_quiz(self: Any, node: quiz) -> None:
    """Close the box."""
    self.body.append("</div>\n")


def visit_choice(self: Any, node: choice) -> None:
    """What an answer says is the summary; why, with the verdict first, opens below it."""
    says, why = node.children
    word = "Right" if node["right"] else "No"
    self.body.append(f'<details class="quiz-choice quiz-{"right" if node["right"] else "wrong"}"><summary>')
    for child in says.children:  # without the paragraph around it, which a summary may not hold
        for part in child.children:
            part.walkabout(self)
    self.body.append(f'</summary><div class="quiz-why"><strong>{word}.</strong> ')
    for child in why.children:
        for part in child.children:
            part.walkabout(self)
    self.body.append("</div></details>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_node(quiz, html=(visit_quiz, depart_quiz))
    app.add_node(choice, html=(visit_choice, None))
    app.add_directive("quiz", Quiz)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
