"""From text notebooks to staged pages: each station of `gi_lib.book` by itself."""

import datetime
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gi_lib import book
from gi_lib.book import BookError
from gi_lib.datasets import registry


def figure(alt: str | None = None, kind: str = "image/png") -> nbformat.NotebookNode:
    metadata = {"mystnb": {"image": {"alt": alt}}} if alt is not None else {}
    return new_code_cell("plot()", metadata=metadata, outputs=[new_output("display_data", {kind: "AAAA"})])


def shown(**output: object) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_code_cell("f()", outputs=[new_output(**output)])])


# --- this repository ------------------------------------------------------------------------------


def test_paired_notebooks_are_up_to_date() -> None:
    assert book.sync_pairs(book.Project(), check=True) == [], "run `make sync`"


def test_no_text_holds_two_versions_of_a_line() -> None:
    """As a merge leaves them where it cannot decide."""
    project = book.Project()
    texts = [
        *project.notebooks.glob("*.md"),
        *(project.root / "book").glob("*.md"),
        *project.root.glob("*.md"),
    ]
    marked = [
        text.name for text in texts if re.search(r"^(<{7}|>{7}) ", text.read_text(encoding="utf-8"), re.M)
    ]
    assert texts and not marked


def test_parameter_sets_fit_their_notebooks() -> None:
    project = book.Project()
    for page in project.pages.values():
        declared = book.declared_parameters(book.convert(project.notebooks / page.source))
        for scale in book.SCALES:
            book.check_parameters(page.name, book.page_parameters(project, page, scale, declared), declared)


def test_every_page_is_in_the_table_of_contents() -> None:
    book.check_contents(book.Project())


# --- convert and pair -----------------------------------------------------------------------------


def test_conversion_is_deterministic_and_ids_survive_an_insertion(tmp_path: Path, notebook_text: str) -> None:
    source = tmp_path / "n.md"
    source.write_text(notebook_text)
    first, second = book.convert(source), book.convert(source)
    assert nbformat.writes(first) == nbformat.writes(second)
    nbformat.validate(first)
    ids = [cell.id for cell in first.cells]
    assert len(set(ids)) == len(ids)
    source.write_text(notebook_text.replace("(nb-first)=", "Preface.\n\n+++\n\n(nb-first)="))
    assert set(ids) < {cell.id for cell in book.convert(source).cells}


@pytest.mark.parametrize("tags", ["[]", "[parameters]\n:other"])
def test_exactly_one_parameters_cell(tmp_path: Path, notebook_text: str, tags: str) -> None:
    source = tmp_path / "n.md"
    text = notebook_text.replace(":tags: [parameters]\n", "")
    if "parameters" in tags:
        text = notebook_text + "\n```{code-cell} python\n:tags: [parameters]\n\nx = 1\n```\n"
    source.write_text(text)
    with pytest.raises(
        BookError, match=r"n\.md has [02] cells tagged 'parameters'; a notebook needs exactly one"
    ):
        book.convert(source)


def test_pairs_are_written_checked_and_removed(toy: book.Project) -> None:
    assert book.sync_pairs(toy, check=True) == ["first.ipynb"]
    assert not (toy.notebooks / "first.ipynb").exists()
    assert book.sync_pairs(toy) == ["first.ipynb"]
    assert book.sync_pairs(toy) == []
    pair = nbformat.read(toy.notebooks / "first.ipynb", as_version=4)
    nbformat.validate(pair)
    assert all(not cell.get("outputs") for cell in pair.cells)
    set_up, *cells = pair.cells
    assert cells == book.convert(toy.notebooks / "first.md").cells
    assert toy.settings["repository"]["url"] in set_up.source
    (toy.notebooks / "gone.ipynb").write_text("{}")
    assert book.sync_pairs(toy) == ["gone.ipynb"]
    assert not (toy.notebooks / "gone.ipynb").exists()


def test_the_set_up_cell_leaves_a_machine_alone_that_has_the_package(monkeypatch) -> None:
    namespace: dict = {"__name__": "__main__"}
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("something was installed"))
    exec(book.SET_UP.format(repository="nowhere"), namespace)
    # Notebooks refuse plain values that they do not know: a module is none.
    assert [name for name in namespace if not name.startswith("__")] == ["importlib"]


def test_the_set_up_cell_fetches_and_installs_where_the_package_is_missing(
    tmp_path: Path, monkeypatch
) -> None:
    """The commands are written down here instead of being run, the clone excepted."""
    source = tmp_path / "source"
    subprocess.run(["git", "init", "--quiet", source], check=True)
    (source / "gi_marker.py").write_text("here = True\n")
    author = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["add", "."], [*author, "commit", "--quiet", "-m", "one"]):
        subprocess.run(["git", "-C", source, *command], check=True)
    run, commands = subprocess.run, []

    def recorded(command: list[str], **options: object) -> None:
        commands.append(command)
        if command[0] == "git":
            run(command, **options)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", recorded)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("GI_REPOSITORY", source.as_uri())
    (tmp_path / "empty").mkdir()
    for _ in range(2):  # a kernel that is started again finds the clone
        monkeypatch.chdir(tmp_path / "empty")
        exec(book.SET_UP.format(repository="nowhere"), {})
    assert [command[0] for command in commands] == ["git", sys.executable, sys.executable]
    assert "--editable" in commands[-1] and "-c" not in commands[-1]
    assert Path.cwd() == tmp_path / "empty" / "companion"
    assert sys.path[0] == str(Path.cwd()) and (Path.cwd() / "gi_marker.py").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, r"_config\.yml cannot be read: No such file or directory\.$"),
        ("title: [", r"_config\.yml is no YAML: .*\.$"),
        ("- a", r"_config\.yml needs the setting title, a text\.$"),
        (
            "{title: a, author: b, copyright: '2026', repository: {url: c}}",
            r"needs the setting repository\.branch, a text\.$",
        ),
    ],
)
def test_settings_are_checked(toy: book.Project, text: str | None, sentence: str) -> None:
    config = toy.root / "_config.yml"
    config.unlink() if text is None else config.write_text(text)
    with pytest.raises(book.BookError, match=sentence):
        book.sync_pairs(toy)


# --- parameters -----------------------------------------------------------------------------------

DECLARED = {
    "seed": "int",
    "level": "float",
    "cohort": "str",
    "flag": "bool",
    "limit": "int | None",
    "free": "",
}


def test_declared_parameters_are_read_from_the_cell(tmp_path: Path, notebook_text: str) -> None:
    (tmp_path / "n.md").write_text(notebook_text)
    declared = book.declared_parameters(book.convert(tmp_path / "n.md"))
    assert declared == {"cohort": "str", "seed": "int", "level": "float", "results_dir": "str"}


@pytest.mark.parametrize(
    "given",
    [{"seed": 2}, {"level": 1}, {"level": 0.1}, {"limit": None}, {"limit": 3}, {"flag": True}, {"free": []}],
)
def test_fitting_parameters_pass(given: dict) -> None:
    book.check_parameters("p", given, DECLARED)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"sed": 1},
            "Page p has no parameter 'sed'; its parameters are cohort, flag, free, level, limit, seed.",
        ),
        ({"seed": "1"}, "Page p: parameter 'seed' must be of type int, not '1'."),
        ({"seed": True}, "Page p: parameter 'seed' must be of type int, not True."),
        ({"seed": None}, "Page p: parameter 'seed' must be of type int, not None."),
        ({"limit": "x"}, "Page p: parameter 'limit' must be of type int | None, not 'x'."),
    ],
)
def test_unknown_name_or_unfitting_value_gets_one_sentence(given: dict, sentence: str) -> None:
    with pytest.raises(BookError) as caught:
        book.check_parameters("p", given, DECLARED)
    assert str(caught.value) == sentence


def test_runs_file_is_checked(toy: book.Project) -> None:
    runs = toy.notebooks / "runs.yml"
    runs.write_text("first: {source: first.md, dmo: {}}")
    with pytest.raises(BookError, match="unknown key 'dmo'; allowed are demo, paper, source, suffix, title"):
        _ = book.Project(toy.root).pages
    runs.write_text("first: {source: none.md}")
    with pytest.raises(BookError, match="page first needs 'source'"):
        _ = book.Project(toy.root).pages


def test_unknown_page_and_scale(toy: book.Project) -> None:
    with pytest.raises(BookError, match=r"no page 'second'; notebooks/runs\.yml has first, first-again"):
        book.execute(toy, "second")
    with pytest.raises(BookError, match="no scale 'huge'; allowed are demo, paper"):
        book.execute(toy, "first", "huge")


# --- clean ----------------------------------------------------------------------------------------


def test_clean_strips_what_differs_between_runs() -> None:
    cell = new_code_cell(
        "x = 1", metadata={"papermill": {"duration": 1}, "execution": {"a": "1"}, "tags": ["t"]}
    )
    injected = new_code_cell("seed = 2", metadata={"tags": ["injected-parameters"]})
    notebook = new_notebook(cells=[cell, injected], metadata={"papermill": {"start_time": "now"}})
    book.clean(notebook, "p")
    assert cell.metadata == {"tags": ["t"]}
    assert "papermill" not in notebook.metadata
    assert injected.id == "injected-parameters"
    assert "hide-input" in injected.metadata.tags


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []},
            "failed with ValueError: no",
        ),
        (
            {"output_type": "stream", "name": "stderr", "text": "FutureWarning: old"},
            "wrote to stderr: FutureWarning: old",
        ),
        (
            {"output_type": "display_data", "data": {"text/html": '<img src="a.png">'}},
            "without alternative text",
        ),
        ({"output_type": "display_data", "data": {"text/plain": "<A at 0x7f00aa11bb22>"}}, "memory address"),
    ],
)
def test_clean_refuses(output: dict, reason: str) -> None:
    with pytest.raises(BookError, match=reason):
        book.clean(shown(**output), "p")


@pytest.mark.parametrize("kind", ["image/png", "image/svg+xml", "image/jpeg"])
@pytest.mark.parametrize("alt", [None, "", "  ", "figure"])
def test_figure_without_alternative_text_is_refused(kind: str, alt: str | None) -> None:
    with pytest.raises(BookError, match=r"Page p, cell 'plot\(\)': its figure has no alternative text"):
        book.clean(new_notebook(cells=[figure(alt, kind)]), "p")
    book.clean(new_notebook(cells=[figure("A rising line.", kind)]), "p")


# --- labels and titles ----------------------------------------------------------------------------


# Each "@" marks a label that must get its suffix.
LABELLED = """\
(results@)=
# Results

The results are in {ref}`results@` and {ref}`the results <results@>`,
(results) in {numref}`Figure %s <fig-a@>`, [here](#results@), {eq}`eq-a@`, {prf:ref}`def-a@`, {ref}`other`.

$$ x $$ (eq-a@)

```{exercise}
:label: ex-a@
```

```{solution-start} ex-a@
:label: sol-a@
```

```{prf:definition} Name
:label: def-a@
```
"""


def test_labels_are_suffixed_where_defined_and_mentioned_and_nowhere_else() -> None:
    prose = new_markdown_cell(LABELLED.replace("@", ""))
    code = new_code_cell("plot()", metadata={"mystnb": {"figure": {"name": "fig-a", "caption": "c"}}})
    book.suffix_labels(new_notebook(cells=[prose, code]), "b")
    assert prose.source == LABELLED.replace("@", "-b")
    assert code.metadata.mystnb.figure.name == "fig-a-b"


def test_retitle_replaces_the_first_heading_only() -> None:
    cell = new_markdown_cell("(a)=\n# Old\n\n## Part\n\n# Another")
    book.retitle(new_notebook(cells=[cell]), r"New \1")
    assert cell.source == "(a)=\n# New \\1\n\n## Part\n\n# Another"
    with pytest.raises(BookError, match="no heading"):
        book.retitle(new_notebook(), "New")


# --- stage ----------------------------------------------------------------------------------------


def test_staging_before_executing_is_refused(toy: book.Project) -> None:
    with pytest.raises(BookError, match="Page first has not been executed at scale demo"):
        book.stage(toy)


def test_orphans_and_missing_pages_are_found(toy: book.Project) -> None:
    (toy.root / "book" / "lost.md").write_text("# Lost\n")
    with pytest.raises(BookError, match=r"Page 'lost' is not in book/_toc\.yml"):
        book.check_contents(toy)
    (toy.root / "book" / "lost.md").unlink()
    (toy.root / "book" / "status.md").unlink()
    with pytest.raises(BookError, match=r"names 'status', which is neither a prose page nor in runs\.yml"):
        book.check_contents(toy)


def test_status_table_shows_each_record() -> None:
    record = {
        "page": "first",
        "parameters": {"seed": 1, "results_dir": "x"},
        "seconds": 12.34,
        "started": "2026-01-02T03:04:05+00:00",
        "data_kind": "simulated",
        "commit": "0123456789abcdef",
    }
    table = book.status_table([record, record | {"commit": None}])
    assert "| {doc}`notebooks/first` | simulated | 12.3 | `seed=1` | `01234567` | 2026-01-02 03:04 |" in table
    assert "| none | 2026-01-02 03:04 |" in table
    assert "24.7 seconds" in table


# --- small helpers --------------------------------------------------------------------------------


def test_data_state_is_rewritten_only_when_it_changes(toy: book.Project) -> None:
    path = book.refresh_data(toy)
    assert json.loads(path.read_text()) == {}
    before = path.stat().st_mtime_ns
    assert book.refresh_data(toy).stat().st_mtime_ns == before


def test_a_recorded_run_keeps_tables_with_their_provenance(toy: book.Project) -> None:
    source = toy.notebooks / "first.md"
    cell = "(folder / 'table.csv').write_text(f'seed\\n{seed}\\n')"
    text = source.read_text().replace('"commit": None', '"commit": None, "main_cohort": "toy"')
    source.write_text(text + f"\n```{{code-cell}} python\n_ = {cell}\n```\n")

    target = book.record(toy, "first", "demo", given={"seed": 7})

    assert target == toy.root / "results" / "first" / "toy-demo"
    assert (target / "table.csv").read_text() == "seed\n7\n"
    provenance = json.loads((target / "provenance.json").read_text())
    assert provenance["parameters"] == {"seed": 7}
    assert datetime.date.fromisoformat(provenance["recorded"])
    assert not toy.executed("first", "demo").exists()  # the page of the book is left alone

    more = book.record(toy, "first", "demo", given={"seed": 8}, part="more")
    assert more == target.with_name("toy-demo-more")
    assert (target / "table.csv").read_text() == "seed\n7\n"  # the other part stays

    with pytest.raises(book.BookError, match="no parameter 'sede'"):
        book.record(toy, "first", "demo", given={"sede": 7})
    with pytest.raises(book.BookError, match="lower-case letters and digits"):
        book.record(toy, "first", "demo", part="../else")


def test_the_data_table_lists_every_file_with_licence_and_reference() -> None:
    table = book.data_table()
    for row in registry.as_table().itertuples():
        assert row.file in table
        assert row.licence in table
        assert f"https://doi.org/{row.doi}" in table
