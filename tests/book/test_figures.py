"""Every figure of the book leads to the code that draws it, and stands in the index."""

import ast

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gi_lib import book
from gi_lib.pages import figures
from gi_lib.pages.figures import FigureError

PROJECT = book.Project()
PAGES = {
    name: nbformat.read(PROJECT.notebooks / f"{page.notebook}.ipynb", as_version=4)
    for name, page in PROJECT.pages.items()
}


def figures_of(name: str) -> list[figures.Figure]:
    page = PROJECT.pages[name]
    return figures.figures_of(PAGES[name], PROJECT.notebooks / page.source, PROJECT.root)


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_of_a_chapter_leads_to_code_that_is_there(name: str) -> None:
    """Read from the files alone, not as the links were made."""
    drawn = figures_of(name)
    captioned = [c for c in PAGES[name].cells if "figure" in c.metadata.get("mystnb", {})]
    assert [figure.cell for figure in drawn] == captioned
    for figure in drawn:
        assert figure.drawn_by, figure.label
        for code in figure.drawn_by:
            text = (PROJECT.root / code.path).read_text(encoding="utf-8")
            lines = text.splitlines()[code.first - 1 : code.last]
            if code.name:
                assert code.path.startswith("gi_lib/plots/")
                (function,) = ast.parse("\n".join(lines)).body
                assert isinstance(function, ast.FunctionDef) and function.name == code.name
                assert any(code.name in cell.source for cell in PAGES[name].cells if cell.cell_type == "code")
            else:
                assert lines[0].startswith("```{code-cell}") and lines[-1] == "```"
                assert f":    name: {figure.label}" in lines
                assert "\n".join(lines[:-1]).endswith(figure.cell.source)


def test_the_functions_that_draw_are_found(tmp_path) -> None:
    """Under another name, through a package, in a function of the notebook; not in what merely stands near."""
    setup = """\
from gi_lib import plots
from gi_lib.plots import speed as fast
from gi_lib.plots.bounds import bound_curves as curves

def twice(shares):
    return curves(shares), twice
"""
    named = {"mystnb": {"figure": {"name": "fig-a", "caption": "One. Two."}}}
    for call, expected in {
        "curves({})": ["bound_curves"],
        "plots.radar(plots.COUNTRY_COLOURS.get(1))": ["radar"],
        "fast.distinct_share(x); twice({})": ["distinct_share", "bound_curves"],
        "ax.plot(plots.INK)": [""],
    }.items():
        source = tmp_path / "n.md"
        source.write_text(f"```{{code-cell}} python\n:mystnb:\n:  figure:\n:    name: fig-a\n\n{call}\n```\n")
        notebook = new_notebook(cells=[new_code_cell(setup), new_code_cell(call, metadata=named)])
        (figure,) = figures.figures_of(notebook, source, tmp_path)
        assert [code.name for code in figure.drawn_by] == expected
        assert figure.first_sentence == "One."
    assert figure.code("https://x/blob/main") == "[a cell of `n.md`](https://x/blob/main/n.md?plain=1#L1-L7)"


def test_what_cannot_be_followed_is_refused_in_a_sentence(tmp_path) -> None:
    source = tmp_path / "n.md"
    source.write_text("# Nothing\n")
    named = {"mystnb": {"figure": {"name": "fig-a", "caption": "One."}}}
    cell = new_code_cell("x = 1", metadata=named)
    with pytest.raises(FigureError, match=r"Figure fig-a is not in n\.md, .*; run 'gi book execute' anew"):
        figures.figures_of(new_notebook(cells=[cell]), source, tmp_path)
    cell.source = "from gi_lib.plots import gone\ngone()"
    with pytest.raises(FigureError, match=r"drawn by gi_lib\.plots\.gone, which is not there"):
        figures.figures_of(new_notebook(cells=[cell]), source, tmp_path)


def test_a_caption_gets_its_link_and_keeps_its_text() -> None:
    notebook = nbformat.from_dict(PAGES["galiana"])
    drawn = figures.figures_of(notebook, PROJECT.notebooks / "galiana.md", PROJECT.root)
    before = [figure.caption for figure in drawn]
    figures.add_links(drawn, PROJECT.files_url)
    for figure, caption in zip(drawn, before, strict=True):
        now = figure.cell.metadata["mystnb"]["figure"]["caption"]
        assert now.startswith(f"{caption} [Code: [`") and now.endswith("{.figure-code}")
        assert f"{PROJECT.settings['repository']['url']}/blob/main/gi_lib/plots/" in now


def test_the_index_lists_every_figure_once() -> None:
    drawn = {name: figures_of(name) for name in PAGES}
    table = figures.index(
        {name: (f"Title of {name}", "real", found) for name, found in drawn.items()}, PROJECT.files_url
    )
    for name, found in drawn.items():
        assert table.count(f"## Title of {name}\n") == bool(found)
        for figure in found:
            row = f"| {{numref}}`{figure.label}` | {figure.first_sentence} |"
            assert row in table.replace("\\|", "|")
    assert table.count("{numref}`") == sum(map(len, drawn.values())) > 0


def test_a_value_glued_into_a_caption_is_found_from_the_index(tmp_path) -> None:
    (tmp_path / "n.md").write_text("```{code-cell}\n:  name: fig-a\n\nx\n```\n")
    caption = "Of {glue:text}`n:.2f` plants | {glue:}`m`. More."
    cell = new_code_cell("x", metadata={"mystnb": {"figure": {"name": "fig-a", "caption": caption}}})
    drawn = figures.figures_of(
        new_notebook(cells=[new_markdown_cell("# T"), cell]), tmp_path / "n.md", tmp_path
    )
    table = figures.index({"p": ("T", None, drawn)}, "https://x")
    assert r"Of {glue:text}`notebooks/p.ipynb::n:.2f` plants \| {glue:}`notebooks/p.ipynb::m`. |" in table
    assert "[no data]{.data-mixed}" in table
