"""The recorded benchmarks have the columns that the book reads, and numbers that can be true."""

import sys

import numpy as np
import pandas as pd
import pytest

from gi_lib.encoding import count_variants
from gi_lib.notebook import REPOSITORY

FOLDER = REPOSITORY / "results" / "benchmarks"
COLUMNS = {
    "encoding": ["variants", "samples", "cores", "megabytes", "encode_seconds", "bcftools_view_seconds",
                 "plain_loop_seconds", "encode_over_bcftools", "loop_over_encode", "peak_megabytes", "cells_compared",
                 "projected_minutes_12_million", "processor", "recorded"],
    "gibbs": ["prior", "markers", "iterations", "bglr_per_second", "ours_per_second", "ratio", "same_predictions",
              "bglr_accuracy", "ours_accuracy", "bglr_residual_variance", "ours_residual_variance",
              "apart_in_errors"],
    "neural_lasso-cpu": ["lines", "form", "fits", "ms_per_fit", "ratio", "device"],
    "training-seeds-cpu": ["model", "seed", "fold", "plain", "stacked", "epochs"],
    "binn": ["size", "way", "epoch_seconds", "relative_error", "ratio"],
    "eqtl_scan": ["way", "pairs_per_second", "ratio", "largest_difference_of_p"],
    "memory": ["step", "size", "peak_gigabytes", "processor", "recorded"],
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


def test_the_gibbs_samplers_say_what_bglr_says():
    table = pd.read_csv(FOLDER / "gibbs.csv")
    assert (table["same_predictions"] > 0.98).all()
    assert (table["apart_in_errors"].abs() < 3).all()


def test_the_plain_loop_and_the_stacked_one_score_the_same():
    table = pd.read_csv(FOLDER / "training-seeds-cpu.csv")
    by_seed = (table["stacked"] - table["plain"]).groupby(table["seed"]).mean()
    assert len(by_seed) >= 5
    assert abs(by_seed.mean()) < 3 * by_seed.sem()
    assert abs(by_seed.mean()) < table.groupby("fold")["plain"].std().mean()


def test_the_scan_says_what_statsmodels_says():
    table = pd.read_csv(FOLDER / "eqtl_scan.csv")
    assert table["largest_difference_of_p"].max() < 1e-8
    rate = table["pairs_per_second"]
    assert table["ratio"].tolist() == pytest.approx((rate / rate.iloc[-1]).tolist(), rel=0.01)


def test_the_largest_steps_fit_a_laptop():
    table = pd.read_csv(FOLDER / "memory.csv")
    assert table["peak_gigabytes"].between(0.1, 8).all()
    libraries = table.set_index("step").loc["import all libraries", "peak_gigabytes"]
    assert (table["peak_gigabytes"] >= libraries).all()


def test_networks_of_entities_agree_however_they_are_computed():
    table = pd.read_csv(FOLDER / "binn.csv")
    assert table["relative_error"].max() < 1e-4
    for _, part in table.groupby("size"):
        seconds = part.set_index("way")["epoch_seconds"]
        expected = seconds / seconds["batched (gi_lib)"]
        assert part["ratio"].tolist() == pytest.approx(expected.tolist(), rel=0.01)


def test_every_disagreement_has_a_cause():
    agreement, causes = (pd.read_csv(FOLDER / f"{name}.csv") for name in ("agreement", "disagreements"))
    differing = agreement[agreement["ours"] != agreement["theirs"]].groupby("annotator")["pairs"].sum()
    assert causes.groupby("annotator")["pairs"].sum().to_dict() == differing.to_dict()
    assert "unexplained" not in set(causes["cause"])


@pytest.fixture
def scripts(monkeypatch):
    """The scripts of the benchmarks, which import one another by their bare names."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import encoding
    import large_vcf

    yield encoding, large_vcf
    for name in ("encoding", "large_vcf"):
        sys.modules.pop(name)


def test_the_plain_loop_of_the_benchmark_counts_what_the_encoder_counts(scripts, tmp_path):
    encoding, large_vcf = scripts
    path = large_vcf.write_large_vcf(tmp_path / "small.vcf.gz", 3_000, 40, seed=2, threads=1)
    loop, n = encoding.plain_loop(path)
    counts, report = count_variants(path)
    assert n == report.records == 3_000
    total = 0
    for (gene, kind), expected in loop.items():
        if expected.any():
            np.testing.assert_array_equal(counts["counts"].sel(gene=gene, variant_type=kind), expected)
            total += int(expected.sum())
    assert total == int(counts["counts"].sum()) > 1_000


def test_the_large_file_depends_on_its_arguments_only(scripts, tmp_path):
    _, large_vcf = scripts
    paths = [large_vcf.write_large_vcf(tmp_path / f"{t}.vcf.gz", 300, 5, seed=1, threads=t) for t in (1, 2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    other = large_vcf.write_large_vcf(tmp_path / "other.vcf.gz", 300, 5, seed=2, threads=1)
    assert other.read_bytes() != paths[0].read_bytes()
