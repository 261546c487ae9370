"""The Gibbs samplers of BayesA, BayesB and the Bayesian Lasso against BGLR on the same data.

    python benchmarks/gibbs.py            prints a table
    python benchmarks/gibbs.py --record   and writes it to results/benchmarks/gibbs.csv
    python benchmarks/gibbs.py --cores    a cross-validation on one core and on all of them; needs no R

Both learn from the same dosages and labels of four fifths of the rice lines, with as many iterations and one thread,
and predict the other lines by their marker effects. Needs R with BGLR (Pérez & de los Campos 2014) and the rice panel.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from gi_lib.cohorts.panels import TABLE_1, load_panel, one_trait
from gi_lib.encoding.markers import filter_markers
from gi_lib.models import PRIORS, BayesianRegression
from gi_lib.validation import Model, RandomFolds, cross_validate

RESULTS = Path(__file__).resolve().parents[1] / "results" / "benchmarks" / "gibbs.csv"
THEIR_NAMES = {"BayesA": "BayesA", "BayesB": "BayesB", "Bayesian Lasso": "BL"}
SCRIPT = """
suppressPackageStartupMessages(library(BGLR))
X <- as.matrix(read.csv("X.csv", header = FALSE)); y <- scan("y.csv", quiet = TRUE); set.seed({seed})
seconds <- system.time(fit <- BGLR(y, ETA = list(list(X = X, model = "{model}")), nIter = {iterations},
    burnIn = {burn_in}, thin = 5, verbose = FALSE, saveAt = "chain"))[["elapsed"]]
noise <- scan("chainvarE.dat", quiet = TRUE)
write.table(fit$ETA[[1]]$b, "effects", row.names = FALSE, col.names = FALSE)
write.table(noise, "noise", row.names = FALSE, col.names = FALSE)
cat(seconds)
"""


def theirs(X: np.ndarray, y: np.ndarray, prior: str, iterations: int, burn_in: int, seed: int) -> tuple:
    """Seconds, marker effects, and draws of the residual variance after the burn-in."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savetxt(folder / "X.csv", X, fmt="%d", delimiter=",")
        np.savetxt(folder / "y.csv", y)
        script = SCRIPT.format(model=THEIR_NAMES[prior], iterations=iterations, burn_in=burn_in, seed=seed)
        done = subprocess.run(["Rscript", "-e", script], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"BGLR could not be run: {done.stderr.strip().splitlines()[-1]}")
        noise = np.loadtxt(folder / "noise")  # one number for every fifth iteration
        return float(done.stdout), np.loadtxt(folder / "effects"), noise[burn_in // 5 :]


def ours(X: np.ndarray, y: np.ndarray, prior: str, iterations: int, burn_in: int, seed: int) -> tuple:
    """The same."""
    BayesianRegression(prior, 20, 0, seed=seed).fit(X, y)  # compiled before the clock runs
    model = BayesianRegression(prior, iterations, burn_in, seed=seed)
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start, model.effects_[:, 0], model.traces_[0, 0, :, 1]


def error_of_mean(draws: np.ndarray) -> float:
    """Monte Carlo standard error of the mean of correlated draws, from twenty batches."""
    batches = np.array([part.mean() for part in np.array_split(draws, 20)])
    return batches.std(ddof=1) / np.sqrt(len(batches))


def on_cores(panel: xr.Dataset, iterations: int) -> pd.DataFrame:
    """Seconds of a cross-validation by each sampler, fold after fold and on all cores."""
    rows = []
    cores, split = torch.get_num_threads(), RandomFolds(2 * torch.get_num_threads())
    for prior in PRIORS:
        BayesianRegression(prior, 20, 0).fit(
            panel["dosage"].values, panel["trait_value"].values
        )  # compiled first
        models = [Model(prior, BayesianRegression(prior, iterations, 3 * iterations // 10), "dosage")]
        seconds, tables = [], []
        for threads in (1, cores):
            torch.set_num_threads(threads)
            start = time.perf_counter()
            tables.append(cross_validate(panel, models, split, cached=False))
            seconds.append(time.perf_counter() - start)
        assert tables[0].equals(tables[1])
        rows.append((prior, split.n_splits, cores, *seconds, seconds[0] / seconds[1]))
    return pd.DataFrame(rows, columns=["prior", "folds", "cores", "one_core", "all_cores", "ratio"])


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--markers", type=int, default=2_000)
    parser.add_argument("--iterations", type=int, default=20_000)
    parser.add_argument("--cores", action="store_true")
    asked = parser.parse_args()
    name, trait = TABLE_1["ARK"]
    panel = one_trait(filter_markers(load_panel(name))[0], trait)
    every = np.linspace(0, panel.sizes["marker"] - 1, min(asked.markers, panel.sizes["marker"]))
    panel = panel.isel(marker=every.round().astype(int))
    if asked.cores:
        print(on_cores(panel, asked.iterations).round(2).to_string(index=False))
        return
    X = panel["dosage"].values
    y = panel["trait_value"].values[:, 0]
    fold = next(iter(RandomFolds(5).folds(panel)))
    rows = []
    for prior in PRIORS:
        settings = (prior, asked.iterations, 3 * asked.iterations // 10)
        learned = X[fold.train], y[fold.train]
        their_seconds, their_effects, their_noise = theirs(*learned, *settings, seed=1)
        our_seconds, our_effects, our_noise = ours(*learned, *settings, seed=1)
        their_values, our_values = (X[fold.test] @ effects for effects in (their_effects, our_effects))
        apart = our_noise.mean() - their_noise.mean()
        error = np.hypot(error_of_mean(our_noise), error_of_mean(their_noise))
        rows.append(
            {
                "prior": prior,
                "markers": X.shape[1],
                "iterations": asked.iterations,
                "bglr_per_second": asked.iterations / their_seconds,
                "ours_per_second": asked.iterations / our_seconds,
                "ratio": their_seconds / our_seconds,
                "same_predictions": np.corrcoef(our_values, their_values)[0, 1],
                "bglr_accuracy": np.corrcoef(their_values, y[fold.test])[0, 1],
                "ours_accuracy": np.corrcoef(our_values, y[fold.test])[0, 1],
                "bglr_residual_variance": their_noise.mean(),
                "ours_residual_variance": our_noise.mean(),
                "apart_in_errors": apart / error,
            }
        )
        print(pd.Series(rows[-1]).to_string(float_format="{:.4g}".format), flush=True)
    if asked.record:
        pd.DataFrame(rows).round(4).to_csv(RESULTS, index=False)
        print(f"Written to {RESULTS.relative_to(RESULTS.parents[2])}.")


if __name__ == "__main__":
    main()
