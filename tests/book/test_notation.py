"""The table of symbols and the displayed equations of the chapters know the same letters."""

import re
from typing import NamedTuple

import pytest
import yaml

from gi_lib import book

PROJECT = book.Project()
CONTENTS = yaml.safe_load((PROJECT.root / "book" / "_toc.yml").read_text(encoding="utf-8"))
CHAPTERS = [
    name.removeprefix("notebooks/")
    for part in CONTENTS["parts"]
    for name in (chapter["file"] for chapter in part["chapters"])
    if name.startswith("notebooks/")
]
GREEK = re.compile(
    r"\\(?:var)?(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon"
    r"|phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega)(?![A-Za-z])"
)
CALLIGRAPHIC = re.compile(r"\\mathcal\s*\{?(\w)\}?")


class Row(NamedTuple):
    """One meaning of one symbol."""

    symbol: str
    meaning: str
    chapters: list[str]


def rows() -> list[Row]:
    text = (PROJECT.root / "book" / "notation.md").read_text(encoding="utf-8")
    found: list[Row] = []
    for line in re.findall(r"^\| (?!Symbol|:)(.*) \|$", text, re.M):
        symbol, meaning, _, chapters = (cell.strip() for cell in line.split("|"))
        symbol = symbol.strip("$") or found[-1].symbol
        found.append(Row(symbol, meaning, re.findall(r"<nb-([\w-]+)>", chapters)))
    return found


ROWS = rows()
NAMES = [row.symbol for row in ROWS if re.fullmatch(r"[A-Za-z]{2,}", row.symbol)]  # of several letters


def letters(tex: str) -> set[str]:
    """Letters of a formula that stand for something; no words, operators, differentials or lengths."""
    tex = re.sub(r"\\(?:text|operatorname\*?|mathrm|begin|end)\s*\{[^}]*\}", " ", tex)
    tex = re.sub(r"(?<![A-Za-z\\])d(?=\s*\\alpha)", " ", tex)
    found = {rf"\mathcal {letter}" for letter in CALLIGRAPHIC.findall(tex)} | set(GREEK.findall(tex))
    tex = CALLIGRAPHIC.sub(" ", tex)
    for name in NAMES:
        if name in tex:
            found.add(name)
            tex = tex.replace(name, " ")
    return found | set(re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", tex)))


def equations(chapter: str) -> str:
    """All displayed equations of a chapter, up to its exercises."""
    text = (PROJECT.notebooks / f"{chapter}.md").read_text(encoding="utf-8").split("\n## Exercises\n")[0]
    text = re.sub(r"^```\{code-cell\}.*?^```$", "", text, flags=re.M | re.S)
    return " ".join(re.findall(r"\$\$(.*?)\$\$", text, re.S))


USED = {name: letters(equations(name)) for name in CHAPTERS if (PROJECT.notebooks / f"{name}.md").exists()}


def test_letters_of_a_formula() -> None:
    assert letters(r"\operatorname{E} \hat y_{ik} = \sum_g \beta_g\, x_{ig}, \mathcal L \text{ where}") == {
        *("y", "i", "k", "g", "x"),
        r"\beta",
        r"\mathcal L",
    }
    assert letters(r"\int_0^1 F \, d\alpha + CK_{\text{max}}") == {"F", r"\alpha", "CK"}


def test_each_symbol_stands_once() -> None:
    text = (PROJECT.root / "book" / "notation.md").read_text(encoding="utf-8")
    symbols = re.findall(r"^\| (\$[^|]+\$) \|", text, re.M)
    assert len(symbols) == len(set(symbols)) > 50
    assert all(row.meaning and row.chapters for row in ROWS)


@pytest.mark.parametrize("chapter", USED)
def test_every_symbol_of_a_displayed_equation_is_in_the_table(chapter: str) -> None:
    known = {row.symbol for row in ROWS if chapter in row.chapters}
    assert USED[chapter] - known == set()


def test_every_symbol_of_the_table_is_in_the_chapters_it_names() -> None:
    wrong = [(row.symbol, name) for row in ROWS for name in row.chapters if row.symbol not in USED[name]]
    assert wrong == []


def test_chapters_are_named_in_the_order_of_the_book() -> None:
    for row in ROWS:
        assert row.chapters == sorted(row.chapters, key=CHAPTERS.index), row
