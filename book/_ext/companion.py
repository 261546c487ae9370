"""Local Sphinx extension of the book.

It does five things that Jupyter Book leaves open: author-year labels in the bibliography, MathJax from the
book itself instead of a server, edit and launch buttons that lead to the text source and to the paired
notebook, links from the first use of a word to the glossary, and repairs to the accessibility of the theme's HTML.
"""

import importlib.util
import json
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as UnsrtStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

from gi_lib.pages.citing import authors_of

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
        return f"{authors_of(entry)}, {entry.fields.get('year', 'n.d.')}"


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


# --- glossary -------------------------------------------------------------------------------------

# Where a word is no part of running text, is a link already, or may be none. Code cells are containers of their own.
NOT_PROSE = {
    "caption",
    "citation",
    "CellInputNode",
    "CellNode",
    "CellOutputNode",
    "dropdown_title",
    "figure",
    "footnote",
    "literal",
    "literal_block",
    "math",
    "math_block",
    "raw",
    "rubric",
    "summary",
    "table",
    "term",
    "title",
    "topic",
}


class Term(NamedTuple):
    """One word of the glossary: where it stands, and the first paragraph of what is said of it."""

    page: str
    label: str
    meaning: str


def form_of(term: str) -> str:
    """Regular expression of a term in running text: at the start of a sentence, in the plural, across a line's end."""
    *others, last = re.split(r"[ ]", term)
    if last.endswith("ix"):
        last = re.escape(last[:-1]) + "(?:x|xes|ces)"
    elif re.search(r"[^aeiou]y$", last):
        last = re.escape(last[:-1]) + "(?:y|ies)"
    elif re.search(r"(?:s|x|ch|sh)$", last):
        last = re.escape(last) + "(?:e?s)?"  # batches, and epochs
    else:
        last = re.escape(last) + "s?"
    form = r"[\s-]+".join([*map(re.escape, others), last])
    form = form.replace(r"\-", "-?").replace(
        "'", "['\u2019]"
    )  # the renderer makes the apostrophe a curly one
    if term[:2].islower():
        form = f"[{term[0]}{term[0].upper()}]{form[1:]}"
    return form


def pattern_of(terms: list[str]) -> re.Pattern[str]:
    """One pattern for all terms; of two that begin at one place the longer one is found."""
    groups = [f"(?P<t{i}>{form_of(term)})" for i, term in enumerate(terms)]
    groups.sort(key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(groups)})(?![\w-])")


def plain(paragraph: nodes.Node) -> str:
    """Text of a paragraph without its citations and references, which are not resolved yet and show their keys."""
    text = ""
    for node in paragraph.findall():
        if isinstance(node, nodes.Text):
            above = node.parent
            while above is not paragraph and not isinstance(above, pending_xref):
                above = above.parent
            if above is paragraph or above.get("reftype") == "term":
                text += node
    text = " ".join(text.split())
    return re.sub(r"(?:\s*; see)?\s+([.,;:])", r"\1", text)


def glossary_of(env: BuildEnvironment) -> dict[str, Term]:
    """All terms of the glossary by their names."""
    meanings = {}
    terms = {name: place for (kind, name), place in env.get_domain("std").objects.items() if kind == "term"}
    for page in {page for page, _ in terms.values()}:
        for item in env.get_doctree(page).findall(nodes.definition_list_item):
            definition = next(iter(item.findall(nodes.definition)), None)
            meaning = plain(definition.children[0]) if definition and definition.children else ""
            for term in item.findall(nodes.term):
                meanings |= dict.fromkeys(term["ids"], meaning)
    return {name: Term(page, label, meanings.get(label, "")) for name, (page, label) in terms.items()}


class LinkFirstUses(SphinxPostTransform):
    """Link the first use of each term of the glossary in the prose of a chapter; say on every link what the term means.

    A term with a remark in brackets has a homonym, and one in the setting ``glossary_by_hand`` is an everyday word as
    well: these are linked where the text itself says so.
    """

    default_priority = 300  # references are resolved by then

    def run(self, **kwargs: Any) -> None:
        """Work on one page; pages that are no chapters keep the links that they have."""
        if not self.env.docname.startswith("notebooks/"):
            return
        if not hasattr(self.app, "companion_glossary"):
            self.app.companion_glossary = glossary_of(self.env)
        self.terms: dict[str, Term] = self.app.companion_glossary
        by_hand = set(self.config.glossary_by_hand)
        self.names = [name for name in self.terms if "(" not in name and name not in by_hand]
        if not self.terms:
            return
        self.pattern = pattern_of(self.names)
        self.by_label = {term.label: name for name, term in self.terms.items()}
        self.seen: set[str] = set()
        self.link(self.document)
        for reference in self.document.findall(nodes.reference):
            if name := self.linked(reference):
                reference["reftitle"] = self.terms[name].meaning

    def linked(self, reference: nodes.reference) -> str | None:
        """Term that a reference leads to, if it does."""
        name = self.by_label.get(reference.get("refuri", "").partition("#")[2])
        return name if name and reference["refuri"].startswith(self.address(self.terms[name])) else None

    def address(self, term: Term) -> str:
        """Address of a term, seen from this page."""
        uri = self.app.builder.get_relative_uri(self.env.docname, term.page)
        return f"{uri}#{term.label}"

    def link(self, node: nodes.Node) -> None:
        """Go through a part of the page in the order of reading."""
        if isinstance(node, nodes.reference):
            self.seen.add(self.linked(node) or "")
        elif isinstance(node, nodes.Text):
            if self.names:
                node.parent.replace(node, list(self.split(node)))
        elif type(node).__name__ not in NOT_PROSE and "cell" not in node.get("classes", []):
            joined: list[nodes.Node] = []
            for child in node.children:  # the end of a line is a node of its own
                if isinstance(child, nodes.Text) and joined and isinstance(joined[-1], nodes.Text):
                    joined[-1] = nodes.Text(joined[-1] + child)
                else:
                    joined.append(child)
            node.children = []
            node.extend(joined)
            for child in joined:
                self.link(child)

    def split(self, text: nodes.Text) -> Iterator[nodes.Node]:
        """Some text, with links in place of the terms that occur in it for the first time."""
        start = 0
        for found in self.pattern.finditer(text):
            name = self.names[int(found.lastgroup[1:])]
            if name in self.seen:
                continue
            self.seen.add(name)
            yield nodes.Text(text[start : found.start()])
            shown = nodes.inline(found[0], found[0], classes=["xref", "std", "std-term"])
            yield nodes.reference("", "", shown, internal=True, refuri=self.address(self.terms[name]))
            start = found.end()
        yield nodes.Text(text[start:])


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
    app.add_config_value("glossary_by_hand", [], "env", [list])
    app.add_post_transform(LinkFirstUses)
    app.connect("html-page-context", point_buttons, priority=990)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", repair_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
