"""What networks read: features or counts, held on the device that computes, for several fits at once."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from numba import njit
from torch import Tensor

from gi_lib.datasets.cohort import MISSING_DOSAGE
from gi_lib.encoding.markers import missing_dosages
from gi_lib.encoding.scaling import CountScaler, moments
from gi_lib.models.fused import CountBatch

Batches = Callable[[Tensor], tuple]
"""Maps places (fit, batch) to the arguments of a stacked network's ``forward``; see `Inputs.join`."""

FEW = 1 / 2
"""On the CPU, rows are shared if a batch has fewer kinds of them than this share of its genes."""


class Held:
    """An array that several fits read, in the forms in which devices hold it, each made once."""

    def __init__(self, array: np.ndarray):
        self.array = np.asarray(array)
        self._tensors: dict[torch.device, Tensor] = {}

    def __len__(self) -> int:
        return len(self.array)

    def on(self, device: torch.device) -> Tensor:
        """The array on a device."""
        if device not in self._tensors:
            self._tensors[device] = torch.as_tensor(np.ascontiguousarray(self.array)).to(device)
        return self._tensors[device]

    @cached_property
    def distinct(self) -> tuple[Tensor, Tensor]:
        """See `distinct_rows`."""
        rows, row = distinct_rows(self.array)
        return torch.as_tensor(rows), torch.as_tensor(row)

    @cached_property
    def dosage(self) -> np.ndarray:
        """Dosages as bytes if all are 0, 1, 2 or missing (255 or NaN), else as float32.

        Raises
        ------
        ValueError
            If they are no matrix, one is not between 0 and 2, or some are missing and others fractions.
        """
        X = self.array
        missing = missing_dosages(X)
        if (missing | (X == 0) | (X == 1) | (X == 2)).all():
            return np.where(missing, MISSING_DOSAGE, X).astype(np.uint8)
        if missing.any():
            raise ValueError("Some dosages are fractions and others missing; fill the gaps first.")
        return np.ascontiguousarray(X, np.float32)

    @cached_property
    def counts(self) -> np.ndarray:
        """Counts as they are, once it is clear that they are some.

        Raises
        ------
        ValueError
            If they are not numbers of shape (accession, gene, variant_type), or one is not finite, or a whole number
            below 0. Fractions below 0 are counts that somebody has scaled.
        """
        X = self.array
        if X.ndim != 3 or 0 in X.shape[1:] or X.dtype.kind not in "iuf":
            raise ValueError(
                f"X is {X.dtype} of shape {X.shape}; needed are numbers of shape (sample, gene, variant_type)."
            )
        if X.dtype.kind == "u":
            return X
        wrong = X < 0 if X.dtype.kind == "i" else ~np.isfinite(X)
        if wrong.any():
            sample, gene, kind = np.argwhere(wrong)[0]
            raise ValueError(
                f"The count of variant type number {kind} in gene number {gene} of accession number {sample} is "
                f"{X[sample, gene, kind]}; counts are finite and not below 0."
            )
        return X

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """See `gi_lib.encoding.scaling.moments`."""
        return moments(self.counts)

    @cached_property
    def digest(self) -> str:
        """Hash of the content."""
        content = np.ascontiguousarray(self.array)
        return hashlib.sha256(f"{content.shape}{content.dtype}".encode() + content.tobytes()).hexdigest()


class Part(NamedTuple):
    """Some accessions of an array that is held, to be predicted without a copy of them."""

    held: Held
    samples: np.ndarray


class Inputs(Protocol):
    """What one fit reads; inputs of one class can be joined."""

    def __len__(self) -> int:
        """Number of accessions."""

    @staticmethod
    def join(inputs: Sequence["Inputs"]) -> Batches:
        """What reads batches of all fits at once; the place after a fit's last accession is that of any other."""


class Features:
    """Plain features of shape (sample, feature)."""

    def __init__(self, features: np.ndarray, device: torch.device):
        self.features = torch.as_tensor(np.asarray(features, np.float32), device=device)

    def __len__(self) -> int:
        return len(self.features)

    @staticmethod
    def join(inputs: Sequence["Features"]) -> Batches:
        """Batches of shape (fit, batch, feature)."""
        features = _padded([one.features for one in inputs])
        fit = torch.arange(len(inputs), device=features.device)[:, None]
        return lambda place: (features[fit, place],)


class Counts:
    """Counts of shape (sample, gene, variant_type), held as they are and scaled on the way.

    Parameters
    ----------
    counts
        Of all accessions.
    scaler
        Fitted.
    device
        Where they are held.
    samples
        Which accessions this fit reads; all, if none are named.
    """

    def __init__(
        self, counts: Held, scaler: CountScaler, device: torch.device, samples: np.ndarray | None = None
    ):
        self.counts = counts.on(device)
        self.samples = _samples(counts, samples, device)
        self.scaling = _Scaling(scaler, device)

    def __len__(self) -> int:
        return len(self.samples)

    @staticmethod
    def join(inputs: Sequence["Counts"]) -> Batches:
        """Batches as `CountBatch`."""
        (counts,), samples = _together([(one.counts,) for one in inputs], [one.samples for one in inputs])
        scaling = _Scaling.join(inputs)
        return lambda place: (CountBatch(counts, samples.gather(1, place), *scaling),)


class SharedCounts:
    """Counts held as their distinct rows and, for each gene of each accession, which row it has.

    Genes without variants, or with one variant of one type, are alike; G need encode each kind of row once a
    batch. On 22,000 SNPs of 1,135 accessions there are 119 kinds among 15 million rows. Parameters as `Counts`; on the
    CPU only.
    """

    def __init__(
        self, counts: Held, scaler: CountScaler, device: torch.device, samples: np.ndarray | None = None
    ):
        self.rows, self.row = (tensor.to(device) for tensor in counts.distinct)
        self.samples = _samples(counts, samples, device)
        self.scaling = _Scaling(scaler, device)

    def __len__(self) -> int:
        return len(self.samples)

    @staticmethod
    def join(inputs: Sequence["SharedCounts"]) -> Batches:
        """Batches of the rows that occur, and which of them each gene has, (fit, batch, gene)."""
        (rows, row), samples = _together(
            [(one.rows, one.row) for one in inputs], [one.samples for one in inputs]
        )
        scaling = _Scaling.join(inputs)
        rows = rows[:, None]  # like accessions of one gene each

        def read(place: Tensor) -> tuple[CountBatch, Tensor]:
            occurring, which = _occurring(row.numpy(), samples.gather(1, place).numpy(), len(rows))
            return CountBatch(rows, torch.from_numpy(occurring), *scaling), torch.from_numpy(which)

        return read


@njit(cache=True)
def _occurring(row, samples, n_rows):
    """The distinct rows of each fit's batch, (fit, number) filled up with the first, and the place of each gene's."""
    n_fits, n_batch = samples.shape
    n_genes = row.shape[1]
    which = np.empty((n_fits, n_batch, n_genes), np.int64)
    occurring = np.zeros((n_fits, min(n_rows, n_batch * n_genes)), np.int64)
    most = 0
    for fit in range(n_fits):
        number = np.full(n_rows, -1, np.int64)
        n = 0
        for i in range(n_batch):
            for gene in range(n_genes):
                kind = row[samples[fit, i], gene]
                if number[kind] < 0:
                    number[kind] = n
                    occurring[fit, n] = kind
                    n += 1
                which[fit, i, gene] = number[kind]
        most = max(most, n)
    return occurring[:, :most].copy(), which


class _Scaling:
    """A fitted `CountScaler` on the device."""

    def __init__(self, scaler: CountScaler, device: torch.device):
        self.frequency = scaler.scaling == "frequency"
        self.mean = torch.as_tensor(scaler.mean_, device=device)
        self.scale = torch.as_tensor(scaler.scale_, device=device)

    @staticmethod
    def join(inputs: Sequence[Counts | SharedCounts]) -> tuple[Tensor, Tensor, bool]:
        means, scales = ([getattr(one.scaling, name) for one in inputs] for name in ("mean", "scale"))
        return torch.stack(means), torch.stack(scales), inputs[0].scaling.frequency


def _samples(counts: Held, samples: np.ndarray | None, device: torch.device) -> Tensor:
    return torch.as_tensor(np.arange(len(counts)) if samples is None else samples, device=device)


def _padded(tensors: Sequence[Tensor]) -> Tensor:
    """Stacked, each filled with zeros up to one more row than the longest has."""
    longest = max(len(tensor) for tensor in tensors) + 1
    padded = tensors[0].new_zeros((len(tensors), longest, *tensors[0].shape[1:]))
    for target, tensor in zip(padded, tensors, strict=True):
        target[: len(tensor)] = tensor
    return padded


def _together(
    held: Sequence[tuple[Tensor, ...]], samples: Sequence[Tensor]
) -> tuple[tuple[Tensor, ...], Tensor]:
    """One set of tensors for all fits, and which of its accessions each fit reads, (fit, place)."""
    if all(mine is first for one in held for mine, first in zip(one, held[0], strict=True)):
        return held[0], _padded(samples)
    if len(held[0]) == 2:  # rows, and row by row which of them
        begin = np.cumsum([0, *(len(rows) for rows, _ in held[:-1])])
        held = [(rows, row + int(first)) for (rows, row), first in zip(held, begin, strict=True)]
    begin = np.cumsum([0, *(len(one[-1]) for one in held[:-1])])
    shifted = [sample + int(first) for sample, first in zip(samples, begin, strict=True)]
    return tuple(torch.cat(parts) for parts in zip(*held, strict=True)), _padded(shifted)


def distinct_rows(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct count vectors, and where each occurs.

    Parameters
    ----------
    counts : shape (sample, gene, variant_type), unsigned int

    Returns
    -------
    rows : shape (row, variant_type)
    row : shape (sample, gene), int32
        ``rows[row]`` equals `counts`.

    Raises
    ------
    ValueError
        If the counts are no unsigned integers.
    """
    if counts.dtype.kind != "u":
        raise ValueError(f"counts are of type {counts.dtype}; they must be unsigned integers.")
    flat = counts.reshape(-1, counts.shape[-1])
    filled = np.flatnonzero(flat.any(axis=1))  # most genes of most accessions are empty
    code = np.zeros(len(filled), np.int64)
    for column in flat[filled].T:
        code = pd.factorize(code * (int(column.max(initial=0)) + 1) + column)[0]
    _, first = np.unique(code, return_index=True)
    rows = np.concatenate([np.zeros((1, counts.shape[-1]), counts.dtype), flat[filled[first]]])
    row = np.zeros(len(flat), np.int32)
    row[filled] = code + 1
    return rows, row.reshape(counts.shape[:2])


def count_inputs(
    counts: Held,
    scaler: CountScaler,
    device: torch.device,
    batch_size: int,
    samples: np.ndarray | None = None,
) -> Counts | SharedCounts:
    """Hold counts in whichever form makes G cheaper: shared rows if a batch has few kinds, else one by one.

    Counts that somebody has scaled already are no integers, and are held one by one. A GPU computes every gene in less
    time than it needs to look up what genes have in common.
    """
    array = counts.counts
    if device.type == "cpu" and array.dtype.kind == "u":
        first = array[:batch_size] if samples is None else array[samples[:batch_size]]
        rows, row = distinct_rows(first)
        if len(rows) < FEW * row.size:
            return SharedCounts(counts, scaler, device, samples)
    return Counts(counts, scaler, device, samples)
