"""What networks read: features or scaled counts, held on the device that computes."""

from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gi_lib.encoding.scaling import CountScaler


class Inputs(Protocol):
    """What a network reads, held on its device: ``inputs[batch]`` gives the arguments of ``forward``."""

    def __len__(self) -> int: ...

    def __getitem__(self, batch: Tensor) -> tuple[Tensor, ...]: ...


class Features:
    """Plain features of shape (sample, feature)."""

    def __init__(self, features: np.ndarray, device: torch.device):
        self.features = torch.as_tensor(np.asarray(features, np.float32), device=device)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, batch: Tensor) -> tuple[Tensor, ...]:
        return (self.features[batch],)


class Counts:
    """Counts of shape (sample, gene, variant_type), scaled batch by batch so that memory holds integers."""

    def __init__(self, counts: np.ndarray, scaler: CountScaler, device: torch.device):
        self.counts = torch.as_tensor(counts, device=device)
        self.scaled = _Scaled(scaler, device)

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, batch: Tensor) -> tuple[Tensor, ...]:
        return (self.scaled(self.counts[batch]),)


class SharedCounts:
    """Counts held as their distinct rows and, for each gene of each accession, which row it has.

    Genes without variants, or with one variant of one type, are alike; G need encode each kind of row once a
    batch. On 22,000 SNPs of 1,135 accessions there are 119 kinds among 15 million rows.
    """

    def __init__(self, rows: np.ndarray, row: np.ndarray, scaler: CountScaler, device: torch.device):
        self.rows = torch.as_tensor(rows, device=device)
        self.row = torch.as_tensor(row, device=device)
        self.scaled = _Scaled(scaler, device)

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, batch: Tensor) -> tuple[Tensor, ...]:
        row = self.row[batch].long()
        occurs = torch.zeros(len(self.rows), dtype=torch.bool, device=row.device)
        occurs[row.flatten()] = True
        place = occurs.cumsum(0) - 1  # among the rows that occur in this batch
        return self.scaled(self.rows[occurs]), place[row]


class _Scaled:
    """A fitted `CountScaler` on the device."""

    def __init__(self, scaler: CountScaler, device: torch.device):
        self.frequency = scaler.scaling == "frequency"
        self.mean = torch.as_tensor(scaler.mean_, device=device)
        self.scale = torch.as_tensor(scaler.scale_, device=device)

    def __call__(self, counts: Tensor) -> Tensor:
        counts = counts.float()
        if self.frequency:
            return counts / counts.sum(dim=-1, keepdim=True).clamp(min=1)
        return (counts - self.mean) / self.scale


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


def count_inputs(counts: np.ndarray, scaler: CountScaler, device: torch.device, batch_size: int) -> Inputs:
    """Hold counts in whichever form makes G cheaper: shared rows if a batch has few kinds, else one by one.

    Counts that somebody has scaled already are no integers, and are held one by one.
    """
    if counts.dtype.kind != "u":
        return Counts(counts, scaler, device)
    rows, row = distinct_rows(counts)
    first = row[:batch_size]
    if len(np.unique(first)) < first.size / 2:
        return SharedCounts(rows, row, scaler, device)
    return Counts(counts, scaler, device)
