"""Where a position lies: in the exon of one gene, upstream of another, between two.

Genes and their parts are read from a GFF3 file and cut into *segments*, the stretches between two
neighbouring boundaries. All positions of a segment have the same answer, so placing millions of
positions is one binary search each.
"""

import io
import re
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

REGIONS = {
    "exonic": 0,
    "splicing": 1,
    "ncRNA exonic": 2,
    "ncRNA splicing": 3,
    "ncRNA intronic": 4,
    "UTR5": 5,
    "UTR3": 5,
    "intronic": 6,
    "upstream": 7,
    "downstream": 7,
    "intergenic": 8,
}
"""Regions and their rank; where genes overlap, only the regions of the lowest rank count.

The order is Annovar's. It ranks exonic and splicing alike, and all three ncRNA regions; here the first of them
comes first, so that a base of one gene has one region.
"""

FLANK = 1_000  # Annovar's reach of "upstream" and "downstream", base pairs
SPLICE = 2  # Annovar's reach of "splicing" into the intron, base pairs


class Placement(NamedTuple):
    """Which variant lies in which region of which gene: three parallel arrays, one entry per pair."""

    variant: np.ndarray  # (pair,) index into the positions asked for, ascending
    gene: np.ndarray  # (pair,) row of GeneModels.genes
    region: np.ndarray  # (pair,) index into list(REGIONS)


@dataclass(frozen=True)
class GeneModels:
    """The genes of a genome and the regions that belong to each.

    Parameters
    ----------
    genes
        One row per gene: ``name``, ``chromosome``, ``start``, ``end``, ``strand``; base pairs, both
        ends included, sorted by place.
    regions
        One row per interval: ``gene`` (row of `genes`), ``start``, ``end``, ``region`` (a key of
        `REGIONS`). Intergenic space is not listed: it is what no interval covers.
    """

    genes: pd.DataFrame
    regions: pd.DataFrame

    def place(self, chromosome: np.ndarray, position: np.ndarray) -> Placement:
        """Find region and gene of every position.

        A position inside several genes is given to each gene whose region has the lowest rank; one
        in no gene's reach is intergenic and given to the nearest gene (ties: the earlier one).

        Parameters
        ----------
        chromosome : shape (variant,), str
            Names with or without ``Chr``/``chr`` in front.
        position : shape (variant,), int
            1-based base pairs.

        Raises
        ------
        ValueError
            If a chromosome holds no gene.
        """
        chromosome = chromosome_names(chromosome)
        position = np.asarray(position)
        unknown = sorted(set(chromosome.tolist()) - set(self._segments))
        if unknown:
            known = ", ".join(sorted(self._segments))
            raise ValueError(f"No gene lies on chromosome {unknown[0]!r}; the annotation has {known}.")
        parts = []
        for name, segments in self._segments.items():
            here = np.flatnonzero(chromosome == name)
            segment = np.searchsorted(segments.boundary, position[here], side="right")
            first, last = segments.offset[segment], segments.offset[segment + 1]
            found = np.repeat(np.arange(len(here)), last - first)
            entry = np.arange(len(found)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
            entry += np.repeat(first, last - first)
            outside = np.flatnonzero(last == first)
            nearest = self._nearest_gene(name, position[here[outside]])
            intergenic = np.full(len(outside), list(REGIONS).index("intergenic"), np.int8)
            parts.append(
                (
                    here[np.concatenate([found, outside])],
                    np.concatenate([segments.gene[entry], nearest]),
                    np.concatenate([segments.region[entry], intergenic]),
                )
            )
        variant, gene, region = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((region, gene, variant))
        return Placement(variant[order], gene[order], region[order])

    def _nearest_gene(self, chromosome: str, position: np.ndarray) -> np.ndarray:
        genes = self.genes[self.genes["chromosome"] == chromosome]
        start, end = genes["start"].to_numpy(), genes["end"].to_numpy()
        reach = np.maximum.accumulate(end)
        # The gene that ends last before the position need not be the last one to start; of two that end
        # together the earlier one counts.
        ends_later = np.append(True, end[1:] > reach[:-1])
        ends_last = np.maximum.accumulate(np.where(ends_later, np.arange(len(genes)), 0))
        right = np.searchsorted(start, position)
        left = ends_last[np.maximum(right - 1, 0)]
        to_left = np.where(right > 0, position - reach[np.maximum(right - 1, 0)], np.inf)
        to_right = np.where(right < len(genes), start[np.minimum(right, len(genes) - 1)] - position, np.inf)
        row = np.where(to_left <= to_right, left, np.minimum(right, len(genes) - 1))
        return genes.index.to_numpy()[row]

    @cached_property
    def _segments(self) -> dict[str, "_Segments"]:
        chromosome = self.genes["chromosome"].to_numpy()
        of_interval = chromosome[self.regions["gene"].to_numpy()]
        return {name: _Segments.cut(self.regions[of_interval == name]) for name in pd.unique(chromosome)}


class _Segments(NamedTuple):
    """Segment s lies between boundary[s - 1] and boundary[s]; its entries are offset[s]:offset[s + 1]."""

    boundary: np.ndarray
    offset: np.ndarray
    gene: np.ndarray
    region: np.ndarray

    @classmethod
    def cut(cls, regions: pd.DataFrame) -> "_Segments":
        start, stop = regions["start"].to_numpy(), regions["end"].to_numpy() + 1
        boundary = np.unique(np.concatenate([start, stop]))
        first = np.searchsorted(boundary, start, side="right")
        width = np.searchsorted(boundary, stop, side="right") - first
        interval = np.repeat(np.arange(len(regions)), width)
        segment = (
            np.repeat(first, width) + np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width)
        )
        names = list(REGIONS)
        code = regions["region"].map({name: i for i, name in enumerate(names)}).to_numpy(np.int8)[interval]
        rank = np.array([REGIONS[name] for name in names])[code]
        best = np.full(len(boundary) + 1, len(names))
        np.minimum.at(best, segment, rank)
        keep = rank == best[segment]
        entries = np.unique(
            np.stack([segment[keep], regions["gene"].to_numpy()[interval[keep]], code[keep]]), axis=1
        )
        offset = np.searchsorted(entries[0], np.arange(len(boundary) + 2))
        return cls(boundary, offset, entries[1], entries[2].astype(np.int8))


def chromosome_names(names: np.ndarray) -> np.ndarray:
    """Chromosome names without the prefix that some files write and others leave out."""
    unique, inverse = np.unique(np.asarray(names, str), return_inverse=True)
    return np.array([re.sub(r"^chr", "", name, flags=re.IGNORECASE) for name in unique])[inverse]


_NONCODING = {"ncRNA", "tRNA", "rRNA", "snRNA", "snoRNA", "miRNA", "lnc_RNA", "antisense_lncRNA"}


def read_gff3(path: str | Path) -> GeneModels:
    """Read protein-coding and non-coding RNA genes from a GFF3 file.

    Plain, gzip- or xz-compressed files and a tar archive with one member are read. Pseudogenes and
    transposable-element genes are left out, as Annovar's gene table leaves them out. A base that is
    an exon in one transcript and an intron in another counts as exon.

    Raises
    ------
    ValueError
        If the file holds no gene with a transcript.
    """
    columns = ["chromosome", "type", "start", "end", "strand", "attributes"]
    table = pd.read_csv(
        _open_text(path), sep="\t", comment="#", header=None, usecols=[0, 2, 3, 4, 6, 8], names=range(9)
    ).set_axis(columns, axis=1)
    table["chromosome"] = chromosome_names(table["chromosome"])
    table["id"] = table["attributes"].str.extract(r"(?:^|;)ID=([^;]+)")[0]
    table["parent"] = table["attributes"].str.extract(r"(?:^|;)Parent=([^;]+)")[0].str.split(",")
    table = table.explode("parent", ignore_index=True)  # one line may belong to several transcripts

    transcripts = table[table["type"].isin({"mRNA", *_NONCODING})].dropna(subset=["id", "parent"])
    genes = table[(table["type"] == "gene") & table["id"].isin(transcripts["parent"])]
    if genes.empty:
        raise ValueError(f"{Path(path).name} holds no gene with an mRNA or non-coding RNA transcript.")
    genes = genes.sort_values(["chromosome", "start", "end"], kind="stable").reset_index(drop=True)
    gene_of_id = pd.Series(genes.index, index=genes["id"])
    coding_genes = set(transcripts.loc[transcripts["type"] == "mRNA", "parent"])
    coding = genes["id"].isin(coding_genes).to_numpy()

    transcripts = transcripts[transcripts["parent"].isin(genes["id"])]
    gene_of_transcript = transcripts.set_index("id")["parent"].map(gene_of_id)
    parts = table[table["parent"].isin(gene_of_transcript.index)].copy()
    parts["gene"] = parts["parent"].map(gene_of_transcript).astype(int)
    spans = genes[["start", "end"]].assign(gene=genes.index)

    exons = parts[parts["type"] == "exon"].sort_values(["parent", "start"])
    following = exons["parent"].eq(exons["parent"].shift(-1)).to_numpy()
    left, right = exons["end"].to_numpy()[following], exons["start"].shift(-1).to_numpy()[following]
    introns = pd.DataFrame({"gene": exons["gene"].to_numpy()[following], "start": left + 1, "end": right - 1})
    introns = introns[introns["end"] >= introns["start"]].astype(int)

    def noncoding_name(frame: pd.DataFrame, name: str) -> np.ndarray:
        return np.where(coding[frame["gene"]], name, f"ncRNA {name}")

    before, after = genes["start"] - FLANK, genes["end"] + FLANK
    forward = (genes["strand"] != "-").to_numpy()
    flanks = [
        pd.DataFrame({"gene": genes.index, "start": before, "end": genes["start"] - 1}).assign(
            region=np.where(forward, "upstream", "downstream")
        ),
        pd.DataFrame({"gene": genes.index, "start": genes["end"] + 1, "end": after}).assign(
            region=np.where(forward, "downstream", "upstream")
        ),
    ]
    regions = pd.concat(
        [
            parts[parts["type"] == "CDS"].assign(region="exonic"),
            parts[parts["type"] == "five_prime_UTR"].assign(region="UTR5"),
            parts[parts["type"] == "three_prime_UTR"].assign(region="UTR3"),
            exons[~coding[exons["gene"]]].assign(region="ncRNA exonic"),
            introns.assign(
                end=np.minimum(introns["start"] + SPLICE - 1, introns["end"]),
                region=noncoding_name(introns, "splicing"),
            ),
            introns.assign(
                start=np.maximum(introns["end"] - SPLICE + 1, introns["start"]),
                region=noncoding_name(introns, "splicing"),
            ),
            spans.assign(region=noncoding_name(spans, "intronic")),
            *flanks,
        ]
    )[["gene", "start", "end", "region"]]
    regions["start"] = regions["start"].clip(lower=1)
    regions = regions[regions["end"] >= regions["start"]].reset_index(drop=True)
    columns = ["id", "chromosome", "start", "end", "strand"]
    return GeneModels(genes[columns].rename(columns={"id": "name"}), regions)


def _open_text(path: str | Path) -> io.IOBase | str:
    if ".tar" not in Path(path).suffixes:
        return str(path)  # pandas infers gzip and xz from the name
    with tarfile.open(path) as archive:
        member = next(entry for entry in archive if entry.isfile())
        return io.BytesIO(archive.extractfile(member).read())
