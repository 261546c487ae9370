"""Time of training the networks of Raimondi et al. 2024: a plain loop against the stacked one of gi_lib.

    python benchmarks/training.py                                    demo sizes
    python benchmarks/training.py --scale paper --whole Galiana      the sizes of the paper, for a GPU
    python benchmarks/training.py --record                           and writes results/benchmarks/training-*.csv
    python benchmarks/training.py --seeds 15 --epochs 20 --record    scores of Galiana in both ways

The plain loop is what a reader of the paper would write: the network as a module, PyTorch's optimiser and DataLoader,
one fold after the other; its counts already lie on the device. It trains for a few epochs only, and its time is scaled
to all of them, except for the models named by --whole, whose scores are then compared. The stacked loop runs the whole
cross-validation.
"""

import argparse
import gc
import resource
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
import xarray as xr
from sklearn.base import BaseEstimator, clone
from torch.utils.data import DataLoader, TensorDataset

from gi_lib.cohorts import load_cohort
from gi_lib.encoding.scaling import CountScaler
from gi_lib.evaluation import MEAN_OVER_TRAITS, correlations, fold_scores
from gi_lib.lineup import pathway_layers, published_models
from gi_lib.models import Galiana, sphere
from gi_lib.models.fused import CountBatch
from gi_lib.training import masked_mse, resolve_device
from gi_lib.training.stacked import stack
from gi_lib.validation import Model, RandomFolds, cross_validate

RESULTS = Path(__file__).resolve().parents[1] / "results" / "benchmarks"


class PlainLoop(BaseEstimator):
    """An estimator of gi_lib trained in the plain way; its time without the first epoch is kept in `seconds`."""

    seconds: ClassVar[dict[str, list[float]]] = {}

    def __init__(self, name: str, estimator: BaseEstimator, epochs: int | None = None, seed: int = 0):
        self.name = name
        self.estimator = estimator
        self.epochs = epochs
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray, source: np.ndarray | None = None) -> "PlainLoop":
        """Train; see the module."""
        self.fitted_ = clone(self.estimator).set_params(seed=self.seed)
        device = resolve_device(self.fitted_.device)
        if hasattr(self.fitted_, "source_epochs"):
            body = published_models(
                xr.Dataset(), (), epochs=self.fitted_.source_epochs, device=self.fitted_.device
            )
            first = PlainLoop(f"{self.name}, source task", body[0].estimator, self.epochs, self.seed)
            self.fitted_.source_ = first.fit(X, source).fitted_
        self._fit(X, y, device)
        return self

    def _fit(self, X: np.ndarray, y: np.ndarray, device: torch.device) -> None:
        model = self.fitted_
        known = ~np.isnan(y).all(axis=1)
        X, y = X[known], y[known]
        model.label_mean_, model.label_scale_ = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
        labels = torch.tensor(
            (y - model.label_mean_) / model.label_scale_, dtype=torch.float32, device=device
        )
        read = self._reader(X, device)
        torch.manual_seed(self.seed)
        model.network_ = network = model._build(X, y.shape[1]).to(device)
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimiser = torch.optim.RMSprop(trained, model.learning_rate, weight_decay=model.weight_decay)
        cut = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=1 / 3, patience=2, threshold=0.0)
        loader = DataLoader(TensorDataset(torch.arange(len(X))), model.batch_size, shuffle=True)
        for epoch in range(self.epochs or model.epochs):
            if epoch == 1:
                begin, first = _now(device), epoch
            total = torch.zeros((), device=device)
            for (batch,) in loader:
                batch = batch.to(device)
                optimiser.zero_grad(set_to_none=True)
                loss = masked_mse(network(read(batch)), labels[batch])
                loss.backward()
                optimiser.step()
                total += loss.detach() * len(batch)
            cut.step(total.item())
        per_epoch = (_now(device) - begin) / (epoch + 1 - first)
        self.seconds.setdefault(self.name, []).append(per_epoch * model.epochs)

    def _reader(self, X: np.ndarray, device: torch.device):
        if X.ndim == 2:
            places = torch.tensor(sphere(X), dtype=torch.float32, device=device)
            return lambda batch: places[batch]
        if not hasattr(self.fitted_, "source_"):
            self.fitted_.scaler_ = CountScaler(self.fitted_.scaling).fit(X)
        else:
            self.fitted_.scaler_ = self.fitted_.source_.scaler_
        scaler = self.fitted_.scaler_
        counts = torch.as_tensor(X, device=device)
        mean, scale = (torch.as_tensor(values, device=device) for values in (scaler.mean_, scaler.scale_))
        return lambda batch: (counts[batch].float() - mean) / scale

    @torch.no_grad()
    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions in the units of the labels."""
        model = self.fitted_
        device = next(model.network_.parameters()).device
        if X.ndim == 2:
            read, places = self._reader(X, device), torch.arange(len(X)).split(100)
            parts = [model.network_(read(place.to(device))) for place in places]
        else:
            mean, scale = (
                torch.as_tensor(v, device=device) for v in (model.scaler_.mean_, model.scaler_.scale_)
            )
            chunks = torch.as_tensor(X).split(50)
            parts = [model.network_((chunk.to(device).float() - mean) / scale) for chunk in chunks]
        return torch.cat(parts).cpu().numpy() * model.label_scale_ + model.label_mean_


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _forget_memory(device: torch.device) -> None:
    """Begin to look for the peak anew, with nothing left over from another model."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak_memory(device: torch.device) -> float:
    """MB on the GPU at the most since `_forget_memory`."""
    return torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else np.nan


def gradient_error(cohort: xr.Dataset, device: torch.device) -> float:
    """Largest relative difference of a parameter's gradient between Galiana as written and stacked, one batch."""
    counts = cohort["counts"].values[:10]
    torch.manual_seed(1)
    networks = [Galiana(counts.shape[1], 36, counts.shape[2]).to(device) for _ in range(2)]
    scaler = CountScaler().fit(counts)
    mean, scale = (torch.as_tensor(values, device=device) for values in (scaler.mean_, scaler.scale_))
    labels = torch.randn(10, 36, device=device)
    held = torch.as_tensor(counts, device=device)
    for network in networks:
        masked_mse(network((held.float() - mean) / scale), labels).backward()
    together = stack(networks)
    sample = torch.arange(10, device=device).expand(2, 10).contiguous()
    batch = CountBatch(held, sample, mean.expand(2, -1).contiguous(), scale.expand(2, -1).contiguous(), False)
    masked_mse(together(batch), labels.expand(2, -1, -1)).sum().backward()
    errors = [
        (found - parameter.grad).norm() / parameter.grad.norm()
        for name, stacked in together.named_parameters()
        for network, found in zip(networks, stacked.grad, strict=True)
        if (parameter := network.get_parameter(name)).grad.norm()
        > 1e-6  # the bias below a normalisation has none
    ]
    return max(error.item() for error in errors)


def floor_seconds(cohort: xr.Dataset, n_fits: int, n_steps: int, device: torch.device) -> float:
    """What the memory traffic of training stacked Galianas needs at least, at the bandwidth of a copy.

    Counted are the counts, read forward and backward; the values of genes, eight passes; and the parameters: two reads
    by the products, one write of the gradient, three reads and two writes by the optimiser.
    """
    big = torch.empty(2**28, device=device)
    target = torch.empty_like(big)
    for repeat in range(6):
        if repeat == 1:
            begin = _now(device)
        target.copy_(big)
    bandwidth = 5 * 2 * big.numel() * 4 / (_now(device) - begin)
    n_genes, n_types = cohort.sizes["gene"], cohort.sizes["variant_type"]
    n_parameters = sum(p.numel() for p in Galiana(n_genes, cohort.sizes["trait"], n_types).parameters())
    return (
        n_steps
        * n_fits
        * (2 * 10 * n_genes * n_types + 4 * (8 * 10 * n_genes + 8 * n_parameters))
        / bandwidth
    )


def pearson(predictions: pd.DataFrame) -> tuple[float, float]:
    """Mean over traits, pooled and within countries."""
    table = correlations(predictions, n_bootstrap=2)
    mean = table[table["trait"] == MEAN_OVER_TRAITS].set_index("score")["estimate"]
    return mean["pooled"], mean["within country"]


def both_ways(cohort: xr.Dataset, model: Model, split: RandomFolds, n_seeds: int) -> pd.DataFrame:
    """Correlation in each fold, mean over traits, of the stacked and of the plain loop, for several seeds."""
    ways = {
        "stacked": model,
        "plain": Model(model.name, PlainLoop(model.name, model.estimator), model.inputs),
    }
    rows = []
    for seed in range(1, n_seeds + 1):
        for way, one in ways.items():
            scores = fold_scores(cross_validate(cohort, [one], split, seed, cached=False))
            mean = scores[(scores["trait"] == MEAN_OVER_TRAITS) & (scores["score"] == "pooled")]
            rows.append(mean[["fold", "estimate"]].assign(model=model.name, seed=seed, way=way))
    table = pd.concat(rows).pivot(index=["model", "seed", "fold"], columns="way", values="estimate")
    return table.reset_index()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohort", default="simulated")
    parser.add_argument("--scale", default="demo", choices=("demo", "paper"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--plain-epochs", type=int, default=3, help="of the plain loop, two or more; 0: none")
    parser.add_argument("--whole", nargs="*", default=[], help="models whose plain loop runs all epochs")
    parser.add_argument("--models", nargs="*", help="only these")
    parser.add_argument("--seeds", type=int, default=0, help="compare the scores of both loops, nothing else")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    device = resolve_device(options.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"

    begin = time.perf_counter()
    cohort = load_cohort(options.cohort, scale=options.scale, seed=1)
    print(f"{options.cohort}, {dict(cohort.sizes)}; {name}; PyTorch {torch.__version__}")
    print(
        f"cohort: {time.perf_counter() - begin:.0f} s; gradients differ by {gradient_error(cohort, device):.1e}"
    )
    models = published_models(
        cohort,
        pathway_layers(cohort),
        epochs=options.epochs,
        source_epochs=options.epochs,
        device=options.device,
    )
    models = [model for model in models if not options.models or model.name in options.models]
    split = RandomFolds(options.folds)
    if options.seeds:
        galiana = next(model for model in models if model.name == "Galiana")
        table = both_ways(cohort, galiana, split, options.seeds).assign(epochs=options.epochs)
        difference = (table["stacked"] - table["plain"]).groupby(table["seed"]).mean()
        print(table.to_string(index=False, float_format="%.4f"))
        print(f"mean difference {difference.mean():.4f}, its standard error {difference.sem():.4f}")
        spread = table.groupby("fold")[["stacked", "plain"]].std().mean()
        print(f"between seeds of a fold: stacked {spread['stacked']:.4f}, plain {spread['plain']:.4f}")
        if options.record:
            path = RESULTS / f"training-seeds-{device.type}.csv"
            table.to_csv(path, index=False, float_format="%.4g")
        return
    n_steps = -(-(cohort.sizes["sample"] * (options.folds - 1) // options.folds) // 10)

    rows, everything = [], 0.0
    for model in models:
        _forget_memory(device)
        begin = _now(device)
        stacked = cross_validate(cohort, [model], split, cached=False)
        seconds = _now(device) - begin
        everything += seconds
        row = {
            "model": model.name, "fits": options.folds, "seconds": seconds, "memory_mb": _peak_memory(device),
            **dict(zip(("pearson", "pearson_within"), pearson(stacked), strict=True)),
        }  # fmt: skip
        rows.append(row)
        print(
            " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()),
            flush=True,
        )
    print(f"all models: {everything:.1f} s")

    for model, row in zip(models if options.plain_epochs else [], rows, strict=False):
        whole = model.name in options.whole
        PlainLoop.seconds.clear()
        loop = PlainLoop(model.name, model.estimator, None if whole else options.plain_epochs)
        # One fold tells what an epoch takes; all of them only where the scores are wanted.
        folds = list(split.folds(cohort))
        _forget_memory(device)
        if whole:
            begin = _now(device)
            plain = cross_validate(cohort, [Model(model.name, loop, model.inputs)], split, cached=False)
            row["plain_seconds"] = _now(device) - begin
            row["plain_pearson"], row["plain_pearson_within"] = pearson(plain)
        else:
            one = _only(folds[0])
            cross_validate(cohort, [Model(model.name, loop, model.inputs)], one, cached=False)
            row["plain_seconds"] = options.folds * sum(times[0] for times in PlainLoop.seconds.values())
        row["plain_whole"] = whole
        row["plain_memory_mb"] = _peak_memory(device)
        row["ratio"] = row["plain_seconds"] / row["seconds"]
        if model.name == "Galiana":
            row["floor_share"] = (
                floor_seconds(cohort, options.folds, n_steps * options.epochs, device) / row["seconds"]
            )
        print(
            " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()),
            flush=True,
        )
    table = pd.DataFrame(rows).assign(
        device=name, cohort=options.cohort, scale=options.scale, epochs=options.epochs
    )
    print(table.to_string(index=False, float_format="%.3g"))
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"highest resident memory: {resident:.2f} GB")
    if options.record:
        path = RESULTS / f"training-{options.scale}-{device.type}.csv"
        table.to_csv(path, index=False, float_format="%.4g")


class _only:
    """A split of one fold."""

    name = "random"

    def __init__(self, fold):
        self.fold = fold

    def folds(self, cohort: xr.Dataset):
        """That fold."""
        yield self.fold


if __name__ == "__main__":
    main()
