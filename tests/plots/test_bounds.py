"""Figures on upper bounds show the numbers they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from gi_lib import plots
from gi_lib.evaluation import MEAN_OVER_TRAITS, bound_coverage, chance_to_exceed, simulate_bounds
from gi_lib.evaluation.correlation import POOLED, WITHIN
from gi_lib.evaluation.upper_bound import EXPERIMENT, TRUTH
from gi_lib.plots.bounds import (
    bound_curves,
    bounds_by_trait,
    chance_to_cross,
    estimated_bounds,
    labels_and_bound,
    percent_and_accuracy,
    pooled_and_within,
)


@pytest.fixture(autouse=True)
def closed():
    plots.use_style()
    yield
    plt.close("all")


def line(ax, label: str) -> np.ndarray:
    """Points (x, y) of the line with this label."""
    (found,) = [drawn for drawn in ax.get_lines() if drawn.get_label() == label]
    return np.column_stack(found.get_data())


def labels(ax) -> list[str]:
    return [drawn.get_label() for drawn in ax.get_lines()]


def segments(ax, colour) -> list[np.ndarray]:
    """Vertical lines in one colour, each [[x, low], [x, high]]; one entry per collection."""
    return [
        np.array(collection.get_segments())
        for collection in ax.collections
        if np.allclose(collection.get_colors()[0][:3], to_rgb(colour))
    ]


def ticks(ax) -> list[str]:
    return [label.get_text() for label in ax.get_xticklabels()]


# ---------------------------------------------------------------------------------------------- formulas


def test_curves_are_what_monte_carlo_measures():
    """The perfect model and a second experiment against labels with a share of 0.36 of noise."""
    random = np.random.default_rng(0)
    true = random.normal(0, 0.8, 400_000)
    first, second = (true + random.normal(0, 0.6, true.shape) for _ in range(2))
    (ax,) = bound_curves().axes
    for start, other in ((TRUTH, true), (EXPERIMENT, second)):
        (label,) = [text for text in labels(ax) if text.startswith(start)]
        curve = line(ax, label)
        drawn = np.interp(0.36, *curve.T)
        assert drawn == pytest.approx(np.corrcoef(first, other)[0, 1], abs=0.005)  # four standard errors
        np.testing.assert_allclose(curve[[0, -1]], [[0, 1], [1, 0]], atol=1e-12)


def test_ticks_stand_at_the_traits_shares_of_noise_below_zero():
    (ax,) = bound_curves({WITHIN: [0.2, 1.3], POOLED: pd.Series([0.1])}).axes
    within, pooled = line(ax, f"traits, {WITHIN}"), line(ax, f"traits, {POOLED}")
    assert within[:, 0].tolist() == [0.2, 1.0]  # more noise than variance: at the end of the axis
    assert pooled[:, 0].tolist() == [0.1]
    assert within[0, 1] < 0
    assert pooled[0, 1] < within[0, 1]  # a row of its own
    assert ax.get_ylim()[0] < pooled[0, 1]


# ------------------------------------------------------------------------------------- bounds of a cohort


def bounds_table() -> pd.DataFrame:
    rows = [
        (trait, score, TRUTH, "Pearson", bound, bound - 0.1, bound + 0.05)
        for trait, pooled, within in (("K39_leaf", 0.8, 0.7), ("Na23_leaf", 0.6, 0.3), ("K39_seed", 0.9, 0.5))
        for score, bound in ((POOLED, pooled), (WITHIN, within))
    ]
    rows += [("K39_leaf", WITHIN, EXPERIMENT, "Pearson", 0.01, 0, 0.02)]  # not drawn
    rows += [("K39_leaf", WITHIN, TRUTH, "R2", 0.02, 0, 0.03)]
    return pd.DataFrame(rows, columns=["trait", "score", "against", "measure", "bound", "low", "high"])


GROUPS = {"leaf": ["K39_leaf", "Na23_leaf"], "seed": ["K39_seed"]}


def test_bounds_stand_in_the_order_of_the_within_country_bound_with_their_intervals():
    leaf, seed = bounds_by_trait(bounds_table(), GROUPS).axes
    assert [leaf.get_title(), seed.get_title()] == ["leaf", "seed"]
    assert ticks(leaf) == ["Na23", "K39"]
    assert line(leaf, "bound, within country")[:, 1].tolist() == [0.3, 0.7]
    assert line(leaf, "bound, pooled")[:, 1].tolist() == [0.6, 0.8]
    assert line(seed, "bound, pooled")[:, 1].tolist() == [0.9]
    (intervals,) = segments(leaf, plots.SCORE_COLOURS[WITHIN])
    np.testing.assert_allclose(intervals[:, :, 1], [[0.2, 0.35], [0.6, 0.75]])
    np.testing.assert_allclose(intervals[:, 0, 0], line(leaf, "bound, within country")[:, 0])


def test_scores_and_true_bounds_stand_at_their_traits():
    scores = pd.DataFrame(
        {
            "model": ["Galiana", "Galiana", "GBLUP", "GBLUP", "Galiana"],
            "trait": ["K39_leaf", "Na23_leaf", "Na23_leaf", "K39_leaf", "K39_leaf"],
            "score": [WITHIN] * 4 + [POOLED],
            "estimate": [0.4, 0.1, 0.2, -0.3, 0.99],
        }
    )
    truth = pd.DataFrame(
        {
            "trait": ["K39_leaf", "K39_leaf", "Na23_leaf", "K39_seed"],
            "score": [WITHIN, POOLED, WITHIN, WITHIN],
            "expected": [0.65, 0.99, 0.35, 0.45],
        }
    )
    leaf, seed = bounds_by_trait(bounds_table(), GROUPS, scores, truth).axes
    assert line(leaf, "Galiana").tolist() == [[0, 0.1], [1, 0.4]]
    assert line(leaf, "GBLUP").tolist() == [[0, 0.2], [1, -0.3]]
    assert np.isnan(line(seed, "Galiana")[:, 1]).all()  # not scored there
    assert line(leaf, "true bound, within country")[:, 1].tolist() == [0.35, 0.65]
    within = line(leaf, "bound, within country")
    assert line(leaf, "true bound, within country")[:, 0].tolist() == within[:, 0].tolist()  # on its interval
    (galiana,) = [drawn for drawn in leaf.get_lines() if drawn.get_label() == "Galiana"]
    assert to_rgb(galiana.get_color()) == to_rgb(plots.MODEL_STYLES["Galiana"][0])


def test_a_trait_without_a_bound_comes_first():
    table = bounds_table()
    table.loc[(table["trait"] == "K39_leaf") & (table["score"] == WITHIN), ["bound", "low", "high"]] = np.nan
    leaf, _ = bounds_by_trait(table, GROUPS).axes
    assert ticks(leaf) == ["K39", "Na23"]


def test_percent_is_drawn_over_accuracy_for_each_model_without_the_mean():
    table = pd.DataFrame(
        {
            "model": ["a", "a", "b", "a"],
            "trait": ["t0", "t1", "t0", MEAN_OVER_TRAITS],
            "accuracy": [0.5, -0.2, 0.9, 0.4],
            "percent": [55.0, -10.0, np.nan, 44.0],
            "true_bound": [0.3, 0.7, 0.3, 0.5],
        }
    )
    fig = percent_and_accuracy(table, ["b", "a"])
    b, a = fig.axes[:2]
    assert [b.get_title(), a.get_title()] == ["b", "a"]
    (points,) = a.collections
    assert points.get_offsets().tolist() == [[0.5, 55.0], [-0.2, -10.0]]
    assert points.get_array().tolist() == [0.3, 0.7]
    (diagonal,) = a.get_lines()
    x, y = diagonal.get_data()
    np.testing.assert_allclose(y, 100 * np.asarray(x))
    assert x[0] == -0.2


# -------------------------------------------------------------------------------------------- simulations


def test_scatter_shows_the_quantiles_of_the_estimates():
    simulated = pd.concat(
        simulate_bounds(n, 1, 6, (2, 6), intervals=["exact F"], n_simulations=200).assign(
            design=name, panel="p"
        )
        for name, n in (("many", 300), ("few", 60))
    )
    (ax,) = estimated_bounds(simulated, level=0.9).axes
    assert ticks(ax) == ["2", "6"]
    for name in ("many", "few"):
        estimates = simulated[simulated["design"] == name].pivot(
            index="simulation", columns="n_replicates", values="estimate"
        )
        median = line(ax, name)
        np.testing.assert_allclose(median[:, 1], estimates.median())
        (drawn,) = [found for found in ax.get_lines() if found.get_label() == name]
        thin, thick = segments(ax, drawn.get_markeredgecolor())
        np.testing.assert_allclose(thin[:, :, 1], np.quantile(estimates, [0.05, 0.95], axis=0).T)
        np.testing.assert_allclose(thick[:, :, 1], np.quantile(estimates, [0.25, 0.75], axis=0).T)
    (true,) = segments(ax, "black")
    np.testing.assert_allclose(true[:, 0, 1], bound_coverage(simulated)["true"])


def chances() -> pd.DataFrame:
    return pd.concat(
        chance_to_exceed(n, bound**2, 6 * (1 - bound**2), [6], (0.8, 1.0), n_simulations=50).assign(
            design=name
        )
        for name, n in (("all", 200), ("two", [60, 80]))
        for bound in (0.6, 0.3)
    )


@pytest.mark.parametrize("column", ["exceeds", "exceeds_true"])
def test_chances_are_drawn_over_the_true_bound_for_each_share(column):
    table = chances()
    for ax, design in zip(chance_to_cross(table, column).axes, ("all", "two"), strict=True):
        assert ax.get_title() == design
        for share, label in ((0.8, "80%"), (1.0, "100%")):
            expected = table[(table["design"] == design) & (table["share"] == share)].sort_values("true")
            np.testing.assert_allclose(line(ax, label), expected[["true", column]])


def test_a_closed_form_is_drawn_dotted_where_there_is_one():
    table = chances()
    table["formula"] = np.where(table["design"] == "all", table["share"] / 3, np.nan)
    for ax, there in zip(chance_to_cross(table).axes, (True, False), strict=True):
        dotted = [drawn.get_ydata() for drawn in ax.get_lines() if drawn.get_linestyle() == ":"]
        assert len(dotted) == 2
        assert np.isfinite(dotted).all() == there
        if there:
            assert sorted(y[0] for y in dotted) == pytest.approx([0.8 / 3, 1 / 3])


def test_pooled_and_within_draws_one_curve_per_share_and_the_dial_with_its_intervals():
    curves = pd.DataFrame(
        {"share_between": [0.2, 0.2, 0.0, 0.0], "pooled": [1, 0.5, 1, 0], "within": [1, 0.25, 1, 0]}
    )
    (ax,) = pooled_and_within(curves).axes
    assert line(ax, "20%").tolist() == [[0.5, 0.25], [1, 1]]
    assert line(ax, "0%").tolist() == [[0, 0], [1, 1]]

    dial = pd.DataFrame(
        {
            "country_share": [0.4, 0.0, 0.0, 0.4],
            "score": [POOLED, POOLED, WITHIN, WITHIN],
            "bound": [0.8, 0.6, 0.55, 0.5],
            "low": [0.7, 0.5, 0.45, 0.4],
            "high": [0.85, 0.65, 0.6, 0.55],
            "expected": [0.81, 0.61, 0.56, 0.51],
        }
    )
    left, right = pooled_and_within(curves, dial).axes
    assert labels(left) == ["0%", "20%"]
    assert line(right, "estimated, pooled").tolist() == [[0, 0.6], [0.4, 0.8]]
    assert line(right, "estimated, within country").tolist() == [[0, 0.55], [0.4, 0.5]]
    assert line(right, "true").tolist() == [[0, 0.56], [0.4, 0.51]]
    band = right.collections[0].get_paths()[0].vertices
    assert {tuple(point) for point in np.round(band, 6)} >= {(0, 0.5), (0, 0.65), (0.4, 0.7), (0.4, 0.85)}


def test_labels_are_means_of_the_first_replicates_and_the_bound_is_that_of_their_number():
    random = np.random.default_rng(1)
    true = random.normal(size=40)
    values = true[:, None] + random.normal(size=(40, 4))
    fig, says = labels_and_bound(true, values, 2, 0.5)
    left, right = fig.axes
    (dots,) = (one for one in left.lines if one.get_marker() == "o")
    np.testing.assert_allclose(dots.get_ydata(), values[:, :2].mean(axis=1))
    shares = np.array([1 / 2, 2 / 3, 3 / 4, 4 / 5])
    np.testing.assert_allclose(line(right, "bound of a model")[:, 1], shares**0.5)
    np.testing.assert_allclose(line(right, "second experiment")[:, 1], shares)
    score = np.corrcoef(true, values[:, :2].mean(axis=1))[0, 1]
    assert line(right, "perfect model, score").tolist() == [[2, pytest.approx(score)]]
    assert says.startswith(
        f"Upper bound of a model {shares[1] ** 0.5:.2f}; the perfect model scores {score:.2f} on"
    )
