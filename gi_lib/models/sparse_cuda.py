"""Weighted sums along edges on a GPU, in Triton.

A bag is what flows into one unit: some rows of a table. A few pathways have thousands of genes and most have a handful,
so long bags are cut into pieces, which are summed by programs of their own; the sums of pieces are bags again. Nothing
is added up in an order that depends on threads.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

LONGEST = 256
"""Edges of a piece."""
TILE = 128
"""Edges that a program reads at once."""


def pieces(starts: Tensor) -> tuple[Tensor, Tensor] | None:
    """Where the pieces of bags begin among edges, and the bags among pieces; None if no bag is long.

    Parameters
    ----------
    starts : (bag + 1,)
        Where each bag begins among the edges, and where the last ends.
    """
    length = starts.diff()
    if not len(length) or length.max() <= LONGEST:
        return None
    number = (length + LONGEST - 1) // LONGEST
    first = torch.cat([number.new_zeros(1), number.cumsum(0)])
    within = torch.arange(int(first[-1]), device=starts.device) - first[:-1].repeat_interleave(number)
    begins = starts[:-1].repeat_interleave(number) + within * LONGEST
    return torch.cat([begins, starts[-1:]]), first


def bags(rows: Tensor, table: Tensor, starts: Tensor, weight: Tensor, cut) -> Tensor:
    """Sums over the edges of each bag of weight times a row of the table.

    Parameters
    ----------
    rows, weight : (edge,)
    table : (row, column)
    starts : (bag + 1,)
    cut
        `pieces` of `starts`.

    Returns
    -------
    Tensor of shape (bag, column)
    """
    if cut is None:
        return _sums(rows, table, starts, weight)
    begins, first = cut
    parts = _sums(rows, table, begins, weight)
    return _sums(None, parts, first, None)


def edge_products(table: Tensor, other: Tensor, rows: Tensor, other_rows: Tensor) -> Tensor:
    """For each edge the product of a row of one table (row, column) and one of the other, (edge,)."""
    products = torch.empty(len(rows), device=table.device)
    n_columns = table.shape[1]
    _products[(triton.cdiv(len(rows), TILE),)](
        table, other, rows, other_rows, products, len(rows), n_columns,
        TILE=TILE, COLUMNS=triton.next_power_of_2(n_columns), num_warps=4,
    )  # fmt: skip
    return products


def _sums(rows: Tensor | None, table: Tensor, starts: Tensor, weight: Tensor | None) -> Tensor:
    n_bags, n_columns = len(starts) - 1, table.shape[1]
    n_edges = len(table) if rows is None else len(rows)
    sums = torch.empty((n_bags, n_columns), device=table.device)
    if not n_bags:
        return sums
    width = min(TILE, max(4, triton.next_power_of_2(2 * n_edges // n_bags)))
    _bags[(triton.cdiv(n_bags, TILE // width),)](
        rows, table, starts, weight, sums, n_bags, n_columns,
        BAGS=TILE // width, WIDTH=width, COLUMNS=triton.next_power_of_2(n_columns),
        PLAIN=rows is None, num_warps=4,
    )  # fmt: skip
    return sums


@triton.jit(do_not_specialize=["n_bags", "n_columns"])
def _bags(
    rows, table, starts, weight, sums, n_bags, n_columns,
    BAGS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr, PLAIN: tl.constexpr,
):  # fmt: skip
    bag, column = tl.program_id(0) * BAGS + tl.arange(0, BAGS), tl.arange(0, COLUMNS)
    exists, real = bag < n_bags, column < n_columns
    first = tl.load(starts + bag, mask=exists, other=0)
    last = tl.load(starts + bag + 1, mask=exists, other=0)
    total = tl.zeros((BAGS, COLUMNS), tl.float32)
    done, longest = 0, tl.max(last - first, 0)
    while done < longest:
        edge = first[:, None] + done + tl.arange(0, WIDTH)[None, :]
        inside = edge < last[:, None]
        # Plain bags are rows that follow one another.
        row = edge if PLAIN else tl.load(rows + edge, mask=inside, other=0)
        place = row[:, :, None] * n_columns + column[None, None, :]
        value = tl.load(table + place, mask=inside[:, :, None] & real[None, None, :], other=0.0)
        if not PLAIN:
            value = value * tl.load(weight + edge, mask=inside, other=0.0)[:, :, None]
        total += tl.sum(value, 1)
        done += WIDTH
    place = bag[:, None] * n_columns + column[None, :]
    tl.store(sums + place, total, mask=exists[:, None] & real[None, :])


@triton.jit(do_not_specialize=["n_edges", "n_columns"])
def _products(
    table, other, rows, other_rows, products, n_edges, n_columns, TILE: tl.constexpr, COLUMNS: tl.constexpr
):
    edge, column = tl.program_id(0) * TILE + tl.arange(0, TILE), tl.arange(0, COLUMNS)
    inside, real = edge < n_edges, column < n_columns
    row = tl.load(rows + edge, mask=inside, other=0)
    other_row = tl.load(other_rows + edge, mask=inside, other=0)
    known = inside[:, None] & real[None, :]
    left = tl.load(table + row[:, None] * n_columns + column[None, :], mask=known, other=0.0)
    right = tl.load(other + other_row[:, None] * n_columns + column[None, :], mask=known, other=0.0)
    tl.store(products + edge, tl.sum(left * right, 1), mask=inside)
