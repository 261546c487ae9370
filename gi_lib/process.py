"""What runs beside other processes: job graphs, their processes, and files that nobody sees half written."""

import json
import os
import shlex
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; what stands there at the end replaces `path`, unless an exception ends it.

    So a reader sees the old content or the new one, never a part, and a killed process leaves the old one.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with written_whole(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def end_with_parent(every: float = 0.5) -> None:
    """End this process soon after its parent has died, so that a killed run leaves nothing running.

    Parameters
    ----------
    every
        Seconds between two looks at the parent.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
