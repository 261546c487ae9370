"""Figures of the sparse layer: what feeds what, and what wrong knowledge costs."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from gi_lib.datasets.pathways import Edges
from gi_lib.plots.style import BLUE, GOLD, GREY, INK

METHOD_COLOURS = (INK, GREY, BLUE, GOLD)
KNOWN_COLOURS = {True: INK, False: GOLD}
"""Of edges that are known ones, and of others."""


def wiring(panels: dict[str, Edges]) -> Figure:
    """Layers of a few units each, drawn as they are wired: sources on the left, targets on the right, a line per edge.

    Parameters
    ----------
    panels
        Title to the edges of the layer.
    """
    sources, targets = (
        max(getattr(edges, end) for edges in panels.values()) for end in ("n_sources", "n_targets")
    )
    height = 0.28 * max(sources, targets) + 0.9
    fig, axes = plt.subplots(1, len(panels), figsize=(2.8 * len(panels), height), squeeze=False)
    for ax, (title, edges) in zip(axes[0], panels.items(), strict=True):
        left, right = _spread(edges.n_sources), _spread(edges.n_targets)
        lines = [((0, left[s]), (1, right[t])) for s, t in zip(edges.source, edges.target, strict=True)]
        ax.add_collection(LineCollection(lines, colors=INK, linewidths=1.1, alpha=0.75))
        for x, places, names, side in (
            (0, left, edges.source_names, "right"),
            (1, right, edges.target_names, "left"),
        ):
            ax.plot(
                np.full(len(places), x),
                places,
                "o",
                color="white",
                markeredgecolor=INK,
                markersize=8,
                zorder=3,
            )
            shift = -0.09 if side == "right" else 0.09
            for y, name in zip(places, names, strict=True):
                ax.text(x + shift, y, name, ha=side, va="center", fontsize=9)
        ax.set(xlim=(-0.45, 1.6), ylim=(1.08, -0.08), title=f"{title}: {len(edges):,} weights")
        ax.axis("off")
    return fig


def _spread(n: int) -> np.ndarray:
    """Places of n units from top (0) to bottom (1); a single one in the middle."""
    return (np.arange(n) + 0.5) / n


def lit_unit(edges: Edges, unit: str, known: Edges, n_others: int = 400) -> tuple[Figure, str]:
    """A layer with one unit lit, its genes, and all edges of these genes; a picture for `gi_lib.plots.touch.Steps`.

    Parameters
    ----------
    edges
        The layer, from genes in the order of the genome.
    unit
        Which target.
    known
        The layer as it is known, of the same units. An edge that is not in it has another colour.
    n_others
        Of the edges of other genes, about so many are drawn, evenly chosen.

    Returns
    -------
    figure, sentence
        The sentence has the number of edges, how many of them are known, and how many edges the genes have in all.
    """
    number = int(np.flatnonzero(edges.target_names == unit)[0])
    places = _spread(edges.n_sources), _spread(edges.n_targets)
    lit = edges.source[edges.target == number]
    right = np.isin(lit, known.source[known.target == number])
    of_lit = np.isin(edges.source, lit) & (edges.target != number)
    others = np.flatnonzero(~np.isin(edges.source, lit))
    fig, ax = plt.subplots(figsize=(5.8, 3.3), layout="none")
    fig.subplots_adjust(left=0.01, right=0.99, bottom=0.09, top=0.9)
    drawn = [
        (others[:: max(1, len(others) // n_others)], "0.9", 0.5),
        (np.flatnonzero(of_lit), "0.45", 0.8),
        (np.flatnonzero(edges.target == number), [KNOWN_COLOURS[bool(there)] for there in right], 1.5),
    ]
    for chosen, colours, width in drawn:
        ends = zip(places[0][edges.source[chosen]], places[1][edges.target[chosen]], strict=True)
        lines = [((below, 0), (above, 1)) for below, above in ends]
        ax.add_collection(LineCollection(lines, colors=colours, linewidths=width))
    ax.plot([0, 1], [0, 0], color="0.7", linewidth=4, solid_capstyle="butt")
    ax.plot(places[1], np.ones(edges.n_targets), "s", color="white", markeredgecolor="0.6", markersize=4.5)
    style = {"color": "white", "markeredgecolor": "black", "zorder": 3}
    ax.plot(places[0][lit], np.zeros(len(lit)), "o", markersize=4.5, **style)
    ax.plot(places[1][number], 1, "s", color="black", markersize=8, zorder=3)
    side = "left" if places[1][number] < 0.25 else "right" if places[1][number] > 0.75 else "center"
    ax.text(places[1][number], 1.06, unit.replace("_", " "), ha=side, va="bottom", fontsize=10)
    ax.text(0.5, -0.05, f"{edges.n_sources:,} genes along the genome", ha="center", va="top", fontsize=10)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.05, 1.05))
    ax.axis("off")
    in_all, before = (np.isin(layer.source, lit).sum() for layer in (edges, known))
    return fig, (
        f"{len(lit)} genes; {right.sum()} of their edges to this unit are known ones. Their edges to all units: "
        f"{in_all}; in the known layer: {before}."
    )


def difference_plot(table: pd.DataFrame, xlabel: str = "difference of correlations") -> Figure:
    """Differences between models with the interval of each method, one row per contrast.

    Parameters
    ----------
    table
        Columns ``contrast``, ``method``, ``difference``, ``low`` and ``high``; one row for each contrast and method.
        Contrasts are drawn from top to bottom, methods side by side, both in the order of their first rows. An
        interval whose limits are NaN is left out.
    """
    contrasts, methods = (list(table[name].drop_duplicates()) for name in ("contrast", "method"))
    fig, ax = plt.subplots(figsize=(7, 0.6 * len(contrasts) + 1.2))
    for offset, method, colour in zip(_offsets(methods), methods, METHOD_COLOURS, strict=False):
        rows = table[table["method"] == method].set_index("contrast").reindex(contrasts)
        y = np.arange(len(contrasts)) + offset
        ax.hlines(y, rows["low"], rows["high"], color=colour, linewidth=2)
        ax.plot(rows["difference"], y, "o", color=colour, label=method)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(yticks=range(len(contrasts)), yticklabels=contrasts, xlabel=xlabel)
    ax.set_ylim(len(contrasts) - 0.5, -0.5)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def _offsets(methods: Sequence[str]) -> np.ndarray:
    """Shifts of as many markers around the middle of a row, top to bottom."""
    if len(methods) > len(METHOD_COLOURS):
        raise ValueError(
            f"There are {len(methods)} methods; at most {len(METHOD_COLOURS)} are told apart by colour."
        )
    return (np.arange(len(methods)) - (len(methods) - 1) / 2) * 0.24
