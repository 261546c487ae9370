"""One palette, one font size, one look for the whole book."""

import math

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from gi_lib.cohorts import LARGE_COUNTRIES
from gi_lib.evaluation.correlation import POOLED, WITHIN

COUNTRY_COLOURS = dict(zip(LARGE_COUNTRIES, sns.color_palette("colorblind", 7), strict=True))
"""The seven large countries, in colours that colour-blind readers can tell apart."""
OTHER_COUNTRIES = (0.72, 0.72, 0.72)

# Every other colour of a figure is one of these, so that a colour means the same wherever it can: green is what a
# figure is about, brown what it is held against, red what is wrong or causal, grey the rest.
INK, INK_MID, INK_LIGHT, INK_PALE, INK_FAINT = "#1b5e3b", "#4f9470", "#8fbfa3", "#d9eae0", "#f1f6f3"
BROWN, BROWN_PALE = "#b3591b", "#fdebd3"
RED = "#a3281c"
BLUE, BLUE_LIGHT = "#3b6fb6", "#8fb3dd"
GOLD = "#d9a441"
GREY_DARK, GREY_MID, GREY, GREY_LIGHT, GREY_PALE = "#555555", "#7f7f7f", "#b3b3b3", "#d9d9d9", "#f2f2f2"

SCORE_COLOURS = {POOLED: GREY, WITHIN: INK}

FONT_SIZES = (8, 9, 10)
"""Points of what is written smaller than the labels of the axes: from dense ticks up to the titles of panels."""
WIDEST = 8.4
"""Inches. A page shows a wider figure smaller, and 8 points of it would be less than 10 pixels on a laptop."""


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


def number(value: float, digits: int = 2) -> str:
    """A number in a picture or a text, with a true minus sign; a dash where there is none.

    Examples
    --------
    >>> number(-0.214), number(-0.001), number(float("nan"))
    ('−0.21', '0.00', '–')
    """
    if math.isnan(value):
        return "–"
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def country_groups(country: np.ndarray) -> list[tuple[str, np.ndarray, tuple]]:
    """Name, members and colour of each large country that occurs, the others first as one grey group."""
    country = np.asarray(country)
    large = [name for name in LARGE_COUNTRIES if (country == name).any()]
    other = ~np.isin(country, large)
    groups = [("other", np.flatnonzero(other), OTHER_COUNTRIES)] if other.any() else []
    return groups + [(name, np.flatnonzero(country == name), COUNTRY_COLOURS[name]) for name in large]
