"""Figures of the first chapters: a genome and who carries what, tests along chromosomes, descents on a loss."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from gi_lib.plots.style import BROWN, GOLD, INK, INK_FAINT, INK_LIGHT

CALLS = {-1: ("missing", GOLD), 0: ("as the reference", INK_FAINT), 1: ("alternative", INK)}
"""Meaning and colour of a call of an inbred plant."""
_CHROMOSOME_COLOURS = (INK, INK_LIGHT)
_CAUSE = BROWN


def genome_and_calls(
    genes: pd.DataFrame, regions: pd.DataFrame, position: np.ndarray, calls: np.ndarray, plants: Sequence[str]
) -> Figure:
    """One chromosome with its genes, and below it who carries which variant.

    Parameters
    ----------
    genes
        One row per gene of the chromosome: ``name``, ``start``, ``end`` (base pairs), ``strand``; the index is what the
        column ``gene`` of `regions` refers to.
    regions
        Their parts: ``gene``, ``start``, ``end``, ``region``; exons are drawn as boxes.
    position
        Shape (variant,), base pairs, ascending.
    calls
        Shape (plant, variant), keys of `CALLS`.
    plants
        Their names.
    """
    fig, (track, table) = plt.subplots(2, 1, figsize=(8.2, 4.4), height_ratios=[1, 1.6])
    for number, (row, gene) in enumerate(genes.iterrows()):
        track.hlines(0, gene["start"], gene["end"], color=INK, linewidth=1.2)
        exons = regions[(regions["gene"] == row) & regions["region"].isin(["exonic", "ncRNA exonic"])]
        for part in exons.itertuples():
            box = (part.start, -0.17), part.end - part.start + 1, 0.34
            track.add_patch(plt.Rectangle(*box, facecolor=INK_LIGHT, edgecolor=INK, linewidth=0.6))
        arrow = f"{gene['name']} →" if gene["strand"] == "+" else f"← {gene['name']}"
        height = 0.32 if number % 2 else 0.62  # neighbours would write over each other
        track.text((gene["start"] + gene["end"]) / 2, height, arrow, ha="center", fontsize=8)
    edges = (min(genes["start"].min(), position.min()), max(genes["end"].max(), position.max()))
    margin = 0.01 * (edges[1] - edges[0])
    left, right = edges[0] - margin, edges[1] + margin
    columns = np.linspace(left, right, len(position) + 1)
    middles = (columns[:-1] + columns[1:]) / 2
    track.hlines(0, left, right, color="0.7", linewidth=0.8, zorder=0)
    track.vlines(position, -0.45, -0.25, color="0.35", linewidth=0.9)
    for place, middle in zip(position, middles, strict=True):
        track.plot([place, middle], [-0.45, -1], color="0.75", linewidth=0.5)
    track.set(xlim=(left, right), ylim=(-1, 0.85), yticks=[], xlabel="base pairs along the chromosome")
    track.xaxis.set_ticks_position("top")
    track.xaxis.set_label_position("top")
    for side in ("left", "bottom"):
        track.spines[side].set_visible(False)

    shades = ListedColormap([colour for _, colour in CALLS.values()])
    table.pcolormesh(
        columns,
        np.arange(len(plants) + 1),
        calls,
        cmap=shades,
        vmin=-1.5,
        vmax=1.5,
        edgecolor="white",
        linewidth=0.6,
    )
    table.set(xlim=(left, right), xticks=[], yticks=np.arange(len(plants)) + 0.5, yticklabels=plants)
    table.invert_yaxis()
    table.tick_params(length=0)
    for side in ("left", "bottom"):
        table.spines[side].set_visible(False)
    handles = [plt.Rectangle((0, 0), 1, 1, facecolor=colour, edgecolor="0.7") for _, colour in CALLS.values()]
    fig.legend(handles, [name for name, _ in CALLS.values()], loc="outside lower center", ncols=3, fontsize=9)
    return fig


def tests_along_chromosomes(
    chromosome: np.ndarray, position: np.ndarray, p: np.ndarray, threshold: float, causes: Sequence[int]
) -> Figure:
    """A Manhattan plot: minus the logarithm of each marker's p-value along the chromosomes, which stand side by side.

    Parameters
    ----------
    chromosome, position, p
        Shape (marker,), in the order of the genome.
    threshold
        The p-value at which a line is drawn.
    causes
        Numbers of the markers to ring.
    """
    fig, ax = plt.subplots(figsize=(8.2, 3.2))
    height, start, x = -np.log10(p), 0.0, np.empty(len(p))
    names = list(dict.fromkeys(chromosome.tolist()))
    centres = []
    for number, name in enumerate(names):
        here = chromosome == name
        x[here] = start + position[here] / 1000
        end = x[here].max()
        ax.plot(x[here], height[here], ".", color=_CHROMOSOME_COLOURS[number % 2], markersize=4)
        centres.append((start + end) / 2)
        start = end + 20
    ax.plot(
        x[list(causes)], height[list(causes)], "o", markerfacecolor="none", markeredgecolor=_CAUSE, markersize=10,
        markeredgewidth=1.8, label="the marker that was given the effect",
    )  # fmt: skip
    ax.axhline(
        -np.log10(threshold), color="0.3", linestyle="--", linewidth=1, label="0.05 / number of markers"
    )
    ax.set(xlabel="chromosome", ylabel="−log₁₀ p", xlim=(-10, start - 10), ylim=(0, None))
    ax.set_xticks(centres, names)
    ax.tick_params(axis="x", length=0)
    fig.legend(loc="outside lower center", ncols=2, fontsize=9)
    return fig


def expected_and_found(p_values: Mapping[str, np.ndarray], colours: Sequence[str]) -> Figure:
    """Ordered p-values against those expected if nothing is associated, both as minus their logarithm.

    Parameters
    ----------
    p_values
        Title to p-values.
    colours
        One for each title.
    """
    fig, ax = plt.subplots(figsize=(5.4, 3.6))
    top = 0.0
    for (title, p), colour in zip(p_values.items(), colours, strict=True):
        expected = -np.log10((np.arange(len(p)) + 0.5) / len(p))
        ax.plot(expected, -np.log10(np.sort(p)), ".", color=colour, markersize=4, label=title)
        top = max(top, expected.max())
    ax.plot([0, top], [0, top], color="0.3", linewidth=1, label="what chance alone gives")
    ax.set(xlabel="−log₁₀ p, expected", ylabel="−log₁₀ p, found")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return fig


def descents(
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray],
    paths: Mapping[str, np.ndarray],
    lowest: np.ndarray,
    labels: tuple[str, str],
) -> Figure:
    """Gradient descent on a loss of two parameters, one panel per path, all over the same contours.

    Parameters
    ----------
    loss
        Of two arrays of parameters of one shape, element by element.
    paths
        Title to the points that one descent went through, shape (step, 2). A path that leaves the panel is cut there.
    lowest
        Where the loss is smallest, shape (2,).
    labels
        Names of the parameters.
    """
    start = next(iter(paths.values()))[0]
    reach = 1.45 * np.abs(start - lowest).max()
    a = np.linspace(lowest[0] - reach, lowest[0] + reach, 161)
    b = np.linspace(lowest[1] - reach, lowest[1] + reach, 161)
    surface = loss(*np.meshgrid(a, b))
    least = float(loss(*lowest))
    levels = least + (surface.max() - least) * np.linspace(0, 1, 15) ** 2.2
    fig, axes = plt.subplots(
        1, len(paths), figsize=(2.1 * len(paths), 2.6), sharex=True, sharey=True, squeeze=False
    )
    for ax, (title, path) in zip(axes[0], paths.items(), strict=True):
        ax.contourf(a, b, surface, levels=levels, cmap="Greens", alpha=0.8)
        ax.plot(*path.T, "o-", color="black", linewidth=1, markersize=2.6)
        ax.plot(*start, "s", color="black", markersize=6)
        ax.plot(*lowest, "*", color=_CAUSE, markersize=12, markeredgecolor="white")
        ax.set(title=title, xlabel=labels[0], xlim=(a[0], a[-1]), ylim=(b[0], b[-1]))
        ax.title.set_fontsize(10)
    axes[0, 0].set_ylabel(labels[1])
    return fig
