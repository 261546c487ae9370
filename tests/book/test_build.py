"""The whole way from text notebooks to HTML, on a tiny book."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gi_lib import book


def gi(*arguments: str, project: book.Project) -> list[str]:
    return [sys.executable, "-u", "-m", "gi_lib.cli", *arguments, "--root", str(project.root)]


def environment(seconds: float = 0) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("GI_")} | {"TOY_SECONDS": str(seconds)}


def run(*arguments: str, project: book.Project) -> subprocess.CompletedProcess:
    command = gi(*arguments, project=project)
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)


def html_pages(project: book.Project) -> dict[str, bytes]:
    """Content of every file of the book, except for the page of timings and its source."""
    files = (p for p in project.html.rglob("*") if p.is_file() and p.stem != "status")
    return {p.relative_to(project.html).as_posix(): p.read_bytes() for p in files}


def kernels(project: book.Project) -> list[str]:
    """One line per notebook run so far: its seed and its share of the cores."""
    return sorted((project.root / "kernels.txt").read_text().splitlines())


def test_build_reruns_only_what_changed_and_is_the_same_every_time(toy: book.Project, tmp_path: Path) -> None:
    first = run("build", "--cores", "2", project=toy)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "first: started" in first.stdout
    assert "first-again: finished in" in first.stdout
    assert (toy.html / "index.html").as_uri() in first.stdout
    assert "whole build" in first.stdout
    assert kernels(toy) == ["1 1", "2 1"]  # run in the root of the repository, one core each
    index, again = ((toy.html / page).read_text() for page in ("index.html", "notebooks/first-again.html"))
    assert "42" in index and "43" in index and "First again" in again
    assert "simulated" in (toy.html / "status.html").read_text()
    original = html_pages(toy)

    # Nothing changed, or a file was merely touched: no notebook runs.
    (toy.notebooks / "first.md").touch()
    second = run("build", "--cores", "2", project=toy)
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout.count("unchanged, not run again") == 2
    assert kernels(toy) == ["1 1", "2 1"]

    # One parameter set changed: one page runs.
    runs = toy.notebooks / "runs.yml"
    runs.write_text(runs.read_text().replace("{seed: 2}", "{seed: 3}"))
    third = run("build", "--cores", "1", project=toy)
    assert third.returncode == 0, third.stdout + third.stderr
    assert kernels(toy) == ["1 1", "2 1", "3 1"]
    assert "44" in (toy.html / "index.html").read_text()

    # The same sources somewhere else give the same bytes.
    runs.write_text(runs.read_text().replace("{seed: 3}", "{seed: 2}"))
    copy = book.Project(tmp_path / "elsewhere")
    shutil.copytree(toy.root, copy.root, ignore=shutil.ignore_patterns("_build", "kernels.txt"))
    assert run("build", "--cores", "2", project=copy).returncode == 0
    assert html_pages(copy) == original


def test_failures_end_in_one_sentence(toy: book.Project) -> None:
    runs, source = toy.notebooks / "runs.yml", toy.notebooks / "first.md"
    good = runs.read_text()
    runs.write_text(good.replace("{seed: 1}", "{sed: 1}"))
    refused = run("build", project=toy)
    assert refused.returncode == 1
    assert "gi: Page first has no parameter 'sed'; its parameters are" in refused.stderr
    assert "Traceback" not in refused.stderr

    runs.write_text(good)
    source.write_text(source.read_text().replace("glue(", "1 / 0\nglue("))
    failed = run("book", "execute", "first", project=toy)
    assert failed.returncode == 1
    assert "gi: Page first stopped with ZeroDivisionError: division by zero" in failed.stderr
    assert (toy.build / "failed" / "first.ipynb").exists()
    assert not toy.executed("first", "demo").exists()


def test_a_warning_of_the_renderer_is_an_error(toy: book.Project) -> None:
    toy.staged.mkdir(parents=True)
    for file in ("_toc.yml", "references.bib"):
        shutil.copy(toy.root / "book" / file, toy.staged)
    (toy.staged / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (toy.staged / "sources.json").write_text("{}")
    (toy.staged / "index.md").write_text("# Toy\n\nSee {ref}`nowhere`.\n")
    shutil.copytree(toy.root / "book" / "_static", toy.staged / "_static")
    with pytest.raises(book.BookError, match="could not render the book without warnings"):
        book.render(toy)
    assert not toy.html.exists()


@pytest.mark.slow
def test_a_build_killed_three_times_goes_on_and_ends_the_same(toy: book.Project, tmp_path: Path) -> None:
    undisturbed = book.Project(tmp_path / "undisturbed")
    shutil.copytree(toy.root, undisturbed.root)
    assert run("build", "--cores", "2", project=undisturbed).returncode == 0

    for moment in ("first: started", "finished in", "book: rendering"):
        with subprocess.Popen(
            gi("build", "--cores", "1", project=toy), env=environment(1), stdout=subprocess.PIPE, text=True
        ) as killed:
            next(line for line in killed.stdout if moment in line)
            killed.send_signal(signal.SIGKILL)
    again = run("build", "--cores", "2", project=toy)
    assert again.returncode == 0, again.stdout + again.stderr
    assert html_pages(toy) == html_pages(undisturbed)
    assert not list(toy.build.glob("executed/*/.*.ipynb"))
