"""Panels for genomic prediction: tables of methods, sub-populations, penalties."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from gi_lib.plots.style import BLUE, BROWN, GREY, GREY_DARK, GREY_MID, INK, SCORE_COLOURS, number

VISIBLE = 0.01
"""What a function of a marker must reach to be counted."""


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
    if published is not None and not published[group].isin(groups).any():
        published = None
    n_columns = min(3, len(groups))
    n_rows = -(-len(groups) // n_columns)
    fig, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(2.2 + 2.4 * n_columns, n_rows * (0.28 * len(order) + 1.1)),
        sharey=True,
        squeeze=False,
    )
    fig.set_layout_engine("constrained", h_pad=0.1)  # a title is not to stand on the numbers above it
    places = np.arange(len(order))
    colour = SCORE_COLOURS["within country"]
    for ax, name in zip(axes.flat, groups, strict=False):
        ours = scores[scores[group] == name].set_index("model").reindex(order)
        ax.hlines(places, ours["low"], ours["high"], color=colour, linewidth=2)
        ax.plot(ours["estimate"], places, "o", color=colour, label="measured here")
        if published is not None:
            theirs = published[published[group] == name].set_index("model")["estimate"].reindex(order)
            ax.plot(theirs, places, "x", color="black", markeredgewidth=1.6, label="paper")
        ax.set(title=str(name).replace("_", " "), yticks=places, yticklabels=order)
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


def trait_by_population(values: np.ndarray, population: np.ndarray, label: str) -> Figure:
    """Strips of a trait, one row per population, with the mean of each."""
    random = np.random.default_rng(0)
    names = sorted(set(population), key=lambda name: np.nanmean(values[population == name]))
    fig, ax = plt.subplots(figsize=(7, 1 + 0.3 * len(names)))
    for row, name in enumerate(names):
        mine = values[population == name]
        ax.plot(mine, row + random.uniform(-0.25, 0.25, len(mine)), ".", color=GREY_MID, markersize=4)
        ax.plot([np.nanmean(mine)] * 2, [row - 0.35, row + 0.35], color=BROWN, linewidth=2.5)
    ax.set(yticks=range(len(names)), yticklabels=names, xlabel=label)
    return fig


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


def marker_function(
    curves: np.ndarray, slopes: np.ndarray, truth: np.ndarray, place: int, highest: float
) -> tuple[Figure, str]:
    """Learned function of one locus with the straight line of a linear model, and how much every marker adds.

    A picture for `gi_lib.plots.touch.Steps`.

    Parameters
    ----------
    curves : shape (marker, point)
        What dosages from 0 to 2, evenly spaced, add at each marker to what none adds.
    slopes : shape (marker,)
        Of a linear model.
    truth : shape (3,)
        True values of the locus at dosages 0, 1 and 2.
    place
        Which marker is the locus; its two neighbours, which share its effect, are added to it.
    highest
        Top of the lower panel.

    Returns
    -------
    figure, sentence
        The sentence has what the heterozygote and the second homozygote add, learned and truly.
    """
    learned, line = (table[place - 1 : place + 2].sum(axis=0) for table in (curves, slopes))
    dosages = np.linspace(0, 2, len(learned))
    sizes = np.abs(curves).max(axis=1)
    fig, (top, bottom) = plt.subplots(2, 1, figsize=(5.2, 4.4), height_ratios=[2.6, 1], layout="none")
    fig.subplots_adjust(left=0.15, right=0.97, bottom=0.12, top=0.97, hspace=0.42)
    colour = SCORE_COLOURS["within country"]
    top.plot([0, 1, 2], truth - truth[0], "o", color="white", markeredgecolor="black", label="true values")
    top.plot(dosages, line * dosages, "--", color=BROWN, linewidth=1.6, label="linear model")
    top.plot(dosages, learned, color=colour, linewidth=2.4, label="NeuralLasso")
    top.axhline(0, color="black", linewidth=0.8, zorder=0)
    top.set(xlabel="dosage x", ylabel="g(x) − g(0)", xticks=[0, 1, 2], ylim=(-0.75, 2.25))
    top.legend(fontsize=9, loc="upper left")
    markers = np.arange(len(sizes))
    bottom.vlines(markers, 0, sizes, color="0.6", linewidth=1)
    bottom.vlines(
        markers[place - 1 : place + 2], 0, sizes[place - 1 : place + 2], color=colour, linewidth=2.4
    )
    bottom.set(xlabel="marker", ylabel="largest |g|", xlim=(-1, len(sizes)), ylim=(0, highest))
    one, two = (learned[np.abs(dosages - copies).argmin()] for copies in (1, 2))
    one, two, of_line, of_lines = map(number, (one, two, line, 2 * line))
    return fig, (
        f"One copy adds {one}, two {two} (truly {truth[1] - truth[0]:g} and {truth[2] - truth[0]:g}); in the linear "
        f"model {of_line} and {of_lines}. Markers with a visible effect: {(sizes > VISIBLE).sum()}."
    )


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
