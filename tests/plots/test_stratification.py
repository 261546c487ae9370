"""Figures on splits show the numbers that they are given, each in the place and style of its split."""

import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_hex, to_rgba

from gi_lib.plots.stratification import (
    SPLIT_STYLES,
    fold_maps,
    nearest_relatives,
    scores_by_split,
    trait_drops,
)
from gi_lib.plots.style import COUNTRY_COLOURS, INK
from gi_lib.validation import CountryFolds, RandomFolds, RegionFolds


def test_every_split_of_the_library_has_a_style_of_its_own():
    assert {split.name for split in (RandomFolds(), RegionFolds(), CountryFolds())} <= set(SPLIT_STYLES)
    colours, markers = zip(*SPLIT_STYLES.values(), strict=True)
    assert len(set(colours)) == len(set(markers)) == len(SPLIT_STYLES)


@pytest.fixture
def places() -> xr.Dataset:
    return xr.Dataset(
        coords={
            "latitude": ("sample", np.array([60.0, 40.0, 42.0, 50.0, np.nan])),
            "longitude": ("sample", np.array([15.0, -4.0, -90.0, 10.0, np.nan])),
        }
    )


def test_a_fold_on_the_map_shows_who_is_predicted_from_whom(places):
    test = np.array([True, False, True, False, False])
    fig = fold_maps(places, {"random": test, "by country": ~test})
    assert len(fig.axes) == 4
    for column, predicted in ((0, test), (1, ~test)):
        for ax in (fig.axes[column], fig.axes[2 + column]):  # Europe above America
            learned, to_predict = ax.collections
            np.testing.assert_array_equal(
                to_predict.get_offsets().filled(np.nan),
                np.stack([places["longitude"].values[predicted], places["latitude"].values[predicted]], 1),
            )
            assert len(learned.get_offsets()) == (~predicted).sum()
            assert to_hex(to_predict.get_facecolor()[0]) == INK
    assert fig.axes[0].get_title() == "random\n3 → 2"
    assert fig.axes[1].get_title() == "by country\n2 → 3"
    europe, america = fig.axes[0].get_xlim(), fig.axes[2].get_xlim()
    assert europe[0] < 15 < europe[1] and america[0] < -90 < america[1]


def test_a_test_part_of_another_cohort_is_refused(places):
    with pytest.raises(
        ValueError, match=r"^The test part of the split 'random' has 3 entries; the cohort has 5"
    ):
        fold_maps(places, {"random": np.ones(3, bool)})


def test_scores_stand_in_the_row_of_their_model_and_the_colour_of_their_split():
    models, splits, scores = ["a", "b"], ["random", "by country"], ["pooled", "within country"]
    table = pd.DataFrame(
        [
            (model, split, score, 0.1 * i, 0.1 * i - 0.05, 0.1 * i + 0.02)
            for i, (model, split, score) in enumerate(itertools.product(models, splits, scores))
        ],
        columns=["model", "split", "score", "estimate", "low", "high"],
    )
    absent = (table["model"] == "b") & (table["split"] == "random")
    fig = scores_by_split(table[~absent], models, splits, scores)
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == models
    for ax, score in zip(fig.axes, scores, strict=True):
        assert ax.get_title() == score
        lines = {line.get_label(): line for line in ax.lines if line.get_label() in splits}
        for split in splits:
            wanted = table[(table["split"] == split) & (table["score"] == score)].set_index("model")
            x, y = lines[split].get_data()
            assert to_hex(lines[split].get_color()) == SPLIT_STYLES[split][0]
            np.testing.assert_array_equal(np.round(y), [0, 1])
            assert x[0] == wanted.loc["a", "estimate"]
            assert np.isnan(x[1]) if split == "random" else x[1] == wanted.loc["b", "estimate"]
        assert lines["random"].get_ydata()[0] < lines["by country"].get_ydata()[0]  # in the order given
        intervals = ax.collections[1].get_segments()  # of the second split
        of_b = table[(table["model"] == "b") & (table["split"] == "by country") & (table["score"] == score)]
        np.testing.assert_allclose(intervals[1][:, 0], of_b[["low", "high"]].to_numpy()[0])


def test_relatives_are_drawn_as_shares_and_countries_as_paths():
    similarity = pd.DataFrame(
        {"split": ["random"] * 4 + ["by country"] * 2, "similarity": [0.9, 0.7, 0.8, np.nan, 0.6, 0.5]}
    )
    countries = pd.DataFrame(
        {
            "split": ["random", "random", "by country", "by country"],
            "country": ["SWE", "KAZ", "SWE", "KAZ"],
            "similarity": [0.9, 0.8, 0.6, 0.5],
            "correlation": [0.4, 0.3, 0.1, 0.2],
        }
    )
    left, right = nearest_relatives(similarity, countries).axes
    steps = {line.get_label(): line.get_xydata() for line in left.lines}
    np.testing.assert_allclose(steps["random"], [[0.7, 1 / 3], [0.8, 2 / 3], [0.9, 1]])
    np.testing.assert_allclose(steps["by country"], [[0.5, 0.5], [0.6, 1]])
    paths = {line.get_label(): line for line in right.lines if len(line.get_xdata()) == 2}
    np.testing.assert_allclose(paths["SWE"].get_xydata(), [[0.9, 0.4], [0.6, 0.1]])
    np.testing.assert_allclose(paths["KAZ"].get_xydata(), [[0.8, 0.3], [0.5, 0.2]])
    assert to_rgba(paths["SWE"].get_color()) == to_rgba(COUNTRY_COLOURS["SWE"])
    np.testing.assert_allclose(paths["mean"].get_xydata(), [[0.85, 0.35], [0.55, 0.15]])
    means = {(0.85, 0.35): "o", (0.55, 0.15): "^"}
    at = {
        tuple(line.get_xydata()[0].round(9)): line.get_marker()
        for line in right.lines
        if len(line.get_xdata()) == 1
    }
    assert at == {(0.9, 0.4): "o", (0.8, 0.3): "o", (0.6, 0.1): "^", (0.5, 0.2): "^"} | means


def test_traits_keep_their_order_and_tissues_of_different_size_their_scale():
    leaf = pd.DataFrame({"random": [0.3, 0.2], "by country": [0.1, 0.25]}, index=["K39", "Na23"])
    seed = pd.DataFrame({"random": [0.4], "by country": [np.nan]}, index=["Ca43"])
    first, second = trait_drops({"leaf": leaf, "seed": seed}, ["random", "by country"]).axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["K39", "Na23"]
    lines = {line.get_label(): line for line in first.lines}
    np.testing.assert_allclose(lines["by country"].get_xydata(), [[0.1, 0], [0.25, 1]])
    (joined,) = first.collections
    np.testing.assert_allclose([s[:, 0] for s in joined.get_segments()], [[0.1, 0.3], [0.2, 0.25]])
    assert first.get_ylim() == second.get_ylim() == (1.5, -0.5)
