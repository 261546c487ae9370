"""Upper bounds: the formulas, the bounds of a cohort with the scores below them, and how far an estimate can be off."""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from gi_lib.evaluation.correlation import MEAN_OVER_TRAITS, POOLED, WITHIN
from gi_lib.evaluation.upper_bound import EXPERIMENT, PEARSON, TRUTH
from gi_lib.plots.ionome import MODEL_STYLES
from gi_lib.plots.style import BROWN, INK, SCORE_COLOURS, WIDEST

AGAINST_STYLES = {TRUTH: (INK, "-"), EXPERIMENT: (BROWN, "--")}
"""Colour and line of the two bounds of Benevenuta & Fariselli 2019."""
_BOUND_NAMES = {TRUTH: "bound of a model", EXPERIMENT: "second experiment"}
_MARKERS = "osD^vP*X"


def bound_curves(noise_shares: Mapping[str, ArrayLike] | None = None) -> Figure:
    """Both bounds of the Pearson correlation against the share of noise in the variance of the labels.

    Parameters
    ----------
    noise_shares
        Title to the shares σ²/s² of a group of traits, drawn as a row of ticks below the curves.
    """
    fig, ax = plt.subplots(figsize=(6.4, 3.8))
    share = np.linspace(0, 1, 401)
    curves = {TRUTH: np.sqrt(1 - share), EXPERIMENT: 1 - share}
    signs = {TRUTH: "√(1 − σ²/s²)", EXPERIMENT: "1 − σ²/s²"}
    for against, bound in curves.items():
        colour, line = AGAINST_STYLES[against]
        ax.plot(share, bound, line, color=colour, linewidth=2, label=f"{against}: {signs[against]}")
    groups = noise_shares or {}
    for row, (title, shares) in enumerate(groups.items()):
        shares = np.clip(np.asarray(shares, float), 0, 1)
        height = -0.07 - 0.09 * row
        colour = SCORE_COLOURS.get(title, "0.4")
        ax.plot(
            shares, np.full(shares.shape, height), "|", color=colour, markersize=9, label=f"traits, {title}"
        )
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(
        xlabel="share of noise in the variance of the labels, σ²/s²",
        ylabel="Pearson correlation",
        yticks=np.linspace(0, 1, 6),
        ylim=(-0.09 * len(groups) - 0.04, 1.03),
        xlim=(-0.01, 1.01),
    )
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def bounds_by_trait(
    bounds: pd.DataFrame,
    groups: Mapping[str, Sequence[str]],
    scores: pd.DataFrame | None = None,
    truth: pd.DataFrame | None = None,
) -> Figure:
    """Bounds of every trait with their intervals, and below them the scores of models (Figure 2A, unrolled).

    Parameters
    ----------
    bounds
        As `gi_lib.evaluation.upper_bounds` returns them; the Pearson bounds against the true value are drawn.
    groups
        Title of a panel to the traits in it. They are sorted by their within-country bound.
    scores
        As `gi_lib.evaluation.correlations` returns them; the within-country scores are drawn.
    truth
        As `gi_lib.evaluation.true_upper_bound` returns them, of one kind of knowledge; the expected bound within
        countries is drawn.
    """
    chosen = bounds[(bounds["against"] == TRUTH) & (bounds["measure"] == PEARSON)]
    fig, axes = plt.subplots(
        len(groups), 1, figsize=(WIDEST, 2.9 * len(groups) + 0.9), sharey=True, squeeze=False
    )
    for ax, (title, traits) in zip(axes[:, 0], groups.items(), strict=True):
        tables = {
            score: chosen[chosen["score"] == score].set_index("trait").reindex(traits)
            for score in (WITHIN, POOLED)
        }
        order = tables[WITHIN]["bound"].sort_values(kind="stable", na_position="first").index
        x = np.arange(len(order))
        for offset, score in ((0.15, POOLED), (-0.15, WITHIN)):
            table = tables[score].loc[order]
            colour = SCORE_COLOURS[score]
            ax.vlines(x + offset, table["low"], table["high"], color=colour, linewidth=2)
            style = {"color": colour, "markersize": 9, "markeredgewidth": 2}
            ax.plot(x + offset, table["bound"], "_", label=f"bound, {score}", **style)
        if truth is not None:
            known = truth[truth["score"] == WITHIN].set_index("trait")["expected"].reindex(order)
            style = {"color": "white", "markeredgecolor": "black", "markersize": 4.5, "zorder": 4}
            ax.plot(x - 0.15, known, "o", label="true bound, within country", **style)
        if scores is not None:
            _draw_scores(ax, scores, order, x)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_xticks(x, [_element(trait) for trait in order], rotation=60, ha="right", fontsize=9)
        ax.set(title=title, ylabel="Pearson correlation", xlim=(-0.7, len(order) - 0.3))
        ax.grid(axis="x", alpha=0.3, linewidth=0.5)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    return fig


def _draw_scores(ax: Axes, scores: pd.DataFrame, order: pd.Index, x: np.ndarray) -> None:
    """Within-country scores of each model as markers."""
    within = scores[scores["score"] == WITHIN]
    models = list(within["model"].drop_duplicates())
    for marker, model in zip(itertools.cycle(_MARKERS), models, strict=False):
        values = within[within["model"] == model].set_index("trait")["estimate"].reindex(order)
        colour = MODEL_STYLES.get(model, (INK, "-"))[0]
        ax.plot(x, values, marker, color=colour, markersize=4.5, alpha=0.9, label=model)


def percent_and_accuracy(table: pd.DataFrame, models: Sequence[str]) -> Figure:
    """Scores in percent of the estimated bound against the correlation with the true values, one point per trait.

    Parameters
    ----------
    table
        Columns ``model``, ``trait``, ``accuracy`` (correlation with the true values, within countries), ``percent`` and
        ``true_bound``, by which the points are coloured. Rows for the mean over traits are left out.
    models
        One panel each.
    """
    table = table[table["trait"] != MEAN_OVER_TRAITS]
    fig, axes = plt.subplots(
        1, len(models), figsize=(2.9 * len(models) + 1.2, 3.3), sharex=True, sharey=True, squeeze=False
    )
    for ax, model in zip(axes[0], models, strict=True):
        points = table[table["model"] == model]
        ends = np.array([min(0, points["accuracy"].min()), max(1, points["accuracy"].max())])
        ax.plot(ends, 100 * ends, color="0.6", linewidth=1)
        drawn = ax.scatter(
            points["accuracy"],
            points["percent"],
            c=points["true_bound"],
            s=22,
            cmap="viridis",
            vmin=0,
            vmax=1,
        )
        ax.set(title=model, xlabel="correlation with true values")
    axes[0, 0].set_ylabel("score in % of the estimated bound")
    fig.colorbar(drawn, ax=axes[0, -1], label="true bound")
    return fig


def estimated_bounds(table: pd.DataFrame, level: float = 0.95) -> Figure:
    """How estimated bounds scatter around the true one, against the number of replicates.

    Parameters
    ----------
    table
        As `gi_lib.evaluation.simulate_bounds` returns them, of one interval, with the further columns ``panel``, one
        panel per value, and ``design``, one colour per value.
    level
        Share of the estimates between the ends of the thin lines; the thick ones hold half of them.
    """
    panels, designs = (list(table[name].drop_duplicates()) for name in ("panel", "design"))
    fig, axes = plt.subplots(
        1, len(panels), figsize=(2.9 * len(panels) + 0.3, 3.6), sharey=True, squeeze=False
    )
    replicates = np.sort(table["n_replicates"].unique())
    offsets = np.linspace(-0.24, 0.24, len(designs)) if len(designs) > 1 else [0.0]
    tail = (1 - level) / 2
    for ax, panel in zip(axes[0], panels, strict=True):
        of_panel = table[table["panel"] == panel]
        true = of_panel.groupby("n_replicates")["true"].first().reindex(replicates)
        x = np.arange(len(replicates))
        for design, colour, offset in zip(designs, _design_colours(designs), offsets, strict=True):
            estimates = of_panel[of_panel["design"] == design].groupby("n_replicates")["estimate"]
            quantile = estimates.quantile([tail, 0.25, 0.5, 0.75, 1 - tail]).unstack().reindex(replicates)
            low, q1, median, q3, high = quantile.to_numpy().T
            ax.vlines(x + offset, low, high, color=colour, linewidth=1)
            ax.vlines(x + offset, q1, q3, color=colour, linewidth=4)
            ax.plot(
                x + offset, median, "o", color="white", markeredgecolor=colour, markersize=4, label=design
            )
        ax.hlines(true, x - 0.42, x + 0.42, color="black", linewidth=1.4, label="true bound")
        ax.set(xticks=x, xticklabels=replicates, xlabel="replicates", title=panel)
    axes[0, 0].set(ylabel="estimated bound", ylim=(-0.03, 1.0))
    fig.legend(*axes[0, -1].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    return fig


def chance_to_cross(table: pd.DataFrame, column: str = "exceeds") -> Figure:
    """Chance that a model's score exceeds the estimated bound, against the true bound.

    Parameters
    ----------
    table
        As `gi_lib.evaluation.chance_to_exceed` returns them, with the further column ``design``, one panel per value.
        Where a column ``formula`` has values, they are drawn as dotted lines.
    column
        Which chance: ``exceeds``, ``exceeds_interval`` or ``exceeds_true``.
    """
    designs = list(table["design"].drop_duplicates())
    shares = np.sort(table["share"].unique())
    colours = sns.color_palette("crest", len(shares))
    fig, axes = plt.subplots(
        1, len(designs), figsize=(2.9 * len(designs) + 0.3, 3.6), sharey=True, squeeze=False
    )
    for ax, design in zip(axes[0], designs, strict=True):
        for share, colour in reversed([*zip(shares, colours, strict=True)]):
            line = table[(table["design"] == design) & (table["share"] == share)].sort_values("true")
            ax.plot(line["true"], line[column], "o-", color=colour, markersize=3.5, label=f"{share:.0%}")
            if "formula" in line:
                ax.plot(line["true"], line["formula"], ":", color="black", linewidth=1)
        ax.axhline(0.5, color="0.6", linewidth=0.8)
        ax.set(xlabel="true bound", title=design, xlim=(0, 1))
    axes[0, 0].set(ylabel="chance to exceed", ylim=(-0.02, 0.65))
    axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1))
    handles, labels = axes[0, -1].get_legend_handles_labels()
    title = "correlation of the model with the true values"
    fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), title=title, fontsize=9)
    return fig


def labels_and_bound(
    true: np.ndarray, values: np.ndarray, replicates: int, heritability: float
) -> tuple[Figure, str]:
    """Labels against true values, and the bounds against the number of replicates; a picture for `touch.Steps`.

    Parameters
    ----------
    true : shape (accession,)
        True values of variance 1.
    values : shape (accession, replicate)
        Measurements.
    replicates
        The label is the mean of so many, the first ones.
    heritability
        Share of the true values in the variance of one measurement. It sets the bounds.

    Returns
    -------
    figure, sentence
        The sentence has the bound, and the score of the model that predicts every true value.
    """
    numbers = np.arange(1, values.shape[1] + 1)
    labels = values.cumsum(axis=1) / numbers
    perfect = np.array([np.corrcoef(true, labels[:, m - 1])[0, 1] for m in numbers])
    reliability = 1 / (1 + (1 / heritability - 1) / numbers)
    bounds = {TRUTH: np.sqrt(reliability), EXPERIMENT: reliability}
    fig, (left, right) = plt.subplots(1, 2, figsize=(5.8, 3.4), layout="none")
    fig.subplots_adjust(left=0.1, right=0.98, bottom=0.16, top=0.94, wspace=0.36)
    ends = np.array([-1, 1]) * 1.05 * np.abs(true).max()
    label = labels[:, replicates - 1]
    left.vlines(true, true, label, color="0.8", linewidth=0.8)
    left.plot(ends, ends, color="black", linewidth=0.8)
    left.plot(true, label, "o", color=SCORE_COLOURS[WITHIN], markersize=3, markeredgewidth=0)
    left.set(xlabel="true value", ylabel="label", xlim=ends, ylim=2 * ends)
    for against, bound in bounds.items():
        colour, line = AGAINST_STYLES[against]
        right.plot(numbers, bound, line, color=colour, linewidth=2, label=_BOUND_NAMES[against])
        right.plot(replicates, bound[replicates - 1], "o", color=colour, markersize=6)
    style = {"color": "white", "markeredgecolor": "black", "zorder": 4}
    right.plot(
        replicates, perfect[replicates - 1], "D", markersize=5.5, label="perfect model, score", **style
    )
    right.axvline(replicates, color="0.7", linewidth=0.8, zorder=0)
    right.set(xlabel="replicates", ylabel="Pearson correlation", ylim=(0, 1.02), xlim=(0, numbers[-1] + 0.5))
    right.legend(fontsize=8, loc="lower right")
    upper, second = (bound[replicates - 1] for bound in bounds.values())
    return fig, (
        f"Upper bound of a model {upper:.2f}; the perfect model scores {perfect[replicates - 1]:.2f} on these labels. "
        f"A second experiment would reach {second:.2f}."
    )


def pooled_and_within(curves: pd.DataFrame, dial: pd.DataFrame | None = None) -> Figure:
    """Bound within countries against the pooled one, and both against the share of variance between countries.

    Parameters
    ----------
    curves
        Columns ``share_between``, one line per value, ``pooled`` and ``within``.
    dial
        Columns ``country_share``, ``score``, ``bound``, ``low``, ``high``, and ``expected``, the true bound; one line
        per score. Without it there is one panel.
    """
    n_panels = 1 if dial is None else 2
    fig, axes = plt.subplots(1, n_panels, figsize=(4.2 * n_panels, 3.7), squeeze=False)
    ax = axes[0, 0]
    shares = np.sort(curves["share_between"].unique())
    for share, colour in zip(shares, sns.color_palette("flare", len(shares)), strict=True):
        line = curves[curves["share_between"] == share].sort_values("pooled")
        ax.plot(line["pooled"], line["within"], color=colour, linewidth=1.8, label=f"{share:.0%}")
    ax.set(xlabel="bound over all accessions", ylabel="bound within countries", xlim=(0, 1), ylim=(-0.02, 1))
    ax.set_aspect("equal")
    ax.legend(title="of the variance\nbetween countries", fontsize=8, title_fontsize=8, loc="upper left")
    if dial is None:
        return fig
    ax = axes[0, 1]
    for score, colour in SCORE_COLOURS.items():
        line = dial[dial["score"] == score].sort_values("country_share")
        x = line["country_share"]
        ax.fill_between(x, line["low"], line["high"], color=colour, alpha=0.25, linewidth=0)
        ax.plot(x, line["bound"], "o-", color=colour, linewidth=1.8, label=f"estimated, {score}")
        ax.plot(
            x, line["expected"], "x", color="black", markersize=6, label="true" if score == WITHIN else None
        )
    ax.set(
        xlabel="share of variance from effects of the country", ylabel="bound, mean over traits", ylim=(0, 1)
    )
    ax.legend(fontsize=8, loc="lower left")
    return fig


def _element(trait: str) -> str:
    return trait.removesuffix("_leaf").removesuffix("_seed")


def _design_colours(designs: Sequence[str]) -> list:
    return sns.color_palette("colorblind", max(len(designs), 3))[: len(designs)]
