"""Time of BINN's networks of entities against other ways to compute the same, and of the eQTL scan against statsmodels.

    python benchmarks/binn.py            prints two tables of ratios
    python benchmarks/binn.py --record   and writes them to results/benchmarks/binn.csv and eqtl_scan.csv

Every way gets the same weights, inputs and output gradients in the same run, and has to give the same latents and the
same gradient of the inputs. The packages `kpnn2` and `binn` know layers of edges and no networks per entity; they get
one layer from markers to all hidden units and one from these to the entities, which is the same. They take part where
they are installed. Dense matrices fit the small size only.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
import torch
from sparse_layer import PEERS, MaskedDense, cannot_import, packed, pruned
from torch import Tensor, nn

from gi_lib.datasets.pathways import Edges
from gi_lib.models import EntityEncoder, SparseLinear, association_tests

# From here on, `import binn` is to find the package and not this file.
sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent]

RESULTS = Path(__file__).resolve().parents[1] / "results" / "benchmarks"
SIZES = {"small": (2_000, 100, 20, 16), "paper": (10_000, 1_041, 20, 128)}
"""Markers, entities, markers of each, hidden units of each; the second as in one published model."""
N_SAMPLES, BATCH = 600, 32
OURS = "batched (gi_lib)"
DENSE = ("dense × mask", "binn")


def entity_edges(size: str, seed: int = 1) -> Edges:
    """Every entity with markers drawn at random."""
    n_markers, n_entities, own, _ = SIZES[size]
    random = np.random.default_rng(seed)
    source = np.concatenate(
        [np.sort(random.choice(n_markers, own, replace=False)) for _ in range(n_entities)]
    )
    names = (np.arange(n).astype(str) for n in (n_markers, n_entities))
    return Edges(source, np.repeat(np.arange(n_entities), own), *names)


class Loop(nn.Module):
    """One small network after the other, as the paper draws them."""

    def __init__(self, edges: Edges, encoder: EntityEncoder):
        super().__init__()
        self.own = [
            torch.from_numpy(edges.source[edges.target == entity]) for entity in range(edges.n_targets)
        ]
        hidden = encoder.bias.shape[1]
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(len(own), hidden), nn.Sigmoid(), nn.Linear(hidden, 1)) for own in self.own
        )
        with torch.no_grad():
            for entity, network in enumerate(self.networks):
                network[0].weight.copy_(encoder.weight[encoder.target == entity].T)
                network[0].bias.copy_(encoder.bias[entity])
                network[2].weight.copy_(encoder.output_weight[entity][None])
                network[2].bias.copy_(encoder.output_bias[entity][None])

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, marker) to (batch, entity)."""
        return torch.cat(
            [network(x[:, own]) for own, network in zip(self.own, self.networks, strict=True)], 1
        )


def two_layers(
    make: Callable[[Edges, SparseLinear], nn.Module],
) -> Callable[[Edges, EntityEncoder], nn.Module]:
    """The same as two layers of edges of the kind that `make` makes, with a sigmoid between them."""

    def build(edges: Edges, encoder: EntityEncoder) -> nn.Module:
        n_entities, hidden = encoder.bias.shape
        mine = [np.flatnonzero(edges.target == entity) for entity in range(n_entities)]
        units = np.arange(n_entities * hidden)
        lower = Edges(
            np.concatenate([np.tile(edges.source[one], hidden) for one in mine]),
            np.concatenate(
                [np.repeat(units[i * hidden : (i + 1) * hidden], len(one)) for i, one in enumerate(mine)]
            ),
            edges.source_names,
            units.astype(str),
        )
        upper = Edges(units, units // hidden, units.astype(str), edges.target_names)
        layers = []
        for where, weight, bias in (
            (lower, torch.cat([encoder.weight[one].T.flatten() for one in mine]), encoder.bias.flatten()),
            (upper, encoder.output_weight.flatten(), encoder.output_bias),
        ):
            reference = SparseLinear(where)
            reference.weight.data.copy_(weight)
            reference.bias.data.copy_(bias)
            layers.append(make(where, reference))
        return nn.Sequential(layers[0], nn.Sigmoid(), layers[1])

    return build


WAYS: dict[str, Callable[[Edges, EntityEncoder], nn.Module]] = {
    OURS: lambda edges, encoder: encoder,
    "loop over networks": Loop,
    "two sparse layers (gi_lib)": two_layers(lambda edges, reference: reference),
    "kpnn2": two_layers(packed),
    "dense × mask": two_layers(MaskedDense),
    "binn": two_layers(pruned),
}


def training_time(size: str, repeats: int) -> list[dict[str, float | str]]:
    """Seconds of an epoch of forward and backward passes for every way that can do this size."""
    edges = entity_edges(size)
    torch.manual_seed(1)
    encoder = EntityEncoder(edges, SIZES[size][3])
    x, gradient = torch.randn(BATCH, edges.n_sources), torch.randn(BATCH, edges.n_targets)
    rows, expected = [], None
    for way, make in WAYS.items():
        if size != "small" and way in DENSE:
            continue
        if way in PEERS and (reason := cannot_import(way)):
            print(f"{way} is left out: {reason}. To install it: {PEERS[way]}", file=sys.stderr)
            continue
        network = make(edges, encoder)
        taken = []
        for _ in range(repeats + 1):
            inputs = x.clone().requires_grad_()
            network.zero_grad(set_to_none=True)
            begin = time.perf_counter()
            latents = network(inputs)
            latents.backward(gradient)
            taken.append(time.perf_counter() - begin)
        found = latents.detach(), inputs.grad
        expected = found if expected is None else expected
        error = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected, strict=True))
        if error > 1e-4:
            raise SystemExit(f"{way} gives other latents or gradients than {OURS}: {error:.1e} relative.")
        epoch = np.median(taken[1:]) * -(-N_SAMPLES // BATCH)
        rows.append({"size": size, "way": way, "epoch_seconds": epoch, "relative_error": error})
    return rows


def scan_time(n_pairs: int = 1000, seed: int = 1) -> list[dict[str, float | str]]:
    """Pairs of marker and gene per second, with ten covariates: ours on all pairs, statsmodels on some of them."""
    random = np.random.default_rng(seed)
    n_markers, n_genes = 10_000, 200
    dosage = random.integers(0, 3, (N_SAMPLES, n_markers)).astype(float)
    covariates = np.hstack([np.ones((N_SAMPLES, 1)), random.normal(size=(N_SAMPLES, 10))])
    effects = random.normal(size=(n_markers, n_genes)) * (random.random((n_markers, n_genes)) < 2e-4)
    expression = dosage @ effects + random.normal(size=(N_SAMPLES, n_genes))
    association_tests(dosage[:, :10], expression[:, :2], covariates)
    begin = time.perf_counter()
    found = association_tests(dosage, expression, covariates)
    p = found.p
    ours = n_markers * n_genes / (time.perf_counter() - begin)
    # Half of the pairs at random, half the strongest, whose p values are the hardest.
    strongest = np.argsort(p, axis=None)[: n_pairs // 2]
    pairs = np.concatenate([random.integers(p.size, size=n_pairs - len(strongest)), strongest])
    begin, theirs = time.perf_counter(), []
    for marker, gene in zip(*np.unravel_index(pairs, p.shape), strict=True):
        theirs.append(
            sm.OLS(expression[:, gene], np.column_stack([dosage[:, marker], covariates])).fit().pvalues[0]
        )
    plain = n_pairs / (time.perf_counter() - begin)
    away = np.abs(p.ravel()[pairs] - theirs)
    return [
        {
            "way": "all at once (gi_lib)",
            "pairs_per_second": ours,
            "ratio": ours / plain,
            "largest_difference_of_p": away.max(),
        },
        {
            "way": "statsmodels, pair by pair",
            "pairs_per_second": plain,
            "ratio": 1.0,
            "largest_difference_of_p": 0.0,
        },
    ]


def main() -> None:
    """Measure, check, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--repeats", type=int, default=7, help="passes behind each median")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    asked = parser.parse_args()
    torch.set_num_threads(2)
    table = pd.DataFrame([row for size in asked.sizes for row in training_time(size, asked.repeats)])
    of_ours = table[table["way"] == OURS].set_index("size")["epoch_seconds"]
    table["ratio"] = table["epoch_seconds"] / table["size"].map(of_ours)
    scan = pd.DataFrame(scan_time())
    if scan["largest_difference_of_p"].max() > 1e-8:
        raise SystemExit(f"p values differ from those of statsmodels:\n{scan.to_string()}")
    print(f"Networks of entities, forward and backward, {N_SAMPLES} samples in batches of {BATCH}, 2 threads")
    print(table.to_string(index=False, float_format="{:.3g}".format))
    print("\neQTL scan, 600 samples, 10 covariates")
    print(scan.to_string(index=False, float_format="{:.3g}".format))
    if asked.record:
        for name, one in (("binn", table), ("eqtl_scan", scan)):
            one.to_csv(RESULTS / f"{name}.csv", index=False, float_format="%.4g", lineterminator="\n")
        print("Recorded in results/benchmarks/binn.csv and eqtl_scan.csv.")


if __name__ == "__main__":
    main()
