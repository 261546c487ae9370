"""``gi panel``: dosages from every format of genotypes and from tables, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from bed_reader import to_bed
from typer.testing import CliRunner

from gi_lib.cli import app
from gi_lib.cohorts.panels import load_panel
from gi_lib.encoding import EncodingError, read_panel
from gi_lib.encoding.sources import SourceError

CALLS = ["0/0 0/1 1/1", "./. 1|0 0|0", "0/1 0/2 1/1", "1/1 1/1 0/0", "1 0 ./1"]
FORMATS = ("plain", "gzip", "bgzip", "bcf", "zarr")


def records(vcf) -> list[str]:
    """Of one, of a missing call, of three alleles, of a failed filter, and of haploid calls."""
    made = [vcf.record(100 * (i + 1), "A", "T", ".", calls) for i, calls in enumerate(CALLS)]
    made[2] = vcf.record(300, "A", "T,C", ".", CALLS[2])
    made[3] = vcf.record(400, "A", "T", ".", CALLS[3], filters="q30")
    return made


@pytest.mark.parametrize("form", FORMATS)
def test_a_vcf_in_every_format(vcf, tmp_path, form):
    panel, steps = read_panel([vcf.write(tmp_path, records(vcf), form=form)])
    assert panel["sample"].values.tolist() == ["s1", "s2", "s3"]
    assert panel["position"].values.tolist() == [100, 200, 500]
    assert panel["dosage"].values.T.tolist() == [[0, 1, 2], [255, 1, 0], [2, 0, 255]]
    assert dict(steps.itertuples(index=False)) == {"records": 5, "FILTER is PASS": 4, "two alleles": 3}


def test_any_filter_keeps_what_failed(vcf, tmp_path):
    panel, steps = read_panel([vcf.write(tmp_path, records(vcf))], pass_only=False)
    assert panel["position"].values.tolist() == [100, 200, 400, 500]
    assert steps["step"].tolist() == ["records", "two alleles"]


def test_plink_and_a_table_say_the_same(tmp_path):
    dosage = np.random.default_rng(0).choice([0, 1, 2, -127], (6, 9)).astype(np.int8)
    samples, position = [f"s{i}" for i in range(6)], np.arange(1, 10) * 50
    properties = {
        "iid": samples,
        "chromosome": ["1"] * 4 + ["2"] * 5,
        "bp_position": position,
        "allele_1": ["A"] * 9,
        "allele_2": ["G"] * 9,
    }
    to_bed(tmp_path / "p.bed", dosage, properties=properties, count_A1=True)
    names = [
        f"{chromosome}:{place}" for chromosome, place in zip(properties["chromosome"], position, strict=True)
    ]
    table = pd.DataFrame(dosage, pd.Index(samples, name="sample"), names).astype(object).replace(-127, "")
    table.to_csv(tmp_path / "p.csv")
    table.to_csv(tmp_path / "p.tsv", sep="\t")
    panels = [read_panel([tmp_path / f"p.{ending}"])[0] for ending in ("bed", "csv", "tsv")]
    expected = np.where(dosage < 0, 255, dosage.astype(int))
    for panel in panels:
        np.testing.assert_array_equal(panel["dosage"], expected)
        assert panel["chromosome"].values.tolist() == properties["chromosome"]
        np.testing.assert_array_equal(panel["position"], position)


def test_files_of_the_same_samples_add_up(tmp_path):
    (tmp_path / "1.csv").write_text("sample,chr1_5,other\na,0,1\nb,2,\n")
    (tmp_path / "2.csv").write_text("sample,2:7\na,2\nb,1.0\n")
    panel, _ = read_panel([tmp_path / "1.csv", tmp_path / "2.csv"])
    assert panel["dosage"].values.tolist() == [[0, 1, 2], [2, 255, 1]]
    assert panel["chromosome"].values.tolist() == ["1", "", "2"]
    assert panel["position"].values.tolist() == [5, 0, 7]


def test_the_command_writes_a_panel_that_chapters_load(tmp_path):
    (tmp_path / "g.csv").write_text("sample,1:5,1:9\na,0,1\nb,2,0\n")
    (tmp_path / "traits.csv").write_text("sample,height\nb,2.5\n")
    (tmp_path / "lines.csv").write_text("sample,country\na,north\nb,south\n")
    out = tmp_path / "mine.zarr"
    arguments = ["panel", tmp_path / "g.csv", "--out", out, "--traits", tmp_path / "traits.csv", "--accessions",
                 tmp_path / "lines.csv"]  # fmt: skip
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "2 samples, 1 traits" in result.output
    panel = load_panel(str(out))
    assert panel["population"].values.tolist() == ["north", "south"]
    np.testing.assert_array_equal(panel["trait_value"], [[np.nan], [2.5]])
    again = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert again.exit_code == 1 and again.output.startswith("gi: ") and "Traceback" not in again.output


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("name,1:5\na,0\n", "no column 'sample'; it begins with name, 1:5"),
        ("sample,1:5\na,0\na,1\n", "the sample 'a' twice"),
        ("sample,1:5\na,3\n", "1:5 of sample 'a' is '3'; allowed are 0, 1, 2, or an empty cell"),
        ("sample\na\n", "there is no marker"),
    ],
)
def test_bad_tables(tmp_path, text, sentence):
    (tmp_path / "g.csv").write_text(text)
    with pytest.raises(EncodingError, match=sentence):
        read_panel([tmp_path / "g.csv"])


def test_other_refusals(vcf, tmp_path):
    (tmp_path / "g.csv").write_text("sample,1:5\na,0\n")
    (tmp_path / "h.csv").write_text("sample,1:5\nb,0\n")
    with pytest.raises(EncodingError, match=r"h\.csv has other samples than g\.csv"):
        read_panel([tmp_path / "g.csv", tmp_path / "h.csv"])
    with pytest.raises(EncodingError, match="There is no file"):
        read_panel([tmp_path / "none.csv"])
    with pytest.raises(EncodingError, match="no file to read"):
        read_panel([])
    with pytest.raises(SourceError, match="more than two copies at 1:100"):
        read_panel([vcf.write(tmp_path, [vcf.record(100, "A", "T", ".", "0/0/1/1 0/0 0/0")])])
