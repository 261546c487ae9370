"""Annovar's own tables: which effects they tell of a variant, found by place and alleles, in any order of lines.

Two forms are read: ``*_multianno.txt``, and the pair of ``.variant_function`` (where a variant lies) and
``.exonic_variant_function`` (what those in exons do to proteins). They are brought once into sorted files, which
are then mapped into memory by every process that looks something up.
"""

import gzip
import json
import shutil
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from gi_lib.datasets.foreign import LARGEST_POSITION, TooLarge, bounded_lines, shown, whole_number
from gi_lib.encoding.annotations import ANNOVAR_COLUMNS, annovar_effects
from gi_lib.encoding.gene_models import chromosome_names
from gi_lib.encoding.vocabulary import AnnotationError, Effect, reduce_alleles
from gi_lib.process import make_folder, write_text, writing

CHUNK = 100_000  # lines held in memory while a table is built
POSITION_BITS = 40  # of a place in one number; holds `LARGEST_POSITION`
FORMAT = 1  # of the built files
_NOTE = "table.json"
_PLACE = ("Chr", "Start", "End", "Ref", "Alt")


class _Line(NamedTuple):
    """One variant of a table."""

    number: int
    chromosome: str
    position: int
    ref: str
    alt: str
    fields: tuple[str, ...]  # what the table tells, see `ANNOVAR_COLUMNS`


class AnnovarTable:
    """Annovar's tables, sorted and on disk.

    Attributes
    ----------
    chromosomes : list of str
    key : shape (variant,), int64
        Chromosome and position in one number, ascending.
    """

    def __init__(self, chromosomes: Sequence[str], folder: Path):
        self.chromosomes = list(chromosomes)
        self.key = np.asarray(np.load(folder / "key.npy", mmap_mode="r"))
        self._start = np.asarray(np.load(folder / "start.npy", mmap_mode="r"))
        self._length = np.asarray(np.load(folder / "length.npy", mmap_mode="r"))
        self._text = memoryview(np.load(folder / "text.npy", mmap_mode="r"))

    @classmethod
    def build(cls, paths: Sequence[Path], folder: Path) -> "AnnovarTable":
        """Bring tables into a folder, and open it; does nothing where they are there already.

        The tables are streamed: what is held in memory is a chunk of lines, and in the end some 30 bytes for each
        variant.

        Parameters
        ----------
        paths
            ``*_multianno.txt`` files, or ``.variant_function`` files with their ``.exonic_variant_function``; any
            of them may be compressed by gzip.
        folder
            Is replaced if it holds something else.

        Raises
        ------
        AnnotationError
            If a table is malformed, has terms that are not Annovar's, or lacks its counterpart; the message names
            file and line.
        """
        paths, folder = [Path(path) for path in paths], Path(folder)
        facts = [[str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
        note = _read_note(folder)
        if note is None or note["files"] != facts:
            shutil.rmtree(folder, ignore_errors=True)
            make_folder(folder)
            codes = _Chromosomes()
            _fill(folder, paths, codes)
            _write_note(folder, {"format": FORMAT, "files": facts, "chromosomes": codes.names})
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "AnnovarTable":
        """Open a folder that `build` has made.

        Raises
        ------
        AnnotationError
            If it holds no table, or only a part of one.
        """
        folder = Path(folder)
        note = _read_note(folder)
        if note is None:
            raise AnnotationError(f"{folder} holds no whole table of Annovar's; build it anew.")
        return cls(note["chromosomes"], folder)

    def lookup(
        self, chromosome: np.ndarray, position: np.ndarray, ref: Sequence[str], alt: Sequence[str]
    ) -> list[list[Effect] | None]:
        """All effects of variants.

        Variants are the same if their alleles differ in the same bases at the same place, however many bases of
        context are written with them.

        Parameters
        ----------
        chromosome : shape (variant,), str
            Names in any spelling that `chromosome_names` unifies.
        position : shape (variant,), int
            Of the first base of `ref`, 1-based, as in a VCF.
        ref, alt
            Alleles, one alternative each.

        Returns
        -------
        list
            For every variant its effects, which must not be changed, or None if the table does not have it.
        """
        names, inverse = np.unique(chromosome_names(chromosome), return_inverse=True)
        code = {name: i for i, name in enumerate(self.chromosomes)}
        codes = np.array([code.get(name, -1) for name in names.tolist()], np.int64)[inverse]
        least = [
            reduce_alleles(p, r.upper(), a.upper())
            for p, r, a in zip(np.asarray(position).tolist(), ref, alt, strict=True)
        ]
        keys = (codes << POSITION_BITS) + np.array([p for p, _, _ in least], np.int64)
        first = np.searchsorted(self.key, keys, side="left")
        stop = np.searchsorted(self.key, keys, side="right")
        found: list[list[Effect] | None] = [None] * len(least)
        for variant in np.flatnonzero(first < stop).tolist():
            _, r, a = least[variant]
            rows = self.rows(int(first[variant]), int(stop[variant]), r, a)
            if rows:
                found[variant] = _decode(rows[0][1])
        return found

    def rows(self, first: int, stop: int, ref: str, alt: str) -> list[tuple[int, bytes]]:
        """Number and text of those of the rows ``first`` to ``stop`` that have these alleles."""
        alleles, found = f"{ref}>{alt}\t".encode(), []
        starts, lengths = self._start[first:stop].tolist(), self._length[first:stop].tolist()
        for row, start, length in zip(range(first, stop), starts, lengths, strict=True):
            text = self._text[start : start + length].tobytes()
            if text.startswith(alleles):
                found.append((row, text))
        return found

    def text(self, row: int) -> bytes:
        """What is kept of a row, as it is written by `build`."""
        start = int(self._start[row])
        return self._text[start : start + int(self._length[row])].tobytes()


@lru_cache(maxsize=1 << 14)
def _decode(text: bytes) -> list[Effect]:
    """Effects of a row, see `_encode`."""
    alleles, *fields = text.decode().split("\t")
    ref, _, alt = alleles.partition(">")
    return annovar_effects(*fields, len(alt) - len(ref))


def _encode(ref: str, alt: str, fields: Sequence[str]) -> bytes:
    return "\t".join((f"{ref}>{alt}", *fields)).encode()


# ------------------------------------------------------------------------------------------------- building


class _Chromosomes:
    """Chromosome names in one spelling, and their numbers."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._code: dict[str, int] = {}

    def key(self, chromosome: str, position: int) -> int:
        """Place in one number."""
        code = self._code.get(chromosome)
        if code is None:
            name = str(chromosome_names(np.array([chromosome]))[0])
            if name not in self.names:
                self.names.append(name)
            code = self._code[chromosome] = self.names.index(name)
        return (code << POSITION_BITS) + position


class _Writer:
    """Gathers rows, and sorts them in the end."""

    def __init__(self, folder: Path):
        self.folder = make_folder(folder)
        with writing(folder):
            self._files = {name: (folder / f"{name}.part").open("wb") for name in ("key", "length", "text")}
        self._keys: list[int] = []
        self._texts: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._files.values():
            handle.close()

    def add(self, key: int, text: bytes) -> None:
        """Add a row."""
        self._keys.append(key)
        self._texts.append(text)
        if len(self._keys) >= CHUNK:
            self._flush()

    def _flush(self) -> None:
        with writing(self.folder):
            np.array(self._keys, np.int64).tofile(self._files["key"])
            np.array([len(text) for text in self._texts], np.uint32).tofile(self._files["length"])
            self._files["text"].write(b"".join(self._texts))
        self._keys, self._texts = [], []

    def finish(self) -> None:
        """Write the sorted files."""
        self._flush()
        with writing(self.folder):
            self._sort()

    def _sort(self) -> None:
        for handle in self._files.values():
            handle.close()
        key = np.fromfile(self.folder / "key.part", np.int64)
        length = np.fromfile(self.folder / "length.part", np.uint32)
        start = np.cumsum(length, dtype=np.int64) - length
        if (key[1:] < key[:-1]).any():
            order = np.argsort(key, kind="stable")
            key, length, start = key[order], length[order], start[order]
        np.save(self.folder / "key.npy", key, allow_pickle=False)
        np.save(self.folder / "length.npy", length, allow_pickle=False)
        np.save(self.folder / "start.npy", start, allow_pickle=False)
        self._save_text()
        for name in self._files:
            (self.folder / f"{name}.part").unlink()

    def _save_text(self) -> None:
        size = (self.folder / "text.part").stat().st_size
        header = {"descr": "|u1", "fortran_order": False, "shape": (size,)}
        with (self.folder / "text.npy").open("wb") as out, (self.folder / "text.part").open("rb") as text:
            np.lib.format.write_array_header_1_0(out, header)
            shutil.copyfileobj(text, out, 1 << 20)


def _read_note(folder: Path) -> dict[str, Any] | None:
    """The file that marks a folder whole; None where there is none of this format."""
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if note.get("format") == FORMAT else None


def _write_note(folder: Path, note: dict[str, Any]) -> None:
    write_text(folder / _NOTE, json.dumps(note))


def _fill(folder: Path, paths: Sequence[Path], codes: _Chromosomes) -> None:
    whole, functions, exonic = _sort_paths(paths)
    check = _Check()
    with _Writer(folder) as writer:
        for path in whole:
            for line in _multianno(path):
                check.line(path, line, line.fields)
                writer.add(
                    codes.key(line.chromosome, line.position), _encode(line.ref, line.alt, line.fields)
                )
        if functions:
            _join(writer, functions, exonic, codes, check)
        writer.finish()
    if not codes.names:
        raise AnnotationError(
            f"{', '.join(path.name for path in paths)}: there is no variant in Annovar's table."
        )


class _Check:
    """Refuses lines that Annovar does not write."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()

    def line(self, path: Path, line: _Line, fields: Sequence[str]) -> None:
        """Raise an error that names file and line, if the line makes no sense."""
        func, gene, detail, exonic, _ = fields
        if (func, exonic) in self._known and "dist=" not in gene and "dist=" not in detail:
            return
        try:
            annovar_effects(*fields, len(line.alt) - len(line.ref))
        except AnnotationError as error:
            raise AnnotationError(f"{path.name}, line {line.number:,}: {error}") from None
        self._known.add((func, exonic))


def _join(
    writer: _Writer, functions: Sequence[Path], exonic: Sequence[Path], codes: _Chromosomes, check: _Check
) -> None:
    """Add the variants of ``.variant_function``, with their lines in ``.exonic_variant_function``."""
    folder = writer.folder / "exonic"
    with _Writer(folder) as apart:
        for number, path in enumerate(exonic):
            for line in _exonic_variant_function(path):
                fields = (*line.fields, str(number), str(line.number))
                apart.add(codes.key(line.chromosome, line.position), _encode(line.ref, line.alt, fields))
        apart.finish()
    table = AnnovarTable(codes.names, folder)
    is_used = np.zeros(len(table.key), bool)
    names = ", ".join(path.name for path in exonic)
    for path in functions:
        for line in _variant_function(path):
            key, (func, gene) = codes.key(line.chromosome, line.position), line.fields
            consequence, change = "", ""
            if "exonic" in func.split(";"):
                first, stop = np.searchsorted(table.key, key), np.searchsorted(table.key, key, side="right")
                rows = table.rows(int(first), int(stop), line.ref, line.alt)
                if not rows:
                    raise AnnotationError(
                        f"{path.name}, line {line.number:,}: the variant is exonic but not in {names}; are the files "
                        "of one run of Annovar's?"
                    )
                is_used[[row for row, _ in rows]] = True
                consequence, change = rows[0][1].decode().split("\t")[1:3]
            fields = (func, gene, "", consequence, change)
            check.line(path, line, fields)
            writer.add(key, _encode(line.ref, line.alt, fields))
    if not is_used.all():
        number, line_number = table.text(int(np.argmin(is_used))).decode().split("\t")[3:5]
        raise AnnotationError(
            f"{exonic[int(number)].name}, line {int(line_number):,}: the variant is not called exonic in "
            f"{', '.join(path.name for path in functions)}; are the files of one run of Annovar's?"
        )
    del table
    shutil.rmtree(folder)


# -------------------------------------------------------------------------------------------------- reading


def _sort_paths(paths: Sequence[Path]) -> tuple[list[Path], list[Path], list[Path]]:
    """Paths of ``multianno``, ``variant_function`` and ``exonic_variant_function`` tables."""
    whole, functions, exonic = [], [], []
    for path in paths:
        name = path.name.removesuffix(".gz")
        if name.endswith("exonic_variant_function"):
            exonic.append(path)
        elif name.endswith("variant_function"):
            functions.append(path)
        elif next(_lines(path), (0, [""]))[1][:5] == list(_PLACE):
            whole.append(path)
        else:
            raise AnnotationError(
                f"{path.name} is none of Annovar's tables; allowed are *_multianno.txt, *.variant_function and "
                "*.exonic_variant_function."
            )
    if bool(functions) != bool(exonic):
        alone = (functions + exonic)[0].name
        raise AnnotationError(
            f"{alone} is one of a pair; needed are .variant_function and .exonic_variant_function."
        )
    return whole, functions, exonic


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number, from 1, and columns of every line that is not empty."""
    with path.open("rb") as handle:
        is_gzip = handle.read(2) == b"\x1f\x8b"
    opener = gzip.open if is_gzip else open
    try:
        with opener(path, "rb") as handle:
            for number, line in enumerate(bounded_lines(handle), start=1):
                if line.strip():
                    yield number, line.rstrip("\r").split("\t")
    except TooLarge as error:
        raise AnnotationError(f"{path.name} {error}.") from None
    except (EOFError, OSError, zlib.error) as error:
        if not is_gzip:
            raise
        raise AnnotationError(f"{path.name} is cut short or damaged: {error}.") from None


def _line(path: Path, number: int, place: Sequence[str], fields: tuple[str, ...]) -> _Line:
    """A line with the least alleles; `place` holds chromosome, start, end, ref and alt as Annovar writes them."""
    chromosome, start, _, ref, alt = place
    first = whole_number(start)
    if first is None or first >= LARGEST_POSITION:  # an insertion stands one base behind it
        raise AnnotationError(
            f"{path.name}, line {number:,}: the start {shown(start)} is not a whole number."
        )
    ref, alt = ("" if allele == "-" else allele.upper() for allele in (ref, alt))
    # Annovar gives the base before an insertion, and the first base of everything else.
    position, ref, alt = reduce_alleles(first + (not ref), ref, alt)
    return _Line(number, chromosome, position, ref, alt, fields)


def _has_columns(path: Path, number: int, columns: Sequence[str], needed: int) -> None:
    if len(columns) < needed:
        raise AnnotationError(
            f"{path.name}, line {number:,}: there are {len(columns)} columns; needed are {needed}."
        )


def _variant_function(path: Path) -> Iterator[_Line]:
    for number, columns in _lines(path):
        _has_columns(path, number, columns, 7)
        yield _line(path, number, columns[2:7], (columns[0], columns[1]))


def _exonic_variant_function(path: Path) -> Iterator[_Line]:
    for number, columns in _lines(path):
        _has_columns(path, number, columns, 8)
        yield _line(path, number, columns[3:8], (columns[1], columns[2]))


def _multianno(path: Path) -> Iterator[_Line]:
    lines = _lines(path)
    _, header = next(lines)
    at = _columns(path, header)
    needed = 1 + max(where for where in at if where is not None)
    for number, columns in lines:
        _has_columns(path, number, columns, needed)
        fields = ("" if where is None or columns[where] == "." else columns[where] for where in at)
        yield _line(path, number, columns[:5], tuple(fields))


def _columns(path: Path, header: Sequence[str]) -> list[int | None]:
    """Where the `ANNOVAR_COLUMNS` of the first gene table stand; None for those that may be lacking and do."""
    database = next((name[5:] for name in header if name.startswith("Func.")), None)
    found = []
    for column in ANNOVAR_COLUMNS:
        name = f"{column}.{database}"
        if name not in header and column in ("Func", "Gene", "ExonicFunc"):
            raise AnnotationError(
                f"{path.name}, line 1: there is no column {column}.TABLE of a gene table such as {column}.refGene."
            )
        found.append(header.index(name) if name in header else None)
    return found
