"""The figures of the chapters on BINN show their tables."""

import numpy as np
import pandas as pd
import pytest

from gi_lib.datasets.pathways import Edges
from gi_lib.plots import binn


def test_responses_hold_the_other_signals_at_their_means():
    additive = np.array([[0.0, 1.0], [2.0, 5.0], [4.0, 3.0]])
    fig = binn.responses(lambda a: a[:, 0] + 10 * a[:, 1], additive, ["A", "S"])
    first, second = (ax.lines[0].get_xydata() for ax in fig.axes)
    np.testing.assert_allclose(first[[0, -1]], [[0, 30], [4, 34]])
    np.testing.assert_allclose(second[[0, -1]], [[1, 12], [5, 52]])


def test_latents_stand_over_the_levels_with_their_correlation():
    levels = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]])
    fig = binn.latents_and_levels(levels * [2, -1], levels, ["A", "S"])
    assert [ax.get_title() for ax in fig.axes] == ["A, r = 1.00", "S, r = −1.00"]
    np.testing.assert_allclose(fig.axes[1].lines[0].get_xydata(), [[1, -1], [0, 0], [5, -5]])


def test_curves_are_sorted_and_have_a_tick_at_every_value():
    table = pd.DataFrame({"model": list("aabb"), "n": [200, 50, 50, 200], "estimate": [1.0, 2.0, 3.0, 4.0]})
    table = table.assign(low=table["estimate"] - 1, high=table["estimate"] + 1)
    (ax,) = binn.curves(table, "n", "plants", "error", log=True, order=["b", "a"]).axes
    assert [line.get_label() for line in ax.lines] == ["b", "a"]
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[50, 2], [200, 1]])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["50", "200"]


def test_bars_stand_side_by_side_in_the_order_of_the_entities():
    table = pd.DataFrame(
        {"method": list("xxyy"), "entity": ["S", "A", "A", "S"], "estimate": [0.2, 0.8, 0.6, 0.4]}
    )
    table = table.assign(low=table["estimate"] - 0.1, high=table["estimate"] + 0.1)
    (ax,) = binn.sensitivity_bars(table, ["A", "S"]).axes
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([0.8, 0.2, 0.6, 0.4])
    assert len({round(bar.get_x(), 6) for bar in ax.patches}) == 4


def test_the_map_of_edges_sorts_entities_by_their_first_marker():
    edges = Edges([5, 7, 0, 6], [0, 0, 1, 2], [f"m{i}" for i in range(8)], list("abc"))
    (ax,) = binn.edge_map(edges).axes
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[5, 1], [7, 1], [0, 0], [6, 2]])
