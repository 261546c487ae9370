"""Figures of the sparse layer: what is drawn is what was given."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from gi_lib.datasets.pathways import Edges, connect, dense
from gi_lib.plots.bmsnn import KNOWN_COLOURS, difference_plot, lit_unit, wiring

ANNOTATION = pd.DataFrame({"gene": ["a", "b", "b"], "pathway": ["growth", "growth", "respiration"]})


def ends_of_lines(ax):
    return [np.array(path.vertices) for path in ax.collections[0].get_paths()]


def test_a_line_for_every_edge_between_the_right_units():
    edges = connect(["a", "b", "c"], ANNOTATION)
    fig = wiring({"known": edges, "dense": dense(edges)})
    known, all_pairs = fig.axes
    places = {text.get_text(): text.get_position() for text in known.texts}
    assert set(places) == {"a", "b", "c", "growth", "respiration", "unannotated"}
    drawn = {
        (min(places, key=lambda n: abs(places[n][1] - y0) + (places[n][0] > 0.5)),
         min(places, key=lambda n: abs(places[n][1] - y1) + (places[n][0] < 0.5)))
        for (_, y0), (_, y1) in ends_of_lines(known)
    }  # fmt: skip
    assert drawn == {("a", "growth"), ("b", "growth"), ("b", "respiration"), ("c", "unannotated")}
    assert len(ends_of_lines(all_pairs)) == 9
    assert [ax.get_title() for ax in fig.axes] == ["known: 4 weights", "dense: 9 weights"]


def test_the_edges_of_a_lit_unit_show_which_are_known():
    known = connect(["a", "b", "c"], ANNOTATION)
    wrong = Edges([1, 2, 0, 1], [0, 0, 1, 1], known.source_names, known.target_names)
    colours = {}
    for name, layer in {"known": known, "wrong": wrong}.items():
        fig, says = lit_unit(layer, "growth", known)
        others, of_genes, lit = fig.axes[0].collections
        colours[name] = [to_hex(colour) for colour in lit.get_colors()]
        assert says.startswith("2 genes; ")
        assert len(others.get_paths()) == len(of_genes.get_paths()) == 1
    assert colours == {
        "known": [KNOWN_COLOURS[True]] * 2,
        "wrong": [KNOWN_COLOURS[True], KNOWN_COLOURS[False]],
    }
    assert says == (
        "2 genes; 1 of their edges to this unit are known ones. Their edges to all units: 3; in the known layer: 3."
    )


def test_a_layer_without_edges_is_drawn():
    fig = wiring({"none": Edges([], [], ["a"], ["growth"])})
    assert fig.axes[0].get_title() == "none: 0 weights"
    fig.canvas.draw()


TABLE = pd.DataFrame(
    [
        ("A − B", "accessions", 0.1, 0.05, 0.15),
        ("A − B", "folds", 0.12, -0.1, 0.3),
        ("A − C", "accessions", -0.2, -0.3, -0.1),
        ("A − C", "folds", -0.2, np.nan, np.nan),
    ],
    columns=["contrast", "method", "difference", "low", "high"],
)


def test_points_and_intervals_are_the_table():
    ax = difference_plot(TABLE).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A − B", "A − C"]
    points = {line.get_label(): line for line in ax.lines if line.get_marker() == "o"}
    for method, line in points.items():
        rows = TABLE[TABLE["method"] == method]
        np.testing.assert_allclose(line.get_xdata(), rows["difference"])
        assert np.round(line.get_ydata()).tolist() == [0, 1]
    assert points["accessions"].get_ydata()[0] != points["folds"].get_ydata()[0]
    intervals = [np.array(path.vertices)[:, 0] for path in ax.collections[0].get_paths()]
    np.testing.assert_allclose(intervals, [[0.05, 0.15], [-0.3, -0.1]])
    top, bottom = ax.get_ylim()
    assert top > bottom  # the first contrast is on top


def test_a_method_that_lacks_a_contrast_leaves_its_place_empty():
    ax = difference_plot(TABLE.iloc[:3]).axes[0]
    (folds,) = [line for line in ax.lines if line.get_label() == "folds"]
    assert np.isnan(folds.get_xdata()[1])


def test_too_many_methods_are_refused():
    table = pd.DataFrame(
        {"contrast": "A", "method": list("abcde"), "difference": 0.0, "low": 0.0, "high": 0.0}
    )
    with pytest.raises(ValueError, match="There are 5 methods; at most 4"):
        difference_plot(table)
