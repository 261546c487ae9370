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
    fig, axes = plt.subplots(1, len(panels), figsize=(4 * len(panels), height), squeeze=False)
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
            shift = -0.05 if side == "right" else 0.05
            for y, name in zip(places, names, strict=True):
                ax.text(x + shift, y, name, ha=side, va="center", fontsize=9)
        ax.set(xlim=(-0.45, 1.6), ylim=(1.08, -0.08), title=f"{title}: {len(edges):,} weights")
        ax.axis("off")
    return fig


def _spread(n: int) -> np.ndarray:
    """Places of n units from top (0) to bottom (1); a single one in the middle."""
    return (np.arange(n) + 0.5) / n


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
