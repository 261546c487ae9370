"""R as an oracle, where it is at hand."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def in_r(tmp_path: Path) -> Callable:
    """Call ``in_r(package, script, **arrays)``; the test is skipped where R or the package is missing.

    The script finds each array as the matrix of its name and leaves its result in a matrix ``result``, which is
    returned.
    """

    def run(package: str, script: str, **arrays: np.ndarray) -> np.ndarray:
        if (
            shutil.which("Rscript") is None
            or call(f"quit(status = !requireNamespace('{package}'))").returncode
        ):
            pytest.skip(f"needs R with {package}")
        lines = [f"suppressPackageStartupMessages(library({package}))"]
        for name, values in arrays.items():
            np.savetxt(tmp_path / name, np.asarray(values, float))
            lines.append(f"{name} <- unname(as.matrix(read.table('{name}')))")
        lines += [script, "write.table(as.matrix(result), 'result', row.names = FALSE, col.names = FALSE)"]
        done = call("\n".join(lines))
        assert done.returncode == 0, done.stderr
        return np.loadtxt(tmp_path / "result")

    def call(script: str) -> subprocess.CompletedProcess:
        return subprocess.run(["Rscript", "-e", script], cwd=tmp_path, capture_output=True, text=True)

    return run
