"""Where a variant lies: in the exon of one gene, upstream of another, between two.

Genes and their parts are read from a GFF3 file and cut into *segments*, the stretches between two
neighbouring boundaries. All positions of a segment have the same answer, and a variant touches a run of
neighbouring segments, so placing millions of variants is two binary searches each. (An interval library would
find the intervals that a variant touches, but not which of them count; segments answer both, so none is needed.)
"""

import gzip
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pandas as pd

from gi_lib.datasets.foreign import (
    LARGEST_POSITION,
    MOST_BYTES,
    TooLarge,
    bounded_lines,
    listed,
    one_line,
    shown,
    whole_number,
)
from gi_lib.encoding.vocabulary import FLANK, REGION_RANKS, RULES

REGIONS = REGION_RANKS
"""Regions and their rank, which is Annovar's; where regions overlap, only those of the lowest rank count.

Regions of one rank count side by side: a base that is an exon of one transcript and the splice site of another
is both. Only ``ncRNA intronic`` gives way to the other two of its rank inside the same gene, so that a base of
an exon is never called intronic.
"""

SPLICE = 2  # Annovar's reach of "splicing" into the intron, base pairs

_NAMES = list(REGIONS)
_RANK = np.array(list(REGIONS.values()))
_WITHIN_GENE = _RANK * 2 + np.array([name == "ncRNA intronic" for name in _NAMES])


class GeneModelError(ValueError):
    """A file of gene models cannot be used, or holds no such chromosome; the message says what and where."""


class Placement(NamedTuple):
    """Which variant lies in which region of which gene: three parallel arrays, one entry per triple."""

    variant: np.ndarray  # (pair,) index into the positions asked for, ascending
    gene: np.ndarray  # (pair,) row of GeneModels.genes
    region: np.ndarray  # (pair,) index into list(REGIONS)


@dataclass(frozen=True)
class GeneModels:
    """The genes of a genome, their transcripts, and the regions that belong to each.

    Parameters
    ----------
    genes
        One row per gene: ``name``, ``chromosome``, ``start``, ``end``, ``strand``, ``coding`` (whether it
        codes for a protein); base pairs, both ends included, sorted by place.
    regions
        One row per interval: ``gene`` (row of `genes`), ``start``, ``end``, ``region`` (a key of
        `REGIONS`). Intergenic space is not listed: it is what no interval covers.
    transcripts
        One row per transcript: ``name``, ``gene`` (row of `genes`), ``coding``.
    parts
        One row per exon and per coding part of an exon: ``transcript`` (row of `transcripts`), ``kind`` (``exon``
        or ``CDS``), ``start``, ``end``, ``phase`` (bases to skip to the next codon, 0 for exons), sorted by
        transcript and place.
    """

    genes: pd.DataFrame
    regions: pd.DataFrame
    transcripts: pd.DataFrame
    parts: pd.DataFrame

    def place(
        self,
        chromosome: np.ndarray,
        start: np.ndarray,
        end: np.ndarray | None = None,
        rule: str = "precedence",
    ) -> Placement:
        """Find regions and genes of every variant.

        A variant touches the bases ``start`` to ``end``. An insertion touches the base before it (``start`` =
        ``end`` = that base), as in Annovar. A variant in no gene's reach is intergenic and given to the
        nearest gene (ties: the earlier one).

        Parameters
        ----------
        chromosome : shape (variant,), str
            Names in any spelling that `chromosome_names` unifies.
        start : shape (variant,), int
            First base touched, 1-based.
        end : shape (variant,), int, optional
            Last base touched; by default the first.
        rule
            ``precedence``: only the regions of the lowest rank count, over all genes. ``all``: every region
            of every transcript counts, each gene and region once.

        Raises
        ------
        GeneModelError
            If a chromosome holds no gene.
        ValueError
            If a span ends before it starts.
            If the rule is unknown.
        """
        if rule not in RULES:
            raise ValueError(f"Unknown rule {rule!r}; allowed are {', '.join(RULES)}.")
        chromosome = chromosome_names(chromosome)
        start = np.asarray(start)
        end = start if end is None else np.asarray(end)
        if (end < start).any():
            wrong = int(np.argmax(end < start))
            raise ValueError(
                f"A variant on chromosome {chromosome[wrong]} ends at {end[wrong]}, before its start {start[wrong]}."
            )
        tables = self._segments if rule == "precedence" else self._all_segments
        present = np.unique(chromosome).tolist()
        unknown = [name for name in present if name not in tables]
        if unknown:
            known = listed(sorted(tables), 30)
            raise GeneModelError(
                f"No gene lies on chromosome {shown(unknown[0])}; the annotation has {known}."
            )
        parts = [Placement(*(np.zeros(0, np.int64) for _ in Placement._fields))]
        for name in present:
            here = np.flatnonzero(chromosome == name)
            found, gene, region = tables[name].overlaps(start[here], end[here])
            outside = np.flatnonzero(np.bincount(found, minlength=len(here)) == 0)
            nearest = self._neighbours[name].nearest(start[here[outside]], end[here[outside]])
            parts.append(Placement(here[found], gene, region))
            parts.append(Placement(here[outside], nearest, np.full(len(outside), _NAMES.index("intergenic"))))
        placement = Placement(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        return _resolve(placement, best_only=rule == "precedence")

    @cached_property
    def _neighbours(self) -> dict[str, "_Neighbours"]:
        return {name: _Neighbours.of(genes) for name, genes in self.genes.groupby("chromosome", sort=False)}

    @cached_property
    def _segments(self) -> dict[str, "_Segments"]:
        return {name: segments.best() for name, segments in self._all_segments.items()}

    @cached_property
    def _all_segments(self) -> dict[str, "_Segments"]:
        chromosome = self.genes["chromosome"].to_numpy()
        of_interval = chromosome[self.regions["gene"].to_numpy()]
        return {name: _Segments.cut(self.regions[of_interval == name]) for name in pd.unique(chromosome)}


class _Neighbours(NamedTuple):
    """The genes of a chromosome, sorted by start."""

    row: np.ndarray  # of GeneModels.genes
    start: np.ndarray
    reach: np.ndarray  # last base of this gene and all before it
    ends_last: np.ndarray  # which of them ends there; of two that end together the earlier one

    @classmethod
    def of(cls, genes: pd.DataFrame) -> "_Neighbours":
        """Neighbours among these genes."""
        end = genes["end"].to_numpy()
        reach = np.maximum.accumulate(end)
        # The gene that ends last before a variant need not be the last one to start.
        ends_later = np.append(True, end[1:] > reach[:-1])
        ends_last = np.maximum.accumulate(np.where(ends_later, np.arange(len(genes)), 0))
        return cls(genes.index.to_numpy(), genes["start"].to_numpy(), reach, ends_last)

    def nearest(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Row of the gene nearest to each span outside all genes; of two as near the earlier one."""
        right = np.searchsorted(self.start, first)
        before, behind = np.maximum(right - 1, 0), np.minimum(right, len(self.row) - 1)
        to_left = np.where(right > 0, first - self.reach[before], np.inf)
        to_right = np.where(right < len(self.row), self.start[behind] - last, np.inf)
        return self.row[np.where(to_left <= to_right, self.ends_last[before], behind)]


class _Segments(NamedTuple):
    """Segment s lies between boundary[s - 1] and boundary[s]; its entries are offset[s]:offset[s + 1]."""

    boundary: np.ndarray
    offset: np.ndarray
    gene: np.ndarray
    region: np.ndarray

    @classmethod
    def cut(cls, regions: pd.DataFrame) -> "_Segments":
        """Segments with every gene and region that covers them, each once."""
        start, stop = regions["start"].to_numpy(), regions["end"].to_numpy() + 1
        boundary = np.unique(np.concatenate([start, stop]))
        first = np.searchsorted(boundary, start, side="right")
        width = np.searchsorted(boundary, stop, side="right") - first
        segment = _ranges(first, width)
        interval = np.repeat(np.arange(len(regions)), width)
        code = regions["region"].map({name: i for i, name in enumerate(_NAMES)}).to_numpy(np.int64)
        gene = regions["gene"].to_numpy(np.int64)
        lowest = gene.min()
        key = (segment * (gene.max() - lowest + 1) + gene[interval] - lowest) * len(_NAMES) + code[interval]
        key, code = np.divmod(np.unique(key), len(_NAMES))
        segment, gene = np.divmod(key, gene.max() - lowest + 1)
        offset = np.searchsorted(segment, np.arange(len(boundary) + 2))
        return cls(boundary, offset, gene + lowest, code.astype(np.int8))

    def best(self) -> "_Segments":
        """The same segments with the regions of the lowest rank only."""
        segment = np.repeat(np.arange(len(self.offset) - 1), np.diff(self.offset))
        kept = _resolve(Placement(segment, self.gene, self.region), best_only=True)
        offset = np.searchsorted(kept.variant, np.arange(len(self.offset)))
        return self._replace(offset=offset, gene=kept.gene, region=kept.region)

    def overlaps(self, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Index of the span, gene and region of every entry that a span touches, spans ascending."""
        first = self.offset[np.searchsorted(self.boundary, start, side="right")]
        after = self.offset[np.searchsorted(self.boundary, end, side="right") + 1]
        entry = _ranges(first, after - first)
        return np.repeat(np.arange(len(start)), after - first), self.gene[entry], self.region[entry]


def _ranges(first: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Concatenation of ``first[i], first[i] + 1, ...``, ``width[i]`` numbers each."""
    return np.arange(width.sum()) + np.repeat(first - np.cumsum(width) + width, width)


def _resolve(placement: Placement, best_only: bool) -> Placement:
    """Sort, drop repeats and, if asked, all that do not have the lowest rank of their variant."""
    order = np.lexsort((placement.region, placement.gene, placement.variant))
    variant, gene, region = (column[order] for column in placement)
    same_variant = variant[1:] == variant[:-1]
    same_gene = same_variant & (gene[1:] == gene[:-1])
    keep = ~np.append(False, same_gene & (region[1:] == region[:-1]))[: len(variant)]
    if best_only and len(variant):
        keep &= _is_lowest(_RANK[region], np.append(True, ~same_variant))
        keep &= _is_lowest(_WITHIN_GENE[region], np.append(True, ~same_gene))
    return Placement(variant[keep], gene[keep], region[keep])


def _is_lowest(value: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Whether each value is the lowest of its group; `begins` marks the first of each group."""
    first = np.flatnonzero(begins)
    lowest = np.minimum.reduceat(value, first)
    return value == np.repeat(lowest, np.diff(np.append(first, len(value))))


_ORGANELLES = {name: "M" for name in ("m", "mt", "mitochondria", "mitochondrion")}
_ORGANELLES |= {name: "C" for name in ("c", "pt", "pltd", "chloroplast")}


def chromosome_names(names: np.ndarray) -> np.ndarray:
    """Chromosome names in one spelling.

    The prefix ``chr`` that some files write is dropped; the mitochondrion is ``M`` and the chloroplast ``C``.
    Upper and lower case do not matter for these.

    Parameters
    ----------
    names : any shape, str

    Returns
    -------
    numpy.ndarray
        Same shape, str.

    Examples
    --------
    >>> chromosome_names(np.array(["Chr1", "1", "Mt", "chloroplast"])).tolist()
    ['1', '1', 'M', 'C']
    """
    unique, inverse = np.unique(np.asarray(names, str), return_inverse=True)
    return np.array([_plain_name(name) for name in unique.tolist()], str)[inverse]


def _plain_name(name: str) -> str:
    plain = re.sub(r"^chr(?=.)", "", name, flags=re.IGNORECASE)
    return _ORGANELLES.get(plain.lower(), plain)


# ------------------------------------------------------------------------------------------------ reading

_GENE = re.compile(r"(?:\w*RNA_|protein_coding_)?gene")
_TRANSCRIPT = re.compile(
    r"(?!pseudogenic)(?:\w*RNA|transcript|transcript_region|(?:\w+_)?primary_transcript)"
)
_PARTS = ("exon", "CDS", "five_prime_UTR", "three_prime_UTR")
_NO_GENE = re.compile(r"pseudogene|transposable_element")
_BIOTYPES = ("biotype", "gene_biotype", "locus_type")
_PREFIX = re.compile(r"^(?:gene:|gene-|transcript:|rna-)")
_NUMBERS = ("line", "start", "end")
_COLUMNS = ("line", "chromosome", "type", "start", "end", "strand", "phase", "id", "parent", "attributes")


def read_gff3(path: str | Path) -> GeneModels:
    """Read protein-coding and non-coding RNA genes from a GFF3 file.

    Plain, gzip- or xz-compressed files and a tar archive with one member are read, in the flavours of TAIR10,
    Araport11 and Ensembl. A gene is named by its ``ID`` without prefixes such as ``gene:``. Pseudogenes and
    transposable-element genes are left out, as Annovar's gene table leaves them out.

    A transcript codes for a protein if it has ``CDS`` lines, and its untranslated regions are the rest of its
    exons. A gene with a coding transcript is described by its coding transcripts alone. A transcript without
    ``exon`` lines consists of its coding and untranslated parts or, if it has none, is one exon.

    Parameters
    ----------
    path
        File; its name says whether it is an archive.

    Raises
    ------
    GeneModelError
        If a line does not have nine columns or its coordinates make no interval.
        If the file holds no gene with a transcript, or two genes of one name.
        If a transcript, or a part of one, lies on another chromosome than its gene.
        If the file is damaged or cannot be read.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    state = path.stat()
    return _read_models(path.absolute(), state.st_size, state.st_mtime_ns)


@lru_cache(
    maxsize=2
)  # a whole genome takes seconds, and one analysis asks for the same genes again and again
def _read_models(path: Path, size: int, mtime_ns: int) -> GeneModels:
    name = path.name
    table = _read_table(path)
    genes = _find_genes(table, name)
    transcripts = _find_transcripts(table, genes, name)
    has_transcript = genes["row"].isin(transcripts["gene"]).to_numpy()
    if not has_transcript.any():
        raise GeneModelError(f"{name} holds no gene with an mRNA or non-coding RNA transcript.")
    renumbered = np.cumsum(has_transcript) - 1
    transcripts["gene"] = renumbered[transcripts["gene"]]
    genes = genes[has_transcript].reset_index(drop=True)
    parts = _find_parts(table, transcripts, name)

    coding = np.zeros(len(transcripts), bool)
    coding[parts.loc[parts["kind"] == "CDS", "transcript"]] = True
    transcripts["coding"] = coding
    genes["coding"] = np.isin(np.arange(len(genes)), transcripts.loc[coding, "gene"])
    regions = _find_regions(genes, transcripts, parts)
    columns = ["name", "chromosome", "start", "end", "strand", "coding"]
    return GeneModels(
        genes[columns],
        regions,
        transcripts[["name", "gene", "coding"]],
        parts[["transcript", "kind", "start", "end", "phase"]],
    )


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The text of a file, or of the first file in an archive, unpacked while it is read."""
    if ".tar" in path.suffixes or path.suffix in {".tgz", ".txz"}:
        with tarfile.open(path) as archive:
            member = next((entry for entry in archive if entry.isfile()), None)
            if member is None:
                raise GeneModelError(f"The archive {path.name} holds no file.")
            yield archive.extractfile(member)
        return
    with path.open("rb") as raw:
        head = raw.read(6)
    opener = gzip.open if head[:2] == b"\x1f\x8b" else lzma.open if head[:5] == b"\xfd7zXZ" else open
    with opener(path, "rb") as handle:
        yield handle


def _read_table(path: Path) -> pd.DataFrame:
    """Lines of genes, transcripts and their parts, with their line numbers."""
    try:
        with _opened(path) as handle:
            return _table_of(bounded_lines(handle, most=MOST_BYTES), path.name)
    except TooLarge as error:
        raise GeneModelError(f"{path.name} {error}.") from None
    except PermissionError:
        raise GeneModelError(f"{path.name} cannot be read: permission denied.") from None
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise GeneModelError(f"{path.name} is damaged or cut short ({one_line(error)}).") from error


def _table_of(lines: Iterator[str], name: str) -> pd.DataFrame:
    rows = []
    wanted: dict[str, bool] = {}
    for number, line in enumerate(lines, start=1):
        if line.startswith("#") or not line.strip():
            if line.startswith("##FASTA"):
                break
            continue
        fields = line.split("\t")
        if len(fields) != 9:
            raise GeneModelError(f"{name}, line {number}: {len(fields)} columns; GFF3 has 9, tab-separated.")
        chromosome, _, kind, start, end, _, strand, phase, attributes = fields
        first, last = _interval(start, end, name, number)
        if kind not in wanted:
            wanted[kind] = kind in _PARTS or bool(_GENE.fullmatch(kind) or _TRANSCRIPT.fullmatch(kind))
        if wanted[kind]:
            own, parent = _attribute(attributes, "ID"), _attribute(attributes, "Parent")
            rows.append((number, chromosome, kind, first, last, strand, phase, own, parent, attributes))
    columns = zip(*rows, strict=True) if rows else [()] * len(_COLUMNS)
    # Strings as plain objects: they are walked through below.
    table = pd.DataFrame(
        {
            column: pd.Series(values, dtype=np.int64 if column in _NUMBERS else object)
            for column, values in zip(_COLUMNS, columns, strict=True)
        }
    )
    return table.assign(chromosome=chromosome_names(table["chromosome"].to_numpy()))


def _attribute(attributes: str, key: str) -> str:
    """Value of a key in the ninth column; "" where there is none."""
    if attributes.startswith(f"{key}="):
        begin = len(key) + 1
    else:
        begin = attributes.find(f";{key}=") + len(key) + 2
        if begin == len(key) + 1:
            return ""
    end = attributes.find(";", begin)
    return (attributes[begin:] if end < 0 else attributes[begin:end]).strip()


def _interval(start: str, end: str, name: str, number: int) -> tuple[int, int]:
    first, last = whole_number(start.strip()), whole_number(end.strip())
    if first is None or last is None or not 1 <= first <= last:
        raise GeneModelError(
            f"{name}, line {number}: start {shown(start)} and end {shown(end)} are no interval; "
            f"both are whole numbers from 1 to {LARGEST_POSITION:,}, and start is not behind end."
        )
    return first, last


def _find_genes(table: pd.DataFrame, name: str) -> pd.DataFrame:
    genes = table[_is_named(table, _GENE)]
    attributes = genes["attributes"].tolist()
    left_out = [any(_NO_GENE.search(_attribute(text, key)) for key in _BIOTYPES) for text in attributes]
    genes = genes[~np.array(left_out, bool)]
    genes = genes.assign(name=[_PREFIX.sub("", own) for own in genes["id"]])
    repeated = genes["name"].duplicated().to_numpy()
    if repeated.any():
        second = genes[repeated].iloc[0]
        raise GeneModelError(
            f"{name}, line {second['line']}: a second gene with the ID {listed([second['id']])}."
        )
    genes = genes.sort_values(["chromosome", "start", "end"], kind="stable").reset_index(drop=True)
    return genes.assign(row=np.arange(len(genes)))


def _is_named(table: pd.DataFrame, kind: re.Pattern) -> np.ndarray:
    matching = [name for name in pd.unique(table["type"]) if kind.fullmatch(name)]
    return table["type"].isin(matching).to_numpy() & (table["id"] != "").to_numpy()


def _find_transcripts(table: pd.DataFrame, genes: pd.DataFrame, name: str) -> pd.DataFrame:
    """Transcripts of the genes, sorted by gene; ``gene`` is the row of `genes`."""
    transcripts = _one_row_per_parent(table[_is_named(table, _TRANSCRIPT)])
    transcripts = transcripts.merge(
        genes[["id", "row"]], left_on="parent", right_on="id", suffixes=("", "_gene")
    )
    _check_chromosome(transcripts, genes["chromosome"].to_numpy()[transcripts["row"]], name)
    transcripts = transcripts.drop_duplicates("id").rename(columns={"row": "gene"})
    transcripts["name"] = [_PREFIX.sub("", own) for own in transcripts["id"]]
    return transcripts.sort_values(["gene", "line"]).reset_index(drop=True)


def _one_row_per_parent(lines: pd.DataFrame) -> pd.DataFrame:
    several = np.array(["," in parents for parents in lines["parent"].tolist()], bool)
    shared = lines[several]
    shared = shared.assign(parent=[parents.split(",") for parents in shared["parent"].tolist()]).explode(
        "parent"
    )
    return pd.concat([lines[~several], shared])


def _check_chromosome(lines: pd.DataFrame, expected: np.ndarray, name: str) -> None:
    wrong = lines["chromosome"].to_numpy() != expected
    if wrong.any():
        at = int(np.argmax(wrong))
        line = lines.iloc[at]
        raise GeneModelError(
            f"{name}, line {line['line']}: {listed([line['type']])} on chromosome {listed([line['chromosome']])}, but "
            f"{listed([line['parent']])}, to which it belongs, lies on {listed([expected[at]])}."
        )


def _find_parts(table: pd.DataFrame, transcripts: pd.DataFrame, name: str) -> pd.DataFrame:
    """Exons and coding parts of every transcript, sorted by transcript and place."""
    parts = _one_row_per_parent(table[table["type"].isin(_PARTS)])
    row = pd.Series(transcripts.index, index=transcripts["id"])
    parts = parts[parts["parent"].isin(row.index)]
    parts = parts.assign(transcript=row.loc[parts["parent"]].to_numpy())
    _check_chromosome(parts, transcripts["chromosome"].to_numpy()[parts["transcript"]], name)

    kind = parts["type"].to_numpy()
    without = ~transcripts.index.isin(parts.loc[kind == "exon", "transcript"])
    stands_in = without[parts["transcript"]]
    bare = transcripts[~transcripts.index.isin(parts["transcript"])]
    columns = ["transcript", "kind", "start", "end", "phase"]
    parts = pd.concat(
        [
            parts[kind == "exon"].assign(kind="exon"),
            parts[stands_in].assign(kind="exon"),
            parts[kind == "CDS"].assign(kind="CDS"),
            bare.assign(kind="exon", transcript=bare.index),
        ]
    )[columns].drop_duplicates(["transcript", "kind", "start", "end"])
    parts = parts.sort_values(["transcript", "kind", "start"]).reset_index(drop=True)
    stated = parts["phase"].map({"1": 1, "2": 2}).fillna(0).to_numpy(np.int64)
    backward = transcripts["strand"].to_numpy()[parts["transcript"]] == "-"
    return parts.assign(phase=_phases(parts, stated, backward))


def _phases(parts: pd.DataFrame, stated: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Phase of every coding part, from the lengths before it; files differ in what they write there.

    Only the phase of the first part is the file's, since it tells where a transcript begins whose first
    codon is not known.
    """
    phase = np.zeros(len(parts), np.int64)
    coding = np.flatnonzero(parts["kind"] == "CDS")
    if not len(coding):
        return phase
    transcript, start = parts["transcript"].to_numpy()[coding], parts["start"].to_numpy()[coding]
    coding = coding[np.lexsort((np.where(backward[coding], -start, start), transcript))]
    transcript = parts["transcript"].to_numpy()[coding]
    length = (parts["end"] - parts["start"] + 1).to_numpy()[coding]
    first = np.flatnonzero(np.append(True, transcript[1:] != transcript[:-1]))
    sizes = np.diff(np.append(first, len(coding)))
    before = np.cumsum(length) - length
    before -= np.repeat(before[first], sizes)
    phase[coding] = (np.repeat(stated[coding][first], sizes) - before) % 3
    return phase


def _find_regions(genes: pd.DataFrame, transcripts: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    of_transcript = transcripts["gene"].to_numpy()
    # A gene with a protein is told by the transcripts that make it, as in Annovar.
    counts = transcripts["coding"].to_numpy() | ~genes["coding"].to_numpy()[of_transcript]
    parts = parts[counts[parts["transcript"]]]
    parts = parts.assign(gene=of_transcript[parts["transcript"]])
    exons, cds = parts[parts["kind"] == "exon"], parts[parts["kind"] == "CDS"]
    spans = exons.groupby("transcript", sort=False).agg({"gene": "first", "start": "min", "end": "max"})
    pieces = [
        *_exon_regions(exons, cds, genes),
        *_intron_regions(exons, genes),
        _named(_gaps(genes, spans), "intronic", genes),
        *_flank_regions(genes),
    ]
    regions = pd.concat([piece[["gene", "start", "end", "region"]] for piece in pieces])
    regions["start"] = regions["start"].clip(lower=1)
    return regions[regions["end"] >= regions["start"]].drop_duplicates().reset_index(drop=True)


def _named(frame: pd.DataFrame, name: str, genes: pd.DataFrame) -> pd.DataFrame:
    coding = genes["coding"].to_numpy()[frame["gene"].to_numpy()]
    return frame.assign(region=np.where(coding, name, f"ncRNA {name}"))


def _exon_regions(exons: pd.DataFrame, cds: pd.DataFrame, genes: pd.DataFrame) -> list[pd.DataFrame]:
    """Coding and untranslated parts of the exons; what lies between first and last codon is coding."""
    limits = cds.groupby("transcript", sort=False).agg({"start": "min", "end": "max"})
    codes = exons["transcript"].isin(limits.index).to_numpy()
    noncoding, exons = exons[~codes], exons[codes]
    first, last = (limits[column].loc[exons["transcript"]].to_numpy() for column in ("start", "end"))
    forward = (genes["strand"].to_numpy()[exons["gene"]] != "-").astype(bool)
    left, right = np.where(forward, "UTR5", "UTR3"), np.where(forward, "UTR3", "UTR5")
    return [
        noncoding.assign(region="ncRNA exonic"),
        cds.assign(region="exonic"),
        exons.assign(
            start=np.maximum(exons["start"], first), end=np.minimum(exons["end"], last), region="exonic"
        ),
        exons.assign(end=np.minimum(exons["end"], first - 1), region=left),
        exons.assign(start=np.maximum(exons["start"], last + 1), region=right),
    ]


def _intron_regions(exons: pd.DataFrame, genes: pd.DataFrame) -> list[pd.DataFrame]:
    transcript = exons["transcript"].to_numpy()
    follows = np.flatnonzero(transcript[1:] == transcript[:-1])
    start = exons["end"].to_numpy()[follows] + 1
    end = exons["start"].to_numpy()[follows + 1] - 1
    introns = pd.DataFrame({"gene": exons["gene"].to_numpy()[follows], "start": start, "end": end})
    introns = introns[introns["end"] >= introns["start"]]
    start, end = introns["start"], introns["end"]
    return [
        _named(introns.assign(end=np.minimum(start + SPLICE - 1, end)), "splicing", genes),
        _named(introns.assign(start=np.maximum(end - SPLICE + 1, start)), "splicing", genes),
        _named(introns.assign(start=start + SPLICE, end=end - SPLICE), "intronic", genes),
    ]


def _gaps(genes: pd.DataFrame, spans: pd.DataFrame) -> pd.DataFrame:
    """Stretches of a gene that none of its transcripts covers."""
    ends = genes["end"].to_numpy()
    sentinel = pd.DataFrame({"gene": np.arange(len(genes)), "start": ends + 1, "end": ends + 1})
    spans = pd.concat([spans[["gene", "start", "end"]], sentinel]).sort_values(
        ["gene", "start"], kind="stable"
    )
    gene = spans["gene"].to_numpy()
    covered = spans.groupby("gene", sort=False)["end"].cummax().to_numpy()
    begins = np.append(True, gene[1:] != gene[:-1])
    before = np.where(begins, genes["start"].to_numpy()[gene] - 1, np.append(0, covered[:-1]))
    gaps = pd.DataFrame({"gene": gene, "start": before + 1, "end": spans["start"].to_numpy() - 1})
    return gaps[gaps["end"] >= gaps["start"]]


def _flank_regions(genes: pd.DataFrame) -> list[pd.DataFrame]:
    forward = (genes["strand"] != "-").to_numpy()
    rows = np.arange(len(genes))
    return [
        pd.DataFrame({"gene": rows, "start": genes["start"] - FLANK, "end": genes["start"] - 1}).assign(
            region=np.where(forward, "upstream", "downstream")
        ),
        pd.DataFrame({"gene": rows, "start": genes["end"] + 1, "end": genes["end"] + FLANK}).assign(
            region=np.where(forward, "downstream", "upstream")
        ),
    ]
