"""Simpson's paradox: pooled beside within-country scores, what a correlation is made of, and the dial of structure."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gi_lib.evaluation.correlation import POOLED, WITHIN
from gi_lib.evaluation.paradox import (
    BETWEEN,
    FROM_BETWEEN,
    FROM_INSIDE,
    HOLDS,
    INSIDE,
    REVERSAL,
    SHRINKS,
    UNDECIDED,
    VANISHES,
    vertical_lines,
)
from gi_lib.plots.accessions import scatter_by_country
from gi_lib.plots.ionome import MODEL_STYLES
from gi_lib.plots.style import BROWN, GOLD, GREY_LIGHT, RED, SCORE_COLOURS, WIDEST, country_groups, number

CONTRIBUTION_COLOURS = {FROM_BETWEEN: GOLD, FROM_INSIDE: SCORE_COLOURS[WITHIN]}
PARADOX_COLOURS = {
    REVERSAL: RED,
    VANISHES: BROWN,
    SHRINKS: GOLD,
    HOLDS: SCORE_COLOURS[WITHIN],
    UNDECIDED: GREY_LIGHT,
}


def pooled_and_within(panels: Mapping[str, pd.DataFrame], order: Sequence[str]) -> Figure:
    """Pooled and within-country correlation of each model, joined by a line whose length is what countries add.

    Parameters
    ----------
    panels
        Title to scores as `gi_lib.evaluation.correlations` returns them, of one trait or of the mean over traits.
    order
        Names of the models from top to bottom.
    """
    fig, axes = plt.subplots(
        1, len(panels), figsize=(3.1 * len(panels) + 2.2, 0.36 * len(order) + 1.6), sharey=True, squeeze=False
    )
    y = np.arange(len(order))
    for ax, (title, table) in zip(axes[0], panels.items(), strict=True):
        rows = {
            score: table[table["score"] == score].set_index("model").reindex(order) for score in SCORE_COLOURS
        }
        ax.hlines(y, *(rows[score]["estimate"] for score in (WITHIN, POOLED)), color="0.75", linewidth=1.2)
        for score, colour in SCORE_COLOURS.items():
            ax.hlines(y, rows[score]["low"], rows[score]["high"], color=colour, linewidth=4, alpha=0.35)
            ax.plot(rows[score]["estimate"], y, "o", color=colour, label=score)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set(xlabel="Pearson correlation", title=title)
    axes[0, 0].set(yticks=y, yticklabels=order)
    axes[0, 0].invert_yaxis()
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def contributions(decomposition: pd.DataFrame, trait: str, order: Sequence[str]) -> Figure:
    """What each pooled correlation is made of, and how much of the predictions' variance lies within countries.

    Parameters
    ----------
    decomposition
        As `gi_lib.evaluation.decompose_correlations` returns it.
    trait
        Which trait, or the mean over traits, to draw.
    order
        Names of the models from top to bottom.
    """
    table = decomposition[decomposition["trait"] == trait].set_index(["quantity", "model"])
    y = np.arange(len(order))
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(WIDEST, 0.36 * len(order) + 1.6), sharey=True, width_ratios=[1.7, 1]
    )
    ends = {1: np.zeros(len(order)), -1: np.zeros(len(order))}
    for quantity, colour in CONTRIBUTION_COLOURS.items():
        values = table.loc[quantity, "estimate"].reindex(order).fillna(0).to_numpy()
        start = np.where(values < 0, ends[-1], ends[1])  # negative ones pile up to the left of zero
        label = quantity.removeprefix("contribution ")
        left.barh(y, values, left=start, height=0.62, color=colour, label=label)
        for sign, end in ends.items():
            end += np.where(np.sign(values) == sign, values, 0)
    whole = table.loc[POOLED].reindex(order)
    left.hlines(y, whole["low"], whole["high"], color="black", linewidth=1.5)
    left.plot(whole["estimate"], y, "D", color="black", markersize=4.5, label="both: pooled correlation")
    left.axvline(0, color="black", linewidth=0.8)
    left.set(yticks=y, yticklabels=order, xlabel="contribution to the pooled correlation")
    left.invert_yaxis()

    shares = vertical_lines(decomposition)
    shares = shares[shares["trait"] == trait].set_index(["variable", "model"])
    predicted, labels = (shares.loc[name].reindex(order) for name in ("predicted", "observed"))
    colour = SCORE_COLOURS[WITHIN]
    right.axvspan(
        labels["low"].min(), labels["high"].max(), color="0.85", linewidth=0, label="of labels, 95 %"
    )
    right.hlines(y, predicted["low"], predicted["high"], color=colour, linewidth=2)
    right.plot(predicted["estimate"], y, "o", color=colour, label="of predictions")
    right.set(xlim=(-0.02, 1.02), xlabel="share of variance within countries")
    for ax, columns in ((left, 3), (right, 2)):
        ax.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1),
            ncols=columns,
            fontsize=8,
            columnspacing=1,
            handlelength=1.4,
        )
    return fig


def barycentres(
    predictions: pd.DataFrame,
    decomposition: pd.DataFrame,
    models: Sequence[str],
    trait: str,
    n_columns: int = 3,
) -> Figure:
    """Observed against predicted values with the centre of gravity of every country, and a line through the centres.

    Parameters
    ----------
    predictions
        A predictions table of one split; its first repeat is drawn.
    decomposition
        Of these predictions, as `gi_lib.evaluation.decompose_correlations` returns it; it gives the correlations
        between and within countries in the titles.
    models
        One panel each.
    trait
        Which trait to draw.
    """
    r = decomposition[decomposition["trait"] == trait].set_index(["model", "quantity"])["estimate"]
    first = predictions["repeat"] == predictions["repeat"].min()
    chosen = predictions[first & (predictions["trait"] == trait) & (predictions["country"] != "")]
    n_rows = -(-len(models) // n_columns)
    fig, axes = plt.subplots(
        n_rows, n_columns, figsize=(2.9 * n_columns, 3.1 * n_rows), sharey=True, squeeze=False
    )
    for ax, model in zip(axes.flat, models, strict=False):
        _panel(chosen[chosen["model"] == model], ax)
        between, inside = (number(r.get((model, name), np.nan)) for name in (BETWEEN, INSIDE))
        ax.set_title(f"{model}\nr between {between}, within {inside}", fontsize=9)
        ax.set_xlabel("predicted")
        ax.locator_params(axis="x", nbins=5)
    for row in axes:
        row[0].set_ylabel("observed")
    for ax in axes.flat[len(models) :]:
        ax.axis("off")
    handles, names = axes[0, 0].get_legend_handles_labels()
    if len(models) < axes.size:
        axes.flat[-1].legend(handles, names, loc="center", title="country", ncols=2)
    else:
        axes[0, -1].legend(handles, names, loc="center left", bbox_to_anchor=(1, 0.5), title="country")
    return fig


def _panel(table: pd.DataFrame, ax: Axes) -> None:
    """Points of one model and trait, the barycentres of the large countries, and a line through those of all."""
    x, y, country = (table[name].to_numpy() for name in ("predicted", "observed", "country"))
    scatter_by_country(x, y, country, ax)
    centres = table.groupby("country")[["predicted", "observed"]].mean()
    sizes = table.groupby("country").size()
    if np.ptp(centres["predicted"]) > 0:
        line = np.polyfit(centres["predicted"], centres["observed"], 1, w=np.sqrt(sizes))
        ends = np.array([centres["predicted"].min(), centres["predicted"].max()])
        ax.plot(ends, np.polyval(line, ends), "--", color="black", linewidth=1.4)
    for name, members, colour in country_groups(country):
        if name != "other":
            ax.plot(x[members].mean(), y[members].mean(), "o", color=colour, mec="black", markersize=8)


def barycentres_and_scores(
    predictions: pd.DataFrame, decomposition: pd.DataFrame, model: str, trait: str
) -> tuple[Figure, str]:
    """One panel of `barycentres`, and beside it the three correlations; a picture for `gi_lib.plots.touch.Steps`.

    Parameters
    ----------
    predictions
        A predictions table of one repeat. The axes hold all of it, so that pictures of its models and traits can be
        compared.
    decomposition
        Of these predictions, as `gi_lib.evaluation.decompose_correlations` returns it.
    model, trait
        What to draw.

    Returns
    -------
    figure, sentence
        The sentence has the three correlations.
    """
    mine = (decomposition["model"] == model) & (decomposition["trait"] == trait)
    r = decomposition[mine].set_index("quantity")["estimate"]
    scores = {
        "pooled": (r[POOLED], SCORE_COLOURS[POOLED]),
        "within\ncountries": (r.get(INSIDE, np.nan), SCORE_COLOURS[WITHIN]),
        "country\nmeans": (r.get(BETWEEN, np.nan), CONTRIBUTION_COLOURS[FROM_BETWEEN]),
    }
    fig, (left, right) = plt.subplots(1, 2, figsize=(5.8, 4), width_ratios=[1.5, 1], layout="none")
    fig.subplots_adjust(left=0.1, right=0.98, bottom=0.24, top=0.97, wspace=0.5)
    of_model = predictions[predictions["model"] == model]
    _panel(of_model[(of_model["trait"] == trait) & (of_model["country"] != "")], left)
    x, y = (1.05 * predictions[column].abs().max() for column in ("predicted", "observed"))
    left.set(xlim=(-x, x), ylim=(-y, y), xlabel="predicted", ylabel="observed, in SD of labels")
    places = np.arange(len(scores))
    values, colours = zip(*scores.values(), strict=True)
    right.barh(places, np.nan_to_num(values), color=colours, height=0.6)
    for place, value in zip(places, values, strict=True):
        right.text(max(np.nan_to_num(value), 0) + 0.03, place, number(value), va="center", fontsize=10)
    right.axvline(0, color="black", linewidth=0.8)
    right.set(
        yticks=places, yticklabels=scores, xlabel="Pearson correlation", xlim=(-0.45, 1.3), xticks=[0, 0.5, 1]
    )
    right.invert_yaxis()
    handles, names = left.get_legend_handles_labels()
    fig.legend(
        handles, names, loc="lower center", ncols=len(names), fontsize=9, columnspacing=0.8, handletextpad=0
    )
    pooled, inside, between = map(number, values)
    return fig, f"Pooled correlation {pooled}, within countries {inside}, of the country means {between}."


def paradox_counts(classified: pd.DataFrame, order: Sequence[str]) -> Figure:
    """For how many traits the pooled correlation of a model is reversed, vanishes, shrinks or holds within countries.

    Parameters
    ----------
    classified
        As `gi_lib.evaluation.classify_paradox` returns it, without the mean over traits.
    order
        Names of the models from top to bottom.
    """
    counts = pd.crosstab(classified["model"], classified["paradox"])
    counts = counts.reindex(index=order, columns=list(PARADOX_COLOURS), fill_value=0)
    fig, ax = plt.subplots(figsize=(7.5, 0.33 * len(order) + 1.4))
    start = np.zeros(len(order))
    for name, colour in PARADOX_COLOURS.items():
        values = counts[name].to_numpy()
        ax.barh(order, values, left=start, height=0.7, color=colour, label=name)
        for y, (value, left) in enumerate(zip(values, start, strict=True)):
            if value:
                ink = "white" if name in (REVERSAL, HOLDS) else "black"
                ax.text(left + value / 2, y, str(value), ha="center", va="center", fontsize=8, color=ink)
        start = start + values
    ax.set(xlabel="traits")
    ax.invert_yaxis()
    ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=5, fontsize=8, columnspacing=1)
    return fig


def dial(table: pd.DataFrame, scores: Sequence[str], limits: pd.DataFrame | None = None) -> Figure:
    """Scores of models while the structure of the labels is turned up: one row per score, one column per panel.

    Parameters
    ----------
    table
        Columns ``panel``, ``setting``, ``model``, ``score``, ``estimate``, ``low``, ``high``; settings in the order of
        their first row, from left to right.
    scores
        Which scores to draw, from top to bottom.
    limits
        Columns ``panel``, ``setting``, ``limit``: what knowledge of the countries alone can reach, drawn dotted over
        the pooled correlation.
    """
    panels, settings = (list(table[name].drop_duplicates()) for name in ("panel", "setting"))
    x = np.arange(len(settings))
    fig, axes = plt.subplots(
        len(scores),
        len(panels),
        figsize=(3.1 * len(panels) + 2.2, 2.4 * len(scores) + 0.5),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for row, score in zip(axes, scores, strict=True):
        for ax, panel in zip(row, panels, strict=True):
            here = table[(table["panel"] == panel) & (table["score"] == score)]
            for model, values in here.groupby("model", sort=False):
                colour, line = MODEL_STYLES[model]
                values = values.set_index("setting").reindex(settings)
                ax.fill_between(x, values["low"], values["high"], color=colour, alpha=0.15, linewidth=0)
                ax.plot(x, values["estimate"], line, marker="o", markersize=4, color=colour, label=model)
            if limits is not None and score == POOLED:
                of_panel = limits[limits["panel"] == panel].set_index("setting")["limit"].reindex(settings)
                ax.plot(x, of_panel, ":", color=RED, label="country means alone, at best")
            ax.axhline(0, color="black", linewidth=0.8)
        row[0].set_ylabel(score)
    for ax, panel in zip(axes[0], panels, strict=True):
        ax.set_title(panel)
    for ax in axes[-1]:
        ax.set_xticks(x, settings, fontsize=8)
    fig.supxlabel("country effects: share of the labels' variance", fontsize=9)
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    return fig
