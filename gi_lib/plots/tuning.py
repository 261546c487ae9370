"""Figures on choosing settings: who judges them, how well, and at what price."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from gi_lib.plots.style import GOLD, GREY_LIGHT, INK, SCORE_COLOURS, WIDEST

PART_COLOURS = {"learn": GREY_LIGHT, "judge": GOLD, "test": INK}
"""What the accessions of one outer fold do: settings learn from some, are judged by others, and are tested once."""
_PALETTE = sns.color_palette("colorblind")
WAY_STYLES = {
    "at random": (_PALETTE[0], "-"),
    "by country in proportion": (_PALETTE[2], "-"),
    "from few countries": (_PALETTE[3], "-"),
    "at random, country means removed": (_PALETTE[0], "--"),
}
"""Colour by how the accessions that judge are drawn, line by what they judge."""
TARGET_STYLES = {"one trait": (_PALETTE[1], "--"), "mean over traits": (INK, "-")}
"""Colour and line of what is scored."""


# ----------------------------------------------------------------------------------------------- drawing


def nested_diagram(n_splits: int = 5, validation_share: float = 0.2) -> Figure:
    """Outer folds of a cross-validation, and what happens inside one of them.

    Parameters
    ----------
    n_splits
        Outer folds.
    validation_share
        Share of the training accessions of an outer fold that judge the settings.
    """
    fig, ax = plt.subplots(figsize=(WIDEST, 3.3))
    block, height = 0.62, 0.5
    for row in range(n_splits):
        y = -row * (height + 0.12)
        for column in range(n_splits):
            face = PART_COLOURS["test" if row == column else "learn"]
            ax.add_patch(Rectangle((column * block, y), block - 0.05, height, facecolor=face))
        ax.text(-0.12, y + height / 2, f"fold {row + 1}", ha="right", va="center", fontsize=8)
    ax.text(n_splits * block / 2, height + 0.18, "outer folds", ha="center", fontweight="bold", fontsize=9)
    start, width = n_splits * block + 1.0, 6.0
    ax.add_patch(
        FancyArrowPatch(
            (n_splits * block + 0.08, height / 2), (start - 0.12, height / 2), arrowstyle="-|>",
            mutation_scale=13, color="black",
        )
    )  # fmt: skip
    ax.text(start + width / 2, height + 0.18, "inside fold 1", ha="center", fontweight="bold", fontsize=9)
    _draw_parts(ax, start, width, height, n_splits, validation_share)
    bottom = -max((n_splits - 1) * (height + 0.12), 2.5)
    ax.set(xlim=(-1.05, start + width + 0.05), ylim=(bottom - 0.1, height + 0.55))
    ax.axis("off")
    return fig


def _draw_parts(
    ax: Axes, start: float, width: float, height: float, n_splits: int, validation_share: float
) -> None:
    """The parts of one outer fold, and the four steps that use them."""
    training = 1 - 1 / n_splits
    shares = {
        "learn": training * (1 - validation_share),
        "judge": training * validation_share,
        "test": 1 / n_splits,
    }
    ends, left = {}, start
    for part, share in shares.items():
        ax.add_patch(Rectangle((left, 0), share * width - 0.04, height, facecolor=PART_COLOURS[part]))
        ends[part] = (left, left + share * width - 0.04)
        ax.text(
            np.mean(ends[part]), height / 2, f"{part}\n{100 * share:.0f} %", ha="center", va="center",
            fontsize=8, color="white" if part == "test" else "black",
        )  # fmt: skip
        left += share * width
    steps = [
        ("1", ends["learn"], "fit every trial"),
        ("2", ends["judge"], "score it, keep the best"),
        ("3", (ends["learn"][0], ends["judge"][1]), "fit the best settings again on both parts"),
        ("4", ends["test"], "predict once"),
    ]
    for i, (number, (low, high), text) in enumerate(steps):
        y = -0.25 - 0.62 * i
        ax.plot([low, high], [y, y], color="black", linewidth=1.1, solid_capstyle="butt")
        for end in (low, high):
            ax.plot([end, end], [y, y + 0.1], color="black", linewidth=1.1)
        # Text that is wider than its part ends where the part does.
        is_wide = len(text) * 0.1 > high - low
        x, side = (high, "right") if is_wide else (np.mean([low, high]), "center")
        ax.text(x, y - 0.07, f"{number}. {text}", ha=side, va="top", fontsize=8)


# --------------------------------------------------------------------------------------------- one search


def trials_plot(trials: pd.DataFrame, folds: pd.DataFrame) -> Figure:
    """Scores of all trials in each outer fold, one panel per model.

    Parameters
    ----------
    trials
        Columns ``model``, ``repeat``, ``fold``, ``state`` and ``score``, as `gi_lib.tuning.Tuned.trials_` has the last
        two; trials that did not run to their end are left out.
    folds
        Columns ``model``, ``repeat``, ``fold``; ``published`` (NaN if not tried) and ``validation``, scores of the
        published and of the chosen settings on the judging accessions; ``published_test`` and ``test``, theirs on the
        test part.
    """
    models = list(folds["model"].drop_duplicates())
    fig, axes = plt.subplots(
        1, len(models), figsize=(min(4.6 * len(models) + 2.2, WIDEST), 3.4), sharey=True, squeeze=False
    )
    for ax, model in zip(axes[0], models, strict=True):
        outer = folds[folds["model"] == model].reset_index(drop=True)
        place = {key: i for i, key in enumerate(outer[["repeat", "fold"]].itertuples(index=False, name=None))}
        x = np.arange(len(outer))
        tried = trials[(trials["model"] == model) & (trials["state"] == "complete")]
        at = np.array([place[key] for key in tried[["repeat", "fold"]].itertuples(index=False, name=None)])
        ax.plot(at, tried["score"], "o", color="0.75", markersize=6, label="a trial, where it is judged")
        ax.vlines(x + 0.16, outer["test"], outer["validation"], color="0.5", linewidth=1)
        for column, shift, marker, name in (
            ("published", 0, "o", "published settings, judged"),
            ("validation", 0, "o", "chosen settings, judged"),
            ("published_test", 0.16, "v", "published settings, tested"),
            ("test", 0.16, "v", "chosen settings, tested"),
        ):
            if name.startswith("published"):
                look = {"markersize": 10, "markerfacecolor": "none", "markeredgecolor": "black"}
            else:
                face = PART_COLOURS["judge" if shift == 0 else "test"]
                look = {"markersize": 6.5, "markerfacecolor": face, "markeredgecolor": "black"}
            ax.plot(x + shift, outer[column], marker, label=name, **look)
        several = outer["repeat"].nunique() > 1
        names = [f"{r + 1}.{f + 1}" if several else f"{f + 1}" for r, f in place]
        ax.set(
            xticks=x, xticklabels=names, xlabel="repeat and fold" if several else "outer fold", title=model
        )
        ax.set_xlim(-0.5, len(outer) - 0.3)
    axes[0, 0].set_ylabel("mean correlation")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return fig


def rate_curve(
    scores: pd.DataFrame,
    rates: Mapping[str, float],
    reference: str,
    published: float = 1e-2,
    chosen: Sequence[float] = (),
) -> Figure:
    """Correlations of one model against its learning rate.

    Parameters
    ----------
    scores
        As `gi_lib.evaluation.correlations` returns them, of one trait or of the mean over traits.
    rates
        Name in the column ``model`` to learning rate.
    reference
        Another model, drawn as horizontal lines.
    published
        Rate of the paper.
    chosen
        Rates that a search has chosen, drawn as ticks above the axis.
    """
    fig, ax = plt.subplots(figsize=(6.6, 3.6))
    names = sorted(rates, key=rates.get)
    x = np.array([rates[name] for name in names])
    for shift, (score, colour) in zip((1 / 1.03, 1.03), SCORE_COLOURS.items(), strict=True):
        of_score = scores[scores["score"] == score].set_index("model")
        line = of_score.reindex(names)
        ax.vlines(x * shift, line["low"], line["high"], color=colour, linewidth=2)
        ax.plot(x * shift, line["estimate"], "o-", color=colour, label=f"Galiana, {score}")
        level = of_score["estimate"].get(reference, np.nan)
        ax.axhline(level, color=colour, linestyle="--", linewidth=1.4, label=f"{reference}, {score}")
    ax.axvline(published, color="black", linestyle=":", linewidth=1, label="published rate")
    ax.set(xscale="log", xlabel="learning rate", ylabel="Pearson correlation")
    ax.xaxis.set_major_locator(FixedLocator(x))
    ax.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    if len(chosen):
        ax.plot(
            chosen, np.full(len(chosen), 0.03), "|", color=PART_COLOURS["judge"], markersize=14,
            markeredgewidth=2.2, transform=ax.get_xaxis_transform(), label="chosen in a fold",
        )  # fmt: skip
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return fig


# --------------------------------------------------------------------------------------------- many draws


def judging_noise(noise: pd.DataFrame, curse: pd.DataFrame, measured: pd.DataFrame) -> Figure:
    """How noisy a validation score is, and how far the best of several lies above the truth.

    Parameters
    ----------
    noise
        Columns ``target`` (a key of `TARGET_STYLES`), ``n`` (judging accessions), ``sd`` (of one score), ``own`` (what
        of it differs from setting to setting) and ``expected`` (of the sd, by formula; NaN where there is none).
    curse
        Columns ``target``, ``judges`` (a name, one line style each), ``trials`` and ``optimism``, by formula.
    measured
        Columns ``target``, ``trials`` and ``optimism``.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDEST, 4))
    for target, of_target in noise.groupby("target", sort=False):
        colour, _ = TARGET_STYLES[target]
        of_target = of_target.sort_values("n")
        left.plot(of_target["n"], of_target["sd"], "o-", color=colour, label=f"{target}: a score")
        left.plot(
            of_target["n"], of_target["own"], "s--", color=colour, markersize=4.5, markerfacecolor="white",
            label=f"{target}: own part",
        )  # fmt: skip
        left.plot(
            of_target["n"], of_target["expected"], "x", color="black", markersize=7,
            label="formula" if of_target["expected"].notna().any() else None,
        )  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="judging accessions", ylabel="standard deviation")
    _plain_ticks(left, sorted(noise["n"].unique()))
    left.legend(fontsize=8, loc="lower left")
    lines = ("-", ":", "--", "-.")
    for (target, judges), line in curse.groupby(["target", "judges"], sort=False):
        style = lines[list(curse["judges"].drop_duplicates()).index(judges) % len(lines)]
        label = f"{target}, {judges}"
        right.plot(
            line["trials"], line["optimism"], linestyle=style, color=TARGET_STYLES[target][0], label=label
        )
    for target, points in measured.groupby("target", sort=False):
        right.plot(
            points["trials"], points["optimism"], "o", color=TARGET_STYLES[target][0],
            markeredgecolor="black", label=f"{target}, measured",
        )  # fmt: skip
    right.axhline(0, color="black", linewidth=0.8)
    right.set(xscale="log", xlabel="settings tried", ylabel="optimism of the best score")
    _plain_ticks(right, [1, 3, 10, 30, 100])
    right.legend(fontsize=8, loc="upper left")
    return fig


def choice_cost(table: pd.DataFrame, marked: int) -> Figure:
    """What it costs to choose by few accessions, one panel per score.

    Parameters
    ----------
    table
        Columns ``way`` (a key of `WAY_STYLES`), ``score``, ``n`` (judging accessions), ``cost``, which is the score of
        the best setting less that of the chosen one on average over draws, and ``error``, its standard error.
    marked
        A number of judging accessions to mark.
    """
    panels = list(table["score"].drop_duplicates())
    size = (4.2 * len(panels), 3.9)
    fig, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, score in zip(axes[0], panels, strict=True):
        ax.axvline(marked, color="0.6", linestyle=":", linewidth=1.2)
        for way, line in table[table["score"] == score].groupby("way", sort=False):
            line = line.sort_values("n")
            colour, style = WAY_STYLES[way]
            reach = 1.96 * line["error"]
            ax.vlines(line["n"], line["cost"] - reach, line["cost"] + reach, color=colour, linewidth=1)
            ax.plot(line["n"], line["cost"], "o", linestyle=style, color=colour, markersize=4.5, label=way)
        ax.set(xscale="log", xlabel="judging accessions", title=f"cost in the {score} score")
        _plain_ticks(ax, sorted(table["n"].unique()))
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].set_ylabel("best less chosen")
    handles, labels = axes[0, -1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2, title="judges drawn", fontsize=9)
    return fig


def _plain_ticks(ax: Axes, values: Sequence[int]) -> None:
    """Whole numbers on a logarithmic axis, written out."""
    ax.xaxis.set_major_locator(FixedLocator([float(value) for value in values]))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
