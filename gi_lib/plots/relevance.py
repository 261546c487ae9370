"""What models have learned: relevance along the genome and by pathway, rankings, and what makes a trait easy."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gi_lib.plots.ionome import MODEL_STYLES
from gi_lib.plots.style import INK, RED, WIDEST

CAUSAL_COLOUR = RED
GENE_COLOURS = ("0.45", "0.72")  # of the chromosomes in turn


def genome_tracks(
    tracks: Mapping[str, np.ndarray],
    chromosome: np.ndarray,
    start: np.ndarray,
    marked: Mapping[int, str],
    ylabels: Mapping[str, str],
    threshold: float = np.nan,
) -> Figure:
    """Relevance of every gene along the genome, one panel per measure, with some genes marked.

    Parameters
    ----------
    tracks
        Title to values of shape (gene,); genes with NaN are left out.
    chromosome, start
        Shape (gene,): name of the chromosome, and position on it.
    marked
        Genes to colour, by index, and a label to write at each, or an empty one. Of close neighbours only the first
        gets its label.
    ylabels
        Title to label of the vertical axis.
    threshold
        Height of a dashed line in the panels of -log10 p.
    """
    order = np.lexsort([start, chromosome])
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    names, code = np.unique(chromosome, return_inverse=True)
    fig, axes = plt.subplots(
        len(tracks), 1, figsize=(WIDEST, 1.45 * len(tracks) + 0.6), sharex=True, squeeze=False
    )
    chosen = np.array(sorted(marked, key=lambda gene: place[gene]), int)
    apart = np.diff(place[chosen], prepend=-len(place)) > 0.02 * len(place)  # labels would overlap otherwise
    labels = {gene: marked[gene] for gene in chosen[apart]}
    size = 9 if len(place) < 2000 else 3
    for ax, (title, values) in zip(axes[:, 0], tracks.items(), strict=True):
        for parity, colour in enumerate(GENE_COLOURS):
            own = code % 2 == parity
            ax.scatter(place[own], values[own], s=size, color=colour, linewidth=0)
        ax.scatter(place[chosen], values[chosen], s=22, color=CAUSAL_COLOUR, linewidth=0, zorder=3)
        for gene, label in labels.items():
            if label and np.isfinite(values[gene]):
                ax.annotate(
                    label, (place[gene], values[gene]), (0, 4), textcoords="offset points", fontsize=8, ha="center"
                )  # fmt: skip
        if ylabels[title].startswith("−log") and np.isfinite(threshold):
            ax.axhline(threshold, color="black", linewidth=0.8, linestyle="--")
        ax.set_title(title, loc="left", fontsize=9)
        ax.set_ylabel(ylabels[title], fontsize=8)
        ax.set_ylim(bottom=0)
    middles = [place[code == i].mean() for i in range(len(names))]
    axes[-1, 0].set_xticks(middles, [f"chr. {name}" for name in names])
    axes[-1, 0].tick_params(axis="x", length=0)
    axes[-1, 0].margins(x=0.01)
    return fig


def score_dots(table: pd.DataFrame, order: Sequence[str], measures: Sequence[str]) -> Figure:
    """Scores of rankings with their intervals, one panel per measure, and the score of a random order dashed.

    Parameters
    ----------
    table
        Columns ``method``, ``measure``, ``estimate``, ``low``, ``high``, ``chance``.
    order
        Methods from top to bottom.
    measures
        Panels from left to right.
    """
    size = (min(2.6 * len(measures) + 2.6, WIDEST), 0.34 * len(order) + 1.1)
    fig, axes = plt.subplots(1, len(measures), figsize=size, sharey=True, squeeze=False)
    y = np.arange(len(order))
    for ax, measure in zip(axes[0], measures, strict=True):
        rows = table[table["measure"] == measure].set_index("method").reindex(order)
        ax.hlines(y, rows["low"], rows["high"], color=INK, linewidth=2)
        ax.plot(rows["estimate"], y, "o", color=INK)
        ax.axvline(rows["chance"].mean(), color="black", linewidth=0.9, linestyle="--")
        ax.set_xlabel(fill(measure, 20))
        ax.xaxis.set_major_locator(MaxNLocator(3, prune="upper"))  # or numbers of two panels would touch
        ax.grid(axis="y", alpha=0.3)
    axes[0, 0].set_yticks(y, order)
    axes[0, 0].invert_yaxis()
    return fig


def rates_by_distance(
    panels: Mapping[str, pd.DataFrame], expected: float, ylabels: Mapping[str, str]
) -> Figure:
    """How often a gene without effect looks relevant, by its distance to the next causal gene.

    Parameters
    ----------
    panels
        Title to a table with columns ``method``, ``distance`` (a label) and ``rate``, in the order of drawing.
    expected
        Rate of genes that are neither linked to a cause nor related to one, drawn dashed.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.4), squeeze=False)
    markers = "osD^vP"
    for ax, (title, table) in zip(axes[0], panels.items(), strict=True):
        for (method, rows), marker in zip(table.groupby("method", sort=False), markers, strict=False):
            model = method.split(",")[0]
            colour = "0.2" if model == "single genes" else MODEL_STYLES.get(model, (None,))[0]
            line = "--" if model in MODEL_STYLES and method not in MODEL_STYLES else "-"
            style = {"marker": marker, "markersize": 5, "color": colour, "linestyle": line}
            ax.plot(rows["distance"], rows["rate"], label=method, **style)
        ax.axhline(expected, color="black", linewidth=0.9, linestyle="--")
        ax.set(title=title, xlabel="genes from the next causal one", ylabel=ylabels[title])
        top = max(table["rate"].max(), expected)
        ax.set_ylim(0, 1.3 * top)  # room for the legend: rates fall from left to right
        ax.legend(fontsize=8, loc="upper right")
    return fig


def pathway_heatmap(relevance: pd.DataFrame, causal: pd.DataFrame | None = None) -> Figure:
    """Relevance of pathways to traits as shares of the trait's total; dots mark the causal ones.

    Parameters
    ----------
    relevance
        One row per pathway, one column per trait.
    causal
        The same for the truth, where it is known.
    """
    share = relevance / relevance.sum()
    height = 0.17 * len(share) + 1.6
    fig, ax = plt.subplots(figsize=(min(0.19 * share.shape[1] + 3.2, WIDEST), height))
    sns.heatmap(
        100 * share, cmap="Greens", vmin=0, cbar_kws={"label": "% of the trait's total relevance"}, ax=ax,
        xticklabels=True, yticklabels=True,
    )  # fmt: skip
    if causal is not None:
        row, column = np.nonzero(causal.to_numpy())
        ax.scatter(column + 0.5, row + 0.5, s=12, color=CAUSAL_COLOUR, edgecolor="white", linewidth=0.4)
    ax.tick_params(labelsize=8)
    ax.set(xlabel="", ylabel="")
    return fig


def agreement_plot(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], marked: np.ndarray) -> Figure:
    """Relevance of genes to two networks of one kind, trained with different seeds; one panel per kind.

    Parameters
    ----------
    pairs
        Title to two arrays of shape (gene,).
    marked : shape (gene,), bool
        Genes to colour.
    """
    fig, axes = plt.subplots(1, len(pairs), figsize=(3 * len(pairs), 3), squeeze=False)
    for ax, (title, (one, other)) in zip(axes[0], pairs.items(), strict=True):
        ax.scatter(one[~marked], other[~marked], s=7, color="0.6", linewidth=0)
        ax.scatter(one[marked], other[marked], s=16, color=CAUSAL_COLOUR, linewidth=0)
        ax.set(title=title, xlabel="relevance, first seed")
        ax.set_xlim(left=0)
        ax.set_ylim(bottom=0)
    axes[0, 0].set_ylabel("relevance, second seed")
    return fig


def property_scatter(
    scores: pd.DataFrame, properties: Mapping[str, pd.Series], models: Sequence[str], ylabel: str
) -> Figure:
    """How well each trait is predicted against its properties: one column of panels per property, a line per model.

    Parameters
    ----------
    scores
        Columns ``model``, ``trait``, ``estimate``, of one kind of score.
    properties
        Name to values by trait.
    models
        To draw.
    """
    fig, axes = plt.subplots(
        1, len(properties), figsize=(4.1 * len(properties), 3.5), sharey=True, squeeze=False
    )
    for ax, (name, values) in zip(axes[0], properties.items(), strict=True):
        for model in models:
            rows = scores[scores["model"] == model]
            x, y = rows["trait"].map(values).to_numpy(float), rows["estimate"].to_numpy(float)
            known = np.isfinite(x) & np.isfinite(y)
            x, y = x[known], y[known]
            colour, line = MODEL_STYLES[model]
            ax.scatter(x, y, s=14, color=colour, linewidth=0, alpha=0.7)
            if len(x) > 2 and np.ptp(x) > 0:
                slope, intercept = np.polyfit(x, y, 1)
                ends = np.array([x.min(), x.max()])
                ax.plot(ends, intercept + slope * ends, line, color=colour, linewidth=1.6, label=model)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_xlabel(name)
    axes[0, 0].set_ylabel(ylabel)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return fig
