"""A reader of R's own format for what tables consist of, far faster on text than a general one."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from gi_lib.datasets.foreign import TooLarge, unpacked

MOST_BYTES = 1 << 30  # that a file may unpack to; those we know have a fifth of that
_HAS_ATTRIBUTES, _HAS_TAG = 0x200, 0x400


def read_rda(path: str | Path, name: str, coded: bool = False) -> tuple[Any, dict[str, Any]]:
    """Read one object of an ``.rda`` file: its value, and its attributes by name, each again with its own.

    Only what tables consist of: lists, arrays of whole and real numbers, and above all character vectors. The package
    rdata reads all of R, but makes several objects of every string, and takes minutes and gigabytes of memory for
    files like these; this takes seconds.

    Parameters
    ----------
    coded
        Character vectors as `pandas.Categorical`, for millions of texts of a few kinds; as arrays of str or None
        otherwise.

    Raises
    ------
    ValueError
        If there is no such file, it is damaged, unpacks to more than `MOST_BYTES`, holds other kinds of objects, or
        none of that name.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        objects, _ = _RReader(unpacked(data, MOST_BYTES), coded).read()
    except TooLarge as error:
        raise ValueError(f"{path.name} {error}.") from None
    except Exception as error:  # there is no end of ways in which bytes can be wrong
        raise ValueError(f"{path.name} is damaged, or no .rda file of tables of text.") from error
    if not isinstance(objects, dict) or name not in objects:
        raise ValueError(f"{path.name} holds no object {name!r}.")
    return objects[name]


def data_frame(columns: Any, attributes: dict[str, Any]) -> pd.DataFrame | None:
    """A data frame of R whose columns are arrays; None if it is something else."""
    names, _ = attributes.get("names", (None, {}))
    if not (isinstance(columns, list) and isinstance(names, np.ndarray) and len(names) == len(columns)):
        return None
    arrays = [values for values, _ in columns]
    if not all(isinstance(values, np.ndarray) and len(values) == len(arrays[0]) for values in arrays):
        return None
    return pd.DataFrame(dict(zip(names, arrays, strict=True)))


def matrix(values: Any, attributes: dict[str, Any]) -> tuple[Any, list[np.ndarray | None]] | None:
    """A matrix of R, its values as (row, column), and the names of rows and columns; None if it is something else."""
    shape, _ = attributes.get("dim", (None, {}))
    if shape is None or not hasattr(values, "__len__") or len(shape) != 2 or np.prod(shape) != len(values):
        return None
    names, _ = attributes.get("dimnames", ([(None, {})] * 2, {}))
    return np.asarray(values).reshape(shape, order="F"), [one for one, _ in names]


class _RReader:
    """R's serialisation, big-endian (R Internals, section 1.8)."""

    def __init__(self, data: bytes, coded: bool = False):
        if data[:7] not in (b"RDX2\nX\n", b"RDX3\nX\n"):
            raise ValueError("not in R's binary format")
        self.data, self.at, self.coded = data, 7, coded
        self.symbols: list[str | None] = []
        version = self.integers(3)[0]
        if version == 3:
            self.text()  # name of the encoding

    def integers(self, n: int) -> list[int]:
        values = struct.unpack_from(f">{n}i", self.data, self.at)
        self.at += 4 * n
        return list(values)

    def length(self) -> int:
        """Length of a vector."""
        (n,) = self.integers(1)
        if n < 0:
            raise ValueError("a vector has no such length")
        return n

    def numbers(self, stored: str, wanted: type) -> np.ndarray:
        n = self.length()
        values = np.frombuffer(self.data, stored, n, self.at).astype(wanted)
        self.at += values.size * np.dtype(stored).itemsize
        return values

    def text(self) -> str | None:
        (length,) = self.integers(1)
        if length == -1:  # missing
            return None
        if not 0 <= length <= len(self.data) - self.at:
            raise ValueError("a string has no such length")
        start, self.at = self.at, self.at + length
        return self.data[start : self.at].decode()

    def read(self) -> tuple[Any, dict[str, Any]]:
        """Read the object that begins here."""
        (flags,) = self.integers(1)
        kind, value = flags & 0xFF, None
        if kind == 2:  # pairs of tag and value: the objects of a file, or attributes
            return self.pairs(flags), {}
        if kind == 1:  # symbol
            value, _ = self.read()
            self.symbols.append(value)
        elif kind == 255:  # a symbol met before; which one stands where others have their flags
            return self.symbols[(flags >> 8) - 1], {}
        elif kind == 9:
            return self.text(), {}
        elif kind in (10, 13):  # logical, integer
            value = self.numbers(">i4", np.int32)
        elif kind == 14:  # real
            value = self.numbers(">f8", float)
        elif kind == 16:
            value = self.texts(self.length())
        elif kind == 19:
            value = [self.read() for _ in range(self.length())]
        elif kind not in (0, 254):  # NULL
            raise ValueError(f"objects of type {kind} are not read")
        attributes = self.read()[0] if flags & _HAS_ATTRIBUTES else {}
        if not isinstance(attributes, dict):
            raise ValueError("attributes are pairs")
        return value, attributes

    def pairs(self, flags: int) -> dict[str, Any]:
        found = {}
        while flags & 0xFF == 2:
            if flags & _HAS_ATTRIBUTES or not flags & _HAS_TAG:
                raise ValueError("lists of another kind are not read")
            tag, _ = self.read()
            found[tag] = self.read()
            (flags,) = self.integers(1)
        return found

    def texts(self, n: int) -> np.ndarray | pd.Categorical:
        """Read a character vector of n strings or None: every string is its flags, its length and its bytes."""
        parts, done, block = [pa.array([], pa.string())], 0, 1
        while done < n:
            _, length = struct.unpack_from(">2i", self.data, self.at)
            if length <= 0:  # missing or empty
                self.at += 4
                parts.append(pa.array([self.text()], pa.string()))
                done += 1
                continue
            # Neighbours mostly are of one length, and a run of such strings is an array.
            count = min(block, n - done, (len(self.data) - self.at) // (8 + length))
            record = [("flags", ">i4"), ("length", ">i4"), ("text", f"S{length}")]
            records = np.frombuffer(self.data, record, count, self.at)
            differs = records["length"] != length
            run = int(differs.argmax()) if differs.any() else count
            if not run:
                raise ValueError("the file ends inside a string")
            parts.append(pa.array(np.ascontiguousarray(records["text"][:run])).cast(pa.string()))
            self.at, done = self.at + run * (8 + length), done + run
            block = 2 * block if run == count else run
        texts = pa.chunked_array(parts)
        return texts.dictionary_encode().to_pandas().values if self.coded else texts.to_numpy()
