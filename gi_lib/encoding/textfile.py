"""VCF text as a stream that can be entered in the middle: bgzip, plain text, ordinary gzip.

A place in a file is a `Place`: the offset of a compressed block in the file, and an offset in its text, as in
the virtual offsets of htslib. Blocks of bgzip stand for themselves, so a file of any length can be cut
into stretches that are read side by side, without an index.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from isal import igzip, isal_zlib

from gi_lib.datasets.foreign import LONGEST_LINE

READ_BYTES = 1 << 20  # compressed bytes read at a time
TEXT_BYTES = 4 << 20  # text handed on at a time
PLAIN_BLOCK = 1 << 16  # plain text is treated as blocks of this size
_EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


class TextFileError(ValueError):
    """A text file is damaged or cut short; the message says which and where."""


class Place(NamedTuple):
    """Where something begins in a file: offset of its block, offset in the block's text."""

    block: int
    within: int


START = Place(0, 0)


class TextFile:
    """A text file, compressed or not.

    Parameters
    ----------
    path
        The file.

    Attributes
    ----------
    kind : str
        ``bgzip``, ``gzip`` or ``plain``. Only the last block-wise and the first can be entered in the middle.
    size : int
        Bytes on disk.

    Raises
    ------
    TextFileError
        If a bgzip file has no end-of-file block: it was cut short.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.size = self.path.stat().st_size
        with self.path.open("rb") as handle:
            head = handle.read(18)
            if head[:2] != b"\x1f\x8b":
                self.kind = "plain"
            elif _block_size(head) is None:
                self.kind = "gzip"
            else:
                self.kind = "bgzip"
                handle.seek(max(0, self.size - len(_EOF_BLOCK)))
                if handle.read() != _EOF_BLOCK:
                    raise TextFileError(f"{self.path.name} is cut short: it has no bgzip end-of-file block.")

    @property
    def can_be_cut(self) -> bool:
        """Whether reading can begin in the middle."""
        return self.kind != "gzip"

    def pieces(self, start: Place = START) -> Iterator[tuple[int, bytes, int]]:
        """The text of every block from `start` on.

        Yields
        ------
        block : int
            Offset of the block in the file.
        text : bytes
            All of its text.
        behind : int
            Offset of the next block; of progress, where the file cannot be cut.
        """
        if self.kind == "bgzip":
            yield from self._bgzip_pieces(start.block)
        elif self.kind == "gzip":
            yield from self._gzip_pieces()
        else:
            with self.path.open("rb") as handle:
                handle.seek(start.block)
                at = start.block
                while text := handle.read(PLAIN_BLOCK):
                    yield at, text, at + len(text)
                    at += len(text)

    def _bgzip_pieces(self, at: int) -> Iterator[tuple[int, bytes, int]]:
        with self.path.open("rb") as handle:
            handle.seek(at)
            data, offset = b"", 0
            while True:
                size = _block_size(data[offset : offset + 18])
                if size is None or offset + size > len(data):
                    more = handle.read(READ_BYTES)
                    if not more:
                        if offset < len(data):
                            raise TextFileError(f"{self.path.name} is cut short or damaged at byte {at:,}.")
                        return
                    data, offset = data[offset:] + more, 0
                    if _block_size(data[:18]) is None and len(data) >= 18:
                        raise TextFileError(
                            f"{self.path.name} is damaged at byte {at:,}: no bgzip block there."
                        )
                    continue
                try:
                    text = isal_zlib.decompress(data[offset : offset + size], wbits=31, bufsize=1 << 16)
                except isal_zlib.error as error:
                    raise TextFileError(f"{self.path.name} is damaged at byte {at:,}: {error}.") from None
                yield at, text, at + size
                at, offset = at + size, offset + size

    def _gzip_pieces(self) -> Iterator[tuple[int, bytes, int]]:
        with self.path.open("rb") as raw, igzip.open(raw, "rb") as handle:
            while True:
                try:
                    text = handle.read(TEXT_BYTES)
                except (EOFError, OSError, isal_zlib.error) as error:
                    reason = "cut short" if isinstance(error, EOFError) else f"damaged: {error}"
                    raise TextFileError(f"{self.path.name} is {reason}.") from None
                if not text:
                    return
                yield 0, text, raw.tell()

    def lines(self, start: Place = START, stop: Place | None = None) -> Iterator[tuple[bytes, int]]:
        """Stretches of whole lines between two places, each of some megabytes.

        Yields
        ------
        text : bytes
            Whole lines; the last one ends with a newline too, even where the file lacks it.
        behind : int
            How far into the file this is, bytes on disk.
        """
        gathered: list[bytes] = []
        length, skip, behind = 0, start.within, start.block
        for block, text, behind in self.pieces(start):
            if stop is not None and block >= stop.block:
                if stop.within > 0 and block == stop.block:
                    gathered.append(text[skip : stop.within])
                break
            gathered.append(text[skip:] if skip else text)
            skip = 0
            length += len(gathered[-1])
            if length >= TEXT_BYTES and b"\n" not in gathered[-1]:
                self._refuse_long_line(length)
            elif length >= TEXT_BYTES:
                whole = b"".join(gathered)
                cut = whole.rfind(b"\n") + 1
                gathered, length = [whole[cut:]], len(whole) - cut
                if cut:
                    yield whole[:cut], behind
        rest = b"".join(gathered)
        if rest:
            yield rest if rest.endswith(b"\n") else rest + b"\n", behind

    def _refuse_long_line(self, length: int) -> None:
        if length > LONGEST_LINE:
            raise TextFileError(f"{self.path.name} has a line of more than {LONGEST_LINE:,} bytes.")

    def first_lines(self) -> Iterator[tuple[Place, bytes]]:
        """Lines from the beginning with a newline behind them, and where the next one begins."""
        rest: list[bytes] = []
        length = 0
        for block, piece, _ in self.pieces():
            if b"\n" not in piece:
                rest.append(piece)
                length += len(piece)
                self._refuse_long_line(length)
                continue
            offset = -length  # of the first line of `rest`, in this block
            *whole, last = b"".join([*rest, piece]).split(b"\n")
            for line in whole:
                offset += len(line) + 1
                yield Place(block, offset), line
            rest, length = [last], len(last)

    def cuts(self, every: int, first: Place) -> list[Place]:
        """Places at which the file can be cut, about `every` bytes on disk apart.

        A cut stands before a line whose first two columns differ from those of the line before it, so that
        the records of one position stay together.

        Parameters
        ----------
        every
            Bytes on disk between two cuts.
        first
            Where the records begin; cuts lie behind it.
        """
        if not self.can_be_cut:
            return []
        found: list[Place] = []
        for wanted in range(first.block + every, self.size, every):
            if found and wanted <= found[-1].block:
                continue
            cut = self._cut_behind(wanted)
            if cut is None:
                break
            found.append(cut)
        return found

    def _cut_behind(self, wanted: int) -> Place | None:
        block = self._next_block(wanted)
        if block is None:
            return None
        blocks: list[tuple[int, int]] = []  # (offset in the gathered text, block)
        gathered: list[bytes] = []
        length, line, before = 0, None, None
        for at, piece, _ in self.pieces(Place(block, 0)):
            blocks.append((length, at))
            gathered.append(piece)
            length += len(piece)
            if b"\n" not in piece:
                self._refuse_long_line(length)
                continue
            text = b"".join(gathered)
            gathered = [text]
            if line is None:
                line = text.find(b"\n") + 1
            while True:
                end = text.find(b"\n", line)
                if end < 0:
                    break
                if text[line : line + 1] in b"#\n":  # no record: those around it may be of one position
                    line = end + 1
                    continue
                place = text[line:end].split(b"\t", 2)[:2]
                if before is not None and place != before:
                    offset, at = next(entry for entry in reversed(blocks) if entry[0] <= line)
                    return Place(at, line - offset)
                before, line = place, end + 1
        return None

    def _next_block(self, wanted: int) -> int | None:
        """The first block that begins at or behind a byte of the file."""
        if self.kind == "plain":
            return -(-wanted // PLAIN_BLOCK) * PLAIN_BLOCK  # the same blocks wherever reading begins
        with self.path.open("rb") as handle:
            handle.seek(wanted)
            window = handle.read(3 << 16)  # a block has at most 64 KiB
        at = window.find(b"\x1f\x8b\x08\x04")
        while at >= 0:
            size = _block_size(window[at : at + 18])
            if size is not None:
                follower = window[at + size : at + size + 18]
                if _block_size(follower) is not None or wanted + at + size == self.size:
                    return wanted + at
            at = window.find(b"\x1f\x8b\x08\x04", at + 1)
        return None

    def line_number(self, place: Place, text_before: int = 0) -> int:
        """Number, from 1, of the line that begins `text_before` bytes of text behind a place."""
        number = 1
        for text, _ in self.lines(START, place):
            number += text.count(b"\n")
        for text, _ in self.lines(place):
            number += text[:text_before].count(b"\n")
            if text_before <= len(text):
                break
            text_before -= len(text)
        return number


def _block_size(head: bytes) -> int | None:
    """Size of the bgzip block that begins with these 18 bytes, or None if they begin none."""
    if len(head) < 18 or head[:4] != b"\x1f\x8b\x08\x04" or head[12:16] != b"BC\x02\x00":
        return None
    return struct.unpack_from("<H", head, 16)[0] + 1
