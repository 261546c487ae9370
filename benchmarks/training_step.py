"""Where the time of a training step of Galiana goes, and what each change to it gains.

    python benchmarks/training_step.py                  one table of milliseconds and ratios, at the sizes of the paper
    python benchmarks/training_step.py --record         and writes it to results/benchmarks/training-step-DEVICE.csv

Every stage trains the same network on the same accessions in the same run; stages take turns, and the fastest epoch of
each counts. The first one is the network as it is written, with PyTorch's optimiser.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gi_lib.cohorts import load_cohort
from gi_lib.encoding.scaling import CountScaler
from gi_lib.models import Galiana
from gi_lib.training import (
    Counts,
    Held,
    Schedule,
    SharedCounts,
    Training,
    distinct_rows,
    masked_mse,
    resolve_device,
    train,
)
from gi_lib.training.inputs import Batches

RESULTS = Path(__file__).resolve().parents[1] / "results" / "benchmarks"
PLAIN = "as written"


class ScaledCounts(Counts):
    """Counts that are scaled batch by batch and then read by module G as it is written."""

    @staticmethod
    def join(inputs: list["ScaledCounts"]) -> Batches:
        """Batches of scaled counts (fit, batch, gene, variant_type)."""
        read = Counts.join(inputs)

        def scaled(place: torch.Tensor) -> tuple[torch.Tensor]:
            (batch,) = read(place)
            counts = batch.counts[batch.sample].float()
            return ((counts - batch.mean[:, None, None]) / batch.scale[:, None, None],)

        return scaled


STAGES = {
    "module G and optimiser in one pass": (Counts, 1),
    "equal genes once": (SharedCounts, 1),
    "five folds at once": (SharedCounts, 5),
}
ON_A_GPU = {
    "one step recorded": (ScaledCounts, 1),
    "module G in one pass": (Counts, 1),
    "five folds at once": (Counts, 5),
}


def now(device: torch.device) -> float:
    """Seconds, once all work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def plain_epoch(counts: torch.Tensor, scaler: CountScaler, labels: torch.Tensor, batch_size: int) -> float:
    """Seconds of the second of two epochs of the network as it is written."""
    device = counts.device
    mean, scale = (torch.as_tensor(values, device=device) for values in (scaler.mean_, scaler.scale_))
    network = Galiana(counts.shape[1], labels.shape[1], counts.shape[2]).to(device)
    optimiser = torch.optim.RMSprop(network.parameters(), lr=1e-2, weight_decay=1e-6)
    for _ in range(2):
        begin = now(device)
        for batch in torch.randperm(len(counts), device=device).split(batch_size):
            optimiser.zero_grad(set_to_none=True)
            masked_mse(network((counts[batch].float() - mean) / scale), labels[batch]).backward()
            optimiser.step()
    return now(device) - begin


def stacked_epoch(
    kind: type, n_fits: int, held: Held, scaler: CountScaler, labels: torch.Tensor, batch_size: int
) -> float:
    """Seconds of the second of two epochs of so many networks at once."""
    device = labels.device
    ends = []
    inputs = kind(held, scaler, device)
    schedule = Schedule(epochs=2, batch_size=batch_size)
    train(
        [
            Training(
                Galiana(held.array.shape[1], labels.shape[1], held.array.shape[2]).to(device), inputs, labels, schedule,
                seed=fit, after_epoch=(lambda epoch: ends.append(now(device))) if fit == 0 else None,
            )
            for fit in range(n_fits)
        ]
    )  # fmt: skip
    return ends[1] - ends[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", default="paper", choices=("demo", "paper"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--accessions", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    device, batch_size = resolve_device(options.device), 10
    cohort = load_cohort("simulated", scale=options.scale, seed=1)
    counts = cohort["counts"].values[: options.accessions]
    scaler, held = CountScaler().fit(counts), Held(counts)
    labels = torch.randn((len(counts), 36), generator=torch.Generator().manual_seed(1)).to(device)
    n_steps = -(-len(counts) // batch_size)
    stages = ON_A_GPU if device.type == "cuda" else STAGES

    best = dict.fromkeys([PLAIN, *stages], np.inf)
    for _ in range(options.rounds):
        best[PLAIN] = min(best[PLAIN], plain_epoch(held.on(device), scaler, labels, batch_size))
        for name, (kind, n_fits) in stages.items():
            seconds = stacked_epoch(kind, n_fits, held, scaler, labels, batch_size) / n_fits
            best[name] = min(best[name], seconds)
    table = pd.DataFrame({"stage": list(best), "ms": [1e3 * seconds / n_steps for seconds in best.values()]})
    table["ratio"] = table["ms"].iloc[0] / table["ms"]
    rows, row = distinct_rows(counts[:batch_size])
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    table = table.assign(
        genes=counts.shape[1],
        batch=batch_size,
        distinct_share=len(rows) / row.size,
        scale=options.scale,
        device=name,
    )
    print(table.to_string(index=False, float_format="%.3g"))
    if options.record:
        table.to_csv(RESULTS / f"training-step-{device.type}.csv", index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
