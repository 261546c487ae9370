"""Who is predicted from whom: folds on the map, scores by split, relatives left to learn from."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from gi_lib.plots.accessions import MAP_WINDOWS
from gi_lib.plots.style import BLUE, BLUE_LIGHT, COUNTRY_COLOURS, GOLD, INK, OTHER_COUNTRIES, RED, WIDEST

SPLIT_STYLES = {
    "random": (BLUE, "o"),
    "random, same sizes": (BLUE_LIGHT, "D"),
    "by region": (GOLD, "s"),
    "by country": (RED, "^"),
}
"""Colour and marker of each split, the same in every figure."""


def fold_maps(cohort: xr.Dataset, tests: Mapping[str, np.ndarray]) -> Figure:
    """One fold of each split on the map: the accessions to be predicted, and those to learn from.

    Parameters
    ----------
    cohort
        With ``latitude`` and ``longitude`` along sample. Unknown places are not shown.
    tests
        Name of a split to whether each accession is in the test part, shape (sample,), bool.

    Raises
    ------
    ValueError
        If a test part has not one entry for each accession.
    """
    longitude, latitude = cohort["longitude"].values, cohort["latitude"].values
    for name, test in tests.items():
        if np.shape(test) != longitude.shape:
            raise ValueError(
                f"The test part of the split {name!r} has {np.size(test)} entries; the cohort has "
                f"{len(longitude)} accessions."
            )
    windows = dict(reversed(MAP_WINDOWS.items()))  # Europe, where most of them are, on top
    fig, axes = plt.subplots(2, len(tests), figsize=(2.8 * len(tests), 4.8), squeeze=False)
    for column, (name, test) in zip(axes.T, tests.items(), strict=True):
        test = np.asarray(test, bool)
        for ax, (place, (west, east, south, north)) in zip(column, windows.items(), strict=True):
            ax.scatter(
                longitude[~test],
                latitude[~test],
                s=10,
                color=OTHER_COUNTRIES,
                linewidth=0,
                label="to learn from",
            )
            ax.scatter(longitude[test], latitude[test], s=14, color=INK, linewidth=0, label="to be predicted")
            ax.set(xlim=(west, east), ylim=(south, north))
            ax.set_aspect(1 / np.cos(np.radians((south + north) / 2)))  # a kilometre is as long both ways
            ax.grid(alpha=0.3, linewidth=0.5)
            ax.tick_params(labelsize=8)
            ax.set_xlabel(place if name == next(iter(tests)) else "", fontsize=8)
        column[0].set_title(f"{name}\n{(~test).sum():,} → {test.sum():,}", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2)
    return fig


def scores_by_split(
    table: pd.DataFrame, rows: Sequence[str], splits: Sequence[str], scores: Sequence[str]
) -> Figure:
    """Scores with their intervals: one panel per kind of score, one row per model, one colour per split.

    Parameters
    ----------
    table
        Columns ``model``, ``split``, ``score``, ``estimate``, ``low``, ``high``; one line for each combination at
        most. What is not there, or NaN, is not drawn.
    rows
        Values of ``model`` from top to bottom.
    splits
        Keys of `SPLIT_STYLES`.
    scores
        Values of ``score``, one panel each.
    """
    fig, axes = plt.subplots(
        1,
        len(scores),
        figsize=(1.95 * len(scores) + 2.5, 0.16 * len(splits) * len(rows) + 1.3),
        sharey=True,
        squeeze=False,
    )
    reach = 0.3 if len(splits) > 1 else 0
    for ax, score in zip(axes[0], scores, strict=True):
        for offset, split in zip(np.linspace(-reach, reach, len(splits)), splits, strict=True):
            colour, marker = SPLIT_STYLES[split]
            chosen = (table["score"] == score) & (table["split"] == split)
            points = table[chosen].set_index("model").reindex(rows)
            y = np.arange(len(rows)) + offset
            ax.hlines(y, points["low"], points["high"], color=colour, linewidth=1.8)
            ax.plot(points["estimate"], y, marker, color=colour, markersize=5, label=split)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set(yticks=range(len(rows)), yticklabels=rows, xlabel="Pearson correlation", title=score)
        ax.grid(axis="x", alpha=0.3, linewidth=0.5)
    axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5), title="folds")
    return fig


def nearest_relatives(similarity: pd.DataFrame, countries: pd.DataFrame) -> Figure:
    """How near the nearest relative to learn from is under each split, and the score within countries against it.

    Parameters
    ----------
    similarity
        Columns ``split`` and ``similarity``, one line per accession to be predicted: that of the most similar
        training accession.
    countries
        Columns ``split``, ``country``, ``similarity`` (the mean over the country's accessions) and ``correlation``. The
        points of a country are joined in the order of the lines, and so are, in black, the means over countries.
    """
    splits = list(similarity["split"].drop_duplicates())
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDEST, 3.8), width_ratios=[1, 1.15])
    for split in splits:
        values = np.sort(similarity.loc[similarity["split"] == split, "similarity"].dropna())
        left.step(
            values,
            np.arange(1, len(values) + 1) / len(values),
            where="post",
            color=SPLIT_STYLES[split][0],
            label=split,
            linewidth=1.8,
        )
    left.set(xlabel="similarity to the nearest\ntraining accession", ylabel="share of the accessions below")
    left.legend(fontsize=8, title="folds")
    for name, points in countries.groupby("country", sort=True):
        colour = COUNTRY_COLOURS.get(name, OTHER_COUNTRIES)
        right.plot(
            points["similarity"], points["correlation"], color=colour, linewidth=1, alpha=0.7, label=name
        )
        for point in points.itertuples():
            marker = SPLIT_STYLES[point.split][1]
            right.plot(point.similarity, point.correlation, marker, color=colour, markersize=7)
    means = countries.groupby("split", sort=False)[["similarity", "correlation"]].mean()
    right.plot(means["similarity"], means["correlation"], color="black", linewidth=2.2, label="mean")
    for split, point in means.iterrows():
        right.plot(
            point["similarity"], point["correlation"], SPLIT_STYLES[split][1], color="black", markersize=9
        )
        right.plot([], [], SPLIT_STYLES[split][1], color="0.3", label=split)
    right.set(
        xlabel="similarity to the nearest\ntraining accession, mean",
        ylabel="correlation within the country",
    )
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return fig


def trait_drops(panels: Mapping[str, pd.DataFrame], splits: Sequence[str]) -> Figure:
    """The score of every trait under each split, joined by a line; one panel per tissue.

    Parameters
    ----------
    panels
        Title to a table with one row per trait, in the order to draw from top to bottom, and one column per split.
    splits
        Columns to draw, keys of `SPLIT_STYLES`.
    """
    longest = max(len(table) for table in panels.values())
    fig, axes = plt.subplots(
        1, len(panels), figsize=(3.3 * len(panels) + 1.8, 0.23 * longest + 1.3), sharex=True, squeeze=False
    )
    for ax, (title, table) in zip(axes[0], panels.items(), strict=True):
        y = np.arange(len(table))
        values = table[list(splits)]
        ax.hlines(y, values.min(axis=1), values.max(axis=1), color="0.75", linewidth=2, zorder=1)
        for split in splits:
            colour, marker = SPLIT_STYLES[split]
            ax.plot(table[split], y, marker, color=colour, markersize=5, label=split, zorder=2)
        ax.axvline(0, color="black", linewidth=0.8, zorder=0)
        ax.set(yticks=y, yticklabels=table.index, title=title, xlabel="Pearson correlation")
        ax.set_ylim(longest - 0.5, -0.5)
        ax.tick_params(axis="y", labelsize=8)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5), title="folds")
    return fig
