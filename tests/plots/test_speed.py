"""The figure of the chapter on speed shows its table."""

import numpy as np
import pandas as pd

from gi_lib.plots import speed


def test_the_curve_goes_through_the_shares():
    shares = pd.DataFrame({"accessions": [1, 10, 100], "share": [0.9, 0.4, 0.1]})
    (ax,) = speed.distinct_share(shares).axes
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xydata(), shares.to_numpy())
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "10", "100"]
