"""Files of genotypes, whatever their format, as blocks of variants.

Every source knows its samples, can be cut into stretches (`Source.stretches`), and yields each stretch as a series
of `Block`, in which the records of one position are never torn apart. What the records mean is left to
`gi_lib.encoding.encode`.

================ ======================================= ============================================
class            reads                                   cut into
================ ======================================= ============================================
`VcfText`        VCF: bgzip, plain, gzip                 bytes (gzip: one stretch)
`HtslibFile`     BCF, and regions of an indexed file     one stretch; it is also the plain reference
`VcfZarr`        VCF Zarr, as bio2zarr writes it         variants
`Plink`          PLINK bed/bim/fam                       variants
================ ======================================= ============================================
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gi_lib.datasets.foreign import LARGEST_POSITION, one_line, refuse_code, shown, whole_number
from gi_lib.encoding import kernels
from gi_lib.encoding.gene_models import chromosome_names
from gi_lib.encoding.textfile import START, Place, TextFile, TextFileError

STRETCH_BYTES = 16 << 20  # bytes on disk of a stretch of a file of bytes
BLOCK_CALLS = 4 << 20  # calls in a block of a file of arrays
MAX_COPIES = 16


class SourceError(ValueError):
    """A file cannot be read as genotypes; the message says why and where."""


class Block(NamedTuple):
    """Some records, in the order of the file."""

    contigs: list[str]  # names that `contig` points to, without "chr"
    contig: np.ndarray  # (record,) int32
    position: np.ndarray  # (record,) int64, 1-based
    ref: list[str]  # (record,)
    alts: list[tuple[str, ...]]  # (record,)
    quality: np.ndarray  # (record,) float64, NaN where missing
    passed: np.ndarray  # (record,) bool: FILTER is PASS or missing
    info: list[str]  # (record,) the INFO column, "" where the format has none
    genotypes: np.ndarray  # (record, copy, sample) int8, see `gi_lib.encoding.kernels`
    behind: int  # progress: how far into the source this is, in its unit

    def where(self, record: int) -> str:
        """Place of a record, for a message."""
        return f"{self.contigs[self.contig[record]]}:{self.position[record]}"


class Stretch(NamedTuple):
    """A part of a source that can be read alone; plain numbers, so that it can be written down."""

    start: tuple[int, int]
    stop: tuple[int, int] | None  # None: to the end


class Source(ABC):
    """A file of genotypes.

    Attributes
    ----------
    path : Path
    samples : list of str
    header : str
        Text of the header, for what it says of annotation; empty where there is none.
    size : int
        Length in the unit of progress (bytes on disk, or variants).
    """

    unit = "B"

    def __init__(self, path: Path):
        self.path = path
        self.samples: list[str] = []
        self.header = ""
        self.size = path.stat().st_size

    def stretches(self, every: int | None = None) -> list[Stretch]:
        """Cut the source; `every` is the length of a stretch in the unit of progress."""
        return [Stretch((0, 0), None)]

    @abstractmethod
    def blocks(self, stretch: Stretch) -> Iterator[Block]:
        """The records of a stretch; the records of one position are all in one block."""

    def length(self, stretch: Stretch) -> int:
        """Length of a stretch in the unit of progress."""
        return (self.size if stretch.stop is None else stretch.stop[0]) - stretch.start[0]


def open_source(path: str | Path, region: str | None = None) -> Source:
    """Open a file of genotypes by what is in it, not by its name.

    Parameters
    ----------
    path
        VCF (plain, gzip, bgzip), BCF, a VCF Zarr folder, or a PLINK ``.bed``.
    region
        ``chromosome`` or ``chromosome:first-last``: only the records that begin there. Needs an index.

    Raises
    ------
    SourceError
        If there is no such file, it is of no known format, has no samples or one sample twice, or the region
        needs an index that is missing.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"There is no file {path}.")
    if path.is_dir():
        source: Source = VcfZarr(path)
    elif path.suffix == ".bed":
        source = Plink(path)
    else:
        try:
            head = b""
            for _, text, _ in TextFile(path).pieces():
                head += text
                if len(head) >= 5:
                    break
        except TextFileError as error:
            raise SourceError(str(error)) from None
        if head.startswith(b"BCF"):
            source = HtslibFile(path, region)
        elif head.startswith(b"##fil") or head.startswith(b"#CHRO"):
            source = VcfText(path) if region is None else HtslibFile(path, region)
        else:
            raise SourceError(
                f"{path.name} is not a VCF: it does not begin with ##fileformat (allowed are VCF, BCF, VCF Zarr and "
                "PLINK .bed)."
            )
    if region is not None and not isinstance(source, HtslibFile):
        raise SourceError(f"{path.name}: a region can be chosen only in an indexed VCF or BCF.")
    if not source.samples:
        raise SourceError(f"{path.name} has no samples.")
    if any(not name or "\0" in name for name in source.samples):
        raise SourceError(f"{path.name} has a sample without a name, or with a NUL byte in it.")
    twice = pd.Index(source.samples)
    if not twice.is_unique:
        raise SourceError(
            f"{path.name}: sample {shown(twice[twice.duplicated()][0])} stands twice in the header."
        )
    return source


def _whole_positions(blocks: Iterator[Block]) -> Iterator[Block]:
    """Move the last position of each block into the next, so that no position is torn apart."""
    kept: Block | None = None
    for block in blocks:
        if kept is not None:
            block = _join(kept, block)
        last = _last_position(block)
        if last > 0:
            yield _take(block, 0, last)
        kept = _take(block, last, len(block.position))
    if kept is not None:
        yield kept


def _last_position(block: Block) -> int:
    """Index of the first of the records that share the last position."""
    same = (block.position == block.position[-1]) & (block.contig == block.contig[-1])
    return len(same) - int(np.argmin(same[::-1])) if not same.all() else 0


def _take(block: Block, first: int, last: int) -> Block:
    return block._replace(
        contig=block.contig[first:last],
        position=block.position[first:last],
        ref=block.ref[first:last],
        alts=block.alts[first:last],
        quality=block.quality[first:last],
        passed=block.passed[first:last],
        info=block.info[first:last],
        genotypes=block.genotypes[first:last],
    )


def _join(a: Block, b: Block) -> Block:
    copies = max(a.genotypes.shape[1], b.genotypes.shape[1])
    genotypes = np.full((len(a.ref) + len(b.ref), copies, b.genotypes.shape[2]), kernels.ABSENT, np.int8)
    genotypes[: len(a.ref), : a.genotypes.shape[1]] = a.genotypes
    genotypes[len(a.ref) :, : b.genotypes.shape[1]] = b.genotypes
    return Block(
        b.contigs,
        np.concatenate([a.contig, b.contig]),
        np.concatenate([a.position, b.position]),
        a.ref + b.ref,
        a.alts + b.alts,
        np.concatenate([a.quality, b.quality]),
        np.concatenate([a.passed, b.passed]),
        a.info + b.info,
        genotypes,
        b.behind,
    )


class _Contigs:
    """Contig names as they come, without "chr", and their numbers."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._code: dict[str, int] = {}

    def code(self, name: str) -> int:
        found = self._code.get(name)
        if found is None:
            plain = str(chromosome_names(np.array([name]))[0])
            if plain not in self.names:
                self.names.append(plain)
            found = self._code[name] = self.names.index(plain)
        return found


class VcfText(Source):
    """VCF text, read without htslib: several times faster, because only the genotypes are looked at.

    Raises
    ------
    SourceError
        If there is no ``#CHROM`` line, a line is malformed (with its number), or the file is cut short.
    """

    def __init__(self, path: Path):
        super().__init__(path)
        self.file = TextFile(path)
        try:
            header, self.first = self._read_header()
        except TextFileError as error:
            raise SourceError(str(error)) from None
        self.header = header
        columns = header.rsplit("\n", 1)[-1].split("\t")
        self.samples = columns[9:]

    def _read_header(self) -> tuple[str, Place]:
        lines = []
        for behind, line in self.file.first_lines():
            lines.append(line.decode("utf-8", "replace").rstrip("\r"))
            if line.startswith(b"#CHROM\t"):
                # A file that cannot be cut is read from its beginning; the header lines are skipped there.
                return "\n".join(lines), behind if self.file.can_be_cut else START
            if not line.startswith(b"#"):
                break
        raise SourceError(f"{self.path.name} is not a VCF: it has no line that begins with #CHROM.")

    def stretches(self, every: int | None = None) -> list[Stretch]:
        """Cut the source; see `Source.stretches`."""
        try:
            cuts = self.file.cuts(every or STRETCH_BYTES, self.first)
        except TextFileError as error:
            raise SourceError(str(error)) from None
        starts, stops = [self.first, *cuts], [*cuts, None]
        return [Stretch(tuple(a), tuple(b) if b else None) for a, b in zip(starts, stops, strict=True)]

    def blocks(self, stretch: Stretch) -> Iterator[Block]:
        """The records of a stretch; see `Source.blocks`."""
        try:
            yield from _whole_positions(self._blocks(stretch))
        except TextFileError as error:
            raise SourceError(str(error)) from None

    def _blocks(self, stretch: Stretch) -> Iterator[Block]:
        contigs, copies, passed_text = _Contigs(), 2, 0
        start, stop = Place(*stretch.start), Place(*stretch.stop) if stretch.stop else None
        for chunk, behind in self.file.lines(start, stop):
            text = np.frombuffer(chunk, np.uint8)
            used = 0
            while used < len(text):
                shortest = 18 + 2 * len(self.samples)  # bytes of a line
                room = 1 + min((len(text) - used) // shortest, BLOCK_CALLS // max(1, len(self.samples)))
                genotypes = np.empty((room, copies, len(self.samples)), np.int8)
                site, ends = np.empty(len(text) - used + 1, np.uint8), np.empty(room, np.int64)
                records, more, written, status = kernels.scan_lines(text[used:], genotypes, site, ends)
                if records:
                    columns = site[:written].tobytes()
                    places = passed_text + used + ends
                    yield self._block(columns, genotypes[:records], contigs, behind, start, places)
                used += more
                if status == kernels.PLOIDY and copies < MAX_COPIES:
                    copies *= 2
                elif status != kernels.OK:
                    line = chunk[used : chunk.find(b"\n", used)]
                    number = self.file.line_number(start, passed_text + used)
                    raise SourceError(f"{self.path.name}, line {number:,}: {self._complaint(status, line)}")
            passed_text += len(chunk)

    def _block(
        self,
        columns: bytes,
        genotypes: np.ndarray,
        contigs: _Contigs,
        behind: int,
        start: Place,
        ends: np.ndarray,
    ) -> Block:
        rows = [line.split("\t") for line in columns.decode("utf-8", "replace").split("\n")[:-1]]
        chrom, pos, _, ref, alt, qual, filters, info, _ = zip(*rows, strict=True)
        try:
            if b"\0" in columns or "" in chrom or "" in ref or _lacks_allele(alt):
                raise ValueError
            if not "".join(pos).isdecimal() or "_" in "".join(qual):  # which int and float would take
                raise ValueError
            position = np.array([int(value) for value in pos], np.int64)
            quality = np.array([float("nan") if value == "." else float(value) for value in qual])
            if (position > LARGEST_POSITION).any():
                raise ValueError
        except (ValueError, OverflowError):
            number, fault = next((i, fault) for i, row in enumerate(rows) if (fault := _fault(row)))
            line = self.file.line_number(start, int(ends[number]) - 1)
            raise SourceError(f"{self.path.name}, line {line:,}: {fault}") from None
        return Block(
            contigs.names,
            np.array([contigs.code(name) for name in chrom], np.int32),
            position,
            [value.upper() for value in ref],
            [tuple(value.upper().split(",")) if value != "." else () for value in alt],
            quality,
            np.array([value in ("PASS", ".") for value in filters], bool),
            list(info),
            genotypes,
            behind,
        )

    def _complaint(self, status: int, line: bytes) -> str:
        fields = line.rstrip(b"\r").decode("utf-8", "replace").split("\t")
        if status == kernels.WRONG_COLUMNS:
            wanted = 9 + len(self.samples)
            return (
                f"it has {len(fields):,} columns; the header has {wanted:,} ({len(self.samples):,} samples)."
            )
        if status == kernels.NO_GENOTYPE:
            return f"FORMAT is {shown(fields[8])}; it must begin with GT."
        call = next((f for f in fields[9:] if not _CALL.fullmatch(f.split(":")[0])), fields[9])
        if status == kernels.PLOIDY:
            return f"a genotype has more than {MAX_COPIES} copies."
        return f"the genotype {shown(call, 30)} cannot be read; allowed are allele numbers up to 127 and '.', as 0|1."


_CALL = re.compile(r"(\.|\d{1,2}|1[01]\d|12[0-7])([|/](\.|\d{1,2}|1[01]\d|12[0-7]))*")


_LACKING = ("\t\t", "\t,", ",\t", ",,")
"""What stands in the ALT columns of several records, each between tabs, where an allele is not written."""


def _lacks_allele(alt: Sequence[str]) -> bool:
    text = "\t".join(("", *alt, ""))
    return any(gap in text for gap in _LACKING)


def _fault(row: list[str]) -> str:
    """What is wrong with the nine columns of a record; empty if nothing is."""
    if "\0" in "".join(row):
        return "it holds a NUL byte, so the file is damaged or no text."
    if whole_number(row[1]) is None or not _is_quality(row[5]):
        return f"POS is {shown(row[1])} and QUAL is {shown(row[5])}; needed are numbers (QUAL may be missing, '.')."
    if not row[0] or not row[3] or _lacks_allele(row[4:5]):
        return "CHROM, REF or an allele of ALT is empty; a missing ALT is '.'."
    return ""


def _is_quality(text: str) -> bool:
    try:
        return text == "." or ("_" not in text and float(text) is not None)
    except ValueError:
        return False


class HtslibFile(Source):
    """BCF, or a region of an indexed VCF or BCF, through htslib (cyvcf2)."""

    def __init__(self, path: Path, region: str | None = None):
        super().__init__(path)
        self.region = region
        reader = self._open()
        try:
            self.samples, self.header = list(reader.samples), reader.raw_header
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{self.path.name} is damaged: its header is no text ({one_line(error)})."
            ) from None
        if region is not None:
            has_index = any(Path(f"{path}{ending}").exists() for ending in (".tbi", ".csi"))
            if not has_index:
                raise SourceError(
                    f"{path.name} has no index, and the region {region} needs one; make it with: "
                    f"bcftools index {path.name} (without a region no index is needed)."
                )
            self._name, self._first, self._last = self._find_region(region, list(reader.seqnames))

    def _open(self) -> Any:
        settings = np.geterr()
        from cyvcf2 import VCF

        np.seterr(**settings)  # importing cyvcf2 silences NumPy for the whole process
        try:
            return VCF(str(self.path))
        except Exception as error:
            raise SourceError(f"{self.path.name} cannot be read: {one_line(error)}.") from None

    def _find_region(self, region: str, names: list[str]) -> tuple[str, int, int]:
        parts = re.fullmatch(r"(.+?)(?::([\d,]+)-([\d,]+))?", region)
        wanted = str(chromosome_names(np.array([parts[1]]))[0])
        plain = chromosome_names(np.array(names, str)).tolist() if names else []
        if wanted not in plain:
            raise SourceError(f"{self.path.name} has no chromosome {parts[1]!r}; it has {', '.join(names)}.")
        first, last = (int(value.replace(",", "")) if value else None for value in parts.groups()[1:])
        return names[plain.index(wanted)], first or 1, last or (1 << 31) - 1

    def _records(self) -> Iterator[Any]:
        reader = self._open()
        try:
            if self.region is None:
                yield from reader
                return
            for record in reader(f"{self._name}:{self._first}-{self._last}"):
                if self._first <= record.POS:  # a deletion may begin before the region
                    yield record
        except SourceError:
            raise
        except Exception as error:  # cyvcf2 has no exception of its own for a file that ends too early
            raise SourceError(f"{self.path.name} is damaged or cut short: {one_line(error)}.") from None

    def blocks(self, stretch: Stretch) -> Iterator[Block]:
        """The records; see `Source.blocks`."""
        yield from _whole_positions(self._blocks())

    def _blocks(self) -> Iterator[Block]:
        contigs, batch = _Contigs(), []
        room = max(1, min(5_000, BLOCK_CALLS // max(1, len(self.samples))))
        for record in self._records():
            batch.append(self._row(record, contigs))
            if len(batch) == room:
                yield _from_rows(contigs.names, batch, 0)
                batch = []
        if batch:
            yield _from_rows(contigs.names, batch, self.size)

    def _row(self, record: Any, contigs: _Contigs) -> tuple:
        try:
            if "GT" not in record.FORMAT:
                raise SourceError(f"{self.path.name}, {record.CHROM}:{record.POS}: the record has no GT.")
            return (
                contigs.code(record.CHROM),
                record.POS,
                record.REF.upper(),
                tuple(alt.upper() for alt in record.ALT),
                np.nan if record.QUAL is None else record.QUAL,
                record.FILTER is None,  # cyvcf2's word for PASS or missing
                _info_text(record),
                record.genotype.array()[:, :-1],
            )
        except SourceError:
            raise
        except Exception as error:  # what a record is made of is looked at only here
            raise SourceError(f"{self.path.name} is damaged: {one_line(error)}.") from None


def _info_text(record: Any) -> str:
    parts = (key if value is True else f"{key}={value}" for key, value in record.INFO)
    return ";".join(parts)


def _from_rows(contigs: list[str], rows: list[tuple], behind: int) -> Block:
    contig, position, ref, alts, quality, passed, info, calls = zip(*rows, strict=True)
    copies = max(array.shape[1] for array in calls)
    genotypes = np.full((len(rows), copies, len(calls[0])), kernels.ABSENT, np.int8)
    for target, array in zip(genotypes, calls, strict=True):
        target[: array.shape[1]] = array.T
    return Block(
        contigs,
        np.array(contig, np.int32),
        np.array(position, np.int64),
        list(ref),
        list(alts),
        np.array(quality, float),
        np.array(passed, bool),
        list(info),
        genotypes,
        behind,
    )


class _ArraySource(Source):
    """A source whose positions are known beforehand, cut by number of variants."""

    unit = "variants"
    contig: np.ndarray  # (variant,) int32
    position: np.ndarray  # (variant,) int64

    @abstractmethod
    def _read(self, first: int, last: int) -> Block: ...

    def _whole(self, index: int) -> int:
        """The next index that does not tear a position apart."""
        while 0 < index < self.size and (
            self.position[index] == self.position[index - 1] and self.contig[index] == self.contig[index - 1]
        ):
            index += 1
        return min(index, self.size)

    def stretches(self, every: int | None = None) -> list[Stretch]:
        """Cut the source; see `Source.stretches`."""
        every = every or max(1, 8 * BLOCK_CALLS // max(1, len(self.samples)))
        starts = sorted({self._whole(index) for index in range(0, self.size, every)} - {self.size}) or [0]
        stops = [*starts[1:], self.size]
        return [Stretch((a, 0), (b, 0)) for a, b in zip(starts, stops, strict=True)]

    def blocks(self, stretch: Stretch) -> Iterator[Block]:
        """The records of a stretch; see `Source.blocks`."""
        at, stop = stretch.start[0], stretch.stop[0] if stretch.stop else self.size
        every = max(1, BLOCK_CALLS // max(1, len(self.samples)))
        while at < stop:
            behind = min(self._whole(at + every), stop)
            yield self._read(at, behind)._replace(behind=behind)
            at = behind


class VcfZarr(_ArraySource):
    """A VCF Zarr store, as ``bio2zarr`` (``vcf2zarr``) writes it."""

    def __init__(self, path: Path):
        super().__init__(path)
        import zarr

        try:
            refuse_code(path)
            self.store = zarr.open_group(path, mode="r")
            self.contig = np.asarray(self.store["variant_contig"][:], np.int32)
            self.position = np.asarray(self.store["variant_position"][:], np.int64)
            self._genotype = self.store["call_genotype"]
            self.samples = _strings(self.store["sample_id"][:]).tolist()
            self._contigs = chromosome_names(_strings(self.store["contig_id"][:])).tolist()
        except (KeyError, FileNotFoundError, ValueError) as error:
            raise SourceError(f"{path.name} is not a VCF Zarr store: {one_line(error)}.") from None
        self.size = len(self.position)
        self._info = {
            name.removeprefix("variant_"): name
            for name in self.store.array_keys()
            if name.startswith("variant_") and _is_text(self.store[name].dtype)
        }
        # The header text is kept as an attribute; where it is not, the arrays say which annotation there is.
        attributes = json.loads(json.dumps(dict(self.store.attrs)))
        self.header = attributes.get("vcf_header") or "".join(f"##INFO=<ID={key}>\n" for key in self._info)

    def _read(self, first: int, last: int) -> Block:
        part = slice(first, last)
        alleles = _strings(self.store["variant_allele"][part]).tolist()
        quality = np.full(last - first, np.nan)
        if "variant_quality" in self.store:
            with np.errstate(invalid="ignore"):  # "missing" is a signalling NaN there
                quality[:] = self.store["variant_quality"][part]
        annotation = {
            key: _strings(self.store[name][part]).reshape(last - first, -1).tolist()
            for key, name in self._info.items()
            if key in ("ANN", "EFF", "CSQ", "BCSQ") or "." in key
        }
        info = [""] * (last - first)
        for key, values in annotation.items():
            joined = [
                ",".join(v for v in row if v and v != ".") for row in values
            ]  # Number=. is a padded row
            info = [f"{old};{key}={new}" if new else old for old, new in zip(info, joined, strict=True)]
        return Block(
            self._contigs,
            self.contig[part],
            self.position[part],
            [row[0].upper() for row in alleles],
            [tuple(a.upper() for a in row[1:] if a) for row in alleles],
            quality,
            self._passed(part, last - first),
            [text.lstrip(";") for text in info],
            np.ascontiguousarray(np.asarray(self._genotype[part], np.int8).swapaxes(1, 2)),
            last,
        )

    def _passed(self, part: slice, n: int) -> np.ndarray:
        if "variant_filter" not in self.store or "filter_id" not in self.store:
            return np.ones(n, bool)
        filters = np.asarray(self.store["variant_filter"][part], bool)
        is_pass = _strings(self.store["filter_id"][:]) == "PASS"
        return ~filters[:, ~is_pass].any(axis=1)


def _strings(values: Any) -> np.ndarray:
    """Text of a Zarr array, whichever of its several string types it has."""
    return np.array(np.asarray(values).astype(object), str)


def _is_text(dtype: Any) -> bool:
    return np.dtype(dtype).kind in "OTU"


class Plink(_ArraySource):
    """PLINK bed/bim/fam.

    The second allele of the ``.bim`` (A2) is taken as the reference, as PLINK 2 writes it, and the first as the
    alternative. With PLINK 1 the second is merely the more frequent one.
    """

    def __init__(self, path: Path):
        super().__init__(path)
        from bed_reader import open_bed

        for ending in (".bim", ".fam"):
            if not path.with_suffix(ending).exists():
                raise SourceError(f"{path.name} has no {path.with_suffix(ending).name} beside it.")
        try:
            self._bed = open_bed(path, num_threads=1)
            self.samples = [str(name) for name in self._bed.iid]
            names, self.position = self._bed.chromosome, np.asarray(self._bed.bp_position, np.int64)
            self._alternative, self._reference = self._bed.allele_1, self._bed.allele_2
            self._bed.read(np.s_[:0, :0])
        except Exception as error:
            raise SourceError(f"{path.name} cannot be read as PLINK files: {one_line(error)}.") from None
        needed = 3 + len(self.position) * -(-len(self.samples) // 4)
        if path.stat().st_size != needed:
            raise SourceError(
                f"{path.name} is cut short or belongs to another .bim or .fam: it has {path.stat().st_size:,} bytes, "
                f"and {len(self.samples):,} samples and {len(self.position):,} markers take {needed:,}."
            )
        contigs = _Contigs()
        self.contig = np.array([contigs.code(str(name)) for name in names], np.int32)
        self._contigs, self.size = contigs.names, len(self.position)

    def _read(self, first: int, last: int) -> Block:
        copies_of_a1 = self._bed.read(np.s_[:, first:last], dtype="int8").T  # (variant, sample); -127 missing
        genotypes = np.stack([copies_of_a1 >= 1, copies_of_a1 == 2], axis=1).astype(np.int8)
        genotypes[np.repeat(copies_of_a1[:, None] < 0, 2, axis=1)] = kernels.MISSING
        n = last - first
        return Block(
            self._contigs,
            self.contig[first:last],
            self.position[first:last],
            [str(a).upper() for a in self._reference[first:last]],
            [(str(a).upper(),) if a not in ("0", ".") else () for a in self._alternative[first:last]],
            np.full(n, np.nan),
            np.ones(n, bool),
            [""] * n,
            genotypes,
            last,
        )
