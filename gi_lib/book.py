"""From text notebooks to the rendered book.

A notebook is written as MyST text, ``notebooks/NAME.md``. ``notebooks/runs.yml`` says which pages are made
from it and with which parameters. A page then passes five stations, and each is one function here:

1. `convert`: text to an ``.ipynb`` whose cell ids depend on the text alone;
2. `execute`: papermill runs it, `clean` refuses what must not reach a reader, and a small record
   (seconds, parameters, kind of data, commit) is written beside it;
3. `stage`: prose pages and executed notebooks are laid side by side in ``_build/src``;
4. `render`: Jupyter Book turns that folder into HTML, with every warning an error;
5. `build`: the whole of it, through the job graph in ``workflow/Snakefile``.

Every file appears by an atomic rename, so a build that is killed at any moment can be started again and
ends as if nothing had happened.
"""

import ast
import copy
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import jupytext
import nbformat
import pandas as pd
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from gi_lib import __version__
from gi_lib.datasets import registry
from gi_lib.datasets.foreign import one_line
from gi_lib.pages import citing, figures, links, onefile
from gi_lib.process import (
    WriteError,
    locked,
    make_folder,
    make_room,
    or_elsewhere,
    run_graph,
    write_text,
    writing,
)

SCALES = ("demo", "paper")
REPOSITORY = Path(__file__).resolve().parents[1]

# Time limit of one cell, in seconds. A demo page must fit a laptop; a cell at paper scale trains networks,
# and a run that is recorded may, too.
CELL_TIMEOUT = {"demo": 900, "paper": 24 * 3600}

# Every numerical library reads its own variable; a kernel gets all of them.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)

SETTINGS = ("title", "author", "copyright", "repository.url", "repository.branch", "html.baseurl")
"""What ``_config.yml`` must say, besides what Jupyter Book wants."""

STATUS_MARKER = "<!-- execution-status -->"
LARGEST_RECORD = 200_000  # bytes of one recorded table: results are kept small and readable
DATA_MARKER = "<!-- data-table -->"
READING_MARKER = "<!-- reading-times -->"
FIGURES_MARKER = "<!-- figure-index -->"
WORDS_PER_MINUTE = 200  # of technical prose, read once; code, equations and figures take their own time


class BookError(RuntimeError):
    """The book cannot be built; the message is one sentence that says what, where and what is allowed."""


_PAGE = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Page:
    """One entry of ``notebooks/runs.yml``: a page of the book made from a notebook.

    Attributes
    ----------
    name : str
        Page name; the page's address is ``notebooks/<name>.html``.
    source : str
        File name of the text notebook, inside ``notebooks/``.
    parameters : dict of str to dict
        Parameter set per scale.
    title : str, optional
        Replaces the first heading, for a source that gives two pages.
    suffix : str, optional
        Appended to every label of the page, for a source that gives two pages.
    """

    name: str
    source: str
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    title: str | None = None
    suffix: str | None = None

    @property
    def notebook(self) -> str:
        """Name of the notebook, without its ending."""
        return Path(self.source).stem


@dataclass(frozen=True)
class Project:
    """The folders of one book, all derived from the folder that holds ``_config.yml``."""

    root: Path = REPOSITORY

    @property
    def build(self) -> Path:
        """Everything that a build makes; ``make clean`` removes it."""
        return self.root / "_build"

    @property
    def notebooks(self) -> Path:
        """Text notebooks, their paired ``.ipynb`` files and ``runs.yml``."""
        return self.root / "notebooks"

    @property
    def html(self) -> Path:
        """The rendered book."""
        return self.build / "html"

    @property
    def staged(self) -> Path:
        """What Jupyter Book reads."""
        return self.build / "src"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What ``_config.yml`` says.

        Raises
        ------
        BookError
            If there is no such file, it cannot be read, or a setting is missing that citations and links need.
        """
        path = self.root / "_config.yml"
        try:
            settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BookError(f"{path} cannot be read: {error.strerror}.") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BookError(f"{path} is no YAML: {one_line(error)}.") from None
        for name in SETTINGS:
            found = settings
            for part in name.split("."):
                found = found.get(part) if isinstance(found, dict) else None
            if not isinstance(found, str):
                raise BookError(f"{path} needs the setting {name}, a text.")
        return settings

    @property
    def files_url(self) -> str:
        """Address under which the files of the repository are shown."""
        repository = self.settings["repository"]
        return f"{repository['url']}/blob/{repository['branch']}"

    def executed(self, page: str, scale: str) -> Path:
        """Executed notebook of a page."""
        return self.build / "executed" / scale / f"{page}.ipynb"

    def record(self, page: str, scale: str) -> Path:
        """What is known about the execution of a page."""
        return self.build / "executed" / scale / f"{page}.json"

    def results(self, page: str, scale: str) -> Path:
        """Folder that a page writes its tables to, relative to the root: no page shows a local path."""
        return Path("_build") / "results" / scale / page

    @cached_property
    def pages(self) -> dict[str, Page]:
        """The pages of ``notebooks/runs.yml``, in its order.

        Raises
        ------
        BookError
            If the file is missing or an entry has a wrong key, scale or source.
        """
        path = self.notebooks / "runs.yml"
        if not path.exists():
            raise BookError(f"{path} is missing; it names the pages of the book and their parameters.")
        pages = {}
        for name, entry in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items():
            allowed = {"source", "title", "suffix", *SCALES}
            if wrong := sorted(set(entry) - allowed):
                raise BookError(
                    f"{path}: page {name} has unknown key {wrong[0]!r}; allowed are {_listed(allowed)}."
                )
            if not _PAGE.fullmatch(str(name)):
                raise BookError(
                    f"{path}: a page is called {name!r}; allowed are letters, digits, '.', '_' and '-'."
                )
            source = str(entry.get("source", ""))
            if Path(source).name != source or not (self.notebooks / source).is_file():
                raise BookError(f"{path}: page {name} needs 'source', a file in {self.notebooks}.")
            sets = {scale: entry.get(scale) or {} for scale in SCALES}
            pages[name] = Page(name, entry["source"], sets, entry.get("title"), entry.get("suffix"))
        return pages

    def page(self, name: str) -> Page:
        """One page by name.

        Raises
        ------
        BookError
            If ``notebooks/runs.yml`` has no such page.
        """
        if name not in self.pages:
            raise BookError(f"There is no page {name!r}; notebooks/runs.yml has {_listed(self.pages)}.")
        return self.pages[name]


def _or_elsewhere() -> AbstractContextManager[None]:
    return or_elsewhere("build in a copy of this repository elsewhere (--root)", BookError)


def check_scale(scale: str) -> str:
    """Return `scale` if it is one of `SCALES`, else raise `BookError`."""
    if scale not in SCALES:
        raise BookError(f"There is no scale {scale!r}; allowed are {_listed(SCALES)}.")
    return scale


# --- 1. convert -----------------------------------------------------------------------------------


def convert(source: Path) -> NotebookNode:
    """Read a text notebook as an output-free notebook that is the same on every machine.

    A cell's id is a hash of its text, so that it does not change when cells are inserted before it.

    Parameters
    ----------
    source : Path
        MyST text notebook.

    Returns
    -------
    NotebookNode
        Notebook of format 4.5 without outputs.

    Raises
    ------
    BookError
        If the file cannot be read, or not exactly one cell is tagged ``parameters``.
    """
    try:
        notebook = jupytext.read(source)
    except OSError as error:
        raise BookError(f"{source} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # also text of another encoding
        raise BookError(f"{source} is no text notebook: {one_line(error)}.") from None
    tagged = sum("parameters" in _tags(cell) for cell in notebook.cells)
    if tagged != 1:
        raise BookError(
            f"{source.name} has {tagged} cells tagged 'parameters'; a notebook needs exactly one."
        )
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


SET_UP = """\
# @title Set-up: fetches and installs gi_lib where it is missing, as on Colab; elsewhere it does nothing
import importlib.util

if importlib.util.find_spec("gi_lib") is None:
    import os
    import subprocess
    import sys

    if not os.path.isdir("companion"):
        print("gi_lib is not installed here: fetching its repository and what it needs (a few minutes).", flush=True)
        _source = os.environ.get("GI_REPOSITORY", "{repository}")
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", _source, "companion"], check=True)
    os.chdir("companion")
    sys.path.insert(0, os.getcwd())
    # What is there already and new enough, such as torch, is left as it is.
    _install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*_install, "--editable", ".", "myst-nb"], check=True)
"""


def pair_of(source: Path, repository: str) -> NotebookNode:
    """The paired notebook of a text notebook: what `convert` makes of it, after a cell that sets up a bare machine.

    Parameters
    ----------
    source : Path
        MyST text notebook.
    repository : str
        Address that the cell clones, unless the variable ``GI_REPOSITORY`` names another.

    Raises
    ------
    BookError
        As `convert`.
    """
    notebook = convert(source)
    set_up = new_code_cell(SET_UP.format(repository=repository).rstrip("\n"), id="set-up")
    # Folded in Colab and in Jupyter. Pages of the book are executed without it.
    set_up.metadata = nbformat.from_dict(
        {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["remove-cell"]}
    )
    notebook.cells.insert(0, set_up)
    return notebook


def sync_pairs(project: Project, check: bool = False) -> list[str]:
    """Write the paired ``notebooks/NAME.ipynb`` of every text notebook.

    The pairs carry no outputs; they exist because Binder, Colab and papermill open only ``.ipynb``.

    Parameters
    ----------
    project : Project
        The book.
    check : bool
        Write nothing; only say which pairs are out of date.

    Returns
    -------
    list of str
        Names of the pairs that were (or, with `check`, would be) written or removed.
    """
    changed = []
    sources = sorted(project.notebooks.glob("*.md"))
    for source in sources:
        pair, text = (
            source.with_suffix(".ipynb"),
            _dumps(pair_of(source, project.settings["repository"]["url"])),
        )
        if not pair.exists() or pair.read_text(encoding="utf-8") != text:
            changed.append(pair.name)
            if not check:
                with _or_elsewhere():
                    write_text(pair, text)
    for orphan in sorted(set(project.notebooks.glob("*.ipynb")) - {s.with_suffix(".ipynb") for s in sources}):
        changed.append(orphan.name)
        if not check:
            orphan.unlink()
    return changed


# --- 2. execute -----------------------------------------------------------------------------------


def declared_parameters(notebook: NotebookNode) -> dict[str, str]:
    """Names and type annotations of the ``parameters`` cell.

    Parameters
    ----------
    notebook : NotebookNode
        A notebook as `convert` returns it.

    Returns
    -------
    dict of str to str
        Annotation per name, for example ``{"seed": "int"}``; an empty string where there is none.
    """
    (cell,) = (c for c in notebook.cells if "parameters" in _tags(c))
    declared = {}
    for node in ast.parse(cell.source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            declared[node.target.id] = ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign):
            declared |= {target.id: "" for target in node.targets if isinstance(target, ast.Name)}
    return declared


def check_parameters(page: str, given: Mapping[str, Any], declared: Mapping[str, str]) -> None:
    """Refuse a parameter that the notebook does not declare, and a value of another type than declared.

    Parameters
    ----------
    page : str
        Page name, for the message.
    given : mapping
        Parameters about to be passed.
    declared : mapping
        What `declared_parameters` returned.

    Raises
    ------
    BookError
        On the first unknown name or unfitting value. Which *values* a parameter may take is the notebook's
        own knowledge; it checks them when it starts.
    """
    fits = {"int": int, "float": (int, float), "str": str, "bool": bool}
    for name, value in given.items():
        if name not in declared:
            raise BookError(f"Page {page} has no parameter {name!r}; its parameters are {_listed(declared)}.")
        wanted = declared[name].removesuffix(" | None")
        if value is None and wanted != declared[name]:
            continue
        is_bool_as_number = isinstance(value, bool) and wanted in ("int", "float")
        if wanted in fits and (is_bool_as_number or not isinstance(value, fits[wanted])):
            raise BookError(
                f"Page {page}: parameter {name!r} must be of type {declared[name]}, not {value!r}."
            )


def page_parameters(project: Project, page: Page, scale: str, declared: Mapping[str, str]) -> dict[str, Any]:
    """Parameter set of a page, with ``scale`` and ``results_dir`` added where the notebook declares them."""
    added = {"scale": scale, "results_dir": project.results(page.name, scale).as_posix()}
    return {k: v for k, v in added.items() if k in declared} | dict(page.parameters[scale])


def execute(project: Project, page: str, scale: str = "demo", threads: int = 1) -> Path:
    """Run one page with papermill and write the executed notebook and its record.

    Parameters
    ----------
    project : Project
        The book.
    page : str
        Page name.
    scale : str
        ``demo`` or ``paper``: which parameter set.
    threads : int
        Threads that the numerical libraries of the kernel may use.

    Returns
    -------
    Path
        The executed notebook. It appears only after the record beside it, and only when all went well.

    Raises
    ------
    BookError
        If a parameter is unknown or unfitting, a cell fails, or `clean` refuses an output.
    """
    entry = project.page(page)
    notebook = convert(project.notebooks / entry.source)
    declared = declared_parameters(notebook)
    parameters = page_parameters(project, entry, check_scale(scale), declared)
    check_parameters(page, parameters, declared)

    target = project.executed(page, scale)
    # A killed build may leave a kernel for a second or two: wait for it instead of writing at the same time.
    with _or_elsewhere(), locked(make_room(target.parent) / f".{page}.lock"):
        results = project.root / project.results(page, scale)
        shutil.rmtree(results, ignore_errors=True)
        _say(f"{page}: started")
        started, clock = datetime.now(UTC), time.perf_counter()
        partial = target.with_name(f".{page}.partial.ipynb")
        with _heartbeat(page, partial, _n_code_cells(notebook)):
            executed = _run_kernel(project, page, notebook, parameters, partial, CELL_TIMEOUT[scale], threads)
        seconds = time.perf_counter() - clock
        clean(executed, page)
        provenance = _provenance(results)
        if "results_dir" in declared and not provenance:
            raise BookError(f"Page {page} wrote no provenance.json into its results folder {results}.")
        record = {
            "page": page,
            "source": entry.source,
            "scale": scale,
            "seconds": round(seconds, 1),
            "started": started.isoformat(timespec="seconds"),
            "parameters": provenance.get("parameters") or parameters,
            "threads": threads,
            "data_kind": provenance.get("data_kind"),
            "cohort": provenance.get("cohort"),
            "commit": provenance.get("commit"),
        }
        write_text(project.record(page, scale), json.dumps(record, indent=1) + "\n")
        write_notebook(target, executed)
        partial.unlink(missing_ok=True)
        _say(f"{page}: finished in {seconds:.1f} s")
    return target


def record(
    project: Project,
    page: str,
    scale: str = "demo",
    threads: int = 1,
    given: Mapping[str, Any] | None = None,
    part: str = "",
) -> Path:
    """Run a page and keep its small tables, with their provenance, under ``results/``.

    The book shows recorded runs beside its own, so that a reader without the data or the hardware sees them.

    Parameters
    ----------
    project, page, scale, threads
        As for `execute`.
    given : mapping, optional
        Parameters that replace those of ``runs.yml``.
    part : str, optional
        Name of this part of a recording that is made in parts, such as some of its traits: it gets a folder of its own.

    Returns
    -------
    Path
        ``results/<notebook>/<cohort>-<scale>`` or ``<cohort>-<scale>-<part>``, made anew.

    Raises
    ------
    BookError
        If the page cannot be executed, the part is no plain word, or a table is too large for the repository.
    """
    if part and not re.fullmatch(r"[a-z0-9]+", part):
        raise BookError(f"A part is named by lower-case letters and digits alone, not {part!r}.")
    entry = project.page(page)
    notebook = convert(project.notebooks / entry.source)
    declared = declared_parameters(notebook)
    results = Path("_build") / "record" / page
    own = {"results_dir": results.as_posix()}
    parameters = page_parameters(project, entry, check_scale(scale), declared) | own | dict(given or {})
    check_parameters(page, parameters, declared)
    shutil.rmtree(project.root / results, ignore_errors=True)
    partial = project.build / "record" / f"{page}.ipynb"
    with _or_elsewhere():
        make_room(project.root / "results" / entry.notebook)
        make_room(partial.parent)
    with _or_elsewhere(), _heartbeat(page, partial, _n_code_cells(notebook)):
        executed = _run_kernel(project, page, notebook, parameters, partial, CELL_TIMEOUT["paper"], threads)
        clean(executed, page)

    provenance, tables = _provenance(project.root / results), sorted((project.root / results).glob("*.csv"))
    for table in tables:
        if table.stat().st_size > LARGEST_RECORD:
            raise BookError(
                f"{table.name} has {table.stat().st_size} bytes; at most {LARGEST_RECORD} are recorded."
            )
    name = "-".join(filter(None, [provenance["main_cohort"], scale, part]))
    target = project.root / "results" / entry.notebook / name
    provenance |= {"part": part, "recorded": datetime.now(UTC).date().isoformat()}
    whole, old = (project.build / "record" / f"{page}.{state}" for state in ("new", "old"))
    for left in (whole, old):
        shutil.rmtree(left, ignore_errors=True)
    with _or_elsewhere(), writing(whole):
        whole.mkdir()
        for table in tables:
            shutil.copy(table, whole / table.name)
        write_text(whole / "provenance.json", json.dumps(provenance, indent=1) + "\n")
    with _or_elsewhere(), writing(target):  # never half a recording: the old one, none, or the new one
        if target.exists():
            os.replace(target, old)
        os.replace(whole, target)
    shutil.rmtree(old, ignore_errors=True)
    return target


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment of the processes that are started meanwhile; this one's own is as before afterwards."""
    before = dict(os.environ)
    os.environ |= variables
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def _run_kernel(
    project: Project,
    page: str,
    notebook: NotebookNode,
    parameters: Mapping[str, Any],
    partial: Path,
    timeout: int,
    threads: int,
) -> NotebookNode:
    """Run all cells, none longer than `timeout` seconds; on failure say which and where the notebook can be read."""
    import papermill  # slow to import, and needed here alone

    variables = {variable: str(threads) for variable in THREAD_VARIABLES}
    variables |= {"GI_BOOK_BUILD": "1", "PYTHONHASHSEED": "0"}
    try:
        with _environment(variables), writing(partial.parent):
            return papermill.execute_notebook(
                notebook,
                partial,
                parameters=dict(parameters),
                kernel_name="python3",
                cwd=project.root,
                progress_bar=False,
                start_timeout=180,
                execution_timeout=timeout,
                extra_arguments=["--log-level=50"],
            )
    except papermill.PapermillExecutionError as error:
        failed = project.build / "failed" / f"{page}.ipynb"
        failed.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial, failed)
        if error.ename != "ParameterError":  # a refused parameter is explained by its sentence alone
            print("\n".join(error.traceback), file=sys.stderr, flush=True)
        raise BookError(
            f"Page {page} stopped with {error.ename}: {error.evalue} (the notebook up to there: {failed})."
        ) from None
    except WriteError:
        raise
    except Exception as error:  # a cell that ran too long, a kernel that died
        raise BookError(f"Page {page} stopped: {one_line(error, 400)}.") from error


def _provenance(results: Path) -> dict[str, Any]:
    """Provenance that the run wrote into its results folder, or nothing."""
    found = sorted(results.rglob("provenance.json"))
    return json.loads(found[-1].read_text(encoding="utf-8")) if found else {}


def clean(notebook: NotebookNode, page: str) -> NotebookNode:
    """Strip what differs between two equal runs, and refuse what must not reach a reader.

    Parameters
    ----------
    notebook : NotebookNode
        Executed notebook; changed in place.
    page : str
        Page name, for the message.

    Returns
    -------
    NotebookNode
        The same notebook.

    Raises
    ------
    BookError
        If a cell has an error output, wrote to stderr, shows a figure without alternative text, or prints a
        memory address (which no two runs share).
    """
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "pygments_lexer": "ipython3", "file_extension": ".py"},
        }
    )
    for cell in notebook.cells:
        for volatile in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(volatile, None)
        if "injected-parameters" in _tags(cell):
            cell["id"] = "injected-parameters"
            cell.metadata["tags"] = sorted({*_tags(cell), "hide-input"})
            prompts = {"code_prompt_show": "Show what this edition ran with", "code_prompt_hide": "Hide"}
            cell.metadata["mystnb"] = nbformat.from_dict(prompts)
        if cell.cell_type == "code":
            where = f"Page {page}, cell {_first_line(cell)!r}"
            for output in cell.outputs:
                _check_output(where, cell, output)
    return notebook


_MEMORY_ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")
_IMAGE_WITHOUT_ALT = re.compile(r"<img(?![^>]*\balt=\"[^\"]+\")[^>]*>")


def _check_output(where: str, cell: NotebookNode, output: NotebookNode) -> None:
    """Refuse one output (see `clean`)."""
    if output.output_type == "error":
        raise BookError(f"{where}: it failed with {output.ename}: {output.evalue}.")
    if output.get("name") == "stderr":
        raise BookError(f"{where}: it wrote to stderr: {_shorten(output.text)}")
    if {"remove-output", "remove-cell"} & set(_tags(cell)):
        return
    data = output.get("data", {})
    alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    if any(kind.startswith("image/") for kind in data) and len(alt.split()) < 2:
        raise BookError(f"{where}: its figure has no alternative text; give the cell 'mystnb: image: alt'.")
    html = "".join(data.get("text/html", ""))
    if _IMAGE_WITHOUT_ALT.search(html):
        raise BookError(f"{where}: its HTML holds an image without alternative text.")
    shown = html or output.get("text") or "".join(data.get("text/plain", ""))
    if _MEMORY_ADDRESS.search(shown):
        raise BookError(f"{where}: it shows a memory address, which differs in every run: {_shorten(shown)}")


@contextmanager
def _heartbeat(page: str, partial: Path, n_cells: int, every: float = 20.0) -> Iterator[None]:
    """Say every `every` seconds how far a page is. Papermill saves the notebook after each cell."""
    stop, clock = threading.Event(), time.perf_counter()

    def beat() -> None:
        while not stop.wait(every):
            try:
                cells = json.loads(partial.read_text(encoding="utf-8"))["cells"]
            except (OSError, ValueError):  # not there yet, or being written
                cells = []
            done = sum(bool(cell.get("execution_count")) for cell in cells)
            _say(
                f"{page}: running for {time.perf_counter() - clock:.0f} s, {done} of {n_cells + 1} cells done"
            )

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


# --- 3. stage -------------------------------------------------------------------------------------

# Where a label is defined, and where it is referred to. Any other word that equals it is left alone.
_DEFINED = re.compile(
    r"^\(([\w:.-]+)\)=|^\s*:(?:label|name):\s*([\w:.-]+)|\$\$\s*\(([\w:.-]+)\)", re.MULTILINE
)
_MENTIONED = re.compile(
    r"(?P<before>^\((?=[\w:.-]+\)=)|^\s*:(?:label|name):[ \t]*|\$\$\s*\(|\]\(#?|\{solution(?:-start)?\}[ \t]+"
    r"|\{(?:\w+:)?(?:ref|numref|eq)\}`(?:[^`<]*<)?)(?P<label>[\w:.-]+)",
    re.MULTILINE,
)


def suffix_labels(notebook: NotebookNode, suffix: str) -> NotebookNode:
    """Append ``-suffix`` to every label that the notebook defines, and to every mention of one.

    A source that is rendered twice would otherwise define each label twice.

    Parameters
    ----------
    notebook : NotebookNode
        Changed in place.
    suffix : str
        What to append.

    Returns
    -------
    NotebookNode
        The same notebook.
    """
    figures = [f for c in notebook.cells if (f := c.metadata.get("mystnb", {}).get("figure", {})).get("name")]
    prose = [c for c in notebook.cells if c.cell_type == "markdown"]
    labels = {f["name"] for f in figures}
    labels |= {name for c in prose for found in _DEFINED.findall(c.source) for name in found if name}

    def renamed(match: re.Match[str]) -> str:
        known = match["label"] in labels
        return f"{match['before']}{match['label']}-{suffix}" if known else match[0]

    for cell in prose:
        cell.source = _MENTIONED.sub(renamed, cell.source)
    for figure in figures:
        figure["name"] = f"{figure['name']}-{suffix}"
    return notebook


def retitle(notebook: NotebookNode, title: str) -> NotebookNode:
    """Replace the first heading of the notebook, in place."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^# ", cell.source, re.MULTILINE):
            cell.source = re.sub(r"^# .*$", lambda _: f"# {title}", cell.source, count=1, flags=re.MULTILINE)
            return notebook
    raise BookError(f"A page titled {title!r} has no heading to replace.")


def read_executed(project: Project, page: Page, scale: str) -> NotebookNode:
    """The executed notebook of a page, under the title of the page.

    Raises
    ------
    BookError
        If it has not been executed.
    """
    executed = project.executed(page.name, check_scale(scale))
    if not executed.exists():
        raise BookError(
            f"Page {page.name} has not been executed at scale {scale}; run 'gi build', or 'gi book execute' for it."
        )
    notebook = nbformat.read(executed, as_version=4)
    return retitle(notebook, page.title) if page.title else notebook


def stage(project: Project, scale: str = "demo") -> Path:
    """Lay prose pages and executed notebooks side by side, as Jupyter Book wants them.

    Parameters
    ----------
    project : Project
        The book.
    scale : str
        Which executed notebooks to take.

    Returns
    -------
    Path
        ``_build/src``, made anew.

    Raises
    ------
    BookError
        If a page is not executed yet, or the table of contents and the pages disagree.
    """
    check_contents(project)
    with _or_elsewhere():
        return _stage(project, check_scale(scale))


def _stage(project: Project, scale: str) -> Path:
    staged = project.staged
    shutil.rmtree(staged, ignore_errors=True)
    make_room(project.build)
    with writing(staged):
        shutil.copytree(project.root / "book", staged, ignore=shutil.ignore_patterns("_ext", "__pycache__"))
        (staged / "notebooks").mkdir()
    records, notebooks, drawn = [], {}, {}
    for page in project.pages.values():
        notebook = notebooks[page.name] = read_executed(project, page, scale)
        if page.suffix:
            suffix_labels(notebook, page.suffix)
        record = json.loads(project.record(page.name, scale).read_text(encoding="utf-8"))
        records.append(record)
        published, drawn[page.name] = _published(project, page, notebook)
        write_notebook(staged / "notebooks" / f"{page.name}.ipynb", published)
    sources = {f"notebooks/{page.name}": f"notebooks/{page.source}" for page in project.pages.values()}
    write_text(staged / "sources.json", json.dumps(sources, indent=1))
    index = {
        record["page"]: (
            citing.title_of(notebooks[record["page"]]),
            record["data_kind"],
            drawn[record["page"]],
        )
        for record in records
    }
    generated = {
        "figures.md": (FIGURES_MARKER, figures.index(index, project.files_url)),
        "status.md": (STATUS_MARKER, status_table(records)),
        "data.md": (DATA_MARKER, data_table()),
        "course.md": (READING_MARKER, reading_table(notebooks)),
    }
    for name, (marker, table) in generated.items():
        prose = staged / name
        if prose.exists():
            write_text(prose, prose.read_text(encoding="utf-8").replace(marker, table))
    return staged


def _published(
    project: Project, page: Page, notebook: NotebookNode
) -> tuple[NotebookNode, list[figures.Figure]]:
    """A page as readers get it, each figure with a link to its code and a citation at its end; and its figures."""
    published = copy.deepcopy(notebook)
    try:
        drawn = figures.figures_of(published, project.notebooks / page.source, project.root, page.suffix)
    except figures.FigureError as error:
        raise BookError(f"Page {page.name}: {error}") from None
    figures.add_links(drawn, project.files_url)
    settings = project.settings
    book = citing.Book(
        settings["title"], settings["author"], settings["copyright"], settings["html"]["baseurl"]
    )
    citation = citing.chapter_citation(page.name, notebook, book, project.root / "book" / "references.bib")
    published.cells.append(new_markdown_cell(citation, id="cite-this-chapter"))
    return published, drawn


def check_contents(project: Project) -> None:
    """Check that every page is reachable from the table of contents, and that the contents name no other.

    Raises
    ------
    BookError
        If a notebook page or a prose page is missing on either side.
    """
    book = project.root / "book"
    listed = set(_toc_files(yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))))
    prose = {
        p.relative_to(book).with_suffix("").as_posix() for p in book.rglob("*.md") if "_ext" not in p.parts
    }
    there = prose | {f"notebooks/{name}" for name in project.pages}
    if missing := sorted(listed - there):
        raise BookError(f"book/_toc.yml names {missing[0]!r}, which is neither a prose page nor in runs.yml.")
    if orphans := sorted(there - listed):
        raise BookError(f"Page {orphans[0]!r} is not in book/_toc.yml, so no reader would find it.")


def _toc_files(node: Any) -> Iterator[str]:
    """Every page that a (part of a) table of contents names."""
    if isinstance(node, list):
        for item in node:
            yield from _toc_files(item)
    elif isinstance(node, dict):
        yield from (node[key] for key in ("root", "file") if key in node)
        yield from _toc_files([node[key] for key in ("parts", "chapters", "sections") if key in node])


def status_table(records: Iterable[Mapping[str, Any]]) -> str:
    """Markdown table of what is known about the execution of each page.

    Parameters
    ----------
    records : iterable of dict
        One record per page, as `execute` writes them.

    Returns
    -------
    str
        A table with a line of totals under it.
    """
    records = list(records)
    lines = ["| Page | Data | Seconds | Parameters | Commit | Run on (UTC) |", "|:--|:--|--:|:--|:--|:--|"]
    for r in records:
        shown = {k: v for k, v in r["parameters"].items() if k != "results_dir"}
        parameters = " ".join(f"`{key}={value}`" for key, value in shown.items())
        commit = f"`{r['commit'][:8]}`" if r["commit"] else "none"
        started = r["started"][:16].replace("T", " ")
        page = f"{{doc}}`notebooks/{r['page']}`"
        cells = (page, r["data_kind"] or "none", f"{r['seconds']:.1f}", parameters, commit, started)
        lines.append(f"| {' | '.join(cells)} |")
    total = sum(r["seconds"] for r in records)
    lines = [":::{div} status-table", "", *lines, "", ":::"]
    return "\n".join([*lines, "", f"All pages together: {total:.1f} seconds of notebook time."])


def data_table() -> str:
    """Markdown tables of every file in the data manifests, one per data set."""
    blocks = []
    for dataset, files in registry.as_table().groupby("data set", sort=False):
        dois = " · ".join(f"[{doi}](https://doi.org/{doi})" for doi in files["doi"].drop_duplicates())
        lines = [f"### {dataset}", "", f"Cite: {dois}", "", ":::{div} file-table", ""]
        lines += ["| File | Content | Size | Licence | State |", "|:--|:--|--:|:--|:--|"]
        for row in files.itertuples():
            cells = (
                f"[{row.file}]({row.source})" if row.source else row.file,
                row.content,
                "" if pd.isna(row.bytes) else f"{row.bytes / 1e6:.2f} MB",
                row.licence,
                row.status,
            )
            lines.append(f"| {' | '.join(' '.join(cell.replace('|', '/').split()) for cell in cells)} |")
        blocks.append("\n".join([*lines, "", ":::"]))
    return "\n\n".join(blocks)


_NO_WORDS = re.compile(
    r"^```\w+\n.*?^```$"  # a listing
    r"|\$\$.*?\$\$(?:[ \t]*\([\w:.-]+\))?"  # a displayed equation and its label
    r"|^[ \t]*(?:`{3,}|:{3,}).*?$"  # the lines that open and close a directive
    r"|^[ \t]*:[\w-]+:.*?$"  # its options
    r"|^\([\w:.-]+\)=$"  # a label
    r"|\{[\w:-]+\}(?=`)"  # the name of a role; what it shows stays
    r"|(?<=[^\s`])[ \t]*<[^<>`\s]+>(?=`)",  # the target of a role that has a text of its own
    re.MULTILINE | re.DOTALL,
)


def count_words(notebook: NotebookNode) -> int:
    """Words that a reader of a page meets before its exercises.

    Parameters
    ----------
    notebook : NotebookNode
        A page, as `convert` returns it or executed.

    Returns
    -------
    int
        Words of text and of the figures' captions. Code, its outputs and displayed equations do not count; a
        glued number, a reference or an equation within a line counts as the words that it is written with.
    """
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            before, *exercises = re.split(r"^## Exercises$", cell.source, maxsplit=1, flags=re.MULTILINE)
            texts.append(before)
            if exercises:
                break
        else:
            texts.append(cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", ""))
    words = _NO_WORDS.sub(" ", "\n".join(texts)).split()
    return sum(any(letter.isalnum() for letter in word) for word in words)


def minutes_to_read(notebook: NotebookNode) -> int:
    """Whole minutes, rounded up, that the words of a page take at `WORDS_PER_MINUTE`."""
    return -(-count_words(notebook) // WORDS_PER_MINUTE)


def reading_table(notebooks: Mapping[str, NotebookNode]) -> str:
    """Markdown table of what each page asks of a reader.

    The measured seconds of a run are left to `status_table`: they differ from build to build, and every other
    page of the book is the same in two builds of one commit.

    Parameters
    ----------
    notebooks : mapping of str to NotebookNode
        Notebook by page name.

    Returns
    -------
    str
        A table of words, minutes to read, number of exercises, and the time to run that the page states.
    """
    lines = [
        "| Chapter | Words | Minutes to read | Exercises | Time to run, as the chapter says |",
        "|:--|--:|--:|--:|:--|",
    ]
    for name, notebook in notebooks.items():
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        stated = re.search(r"^\*\*Time to run:\*\*\s*(.*?)\.?$", text, re.MULTILINE)
        cells = (
            f"{{doc}}`notebooks/{name}`",
            f"{count_words(notebook):,}",
            str(minutes_to_read(notebook)),
            str(text.count("{exercise-start}")),
            stated[1] if stated else "not stated",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


# --- 4. render ------------------------------------------------------------------------------------


def render(project: Project) -> Path:
    """Turn the staged folder into HTML; every warning is an error.

    The book is rendered beside the old one, which is replaced only by a complete new one.

    Parameters
    ----------
    project : Project
        The book; `stage` must have run.

    Returns
    -------
    Path
        ``_build/html``.

    Raises
    ------
    BookError
        If Jupyter Book reports a warning or an error (its own report is printed), or a link inside the book leads
        nowhere.
    """
    work = project.build / "render"
    shutil.rmtree(work, ignore_errors=True)
    with _or_elsewhere():
        make_room(work)
    _say("book: rendering")
    program = f"import gi_lib.process as p; p.end_with({os.getpid()}); from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", program, "build", str(project.staged), "-W", "-n", "--keep-going", "-q"]
    command += ["--config", str(project.root / "_config.yml"), "--path-output", str(work)]
    # A fixed hash seed keeps two renderings of the same pages identical.
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    run = subprocess.run(command, cwd=project.root, env=environment, capture_output=True, text=True)
    rendered = work / "_build" / "html"
    if run.returncode or not (rendered / "index.html").exists():
        print(_without_progress(run.stdout + run.stderr), file=sys.stderr, flush=True)
        raise BookError("Jupyter Book could not render the book without warnings; its report is above.")
    if broken := links.broken(rendered):  # also links that a notebook has written itself
        print("\n".join(broken), file=sys.stderr, flush=True)
        raise BookError(f"{len(broken)} links lead to what is not in the book, the first on {broken[0]}.")
    (rendered / ".buildinfo").unlink(missing_ok=True)
    old = project.build / "html.old"
    shutil.rmtree(old, ignore_errors=True)
    if project.html.exists():
        os.replace(project.html, old)
    os.replace(rendered, project.html)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    _say("book: rendered")
    return project.html


def print_book(project: Project) -> Path:
    """Put the rendered book into one page, and that page into one PDF.

    Parameters
    ----------
    project : Project
        The book; `render` must have run, and Chromium must be installed.

    Returns
    -------
    Path
        ``_build/companion.pdf``. The page that it was printed from stays beside it, as ``companion.html``.

    Raises
    ------
    BookError
        If a page has not been rendered, or there is no browser to print with.
    """
    contents = yaml.safe_load((project.root / "book" / "_toc.yml").read_text(encoding="utf-8"))
    parts = [("", [contents["root"], *_toc_files({"chapters": contents.get("chapters", [])})])]
    parts += [(part.get("caption", ""), list(_toc_files(part))) for part in contents.get("parts", [])]
    page, target = project.build / "companion.html", project.build / "companion.pdf"
    partial = project.build / ".companion.partial.pdf"
    try:
        text = onefile.in_one_page(project.html, parts, project.settings["title"], f"Version {__version__}")
        with _or_elsewhere():
            write_text(page, text)
            _say("book: printing; this takes a few minutes")
            onefile.print_pdf(page, partial)
            os.replace(partial, target)
    except onefile.OneFileError as error:
        raise BookError(str(error)) from None
    _say(f"The book in one file: {target.as_uri()}")
    return target


def follow_links(project: Project) -> None:
    """Ask every address outside the rendered book that its texts name, and print which do not answer well.

    Raises
    ------
    BookError
        If the book has not been rendered, an address is gone, or none could be reached.
    """
    if not (project.html / "index.html").is_file():
        raise BookError(f"There is no rendered book in {project.html}; build it first: make book.")
    named = links.leading_out(project.html)
    said = links.answers(named)
    if named and all(status is None for status in said.values()):
        raise BookError(
            f"None of the {len(named)} addresses outside the book could be reached; is there a network?"
        )
    lines = links.report(named, said)
    for line in lines:
        _say(line)
    gone = sum(line.startswith("gone") for line in lines)
    if gone:
        raise BookError(
            f"{gone} of the {len(named)} addresses outside the book are gone; they are listed above."
        )
    _say(f"{len(named) - len(lines)} of {len(named)} addresses outside the book answer; none is gone.")


# --- 5. build -------------------------------------------------------------------------------------


def refresh_data(project: Project, datasets: Sequence[str] = ("arabidopsis", "rice")) -> Path:
    """Fetch the real data where they can be had, and write down which files are at hand.

    The file is rewritten only when its content changes, so that pages run again when real data become
    available and not merely because somebody looked.

    Parameters
    ----------
    project : Project
        The book. Without a folder ``data_manifest`` there is nothing to fetch.
    datasets : sequence of str
        Data sets that the pages of the book can use.

    Returns
    -------
    Path
        ``_build/data.json``: sha256 per file, null where the file is not at hand.
    """
    state: dict[str, str | None] = {}
    if (project.root / "data_manifest").is_dir():
        for dataset in datasets:
            files = [f for f in registry.find_dataset(dataset).files.values() if f.verified]
            found = {
                f.key: registry.sha256_of(f.key) if registry.is_available(f.key) else None for f in files
            }
            there = sum(digest is not None for digest in found.values())
            note = "" if there else "; pages that can use them run on simulated data and say so"
            _say(f"data: {there} of {len(found)} files of {dataset} are at hand{note}")
            state |= found
    target, text = project.build / "data.json", json.dumps(state, indent=1, sort_keys=True) + "\n"
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        with _or_elsewhere():
            make_folder(target.parent)
            write_text(target, text)
    return target


def build(project: Project, scale: str = "demo", cores: int | None = None) -> Path:
    """Build the whole book; only what changed is run again.

    One build runs at a time: a second one waits for the first. The operating system releases the lock when a
    process dies, however it dies.

    Parameters
    ----------
    project : Project
        The book.
    scale : str
        ``demo`` or ``paper``.
    cores : int, optional
        Notebooks in parallel; all cores by default.

    Returns
    -------
    Path
        The rendered book.

    Raises
    ------
    BookError
        If anything fails; what failed has been printed before.
    """
    clock, started = time.perf_counter(), datetime.now(UTC).replace(microsecond=0)
    cores = cores or os.cpu_count() or 1
    pages = list(project.pages)
    check_scale(scale)
    check_contents(project)
    with _or_elsewhere():
        make_room(project.build)
    with _only_build(project):
        _say(f"book: {len(pages)} pages at scale {scale} on {cores} cores")
        refresh_data(project)
        # The first import of matplotlib after an installation lists all fonts and may say so on stderr,
        # which no page may show.
        importlib.import_module("matplotlib.font_manager")
        os.environ["GI_OFFLINE"] = "1"  # pages see exactly the files that were found at hand
        config = {"root": str(project.root), "scale": scale}
        if not run_graph(REPOSITORY / "workflow" / "Snakefile", project.build, cores, config):
            raise BookError("The book was not built; the reason is above.")
    _say(f"\nThe book: {(project.html / 'index.html').as_uri()}")
    for page in pages:
        record = json.loads(project.record(page, scale).read_text(encoding="utf-8"))
        unchanged = datetime.fromisoformat(record["started"]) < started
        _say(f"  {page:<28}{record['seconds']:8.1f} s{'  (unchanged, not run again)' if unchanged else ''}")
    _say(f"  {'whole build':<28}{time.perf_counter() - clock:8.1f} s")
    return project.html


@contextmanager
def _only_build(project: Project) -> Iterator[None]:
    """Hold the lock of the build folder; say so while waiting for another build."""
    lock = filelock.FileLock(project.build / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        _say("book: another build of this book is running; waiting for it to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


# --- small helpers --------------------------------------------------------------------------------


def write_notebook(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook atomically."""
    write_text(path, _dumps(notebook))


def _dumps(notebook: NotebookNode) -> str:
    """Notebook as JSON text with a final newline."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _n_code_cells(notebook: NotebookNode) -> int:
    return sum(cell.cell_type == "code" for cell in notebook.cells)


def _first_line(cell: NotebookNode) -> str:
    return next((line for line in cell.source.splitlines() if line.strip()), "")[:60]


def _shorten(text: str, width: int = 200) -> str:
    flat = " ".join("".join(text).split())
    return flat if len(flat) <= width else flat[: width - 3] + "..."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _without_progress(report: str) -> str:
    """Jupyter Book's report without its progress lines and colours."""
    report = re.sub(r"\x1b\[[0-9;]*m", "", report)
    return "\n".join(line for line in report.splitlines() if line.strip() and "%]" not in line)


def _say(line: str) -> None:
    print(line, flush=True)
