"""Figures of the ionome paper: radar plots over elements, and performance against the number of parameters."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gi_lib.plots.style import BLUE, COUNTRY_COLOURS, OTHER_COUNTRIES, number

_PALETTE = sns.color_palette("colorblind", 10)
MODEL_STYLES = {
    # family by colour, member by line
    "Galiana": (_PALETTE[3], "-"),
    "transf50": (_PALETTE[2], "-"),
    "transf30": (_PALETTE[2], "--"),
    "frozen200": (_PALETTE[8], "-"),
    "frozen500": (_PALETTE[8], "--"),
    "BMSNN100": (_PALETTE[4], "-"),
    "BMSNN50": (_PALETTE[4], "--"),
    "GPSNN": ("black", "-"),
    "country mean": ("0.6", "-"),
    "map neighbours": ("0.6", "--"),
    "ridge on counts": (_PALETTE[0], "--"),
    "ridge on components": (_PALETTE[9], "--"),
    "GBLUP": (_PALETTE[0], "-"),
    "GBLUP with GPS": (_PALETTE[0], ":"),
}
"""Colour and line of each model of `gi_lib.lineup`, the same in every figure of the book."""
BOUND_STYLE = {"color": BLUE, "linestyle": (0, (4, 2)), "linewidth": 1.4}


def radar(
    panels: dict[str, pd.DataFrame], models: Sequence[str], bounds: dict[str, pd.Series] | None = None
) -> Figure:
    """One radar plot per tissue, one line per model, one spoke per element (Figure 2A of the paper).

    Parameters
    ----------
    panels
        Title to a table of correlations: one row per element, one column per model.
    models
        Columns to draw.
    bounds
        Title to the upper bound of each element, drawn dashed.
    """
    fig, axes = plt.subplots(
        1,
        len(panels),
        figsize=(4.2 * len(panels), 4.9),
        subplot_kw={"projection": "polar"},
        squeeze=False,
    )
    for ax, (title, table) in zip(axes[0], panels.items(), strict=True):
        angle = np.linspace(0, 2 * np.pi, len(table), endpoint=False)
        closed = np.append(angle, angle[:1])
        for model in models:
            colour, line = MODEL_STYLES[model]
            values = table[model].to_numpy()
            ax.plot(closed, np.append(values, values[:1]), line, color=colour, linewidth=1.6, label=model)
        if bounds is not None:
            values = bounds[title].reindex(table.index).to_numpy()
            ax.plot(closed, np.append(values, values[:1]), label="upper bound", **BOUND_STYLE)
        ax.plot(np.linspace(0, 2 * np.pi, 200), np.zeros(200), color="0.4", linewidth=0.8)  # no correlation
        ax.set_xticks(angle, table.index, fontsize=9)
        ax.set_theta_zero_location("N")
        ax.set_rlabel_position(180 / len(table))  # between two spokes
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.tick_params(axis="y", labelsize=8)
        ax.set_title(title, pad=16)
        ax.grid(alpha=0.4)
    handles, labels = axes[0, -1].get_legend_handles_labels()
    fig.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 4 * len(panels)), fontsize=9
    )
    return fig


def performance_by_parameters(table: pd.DataFrame, ylabel: str = "correlation within countries") -> Figure:
    """Score of each model against its number of trainable parameters, on a logarithmic axis (Table 1 as a figure).

    Parameters
    ----------
    table
        Columns ``model``, ``parameters``, ``estimate``, ``low``, ``high`` and ``data``, one panel per value of the
        last. A model without a number of parameters is drawn as a horizontal line.
    """
    data = list(table["data"].drop_duplicates())
    n_columns = min(2, len(data))
    n_rows = -(-len(data) // n_columns)
    fig, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(3.3 * n_columns + 1.8, 2.9 * n_rows),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for ax, name in zip(axes.flat, data, strict=False):
        panel = table[table["data"] == name]
        # Models of the same size stand side by side.
        beside = (
            panel.groupby("parameters").cumcount()
            - panel.groupby("parameters")["model"].transform("size") / 2
            + 0.5
        )
        panel = panel.assign(parameters=panel["parameters"] * 1.12**beside)
        for row in panel.itertuples():
            colour, line = MODEL_STYLES[row.model]
            if np.isnan(row.parameters):
                ax.axhline(row.estimate, color=colour, linestyle=line, linewidth=1.2, label=row.model)
                continue
            interval = [[row.estimate - row.low], [row.high - row.estimate]]
            marker = "o" if line == "-" else "s"
            ax.errorbar(row.parameters, row.estimate, interval, fmt=marker, color=colour, label=row.model)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set(xscale="log", title=name)
    for ax in axes.flat[len(data) :]:
        ax.axis("off")
    fig.supxlabel("trainable parameters", fontsize=10)
    fig.supylabel(ylabel, fontsize=10)
    handles = {
        label: handle
        for ax in axes.flat
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    fig.legend(handles.values(), handles.keys(), loc="outside right center", fontsize=8)
    return fig


def best_predicted(predictions: pd.DataFrame, cells: pd.DataFrame, n_columns: int = 5) -> Figure:
    """Observed against predicted values of single traits in single countries (Figure 3 of the paper).

    Parameters
    ----------
    predictions
        A predictions table of one model and one repeat.
    cells
        Rows to draw, in this order, with columns ``trait``, ``country`` and ``correlation``.
    """
    n_rows = -(-len(cells) // n_columns)
    fig, axes = plt.subplots(n_rows, n_columns, figsize=(1.68 * n_columns, 1.9 * n_rows), squeeze=False)
    for ax, cell in zip(axes.flat, cells.itertuples(), strict=False):
        chosen = (predictions["trait"] == cell.trait) & (predictions["country"] == cell.country)
        points = predictions[chosen]
        colour = COUNTRY_COLOURS.get(cell.country, OTHER_COUNTRIES)
        ax.scatter(points["predicted"], points["observed"], s=10, color=colour, linewidth=0)
        ax.set_title(f"{cell.trait}\n{cell.country}, r = {number(cell.correlation)}", fontsize=8)
        ax.tick_params(labelsize=8)
        ax.locator_params(nbins=3)
    for ax in axes.flat[len(cells) :]:
        ax.axis("off")
    fig.supxlabel("predicted", fontsize=9)
    fig.supylabel("observed", fontsize=9)
    return fig
