"""The local Sphinx extension: what it repairs, how it labels, where its buttons lead."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from pybtex.database import Entry, Person
from sphinx.application import Sphinx

from gi_lib.book import REPOSITORY

GITHUB = "https://github.com/genome-interpretation/companion"


@pytest.fixture(scope="module")
def companion() -> ModuleType:
    spec = importlib.util.spec_from_file_location("companion", REPOSITORY / "book" / "_ext" / "companion.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        ('<div role="list" class="citation-list">', '<div class="citation-list">'),
        ("<tr><th></th><th>a</th></tr>", "<tr><td></td><th>a</th></tr>"),
        ('<table border="1" class="dataframe">', '<table class="dataframe">'),
        (
            '<p id="proof-content"></p><p id="proof-content"></p>',
            '<p id="proof-content-1"></p><p id="proof-content-2"></p>',
        ),
        ("<p>Nothing to repair.</p>", "<p>Nothing to repair.</p>"),
    ],
)
def test_repair(companion: ModuleType, before: str, after: str) -> None:
    assert companion.repair(before) == after


def entry(year: str, *authors: str) -> Entry:
    work = Entry("article", fields={"year": year}, persons={"author": [Person(a) for a in authors]})
    work.key = "key2020"
    return work


def test_bibliography_labels(companion: ModuleType) -> None:
    works = [
        entry("1951", "Simpson, E. H."),
        entry("2001", "Meuwissen, T.", "Hayes, B."),
        entry("2020", "Lin, A.", "Berg, B. van den", "Cox, C."),
        entry("2020"),
        entry("2021", "Doe, J."),
        entry("2021", "Doe, J."),
    ]
    assert list(companion.AuthorYearLabels().format_labels(works)) == [
        "Simpson, 1951",
        "Meuwissen and Hayes, 2001",
        "Lin et al., 2020",
        "key2020, 2020",
        "Doe, 2021a",
        "Doe, 2021b",
    ]


@pytest.mark.parametrize(
    ("page", "before", "after"),
    [
        (
            "notebooks/one-real",
            f"{GITHUB}/edit/main/_build/src/notebooks/one-real.ipynb",
            f"{GITHUB}/edit/main/notebooks/one.md",
        ),
        ("run", f"{GITHUB}/edit/main/_build/src/run.md", f"{GITHUB}/edit/main/book/run.md"),
        (
            "notebooks/one-real",
            "https://mybinder.org/v2/gh/o/r/main?urlpath=lab/tree/notebooks/one-real.ipynb",
            "https://mybinder.org/v2/gh/o/r/main?urlpath=lab/tree/notebooks/one.ipynb",
        ),
        (
            "notebooks/one-real",
            "https://colab.research.google.com/github/o/r/blob/main/notebooks/one-real.ipynb",
            "https://colab.research.google.com/github/o/r/blob/main/notebooks/one.ipynb",
        ),
        ("notebooks/one-real", f"{GITHUB}/issues/new", f"{GITHUB}/issues/new"),
    ],
)
def test_buttons(companion: ModuleType, tmp_path: Path, page: str, before: str, after: str) -> None:
    (tmp_path / "sources.json").write_text(json.dumps({"notebooks/one-real": "notebooks/one.md"}))
    button = {"url": before}
    context = {"header_buttons": [{"type": "group", "buttons": [button]}, {"type": "javascript"}]}
    companion.point_buttons(SimpleNamespace(srcdir=tmp_path), page, "page.html", context, None)
    assert button["url"] == after


# --- the glossary ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "found", "left"),
    [
        ("allele", ["allele", "alleles", "Allele"], ["alleles-first", "parallele", "allelic"]),
        ("heritability", ["heritabilities", "Heritability"], ["heritabilitys"]),
        ("confusion matrix", ["confusion matrices", "confusion\nmatrix"], ["confusion"]),
        ("batch", ["batches"], ["batched"]),
        ("epoch", ["epochs"], ["epochal"]),
        ("over-fitting", ["overfitting", "over-fitting", "Over-fitting"], ["overfit"]),
        ("early stopping", ["early-stopping"], ["stopping"]),
        ("Simpson's paradox", ["Simpson\u2019s paradox", "Simpson's paradoxes"], ["Simpson"]),
        ("SNP", ["SNP", "SNPs"], ["snp", "SNP-wise"]),
        ("R\u0302", ["R\u0302"], ["R"]),
    ],
)
def test_forms_of_a_term(companion: ModuleType, term: str, found: list[str], left: list[str]) -> None:
    pattern = companion.pattern_of([term])
    for text in found:
        assert pattern.fullmatch(text), text
    for text in left:
        assert not pattern.search(text), text


GLOSSARY = """\
# Glossary

```{glossary}
heritability
  A {term}`bin` {cite:p}`who2020`; see {ref}`there`. More on it.

F1 score
  A mean.

genomic heritability
  The share that markers explain.

bin
  A unit.

seed (of random numbers)
  Where they start.
```
"""

CHAPTER = """\
# On heritability

*Genomic heritability* is no `heritability`: $heritability$ [heritability](https://example.org).

| heritability |
|---|
| heritability |

The heritabilities of a bin and a seed; heritability again, {term}`here <bin>`, an F1
score and {term}`genomic heritability`.
"""


def test_the_first_use_of_a_term_in_prose_is_linked(tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "notebooks").mkdir(parents=True)
    (source / "index.md").write_text(
        "# Top\n\nA heritability.\n\n```{toctree}\nglossary\nnotebooks/one\n```\n"
    )
    (source / "glossary.md").write_text(GLOSSARY)
    (source / "notebooks" / "one.md").write_text(CHAPTER)
    (source / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(REPOSITORY / 'book' / '_ext')!r})\n"
        "extensions = ['myst_parser', 'companion']\nmyst_enable_extensions = ['dollarmath']\n"
        "glossary_by_hand = ['bin']\n"
    )
    app = Sphinx(source, source, tmp_path / "out", tmp_path / "trees", "pseudoxml", status=None, warning=None)
    app.build()
    page = (tmp_path / "out" / "notebooks" / "one.pseudoxml").read_text()
    shown = re.findall(r"#term-([\w-]+)[^>]*>\s*<inline[^>]*>\s*([^\n]+)", page)
    assert shown == [
        ("genomic-heritability", "Genomic heritability"),
        ("heritability", "heritabilities"),
        ("bin", "here"),
        ("F1-score", "F1"),  # and the rest on the next line
        ("genomic-heritability", "genomic heritability"),
    ]
    meanings = {
        label: meaning
        for meaning, label in re.findall(r'reftitle="([^"]*)" refuri="[^"]*#term-([\w-]+)', page)
    }
    assert meanings == {
        "genomic-heritability": "The share that markers explain.",
        "heritability": "A bin. More on it.",
        "bin": "A unit.",
        "F1-score": "A mean.",
    }
    assert "#term-" not in (tmp_path / "out" / "index.pseudoxml").read_text()


def test_words_that_are_linked_by_hand_are_in_the_glossary() -> None:
    terms = re.findall(
        r"^(\S.*)\n  ", (REPOSITORY / "book" / "glossary.md").read_text(encoding="utf-8"), re.M
    )
    config = yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8"))
    by_hand = config["sphinx"]["config"]["glossary_by_hand"]
    assert by_hand == sorted(by_hand)
    assert set(by_hand) <= set(terms)
