"""Accessions: on the map, in embeddings, and their counts."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gi_lib.plots.style import GREY_PALE, country_groups


def scatter_by_country(x: np.ndarray, y: np.ndarray, country: np.ndarray, ax: Axes, **options) -> Axes:
    """Points coloured by country; the small countries are grey and lie underneath."""
    for name, members, colour in country_groups(country):
        ax.scatter(x[members], y[members], s=14, color=colour, label=name, linewidth=0, alpha=0.8, **options)
    return ax


MAP_WINDOWS = {"North America": (-128, -62, 24, 58), "Europe and its surroundings": (-15, 62, 30, 70)}
"""Parts of the world that `accession_map` shows: west, east, south, north in degrees."""


def on_the_map(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Whether each place lies in one of the windows of `accession_map`."""
    return np.any(
        [
            (longitude >= west) & (longitude <= east) & (latitude >= south) & (latitude <= north)
            for west, east, south, north in MAP_WINDOWS.values()
        ],
        axis=0,
    )


def accession_map(cohort: xr.Dataset) -> Figure:
    """Where the accessions come from: Europe and its surroundings, and North America."""
    fig, axes = plt.subplots(1, 2, figsize=(8.2, 4), width_ratios=[1, 2.1])
    longitude, latitude = cohort["longitude"].values, cohort["latitude"].values
    for ax, (title, (west, east, south, north)) in zip(axes, MAP_WINDOWS.items(), strict=True):
        scatter_by_country(longitude, latitude, cohort["country"].values, ax)
        ax.set(xlim=(west, east), ylim=(south, north), title=title, xlabel="longitude (°)")
        ax.set_aspect(1 / np.cos(np.radians((south + north) / 2)))  # a kilometre is as long both ways
        ax.grid(alpha=0.3, linewidth=0.5)
    axes[0].set_ylabel("latitude (°)")
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), title="country")
    return fig


def embeddings(panels: dict[str, np.ndarray], country: np.ndarray) -> Figure:
    """One panel per two-dimensional embedding (title to an array of shape (sample, 2))."""
    fig, axes = plt.subplots(1, len(panels), figsize=(3.7 * len(panels), 3.6), squeeze=False)
    for ax, (title, points) in zip(axes[0], panels.items(), strict=True):
        scatter_by_country(points[:, 0], points[:, 1], country, ax)
        ax.set(title=title, xticks=[], yticks=[])
        sns.despine(ax=ax, left=True, bottom=True)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5), title="country")
    return fig


def gene_histogram(counts: np.ndarray, variant_types: Sequence[str], genes: Sequence[str], ax: Axes) -> Axes:
    """Gene × variant-type counts of one accession as a heat map; empty cells stay white."""
    table = pd.DataFrame(counts, index=genes, columns=variant_types)
    top = max(1, int(counts.max()))
    sns.heatmap(
        table, mask=table == 0, annot=table.size <= 200, fmt="d", cmap="Greens", vmin=0, vmax=top, linewidths=0.5,
        linecolor=GREY_PALE, cbar=table.size > 200, cbar_kws={"label": "variants"}, ax=ax,
    )  # fmt: skip
    ax.tick_params(axis="y", rotation=0)
    ax.set_xticks(np.arange(len(variant_types)) + 0.5, variant_types, rotation=45, ha="right")
    return ax
