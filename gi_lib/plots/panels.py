"""Panels for genomic prediction: tables of methods, sub-populations, penalties."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from gi_lib.plots.style import BLUE, BROWN, GREY, GREY_DARK, GREY_MID, INK, SCORE_COLOURS


def model_dots(
    scores: pd.DataFrame,
    order: Sequence[str],
    published: pd.DataFrame | None = None,
    group: str = "trait",
    label: str = "Pearson correlation",
    log: bool = False,
) -> Figure:
    """Score of each model with its interval, one panel per trait or another group, and what the paper has.

    Parameters
    ----------
    scores
        Columns `group`, ``model``, ``estimate``, ``low``, ``high``.
    order
        Names of the models from top to bottom.
    published
        Columns `group`, ``model``, ``estimate``; models without a row have no mark.
    group, label
        Column that makes the panels, and name of the horizontal axis.
    log
        Horizontal axis on a log scale.
    """
    groups = list(scores[group].drop_duplicates())
    n_columns = min(3, len(groups))
    n_rows = -(-len(groups) // n_columns)
    fig, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(2.2 + 2.4 * n_columns, n_rows * (0.28 * len(order) + 1.1)),
        sharey=True,
        squeeze=False,
    )
    places = np.arange(len(order))
    colour = SCORE_COLOURS["within country"]
    for ax, name in zip(axes.flat, groups, strict=False):
        ours = scores[scores[group] == name].set_index("model").reindex(order)
        ax.hlines(places, ours["low"], ours["high"], color=colour, linewidth=2)
        ax.plot(ours["estimate"], places, "o", color=colour, label="measured here")
        if published is not None:
            theirs = published[published[group] == name].set_index("model")["estimate"].reindex(order)
            ax.plot(theirs, places, "x", color="black", markeredgewidth=1.6, label="paper")
        ax.set(title=name, yticks=places, yticklabels=order)
        if log:
            ax.set_xscale("log")
            low, high = ax.get_xlim()
            steps = (1, 3) if high > 10 * low else (1, 2, 5)
            ax.xaxis.set_major_locator(FixedLocator([m * 10.0**e for e in range(-6, 7) for m in steps]))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_formatter(NullFormatter())
    for ax in axes.flat[len(groups) :]:
        ax.set_visible(False)
    for ax in axes[-1]:
        ax.set_xlabel(label)
    axes[0, 0].invert_yaxis()
    if published is not None:
        axes[0, n_columns - 1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
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
    colours = [INK, BLUE, BROWN, GREY_DARK]
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
        ax.plot(mine, row + random.uniform(-0.25, 0.25, len(mine)), ".", color=GREY_MID, markersize=4)
        ax.plot([np.nanmean(mine)] * 2, [row - 0.35, row + 0.35], color=BROWN, linewidth=2.5)
    ax.set(yticks=range(len(names)), yticklabels=names, xlabel=label)
    return ax


def loss_curves(curves: dict[str, np.ndarray]) -> Figure:
    """Training loss by iteration, both on log scales; one line for each name, values of shape (iteration,)."""
    fig, ax = plt.subplots(figsize=(7, 3.4))
    for name, values in curves.items():
        ax.plot(np.arange(1, len(values) + 1), values, label=name)
    ax.set(xscale="log", yscale="log", xlabel="iteration", ylabel="mean squared error / variance")
    ax.axhline(1, color="black", linewidth=0.8)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def towards_the_lasso(table: pd.DataFrame, lasso: float) -> Figure:
    """How a training that goes on approaches the lasso, and what happens to its accuracy.

    Parameters
    ----------
    table
        Columns ``iterations``, ``likeness`` (correlation with the predictions of the lasso) and ``accuracy``.
    lasso
        Accuracy of the lasso itself.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    for ax, column, label in (
        (left, "likeness", "correlation with the lasso"),
        (right, "accuracy", "correlation with the trait"),
    ):
        ax.plot(table["iterations"], table[column], "o-", color=SCORE_COLOURS["within country"])
        ax.set(xscale="log", xlabel="iterations of Adam", ylabel=label)
    left.axhline(1, color="black", linewidth=0.8)
    right.axhline(lasso, color="black", linewidth=0.8, linestyle="--")
    right.annotate("lasso", (table["iterations"].iloc[0], lasso), va="bottom", fontsize=9)
    return fig


def marker_functions(functions: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> Figure:
    """Learned functions of single markers beside the true ones.

    Parameters
    ----------
    functions, truth : shape (marker, 3)
        Values at dosages 0, 1 and 2.
    names
        One for each marker.
    """
    fig, axes = plt.subplots(1, len(names), figsize=(2.2 * len(names), 2.6), sharey=True, squeeze=False)
    for ax, learned, true, name in zip(axes[0], functions, truth, names, strict=True):
        ax.plot([0, 1, 2], true - true.mean(), "o--", color="black", label="true")
        ax.plot(
            [0, 1, 2],
            learned - learned.mean(),
            "o-",
            color=SCORE_COLOURS["within country"],
            label="learned",
        )
        ax.set(title=name, xlabel="dosage", xticks=[0, 1, 2])
    axes[0, 0].set_ylabel("effect, centred")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def penalty_curves(penalties: np.ndarray, scores: np.ndarray, chosen: np.ndarray) -> Figure:
    """Score of each division against the penalty, and their mean.

    Parameters
    ----------
    penalties : shape (penalty,)
    scores : shape (division, penalty)
    chosen : shape (division,)
        Place of the penalty that a division chose.
    """
    fig, ax = plt.subplots(figsize=(7, 3.6))
    ax.plot(penalties, scores.T, "-", color=GREY, linewidth=0.9)
    divisions = np.arange(len(scores))
    ax.plot(penalties[chosen], scores[divisions, chosen], "o", color=BROWN, markersize=5)
    ax.plot(penalties, scores.mean(axis=0), color=SCORE_COLOURS["within country"], linewidth=2.5)
    ax.set(xlabel="λ", ylabel="Pearson correlation")
    return fig
