"""A tiny book in a temporary folder, rendered with the real settings, extension and style."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gi_lib.book import REPOSITORY, Project, convert, write_notebook

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""

FIRST = """\
(nb-first)=
# First

```{code-cell} python
:tags: [parameters]

cohort: str = "auto"  # which cohort
seed: int = 1  # seed of every random number
level: float = 0.5  # some number
results_dir: str = "results/first"  # where tables go
```

```{code-cell} python
import json
import os
import time
from pathlib import Path

from IPython.display import HTML
from myst_nb import glue

folder = Path(results_dir)
folder.mkdir(parents=True, exist_ok=True)
facts = {"parameters": {"seed": seed}, "data_kind": "simulated", "cohort": "toy", "commit": None}
(folder / "provenance.json").write_text(json.dumps(facts))
with open("kernels.txt", "a") as log:
    log.write(f"{seed} {os.environ['OMP_NUM_THREADS']}\\n")
time.sleep(float(os.environ.get("TOY_SECONDS", 0)))
glue("answer", 41 + seed, display=False)
HTML('<div class="data-banner data-simulated" role="note"><strong>Simulated data.</strong> A toy.</div>')
```

The answer is {glue:text}`answer`; see {eq}`eq-one` and {ref}`the top <nb-first>`.

$$ a = b $$ (eq-one)
"""

PAGES = {
    "index.md": "# Toy\n\nThe answer is {glue:text}`notebooks/first.ipynb::answer:d`, once more "
    "{glue:text}`notebooks/first-again.ipynb::answer:d` in {ref}`nb-first-again`.\n",
    "status.md": "---\nnosearch: true\n---\n\n# Status\n\n<!-- execution-status -->\n",
    "_toc.yml": "format: jb-book\nroot: index\nchapters:\n"
    "- file: notebooks/first\n- file: notebooks/first-again\n- file: status\n",
    "references.bib": "",
}

RUNS = """\
first: {source: first.md, demo: {seed: 1}, paper: {seed: 1, level: 2}}
first-again: {source: first.md, suffix: again, title: First again, demo: {seed: 2}}
"""


@pytest.fixture
def notebook_text() -> str:
    """Text of a well-formed notebook."""
    return HEADER + FIRST


@pytest.fixture(scope="session")
def make_toy() -> Callable[[Path], Project]:
    """Make a book of two pages from one notebook, and two prose pages, in a folder."""

    def make(root: Path) -> Project:
        (root / "notebooks").mkdir(parents=True)
        (root / "book").mkdir()
        shutil.copy(REPOSITORY / "_config.yml", root)
        for folder in ("_ext", "_static"):
            shutil.copytree(REPOSITORY / "book" / folder, root / "book" / folder)
        for name, text in PAGES.items():
            (root / "book" / name).write_text(text, encoding="utf-8")
        (root / "notebooks" / "first.md").write_text(HEADER + FIRST, encoding="utf-8")
        (root / "notebooks" / "runs.yml").write_text(RUNS, encoding="utf-8")
        return Project(root)

    return make


@pytest.fixture
def toy(make_toy: Callable[[Path], Project], tmp_path: Path) -> Project:
    """One of them."""
    return make_toy(tmp_path / "toy")


@pytest.fixture(scope="session")
def as_executed() -> Callable[[Project], None]:
    """Lay the pages of a book where executed ones are, without results."""

    def lay(project: Project) -> None:
        for name, page in project.pages.items():
            executed, record = project.executed(name, "demo"), project.record(name, "demo")
            executed.parent.mkdir(parents=True, exist_ok=True)
            write_notebook(executed, convert(project.notebooks / page.source))
            facts = {"page": name, "parameters": {}, "seconds": 1.5, "data_kind": None, "commit": None}
            record.write_text(json.dumps(facts | {"started": "2026-01-02T03:04:05+00:00"}))

    return lay
