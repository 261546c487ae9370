"""What meets other processes and full disks: job graphs, and files that are written whole or refused in a sentence."""

import errno
import glob
import itertools
import json
import os
import platform
import re
import shlex
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

GRAPH = "GI_GRAPH"
"""Environment variable with the process of the job graph that a command is a job of; the graphs set it."""

# ------------------------------------------------------------------------------------------------ writing


class WriteError(OSError):
    """A folder cannot be written; the message says which and why, and `or_elsewhere` adds what can be done."""

    is_full = False


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise a `WriteError` where something below this folder cannot be written."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or (error.errno is None and _is_full(folder)):
            told = WriteError(f"The disk is full: there is no space left in {folder}")
            told.is_full = True
        else:
            in_the_way = error.errno in (errno.EEXIST, errno.ENOTDIR)
            reason = "a file stands in its place" if in_the_way else error.strerror or error
            told = WriteError(f"The folder {folder} cannot be written ({reason})")
        raise told from error


def _is_full(folder: Path) -> bool:
    """For libraries that only say that they could not write."""
    try:
        return shutil.disk_usage(folder).free < 1 << 16
    except OSError:
        return False


@contextmanager
def or_elsewhere(remedy: str, kind: type[Exception] = WriteError) -> Iterator[None]:
    """Where a folder cannot be written, say also what can be done about it.

    Parameters
    ----------
    remedy
        Such as "set GI_CACHE_DIR to a folder that can be written, on a disk with space".
    kind
        What is raised; its message is one sentence.
    """
    try:
        yield
    except WriteError as error:
        raise kind(f"{error}; {'free some space, or ' if error.is_full else ''}{remedy}.") from None


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, where they are not there.

    Raises
    ------
    WriteError
        If that cannot be.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


ROOM = 1 << 20  # bytes of the predictions of a thousand accessions for a hundred traits


def make_room(folder: Path) -> Path:
    """Make a folder and see whether results will fit in: better none now than after hours of computing.

    Raises
    ------
    WriteError
        If the folder cannot be written, or its disk is full.
    """
    with _scratch(make_folder(folder) / "room") as scratch:
        scratch.write_bytes(bytes(ROOM))
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock; the operating system releases that of a process that dies.

    Raises
    ------
    WriteError
        If the file of the lock cannot be made.
    """
    lock = filelock.FileLock(path)
    with writing(path.parent):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A place beside `path` to write a file or a folder; it replaces `path` in the end, unless an exception ends it.

    So a reader sees the old content or the new one, never a part, and a killed process leaves the old one. What killed
    processes of this machine have left half written is removed. A folder replaces nothing but an empty one.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    with _scratch(path) as scratch:
        yield scratch
        os.replace(scratch, path)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with written_whole(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


_N = itertools.count()
_WRITING: set[Path] = set()  # what this process is writing now


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """A place beside `path` that nobody else writes to; what is there in the end is removed."""
    scratch = path.with_name(f".{path.name}.{platform.node()}-{os.getpid()}-{next(_N)}.tmp")
    _WRITING.add(scratch)
    try:
        with writing(path.parent):
            _drop_left(path)
            yield scratch
    finally:
        _remove(scratch)
        _WRITING.discard(scratch)


def _drop_left(path: Path) -> None:
    """Remove what is left beside `path` by dead processes of this machine, not what others may still be writing.

    Also what this process has left: a library that writes from several threads, as Zarr does, can fail in one of them
    and go on in another, after its folder was removed.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        writer = left.name.removeprefix(f".{path.name}.").removesuffix(".tmp")
        here = re.fullmatch(rf"{re.escape(platform.node())}-(\d+)-\d+", writer)
        if here is None:  # of another machine, or another file
            continue
        pid = int(here[1])
        if left not in _WRITING if pid == os.getpid() else not is_running(pid):
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


# ---------------------------------------------------------------------------------------------- processes


def is_running(pid: int) -> bool:
    """Whether there is a process of this number on this machine that has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not on Linux
        return True
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")  # ended, but nobody has asked how


def end_with(pid: int, every: float = 0.5) -> None:
    """End this process soon after another one has ended, so that a killed run leaves nothing running.

    Parameters
    ----------
    pid
        The other one. A process should be told of its parent's number, not ask: by then the parent may be dead.
    every
        Seconds between two looks.
    """

    def watch() -> None:
        while is_running(pid):
            time.sleep(every)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_with_graph() -> None:
    """End this process soon after the job graph that it is a job of, if it is one."""
    if graph := os.environ.get(GRAPH):
        end_with(int(graph))


# ------------------------------------------------------------------------------------------------- graphs


class GraphError(RuntimeError):
    """A job graph cannot run where it is; the message is one sentence."""


def in_shell(*words: object) -> str:
    """Words for a ``shell:`` of Snakemake, each of which reaches the program as it is, whatever signs it holds.

    Examples
    --------
    >>> in_shell("wc", "my genes.vcf", "{wildcards}", "$(reboot)")
    "wc 'my genes.vcf' '{{wildcards}}' '$(reboot)'"
    """
    return shlex.join(map(str, words)).replace("{", "{{").replace("}", "}}")


def refuse_wildcards(place: object) -> str:
    """Return the name of a file or folder that a rule of Snakemake names, unless Snakemake would read more into it.

    Raises
    ------
    GraphError
        If it has braces, which are wildcards there, or a line break.
    """
    if set("{}\n\r") & set(str(place)):
        raise GraphError(
            f"{str(place)!r} cannot be used in a job graph, because braces and line breaks in names have a meaning "
            "there; rename it."
        )
    return str(place)


def run_graph(
    snakefile: Path, folder: Path, cores: int, config: Mapping[str, str], options: Sequence[str] = ()
) -> bool:
    """Run a job graph in this process, so that its jobs notice when this process dies.

    Jobs start in another folder. A relative place in ``GI_DATA_MIRROR`` or ``GI_CACHE_DIR`` means the same there.

    Parameters
    ----------
    snakefile
        The graph.
    folder
        Where it runs; names of files in the graph are relative to it.
    cores
        Of this machine.
    config
        What the graph is told.
    options
        Further options of Snakemake.

    Returns
    -------
    bool
        Whether all jobs succeeded; what failed has been printed.

    Raises
    ------
    GraphError
        If a name has signs that have a meaning in job graphs.
    """
    from snakemake.cli import main as snakemake

    for name in ("GI_DATA_MIRROR", "GI_CACHE_DIR"):
        if (place := os.environ.get(name)) and "://" not in place:
            os.environ[name] = str(Path(place).resolve())
    for place in (snakefile.resolve(), folder.resolve(), *config.values()):
        refuse_wildcards(place)
    arguments = ["--snakefile", str(snakefile), "--directory", str(folder), "--cores", str(cores)]
    arguments += ["--nolock", "--rerun-incomplete", "--quiet", "all", *options]
    # On the command line Snakemake would strip quotes from values, and read what is left as YAML.
    told = folder.resolve() / ".snakemake" / "config.json"
    told.parent.mkdir(parents=True, exist_ok=True)
    write_text(told, json.dumps(dict(config)))
    arguments += ["--configfile", str(told)]
    try:
        snakemake(arguments)
    except SystemExit as done:
        return done.code in (0, None)
    return True
