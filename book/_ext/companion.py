"""Local Sphinx extension of the book.

It does four things that Jupyter Book leaves open: author-year labels in the bibliography, MathJax from the
book itself instead of a server, edit and launch buttons that lead to the text source and to the paired
notebook, and repairs to the accessibility of the theme's HTML.
"""

import importlib.util
import json
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as UnsrtStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx

# --- bibliography ---------------------------------------------------------------------------------


class AuthorYearLabels(BaseLabelStyle):
    """Labels such as "Simpson, 1951", the same in the list as in the text."""

    def format_labels(self, sorted_entries: list[Any]) -> Iterator[str]:
        """Yield one label per entry; two works of one author and year get a, b, ..."""
        labels = [self._label(entry) for entry in sorted_entries]
        seen: dict[str, int] = {}
        for label in labels:
            seen[label] = seen.get(label, -1) + 1
            yield label + (chr(ord("a") + seen[label]) if labels.count(label) > 1 else "")

    @staticmethod
    def _label(entry: Any) -> str:
        names = [" ".join(p.prelast_names + p.last_names) for p in entry.persons.get("author", [])]
        match names:
            case []:
                who = entry.key
            case [_] | [_, _]:
                who = " and ".join(names)
            case _:
                who = f"{names[0]} et al."
        return f"{who}, {entry.fields.get('year', 'n.d.')}"


class AuthorYearStyle(UnsrtStyle):
    """The plain style, labelled and sorted by author and year."""

    default_label_style = "authoryear"
    default_sorting_style = "author_year_title"


register_plugin("pybtex.style.labels", "authoryear", AuthorYearLabels)
register_plugin("pybtex.style.formatting", "authoryear", AuthorYearStyle)


# --- MathJax from the book itself -----------------------------------------------------------------

# The entry point and all that it may load later: fonts, TeX extensions, the reader for assistive technology.
MATHJAX = (
    "tex-chtml.js",
    "output/chtml/fonts",
    "input/tex/extensions",
    "a11y",
    "sre/mathmaps/en.json",
    "sre/mathmaps/base.json",
)


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Copy MathJax into the finished book; in ``_static`` of the source each file would be loaded."""
    if exception is not None or app.builder.format != "html":
        return
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    source = Path(package.origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in MATHJAX:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / part, target / part)


# --- buttons --------------------------------------------------------------------------------------


def point_buttons(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    """Let the edit button open the text source, and the launch buttons the paired notebook.

    The theme would point both at the staged copy, which is in no repository.
    """
    source = json.loads((Path(app.srcdir) / "sources.json").read_text(encoding="utf-8")).get(pagename)
    base = "https://github.com/"
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", [group]):
            url = button.get("url") or ""
            if url.startswith(base) and "/edit/" in url:
                repository, _, rest = url.partition("/edit/")
                button["url"] = f"{repository}/edit/{rest.split('/')[0]}/{source or f'book/{pagename}.md'}"
            elif source and pagename in url:
                button["url"] = url.replace(
                    f"{pagename}.ipynb", Path(source).with_suffix(".ipynb").as_posix()
                )


# --- accessibility --------------------------------------------------------------------------------

Replacement = str | Callable[[re.Match[str]], str]


def repair(html: str) -> str:
    """Repair one page; see the comment beside each rule for what it mends."""
    numbers = count(1)
    rules: list[tuple[str, Replacement]] = [
        # "Show code cell source": the visible words are the name.
        (r'<summary aria-label="Toggle hidden content">', "<summary>"),
        # A bibliography is marked as a list whose items have a role that no list may hold.
        (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
        (r'(<div class="citation" id="[^"]+") role="doc-biblioentry"', r"\1"),
        # The corner of a data frame heads nothing.
        (r"<th></th>", "<td></td>"),
        (r"<th>&nbsp;</th>", "<td></td>"),
        (r' border="1" class="dataframe', ' class="dataframe'),
        # These ids are given to every proof, exercise and solution of a page.
        (r'id="(proof|exercise|solution)-content"', lambda m: f'id="{m[1]}-content-{next(numbers)}"'),
        # Buttons whose spoken name is not what they show.
        (r'(<button class="btn search-button-field[^>]*?) aria-label="Search"', r"\1"),
        (r'(theme-switch-button[^>]*?) aria-label="Color mode"', r"\1"),
        (
            r'data-mode="auto" title="System Settings"',
            'data-mode="auto" role="img" aria-label="Colour mode: system"',
        ),
        (r'data-mode="dark" title="Dark"', 'data-mode="dark" role="img" aria-label="Colour mode: dark"'),
        (r'data-mode="light" title="Light"', 'data-mode="light" role="img" aria-label="Colour mode: light"'),
        # Landmarks and toggles without a name.
        (
            r'<div id="pst-primary-sidebar" class',
            '<div id="pst-primary-sidebar" role="navigation" aria-label="Book" class',
        ),
        (
            r'<summary><span class="toctree-toggle"',
            '<summary aria-label="Show or hide sections"><span class="toctree-toggle"',
        ),
    ]
    for pattern, replacement in rules:
        html = re.sub(pattern, replacement, html)
    return html


def repair_pages(app: Sphinx, exception: Exception | None) -> None:
    """Repair every page of the finished book."""
    if exception is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        repaired = repair(html)
        if repaired != html:
            page.write_text(repaired, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.connect("html-page-context", point_buttons, priority=990)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", repair_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
