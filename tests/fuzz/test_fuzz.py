"""The readers on files that no program writes: every input that was once a finding, and a few new ones each time.

``python tests/fuzz/run.py`` looks for more, for as long as one likes.
"""

import importlib.util
import signal
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gi_lib.encoding import EncodingError
from gi_lib.encoding.tables import read_table

HERE = Path(__file__).parent
CRASHES = sorted((HERE / "crashes").iterdir())


def script(name):
    """A file that is no package's and no test, but a script beside this one."""
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


targets, run = script("targets"), script("run")


@pytest.fixture(scope="module", autouse=True)
def folders():
    yield
    targets.remove_folders()


@pytest.mark.parametrize("path", CRASHES, ids=lambda path: path.name)
def test_what_was_found_stays_mended(path):
    targets.TARGETS[path.name.split("-")[0]].run(path.read_bytes())


@pytest.fixture(scope="module")
def seeds():
    return {name: target.seeds() for name, target in targets.TARGETS.items()}


@pytest.mark.parametrize("name", targets.TARGETS)
def test_valid_files_are_accepted(name, seeds, monkeypatch):
    """Otherwise no target would test more than refusals."""
    refused = []

    def watched(call, *errors):
        try:
            return call()
        except errors as error:
            refused.append(error)

    monkeypatch.setattr(targets, "accepted", watched)
    expected = {
        "vcf": 1,
        "rda": 2,
        "dosages": 1,
    }  # without annotation; of the other object; of the other separator
    for seed in seeds[name]:
        refused.clear()
        targets.TARGETS[name].run(seed)
        assert len(refused) <= expected.get(name, 0), refused


@pytest.mark.parametrize("name", targets.TARGETS)
def test_changed_files_are_read_or_refused(name, seeds):
    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def some(data):
        def choose(n):
            return data.draw(st.integers(0, n - 1))

        targets.TARGETS[name].run(targets.mutate(choose, seeds[name][choose(len(seeds[name]))]))

    some()


def test_the_plain_loop_is_asked_about_the_seed_of_vcf(seeds):
    rows, samples = targets.plain_rows(seeds["vcf"][0])
    assert samples == ["s1", "s2", "s3"]
    assert len(rows) == 3  # one is filtered


def test_a_refusal_that_is_not_our_own_is_a_finding():
    with pytest.raises(AssertionError, match="raised by another package"):
        targets.accepted(lambda: int("x"), ValueError)
    with pytest.raises(ZeroDivisionError):
        targets.accepted(lambda: 1 / 0, ValueError)


@pytest.mark.parametrize("columns", [["a\nb"], ["a" * 2_000]])
def test_a_refusal_that_is_no_sentence_is_a_finding(columns, tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text(f'"{columns[0]}"\n1\n')
    targets.accepted(lambda: read_table(path), EncodingError)
    monkeypatch.setattr("gi_lib.encoding.tables.listed", ", ".join)
    with pytest.raises(AssertionError, match=r"not one sentence|a message of"):
        targets.accepted(lambda: read_table(path), EncodingError)


def test_an_input_that_takes_too_long_or_too_much_memory_is_a_finding(monkeypatch):
    monkeypatch.setattr(run, "SECONDS", 0.05)
    before = signal.signal(signal.SIGALRM, run.alarm)
    try:
        assert run.fault(lambda data: time.sleep(60), b"")[0].startswith("TooSlow")
        monkeypatch.setattr(run, "SECONDS", 60)
        assert run.fault(lambda data: None, b"") is None
        monkeypatch.setattr(run, "MEGABYTES", -1)
        assert run.fault(lambda data: None, b"")[0].startswith("memory grew")
    finally:
        signal.signal(signal.SIGALRM, before)


def test_findings_are_made_small():
    def run_it(data):
        if b"needle" in data:
            raise ValueError("there is a needle")

    name, _ = run.fault(run_it, b"hay needle stack")
    assert run.made_small(run_it, b"hay " * 50 + b"needle" + b" stack" * 50, name) == b"needle"
