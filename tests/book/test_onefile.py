"""The book as one page and as one PDF."""

import re
import shutil
from pathlib import Path

import pytest

from gi_lib import book
from gi_lib.pages import onefile
from gi_lib.pages.onefile import OneFileError

PAGE = """\
<html><head><link rel="stylesheet" href="{up}_static/a.css?v=1"/><script src="{up}_static/print.js?v=2"></script>
<script src="{up}_static/other.js"></script></head><body><nav><a href="x.html">menu</a></nav>
<article class="bd-article"><h1 id="top">{title}<a class="headerlink" href="#top">#</a></h1>
<img src="{up}_images/i.png" alt="A line."/><script>1</script>
<details class="solution"><summary>Solution</summary></details><details class="hide"></details>
{links}</article></body></html>
"""


@pytest.fixture
def html(tmp_path: Path) -> Path:
    folder = tmp_path / "html"
    (folder / "notebooks").mkdir(parents=True)
    links = (
        '<a href="#top">a</a><a href="two.html#top">b</a><a href="../index.html">c</a>'
        '<a href="https://example.org/#top">d</a><a href="../_sources/one.md">e</a><a href="gone.html">f</a>'
    )
    files = {"index": ("", ""), "notebooks/one": ("../", links), "notebooks/two": ("../", "")}
    for name, (up, links_of_page) in files.items():
        text = PAGE.format(up=up, title=f"Title of {name}", links=links_of_page)
        (folder / f"{name}.html").write_text(text)
    return folder


def test_pages_become_one_with_working_links(html: Path) -> None:
    parts = [("", ["index"]), ("Part", ["notebooks/one", "notebooks/two"])]
    page = onefile.in_one_page(html, parts, "The Book", "Version 1")
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    links = {text: address for address, text in re.findall(r'<a href="([^"]*)">(\w)</a>', page)}
    assert links == {
        "a": "#page-notebooks-one--top",
        "b": "#page-notebooks-two--top",
        "c": "#page-index",
        "d": "https://example.org/#top",
        "e": "html/_sources/one.md",
        "f": "html/notebooks/gone.html",
    }
    assert {links["a"][1:], links["b"][1:], links["c"][1:]} <= set(ids)
    assert page.count('src="html/_images/i.png"') == 3
    assert 'href="html/_static/a.css?v=1"' in page and 'src="html/_static/print.js?v=2"' in page
    assert "other.js" not in page and "menu" not in page and "headerlink" not in page
    assert page.count('class="solution" open=""') == 3 and page.count('class="hide"></details>') == 3
    contents = re.search(r"<nav.*?</nav>", page, re.S)[0]
    assert re.findall(r'href="#(page-[\w-]+)">([^<]+)', contents) == [
        (onefile.anchor(name), f"Title of {name}") for name in ("index", "notebooks/one", "notebooks/two")
    ]


def test_a_page_that_is_not_rendered_is_named(html: Path) -> None:
    with pytest.raises(OneFileError, match=r"later\.html is missing; render the book first: make book"):
        onefile.in_one_page(html, [("", ["later"])], "", "")


def test_without_a_browser_one_sentence_says_what_is_needed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(OneFileError, match=r"Printing needs one of chromium, .* on the PATH; none is there"):
        onefile.print_pdf(tmp_path / "a.html", tmp_path / "a.pdf")


@pytest.mark.skipif(not any(map(shutil.which, onefile.BROWSERS)), reason="There is no chromium on the PATH.")
def test_what_the_browser_cannot_print_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OneFileError, match=r"Chromium could not print .*gone\.html: .*ERR_FILE_NOT_FOUND"):
        onefile.print_pdf(tmp_path / "gone.html", tmp_path / "a.pdf")


def test_printing_a_book_that_is_not_rendered_is_refused(toy: book.Project) -> None:
    with pytest.raises(book.BookError, match=r"index\.html is missing; render the book first"):
        book.print_book(toy)
    assert not (toy.build / "companion.pdf").exists()
