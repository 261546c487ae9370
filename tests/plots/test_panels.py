"""The figures of the chapters on panels show their tables."""

import numpy as np
import pandas as pd
import pytest

from gi_lib.plots import panels


def scores(traits=("a", "b"), models=("GBLUP", "lasso")) -> pd.DataFrame:
    rows = [
        (trait, model, 0.1 * i + 0.3 * j) for i, trait in enumerate(traits) for j, model in enumerate(models)
    ]
    table = pd.DataFrame(rows, columns=["trait", "model", "estimate"])
    return table.assign(low=table["estimate"] - 0.1, high=table["estimate"] + 0.1)


def points(ax, marker: str) -> list[float]:
    return [x for line in ax.lines if line.get_marker() == marker for x in line.get_xdata()]


def test_dots_are_measured_and_crosses_published():
    published = pd.DataFrame({"trait": ["b"], "model": ["lasso"], "estimate": [0.55]})
    fig = panels.model_dots(scores(), ["lasso", "GBLUP"], published)
    first, second = fig.axes[:2]
    assert points(first, "o") == pytest.approx([0.3, 0.0])
    assert points(second, "o") == pytest.approx([0.4, 0.1])
    assert points(second, "x")[0] == pytest.approx(0.55) and np.isnan(points(first, "x")).all()
    assert [text.get_text() for text in second.get_legend().get_texts()] == ["measured here", "paper"]


def test_no_cross_is_promised_where_nothing_is_published():
    published = pd.DataFrame({"trait": ["c"], "model": ["lasso"], "estimate": [0.55]})
    fig = panels.model_dots(scores(), ["lasso", "GBLUP"], published)
    assert all(ax.get_legend() is None for ax in fig.axes)


@pytest.mark.parametrize("n_traits", [1, 3, 4, 6])
def test_there_is_a_panel_for_each_trait(n_traits):
    table = scores([f"trait {i}" for i in range(n_traits)])
    fig = panels.model_dots(
        table.rename(columns={"trait": "world"}), ["GBLUP", "lasso"], group="world", label="error"
    )
    shown = [ax for ax in fig.axes if ax.get_visible()]
    assert [ax.get_title() for ax in shown] == [f"trait {i}" for i in range(n_traits)]
    assert shown[-1].get_xlabel() == "error"
    assert points(shown[0], "x") == []


def test_traits_stand_in_the_order_of_the_first_model():
    (ax,) = panels.traits_in_order(scores(), ["lasso", "GBLUP"]).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]
    assert points(ax, "o") == pytest.approx([0.4, 0.3, 0.1, 0.0])


def test_every_line_and_every_mean_is_drawn():
    (ax,) = panels.trait_by_population(
        np.array([3.0, 1.0, 2.0, 5.0]), np.array(["x", "y", "y", "x"]), "height"
    ).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["y", "x"]
    assert sorted(points(ax, ".")) == [1, 2, 3, 5]
    assert ax.lines[1].get_xdata()[0] == 1.5 and ax.lines[3].get_xdata()[0] == 4


def test_loss_curves_have_a_line_for_each_name():
    (ax,) = panels.loss_curves({"sound": np.array([1.0, 0.5]), "as coded": np.array([9.0, 0.4, 0.3])}).axes
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[1, 9], [2, 0.4], [3, 0.3]])


def test_towards_the_lasso_shows_both_columns():
    table = pd.DataFrame({"iterations": [10, 100], "likeness": [0.8, 0.9], "accuracy": [0.5, 0.4]})
    left, right = panels.towards_the_lasso(table, 0.45).axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), table["likeness"])
    np.testing.assert_allclose(right.lines[0].get_ydata(), table["accuracy"])
    assert right.lines[1].get_ydata()[0] == 0.45


def test_a_locus_has_the_effects_of_its_neighbours_too():
    curves = np.outer([0.0, 0.25, 1, 0.25, 0, 0.5], [0, 1, 3])
    slopes = np.array([9.0, 0, -1, 0, 9, 9])
    fig, says = panels.marker_function(curves, slopes, np.array([1.0, 1, 3]), 2, 5)
    top, bottom = fig.axes
    drawn = {line.get_label(): line.get_xydata() for line in top.lines}
    np.testing.assert_allclose(drawn["true values"], [[0, 0], [1, 0], [2, 2]])
    np.testing.assert_allclose(drawn["linear model"], [[0, 0], [1, -1], [2, -2]])
    np.testing.assert_allclose(drawn["NeuralLasso"], [[0, 0], [1, 1.5], [2, 4.5]])
    assert [path.vertices[1, 1] for path in bottom.collections[0].get_paths()] == [0, 0.75, 3, 0.75, 0, 1.5]
    assert says == (
        "One copy adds 1.50, two 4.50 (truly 0 and 2); in the linear model −1.00 and −2.00. "
        "Markers with a visible effect: 4."
    )


def test_dots_mark_the_chosen_penalties():
    (ax,) = panels.penalty_curves(
        np.array([1.0, 2, 3]), np.array([[0.1, 0.2, 0.3], [0.5, 0.4, 0.3]]), np.array([2, 0])
    ).axes
    (dots,) = (line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_xydata(), [[3, 0.3], [1, 0.5]])
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), [0.3, 0.3, 0.3])
