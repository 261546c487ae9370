"""Job graphs, and what child processes need, whoever starts them."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


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


def run_graph(
    snakefile: Path, folder: Path, cores: int, config: Mapping[str, str], options: Sequence[str] = ()
) -> bool:
    """Run a job graph in this process, so that its jobs notice when this process dies.

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
    """
    from snakemake.cli import main as snakemake

    arguments = ["--snakefile", str(snakefile), "--directory", str(folder), "--cores", str(cores)]
    arguments += ["--nolock", "--rerun-incomplete", "--quiet", "all", *options]
    arguments += ["--config", *(f"{name}={value}" for name, value in config.items())]
    try:
        snakemake(arguments)
    except SystemExit as done:
        return done.code in (0, None)
    return True
