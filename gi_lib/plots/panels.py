"""Panels for genomic prediction: tables of methods, sub-populations, penalties."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gi_lib.plots.style import SCORE_COLOURS


def published_and_measured(scores: pd.DataFrame, published: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Correlation of each model with its interval, one panel per trait, and what the paper has.

    Parameters
    ----------
    scores
        Columns ``trait``, ``model``, ``estimate``, ``low``, ``high``.
    published
        Columns ``trait``, ``model``, ``estimate``; models without a row have no mark.
    order
        Names of the models from top to bottom.
    """
    traits = list(scores["trait"].drop_duplicates())
    n_columns = min(3, len(traits))
    n_rows = -(-len(traits) // n_columns)
    fig, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(2.2 + 2.4 * n_columns, n_rows * (0.28 * len(order) + 1.1)),
        sharey=True,
        squeeze=False,
    )
    places = np.arange(len(order))
    for ax, trait in zip(axes.flat, traits, strict=False):
        ours = scores[scores["trait"] == trait].set_index("model").reindex(order)
        theirs = published[published["trait"] == trait].set_index("model")["estimate"].reindex(order)
        ax.hlines(places, ours["low"], ours["high"], color=SCORE_COLOURS["within country"], linewidth=2)
        ax.plot(ours["estimate"], places, "o", color=SCORE_COLOURS["within country"], label="measured here")
        ax.plot(theirs, places, "x", color="black", markeredgewidth=1.6, label="paper")
        ax.set(title=trait, yticks=places, yticklabels=order)
    for ax in axes.flat[len(traits) :]:
        ax.set_visible(False)
    for ax in axes[-1]:
        ax.set_xlabel("Pearson correlation")
    axes[0, 0].invert_yaxis()
    axes[0, min(n_columns, len(traits)) - 1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def traits_in_order(scores: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Correlation of each model on every trait, the best predicted trait on top.

    Parameters
    ----------
    scores
        Columns ``trait``, ``model``, ``estimate``, ``low``, ``high``.
    order
        Models; the first decides the order of the traits.
    """
    first = scores[scores["model"] == order[0]].set_index("trait")["estimate"]
    traits = first.sort_values(ascending=False).index
    fig, ax = plt.subplots(figsize=(7, 0.24 * len(traits) + 1.2))
    colours = ["#1b9e77", "#7570b3", "#d95f02", "#666666"]
    offsets = (np.arange(len(order)) - (len(order) - 1) / 2) * 0.22
    for model, colour, offset in zip(order, colours, offsets, strict=False):
        table = scores[scores["model"] == model].set_index("trait").reindex(traits)
        y = np.arange(len(traits)) + offset
        ax.hlines(y, table["low"], table["high"], color=colour, linewidth=1, alpha=0.6)
        ax.plot(table["estimate"], y, "o", markersize=4, color=colour, label=model)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(
        yticks=range(len(traits)),
        yticklabels=[name.replace("_", " ") for name in traits],
        xlabel="Pearson correlation",
    )
    ax.set_ylim(len(traits) - 0.5, -0.5)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def trait_by_population(values: np.ndarray, population: np.ndarray, ax: Axes, label: str) -> Axes:
    """Strips of a trait, one row per population, with the mean of each."""
    random = np.random.default_rng(0)
    names = sorted(set(population), key=lambda name: np.nanmean(values[population == name]))
    for row, name in enumerate(names):
        mine = values[population == name]
        ax.plot(mine, row + random.uniform(-0.25, 0.25, len(mine)), ".", color="#7f7f7f", markersize=4)
        ax.plot([np.nanmean(mine)] * 2, [row - 0.35, row + 0.35], color="#d95f02", linewidth=2.5)
    ax.set(yticks=range(len(names)), yticklabels=names, xlabel=label)
    return ax
