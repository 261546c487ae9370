"""``gi data``: what it prints, where, and with which exit code."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import gi_lib
from gi_lib.cli import app

GOOD, OTHER = b"good", b"other"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a mirror that holds one of the two pinned files of the toy data set, and nothing else."""
    files = {
        name: {
            "content": "c.",
            "read": "r.",
            "licence": "CC0-1.0",
            "url": f"https://example.invalid/{name}",
            "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
        }
        for name, body in {"good.csv": GOOD, "other.csv": OTHER}.items()
    }
    files["portal.csv"] = {
        "content": "c.",
        "read": "r.",
        "licence": "not known",
        "url": "https://example.invalid/portal",
        "verified": False,
        "manual": True,
        "instructions": "press the button.",
    }
    manifest = {"dataset": "toy", "title": "T", "summary": "S.", "citation": "C.", "doi": "10.1234/t"}
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "toy.yaml").write_text(yaml.safe_dump(manifest | {"files": files}))
    monkeypatch.setenv("GI_MANIFEST_DIR", str(tmp_path / "manifests"))
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))
    mirror = tmp_path / "mirror"
    (mirror / "toy").mkdir(parents=True)
    (mirror / "toy" / "good.csv").write_bytes(GOOD)
    monkeypatch.setenv("GI_DATA_MIRROR", str(mirror))
    return mirror


def gi(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_version():
    result = gi("--version")
    assert (result.exit_code, result.stdout) == (0, f"gi {gi_lib.__version__}\n")


def test_list_shows_every_state(folder):
    result = gi("data", "list")
    assert result.exit_code == 0
    lines = {line.split()[1]: line for line in result.stdout.splitlines() if line.startswith("toy")}
    assert lines["good.csv"].endswith("in mirror")
    assert lines["other.csv"].endswith("not fetched")
    assert lines["portal.csv"].endswith("by hand")


def test_fetch_one_file(folder):
    result = gi("data", "fetch", "toy/good.csv")
    assert result.exit_code == 0
    assert result.stdout == f"toy/good.csv: {folder / 'toy' / 'good.csv'}\n"


def test_fetch_says_what_is_missing_and_goes_on(folder):
    result = gi("data", "fetch", "toy")
    assert result.exit_code == 1
    assert "toy/good.csv: " in result.stdout
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("gi: toy/other.csv cannot be had: GI_OFFLINE is set")
    assert "downloaded by hand" in lines[1] and "press the button" in lines[1]


def test_fetch_optional(folder):
    result = gi("data", "fetch", "toy", "--optional")
    assert result.exit_code == 0
    assert "Could not be had, and left out: toy/other.csv, toy/portal.csv." in result.stdout


def test_fetch_prints_the_sha256_of_an_unverified_file(folder):
    (folder / "toy" / "portal.csv").write_bytes(GOOD)
    first, second = gi("data", "fetch", "toy/portal.csv"), gi("data", "fetch", "toy/portal.csv")
    assert hashlib.sha256(GOOD).hexdigest() in first.stdout
    assert "recorded for later fetches" in first.stdout
    assert "as recorded at the first fetch" in second.stdout


@pytest.mark.parametrize("command", ["fetch", "verify"])
def test_unknown_name(folder, command):
    result = gi("data", command, "toy/god.csv")
    assert result.exit_code == 1
    assert result.stderr.startswith("gi: There is no data file 'toy/god.csv'; did you mean 'toy/good.csv'")
    assert result.stderr.count("\n") == 1


def test_wrong_hash_stops_even_optional(folder):
    (folder / "toy" / "other.csv").write_bytes(GOOD)
    result = gi("data", "fetch", "toy", "--optional")
    assert result.exit_code == 1
    assert "toy/other.csv" in result.stderr and "refused" in result.stderr


def test_verify(folder):
    result = gi("data", "verify")
    assert result.exit_code == 0
    assert "ok  toy/good.csv: matches the manifest" in result.stdout
    assert "--  toy/other.csv: not at hand" in result.stdout
    (folder / "toy" / "good.csv").write_bytes(OTHER)
    result = gi("data", "verify", "toy")
    assert result.exit_code == 1
    assert "BAD toy/good.csv" in result.stdout
    assert result.stderr.startswith("gi: 1 file differs")


def test_wrong_usage_is_exit_code_2():
    assert gi("data", "fetch").exit_code == 2
    assert gi("data", "burn").exit_code == 2


def test_the_command_starts_fast():
    """Neither torch nor pandas is imported before a command needs it."""
    code = "import sys, gi_lib.cli; print({'torch', 'pandas', 'xarray'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
