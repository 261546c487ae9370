"""Figures on transfer learning show the numbers they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyBboxPatch

from gi_lib import plots
from gi_lib.plots.transfer import (
    INTERVAL_COLOURS,
    SHUFFLED_AT,
    STATES,
    TRANSFER_STYLES,
    difference_plot,
    label_curve,
    relatedness_plot,
    transfer_diagram,
)

PARAMETERS = {
    "G": 1051, "gene values": 55_310, "P": 1_385_550, "head of T1": 14_688, "head of T2": 1836,
    "I, 200": 17_836, "I, 500": 44_536,
}  # fmt: skip


@pytest.fixture(autouse=True)
def closed():
    plots.use_style()
    yield
    plt.close("all")


def drawn(ax, label: str) -> np.ndarray:
    """Points (x, y) of the line with this label."""
    (line,) = [line for line in ax.get_lines() if line.get_label() == label]
    return np.column_stack(line.get_data())


def intervals(ax, colour) -> list[tuple[float, float, float]]:
    """Vertical intervals (x, low, high) in one colour, in order of x."""
    found = [
        (path[0, 0], path[0, 1], path[1, 1])
        for collection in ax.collections
        if np.allclose(collection.get_colors()[0][:3], to_rgb(colour))
        for path in collection.get_segments()
    ]
    return sorted(found)


def test_the_diagram_names_each_part_its_parameters_and_its_state():
    fig = transfer_diagram(27_655, 17, 288, 36, 50, PARAMETERS)
    (ax,) = fig.axes
    texts = [text.get_text() for text in ax.texts]
    for text in ("Linear 50→288", "Linear 50→36", "Linear 50→H\nLinear H→36", "17,836 or 44,536", "14,688"):
        assert texts.count(text) == 1
    assert texts.count("1,385,550") == 3  # the body, in all three rows
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(STATES)
    faces = [
        tuple(np.round(patch.get_facecolor()[:3], 6))
        for patch in ax.patches
        if isinstance(patch, FancyBboxPatch) and patch.get_fill()
    ]
    t1, t2 = (tuple(np.round(to_rgb(STATES[name][0]), 6)) for name in ("trained on T1", "trained on T2 only"))
    assert faces == [t1] * 4 + [t2] * 4 + [t1] * 3 + [t2]


def test_differences_stand_in_the_panel_of_their_group():
    rows = [
        ("seed", "transf50", "accessions", 0.01, -0.01, 0.03),
        ("seed", "transf50", "folds and trainings", 0.02, -0.03, 0.07),
        ("leaf", "transf50", "accessions", 0.05, 0.04, 0.06),
        ("leaf", "frozen500", "accessions", -0.1, -0.2, 0.0),
        ("leaf", "frozen500", "folds and trainings", np.nan, np.nan, np.nan),  # a single fold
    ]
    names = ["group", "model", "varies", "difference", "low", "high"]
    fig = difference_plot(pd.DataFrame(rows, columns=names), ["frozen500", "transf50"], "Galiana", "score")
    seed, leaf = fig.axes
    assert [ax.get_title() for ax in fig.axes] == ["seed", "leaf"]
    np.testing.assert_allclose(drawn(seed, "accessions")[1], [0.01, 0.86])
    np.testing.assert_allclose(drawn(leaf, "accessions")[:, 0], [-0.1, 0.05])
    assert np.isnan(drawn(leaf, "folds and trainings")[:, 0]).all()
    assert [text.get_text() for text in seed.get_yticklabels()] == ["frozen500", "transf50"]
    assert set(INTERVAL_COLOURS) == {text.get_text() for text in leaf.get_legend().get_texts()}
    assert fig.get_supxlabel() == "score, less that of Galiana"


def relatedness_tables(shuffled: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    steps = [*([np.nan] if shuffled else []), 0.0, 0.5, 1.0]
    rows = [
        (panel, step, model, 0.1 * i + 0.01 * j + k, 0.1 * i - 0.05 + k, 0.1 * i + 0.07 + k)
        for k, panel in enumerate(["fast", "slow"])
        for j, step in enumerate(steps)
        for i, model in enumerate(["Galiana", "transf50", "frozen500"])
    ]
    scores = pd.DataFrame(rows, columns=["panel", "relatedness", "model", "estimate", "low", "high"])
    others = scores[scores["model"] != "Galiana"]
    return scores, others.rename(columns={"estimate": "difference"})


@pytest.mark.parametrize("shuffled", [True, False])
def test_relatedness_is_drawn_where_it_is(shuffled):
    fig = relatedness_plot(*relatedness_tables(shuffled), "Galiana", "correlation within countries")
    top, bottom = np.reshape(fig.axes, (2, 2))
    assert [ax.get_title() for ax in top] == ["fast", "slow"]
    assert [ax.get_ylabel() for ax in (top[0], bottom[0])] == [
        "correlation within countries",
        "difference from Galiana",
    ]
    first = 1 if shuffled else 0
    for row in (top, bottom):
        for k, ax in enumerate(row):
            line = drawn(ax, "transf50")
            np.testing.assert_allclose(line[:, 0], [0, 0.5, 1], atol=0.02)  # shuffled is no step of the line
            np.testing.assert_allclose(line[:, 1], k + 0.1 + 0.01 * (first + np.arange(3)))
            found = intervals(ax, TRANSFER_STYLES["transf50"][0])
            assert len(found) == 3 + first
            np.testing.assert_allclose([limits[1:] for limits in found], [[k + 0.05, k + 0.17]] * len(found))
            if shuffled:
                assert found[0][0] == pytest.approx(SHUFFLED_AT, abs=0.02)
    np.testing.assert_allclose(drawn(top[1], "Galiana")[:, 1], 1.0)
    labels = [text.get_text() for text in bottom[1].get_xticklabels()]
    assert labels == [*(["labels\nshuffled"] if shuffled else []), "0", "0.5", "1"]


def test_the_label_curve_has_a_panel_per_score():
    rows = [
        (n, model, score, 0.001 * n, 0.0, 0.3)
        for n in (256.0, 26.0, 128.0)
        for model in ("Galiana", "joint", "GBLUP")
        for score in ("within country", "pooled")
    ]
    table = pd.DataFrame(rows, columns=["labelled", "model", "score", "estimate", "low", "high"])
    fig = label_curve(table, 256)
    assert [ax.get_title() for ax in fig.axes] == ["within country", "pooled"]
    for ax in fig.axes:
        for model in ("Galiana", "joint", "GBLUP"):
            line = drawn(ax, model)
            np.testing.assert_allclose(line[:, 0], [26, 128, 256], rtol=0.04)
            np.testing.assert_allclose(line[:, 1], [0.026, 0.128, 0.256])
        assert ax.get_xscale() == "log"
        np.testing.assert_allclose(drawn(ax, "accessions with T1")[:, 0], 256)
        assert [text.get_text() for text in ax.get_xticklabels()] == ["26", "128", "256"]


def test_an_interval_need_not_hold_its_estimate_nor_exist():
    """A percentile interval may miss the estimate, and a score without a country is NaN."""
    scores, differences = relatedness_tables(False)
    scores.loc[1, ["low", "high"]] = [0.5, 0.6]
    scores.loc[2, ["estimate", "low", "high"]] = np.nan
    relatedness_plot(scores, differences, "Galiana").canvas.draw()
