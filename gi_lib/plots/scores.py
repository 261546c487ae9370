"""Scores of models: correlations, predictions, confusion."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gi_lib.plots.accessions import scatter_by_country
from gi_lib.plots.style import SCORE_COLOURS, country_groups


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
        for name, members, colour in country_groups(country):
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
