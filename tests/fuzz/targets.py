"""One target per reader: bytes in, nothing out, and an exception only where the reader has a fault.

A reader may accept a file or refuse it with its documented error: one sentence, raised by our own code, in bounded time
and memory. What is accepted is read again, in another way where there is one, and has to say the same. Files of several
parts (PLINK, Annovar's pair, two tables) are one string of bytes with `MARK` between the parts.
"""

import bz2
import gzip
import importlib.util
import lzma
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from bed_reader import to_bed

import gi_lib
from gi_lib.datasets.cohort import CohortError
from gi_lib.datasets.pathways import read_go, read_mapman, read_regulators
from gi_lib.datasets.r_data import read_rda
from gi_lib.encoding import EncodingError, Settings, count_variants, gene_models, read_panel
from gi_lib.encoding.annovar import AnnovarTable
from gi_lib.encoding.gene_models import GeneModelError, read_gff3
from gi_lib.encoding.sources import SourceError
from gi_lib.encoding.tables import Tables
from gi_lib.encoding.vocabulary import AnnotationError

TESTS = Path(__file__).parents[1]
PACKAGE = str(Path(gi_lib.__file__).parent)
MARK = b"\n%%%%\n"
LONGEST_MESSAGE = 1_000  # characters; more is no sentence


@cache
def _tests(name: str) -> ModuleType:
    """A test module, for the writers and the plain loops in it."""
    spec = importlib.util.spec_from_file_location(f"fuzz_{Path(name).stem}", TESTS / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Target(NamedTuple):
    """A reader under test."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


def accepted(call: Callable[[], Any], *errors: type[Exception]) -> Any:
    """What a reader returns, or None where it refuses with one sentence of its own."""
    try:
        return call()
    except errors as error:
        trace = error.__traceback__
        while trace.tb_next is not None:
            trace = trace.tb_next
        assert trace.tb_frame.f_code.co_filename.startswith(PACKAGE), f"raised by another package: {error!r}"
        message = str(error)
        assert message.strip() and "\n" not in message, f"not one sentence: {message!r}"
        assert len(message) <= LONGEST_MESSAGE, f"a message of {len(message)} characters: {message[:200]!r}"
        return None


def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(
        prefix="gi-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None
    )


# ------------------------------------------------------------------------------------------------------- VCF


def run_vcf(data: bytes) -> None:
    with _folder() as name:
        path = Path(name) / "x.vcf"
        path.write_bytes(data)
        _count(path)
        panel = accepted(lambda: read_panel([path]), EncodingError, SourceError)
        assert panel is None or panel[0].sizes["marker"] > 0


def _count(path: Path) -> None:
    """Count a file with its own annotation, or with gene models where it has none."""
    found = accepted(lambda: count_variants(path), EncodingError)
    if found is None:
        settings = Settings(annotation="own", gff3=str(_genes()), skip_unknown_contigs=True)
        found = accepted(lambda: count_variants(path, settings), EncodingError)
    else:
        settings = Settings()
    if found is None:
        return
    counts, report = found
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gi_lib.encoding.textfile.PLAIN_BLOCK", 128)
        again, told = count_variants(path, settings, stretch=300)
    assert again.drop_attrs().equals(counts.drop_attrs()), "the counts depend on where the file is cut"
    assert told == report, "the report depends on where the file is cut"
    rows = plain_rows(path.read_bytes())
    if rows is not None and not settings.gff3:
        expected = _tests("encoding/test_encode.py").slow_counts(*rows)
        assert _nonzero(counts) == {key: values for key, values in expected.items() if any(values)}


def plain_rows(data: bytes) -> tuple[list[tuple], list[str]] | None:
    """Records for the plain loop of the tests, read line by line; None where they are not as plain as it takes them."""
    test, seen, rows = _tests("encoding/test_encode.py"), set(), []
    try:
        text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("ascii")
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        samples = next(line for line in lines if line.startswith("#CHROM\t")).split("\t")[9:]
        begin = lines.index(next(line for line in lines if line.startswith("#CHROM\t")))
        for line in lines[begin:]:
            if not line or line.startswith("#"):
                continue
            contig, position, _, ref, alt, _, filters, info, form, *calls = line.split("\t")
            if filters not in ("PASS", "."):
                continue
            alts, entries = alt.split(","), info.split("ANN=")[1].split(";")[0].split(",")
            fields = [entry.split("|") for entry in entries]
            plain = (
                info.count("ANN=") == 1
                and info.startswith(("ANN=", "DP=9;ANN="))
                and [entry[0] for entry in fields] == alts == sorted(set(alts), key=alts.index)
                and all(value.isalpha() for value in (ref, *alts))
                and len({entry[4] for entry in fields}) == 1
                and fields[0][4].isalnum()
                and all(len(entry) == 16 and not entry[14] for entry in fields)
                and all(entry[1] in test.TERMS and entry[7] == "protein_coding" for entry in fields)
                and (contig, position) not in seen
                and form.split(":")[0] == "GT"
                and len(calls) == len(samples)
            )
            if not plain:
                return None
            seen.add((contig, position))
            copies = [call.split(":")[0].replace("|", "/").split("/") for call in calls]
            copies = [[copy.lstrip("0") or "0" for copy in call] for call in copies]
            rows.append(
                (position, ref, [a.upper() for a in alts], [e[1] for e in fields], fields[0][4], copies)
            )
    except (ValueError, IndexError, EOFError, OSError, StopIteration, zlib.error):
        return None
    return rows, samples


def _nonzero(counts: Any) -> dict[tuple[str, str], list[int]]:
    values = counts["counts"].values
    genes, types = counts["gene"].values.tolist(), counts["variant_type"].values.tolist()
    return {
        (genes[g], types[t]): values[:, g, t].tolist()
        for g, t in zip(*np.nonzero(values.any(axis=0)), strict=True)
    }


@cache
def _genes() -> Path:
    """Gene models for files without annotation."""
    path = Path(tempfile.mkdtemp(prefix="gi-fuzz-genes-")) / "genes.gff3"
    path.write_bytes(seeds_gff3()[0])
    return path


def seeds_vcf() -> list[bytes]:
    write, ann = _tests("encoding/conftest.py"), _tests("encoding/conftest.py").ann
    one = f"ANN={ann('T', 'missense_variant')}"
    two = f"DP=9;ANN={ann('T', 'stop_gained', 'G2')},{ann('C', 'upstream_gene_variant', 'G2')}"
    ann_records = [
        write.record(100, "A", "T", one, "1|1 0|0 0/1"),
        write.record(140, "A", "T,C", two, "1|2 ./. 2"),
        write.record(170, "A", "T", one, "1:3 0|0:4 ./1", form="GT:DP", filters="q30"),
        write.record(9, "AC", "A", f"ANN={ann('A', 'intron_variant', 'G3')}", "1|1 . 0|1", chromosome="chr2"),
    ]
    other = _tests("encoding/test_annotations.py")
    texts = {
        "EFF": other.eff("missense_variant") + "," + other.eff("UPSTREAM", change="12"),
        "CSQ": other.csq("T", "stop_gained&splice_region_variant")
        + ","
        + other.csq("T", "intron_variant", "G2"),
        "BCSQ": other.bcsq("missense", dna="100A>T+9C>G") + ",@12",
    }
    rows = [(ann_records, write.HEADER)]
    plain_header = write.HEADER.replace("ID=ANN", "ID=X")
    rows.append(
        (
            [write.record(p, "A", "T", ".", "1|1 0|0 0/1", chromosome="Chr1") for p in (2030, 4020)],
            plain_header,
        )
    )
    for key, text in texts.items():
        described = f'"Format: {other.CSQ}"' if key == "CSQ" else '"x"'
        header = plain_header + f"##INFO=<ID={key},Number=.,Type=String,Description={described}>\n"
        rows.append(([write.record(100, "A", "T", f"{key}={text}", "1|1 0|0 0/1")], header))
    keys = "".join(f"##INFO=<ID={k}.refGene,Number=.,Type=String>\n" for k in ("Func", "Gene", "ExonicFunc"))
    info = other.annovar("exonic;splicing", "G1;G2", exonic="stopgain", change="G1:T1:exon1:c.A1T")
    rows.append(([write.record(100, "A", "T", info, "1|1 0|0 0/1")], plain_header + keys))
    with _folder() as name:
        return [write.write(Path(name), r, header=h).read_bytes() for r, h in rows]


def run_bcf(data: bytes) -> None:
    with _folder() as name:
        path = Path(name) / "x.bcf"
        path.write_bytes(data)
        found = accepted(lambda: count_variants(path), EncodingError)
        if found is not None:
            again, _ = count_variants(path)
            assert again.equals(found[0])


def seeds_bcf() -> list[bytes]:
    write = _tests("encoding/conftest.py")
    info = f"ANN={write.ann('T', 'missense_variant')}"
    records = [write.record(p, "A", "T", info, "1|1 0|0 0/1") for p in (100, 120, 130)]
    with _folder() as name:
        path = write.write(Path(name), records, form="bcf")
        packed = path.read_bytes()
    return [gzip.decompress(packed), packed]


# ------------------------------------------------------------------------------------------- gene models, pathways


def run_gff3(data: bytes) -> None:
    with _folder() as name:
        path = Path(name) / ("x.tar.gz" if _holds_tar(data) else "x.gff3")
        path.write_bytes(data)
        gene_models._read_models.cache_clear()
        models = accepted(lambda: read_gff3(path), GeneModelError)
        if models is None:
            return
        genes = models.genes
        assert (genes["start"] >= 1).all() and (genes["end"] >= genes["start"]).all()
        for rule in ("precedence", "all"):
            ends = np.concatenate([genes["start"], genes["end"]])[:200]
            placed = models.place(np.tile(genes["chromosome"].to_numpy(str), 2)[:200], ends, rule=rule)
            assert len(np.unique(placed.variant)) == len(ends)


def _holds_tar(data: bytes) -> bool:
    try:
        head = zlib.decompressobj(31).decompress(data, 512) if data.startswith(b"\x1f\x8b") else data[:512]
    except zlib.error:
        return False
    return head[257:262] == b"ustar"


def seeds_gff3() -> list[bytes]:
    test = _tests("encoding/test_consequences.py")
    with _folder() as name:
        plain = test.write_gff3(Path(name) / "genes.gff3", test.GFF3).read_bytes()
    shared = plain.replace(b"Parent=P.1", b"Parent=P.1,Q.1").replace(
        b"ID=T.1", b"ID=transcript:T.1;biotype=x"
    )
    block = bytearray(512)
    block[:9], block[124:136], block[156:157], block[257:263] = (
        b"genes.gff",
        b"%011o " % len(plain),
        b"0",
        b"ustar\0",
    )
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    tar = bytes(block) + plain + bytes(-len(plain) % 512 + 1024)
    return [plain, b"##gff-version 3\n" + shared + b"##FASTA\n>x\nACGT\n", tar]


def run_mapman(data: bytes) -> None:
    with _folder() as name:
        path = Path(name) / "x.txt"
        path.write_bytes(data)
        for settings in ({}, {"level": 2}, {"not_assigned": True}):
            table = accepted(lambda chosen=settings: read_mapman(path, **chosen), ValueError)
            assert table is None or (table["gene"] != "").all()
            assert table is None or not table.isna().any(axis=None)


def seeds_mapman() -> list[bytes]:
    test = _tests("datasets/test_pathways.py")
    return [test.MAPMAN.encode(), test.DINAR.encode()]


def run_rda(data: bytes) -> None:
    with _folder() as name:
        path = Path(name) / "x.rda"
        path.write_bytes(data)
        for read in (read_go, read_regulators):
            table = accepted(lambda chosen=read: chosen(path), ValueError)
            assert table is None or table.columns.tolist() == ["gene", "pathway"]
        for name in ("ulg", "validated_edges"):
            accepted(lambda chosen=name: read_rda(path, chosen, coded=True), ValueError)


def seeds_rda() -> list[bytes]:
    test = _tests("datasets/test_pathways.py")
    frame = test.data_frame(test.EVIDENCE)
    with _folder() as name:
        objects = [
            {"ulg": test.GOOD},
            {"validated_edges": frame},
            {"ulg": test.r_integers(1, 2), "validated_edges": frame},
        ]
        return [test.write_rda(Path(name) / "x.rda", each, bytes).read_bytes() for each in objects]


# ----------------------------------------------------------------------------------------- PLINK, tables, Annovar


def run_plink(data: bytes) -> None:
    with _folder() as name:
        path = Path(name) / "x.bed"
        for ending, part in zip((".bim", ".fam", ".bed"), data.split(MARK, 2), strict=False):
            path.with_suffix(ending).write_bytes(part)
        found = accepted(lambda: read_panel([path]), EncodingError, SourceError)
        if found is None:
            return
        panel = found[0]
        dosage = panel["dosage"].values
        if panel.sizes["marker"] == len(path.with_suffix(".bim").read_text("latin-1").split("\n")) - 1:
            np.testing.assert_array_equal(dosage, plain_bed(path.read_bytes(), *dosage.shape))
        other = path.with_name("other.bed")
        properties = {"iid": panel["sample"].values, "chromosome": panel["chromosome"].values,
                      "bp_position": panel["position"].values, "allele_1": ["A"] * dosage.shape[1],
                      "allele_2": ["G"] * dosage.shape[1]}  # fmt: skip
        to_bed(
            other, np.where(dosage == 255, -127, dosage).astype(np.int8), properties=properties, count_A1=True
        )
        again, _ = read_panel([other])
        np.testing.assert_array_equal(again["dosage"].values, dosage)


def plain_bed(data: bytes, n_samples: int, n_markers: int) -> np.ndarray:
    """Copies of the first allele, two bits of the file at a time; 255 where missing."""
    width, dosage = -(-n_samples // 4), np.zeros((n_samples, n_markers), np.uint8)
    for marker in range(n_markers):
        for sample in range(n_samples):
            pair = data[3 + marker * width + sample // 4] >> 2 * (sample % 4) & 3
            dosage[sample, marker] = (2, 255, 1, 0)[pair]
    return dosage


def seeds_plink() -> list[bytes]:
    dosage = np.array([[0, 1, 2], [2, -127, 0], [1, 1, 0], [0, 0, 2], [2, 2, 1]], np.int8)
    properties = {"iid": [f"s{i}" for i in range(5)], "chromosome": ["1", "1", "2"], "bp_position": [5, 9, 7],
                  "allele_1": ["A", "C", "T"], "allele_2": ["G", "G", "G"]}  # fmt: skip
    with _folder() as name:
        path = Path(name) / "x.bed"
        to_bed(path, dosage, properties=properties, count_A1=True)
        return [MARK.join(path.with_suffix(ending).read_bytes() for ending in (".bim", ".fam", ".bed"))]


def run_dosages(data: bytes) -> None:
    with _folder() as name:
        for ending in (".csv", ".tsv"):
            path = (Path(name) / "x").with_suffix(ending)
            path.write_bytes(data)
            found = accepted(lambda chosen=path: read_panel([chosen]), EncodingError, CohortError)
            if found is not None:
                assert set(np.unique(found[0]["dosage"].values).tolist()) <= {0, 1, 2, 255}
                assert (
                    found[0].sizes["marker"]
                    == len(_first_line(data).split(b"," if ending == ".csv" else b"\t")) - 1
                )


def _first_line(data: bytes) -> bytes:
    """The header of a table without quotes or line ends inside; a table with quotes is not looked at."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").replace(b"\r", b"\n").split(b"\n", 1)[0]


def seeds_dosages() -> list[bytes]:
    return [
        b"sample,1:5,chr2_9,other\na,0,1,2\nb,2,,NA\nc,1.0,0,.\n",
        b"sample\t1:5\t1:9\na\t0\t1\nb\t2\t\n",
    ]


def run_tables(data: bytes) -> None:
    with _folder() as name:
        paths = [Path(name) / "accessions.csv", Path(name) / "traits.csv"]
        accessions, _, traits = data.partition(MARK)
        paths[0].write_bytes(accessions)
        paths[1].write_bytes(traits)
        for tables in (Tables(accessions=str(paths[0])), Tables(traits=str(paths[1]))):
            found = accepted(lambda chosen=tables: chosen.read(["a", "b", "c"]), EncodingError)
            assert found is None or all(table.index.tolist() == ["a", "b", "c"] for table in found)
            assert found is None or all(
                np.isfinite(column[column.notna()]).all() for _, column in found[1].items()
            )


def seeds_tables() -> list[bytes]:
    return [
        MARK.join(
            [
                b"sample,country,latitude,longitude\na,SWE,56.1,13.2\nb,,,\nc,ITA,41,12\n",
                b"sample,flowering,height\na,23.5,1\nb,NA,2\nd,1e2,\n",
            ]
        )
    ]


def run_annovar(data: bytes) -> None:
    with _folder() as name:
        parts = data.split(MARK, 1)
        names = (
            ["x.multianno.txt"] if len(parts) == 1 else ["x.variant_function", "x.exonic_variant_function"]
        )
        paths = [Path(name) / each for each in names]
        for path, part in zip(paths, parts, strict=True):
            path.write_bytes(part)
        table = accepted(lambda: AnnovarTable.build(paths, Path(name) / "table"), AnnotationError)
        if table is None:
            return
        assert (np.diff(table.key) >= 0).all()
        for row in range(len(table.key)):
            ref, _, alt = table.text(row).decode().split("\t")[0].partition(">")
            code, position = divmod(int(table.key[row]), 1 << 40)
            chromosome = np.array([table.chromosomes[code]])
            # A ">" in an allele would make two alleles of other lengths.
            assert table.lookup(chromosome, np.array([position]), [ref], [alt]) != [None]


def seeds_annovar() -> list[bytes]:
    test = _tests("encoding/test_annovar.py")
    with _folder() as name:
        whole = test.multianno(Path(name))[0].read_bytes()
        exonic, function = (path.read_bytes() for path in test.pair(Path(name)))
    return [whole, MARK.join([function, exonic])]


TARGETS = {
    "vcf": Target(run_vcf, seeds_vcf),
    "bcf": Target(run_bcf, seeds_bcf),
    "gff3": Target(run_gff3, seeds_gff3),
    "mapman": Target(run_mapman, seeds_mapman),
    "rda": Target(run_rda, seeds_rda),
    "plink": Target(run_plink, seeds_plink),
    "dosages": Target(run_dosages, seeds_dosages),
    "tables": Target(run_tables, seeds_tables),
    "annovar": Target(run_annovar, seeds_annovar),
}


# --------------------------------------------------------------------------------------------------- mutations

Choose = Callable[[int], int]
"""A whole number from 0 to below the argument, by whoever fuzzes."""

VALUES = (
    b"", b".", b"-", b"0", b"-1", b"1", b"2", b"nan", b"inf", b"1e400", b"99999999999999999999", b"2147483648",
    b"9223372036854775807", b"1_0", b" 1 ", b"0x1", b"1.5", "²".encode(), "１".encode(), b"\0", b"\xff", b"'",
    b'"', b"\\", b"A" * 20_000, b"9" * 5_000, b"*", b"<DEL>", b"A,T",
    b"0|1|2", b"128", b"1|.", b"GT:GT", b"#x", b"NA", b"chr",
)  # fmt: skip


def _lines(choose: Choose, data: bytes) -> bytes:
    """Lines dropped, repeated, exchanged, moved to the end or emptied."""
    lines = data.split(b"\n")
    i, j, kind = choose(len(lines)), choose(len(lines)), choose(5)
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(j, lines[i])
    elif kind == 2:
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == 3:
        lines.append(lines[i])
    else:
        lines[i] = b""
    return b"\n".join(lines)


def _fields(choose: Choose, data: bytes) -> bytes:
    """A field of a line set to something else, dropped, repeated, or taken from another line."""
    lines = data.split(b"\n")
    i = choose(len(lines))
    separator = (b"\t", b",", b"|", b";", b":", b"=", b" ")[choose(7)]
    fields = lines[i].split(separator)
    at, kind = choose(len(fields)), choose(6)
    if kind <= 2:
        fields[at] = VALUES[choose(len(VALUES))]
    elif kind == 3:
        del fields[at]
    elif kind == 4:
        fields.insert(at, fields[choose(len(fields))])
    else:
        others = lines[choose(len(lines))].split(separator)
        fields[at] = others[choose(len(others))]
    lines[i] = separator.join(fields)
    return b"\n".join(lines)


def _bytes(choose: Choose, data: bytes) -> bytes:
    """A byte changed, a piece removed, repeated or cut off, four bytes set to an extreme number."""
    at, kind = choose(len(data) + 1), choose(6)
    if kind == 0:
        return data[:at] + bytes([choose(256)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[at + 1 + choose(64) :]
    if kind == 2:
        return data[:at] + data[at : at + 1 + choose(64)] * 2 + data[at + 1 :]
    if kind == 3:
        return data[:at]
    if kind == 4:
        number = (-(2**31), -1, 0, 1, 2**31 - 1, 1 << 20)[choose(6)]
        return data[:at] + struct.pack(">i", number) + data[at + 4 :]
    return data[:at] + bytes([choose(256)]) + data[at:]


def _text(choose: Choose, data: bytes) -> bytes:
    """Another encoding, other line ends, a very long line, repeated headers."""
    kind = choose(9)
    if kind == 0:
        return data.replace(b"\n", b"\r\n")
    if kind == 1:
        return data.replace(b"\n", b"\r")
    if kind == 2:
        return data.decode("latin-1").encode("utf-16")
    if kind == 3:
        return b"\xef\xbb\xbf" + data
    if kind == 4:
        return data.replace(b"a", "ä".encode(), 1 + choose(4))
    if kind == 5:
        at = choose(len(data) + 1)
        return data[:at] + b"x" * (1 + choose(3) * 70_000) + data[at:]
    if kind == 6:
        return data + data
    if kind == 7:
        return data.rstrip(b"\n")
    at = choose(len(data) + 1)
    return data[:at] + bytes(1 + choose(40)) + data[at:]


def _pack(choose: Choose, data: bytes) -> bytes:
    """Compressed, whole, cut short or damaged."""
    block = _tests("encoding/conftest.py").bgzip_in_blocks
    packed = (
        lambda: gzip.compress(data, 1, mtime=0),
        lambda: block(data, [1 + choose(400)]),
        lambda: lzma.compress(data, preset=0),
        lambda: bz2.compress(data, 1),
        lambda: gzip.compress(data, 1, mtime=0) + b"x" * choose(3),
    )[choose(5)]()
    if choose(3) == 0:
        return packed[: choose(len(packed))]
    return _bytes(choose, packed) if choose(3) == 0 else packed


MUTATIONS = (_lines, _fields, _fields, _fields, _bytes, _text)


def mutate(choose: Choose, data: bytes) -> bytes:
    """A valid file with one to four changes, and sometimes compressed."""
    for _ in range(1 + choose(4)):
        data = MUTATIONS[choose(len(MUTATIONS))](choose, data)
    return _pack(choose, data) if choose(5) == 0 else data


def remove_folders() -> None:
    """Remove what the targets keep between two calls."""
    if _genes.cache_info().currsize:
        shutil.rmtree(_genes().parent)
        _genes.cache_clear()
