"""Figures of Simpson's paradox: what is drawn is what was given."""

import numpy as np
import pandas as pd
import pytest

from gi_lib.evaluation import classify_paradox, correlations, decompose_correlations, vertical_lines
from gi_lib.evaluation.correlation import MEAN_OVER_TRAITS, POOLED, WITHIN
from gi_lib.evaluation.paradox import BETWEEN, FROM_BETWEEN, FROM_INSIDE, INSIDE
from gi_lib.plots import paradox
from gi_lib.plots.style import COUNTRY_COLOURS, SCORE_COLOURS

ORDER = ["GBLUP", "country mean", "GPSNN"]


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """A model that knows accessions, one that knows countries, and one that is turned round inside them."""
    random = np.random.default_rng(1)
    country = np.repeat(["SWE", "ESP", "UK", "NED"], [60, 40, 30, 5])
    level = pd.Series({"SWE": -1.0, "ESP": 0.5, "UK": 1.0, "NED": 2.0})[country].to_numpy()
    tables = []
    for trait in ("a", "b"):
        deviation = random.normal(size=len(country))
        known = {
            "GBLUP": level + 0.8 * deviation,
            "country mean": level,
            "GPSNN": level - 0.3 * deviation,
        }
        for model, predicted in known.items():
            tables.append(
                pd.DataFrame(
                    {
                        "sample": [f"s{i}" for i in range(len(country))],
                        "trait": trait,
                        "model": model,
                        "split": "random",
                        "fold": np.arange(len(country)) % 5,
                        "repeat": 0,
                        "seed": 1,
                        "observed": level + deviation,
                        "predicted": predicted + 0.1 * random.normal(size=len(country)),
                        "country": country,
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def decomposition(predictions) -> pd.DataFrame:
    return decompose_correlations(predictions, n_bootstrap=50)


def dots(ax, marker: str) -> list:
    return [line for line in ax.lines if line.get_marker() == marker]


def test_pooled_and_within_are_the_table(predictions):
    scores = correlations(predictions, 20, n_bootstrap=20)
    panels = {trait: scores[scores["trait"] == trait] for trait in ("a", "b")}
    fig = paradox.pooled_and_within(panels, ORDER)
    assert [ax.get_title() for ax in fig.axes] == ["a", "b"]
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ORDER
    for ax, table in zip(fig.axes, panels.values(), strict=True):
        drawn = {line.get_label(): line.get_xdata() for line in dots(ax, "o")}
        assert list(drawn) == list(SCORE_COLOURS)
        for score, values in drawn.items():
            expected = table[table["score"] == score].set_index("model").loc[ORDER, "estimate"]
            np.testing.assert_allclose(values, expected)
        joined = np.array([np.sort(path.vertices[:, 0]) for path in ax.collections[0].get_paths()])
        np.testing.assert_allclose(joined, np.sort(np.stack([drawn[WITHIN], drawn[POOLED]], axis=1)))
    assert fig.axes[0].yaxis_inverted()


def test_a_model_without_a_score_leaves_its_row_empty(predictions):
    scores = correlations(predictions[predictions["model"] != "GPSNN"], 20, n_bootstrap=20)
    fig = paradox.pooled_and_within({"a": scores[scores["trait"] == "a"]}, ORDER)
    values = dots(fig.axes[0], "o")[0].get_xdata()
    assert np.isnan(values).tolist() == [False, False, True]


@pytest.mark.parametrize("trait", ["a", MEAN_OVER_TRAITS])
def test_bars_add_up_to_the_pooled_correlation(decomposition, trait):
    left, right = paradox.contributions(decomposition, trait, ORDER).axes
    table = decomposition[decomposition["trait"] == trait].set_index(["quantity", "model"])["estimate"]
    between, inside = left.containers
    for bars, quantity in ((between, FROM_BETWEEN), (inside, FROM_INSIDE)):
        np.testing.assert_allclose([bar.get_width() for bar in bars], table[quantity][ORDER])
    (pooled,) = dots(left, "D")
    np.testing.assert_allclose(pooled.get_xdata(), table[POOLED][ORDER])
    widths = np.array([[bar.get_width() for bar in bars] for bars in left.containers])
    np.testing.assert_allclose(widths.sum(axis=0), pooled.get_xdata(), atol=1e-12)

    negative = table[FROM_INSIDE][ORDER].to_numpy() < 0
    assert negative[2] and not negative[0]
    starts = [bar.get_x() for bar in inside]
    assert starts[2] == 0  # negative ones to the left of zero, positive ones behind the others
    assert starts[0] == pytest.approx(table[FROM_BETWEEN]["GBLUP"])

    shares = vertical_lines(decomposition)
    shares = shares[(shares["trait"] == trait) & (shares["variable"] == "predicted")].set_index("model")
    np.testing.assert_allclose(dots(right, "o")[0].get_xdata(), shares.loc[ORDER, "estimate"])
    band = vertical_lines(decomposition).query("trait == @trait and variable == 'observed'").iloc[0]
    (span,) = right.patches
    assert span.get_x() == pytest.approx(band["low"])
    assert span.get_x() + span.get_width() == pytest.approx(band["high"])


def test_barycentres_are_the_means_of_the_countries(predictions, decomposition):
    fig = paradox.barycentres(predictions, decomposition, ORDER[:2], "b", n_columns=2)
    r = decomposition[decomposition["trait"] == "b"].set_index(["model", "quantity"])["estimate"]
    for ax, model in zip(fig.axes, ORDER[:2], strict=True):
        table = predictions[(predictions["model"] == model) & (predictions["trait"] == "b")]
        means = table.groupby("country")[["predicted", "observed"]].mean()
        large = [name for name in COUNTRY_COLOURS if name in means.index]
        centres = np.array([np.ravel(line.get_xydata()) for line in dots(ax, "o")])
        np.testing.assert_allclose(centres, means.loc[large])
        # Weighted least squares by the normal equations.
        x, y = means["predicted"], means["observed"]
        w = table.groupby("country").size() / len(table)
        slope = ((w * x * y).sum() - (w * x).sum() * (w * y).sum()) / ((w * x**2).sum() - (w * x).sum() ** 2)
        (line,) = [line for line in ax.lines if line.get_linestyle() == "--"]
        (x0, y0), (x1, y1) = line.get_xydata()
        assert (y1 - y0) / (x1 - x0) == pytest.approx(slope)
        between, inside = (f"{r[model, name]:.2f}".replace("-", "−") for name in (BETWEEN, INSIDE))
        assert ax.get_title() == f"{model}\nr between {between}, within {inside}"


def test_barycentres_fit_any_number_of_panels_and_a_constant_model(predictions, decomposition):
    constant = predictions.assign(
        predicted=predictions["predicted"].where(predictions["model"] != "GPSNN", 0.0)
    )
    fig = paradox.barycentres(constant, decomposition, ORDER, "a", n_columns=2)
    fig.canvas.draw()
    assert len(fig.axes) == 4
    assert fig.axes[3].get_legend() is not None
    assert not [
        line for line in fig.axes[2].lines if line.get_linestyle() == "--"
    ]  # no line through one point


def test_accessions_of_unknown_country_have_no_barycentre(predictions, decomposition):
    unknown = predictions.assign(country=predictions["country"].replace("UK", ""))
    ax = paradox.barycentres(unknown, decomposition, ["GBLUP"], "a", n_columns=1).axes[0]
    assert len(dots(ax, "o")) == 2
    assert sum(len(points.get_offsets()) for points in ax.collections) == 105  # 135 less those from the UK


def test_counts_of_kinds_are_the_table(decomposition):
    classified = classify_paradox(decomposition)
    classified = classified[classified["trait"] != MEAN_OVER_TRAITS]
    ax = paradox.paradox_counts(classified, ORDER).axes[0]
    assert [bars.get_label() for bars in ax.containers] == list(paradox.PARADOX_COLOURS)
    widths = np.array([[bar.get_width() for bar in bars] for bars in ax.containers])
    assert widths.sum(axis=0).tolist() == [2, 2, 2]
    for bars, row in zip(ax.containers, widths, strict=True):
        of_kind = classified[classified["paradox"] == bars.get_label()]["model"]
        assert row.tolist() == [(of_kind == name).sum() for name in ORDER]
    assert dict(zip(ORDER, widths[0], strict=True))["GPSNN"] == 2  # it was made to be reversed
    assert {text.get_text() for text in ax.texts} <= {"1", "2"}


def test_the_dial_draws_every_score_panel_and_model():
    rows = [
        (panel, setting, model, score, value, value - 0.1, value + 0.1)
        for p, panel in enumerate(("signal", "nothing"))
        for s, setting in enumerate(("none", "0.4", "0.8"))
        for m, model in enumerate(("country mean", "GBLUP"))
        for k, score in enumerate((POOLED, WITHIN))
        for value in [0.01 * (100 * p + 30 * k + 10 * m + s)]
    ]
    names = ["panel", "setting", "model", "score", "estimate", "low", "high"]
    table = pd.DataFrame(rows, columns=names)
    limits = pd.DataFrame(
        [("signal", "none", 0.1), ("signal", "0.4", 0.6), ("signal", "0.8", 0.9)],
        columns=["panel", "setting", "limit"],
    )
    fig = paradox.dial(table, [POOLED, WITHIN], limits)
    assert len(fig.axes) == 4
    assert [ax.get_title() for ax in fig.axes[:2]] == ["signal", "nothing"]
    assert [ax.get_ylabel() for ax in fig.axes[::2]] == [POOLED, WITHIN]
    for ax, (score, panel) in zip(
        fig.axes, [(s, p) for s in (POOLED, WITHIN) for p in ("signal", "nothing")], strict=True
    ):
        lines = {line.get_label(): line.get_ydata() for line in ax.lines}
        for model in ("country mean", "GBLUP"):
            here = (table["score"] == score) & (table["panel"] == panel) & (table["model"] == model)
            expected = table.loc[here, "estimate"]
            np.testing.assert_allclose(lines[model], expected)
        dotted = [line for line in ax.lines if line.get_linestyle() == ":"]
        assert len(dotted) == (score == POOLED)
    np.testing.assert_allclose(
        next(line for line in fig.axes[0].lines if line.get_linestyle() == ":").get_ydata(), [0.1, 0.6, 0.9]
    )
    assert [label.get_text() for label in fig.axes[2].get_xticklabels()] == ["none", "0.4", "0.8"]


def test_one_panel_with_its_three_correlations(predictions, decomposition):
    fig, says = paradox.barycentres_and_scores(predictions, decomposition, "GPSNN", "b")
    left, right = fig.axes
    mine = (decomposition["model"] == "GPSNN") & (decomposition["trait"] == "b")
    r = decomposition[mine].set_index("quantity")["estimate"][[POOLED, INSIDE, BETWEEN]]
    np.testing.assert_allclose([bar.get_width() for bar in right.patches], r)
    shown = [f"{value:.2f}".replace("-", "−") for value in r]
    assert [text.get_text() for text in right.texts] == shown
    assert says == "Pooled correlation {}, within countries {}, of the country means {}.".format(*shown)
    points = np.concatenate([drawn.get_offsets() for drawn in left.collections])
    table = predictions[(predictions["model"] == "GPSNN") & (predictions["trait"] == "b")]
    np.testing.assert_allclose(np.sort(points[:, 1]), np.sort(table["observed"]))


def test_panels_of_all_models_and_traits_have_the_same_axes(predictions, decomposition):
    limits = {
        fig.axes[0].get_xlim() + fig.axes[0].get_ylim()
        for model in ORDER
        for trait in ("a", "b")
        for fig, _ in [paradox.barycentres_and_scores(predictions, decomposition, model, trait)]
    }
    ((_, right, _, top),) = limits
    assert right > predictions["predicted"].abs().max() and top > predictions["observed"].abs().max()
