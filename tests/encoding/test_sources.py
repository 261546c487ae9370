"""Readers of genotypes against htslib and against plain loops; every damaged file is refused in a sentence."""

import gzip

import numpy as np
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gi_lib.encoding import EncodingError, Settings, count_variants, encode, kernels
from gi_lib.encoding.sources import HtslibFile, Plink, SourceError, VcfText, open_source
from gi_lib.encoding.textfile import START, TextFile

PROPERTY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

INFO = "ANN=T|missense_variant|MODERATE|G1|G1|transcript|G1.1|protein_coding|1/1|c.1A>T|p.A1B|1/9|1/9|1/3||"


def columns_of(blocks) -> dict[str, list]:
    """All blocks of a source as plain lists; missing copies as None, copies that are not there left out."""
    found = {"place": [], "alleles": [], "quality": [], "passed": [], "calls": []}
    for block in blocks:
        for i in range(len(block.ref)):
            found["place"].append(block.where(i))
            found["alleles"].append((block.ref[i], *block.alts[i]))
            found["quality"].append(None if np.isnan(block.quality[i]) else round(float(block.quality[i]), 3))
            found["passed"].append(bool(block.passed[i]))
            calls = block.genotypes[i].T.tolist()
            found["calls"].append([[None if c == -1 else c for c in call if c != -2] for call in calls])
    return found


call = st.lists(st.sampled_from([".", "0", "1", "2", "11"]), min_size=1, max_size=3).flatmap(
    lambda copies: st.sampled_from(["|", "/"]).map(lambda bar: bar.join(copies))
)


@PROPERTY
@given(
    st.lists(st.lists(call, min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from(["GT", "GT:DP"]),
    st.booleans(),
)
def test_text_is_read_as_htslib_reads_it(vcf, tmp_path, rows, form, windows):
    alts = ",".join(f"A{'T' * n}" for n in range(1, 12))
    records = []
    for i, calls in enumerate(rows):
        texts = [f"{c}:{7 + i}" if form == "GT:DP" else c for c in calls]
        quality, filters = [("40", "PASS"), (".", "."), ("2.5", "q30")][i % 3]
        records.append(
            vcf.record(10 * i + 1, "a", alts, "DP=3", texts, quality=quality, filters=filters, form=form)
        )
    path = vcf.write(tmp_path, records)
    if windows:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    text = VcfText(path)
    (stretch,) = text.stretches()
    fast = columns_of(text.blocks(stretch))
    if windows:  # htslib keeps the carriage return
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    reference = HtslibFile(path)
    slow = columns_of(reference.blocks(*reference.stretches()))
    assert fast == slow
    assert text.samples == reference.samples


# ------------------------------------------------------------------------------------------ compiled loops


@PROPERTY
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4), st.integers(1, 5))
def test_copies_calls_and_rows_equal_plain_loops(seed, n_records, n_copies, n_samples):
    rng = np.random.default_rng(seed)
    genotypes = rng.integers(-2, 4, (n_records, n_copies, n_samples)).astype(np.int8)
    n_variants = int(rng.integers(1, 6))
    places = [
        [(int(rng.integers(n_records)), int(rng.integers(1, 4))) for _ in range(rng.integers(1, 3))]
        for _ in range(n_variants)
    ]
    first = np.cumsum([0, *map(len, places)])
    record, allele = np.array([p for group in places for p in group]).T
    copies, carried, called = kernels.count_copies(genotypes, record, allele, first)
    for v, group in enumerate(places):
        expected = [max(int((genotypes[r, :, s] == a).sum()) for r, a in group) for s in range(n_samples)]
        assert copies[v].tolist() == expected
        assert carried[v] == sum(expected)
        assert called[v] == (genotypes[group[0][0]] >= 0).sum()
    missing, half = kernels.count_calls(genotypes)
    for r in range(n_records):
        columns = genotypes[r].T.tolist()
        assert missing[r] == sum(not any(c >= 0 for c in column) for column in columns)
        assert half[r] == sum(any(c >= 0 for c in column) and -1 in column for column in columns)
    pairs, rows = rng.integers(0, n_variants, 9), rng.integers(0, 3, 9)
    for dosage in (False, True):
        result = np.zeros((3, n_samples), np.uint32)
        kernels.add_to_rows(copies, pairs, rows, result, dosage)
        expected = np.zeros((3, n_samples), int)
        for v, row in zip(pairs, rows, strict=True):
            expected[row] += copies[v] if dosage else copies[v] > 0
        np.testing.assert_array_equal(result, expected)


# ------------------------------------------------------------------------------------------ damaged files


@pytest.fixture(scope="module")
def large(vcf, tmp_path_factory):
    """4,000 records of 30 samples, as text and bgzip with an index."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(1)
    records = []
    for i in range(4000):
        calls = [f"{g}|{g}" for g in rng.integers(0, 2, 30)]
        records.append(vcf.record(1 + 5 * (i % 2000), "A", "T", INFO, calls, chromosome=str(1 + i // 2000)))
    path = vcf.write(folder, records, [f"s{i}" for i in range(30)], "bgzip")
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("form", ["bgzip", "gzip"])
def test_a_file_cut_short_is_refused_and_gives_no_cohort(large, tmp_path, form, share):
    whole = large.read_bytes() if form == "bgzip" else gzip.compress(gzip.decompress(large.read_bytes()))
    path = tmp_path / "cut.vcf.gz"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(EncodingError, match=r"cut\.vcf\.gz is (cut short|not a VCF)"):
        encode(path, tmp_path / "out.zarr", cores=1)
    assert not (tmp_path / "out.zarr").exists()


def test_bgzip_cut_between_two_blocks_is_refused(large, tmp_path):
    whole, at = large.read_bytes(), 0
    for _ in range(5):
        at += int.from_bytes(whole[at + 16 : at + 18], "little") + 1
    path = tmp_path / "cut.vcf.gz"
    path.write_bytes(whole[:at])
    with pytest.raises(EncodingError, match="no bgzip end-of-file block"):
        count_variants(path)


def test_a_damaged_block_is_refused(large, tmp_path):
    whole = bytearray(large.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path = tmp_path / "bad.vcf.gz"
    path.write_bytes(whole)
    with pytest.raises(EncodingError, match=r"bad\.vcf\.gz is (damaged|cut short or damaged) at byte"):
        count_variants(path)


BAD_LINES = {
    "too few columns": (lambda line: line.rsplit("\t", 1)[0], "it has 38 columns; the header has 39"),
    "too many columns": (lambda line: f"{line}\t0|0", "it has 40 columns; the header has 39"),
    "cut in its first columns": (lambda line: "\t".join(line.split("\t")[:5]), "it has 5 columns"),
    "no genotype": (lambda line: line.replace("\tGT\t", "\tDP\t"), "FORMAT is 'DP'; it must begin with GT"),
    "bad allele": (lambda line: line.rsplit("\t", 1)[0] + "\t0|x", r"genotype '0\|x' cannot be read"),
    "allele too large": (lambda line: line.rsplit("\t", 1)[0] + "\t0|128", r"genotype '0\|128' cannot be read"),
    "empty call": (lambda line: line.rsplit("\t", 1)[0] + "\t", "genotype '' cannot be read"),
    "position": (lambda line: line.replace("\t4991\t", "\tx\t"), "POS is 'x'"),
    "quality": (lambda line: line.replace("\t40\tPASS", "\thigh\tPASS"), "QUAL is 'high'"),
    "many copies": (lambda line: line.rsplit("\t", 1)[0] + "\t" + "|".join("0" * 17), "more than 16 copies"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_LINES)
@pytest.mark.parametrize("form", ["plain", "gzip", "bgzip"])
def test_a_malformed_line_is_named_by_its_number(vcf, large, tmp_path, name, form):
    spoil, sentence = BAD_LINES[name]
    text = gzip.decompress(large.read_bytes()).decode().split("\n")
    number = next(i for i, line in enumerate(text) if line.startswith("2\t4991\t"))
    text[number] = spoil(text[number])
    path = tmp_path / ("bad.vcf" if form == "plain" else "bad.vcf.gz")
    body = "\n".join(text).encode()
    if form == "plain":
        path.write_bytes(body)
    else:
        path.write_bytes(gzip.compress(body) if form == "gzip" else vcf.bgzip_in_blocks(body, [50_000]))
    with pytest.raises(EncodingError, match=rf"{path.name}, line {number + 1:,}: .*{sentence}"):
        count_variants(path, stretch=5_000)


def test_what_is_not_genotypes_is_refused(tmp_path, vcf):
    with pytest.raises(SourceError, match="There is no file"):
        open_source(tmp_path / "gone.vcf")
    (tmp_path / "notes.vcf").write_text("hello\n")
    with pytest.raises(SourceError, match=r"notes\.vcf is not a VCF"):
        open_source(tmp_path / "notes.vcf")
    (tmp_path / "empty.vcf").write_text("")
    with pytest.raises(SourceError, match=r"empty\.vcf is not a VCF"):
        open_source(tmp_path / "empty.vcf")
    (tmp_path / "head.vcf").write_text("##fileformat=VCFv4.2\n1\t2\n")
    with pytest.raises(SourceError, match="no line that begins with #CHROM"):
        open_source(tmp_path / "head.vcf")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match="folder is not a VCF Zarr store"):
        open_source(tmp_path / "folder")
    with pytest.raises(SourceError, match=r"nobody\.vcf has no samples"):
        open_source(vcf.write(tmp_path, [], [], name="nobody"))
    with pytest.raises(SourceError, match=r"twice\.vcf: sample 's1' stands twice"):
        open_source(vcf.write(tmp_path, [], ["s1", "s2", "s1"], name="twice"))


def test_a_file_without_variants_is_refused(vcf, tmp_path):
    with pytest.raises(EncodingError, match=r"small\.vcf holds no variant"):
        count_variants(vcf.write(tmp_path, []))


def test_a_last_line_without_newline_is_read(vcf, tmp_path):
    path = vcf.write(tmp_path, [vcf.record(5, "A", "T", INFO, "1|1 0|0 1|1")])
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    counts, _ = count_variants(path)
    assert counts["counts"].sum("variant_type").values.ravel().tolist() == [1, 0, 1]


# ---------------------------------------------------------------------------------------------- regions


@pytest.mark.parametrize(
    ("region", "n"), [("2", 2000), ("chr1:101-200", 20), ("1:1-1", 1), ("2:9,996-20000", 1)]
)
def test_a_region_is_what_begins_there(large, region, n):
    _, report = count_variants(large, Settings(region=region))
    assert report.records == n


def test_a_deletion_that_begins_before_the_region_is_not_in_it(vcf, tmp_path):
    deletion = INFO.replace("T|missense", "A|frameshift")
    records = [
        vcf.record(100, "ATTT", "A", deletion, "1|1 0|0 0|0"),
        vcf.record(102, "A", "T", INFO, "1|1 0|0 0|0"),
    ]
    path = vcf.write(tmp_path, records, form="bgzip")
    pysam.tabix_index(str(path), preset="vcf", force=True)
    _, report = count_variants(path, Settings(region="1:101-110"))
    assert report.records == 1


def test_regions_that_cannot_be_had(large, vcf, tmp_path):
    with pytest.raises(EncodingError, match="has no chromosome '7'; it has 1, 2, 10"):
        count_variants(large, Settings(region="7"))
    path = vcf.write(tmp_path, [vcf.record(5, "A", "T", INFO, "1|1 0|0 1|1")], form="bgzip")
    with pytest.raises(EncodingError, match=r"small\.vcf\.gz has no index.*bcftools index small\.vcf\.gz"):
        count_variants(path, Settings(region="1"))
    with pytest.raises(EncodingError, match=r"region is '1:9'; allowed are"):
        Settings(region="1:9")


# ------------------------------------------------------------------------------------------------ cutting


@pytest.mark.parametrize("every", [700, 5_000, 10**9])
def test_cuts_lie_between_positions_and_lose_nothing(large, every):
    source = VcfText(large)
    stretches = source.stretches(every)
    assert len(stretches) == 1 if every == 10**9 else len(stretches) > 5
    whole = columns_of(source.blocks(VcfText(large).stretches(10**9)[0]))
    parts = [columns_of(source.blocks(stretch)) for stretch in stretches]
    assert {key: [x for part in parts for x in part[key]] for key in whole} == whole
    assert sum(source.length(s) for s in stretches) == source.size - stretches[0].start[0]


def test_line_numbers(tmp_path, vcf):
    body = b"".join(b"line %d\n" % i for i in range(1, 2001))
    path = tmp_path / "lines.gz"
    path.write_bytes(vcf.bgzip_in_blocks(body, [1000]))
    file = TextFile(path)
    assert file.line_number(START, 0) == 1
    for number in (2, 77, 1500):
        assert file.line_number(START, body.index(b"line %d\n" % number)) == number


# -------------------------------------------------------------------------------------------------- PLINK


def test_plink_counts_copies_of_the_first_allele(tmp_path):
    from bed_reader import to_bed

    dosage = np.array([[0, 2, np.nan], [1, 0, 2], [2, 1, 0]])  # (sample, variant), copies of allele_1
    path = tmp_path / "small.bed"
    names = {
        "iid": ["x", "y", "z"],
        "fid": ["f"] * 3,
        "sid": ["a", "b", "c"],
        "chromosome": ["1", "1", "chr2"],
        "bp_position": [5, 9, 7],
        "allele_1": ["T", "ATG", "0"],
        "allele_2": ["A", "A", "C"],
    }
    to_bed(path, dosage, properties=names, count_A1=True)
    source = Plink(path)
    assert source.samples == ["x", "y", "z"]
    (block,) = source.blocks(*source.stretches())
    assert [block.where(i) for i in range(3)] == ["1:5", "1:9", "2:7"]
    assert block.alts == [("T",), ("ATG",), ()]
    assert block.ref == ["A", "A", "C"]
    missing = block.genotypes == kernels.MISSING
    copies = np.where(missing, 0, block.genotypes).sum(axis=1)
    np.testing.assert_array_equal(copies, np.nan_to_num(dosage.T))
    np.testing.assert_array_equal(missing.all(axis=1), np.isnan(dosage.T))
    path.with_suffix(".fam").unlink()
    with pytest.raises(SourceError, match=r"small\.bed has no small\.fam beside it"):
        open_source(path)


def test_arrays_are_cut_between_positions(tmp_path):
    from bed_reader import to_bed

    position = np.array([1, 2, 2, 2, 3, 4, 4, 9])
    path = tmp_path / "p.bed"
    to_bed(path, np.zeros((2, 8)), properties={"bp_position": position, "chromosome": ["1"] * 8})
    source = Plink(path)
    stretches = source.stretches(2)
    assert [(s.start[0], s.stop[0]) for s in stretches] == [(0, 4), (4, 7), (7, 8)]
