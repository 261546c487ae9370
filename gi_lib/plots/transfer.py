"""Figures on transfer learning: what is trained on which task, and when it pays."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

from gi_lib.plots.ionome import MODEL_STYLES
from gi_lib.plots.style import BROWN_PALE, GREY, INK, INK_PALE

JOINT = "joint"
TRANSFER_STYLES = {**MODEL_STYLES, JOINT: (sns.color_palette("colorblind")[6], "-.")}
"""Colour and line of each model, as in `MODEL_STYLES`, with Galiana trained on both tasks at once."""

STATES = {
    # state of a part: face, hatch
    "trained on T1": (BROWN_PALE, ""),
    "trained on T1, then on T2": (INK_PALE, "//"),
    "trained on T1, then frozen": (BROWN_PALE, "xx"),
    "trained on T2 only": (INK_PALE, ""),
}
INTERVAL_COLOURS = {"accessions": GREY, "folds and trainings": INK}
"""What an interval lets vary."""
SHUFFLED_AT = -0.25
"""Where on the axis of relatedness the control with shuffled labels of T1 stands."""


class _Box(NamedTuple):
    name: str
    layers: str
    parameters: str
    state: str


def transfer_diagram(
    n_genes: int,
    n_variant_types: int,
    n_source_traits: int,
    n_traits: int,
    hidden: int,
    parameters: dict[str, int],
) -> Figure:
    """What of Galiana is trained on T1 and on T2, in the source task and in either kind of transfer learning.

    Parameters
    ----------
    n_genes, n_variant_types, n_source_traits, n_traits, hidden
        Sizes of input, outputs and hidden layers.
    parameters
        Trainable parameters of the parts ``G``, ``gene values``, ``P``, ``head of T1``, ``head of T2``, and of module I
        as ``I, 200`` and ``I, 500``.
    """

    def count(*parts: str) -> str:
        return " or ".join(f"{parameters[part]:,}" for part in parts)

    body = (
        ("G", f"Linear {n_variant_types}→{hidden}\nLinear {hidden}→1", count("G")),
        ("gene values", f"{n_genes:,} values", count("gene values")),
        ("P", f"Linear {n_genes:,}→{hidden}\nLinear {hidden}→{hidden}", count("P")),
    )
    trained, tuned, frozen, new = STATES
    rows = {
        "source task T1": [
            *(_Box(*part, trained) for part in body),
            _Box("head", f"Linear {hidden}→{n_source_traits}", count("head of T1"), trained),
        ],
        "transf30, transf50": [
            *(_Box(*part, tuned) for part in body),
            _Box("new head", f"Linear {hidden}→{n_traits}", count("head of T2"), new),
        ],
        "frozen200, frozen500": [
            *(_Box(*part, frozen) for part in body),
            _Box("I", f"Linear {hidden}→H\nLinear H→{n_traits}", count("I, 200", "I, 500"), new),
        ],
    }
    fig, ax = plt.subplots(figsize=(8.4, 4.4))
    width, gap, step = 1.8, 0.3, 1.75
    for i, (title, boxes) in enumerate(rows.items()):
        middle = -i * step
        ax.text(
            -0.15, middle, title.replace(", ", "\n"), ha="right", va="center", fontweight="bold", fontsize=9
        )
        for j, box in enumerate(boxes):
            _draw_box(ax, box, j * (width + gap), middle, width)
            if j:
                ends = (j * (width + gap) - gap + 0.05, middle), (j * (width + gap) - 0.05, middle)
                ax.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=12, color="black"))
    keys = [
        Patch(facecolor=face, hatch=hatch, edgecolor=INK, label=name)
        for name, (face, hatch) in STATES.items()
    ]
    ax.legend(handles=keys, loc="upper center", bbox_to_anchor=(0.45, 0.02), ncol=2, fontsize=8)
    ax.set(xlim=(-1.5, 4 * (width + gap) - gap + 0.1), ylim=(-2 * step - 1.0, 0.95))
    ax.axis("off")
    return fig


def _draw_box(ax: Axes, box: _Box, left: float, middle: float, width: float) -> None:
    face, hatch = STATES[box.state]
    shape = FancyBboxPatch(
        (left, middle - 0.4), width, 0.8, boxstyle="round,pad=0.03",
        facecolor=face, edgecolor=GREY if hatch else INK, hatch=hatch,
    )  # fmt: skip
    ax.add_patch(shape)
    ax.add_patch(
        FancyBboxPatch(shape.get_bbox().p0, width, 0.8, boxstyle="round,pad=0.03", fill=False, edgecolor=INK)
    )
    paper = {"boxstyle": "round,pad=0.15", "facecolor": face, "edgecolor": "none"}
    ax.text(left + width / 2, middle, box.layers, ha="center", va="center", fontsize=8, bbox=paper)
    ax.text(
        left + width / 2, middle + 0.47, box.name, ha="center", va="bottom", fontsize=9, fontweight="bold"
    )
    ax.text(left + width / 2, middle - 0.48, box.parameters, ha="center", va="top", fontsize=8, color=INK)


def difference_plot(
    differences: pd.DataFrame, order: Sequence[str], reference: str, score: str = "correlation"
) -> Figure:
    """Differences between models and a reference, one panel per group of traits.

    Parameters
    ----------
    differences
        Columns ``group``, ``model``, ``varies`` (a key of `INTERVAL_COLOURS`), ``difference``, ``low``, ``high``.
    order
        Names of the models from top to bottom.
    reference
        What the others are compared with.
    score
        What was measured, for the axis.
    """
    groups = list(differences["group"].drop_duplicates())
    size = (3.6 * len(groups) + 2.4, 0.5 * len(order) + 1.3)
    fig, axes = plt.subplots(1, len(groups), figsize=size, sharey=True, sharex=True, squeeze=False)
    for ax, group in zip(axes[0], groups, strict=True):
        of_group = differences[differences["group"] == group]
        for offset, (varies, colour) in zip((-0.14, 0.14), INTERVAL_COLOURS.items(), strict=True):
            table = of_group[of_group["varies"] == varies].set_index("model").reindex(order)
            y = np.arange(len(order)) + offset
            ax.hlines(y, table["low"], table["high"], color=colour, linewidth=2)
            ax.plot(table["difference"], y, "o", color=colour, label=varies)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set(yticks=range(len(order)), yticklabels=order, title=group)
        ax.xaxis.set_major_locator(plt.MaxNLocator(5))
    axes[0, 0].invert_yaxis()
    fig.supxlabel(f"{score}, less that of {reference}", fontsize=10)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5), title="interval over")
    return fig


def relatedness_plot(
    scores: pd.DataFrame, differences: pd.DataFrame, reference: str, score: str = "correlation"
) -> Figure:
    """Score against the share of causal genes that T1 and T2 have in common, and the gain over a reference.

    Parameters
    ----------
    scores
        Columns ``panel``, ``relatedness`` (NaN: labels of T1 shuffled), ``model``, ``estimate``, ``low``, ``high``. The
        reference does not know T1; its score is drawn as a band.
    differences
        Columns ``panel``, ``relatedness``, ``model``, ``difference``, ``low``, ``high``.
    reference
        Model that was not told of T1.
    score
        What was measured, for the axis.
    """
    panels = list(scores["panel"].drop_duplicates())
    size = (3.7 * len(panels) + 1.4, 5.6)
    fig, axes = plt.subplots(2, len(panels), figsize=size, sharex=True, sharey="row", squeeze=False)
    colour, line = TRANSFER_STYLES[reference]
    for (top, bottom), panel in zip(axes.T, panels, strict=True):
        of_panel = scores[scores["panel"] == panel]
        alone = of_panel[of_panel["model"] == reference].iloc[0]
        top.axhspan(alone["low"], alone["high"], color=colour, alpha=0.15, linewidth=0)
        top.axhline(alone["estimate"], color=colour, linestyle=line, label=reference)
        _lines(top, of_panel[of_panel["model"] != reference], "relatedness", "estimate")
        _lines(bottom, differences[differences["panel"] == panel], "relatedness", "difference")
        bottom.axhline(0, color=colour, linestyle=line, linewidth=1.2)
        bottom.set_xlabel("share of T1's causal genes\nthat are also T2's")
        top.set_title(panel)
    steps = np.sort(scores["relatedness"].dropna().unique())
    control = [SHUFFLED_AT] if scores["relatedness"].isna().any() else []
    labels = [*(["labels\nshuffled"] if control else []), *(f"{step:g}" for step in steps)]
    axes[0, 0].set_xticks([*control, *steps], labels)
    axes[0, 0].set_ylabel(score)
    axes[1, 0].set_ylabel(f"difference from {reference}")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def label_curve(scores: pd.DataFrame, n_source: int) -> Figure:
    """Scores against the number of accessions that have labels of T2, one panel per score.

    Parameters
    ----------
    scores
        Columns ``labelled``, ``model``, ``score``, ``estimate``, ``low``, ``high``.
    n_source
        Training accessions with labels of T1, marked by a vertical line.
    """
    names = list(scores["score"].drop_duplicates())
    fig, axes = plt.subplots(1, len(names), figsize=(3.9 * len(names) + 1.4, 3.8), sharey=True, squeeze=False)
    ticks = np.sort(scores["labelled"].unique())
    for ax, name in zip(axes[0], names, strict=True):
        _lines(ax, scores[scores["score"] == name], "labelled", "estimate", dodge=1.03)
        ax.axvline(n_source, color="0.6", linestyle=":", label="accessions with T1")
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set(xscale="log", title=name, xlabel="training accessions with labels of T2")
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    axes[0, 0].set_ylabel("Pearson correlation")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def _lines(ax: Axes, table: pd.DataFrame, x: str, y: str, dodge: float | None = None) -> None:
    """One line per model through its estimates, with intervals, a little apart; NaN in x stands alone at the left."""
    models = list(table["model"].drop_duplicates())
    for i, model in enumerate(models):
        rows = table[table["model"] == model].sort_values(x)
        colour, line = TRANSFER_STYLES[model]
        aside = i - (len(models) - 1) / 2
        at = rows[x].to_numpy(float)
        at = np.where(np.isnan(at), SHUFFLED_AT, at)
        at = at * dodge**aside if dodge else at + 0.02 * aside
        known = rows[x].notna().to_numpy()
        ax.vlines(at, rows["low"], rows["high"], color=colour, linewidth=1.4)
        estimate = rows[y].to_numpy()
        ax.plot(at[~known], estimate[~known], "o", color=colour, markersize=5)
        ax.plot(at[known], estimate[known], line, color=colour, marker="o", markersize=5, label=model)
