"""A training step of NeuralLasso as the paper writes the layer, against the separable form, for one fit and for many.

    python benchmarks/neural_lasso.py            prints a table of ratios
    python benchmarks/neural_lasso.py --record   and writes it to results/benchmarks/neural_lasso-DEVICE.csv

Every way trains on the same dosages (330 lines, 33,569 markers, as the panel of rice in the paper) and labels in the
same run, and has to give the same predictions after the same steps.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gi_lib.models import NeuralLasso
from gi_lib.notebook import device_name
from gi_lib.training import PROTOCOLS, resolve_device
from gi_lib.training.separable import Fit, LassoTraining, train_as_written, train_separable

RESULTS = Path(__file__).resolve().parents[1] / "results" / "benchmarks"
N_LINES, N_MARKERS = 330, 33_569
TOLERANCE = 1e-3  # of predictions in units of the labels' spread, after the steps that are compared


def fits(number: int, penalty: float = 0.05, seed: int = 1) -> list[Fit]:
    """Fits of different labels on four fifths of the lines."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(number):
        samples = np.sort(random.permutation(N_LINES)[: 4 * N_LINES // 5])
        made.append(Fit(samples, random.normal(size=len(samples)), penalty))
    return made


def seconds_of_steps(train, how: LassoTraining, made: list[Fit], n_steps: int, compiled: bool) -> float:
    """Seconds of one step: a longer training less a shorter one, the fastest of three; many more steps on a GPU."""
    found = []
    if how.device.type == "cuda":
        n_steps *= 200
    for _ in range(3 if compiled else 1):
        taken = []
        for steps in (2, 2 + n_steps):
            how.n_iterations = steps
            start = time.perf_counter()
            train(how, made)
            taken.append(time.perf_counter() - start)
        found.append((taken[1] - taken[0]) / n_steps)
    return min(found)


def main() -> None:
    """Measure, check, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--fits", type=int, nargs="+", default=[1, 50], metavar="N")
    asked = parser.parse_args()
    device = resolve_device(asked.device)
    random = np.random.default_rng(0)
    rows = []
    for kind, dosage in (
        ("inbred", 2 * random.integers(0, 2, (N_LINES, N_MARKERS))),
        ("heterozygous", random.integers(0, 3, (N_LINES, N_MARKERS))),
    ):
        layer = NeuralLasso(N_MARKERS)
        how = LassoTraining(dosage.astype(np.uint8), layer, [], PROTOCOLS["sound"], 10, device)
        one = fits(1)
        difference = train_as_written(how, one)[0].predicted - train_separable(how, one)[0].predicted
        assert np.abs(difference).max() < TOLERANCE, f"predictions differ by {np.abs(difference).max()}"
        plain = seconds_of_steps(train_as_written, how, one, 3, compiled=False)
        rows.append((kind, "layer as written", 1, plain))
        for number in asked.fits:
            step = seconds_of_steps(train_separable, how, fits(number), 10, compiled=True)
            rows.append((kind, "separable form", number, step / number))
    table = pd.DataFrame(rows, columns=["lines", "form", "fits", "seconds"])
    plain = table["lines"].map(table[table["form"] == "layer as written"].set_index("lines")["seconds"])
    table["ratio"] = (plain / table["seconds"]).round(1)
    table.insert(3, "ms_per_fit", (1000 * table.pop("seconds")).round(4))
    name = device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    table["device"] = name
    print(table.to_string(index=False))
    if asked.record:
        path = RESULTS / f"neural_lasso-{device.type}.csv"
        table.to_csv(path, index=False)
        print(f"Written to {path.relative_to(RESULTS.parents[1])}.")


if __name__ == "__main__":
    main()
