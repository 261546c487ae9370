"""The figures of the first chapters show the numbers they are given."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb

from gi_lib.plots import first_steps


def test_every_variant_has_a_tick_and_every_call_its_colour():
    genes = pd.DataFrame(
        {"name": ["A", "B"], "start": [100, 900], "end": [500, 1300], "strand": ["+", "-"]}, index=[3, 4]
    )
    regions = pd.DataFrame(
        {
            "gene": [3, 3, 4, 5],
            "start": [100, 300, 900, 100],
            "end": [200, 500, 1300, 500],
            "region": ["exonic", "exonic", "ncRNA exonic", "exonic"],
        }
    )
    calls = np.array([[0, 1, -1], [1, 0, 0]])
    position = np.array([150, 600, 1000])
    fig = first_steps.genome_and_calls(genes, regions, position, calls, ["p1", "p2"])
    track, table = fig.axes
    assert [text.get_text() for text in track.texts] == ["A →", "← B"]
    assert sorted(box.get_width() for box in track.patches) == [101, 201, 401]  # none of the gene elsewhere
    (ticks,) = [c for c in track.collections if len(c.get_segments()) == 3]
    assert [segment[0][0] for segment in ticks.get_segments()] == position.tolist()
    (mesh,) = table.collections
    np.testing.assert_array_equal(mesh.get_array(), calls)
    assert [label.get_text() for label in table.get_yticklabels()] == ["p1", "p2"]
    for call, (_, colour) in first_steps.CALLS.items():
        assert mesh.cmap(mesh.norm(call))[:3] == to_rgb(colour)


def test_markers_stand_in_order_and_the_cause_is_ringed():
    chromosome = np.array(["1", "1", "2", "2"])
    position = np.array([1_000, 50_000, 2_000, 9_000])
    p = np.array([0.1, 1e-6, 0.5, 0.01])
    (ax,) = first_steps.tests_along_chromosomes(chromosome, position, p, 1e-4, [1]).axes
    first, second, ring, line = ax.lines
    x = np.concatenate([first.get_xdata(), second.get_xdata()])
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(np.concatenate([first.get_ydata(), second.get_ydata()]), -np.log10(p))
    np.testing.assert_allclose(ring.get_xydata(), [[x[1], 6]])
    np.testing.assert_allclose(line.get_ydata(), 4)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2"]


def test_uniform_p_values_lie_on_the_diagonal_and_small_ones_above():
    uniform = (np.arange(200) + 0.5) / 200
    shuffled = np.random.default_rng(1).permutation(uniform)
    (ax,) = first_steps.expected_and_found({"a": shuffled, "b": shuffled**2}, ["red", "blue"]).axes
    a, b, _ = ax.lines
    np.testing.assert_allclose(a.get_ydata(), a.get_xdata())
    np.testing.assert_allclose(b.get_ydata(), 2 * b.get_xdata())


def test_descents_start_alike_and_the_star_is_where_the_loss_is_least():
    def bowl(a, b):
        return (a - 1) ** 2 + 4 * (b - 2) ** 2

    paths = {"one": np.array([[3.0, 2.0], [2.0, 2.0]]), "two": np.array([[3.0, 2.0], [90.0, 2.0]])}
    fig = first_steps.descents(bowl, paths, np.array([1.0, 2.0]), ("a", "b"))
    for ax, (title, path) in zip(fig.axes, paths.items(), strict=True):
        drawn, start, star = ax.lines
        np.testing.assert_array_equal(drawn.get_xydata(), path)
        np.testing.assert_array_equal(start.get_xydata(), [path[0]])
        np.testing.assert_array_equal(star.get_xydata(), [[1, 2]])
        assert ax.get_title() == title
        assert (
            ax.get_xlim()[0] < 1 < 3 < ax.get_xlim()[1] < 90
        )  # a path that runs away does not blow up the panel
