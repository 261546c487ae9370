"""The recorded benchmarks have the columns that the book reads, and numbers that can be true."""

import pandas as pd
import pytest

from gi_lib.notebook import REPOSITORY

FOLDER = REPOSITORY / "results" / "benchmarks"
COLUMNS = {
    "encoding": ["variants", "samples", "cores", "megabytes", "encode_seconds", "bcftools_view_seconds",
                 "plain_loop_seconds", "encode_over_bcftools", "loop_over_encode", "peak_megabytes", "cells_compared",
                 "projected_minutes_12_million", "processor", "recorded"],
    "agreement": ["annotator", "ours", "theirs", "pairs"],
    "disagreements": ["annotator", "cause", "explanation", "pairs"],
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_recorded_tables_have_the_columns_that_the_book_reads(name):
    table = pd.read_csv(FOLDER / f"{name}.csv")
    assert table.columns.tolist() == COLUMNS[name]
    assert len(table) > 1
    assert not table.isna().any(axis=None)


def test_ratios_are_those_of_the_seconds():
    table = pd.read_csv(FOLDER / "encoding.csv")
    ratio = table["encode_seconds"] / table["bcftools_view_seconds"]
    assert table["encode_over_bcftools"].tolist() == pytest.approx(ratio.tolist(), rel=0.01)
    ratio = table["plain_loop_seconds"] / table["encode_seconds"]
    assert table["loop_over_encode"].tolist() == pytest.approx(ratio.tolist(), rel=0.01)
    assert table["variants"].max() >= 500_000


def test_every_disagreement_has_a_cause():
    agreement, causes = (pd.read_csv(FOLDER / f"{name}.csv") for name in ("agreement", "disagreements"))
    differing = agreement[agreement["ours"] != agreement["theirs"]].groupby("annotator")["pairs"].sum()
    assert causes.groupby("annotator")["pairs"].sum().to_dict() == differing.to_dict()
    assert "unexplained" not in set(causes["cause"])
