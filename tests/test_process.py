"""Files that nobody sees half written, and places that mean the same in another folder."""

import errno
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import filelock
import pytest

from gi_lib.process import (
    end_with_graph,
    is_running,
    locked,
    or_elsewhere,
    run_graph,
    write_text,
    written_whole,
)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full_disk(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_an_exception_ends_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(RuntimeError), written_whole(path) as scratch:
        scratch.write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_folder_is_written_whole_too(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), written_whole(tmp_path / "a") as scratch:
        scratch.mkdir()
        (scratch / "part").write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with written_whole(tmp_path / "a") as scratch:
        scratch.mkdir()
        (scratch / "part").write_text("whole")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "part"]


def test_what_a_failed_write_leaves_behind_is_not_in_the_way_of_the_next(tmp_path: Path) -> None:
    """A thread of a library that fails can go on writing after its folder was removed."""
    with pytest.raises(RuntimeError), written_whole(tmp_path / "a") as failed:
        raise RuntimeError
    failed.mkdir()
    with written_whole(tmp_path / "a") as scratch:
        assert not scratch.exists()
        scratch.mkdir()
        with written_whole(tmp_path / "a") as other:  # as another thread may
            other.mkdir()
            assert scratch.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_dead_processes_left_is_removed_and_what_others_are_writing_is_not(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    while is_running(dead.pid):  # and a zombie then
        time.sleep(0.01)
    node = platform.node()
    with subprocess.Popen(["sleep", "60"]) as living:
        names = [f".a.{node}-{dead.pid}-0.tmp", f".a.{node}-{living.pid}-0.tmp", f".a.elsewhere-{dead.pid}-0.tmp",
                 f".a.b.{node}-{dead.pid}-0.tmp", ".a.tmp"]  # fmt: skip
        for name in names:
            (tmp_path / name).write_text("half")
        write_text(tmp_path / "a", "whole")
        assert {path.name for path in tmp_path.iterdir()} == {"a", *names[1:]}
        living.kill()
    dead.wait()
    write_text(tmp_path / "a", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a", *names[2:]}


@pytest.mark.parametrize("told", ["end_with(int(sys.argv[1]))", "end_with_graph()"])
def test_a_process_ends_with_another_even_if_that_is_dead_before(told: str) -> None:
    program = (
        f"import sys, time; from gi_lib.process import *; {told}; print('there', flush=True); time.sleep(60)"
    )
    for is_late in (False, True):
        with subprocess.Popen(["sleep", "60"]) as other:
            if is_late:
                other.kill()
                other.wait()
            command = [sys.executable, "-c", program, str(other.pid)]
            environment = os.environ | {"GI_GRAPH": str(other.pid)}
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as child:
                child.stdout.readline()
                if not is_late:
                    assert child.poll() is None
                    other.kill()
                assert child.wait(30) == 1


def test_without_a_graph_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GI_GRAPH", raising=False)
    before = threading.active_count()
    end_with_graph()
    assert threading.active_count() == before


def test_a_dead_process_holds_no_lock(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from gi_lib.process import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "lock")], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(tmp_path / "lock").acquire(timeout=0)
        holder.kill()
        holder.wait()
        with locked(tmp_path / "lock"):
            pass


@pytest.mark.parametrize("number, told", [
    (errno.ENOSPC, "The disk is full: there is no space left in {}; free some space, or go elsewhere."),
    (errno.EDQUOT, "The disk is full: there is no space left in {}; free some space, or go elsewhere."),
    (errno.EROFS, "The folder {} cannot be written (Read-only file system); go elsewhere."),
    (errno.EACCES, "The folder {} cannot be written (Permission denied); go elsewhere."),
])  # fmt: skip
def test_one_sentence_says_what_cannot_be_written_and_what_to_do(tmp_path: Path, number, told) -> None:
    with (
        pytest.raises(ValueError) as caught,
        or_elsewhere("go elsewhere", ValueError),
        written_whole(tmp_path / "a"),
    ):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == told.format(tmp_path)


def test_relative_places_mean_the_same_in_the_folder_of_a_graph(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "graph.smk").write_text(
        "import os\nfrom pathlib import Path\nrule all:\n    output: 'seen'\n"
        "    run: Path('seen').write_text(os.environ['GI_DATA_MIRROR'] + ' ' + os.environ['GI_CACHE_DIR'])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GI_DATA_MIRROR", "mirror")
    monkeypatch.setenv("GI_CACHE_DIR", "https://not.a/folder")
    assert run_graph(tmp_path / "graph.smk", tmp_path / "run", 1, {"nothing": "1"})
    assert (tmp_path / "run" / "seen").read_text() == f"{tmp_path}/mirror https://not.a/folder"
