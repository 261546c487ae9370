"""One palette, one font size, one look for the whole book."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

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


def two_decimals(value: float) -> str:
    """A number in a picture or its sentence, with a true minus sign; a dash where there is none.

    Examples
    --------
    >>> two_decimals(-0.214), two_decimals(-0.001), two_decimals(float("nan"))
    ('−0.21', '0.00', '–')
    """
    return "–" if np.isnan(value) else f"{round(value, 2) + 0:.2f}".replace("-", "−")


def country_groups(country: np.ndarray) -> list[tuple[str, np.ndarray, tuple]]:
    """Name, members and colour of each large country that occurs, the others first as one grey group."""
    country = np.asarray(country)
    large = [name for name in LARGE_COUNTRIES if (country == name).any()]
    other = ~np.isin(country, large)
    groups = [("other", np.flatnonzero(other), OTHER_COUNTRIES)] if other.any() else []
    return groups + [(name, np.flatnonzero(country == name), COUNTRY_COLOURS[name]) for name in large]
