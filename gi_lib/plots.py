"""Numbers to figures: one palette, one font size, one look for the whole book."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from gi_lib.cohorts import LARGE_COUNTRIES
from gi_lib.evaluation.correlation import POOLED, WITHIN

COUNTRY_COLOURS = dict(zip(LARGE_COUNTRIES, sns.color_palette("colorblind", 7), strict=True))
"""The seven large countries, in colours that colour-blind readers can tell apart."""
OTHER_COUNTRIES = (0.72, 0.72, 0.72)
SCORE_COLOURS = {POOLED: "#b3b3b3", WITHIN: "#1b5e3b"}
INK = "#1b5e3b"


def use_style() -> None:
    """Set the look of every figure; called once at the start of a notebook."""
    sns.set_theme(context="notebook", style="ticks", palette="colorblind", font_scale=0.9)
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "figure.figsize": (7, 4),
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "svg.hashsalt": "gi_lib",
        }
    )


def _country_groups(country: np.ndarray) -> list[tuple[str, np.ndarray, tuple]]:
    """Name, members and colour of each large country that occurs, the others first as one grey group."""
    country = np.asarray(country)
    large = [name for name in LARGE_COUNTRIES if (country == name).any()]
    other = ~np.isin(country, large)
    groups = [("other", np.flatnonzero(other), OTHER_COUNTRIES)] if other.any() else []
    return groups + [(name, np.flatnonzero(country == name), COUNTRY_COLOURS[name]) for name in large]


def scatter_by_country(x: np.ndarray, y: np.ndarray, country: np.ndarray, ax: Axes, **options) -> Axes:
    """Points coloured by country; the small countries are grey and lie underneath."""
    for name, members, colour in _country_groups(country):
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


def correlation_plot(scores: pd.DataFrame, order: Sequence[str], title: str = "") -> Figure:
    """Pooled and within-country correlation of each model with its interval.

    Parameters
    ----------
    scores
        As `gi_lib.evaluation.correlations` returns them, of one trait or of the mean over traits.
    order
        Names of the models from top to bottom.
    """
    fig, ax = plt.subplots(figsize=(7, 0.55 * len(order) + 1.3))
    for offset, (score, colour) in zip((-0.12, 0.12), SCORE_COLOURS.items(), strict=True):
        table = scores[scores["score"] == score].set_index("model").reindex(order)
        y = np.arange(len(order)) + offset
        ax.hlines(y, table["low"], table["high"], color=colour, linewidth=2)
        ax.plot(table["estimate"], y, "o", color=colour, label=score)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(yticks=range(len(order)), yticklabels=order, xlabel="Pearson correlation", title=title)
    ax.invert_yaxis()
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def observed_and_predicted(
    predictions: pd.DataFrame, models: Sequence[str], trait: str, unit: str = ""
) -> Figure:
    """Observed against predicted trait, one panel per model, with a regression line inside each large country."""
    fig, axes = plt.subplots(1, len(models), figsize=(2.9 * len(models), 3.2), sharey=True, squeeze=False)
    chosen = predictions[
        (predictions["trait"] == trait) & (predictions["repeat"] == predictions["repeat"].min())
    ]
    for ax, model in zip(axes[0], models, strict=True):
        table = chosen[chosen["model"] == model]
        x, y, country = (table[name].to_numpy() for name in ("predicted", "observed", "country"))
        scatter_by_country(x, y, country, ax)
        for name, members, colour in _country_groups(country):
            if name != "other" and np.ptp(x[members]) > 0:
                slope, intercept = np.polyfit(x[members], y[members], 1)
                ends = np.quantile(x[members], [0.02, 0.98])
                ax.plot(ends, intercept + slope * ends, color=colour, linewidth=2)
        ax.set(title=model, xlabel=f"predicted{unit}")
    axes[0, 0].set_ylabel(f"observed{unit}")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5), title="country")
    return fig


def confusion(
    observed: np.ndarray, predicted: np.ndarray, labels: Sequence[str], ax: Axes, title: str
) -> Axes:
    """Confusion matrix in percent of each observed class."""
    table = pd.crosstab(pd.Series(observed, name="observed"), pd.Series(predicted, name="predicted"))
    share = table.reindex(index=labels, columns=labels, fill_value=0)
    share = 100 * share.div(share.sum(axis=1), axis=0)
    sns.heatmap(share, annot=True, fmt=".0f", cmap="Greens", vmin=0, vmax=100, cbar=False, square=True, ax=ax)
    ax.set(title=title)
    ax.tick_params(axis="y", rotation=0)
    return ax


def gene_histogram(counts: np.ndarray, variant_types: Sequence[str], genes: Sequence[str], ax: Axes) -> Axes:
    """Gene × variant-type counts of one accession as a heat map; empty cells stay white."""
    table = pd.DataFrame(counts, index=genes, columns=variant_types)
    top = max(1, int(counts.max()))
    sns.heatmap(
        table, mask=table == 0, annot=table.size <= 200, fmt="d", cmap="Greens", vmin=0, vmax=top, linewidths=0.5,
        linecolor="#eeeeee", cbar=table.size > 200, cbar_kws={"label": "variants"}, ax=ax,
    )  # fmt: skip
    ax.tick_params(axis="y", rotation=0)
    ax.set_xticks(np.arange(len(variant_types)) + 0.5, variant_types, rotation=45, ha="right")
    return ax


def galiana_diagram(
    n_genes: int, n_variant_types: int, n_outputs: int, hidden: int, parameters: dict[str, int]
) -> Figure:
    """The layers of Galiana from left to right, with the number of trainable parameters of each part."""
    boxes = [
        ("input", f"{n_genes:,} genes ×\n{n_variant_types} variant types", "counts"),
        ("G", f"Linear {n_variant_types}→{hidden}\nLayerNorm · Tanh\nLinear {hidden}→1", "the same for every gene"),
        ("gene values", f"{n_genes:,} values\nLayerNorm · Tanh", "one number per gene"),
        (
            "P",
            f"Linear {n_genes:,}→{hidden}\nLayerNorm · Tanh\nLinear {hidden}→{hidden}\nLayerNorm · Tanh",
            "all genes together",
        ),
        ("head", f"Linear {hidden}→{n_outputs}", f"{n_outputs} outputs"),
    ]  # fmt: skip
    fig, ax = plt.subplots(figsize=(8.4, 2.3))
    width, gap = 1.8, 0.25
    for i, (name, layers, remark) in enumerate(boxes):
        left = i * (width + gap)
        shade = "#e3efe7" if name in parameters else "#f4f4f4"
        ax.add_patch(
            FancyBboxPatch((left, 0.5), width, 1.5, boxstyle="round,pad=0.03", facecolor=shade, edgecolor=INK)
        )
        ax.text(left + width / 2, 1.25, layers, ha="center", va="center", fontsize=8.5)
        ax.text(left + width / 2, 2.15, name, ha="center", va="bottom", fontsize=11, fontweight="bold")
        count = f"{parameters[name]:,} parameters" if name in parameters else remark
        ax.text(left + width / 2, 0.33, count, ha="center", va="top", fontsize=8.5, color=INK)
        if i:
            arrow = FancyArrowPatch(
                (left - gap + 0.05, 1.25), (left - 0.05, 1.25), arrowstyle="-|>", mutation_scale=14
            )
            ax.add_patch(arrow)
    ax.set(xlim=(-0.1, len(boxes) * (width + gap) - gap + 0.1), ylim=(0, 2.5))
    ax.axis("off")
    return fig


GENE_PART_HEIGHTS = {"exonic": 0.34, "ncRNA exonic": 0.34, "UTR5": 0.18, "UTR3": 0.18}


def line_to_cell(
    site: dict[str, str],
    calls: dict[str, str],
    gene: pd.DataFrame,
    name: str,
    positions: np.ndarray,
    variant_types: Sequence[str],
    counts: np.ndarray,
    counted: tuple[int, int],
) -> Figure:
    """The way of one variant: a line of a VCF file, a place in a gene, a cell of the encoding.

    Parameters
    ----------
    site
        Columns of the line to show, by name; ``POS`` is needed.
    calls
        Genotypes of a few accessions, by name.
    gene
        Intervals of the gene: ``start``, ``end`` (base pairs) and ``region``.
    name
        Of the gene, with its strand.
    positions
        Of all variants of the file near the gene; they are drawn as ticks.
    variant_types
        Columns of the encoding.
    counts
        Shape (accession, variant_type): the gene's row of the accessions of `calls`.
    counted
        Accession and type whose cell the variant adds to.
    """
    fig, (line, track, table) = plt.subplots(3, 1, figsize=(7.6, 5.8), height_ratios=[0.7, 1.1, 1.7])
    cells = [*site.items(), *calls.items()]
    widths = np.array([max(len(head), len(text)) + 2 for head, text in cells], float)
    edges = np.concatenate([[0], np.cumsum(widths / widths.sum())])
    accession, kind = counted
    for i, ((head, text), left, right) in enumerate(zip(cells, edges[:-1], edges[1:], strict=True)):
        is_call = i >= len(site)
        shade = "#cfe6d8" if i == len(site) + accession else "#f1f6f3" if is_call else "#f4f4f4"
        line.add_patch(plt.Rectangle((left, 0.1), right - left, 0.5, facecolor=shade, edgecolor="white"))
        middle = (left + right) / 2
        line.text(middle, 0.78, head, ha="center", va="center", fontsize=8, color="#555555")
        line.text(middle, 0.35, text, ha="center", va="center", fontsize=8, family="monospace")
    line.set(xlim=(0, 1), ylim=(0, 1), title="1. one line of the file")

    start, end, position = gene["start"].min(), gene["end"].max(), int(site["POS"])
    track.axhline(0, color="#999999", linewidth=1)
    for part in gene.itertuples():
        height = GENE_PART_HEIGHTS.get(part.region)
        if height:
            box = (part.start, -height / 2), part.end - part.start + 1, height
            track.add_patch(plt.Rectangle(*box, facecolor="#8fbfa3", edgecolor=INK, linewidth=0.6))
    near = positions[(positions >= start) & (positions <= end)]
    track.plot(near, np.full(len(near), 0.3), "|", color="#555555", markersize=7)
    track.annotate(
        variant_types[kind], (position, 0.2), (position, 0.75), ha="center", fontsize=9, fontweight="bold",
        arrowprops={"arrowstyle": "-|>", "color": "black"},
    )  # fmt: skip
    track.set(ylim=(-0.45, 1), yticks=[], xlim=(start, end), title=f"2. its place in {name}")
    track.ticklabel_format(useOffset=False, style="plain")
    track.xaxis.set_major_locator(plt.MaxNLocator(5))
    track.set_xlabel("base pairs along the chromosome")

    gene_histogram(counts, variant_types, list(calls), table)
    table.add_patch(plt.Rectangle((kind, accession), 1, 1, fill=False, edgecolor="black", linewidth=2.2))
    table.set(
        title=f"3. the row of {name.split(' ')[0]} in the encoding of these accessions", xlabel="", ylabel=""
    )
    for ax in (line, track):
        sns.despine(ax=ax, left=True, bottom=ax is line)
    line.set(xticks=[], yticks=[])
    return fig
