"""What an encoding is to do: the settings, the files, their samples and how they are cut."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gi_lib.encoding.annotations import detect
from gi_lib.encoding.sources import Source, Stretch, open_source

ANNOTATIONS = ("auto", "ANN", "EFF", "CSQ", "BCSQ", "ANNOVAR", "own")
EFFECTS = ("precedence", "all")
COUNTING = ("presence", "dosage")


class EncodingError(ValueError):
    """Files cannot be encoded; the message says what is wrong, where, and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """What is counted, and how.

    Parameters
    ----------
    annotation
        ``auto``: the annotation that the header declares, else `annovar`, else `gff3`. Or one of `ANNOTATIONS`.
    annovar
        Annovar's tables: ``*_multianno.txt`` files, or ``.variant_function`` and ``.exonic_variant_function``.
    gff3
        Gene models. They fix the genes of the result, place what has no annotation, and with `fasta` give
        consequences.
    fasta
        The reference genome. Without it a coding variant is `EXONIC_UNKNOWN` in the own annotation.
    effects
        ``precedence``: of several effects those of the first rank in Annovar's order. ``all``: every effect. Either
        way each gene is counted once per variant and type.
    counting
        ``presence``: an accession that carries the allele adds 1, so an inbred's homozygous variant counts once.
        ``dosage``: it adds the number of copies.
    pass_only
        Leave out records whose FILTER is neither PASS nor missing.
    min_quality
        Leave out records with a lower QUAL, or none.
    min_maf
        Leave out alleles whose minor allele frequency, over the called copies, is not above this.
    region
        ``chromosome`` or ``chromosome:first-last``; the file needs an index.
    skip_unknown_contigs
        Leave out records on chromosomes that the gene models do not have, instead of stopping there.
    """

    annotation: str = "auto"
    annovar: tuple[str, ...] = ()
    gff3: str | None = None
    fasta: str | None = None
    effects: str = "precedence"
    counting: str = "presence"
    pass_only: bool = True
    min_quality: float | None = None
    min_maf: float = 0.0
    region: str | None = None
    skip_unknown_contigs: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("annotation", ANNOTATIONS), ("effects", EFFECTS), ("counting", COUNTING)):
            if getattr(self, name) not in allowed:
                raise EncodingError(f"{name} is {getattr(self, name)!r}; allowed are {', '.join(allowed)}.")
        if not 0 <= self.min_maf < 0.5:
            raise EncodingError(f"min_maf is {self.min_maf}; allowed are values from 0 to below 0.5.")
        if self.region is not None and not re.fullmatch(r"[^:]+(:[\d,]+-[\d,]+)?", self.region):
            raise EncodingError(
                f"region is {self.region!r}; allowed are a chromosome, or chromosome:first-last."
            )
        if self.fasta and not self.gff3:
            raise EncodingError("A FASTA is of use only with a GFF3, which says where the genes are.")
        for path in (*self.annovar, self.gff3, self.fasta):
            if path is not None and not Path(path).exists():
                raise EncodingError(f"There is no file {path}.")


@dataclass
class Plan:
    """Everything that the stretches of a run share; the same for all processes and machines.

    Attributes
    ----------
    inputs : list of str
    settings : Settings
    kind : str
        Annotation in use: one of `ANNOTATIONS` but ``auto``, or ``tables``.
    samples : list of str
        Columns of the result.
    columns : list of list of int
        For each input, where its samples stand in `samples`.
    stretches : list of (int, Stretch)
        Number of the input, and the stretch.
    """

    inputs: list[str]
    settings: Settings
    kind: str
    samples: list[str]
    columns: list[list[int]]
    stretches: list[tuple[int, Stretch]]

    def key(self) -> str:
        """Hash of all that decides the result of a stretch: files, settings, cuts and this code."""
        files = [*self.inputs, *self.settings.annovar, self.settings.gff3, self.settings.fasta]
        facts = {
            "files": [_file_facts(Path(path)) for path in files if path],
            "settings": dataclasses.asdict(self.settings),
            "stretches": self.stretches,
            "code": [
                hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(Path(__file__).parent.glob("*.py"))
            ],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _file_facts(path: Path) -> list[Any]:
    """What tells one state of a file from another without reading it whole."""
    entries = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return [[str(p.absolute()), p.stat().st_size, p.stat().st_mtime_ns] for p in entries]


def make_plan(inputs: Sequence[str | Path], settings: Settings, every: int | None) -> Plan:
    """Open the files, match their samples, choose the annotation and cut the files.

    Raises
    ------
    SourceError, EncodingError
        If a file cannot be read, or the files do not go together.
    """
    if not inputs:
        raise EncodingError("No file to encode was given.")
    sources = [open_source(path, settings.region) for path in inputs]
    samples, columns = _match_samples(sources)
    stretches = [(i, stretch) for i, source in enumerate(sources) for stretch in source.stretches(every)]
    kinds = {_kind(source, settings) for source in sources}
    if len(kinds) > 1:
        raise EncodingError(f"The files differ in their annotation ({', '.join(sorted(kinds))}); choose one.")
    alone = len({tuple(sorted(c)) for c in columns}) == 1
    if settings.min_maf and not alone:
        raise EncodingError(
            "min_maf needs all accessions in one file, because a file of one accession does not say how frequent its "
            "variants are; merge them first with: bcftools merge."
        )
    return Plan([str(path) for path in inputs], settings, kinds.pop(), samples, columns, stretches)


def _match_samples(sources: list[Source]) -> tuple[list[str], list[list[int]]]:
    """Columns of the result: files with the same samples share them, files with other samples add theirs."""
    number: dict[str, int] = {}
    owner: dict[str, Source] = {}
    columns = []
    for source in sources:
        known = [name for name in source.samples if name in number]
        if known and set(source.samples) != {n for n, o in owner.items() if o is owner[known[0]]}:
            raise EncodingError(
                f"Sample {known[0]!r} stands in {owner[known[0]].path.name} and in {source.path.name}, whose other "
                "samples differ; files must have all samples in common, or none."
            )
        for name in source.samples:
            if name not in number:
                number[name], owner[name] = len(number), source
        columns.append([number[name] for name in source.samples])
    return list(number), columns


def _kind(source: Source, settings: Settings) -> str:
    """Which annotation is used."""
    asked, name = settings.annotation, source.path.name
    declared = detect(source.header)
    if settings.annovar and asked in ("auto", "ANNOVAR"):
        return "tables"
    if asked == "own" or (asked == "auto" and not declared and settings.gff3):
        if not settings.gff3:
            raise EncodingError("The own annotation needs a GFF3 with the genes.")
        return "own"
    if asked != "auto":
        if asked not in declared:
            found = f"it declares {', '.join(declared)}" if declared else "it declares none"
            raise EncodingError(f"The header of {name} does not declare the annotation {asked}; {found}.")
        return asked
    if len(declared) > 1:
        raise EncodingError(
            f"{name} carries several annotations ({', '.join(declared)}); choose one of them."
        )
    if not declared:
        raise EncodingError(
            f"{name} carries no annotation (ANN, EFF, CSQ, BCSQ or Annovar's) and no GFF3 was given, so nothing "
            "says in which gene a variant lies; give a GFF3, or Annovar's tables, or annotate the file first."
        )
    return declared[0]
