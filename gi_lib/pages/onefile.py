"""The rendered book as one page, and that page as a PDF.

The pages of ``_build/html`` are put one after the other, in the order of the table of contents, with their numbers,
figures and formulas as they are. Each id gets the name of its page in front, and links between pages become links
inside the one page, which a PDF keeps. A Chromium that is installed prints it; none is ever downloaded.
"""

import posixpath
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The prefix of every id of a page, and attributes that name ids of the same page.
_ID_LISTS = ("aria-labelledby", "aria-describedby", "aria-controls", "for", "headers")


class OneFileError(RuntimeError):
    """The book cannot be put into one file; the message is one sentence."""


def anchor(page: str, label: str = "") -> str:
    """Id in the one page of an id of some page, or of the beginning of the page."""
    return "page-" + re.sub(r"[^\w-]", "-", page) + (f"--{label}" if label else "")


def in_one_page(html: Path, chapters: Sequence[tuple[str, Sequence[str]]], title: str, subtitle: str) -> str:
    """The whole book as one HTML page.

    Parameters
    ----------
    html : Path
        Folder of the rendered book.
    chapters : sequence of (str, sequence of str)
        Caption of each part (empty: none), and its pages without their ending.
    title, subtitle : str
        For the first sheet.

    Returns
    -------
    str
        The page. It belongs into the folder above `html`, from where it takes style sheets and figures.

    Raises
    ------
    OneFileError
        If a page has not been rendered.
    """
    pages = [page for _, of_part in chapters for page in of_part]
    names, articles, head = {}, [], ""
    for page in pages:
        file = html / f"{page}.html"
        if not file.is_file():
            raise OneFileError(f"{file} is missing; render the book first: make book.")
        soup = _soup(file)
        head = head or _head(soup, html.name)
        article = soup.select_one("article.bd-article")
        heading = article.h1
        names[page] = re.sub(r"#$", "", heading.get_text().strip()) if heading else page
        _move(article, page, pages, html.name)
        articles.append(f'<section class="one-page" id="{anchor(page)}">{article.decode()}</section>')
    contents = "\n".join(_contents(chapters, names))
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<title>{escape(title)}</title>
{head}
<style>
section.one-page {{ break-before: page; }}
/* The theme's margins make Chromium name a title twice in the outline; broken lines lose their space there. */
.bd-article h1 {{ all: revert; font-size: 1.9rem; font-family: var(--pst-font-family-heading); }}
.one-title {{ padding-top: 30vh; text-align: center; }}
.one-contents {{ break-before: page; }}
.one-contents ol {{ list-style: none; padding-left: 1.2rem; }}
</style>
</head>
<body><main class="bd-article">
<div class="one-title"><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></div>
<nav class="one-contents" aria-label="Contents"><h2>Contents</h2>
{contents}
</nav>
{"".join(articles)}
</main></body>
</html>
"""


def _soup(file: Path) -> "BeautifulSoup":
    from bs4 import BeautifulSoup  # comes with the book's theme

    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


def _contents(chapters: Sequence[tuple[str, Sequence[str]]], names: Mapping[str, str]) -> Iterator[str]:
    """Lines of the table of contents."""
    for caption, pages in chapters:
        if caption:
            yield f"<p><strong>{escape(caption)}</strong></p>"
        yield "<ol>"
        for page in pages:
            yield f'<li><a href="#{anchor(page)}">{escape(names[page])}</a></li>'
        yield "</ol>"


def _head(soup: "BeautifulSoup", folder: str) -> str:
    """Style sheets, the settings of MathJax and MathJax itself, and what the book does before it is printed."""
    kept = []
    for tag in soup.head.find_all(["link", "script"]):
        address = tag.get("href") or tag.get("src") or ""
        if tag.name == "link" and "stylesheet" in tag.get("rel", []):
            tag["href"] = f"{folder}/{posixpath.normpath(address)}"
        elif "print.js" in address:
            tag["src"] = f"{folder}/{posixpath.normpath(address)}"
        else:
            continue
        kept.append(tag.decode())
    classes = "tex2jax_process|mathjax_process|math|output_area"  # as on the pages of the book
    kept.append(f"<script>window.MathJax = {{options: {{processHtmlClass: '{classes}'}}}};</script>")
    kept.append(f'<script defer src="{folder}/_static/mathjax/tex-chtml.js"></script>')
    return "\n".join(kept)


def _move(article: "Tag", page: str, pages: Sequence[str], folder: str) -> None:
    """Make ids, links and sources of one page right in the one page; scripts and toggles go."""
    for tag in article.select("script, .headerlink, .cite-chapter, .prev-next-area"):
        tag.decompose()
    for details in article.find_all("details"):
        if "hide" not in details.get("class", []):
            details["open"] = ""
    for tag in article.find_all(True):
        if "id" in tag.attrs:
            tag["id"] = anchor(page, tag["id"])
        for name in _ID_LISTS:
            if name in tag.attrs:
                value = tag[name] if isinstance(tag[name], list) else tag[name].split()
                tag[name] = " ".join(anchor(page, one) for one in value)
        if "src" in tag.attrs and not urlsplit(tag["src"]).scheme:
            tag["src"] = f"{folder}/{posixpath.normpath(posixpath.join(posixpath.dirname(page), tag['src']))}"
        if "href" in tag.attrs:
            tag["href"] = _inside(tag["href"], page, pages, folder)


def _inside(address: str, page: str, pages: Sequence[str], folder: str) -> str:
    """Where a link of one page leads in the one page."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return address
    target = page
    if parts.path:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path)))
        target = path.removesuffix(".html")
        if target not in pages:
            return f"{folder}/{path}"
    return f"#{anchor(target, unquote(parts.fragment))}"


def print_pdf(page: Path, target: Path) -> None:
    """Print a page with Chromium, formulas typeset, with an outline and with numbers at the foot.

    Raises
    ------
    OneFileError
        If there is no Chromium, no playwright to steer it, or the page cannot be printed.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise OneFileError(f"Printing needs one of {', '.join(BROWSERS)} on the PATH; none is there.")
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        raise OneFileError("Printing needs playwright; install it: pip install -e '.[test]'.") from None
    foot = (
        '<div style="width: 100%; font-size: 8pt; text-align: center; color: #555">'
        '<span class="pageNumber"></span></div>'
    )
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(
                executable_path=browser, args=["--headless", "--no-sandbox", "--disable-gpu"]
            )
            sheet = chromium.new_page()
            sheet.set_default_timeout(0)  # thousands of formulas take their time
            sheet.goto(page.resolve().as_uri(), wait_until="load")
            sheet.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => true)")
            sheet.pdf(
                path=target,
                format="A4",
                print_background=True,
                display_header_footer=True,
                header_template="<span></span>",
                footer_template=foot,
                margin={"top": "16mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
                outline=True,
                tagged=True,
            )
            chromium.close()
        except Error as error:
            raise OneFileError(f"Chromium could not print {page}: {str(error).splitlines()[0]}") from None
