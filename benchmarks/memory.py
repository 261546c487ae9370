"""Peak memory of the largest steps of the book, each run alone in a process of its own.

    python benchmarks/memory.py                   prints a table
    python benchmarks/memory.py --record          and writes it to results/benchmarks/memory.csv
    python benchmarks/memory.py --steps load      only some of them

The peak is the highest resident size that the operating system has seen of the process: its libraries (the first row is
a process that does nothing but import them), what it reads, and what it computes with. Steps on real panels are left
out, with a word, where their files cannot be had. The simulated cohort is made in a temporary cache by the first step.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "results" / "benchmarks" / "memory.csv"
ITERATIONS = 200  # of the Gibbs sampler: memory does not depend on them
VARIANTS, SAMPLES = 100_000, 1135  # of the VCF file, a hundredth of the 1001 Genomes


def imports() -> str:
    """What every step has in memory before it begins."""
    import gi_lib.lineup
    import gi_lib.notebook

    return f"{gi_lib.lineup.__name__} and {gi_lib.notebook.__name__}"


def cohort():
    """The simulated cohort at the sizes of the paper."""
    from gi_lib.cohorts import load_cohort

    return load_cohort("simulated", "paper", 1)


def load() -> str:
    """Make the cohort, or read it where it is made."""
    return "{sample} × {gene:,} × {variant_type}, {trait} traits".format(**cohort().sizes)


def networks(name: str, n_fits: int) -> str:
    """An epoch of so many networks at once, as a cross-validation trains them."""
    from gi_lib.lineup import pathway_layers, published_models
    from gi_lib.training import fit_together
    from gi_lib.validation import RandomFolds
    from gi_lib.validation.cross_validation import seeded

    data = cohort()
    layers = pathway_layers(data) if name.startswith("BMSNN") else ()
    (model,) = (m for m in published_models(data, layers, epochs=1, device="cpu") if m.name == name)
    folds = list(RandomFolds(5).folds(data))[:n_fits]
    fits = [seeded(model.estimator, 1, fold) for fold in folds]
    fit_together(fits, data["counts"].values, data["trait_value"].values, [fold.train for fold in folds])
    return f"{name}, 1 epoch, {n_fits} fold{'s at once' * (n_fits > 1)}"


def cross_validation(column: str, name: str) -> str:
    """Five folds of a model on a panel of Mathew et al. 2022, all its markers."""
    from gi_lib.cohorts.panels import TABLE_1, load_panel, one_trait
    from gi_lib.lineup import panel_models
    from gi_lib.validation import RandomFolds, cross_validate

    panel, trait = TABLE_1[column]
    data = one_trait(load_panel(panel), trait)
    known = panel_models(n_iterations=ITERATIONS, burn_in=ITERATIONS // 2, device="cpu")
    models = [model for model in known["quick"] + known["slow"] if model.name == name]
    cross_validate(data, models, RandomFolds(5), cached=False)
    return f"{name}, 5 folds, {panel} {data.sizes['sample']:,} × {data.sizes['marker']:,}"


def ridge_on_counts() -> str:
    """The baseline of Raimondi et al. 2024 that reads all counts at once, one fold."""
    from gi_lib.lineup import baselines
    from gi_lib.validation import RandomFolds, fit_fold

    data = cohort()
    (model,) = (model for model in baselines(data) if model.name == "ridge on counts")
    fit_fold(data, model, next(iter(RandomFolds(5).folds(data))))
    return "ridge on counts, 1 fold"


def encode() -> str:
    """A VCF file like that of the 1001 Genomes, counted."""
    from gi_lib.encoding import encode

    path = large_vcf()
    encode(path, path.with_suffix(".zarr"), cores=1)
    return f"VCF, {VARIANTS:,} variants × {SAMPLES:,}, {path.stat().st_size / 1e6:,.0f} MB"


def large_vcf() -> Path:
    """Where that file is."""
    return Path(os.environ["GI_CACHE_DIR"]) / "large.vcf.gz"


def scan() -> str:
    """Genes that matter for a trait, and the markers behind them, on all hybrids."""
    import numpy as np

    from gi_lib.cohorts.panels import load_panel
    from gi_lib.models import ExpressionPrior

    data = load_panel("maize")
    dosage, entities = data["dosage"].values.astype(np.float32), data["entity_value"].values
    edges = ExpressionPrior().edges(dosage, data["trait_value"].values[:, 0], entities)
    sizes = f"{data.sizes['sample']:,} × {data.sizes['marker']:,} markers"
    return f"eQTL scan of {edges.n_targets} genes, maize {sizes}"


STEPS: dict[str, tuple[str, Callable[[], str]]] = {
    "imports": ("import all libraries", imports),
    "simulate": ("simulate and write the cohort", load),
    "load": ("load the cohort", load),
    "galiana": ("train", lambda: networks("Galiana", 1)),
    "stacked": ("train", lambda: networks("Galiana", 5)),
    "bmsnn": ("train", lambda: networks("BMSNN100", 1)),
    "ridge": ("fit", ridge_on_counts),
    "lasso-rice": ("cross-validate", lambda: cross_validation("ARK", "NeuralLasso")),
    "gblup-rice": ("cross-validate", lambda: cross_validation("ARK", "GBLUP")),
    "gblup-mouse": ("cross-validate", lambda: cross_validation("weight", "GBLUP")),
    "bayes-rice": ("cross-validate", lambda: cross_validation("ARK", "BayesA")),
    "bayes-mouse": ("cross-validate", lambda: cross_validation("weight", "BayesA")),
    "encode": ("encode", encode),
    "scan": ("learn a prior", scan),
}
"""Names of the steps, in the order in which they run, what they do, and with what; the latter says its sizes."""


def measure(name: str) -> dict | None:
    """Run a step in a process of its own; None if its data cannot be had."""
    if name == "encode" and not large_vcf().exists():
        maker = [sys.executable, Path(__file__).with_name("large_vcf.py"), large_vcf(), "--threads", "1"]
        maker += ["--variants", str(VARIANTS), "--samples", str(SAMPLES)]
        subprocess.run(maker, check=True, stdout=subprocess.DEVNULL)
    begin = time.perf_counter()
    command = [sys.executable, __file__, "--step", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        size = process.stdout.read().strip()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The step {name} failed with exit code {process.returncode}.")
    if not size:
        print(f"{name}: left out, its data cannot be had", flush=True)
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    seconds, peak = time.perf_counter() - begin, used.ru_maxrss * unit / 1e9
    print(f"{name:<12}{seconds:>7.0f} s{peak:>7.2f} GB  {size}", flush=True)
    return {"step": STEPS[name][0], "size": size, "peak_gigabytes": peak}


def main() -> None:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        from gi_lib.datasets.registry import DataUnavailable

        with suppress(DataUnavailable):  # an empty answer
            print(STEPS[asked.step][1]())
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ["GI_CACHE_DIR"] = cache
        for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
            os.environ[variable] = "1"
        rows = [row for name in asked.steps if (row := measure(name))]
    import pandas as pd  # not before: a child's peak begins with the size of the process that starts it

    table = pd.DataFrame(rows)
    table["processor"] = platform.processor() or platform.machine()
    table["recorded"] = datetime.now(UTC).date().isoformat()
    if asked.record:
        table.to_csv(RESULTS, index=False, float_format="%.3g", lineterminator="\n")
        print(f"Written to {RESULTS.relative_to(RESULTS.parents[2])}.")


if __name__ == "__main__":
    main()
