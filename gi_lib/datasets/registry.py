"""The data registry: what the manifests pin, fetched once and verified before use.

Every YAML file in ``data_manifest/`` describes one data set. A file is named ``<data set>/<file>``, for
example ``arabidopsis/X_Mix.rda``. :func:`fetch` returns a local path whose content has the pinned sha256,
looking in this order:

1. the folder named by ``GI_DATA_MIRROR`` (laid out ``<data set>/<file>``; used in place, never copied);
2. the cache (:func:`cache_dir`);
3. the address named by ``GI_DATA_MIRROR``, if it is a URL;
4. the public address in the manifest, unless ``GI_OFFLINE`` is set.

Files marked ``verified: false`` have no pinned sha256. The one found at the first fetch is recorded in the
cache, and every later copy is checked against that record.
"""

import functools
import hashlib
import io
import json
import os
import re
import sys
import time
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import yaml

with warnings.catch_warnings():
    # pooch asks tqdm for a notebook widget, which warns where ipywidgets is missing; we show a plain bar.
    warnings.simplefilter("ignore")
    import pooch

from gi_lib.datasets.foreign import one_line
from gi_lib.process import WriteError, locked, make_folder, or_elsewhere, write_text, written_whole

if TYPE_CHECKING:
    import pandas as pd

# Seconds to open a connection and to wait for the next bytes. The first is short so that a machine without
# internet is found out at once.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 60.0
ATTEMPTS = 2
RETRY_PAUSE = 1.0
RETRY_STATUS = frozenset({429, 500, 502, 503, 504})

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DOI = re.compile(r"10\.\d{4,9}/\S+")


class DataError(RuntimeError):
    """A data file is missing, damaged or misdescribed; the message is one sentence."""


class DataUnavailable(DataError):
    """A data file cannot be had at the moment (no network, not on the server, to be downloaded by hand)."""


# --------------------------------------------------------------------------------------------- manifests


@dataclass(frozen=True)
class DataFile:
    """One file of a data set, as its manifest describes it.

    Attributes
    ----------
    dataset, name : str
        The file is addressed as ``<dataset>/<name>``.
    content, read : str
        One sentence on what is in it, and how to read it.
    licence : str
        As stated by the source, or "none stated".
    url : str
        Direct address; for ``manual`` files the page from which to download.
    sha256 : str or None
        Pinned hash; None when ``verified`` is False.
    bytes : int or None
        Size; None when unknown.
    repository, commit : str or None
        Git repository (``owner/name``) and commit that ``url`` points into.
    citation, doi : str
        Primary paper.
    verified : bool
        Whether the content behind the hash was inspected when the manifest was written.
    manual : bool
        The source is a page or portal: ``instructions`` says what to download.
    instructions : str or None
        One sentence, for manual files only.
    """

    dataset: str
    name: str
    content: str
    read: str
    licence: str
    url: str
    citation: str
    doi: str
    sha256: str | None = None
    bytes: int | None = None
    repository: str | None = None
    commit: str | None = None
    verified: bool = True
    manual: bool = False
    instructions: str | None = None

    @property
    def key(self) -> str:
        """The name by which the file is fetched, ``<data set>/<file>``."""
        return f"{self.dataset}/{self.name}"


@dataclass(frozen=True)
class Manifest:
    """One data set: ``files`` maps file names to :class:`DataFile`."""

    dataset: str
    title: str
    summary: str
    citation: str
    doi: str
    files: dict[str, DataFile] = field(default_factory=dict)


# The schema of a manifest: key -> (type, required). Checked by `load_manifests`.
_MANIFEST_KEYS: dict[str, tuple[type, bool]] = {
    "dataset": (str, True),
    "title": (str, True),
    "summary": (str, True),
    "citation": (str, True),
    "doi": (str, True),
    "files": (dict, True),
}
_FILE_KEYS: dict[str, tuple[type, bool]] = {
    "content": (str, True),
    "read": (str, True),
    "licence": (str, True),
    "url": (str, True),
    "sha256": (str, False),
    "bytes": (int, False),
    "repository": (str, False),
    "commit": (str, False),
    "citation": (str, False),
    "doi": (str, False),
    "verified": (bool, False),
    "manual": (bool, False),
    "instructions": (str, False),
}


def manifest_dir() -> Path:
    """Return the folder of manifests: ``GI_MANIFEST_DIR``, or ``data_manifest/`` of the repository."""
    return Path(os.environ.get("GI_MANIFEST_DIR") or Path(__file__).parents[2] / "data_manifest")


def load_manifests() -> dict[str, Manifest]:
    """Read and check every manifest.

    Returns
    -------
    dict
        Data set name -> :class:`Manifest`, sorted by name.

    Raises
    ------
    DataError
        If the folder is missing or a manifest breaks the schema; the sentence names the file and the key.
    """
    return _load_manifests(manifest_dir().resolve())


@functools.lru_cache
def _load_manifests(folder: Path) -> dict[str, Manifest]:
    paths = sorted(folder.glob("*.yaml"), key=lambda path: path.stem)
    if not paths:
        raise DataError(
            f"No data manifest (*.yaml) in {folder}: install the package from a clone of the repository "
            "with `pip install -e .`, or set GI_MANIFEST_DIR."
        )
    return {path.stem: _load_manifest(path) for path in paths}


def _load_manifest(path: Path) -> Manifest:
    where = f"Manifest {path.name}"
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{where} is not valid YAML: {one_line(error)}.") from None
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror}.") from None
    _check_keys(raw, _MANIFEST_KEYS, where)
    if raw["dataset"] != path.stem or not _NAME.fullmatch(path.stem):
        raise DataError(
            f"{where}, key 'dataset': must equal the file name {path.stem!r}, found {raw['dataset']!r}."
        )
    _check_doi(raw["doi"], where)
    files = {}
    for name, entry in raw.pop("files").items():
        here = f"{where}, file {name!r}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise DataError(f"{here}: a file name has letters, digits, '.', '_' and '-' only.")
        _check_keys(entry, _FILE_KEYS, here)
        _check_entry(entry, here)
        entry = {"citation": raw["citation"], "doi": raw["doi"]} | entry
        files[name] = DataFile(dataset=path.stem, name=name, **entry)
    return Manifest(files=files, **raw)


def _check_keys(raw: Any, schema: dict[str, tuple[type, bool]], where: str) -> None:
    """Refuse unknown keys, missing keys and values of the wrong type."""
    if not isinstance(raw, dict):
        raise DataError(f"{where}: expected a mapping with the keys {', '.join(schema)}.")
    for key in raw:
        if key not in schema:
            raise DataError(f"{where}, key {key!r}: unknown; allowed are {', '.join(schema)}.")
    for key, (kind, required) in schema.items():
        if key not in raw:
            if required:
                raise DataError(f"{where}, key {key!r}: missing.")
        elif type(raw[key]) is not kind or raw[key] in ("", {}):
            raise DataError(
                f"{where}, key {key!r}: expected a non-empty {kind.__name__}, found {raw[key]!r}."
            )


def _check_doi(doi: str, where: str) -> None:
    if not _DOI.fullmatch(doi):
        raise DataError(f"{where}, key 'doi': expected '10.<registrant>/<name>', found {doi!r}.")


def _check_entry(entry: dict[str, Any], where: str) -> None:
    """Check the rules between the keys of one file."""
    verified, manual = entry.get("verified", True), entry.get("manual", False)
    try:
        address = urlsplit(entry["url"])
    except ValueError:  # brackets that hold no IPv6 address
        address = urlsplit("")
    if address.scheme not in ("http", "https") or not address.netloc:
        raise DataError(f"{where}, key 'url': expected an http or https address, found {entry['url']!r}.")
    if "doi" in entry:
        _check_doi(entry["doi"], where)
    if verified:
        for key in ("sha256", "bytes"):
            if key not in entry:
                raise DataError(
                    f"{where}, key {key!r}: missing (only files with 'verified: false' go without)."
                )
        if not _SHA256.fullmatch(entry["sha256"]):
            raise DataError(
                f"{where}, key 'sha256': expected 64 hexadecimal digits, found {entry['sha256']!r}."
            )
    elif "sha256" in entry:
        raise DataError(
            f"{where}, key 'sha256': a file with 'verified: false' has none; it is found at first fetch."
        )
    if manual and verified:
        raise DataError(
            f"{where}, key 'manual': a file to be downloaded by hand must have 'verified: false'."
        )
    if manual != ("instructions" in entry):
        raise DataError(f"{where}, key 'instructions': needed with 'manual: true', and only there.")
    if ("repository" in entry) != ("commit" in entry):
        raise DataError(f"{where}, keys 'repository' and 'commit': give both or neither.")
    if "commit" in entry and f"{entry['repository']}/{entry['commit']}/" not in entry["url"]:
        raise DataError(
            f"{where}, key 'url': does not point into {entry['repository']} at commit {entry['commit']}."
        )


def find(name: str) -> DataFile:
    """Look up ``<data set>/<file>``.

    Raises
    ------
    DataError
        If there is no such file; the sentence suggests close names.
    """
    known = {entry.key: entry for manifest in load_manifests().values() for entry in manifest.files.values()}
    if name not in known:
        raise DataError(
            f"There is no data file {name!r}{_suggest(name, known)}; `gi data list` shows all files."
        )
    return known[name]


def find_dataset(name: str) -> Manifest:
    """Look up a data set; raise :class:`DataError` with the close names if there is none."""
    manifests = load_manifests()
    if name not in manifests:
        raise DataError(
            f"There is no data set {name!r}{_suggest(name, manifests)}; known are {', '.join(manifests)}."
        )
    return manifests[name]


def _suggest(name: str, known: Any) -> str:
    by_lower = {key.lower(): key for key in known}
    # A bare file name is close to "<data set>/<file>" too.
    by_lower |= {key.split("/")[-1].lower(): key for key in known}
    close = dict.fromkeys(
        by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=2, cutoff=0.7)
    )
    return f"; did you mean {' or '.join(map(repr, close))}" if close else ""


# --------------------------------------------------------------------------------------- places and states


def cache_dir() -> Path:
    """Return the cache folder: ``GI_CACHE_DIR`` if set, else the platform's user cache; not created here."""
    return Path(os.environ.get("GI_CACHE_DIR") or pooch.os_cache("gi_lib")).expanduser().absolute()


def cache_or_elsewhere() -> AbstractContextManager[None]:
    """Where the cache cannot be written, a :class:`DataError` says so and names ``GI_CACHE_DIR``."""
    return or_elsewhere("set GI_CACHE_DIR to another folder", DataError)


def _mirror() -> Path | str | None:
    """Return the mirror as a folder, as a URL without trailing slash, or None."""
    value = os.environ.get("GI_DATA_MIRROR", "").strip()
    if not value:
        return None
    if urlsplit(value).scheme in ("http", "https"):
        return value.rstrip("/")
    folder = Path(value).expanduser().resolve()
    if not folder.is_dir():
        raise DataError(
            f"GI_DATA_MIRROR names {value!r}, which is neither an existing folder nor an http(s) address."
        )
    return folder


def local_path(name: str) -> Path | None:
    """Return where ``<data set>/<file>`` lies on this machine, unchecked: mirror folder, cache, or None."""
    entry = find(name)
    mirror = _mirror()
    folders = [mirror] if isinstance(mirror, Path) else []
    for folder in [*folders, cache_dir() / "data"]:
        path = folder / entry.dataset / entry.name
        if path.is_file():
            return path
    return None


def state(name: str) -> str:
    """Return one of "in mirror", "in cache", "by hand", "unverified" and "not fetched"."""
    entry, path = find(name), local_path(name)
    if path is not None:
        return "in cache" if path.is_relative_to(cache_dir()) else "in mirror"
    if entry.manual:
        return "by hand"
    return "not fetched" if entry.verified else "unverified"


def sha256_of(name: str) -> str:
    """Return the sha256 of ``<data set>/<file>``: the pinned one or, if unverified, that of the copy at hand.

    Raises
    ------
    DataUnavailable
        If the file is unverified and not on this machine.
    """
    entry = find(name)
    if entry.sha256 is not None:
        return entry.sha256
    path = local_path(name)
    if path is None:
        raise DataUnavailable(
            f"The sha256 of {name} is known only after its first fetch: run `gi data fetch {name}`."
        )
    return _hash_once(entry, path)


# ------------------------------------------------------------------------------------------------ hashing


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _hash_once(entry: DataFile, path: Path) -> str:
    """Hash a file, or reuse the hash noted when it had the same path, size and time of change."""
    facts = {"path": str(path), "size": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}
    note = cache_dir() / "hashes" / entry.dataset / f"{entry.name}.json"
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        noted = {}
    if {key: noted.get(key) for key in facts} == facts and _SHA256.fullmatch(str(noted.get("sha256"))):
        return noted["sha256"]
    digest = _sha256(path)
    # A note that cannot be written costs time, never correctness.
    _try_write(note, json.dumps(facts | {"sha256": digest}, indent=1))
    return digest


def _try_write(path: Path, text: str) -> bool:
    """Write a small file whole; return False where the folder cannot be written."""
    try:
        make_folder(path.parent)
        write_text(path, text)
    except WriteError:
        return False
    return True


def _record_path(entry: DataFile) -> Path:
    return cache_dir() / "recorded" / entry.dataset / f"{entry.name}.sha256"


def recorded_sha256(name: str) -> str | None:
    """Return the sha256 recorded when an unverified file was first fetched, or None."""
    try:
        digest = _record_path(find(name)).read_text(encoding="utf-8").split()[0]
    except (OSError, IndexError):
        return None
    return digest if _SHA256.fullmatch(digest) else None


def _check(entry: DataFile, digest: str, size: int, where: str) -> None:
    """Refuse a file that differs from the manifest or, if unverified, from the record of its first fetch."""
    if entry.sha256 is not None:
        if digest != entry.sha256:
            raise DataError(
                f"{entry.key} from {where} is refused: expected sha256 {entry.sha256} "
                f"({entry.bytes:,} bytes), found {digest} ({size:,} bytes)."
            )
        return
    recorded = recorded_sha256(entry.key)
    if recorded is None:
        _try_write(_record_path(entry), f"{digest}  {entry.name}\n")
    elif digest != recorded:
        raise DataError(
            f"{entry.key} from {where} is refused: at the first fetch its sha256 was {recorded}, "
            f"now it is {digest}; if the change is wanted, delete {_record_path(entry)}."
        )


# ----------------------------------------------------------------------------------------------- fetching


def fetch(name: str) -> Path:
    """Return the path of a verified local copy of ``<data set>/<file>``, downloading it if need be.

    Parameters
    ----------
    name : str
        For example ``"arabidopsis/X_Mix.rda"``.

    Raises
    ------
    DataUnavailable
        If it cannot be had: no network, interrupted, not on the server, or to be downloaded by hand.
    DataError
        If the name is unknown, the content has the wrong sha256, the mirror folder is missing, the disk is
        full or the cache cannot be written.
    """
    entry = find(name)
    mirror = _mirror()
    if isinstance(mirror, Path):
        path = mirror / entry.dataset / entry.name
        if path.is_file():
            return _verified(entry, path)
    path = cache_dir() / "data" / entry.dataset / entry.name
    if path.is_file() and (entry.manual or _is_good(entry, path)):
        return _verified(entry, path)
    if entry.manual:
        raise DataUnavailable(
            f"{entry.key} has to be downloaded by hand from {entry.url} and put at <mirror>/{entry.key} "
            f"(GI_DATA_MIRROR) or {path}: {entry.instructions}"
        )
    addresses = [f"{mirror}/{quote(entry.key)}"] if isinstance(mirror, str) else []
    return _download(entry, path, [*addresses, entry.url])


def fetch_dataset(name: str) -> dict[str, Path]:
    """Fetch every file of a data set; return file name -> path. Raises like :func:`fetch`."""
    return {entry.name: fetch(entry.key) for entry in find_dataset(name).files.values()}


def is_available(*names: str) -> bool:
    """Whether all these files can be had; tries to fetch them.

    Raises
    ------
    DataError
        If a file is there but wrong, or a name is unknown: that is a fault to repair, not an absence.
    """
    try:
        for name in names:
            fetch(name)
    except DataUnavailable:
        return False
    return True


def _verified(entry: DataFile, path: Path) -> Path:
    _check(entry, _hash_once(entry, path), path.stat().st_size, str(path))
    return path


def _is_good(entry: DataFile, path: Path) -> bool:
    try:
        _verified(entry, path)
    except DataError:
        return False
    return True


def _download(entry: DataFile, path: Path, addresses: list[str]) -> Path:
    """Download from the first address that has the file, under a lock and through a temporary file."""
    with cache_or_elsewhere():
        make_folder(path.parent)
        with locked(make_folder(cache_dir() / "locks") / f"{entry.dataset}-{entry.name}.lock"):
            if path.is_file() and _is_good(entry, path):
                return path  # another process was quicker
            return _download_locked(entry, path, addresses)


def _download_locked(entry: DataFile, path: Path, addresses: list[str]) -> Path:
    reasons = []
    for address in addresses:
        try:
            with written_whole(path) as partial:
                _get(entry, address, partial)
                _check(entry, _sha256(partial), partial.stat().st_size, address)
        except DataUnavailable as error:
            reasons.append(str(error))
            continue
        return path
    raise DataUnavailable(
        f"{entry.key} cannot be had: {'; '.join(reasons)}; download it from {entry.url} and put it at "
        f"<mirror>/{entry.key} (GI_DATA_MIRROR) or {path}."
    )


# Hosts that could not be reached, with the reason: a process without network asks each host once only.
_unreachable: dict[str, str] = {}


class _Limited(io.FileIO):
    """A file that takes no more than its manifest promises, so that no server fills the disk."""

    def __init__(self, path: Path, most: int, what: str):
        super().__init__(path, "wb")
        self.most, self.what = most, what

    def write(self, data: bytes) -> int:
        """Write bytes, unless they are too many."""
        if self.tell() + len(data) > self.most:
            raise DataError(
                f"{self.what} is refused: it has more than the {self.most:,} bytes of the manifest."
            )
        return super().write(data)


def _get(entry: DataFile, address: str, target: Path) -> None:
    """Download one address to ``target``; on failure raise DataUnavailable with a clause, not a sentence."""
    host = urlsplit(address).netloc
    if os.environ.get("GI_OFFLINE", "").strip().lower() not in ("", "0", "false", "no"):
        raise DataUnavailable("GI_OFFLINE is set, so nothing is downloaded")
    if host in _unreachable:
        raise DataUnavailable(_unreachable[host])

    # Imported here: only a download needs them, and they are slow to import.
    import requests
    import urllib3

    show = sys.stderr.isatty()
    timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
    download = pooch.HTTPDownloader(progressbar=show, chunk_size=1 << 18, timeout=timeout)
    for attempt in range(1, ATTEMPTS + 1):
        if attempt > 1:
            time.sleep(RETRY_PAUSE)
        if show:
            print(f"Downloading {entry.key} from {host}", file=sys.stderr)
        try:
            if entry.bytes is None:
                return download(address, str(target), None)
            with _Limited(target, entry.bytes, f"{entry.key} from {address}") as file:
                return download(address, file, None)
        except requests.HTTPError as error:
            status = error.response.status_code
            reason = f"{address} answered HTTP {status} ({error.response.reason})"
            if status not in RETRY_STATUS:
                break
        except requests.exceptions.ChunkedEncodingError:
            reason = f"the download from {address} was interrupted"
        except requests.exceptions.SSLError:
            _unreachable[host] = reason = f"the certificate of {host} is not trusted here"
            break
        except requests.ConnectionError as error:
            cause = error.args[0] if error.args else None
            if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
                reason = f"{address} stopped sending for {READ_TIMEOUT:.0f} seconds"
            elif isinstance(cause, urllib3.exceptions.ProtocolError):
                reason = f"the download from {address} was interrupted"
            else:
                _unreachable[host] = reason = f"no connection to {host} (is there a network?)"
                break
        except requests.Timeout:
            reason = f"{address} did not answer within {READ_TIMEOUT:.0f} seconds"
            break
        except requests.RequestException as error:
            reason = f"{address} could not be read ({type(error).__name__})"
            break
    raise DataUnavailable(reason)


# -------------------------------------------------------------------------------------- verifying, listing


def verify(name: str) -> tuple[Path | None, bool, str]:
    """Re-hash one file at hand, trusting no earlier note.

    Returns
    -------
    path : Path or None
        Where it lies; None when it is not on this machine.
    good : bool
        True when the content is as pinned or recorded, or the file is absent.
    remark : str
        For example "matches the manifest".
    """
    entry, path = find(name), local_path(name)
    if path is None:
        return None, True, "not at hand"
    first = recorded_sha256(name) is None
    try:
        _check(entry, _sha256(path), path.stat().st_size, str(path))
    except DataError as error:
        return path, False, str(error)
    if entry.verified:
        return path, True, "matches the manifest"
    return path, True, f"no pinned sha256; {'recorded now' if first else 'as at its first fetch'}"


def as_table() -> "pd.DataFrame":
    """Return every file of every manifest as a table, for the book's page on data and licences.

    Returns
    -------
    pandas.DataFrame
        Columns: data set, file, content, bytes (nullable integer), licence, source (address), commit, sha256,
        citation, doi, status ("pinned", "unverified" or "by hand").
    """
    import pandas as pd

    rows = [
        {
            "data set": entry.dataset,
            "file": entry.name,
            "content": entry.content,
            "bytes": entry.bytes,
            "licence": entry.licence,
            "source": entry.url,
            "commit": entry.commit or "",
            "sha256": entry.sha256 or "",
            "citation": entry.citation,
            "doi": entry.doi,
            "status": "by hand" if entry.manual else "pinned" if entry.verified else "unverified",
        }
        for manifest in load_manifests().values()
        for entry in manifest.files.values()
    ]
    return pd.DataFrame(rows).astype({"bytes": "Int64"})
