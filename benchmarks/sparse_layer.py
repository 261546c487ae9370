"""Time and memory of the sparse layer against other ways to compute the same, and against its peers.

    python benchmarks/sparse_layer.py            prints a table of ratios
    python benchmarks/sparse_layer.py --record   and writes it to results/benchmarks/sparse_layer.csv

Every way gets the same edges, weights, inputs and output gradients, in the same run, and has to give the same outputs
and gradients. The packages `kpnn2` and `binn` are compared if they are installed.
"""

import argparse
import importlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gi_lib.datasets.pathways import Edges
from gi_lib.models import SparseLinear

RESULTS = Path(__file__).resolve().parents[1] / "results" / "benchmarks" / "sparse_layer.csv"
N_GENES, N_PATHWAYS, N_EDGES = 27_655, 1_273, 30_655
OURS = "edge list (gi_lib)"


def paper_sized_edges(seed: int = 1) -> Edges:
    """Every gene in one pathway and 3,000 in a second one, pathways of unequal size."""
    random = np.random.default_rng(seed)
    popularity = random.uniform(0.02, 1, N_PATHWAYS)
    draw = random.choice(N_PATHWAYS, 4 * N_EDGES, p=popularity / popularity.sum())
    genes = np.concatenate([np.arange(N_GENES), random.integers(N_GENES, size=3 * N_EDGES)])
    pairs = pd.DataFrame({"gene": genes, "pathway": draw[: len(genes)]}).drop_duplicates()[:N_EDGES]
    pairs = pairs.sort_values(["pathway", "gene"])
    names = (np.char.mod(f"{kind}%d", np.arange(n)) for kind, n in (("g", N_GENES), ("p", N_PATHWAYS)))
    return Edges(pairs["gene"].to_numpy(), pairs["pathway"].to_numpy(), *names)


class EdgeWeights(nn.Module):
    """What the plain ways hold: the edges of the reference and a copy of its weights."""

    def __init__(self, edges: Edges, reference: SparseLinear):
        super().__init__()
        self.shape = (edges.n_targets, edges.n_sources)
        for name in ("source", "target", "first"):
            self.register_buffer(name, getattr(reference, name))
        self.weight = nn.Parameter(reference.weight.detach().clone())
        self.bias = nn.Parameter(reference.bias.detach().clone())


class GatherAndAdd(EdgeWeights):
    """Gather the source of each edge, multiply, add to the target: the plain way to use an edge list."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, source) to (batch, target)."""
        along = x[:, self.source] * self.weight
        return x.new_zeros(len(x), len(self.bias)).index_add(1, self.target, along) + self.bias


class SparseCSR(EdgeWeights):
    """`torch.sparse` in compressed rows; the gradient of its values is computed through a dense matrix."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, source) to (batch, target)."""
        matrix = torch.sparse_csr_tensor(self.first, self.source, self.weight, self.shape)
        return (matrix @ x.T).T + self.bias


class MaskedDense(nn.Module):
    """A dense weight matrix times a mask of zeros and ones: the usual way."""

    def __init__(self, edges: Edges, reference: SparseLinear):
        super().__init__()
        self.weight = nn.Parameter(dense_weight(edges, reference))
        self.register_buffer("mask", (self.weight != 0).float())
        self.bias = nn.Parameter(reference.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, source) to (batch, target)."""
        return nn.functional.linear(x, self.weight * self.mask, self.bias)


def ours(edges: Edges, reference: SparseLinear) -> nn.Module:
    """The layer of this project."""
    layer = SparseLinear(edges)
    layer.load_state_dict(reference.state_dict())
    return layer


def edge_gradient(layer: nn.Module, reference: SparseLinear) -> Tensor:
    """Gradient of the weights in the order of the edges, however a layer holds them."""
    gradient = (layer.weight_orig if hasattr(layer, "weight_orig") else layer.weight).grad
    return gradient[reference.target, reference.source] if gradient.ndim == 2 else gradient


def dense_weight(edges: Edges, reference: SparseLinear) -> Tensor:
    """The weight matrix (target, source) that the edge list stands for."""
    weight = torch.zeros(edges.n_targets, edges.n_sources)
    weight[reference.target, reference.source] = reference.weight.detach()
    return weight


def pruned(edges: Edges, reference: SparseLinear) -> nn.Module:
    """A layer of the package `binn`: dense, with PyTorch's pruning mask."""
    from binn.model.binn import _generate_sequential

    matrix = pd.DataFrame(
        (dense_weight(edges, reference) != 0).numpy().T, index=edges.source_names, columns=edges.target_names
    )
    network = _generate_sequential(
        [edges.n_sources, edges.n_targets], [matrix], activation="tanh", n_outputs=1, bias=True
    )
    layer = next(module for module in network.modules() if isinstance(module, nn.Linear))
    layer.weight_orig.data.copy_(dense_weight(edges, reference))
    layer.bias.data.copy_(reference.bias)
    return layer


def packed(edges: Edges, reference: SparseLinear) -> nn.Module:
    """A layer of the package `kpnn2`."""
    from kpnn2 import PackedLinear

    layer = PackedLinear(reference.source, reference.target, edges.n_targets, edges.n_sources)
    layer.weight.data.copy_(reference.weight)
    layer.bias.data.copy_(reference.bias)
    return layer


WAYS: dict[str, Callable[[Edges, SparseLinear], nn.Module]] = {
    OURS: ours,
    "gather and index_add": GatherAndAdd,
    "torch.sparse CSR": SparseCSR,
    "dense × mask": MaskedDense,
    "kpnn2": packed,
    "binn": pruned,
}


def peak_memory() -> float:
    """Highest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(way: str, batch: int, repeats: int) -> dict[str, float | str]:
    """One way at one batch size, alone in its process: milliseconds, memory, and how far it is from the reference."""
    torch.set_num_threads(2)
    edges = paper_sized_edges()
    torch.manual_seed(1)
    reference = SparseLinear(edges)
    x, gradient = torch.randn(batch, edges.n_sources), torch.randn(batch, edges.n_targets)

    def step(layer: nn.Module) -> tuple[float, float, list[Tensor]]:
        inputs = x.clone().requires_grad_()
        layer.zero_grad(set_to_none=True)
        begin = time.perf_counter()
        output = layer(inputs)
        middle = time.perf_counter()
        output.backward(gradient)
        end = time.perf_counter()
        return middle - begin, end - middle, [output.detach(), inputs.grad]

    plain = GatherAndAdd(edges, reference)
    expected = step(plain)[2]
    expected.append(edge_gradient(plain, reference).clone())
    before = peak_memory()
    layer = WAYS[way](edges, reference)
    step(layer)
    times = []
    for _ in range(repeats):
        forward, backward, found = step(layer)
        times.append((forward, backward))
    found.append(edge_gradient(layer, reference))
    error = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected, strict=True))
    forward, backward = 1e3 * np.median(times, axis=0)
    return {
        "way": way,
        "batch": batch,
        "forward_ms": forward,
        "backward_ms": backward,
        "memory_mb": peak_memory() - before,
        "relative_error": error,
    }


PEERS = {
    "kpnn2": "pip install --no-deps kpnn2",
    "binn": "pip install --no-deps binn shap slicer",
}
"""Packages that take part where they are installed; what they depend on would replace pinned versions."""


def cannot_import(package: str) -> str:
    """Why a package cannot be used; empty if it can."""
    try:
        importlib.import_module(package)
    except ImportError as error:
        return str(error)
    return ""


def main() -> None:
    """Measure every way in a process of its own, print the table, and record it if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("--batch", type=int, nargs="+", default=[10, 200], help="accessions in a batch")
    parser.add_argument("--repeats", type=int, default=15, help="steps behind each median")
    parser.add_argument("--only", nargs=2, metavar=("WAY", "BATCH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        way, batch = arguments.only
        print(json.dumps(measure(way, int(batch), arguments.repeats)))
        return
    rows = []
    for batch in arguments.batch:
        for way in WAYS:
            if way in PEERS and (reason := cannot_import(way)):
                print(f"{way} is left out: {reason}. To install it: {PEERS[way]}", file=sys.stderr)
                continue
            command = [
                sys.executable,
                __file__,
                "--repeats",
                str(arguments.repeats),
                "--only",
                way,
                str(batch),
            ]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            rows.append(json.loads(output))
    table = pd.DataFrame(rows)
    step = table["forward_ms"] + table["backward_ms"]
    of_ours = step[table["way"] == OURS].set_axis(table["batch"][table["way"] == OURS])
    table["step_ratio"] = step / table["batch"].map(of_ours)
    if (table["relative_error"] > 1e-4).any():
        raise SystemExit(
            "Some way gives other outputs or gradients; see relative_error:\n" + table.to_string()
        )
    print(f"{N_GENES:,} genes -> {N_PATHWAYS:,} pathways, {N_EDGES:,} edges, float32, 2 threads")
    print(table.to_string(index=False, float_format="{:.3g}".format))
    if arguments.record:
        table.to_csv(RESULTS, index=False, float_format="%.4g", lineterminator="\n")
        print(f"Recorded in {RESULTS}.")


if __name__ == "__main__":
    main()
