"""What every reader of other people's files needs: bounded lines and unpacking, strict numbers, short quotations."""

import bz2
import gzip
import io
import json
import lzma
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

LONGEST_LINE = 256 << 20  # bytes; a line of a VCF with millions of accessions is shorter
MOST_BYTES = 4 << 30  # that a file may unpack to, where it is held in memory
LARGEST_POSITION = (1 << 40) - 1  # base pairs; no chromosome is as long

_OPEN = {b"BZh": bz2.open, b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open}
_SAFE_CODECS = frozenset(
    ("adler32", "astype", "base64", "bitround", "blosc", "bytes", "bz2", "categorize", "crc32", "crc32c", "delta",
     "fixedscaleoffset", "fletcher32", "gzip", "jenkins_lookup3", "json2", "lz4", "lzma", "msgpack2", "packbits",
     "pcodec", "quantize", "sharding_indexed", "shuffle", "transpose", "vlen-array", "vlen-bytes", "vlen-utf8", "zfpy",
     "zlib", "zstd")
)  # fmt: skip


class TooLarge(ValueError):
    """A file is larger, or has a longer line, than any that makes sense; the message continues its name."""


def shown(text: object, longest: int = 60) -> str:
    """A text as a message quotes it.

    Examples
    --------
    >>> shown("gene", 6), shown("chromosome", 6)
    ("'gene'", "'chromo…'")
    """
    text = str(text)
    return repr(text if len(text) <= longest else f"{text[:longest]}…")


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names as a message lists them: the first, each of a bounded length."""
    names = [str(name) for name in names]
    cut = [
        " ".join(name.split()) if len(name) <= 60 else f"{' '.join(name[:60].split())}…"
        for name in names[:most]
    ]
    return ", ".join(cut) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def one_line(error: Exception | str, longest: int = 300) -> str:
    """What another package says, on one line of bounded length and without a full stop."""
    text = " ".join(str(error).split()).rstrip(".")
    return text if len(text) <= longest else f"{text[:longest]}…"


def whole_number(text: str) -> int | None:
    """A number from 0 to `LARGEST_POSITION` written in plain digits; None for any other text.

    Examples
    --------
    >>> whole_number("12"), whole_number("-1"), whole_number("1_2"), whole_number("9" * 5000)
    (12, None, None, None)
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        return None
    number = int(text)
    return number if number <= LARGEST_POSITION else None


def bounded_lines(handle: IO[bytes], longest: int | None = None, most: int | None = None) -> Iterator[str]:
    r"""Lines of a file without their ``\n``, one after the other.

    Parameters
    ----------
    handle
        Open for reading bytes.
    longest, most
        Bytes of a line (`LONGEST_LINE`), and of all.

    Raises
    ------
    TooLarge
        If the file has more than that.
    """
    longest, total, number = longest or LONGEST_LINE, 0, 0
    while line := handle.readline(longest + 1):
        number, total = number + 1, total + len(line)
        if len(line) > longest:
            raise TooLarge(f"has more than {longest:,} bytes in line {number:,}")
        if most is not None and total > most:
            raise TooLarge(f"unpacks to more than {most:,} bytes")
        yield line.decode("utf-8", "replace").removesuffix("\n")


def unpacked(data: bytes, most: int | None = None) -> bytes:
    """What a file holds, unpacked if it begins as bzip2, gzip or xz does.

    Raises
    ------
    TooLarge
        If that is more than `most` bytes (`MOST_BYTES`).
    OSError, EOFError, ValueError, lzma.LZMAError, zlib.error
        If it is damaged.
    """
    opener = next((opener for start, opener in _OPEN.items() if data.startswith(start)), None)
    return data if opener is None else read_bounded(opener(io.BytesIO(data)), most)


def read_bounded(handle: IO[bytes], most: int | None = None) -> bytes:
    """Everything that is left in a file, piece by piece, so that a small file that unpacks to a huge one does no harm.

    Raises
    ------
    TooLarge
        If that is more than `most` bytes (`MOST_BYTES`).
    """
    most, pieces, size = MOST_BYTES if most is None else most, [], 0
    with handle:
        while piece := handle.read(1 << 20):
            size += len(piece)
            if size > most:
                raise TooLarge(f"unpacks to more than {most:,} bytes")
            pieces.append(piece)
    return b"".join(pieces)


def refuse_code(store: Path) -> None:
    """Refuse a Zarr store whose arrays are packed with a codec that is not known to be harmless.

    To unpack an array of the codec ``pickle`` is to run what its writer has put there.

    Raises
    ------
    ValueError
        If there is such an array; the message begins with the file that says so.
    """
    for folder, _, files in os.walk(store):
        for name in sorted({".zarray", ".zmetadata", "zarr.json"}.intersection(files)):
            try:
                content = json.loads(Path(folder, name).read_bytes())
            except (OSError, ValueError, RecursionError):
                continue  # Zarr refuses it too
            foreign = sorted(set(_codecs(content)) - _SAFE_CODECS)
            if foreign:
                raise ValueError(
                    f"{Path(folder, name).relative_to(store)} names the codec {shown(foreign[0])}, which is not read "
                    "because it may run code"
                )


def _codecs(content: Any) -> Iterator[str]:
    """Names of all codecs in the description of an array, or of a group with its arrays."""
    waiting = [(content, False)]  # with whether it is what packs an array
    while waiting:
        item, packs = waiting.pop()
        if isinstance(item, list):
            waiting += [(one, packs) for one in item]
        elif isinstance(item, dict):
            name = item.get("id", item.get("name"))
            if packs and name is not None:
                yield str(name).removeprefix("numcodecs.")
            waiting += [
                (value, key in ("compressor", "filters", "codecs", "index_codecs"))
                for key, value in item.items()
                if key != "attributes" and not key.endswith(".zattrs")
            ]
        elif packs and isinstance(item, str):
            yield item.removeprefix("numcodecs.")
