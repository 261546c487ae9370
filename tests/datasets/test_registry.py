"""The registry against a real server on this machine, toy manifests and every way of failing."""

import errno
import hashlib
import http.server
import io
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gi_lib.datasets import registry
from gi_lib.datasets.registry import DataError, DataUnavailable

CONTENT = b"accession,value\n1,0.5\n" * 2000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; the first part of the path says how it misbehaves. Counts requests per path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        mode = self.path.split("/")[1]
        earlier = self.server.requests.count(self.path) - 1
        if mode == "missing":
            return self.send_error(404)
        if mode == "busy" or (mode == "busy-once" and not earlier):
            return self.send_error(503)
        body = b"something else" if mode == "wrong" else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if mode == "cut" or (mode == "cut-once" and not earlier):
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server):
    """Return a function that writes a manifest of one file, ``toy/table.csv``; the cache is empty."""
    monkeypatch.setenv("GI_MANIFEST_DIR", str(tmp_path / "manifests"))
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "_unreachable", {})
    monkeypatch.delenv("GI_OFFLINE")
    monkeypatch.setattr(registry, "RETRY_PAUSE", 0.0)

    def write(mode: str = "good", **changes: object) -> None:
        entry = {
            "content": "A toy table.",
            "read": "pandas.read_csv",
            "licence": "CC0-1.0",
            "url": f"{server.url}/{mode}/table.csv",
            "sha256": DIGEST,
            "bytes": len(CONTENT),
        } | changes
        entry = {key: value for key, value in entry.items() if value is not None}
        write_manifest(tmp_path / "manifests", {"table.csv": entry})

    return write


def write_manifest(folder: Path, files: dict, **changes: object) -> None:
    """Write ``toy.yaml``; a key that is None is left out."""
    raw = {
        "dataset": "toy",
        "title": "Toy",
        "summary": "A toy.",
        "citation": "Nobody (2026).",
        "doi": "10.1234/toy",
        "files": files,
    } | changes
    folder.mkdir(exist_ok=True)
    raw = {key: value for key, value in raw.items() if value is not None}
    (folder / "toy.yaml").write_text(yaml.safe_dump(raw))
    registry._load_manifests.cache_clear()


def leftovers() -> list[Path]:
    """Everything under the data folder of the cache."""
    return [path for path in (registry.cache_dir() / "data").rglob("*") if path.is_file()]


def one_sentence(error: BaseException) -> str:
    """Check the form of a message: one line, ends with a full stop."""
    text = str(error)
    assert "\n" not in text and text.endswith(".")
    return text


# ------------------------------------------------------------------------------------------ downloads


def test_good_download_is_cached(toy, server):
    toy()
    path = registry.fetch("toy/table.csv")
    assert path == registry.cache_dir() / "data" / "toy" / "table.csv"
    assert path.read_bytes() == CONTENT
    assert registry.fetch("toy/table.csv") == path
    assert server.requests == ["/good/table.csv"]
    assert registry.fetch_dataset("toy") == {"table.csv": path}
    assert leftovers() == [path]
    assert registry.state("toy/table.csv") == "in cache"


def test_wrong_hash_names_both_and_leaves_nothing(toy, server):
    toy("wrong")
    with pytest.raises(DataError) as caught:
        registry.fetch("toy/table.csv")
    text = one_sentence(caught.value)
    assert DIGEST in text and hashlib.sha256(b"something else").hexdigest() in text
    assert "toy/table.csv" in text and server.url in text
    assert not isinstance(caught.value, DataUnavailable)
    assert leftovers() == []
    with pytest.raises(DataError, match="refused"):
        registry.is_available("toy/table.csv")


def test_more_bytes_than_promised_are_not_waited_for(toy):
    toy(bytes=len(CONTENT) - 1)
    with pytest.raises(
        DataError, match=f"is refused: it has more than the {len(CONTENT) - 1:,} bytes of the manifest"
    ):
        registry.fetch("toy/table.csv")
    assert leftovers() == []


def test_interrupted_twice(toy, server):
    toy("cut")
    with pytest.raises(DataUnavailable, match="was interrupted") as caught:
        registry.fetch("toy/table.csv")
    one_sentence(caught.value)
    assert len(server.requests) == registry.ATTEMPTS
    assert leftovers() == []
    assert not registry.is_available("toy/table.csv")


@pytest.mark.parametrize("mode", ["cut-once", "busy-once"])
def test_second_attempt_succeeds(toy, server, mode):
    toy(mode)
    assert registry.fetch("toy/table.csv").read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_not_on_the_server(toy, server):
    toy("missing")
    with pytest.raises(DataUnavailable, match="HTTP 404") as caught:
        registry.fetch("toy/table.csv")
    assert f"{server.url}/missing/table.csv" in one_sentence(caught.value)
    assert len(server.requests) == 1, "a 404 is not tried twice"
    assert leftovers() == []


def test_server_stays_busy(toy, server):
    toy("busy")
    with pytest.raises(DataUnavailable, match="HTTP 503"):
        registry.fetch("toy/table.csv")
    assert len(server.requests) == registry.ATTEMPTS


def test_no_network_asks_each_host_once(toy, server, monkeypatch):
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as closed:
        host = f"127.0.0.1:{closed.server_port}"
    toy(url=f"http://{host}/table.csv")
    with pytest.raises(DataUnavailable, match=f"no connection to {host}") as caught:
        registry.fetch("toy/table.csv")
    by_hand = (
        f"download it from http://{host}/table.csv and put it at <mirror>/toy/table.csv (GI_DATA_MIRROR) or "
    )
    place = registry.cache_dir() / "data" / "toy" / "table.csv"
    assert one_sentence(caught.value).endswith(f"{by_hand}{place}.")
    monkeypatch.setattr("pooch.HTTPDownloader", lambda **kwargs: pytest.fail("the host was asked again"))
    assert not registry.is_available("toy/table.csv")
    assert leftovers() == []


def test_offline_switch(toy, server, monkeypatch):
    toy()
    monkeypatch.setenv("GI_OFFLINE", "1")
    with pytest.raises(DataUnavailable, match="GI_OFFLINE is set"):
        registry.fetch("toy/table.csv")
    assert server.requests == []


def test_damaged_cache_is_replaced(toy):
    toy()
    path = registry.fetch("toy/table.csv")
    path.write_bytes(b"damaged")
    assert registry.fetch("toy/table.csv").read_bytes() == CONTENT


def test_stale_partial_file_is_removed(toy):
    toy()
    dead = subprocess.Popen(["true"])
    dead.wait()
    stale = registry.cache_dir() / "data" / "toy" / f".table.csv.{platform.node()}-{dead.pid}-0.tmp"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"left by a killed process")
    path = registry.fetch("toy/table.csv")
    assert leftovers() == [path]


def test_two_processes_download_once(toy, server, tmp_path):
    toy()
    code = "from gi_lib.datasets import registry; print(registry.fetch('toy/table.csv'))"
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    outputs = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert len(outputs) == 1
    assert server.requests == ["/good/table.csv"]
    assert leftovers() == [registry.cache_dir() / "data" / "toy" / "table.csv"]


# ------------------------------------------------------------------------------------------- the mirror


def test_mirror_folder_is_used_in_place(toy, server, tmp_path, monkeypatch):
    toy()
    folder = tmp_path / "mirror"
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / "table.csv").write_bytes(CONTENT)
    monkeypatch.setenv("GI_DATA_MIRROR", str(folder))
    assert registry.fetch("toy/table.csv") == folder / "toy" / "table.csv"
    assert registry.state("toy/table.csv") == "in mirror"
    assert server.requests == [] and leftovers() == []


def test_mirror_file_is_hashed_once(toy, tmp_path, monkeypatch):
    toy()
    path = tmp_path / "mirror" / "toy" / "table.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    monkeypatch.setenv("GI_DATA_MIRROR", str(tmp_path / "mirror"))
    registry.fetch("toy/table.csv")
    with monkeypatch.context() as patch:
        patch.setattr(registry, "_sha256", lambda path: pytest.fail("hashed again"))
        registry.fetch("toy/table.csv")
    path.write_bytes(b"changed")
    with pytest.raises(DataError, match="refused") as caught:
        registry.fetch("toy/table.csv")
    assert str(path) in one_sentence(caught.value)
    assert path.exists(), "a file of the mirror is never deleted"


def test_mirror_without_the_file_falls_back(toy, tmp_path, monkeypatch):
    toy()
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("GI_DATA_MIRROR", str(tmp_path / "mirror"))
    assert registry.fetch("toy/table.csv").is_relative_to(registry.cache_dir())


def test_mirror_url_comes_first(toy, server, monkeypatch):
    toy()
    monkeypatch.setenv("GI_DATA_MIRROR", f"{server.url}/mirror/")
    registry.fetch("toy/table.csv")
    assert server.requests == ["/mirror/toy/table.csv"]


def test_mirror_url_without_the_file_falls_back(toy, server, monkeypatch):
    toy()
    monkeypatch.setenv("GI_DATA_MIRROR", f"{server.url}/missing")
    registry.fetch("toy/table.csv")
    assert server.requests == ["/missing/toy/table.csv", "/good/table.csv"]


def test_missing_mirror_folder(toy, monkeypatch):
    toy()
    monkeypatch.setenv("GI_DATA_MIRROR", "no/such/folder")
    with pytest.raises(DataError, match=r"GI_DATA_MIRROR names 'no/such/folder'") as caught:
        registry.is_available("toy/table.csv")
    one_sentence(caught.value)


# ---------------------------------------------------------------------------------- disk and permissions


def test_full_disk(toy, monkeypatch):
    toy()

    class FullDisk:
        def __init__(self, **kwargs: object) -> None:
            pass

        def __call__(self, url: str, target: io.FileIO, pooch: None) -> None:
            target.write(CONTENT[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pooch.HTTPDownloader", FullDisk)
    with pytest.raises(DataError, match="The disk is full") as caught:
        registry.fetch("toy/table.csv")
    text = one_sentence(caught.value)
    assert str(registry.cache_dir()) in text and "GI_CACHE_DIR" in text
    assert leftovers() == []


def test_cache_that_cannot_be_a_folder(toy, tmp_path, monkeypatch):
    toy()
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="cannot be written") as caught:
        registry.fetch("toy/table.csv")
    assert "GI_CACHE_DIR" in one_sentence(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_read_only_cache(toy, tmp_path, monkeypatch):
    toy()
    (tmp_path / "read-only").mkdir(mode=0o500)
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "read-only"))
    with pytest.raises(DataError, match="cannot be written"):
        registry.fetch("toy/table.csv")


def test_mirror_needs_no_writable_cache(toy, tmp_path, monkeypatch):
    toy()
    path = tmp_path / "mirror" / "toy" / "table.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    monkeypatch.setenv("GI_DATA_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert registry.fetch("toy/table.csv") == path


# ----------------------------------------------------------------------------------------- names, hashes


def test_unknown_names_suggest_close_ones(toy):
    toy()
    with pytest.raises(DataError, match=r"no data file 'toy/tabel.csv'; did you mean 'toy/table.csv'"):
        registry.fetch("toy/tabel.csv")
    with pytest.raises(DataError, match=r"did you mean 'toy/table.csv'"):
        registry.fetch("table.csv")
    with pytest.raises(DataError, match=r"no data set 'toys'; did you mean 'toy'"):
        registry.fetch_dataset("toys")
    with pytest.raises(DataError, match="known are toy"):
        registry.fetch_dataset("mars")


def test_unverified_file_is_recorded_and_then_held_to_it(toy):
    toy(sha256=None, bytes=None, verified=False)
    with pytest.raises(DataUnavailable, match="known only after its first fetch"):
        registry.sha256_of("toy/table.csv")
    assert registry.state("toy/table.csv") == "unverified"
    registry.fetch("toy/table.csv")
    assert registry.recorded_sha256("toy/table.csv") == DIGEST == registry.sha256_of("toy/table.csv")

    registry.local_path("toy/table.csv").unlink()
    toy("wrong", sha256=None, bytes=None, verified=False)
    with pytest.raises(DataError, match=f"at the first fetch its sha256 was {DIGEST}") as caught:
        registry.fetch("toy/table.csv")
    one_sentence(caught.value)
    assert leftovers() == []


def test_file_to_be_downloaded_by_hand(toy, server):
    toy(sha256=None, bytes=None, verified=False, manual=True, instructions="press the button.")
    assert registry.state("toy/table.csv") == "by hand"
    with pytest.raises(DataUnavailable, match="downloaded by hand") as caught:
        registry.fetch("toy/table.csv")
    text = one_sentence(caught.value)
    assert "press the button" in text and "<mirror>/toy/table.csv" in text
    assert server.requests == []
    place = registry.cache_dir() / "data" / "toy" / "table.csv"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert registry.fetch("toy/table.csv") == place
    place.write_bytes(b"exchanged")
    with pytest.raises(DataError, match="refused"):
        registry.fetch("toy/table.csv")
    assert place.exists(), "what a person put there is never deleted"


def test_verify_hashes_again(toy):
    toy()
    assert registry.verify("toy/table.csv") == (None, True, "not at hand")
    path = registry.fetch("toy/table.csv")
    assert registry.verify("toy/table.csv") == (path, True, "matches the manifest")
    stamp = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    _, good, remark = registry.verify("toy/table.csv")
    assert not good and "refused" in remark


# --------------------------------------------------------------------------------------------- manifests

FILE = {
    "content": "c",
    "read": "r",
    "licence": "l",
    "url": "https://example.org/f.csv",
    "sha256": "0" * 64,
    "bytes": 1,
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "blue"}, "file 'f.csv', key 'colour': unknown; allowed are content, read"),
        ({"licence": None}, "file 'f.csv', key 'licence': missing"),
        ({"licence": ""}, "key 'licence': expected a non-empty str"),
        ({"sha256": "abc"}, "key 'sha256': expected 64 hexadecimal digits, found 'abc'"),
        ({"sha256": None}, "key 'sha256': missing"),
        ({"bytes": "12"}, "key 'bytes': expected a non-empty int"),
        ({"verified": False}, "key 'sha256': a file with 'verified: false' has none"),
        ({"manual": True, "instructions": "i"}, "key 'manual'"),
        ({"instructions": "i"}, "key 'instructions'"),
        ({"commit": "1" * 40}, "keys 'repository' and 'commit'"),
        ({"commit": "1" * 40, "repository": "a/b"}, "key 'url': does not point into a/b"),
        ({"url": "ftp://example.org/f.csv"}, "key 'url': expected an http or https address"),
        ({"doi": "nature08800"}, "key 'doi'"),
    ],
)
def test_bad_file_entry(tmp_path, monkeypatch, changes, message):
    monkeypatch.setenv("GI_MANIFEST_DIR", str(tmp_path / "manifests"))
    entry = {key: value for key, value in (FILE | changes).items() if value is not None}
    write_manifest(tmp_path / "manifests", {"f.csv": entry})
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        registry.load_manifests()
    assert "toy.yaml" in one_sentence(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": None}, "key 'title': missing"),
        ({"owner": "me"}, "key 'owner': unknown"),
        ({"dataset": "other"}, "key 'dataset': must equal the file name 'toy'"),
        ({"files": {}}, "key 'files': expected a non-empty dict"),
        ({"files": {"a/b": FILE}}, "file 'a/b'"),
        ({"doi": "doi:1"}, "key 'doi'"),
    ],
)
def test_bad_manifest(tmp_path, monkeypatch, changes, message):
    monkeypatch.setenv("GI_MANIFEST_DIR", str(tmp_path / "manifests"))
    write_manifest(tmp_path / "manifests", **({"files": {"f.csv": FILE}} | changes))
    with pytest.raises(DataError, match=re.escape(message)):
        registry.load_manifests()


def test_no_manifests_and_broken_yaml(tmp_path, monkeypatch):
    monkeypatch.setenv("GI_MANIFEST_DIR", str(tmp_path))
    with pytest.raises(DataError, match="No data manifest"):
        registry.load_manifests()
    (tmp_path / "toy.yaml").write_text("a: [1")
    with pytest.raises(DataError, match=r"toy.yaml is not valid YAML") as caught:
        registry.load_manifests()
    one_sentence(caught.value)


def test_the_manifests_of_the_project():
    manifests = registry.load_manifests()
    assert {"arabidopsis", "rice", "mouse", "wheat", "maize", "ionome", "mapman"} <= set(manifests)
    for manifest in manifests.values():
        for entry in manifest.files.values():
            if entry.verified:
                assert entry.url.startswith("https://raw.githubusercontent.com/")
                assert re.fullmatch(r"[0-9a-f]{40}", entry.commit)
            # A sentence ends with a full stop.
            assert entry.content.endswith(".") and entry.read.endswith(".")


def test_table_has_a_row_per_file():
    table = registry.as_table()
    assert len(table) == sum(len(manifest.files) for manifest in registry.load_manifests().values())
    assert table["bytes"].notna().equals(table["status"] == "pinned")


def test_every_pinned_file_in_the_mirror_matches(mirror):
    checked = 0
    for manifest in registry.load_manifests().values():
        for entry in manifest.files.values():
            if entry.verified and (mirror / entry.key).is_file():
                path, good, remark = registry.verify(entry.key)
                assert good, remark
                assert path.stat().st_size == entry.bytes
                checked += 1
    assert checked
