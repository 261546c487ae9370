"""Figures of the ionome paper show the numbers that they are given."""

import numpy as np
import pandas as pd
import pytest

from gi_lib import plots
from gi_lib.lineup import baselines, published_models


def test_radar_closes_each_line_and_draws_the_bound():
    table = pd.DataFrame(
        {"Galiana": [0.1, 0.2, 0.3], "GPSNN": [0.0, -0.1, 0.1]}, index=["Na23", "K39", "Mo98"]
    )
    bound = pd.Series([0.7, 0.8, 0.9], index=["Mo98", "K39", "Na23"])  # in another order
    fig = plots.radar(
        {"leaf": table, "seed": table + 0.1}, ["Galiana", "GPSNN"], {"leaf": bound, "seed": bound}
    )
    leaf, seed = fig.axes
    lines = {line.get_label(): line for line in leaf.lines}
    np.testing.assert_allclose(lines["Galiana"].get_ydata(), [0.1, 0.2, 0.3, 0.1])
    np.testing.assert_allclose(lines["upper bound"].get_ydata(), [0.9, 0.8, 0.7, 0.9])
    assert [label.get_text() for label in leaf.get_xticklabels()] == ["Na23", "K39", "Mo98"]
    assert seed.get_title() == "seed"
    assert [text.get_text() for text in fig.legends[0].texts] == ["Galiana", "GPSNN", "upper bound"]


def test_models_of_one_size_stand_side_by_side_and_others_are_lines():
    rows = [("a", "Galiana", 100.0, 0.2), ("a", "transf50", 100.0, 0.3), ("a", "GBLUP", np.nan, 0.4)]
    table = pd.DataFrame(rows, columns=["data", "model", "parameters", "estimate"])
    fig = plots.performance_by_parameters(
        table.assign(low=table["estimate"] - 0.1, high=table["estimate"] + 0.05)
    )
    (ax,) = fig.axes
    points = {c.get_label(): c.lines[0].get_xydata()[0] for c in ax.containers}
    assert points["Galiana"][0] < 100 < points["transf50"][0]
    assert points["Galiana"][1] == pytest.approx(0.2)
    assert any(line.get_label() == "GBLUP" and set(line.get_ydata()) == {0.4} for line in ax.lines)


def test_best_predicted_draws_one_cell_each_in_the_given_order():
    predictions = pd.DataFrame(
        {
            "trait": ["x"] * 4 + ["y"] * 2,
            "country": ["SWE", "SWE", "ESP", "ESP", "SWE", "SWE"],
            "predicted": range(6),
            "observed": range(10, 16),
        }
    )
    cells = pd.DataFrame({"trait": ["y", "x"], "country": ["SWE", "ESP"], "correlation": [0.5, -0.25]})
    fig = plots.best_predicted(predictions, cells, n_columns=2)
    first, second = fig.axes
    assert first.get_title() == "y\nSWE, r = 0.50" and second.get_title() == "x\nESP, r = −0.25"
    np.testing.assert_array_equal(first.collections[0].get_offsets(), [[4, 14], [5, 15]])
    np.testing.assert_array_equal(second.collections[0].get_offsets(), [[2, 12], [3, 13]])


def test_every_model_of_the_line_up_has_a_style():
    import xarray as xr

    cohort = xr.Dataset(
        {
            "dosage": (("sample", "marker"), np.zeros((2, 2), np.uint8)),
            "source_trait_value": ("sample", [0.0, 1.0]),
        }
    )
    names = [model.name for model in [*published_models(cohort, ()), *baselines(cohort)]]
    assert set(names) == set(plots.MODEL_STYLES)
