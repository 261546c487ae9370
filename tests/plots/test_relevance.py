"""Figures on what models have learned show the numbers that they are given, each in its place."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from gi_lib.plots.relevance import (
    CAUSAL_COLOUR,
    agreement_plot,
    genome_tracks,
    pathway_heatmap,
    property_scatter,
    rates_by_distance,
    score_dots,
)


def points(collection) -> np.ndarray:
    return np.asarray(collection.get_offsets())


def of_colour(ax, colour: str) -> np.ndarray:
    return np.concatenate(
        [points(c) for c in ax.collections if to_hex(c.get_facecolor()[0]) == to_hex(colour)]
        or [np.empty((0, 2))]
    )


def test_genes_stand_in_genome_order_and_causes_are_marked():
    values = np.array([3.0, 1.0, np.nan, 2.0])
    fig = genome_tracks(
        {"test": values, "other": values},
        chromosome=np.array(["2", "1", "1", "2"]),
        start=np.array([50, 900, 10, 20]),
        marked={0: "A", 1: "B"},
        ylabels={"test": "−log10 p", "other": "relevance"},
        threshold=1.5,
    )
    top, bottom = fig.axes
    # chromosome 1: genes 2 (unknown), 1; chromosome 2: genes 3, 0
    np.testing.assert_array_equal(of_colour(top, CAUSAL_COLOUR), [[1, 1.0], [3, 3.0]])
    assert [text.get_text() for text in top.texts] == ["B", "A"]
    assert [line.get_ydata()[0] for line in top.lines] == [1.5]
    assert not bottom.lines  # the threshold is one of p-values
    assert [label.get_text() for label in bottom.get_xticklabels()] == ["chr. 1", "chr. 2"]


def test_scores_stand_beside_their_method_with_chance():
    table = pd.DataFrame(
        {
            "method": ["a", "b"],
            "measure": "average precision",
            "estimate": [0.3, 0.5],
            "low": [0.2, 0.4],
            "high": [0.4, 0.6],
            "chance": 0.1,
        }
    )
    (ax,) = score_dots(table, ["b", "a"], ["average precision"]).axes
    dots, chance = ax.lines
    np.testing.assert_array_equal(dots.get_xydata(), [[0.5, 0], [0.3, 1]])
    assert list(chance.get_xdata()) == [0.1, 0.1]
    spans = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert spans == [[0.4, 0.6], [0.2, 0.4]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]


def test_rates_are_drawn_by_distance_beside_the_expected_one():
    table = pd.DataFrame(
        {
            "method": ["single genes", "single genes", "Galiana"],
            "distance": ["1", "2", "1"],
            "rate": [0.3, 0.2, 0.1],
        }
    )
    (ax,) = rates_by_distance({"all": table}, 0.05, {"all": "rate"}).axes
    lines = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    assert lines["single genes"] == [0.3, 0.2] and lines["Galiana"] == [0.1]
    assert [0.05, 0.05] in lines.values()


def test_pathways_are_shares_of_the_trait_and_causes_are_dots():
    relevance = pd.DataFrame({"K39": [1.0, 3.0], "Na23": [0.0, 2.0]}, index=["p", "q"])
    causal = pd.DataFrame({"K39": [False, True], "Na23": [True, False]}, index=["p", "q"])
    ax = pathway_heatmap(relevance, causal).axes[0]
    np.testing.assert_allclose(np.ravel(ax.collections[0].get_array()), [25, 0, 75, 100])
    np.testing.assert_array_equal(points(ax.collections[1]), [[1.5, 0.5], [0.5, 1.5]])
    assert len(pathway_heatmap(relevance).axes[0].collections) == 1


def test_two_networks_are_compared_gene_by_gene():
    one, other, marked = np.array([1.0, 2.0, 3.0]), np.array([3.0, 1.0, 2.0]), np.array([False, True, False])
    (ax,) = agreement_plot({"Galiana": (one, other)}, marked).axes
    np.testing.assert_array_equal(points(ax.collections[0]), [[1, 3], [3, 2]])
    np.testing.assert_array_equal(points(ax.collections[1]), [[2, 1]])


def test_a_line_runs_through_the_scores_of_each_model():
    scores = pd.DataFrame(
        {"model": ["Galiana"] * 4, "trait": list("abcd"), "estimate": [0.1, 0.2, 0.3, np.nan]}
    )
    fig = property_scatter(
        scores, {"heritability": pd.Series({"a": 1.0, "b": 2.0, "c": 3.0})}, ["Galiana"], "r"
    )
    (ax,) = fig.axes
    np.testing.assert_allclose(points(ax.collections[0]), [[1, 0.1], [2, 0.2], [3, 0.3]])
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 0.1], [3, 0.3]])
