"""Networks with entities inside: errors over simulated worlds, latents, sensitivities, learning curves."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from gi_lib.datasets.pathways import Edges
from gi_lib.plots.style import GREY_DARK, INK, INK_PALE, number


def responses(
    curves: Callable[[np.ndarray], np.ndarray], additive: np.ndarray, names: Sequence[str]
) -> Figure:
    """The trait against each additive signal, the others at their means.

    Parameters
    ----------
    curves
        Maps additive signals (sample, signal) to the trait (sample,).
    additive : shape (sample, signal)
        Of a population: its range is drawn, and its middle half is marked.
    names
        Of the signals.
    """
    fig, axes = plt.subplots(1, len(names), figsize=(2.2 * len(names), 2.6), sharey=True)
    for signal, (ax, name) in enumerate(zip(axes, names, strict=True)):
        at = np.linspace(additive[:, signal].min(), additive[:, signal].max(), 100)
        values = np.tile(additive.mean(axis=0), (len(at), 1))
        values[:, signal] = at
        ax.axvspan(*np.quantile(additive[:, signal], [0.25, 0.75]), color=INK_PALE)
        ax.plot(at, curves(values), color=INK)
        ax.set(title=name, xlabel="additive value")
    axes[0].set_ylabel("days to outgrowth")
    return fig


def latents_and_levels(latents: np.ndarray, levels: np.ndarray, names: Sequence[str]) -> Figure:
    """Each latent against what it stands for, both (sample, entity); a latent may run the other way round."""
    fig, axes = plt.subplots(1, len(names), figsize=(2.2 * len(names), 2.6))
    for ax, latent, level, name in zip(axes, latents.T, levels.T, names, strict=True):
        ax.plot(level, latent, ".", color=INK, markersize=4, alpha=0.6)
        ax.set(title=f"{name}, r = {number(np.corrcoef(latent, level)[0, 1])}", xlabel="true level")
    axes[0].set_ylabel("latent")
    return fig


def curves(
    table: pd.DataFrame, x: str, label: str, score: str, log: bool = False, order: Sequence[str] | None = None
) -> Figure:
    """Lines with bands of uncertainty, one for each model.

    Parameters
    ----------
    table
        Columns `x`, ``model``, ``estimate``, ``low``, ``high``.
    label, score
        Of the axes.
    log
        Horizontal axis on a log scale, with a tick at every value.
    order
        Models, in the order of the legend; as they come if None.
    """
    fig, ax = plt.subplots(figsize=(7, 3.6))
    names = list(order if order is not None else table["model"].drop_duplicates())
    for name, colour in zip(names, sns.color_palette("colorblind", len(names)), strict=True):
        mine = table[table["model"] == name].sort_values(x)
        ax.plot(mine[x], mine["estimate"], "o-", color=colour, label=name)
        ax.fill_between(mine[x], mine["low"], mine["high"], color=colour, alpha=0.15, linewidth=0)
    if log:
        ax.set_xscale("log")
        at = sorted(table[x].unique())
        ax.set_xticks(at, [f"{value:,}" for value in at])
        ax.minorticks_off()
    ax.set(xlabel=label, ylabel=score)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def sensitivity_bars(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Share of each entity in the summed sensitivity, by method.

    Parameters
    ----------
    table
        Columns ``method``, ``entity``, ``estimate``, ``low``, ``high``.
    names
        Entities from left to right.
    """
    methods = list(table["method"].drop_duplicates())
    fig, ax = plt.subplots(figsize=(7, 3.4))
    width = 0.8 / len(methods)
    for place, (method, colour) in enumerate(
        zip(methods, [GREY_DARK, *sns.color_palette("colorblind")], strict=False)
    ):
        mine = table[table["method"] == method].set_index("entity").reindex(names)
        x = np.arange(len(names)) + (place - (len(methods) - 1) / 2) * width
        ax.bar(x, mine["estimate"], width, color=colour, label=method)
        ax.vlines(x, mine["low"], mine["high"], color="black", linewidth=1)
    ax.set(xticks=range(len(names)), xticklabels=names, ylabel="share of the summed sensitivity")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def edge_map(edges: Edges) -> Figure:
    """Edges as dots: markers in their order from left to right, entities, sorted by their first marker, upwards."""
    starts = np.full(edges.n_targets, edges.n_sources)
    np.minimum.at(starts, edges.target, edges.source)
    row = np.argsort(np.argsort(starts, kind="stable"))
    fig, ax = plt.subplots(figsize=(7, 3.6))
    ax.plot(edges.source, row[edges.target], ".", color=INK, markersize=2.5)
    ax.set(xlabel="marker", ylabel="gene", xlim=(0, edges.n_sources), ylim=(-1, edges.n_targets))
    return fig
