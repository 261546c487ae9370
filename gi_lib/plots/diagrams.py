"""Drawings that explain: the layers of a network, the way of a variant into the encoding."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from gi_lib.plots.accessions import gene_histogram
from gi_lib.plots.style import GREY_DARK, GREY_MID, GREY_PALE, INK, INK_FAINT, INK_LIGHT, INK_PALE


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
        shade = INK_PALE if name in parameters else GREY_PALE
        ax.add_patch(
            FancyBboxPatch((left, 0.5), width, 1.5, boxstyle="round,pad=0.03", facecolor=shade, edgecolor=INK)
        )
        ax.text(left + width / 2, 1.25, layers, ha="center", va="center", fontsize=8)
        ax.text(left + width / 2, 2.15, name, ha="center", va="bottom", fontsize=10, fontweight="bold")
        count = f"{parameters[name]:,} parameters" if name in parameters else remark
        ax.text(left + width / 2, 0.33, count, ha="center", va="top", fontsize=8, color=INK)
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
        shade = INK_PALE if i == len(site) + accession else INK_FAINT if is_call else GREY_PALE
        line.add_patch(plt.Rectangle((left, 0.1), right - left, 0.5, facecolor=shade, edgecolor="white"))
        middle = (left + right) / 2
        line.text(middle, 0.78, head, ha="center", va="center", fontsize=8, color=GREY_DARK)
        line.text(middle, 0.35, text, ha="center", va="center", fontsize=8, family="monospace")
    line.set(xlim=(0, 1), ylim=(0, 1), title="1. one line of the file")

    start, end, position = gene["start"].min(), gene["end"].max(), int(site["POS"])
    track.axhline(0, color=GREY_MID, linewidth=1)
    for part in gene.itertuples():
        height = GENE_PART_HEIGHTS.get(part.region)
        if height:
            box = (part.start, -height / 2), part.end - part.start + 1, height
            track.add_patch(plt.Rectangle(*box, facecolor=INK_LIGHT, edgecolor=INK, linewidth=0.6))
    near = positions[(positions >= start) & (positions <= end)]
    track.plot(near, np.full(len(near), 0.3), "|", color=GREY_DARK, markersize=7)
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
