"""The counts of all stretches, added up into one dataset."""

import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import xarray as xr

from gi_lib.datasets.cohort import VARIANT_TYPES
from gi_lib.encoding import kernels
from gi_lib.encoding.assign import TYPES
from gi_lib.encoding.gene_models import GeneModels
from gi_lib.encoding.plan import EncodingError, Plan
from gi_lib.encoding.report import Report

Part = Mapping[str, np.ndarray]
"""What `StretchCounter.result` gives, in memory or in a file."""

Parts = Callable[[Iterable[int]], Iterator[Part]]
"""Gives the parts of the stretches with these numbers, one after the other."""


def merge_stretches(plan: Plan, parts: Parts, models: GeneModels | None, cores: int = 1) -> xr.Dataset:
    """Add up the stretches, in any order, into one dataset."""
    _refuse_torn_duplicates(plan, parts)
    report, kind_seen = Report(), np.zeros(len(TYPES), bool)
    known: dict[str, tuple[str, int, int]] = {}
    for part in parts(range(len(plan.stretches))):
        report.add(Report.from_dict(json.loads(str(part["report"]))))
        kind_seen[part["cell_type"]] = True
        extents = zip(
            part["gene"].tolist(), part["gene_chromosome"].tolist(), part["gene_extent"].tolist(), strict=True
        )
        for name, chromosome, (first, last) in extents:
            old = known.get(name)
            if old is None or natural_key(chromosome) < natural_key(old[0]):
                known[name] = (chromosome, first, last)
            elif old[0] == chromosome:
                known[name] = (chromosome, min(old[1], first), max(old[2], last))
    if not report.records:
        raise EncodingError(f"{Path(plan.inputs[0]).name} holds no variant.")
    genes = _gene_table(known, models)
    n_types = len(TYPES) if kind_seen[-1] else len(VARIANT_TYPES)
    row = {name: number for number, name in enumerate(genes["gene"])}

    def cells_of(part: Part) -> np.ndarray:
        number = np.array([row[name] for name in part["gene"].tolist()], np.int64)
        return number[part["cell_gene"]] * n_types + part["cell_type"]

    dtype = _count_type(plan, parts, cells_of, len(row) * n_types)
    counts = np.zeros((len(plan.samples), len(row) * n_types), dtype)
    columns = [np.array(c, np.int64) for c in plan.columns]
    with ThreadPoolExecutor(max(1, cores)) as pool:
        for part, (index, _) in zip(parts(range(len(plan.stretches))), plan.stretches, strict=True):
            cells = cells_of(part)
            order = np.argsort(cells)
            cells, rows = cells[order], part["counts"][order]
            edges = np.linspace(0, rows.shape[1], max(1, cores) + 1).astype(int)
            jobs = [
                pool.submit(kernels.add_to_counts, counts, columns[index][a:b], cells, rows[:, a:b])
                for a, b in itertools.pairwise(edges)  # each thread has accessions of its own
            ]
            for job in jobs:
                job.result()
    return xr.Dataset(
        {"counts": (("sample", "gene", "variant_type"), counts.reshape(len(counts), len(row), n_types))},
        coords={
            "sample": np.array(plan.samples, str),
            "gene": np.array(genes["gene"], str),
            "variant_type": np.array(TYPES[:n_types], str),
            "gene_chromosome": ("gene", np.array(genes["chromosome"], str)),
            "gene_start": ("gene", np.array(genes["start"], np.int64)),
            "gene_end": ("gene", np.array(genes["end"], np.int64)),
        },
        attrs={"report": json.dumps(report.to_dict())},
    )


def _gene_table(known: dict[str, tuple[str, int, int]], models: GeneModels | None) -> dict[str, list]:
    """Genes of the result in the order of the genome: all of the gene models, or those that were counted.

    Without gene models a gene reaches as far as the variants that count for it.
    """
    if models is not None:
        table = models.genes.rename(columns={"name": "gene"})[["gene", "chromosome", "start", "end"]]
        order = sorted(range(len(table)), key=lambda i: (natural_key(table["chromosome"].iat[i]), i))
        return table.iloc[order].to_dict("list")
    rows = sorted((natural_key(c), first, last, name, c) for name, (c, first, last) in known.items())
    return {
        "gene": [name for *_, name, _ in rows],
        "chromosome": [c for *_, c in rows],
        "start": [first for _, first, *_ in rows],
        "end": [last for _, _, last, *_ in rows],
    }


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Sorts chromosomes 1, 2, 10, C, M rather than 1, 10, 2."""
    return [(0, int(t)) if _is_number(t) else (1, t) for t in re.split(r"(\d+)", name) if t]


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= 15  # longer digits are a name


def _count_type(
    plan: Plan,
    parts: Parts,
    cells_of: Callable[[Part], np.ndarray],
    n_cells: int,
) -> np.dtype:
    """The smallest type for the largest count; exact, so that it does not depend on the cuts."""
    bound = np.zeros(n_cells, np.int64)
    for part in parts(range(len(plan.stretches))):
        np.add.at(bound, cells_of(part), part["counts"].max(axis=1, initial=0).astype(np.int64))
    if bound.max(initial=0) <= 255:
        return np.min_scalar_type(int(bound.max(initial=0)))
    large = np.flatnonzero(bound > 255)
    total = np.zeros((len(plan.samples), len(large)), np.int64)
    for part, (index, _) in zip(parts(range(len(plan.stretches))), plan.stretches, strict=True):
        cells = cells_of(part)
        at = np.searchsorted(large, cells)
        hit = (at < len(large)) & (large[np.minimum(at, len(large) - 1)] == cells)
        total[np.ix_(plan.columns[index], at[hit])] += part["counts"][hit].T
    return np.min_scalar_type(max(255, int(total.max(initial=0))))


def _refuse_torn_duplicates(plan: Plan, parts: Parts) -> None:
    """Check that no allele stands twice in files of the same samples.

    Duplicates at one position have been counted once. Others can occur only where the records are not in
    order of position, or where a file was given twice; then all alleles are compared.
    """
    by_samples: dict[tuple[int, ...], set[int]] = {}
    for number, (index, _) in enumerate(plan.stretches):
        by_samples.setdefault(tuple(sorted(plan.columns[index])), set()).add(number)
    for numbers in by_samples.values():
        if not _in_order(keys >> np.array([[0], [24]], np.uint64) for keys in _keys(parts, numbers)):
            _compare_all(plan, parts, numbers)


def _keys(parts: Parts, numbers: set[int]) -> Iterator[np.ndarray]:
    """(contig, place and alleles) of every allele of these stretches.

    Contigs are numbered by each stretch for itself; a hash of the name is the same for all.
    """
    for part in parts(sorted(numbers)):
        keys = part["keys"].copy()
        if keys.size:
            names = [zlib.crc32(name.encode()) for name in part["contigs"].tolist()]
            keys[0] = np.array(names, np.uint64)[keys[0].astype(np.int64)]
        yield keys


def _in_order(places: Iterable[np.ndarray]) -> bool:
    """Whether positions never fall within a chromosome, and no chromosome comes back."""
    finished: set[int] = set()
    current, last = None, 0
    for contig, position in places:
        if not contig.size:
            continue
        starts = np.flatnonzero(np.diff(contig)) + 1
        for run in np.split(np.arange(len(contig)), starts):
            name = int(contig[run[0]])
            if name != current:
                if name in finished:
                    return False
                finished |= {current} if current is not None else set()
                current, last = name, 0
            if position[run[0]] < last or (np.diff(position[run].astype(np.int64)) < 0).any():
                return False
            if position[run[0]] == last and run[0] == 0:  # a position never goes on in the next stretch
                return False
            last = position[run[-1]]
    return True


def _compare_all(plan: Plan, parts: Parts, numbers: set[int]) -> None:
    keys = np.concatenate(list(_keys(parts, numbers)), axis=1)
    order = np.lexsort(keys)
    same = (np.diff(keys[:, order], axis=1) == 0).all(axis=0)
    if same.any():
        at = int(keys[1, order[np.argmax(same)]] >> np.uint64(24))
        name = Path(plan.inputs[plan.stretches[min(numbers)][0]]).name
        raise EncodingError(
            f"{name}: a variant at position {at:,} stands twice, and not side by side, so the records are not "
            "sorted or a file was given twice; sort it with: bcftools sort."
        )
