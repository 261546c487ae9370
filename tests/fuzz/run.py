"""Fuzz the readers of files: ``python tests/fuzz/run.py --minutes 60 [--target vcf]``.

With atheris (``pip install atheris``, where it has a wheel for this Python) what an input reaches in the readers guides
the next ones; without it hypothesis chooses the changes. Either way the inputs are valid files with changes, see
`targets.mutate`, and atheris adds files of its own. Every target runs in a process of its own, so that a crash of
compiled code is a finding too. Findings are made small and kept in
``tests/fuzz/crashes``; ``test_fuzz.py`` replays them.
"""

import argparse
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
CRASHES = HERE / "crashes"
SECONDS = 20  # that an input may take
MEGABYTES = 400  # by which one input may raise the memory of the process
INSTRUMENTED = ("gi_lib.encoding", "gi_lib.datasets")
COMPILED = ("gi_lib.encoding.kernels",)  # numba compiles only code that nobody has changed


class TooSlow(BaseException):
    """An input took too long; no reader may catch it."""


def alarm(*_: object) -> None:
    """End what runs, when its time is over."""
    raise TooSlow(f"more than {SECONDS} seconds")


def fault(run: Callable[[bytes], None], data: bytes) -> tuple[str, str] | None:
    """What is wrong with how a target takes an input: a name for faults of one kind, and the stack."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        run(data)
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        stack = traceback.extract_tb(error.__traceback__)
        inner = [frame for frame in stack if "gi_lib" in frame.filename] or stack
        where = f"{Path(inner[-1].filename).name}:{inner[-1].lineno}"
        what = str(error).split(":")[0][:40] if isinstance(error, AssertionError) else ""
        return f"{type(error).__name__} {what} at {where}", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    return (f"memory grew by over {MEGABYTES} MB", f"{grown} MB") if grown > MEGABYTES else None


def made_small(run: Callable[[bytes], None], data: bytes, name: str, seconds: float = 20) -> bytes:
    """An input with the same fault from which nothing more can be left out."""
    until = time.monotonic() + seconds
    size = max(1, len(data) // 2)
    while size:
        at = 0
        while at < len(data) and time.monotonic() < until:
            shorter = data[:at] + data[at + size :]
            found = fault(run, shorter)
            if found is not None and found[0] == name:
                data = shorter
            else:
                at += size
        size = 0 if time.monotonic() >= until else size // 2
    return data


class Session:
    """Runs one target on many inputs, for some seconds, and notes what it finds."""

    def __init__(self, name: str, run: Callable[[bytes], None], seconds: float, notes: Path):
        self.name, self.run, self.notes = name, run, notes
        self.executions, self.found = 0, {}
        self.began = time.monotonic()
        self.until, self.written = self.began + seconds, 0.0

    def one(self, data: bytes) -> None:
        """Run the target on an input."""
        (self.notes / "input").write_bytes(data)
        found = fault(self.run, data)
        self.executions += 1
        if found is not None and found[0] not in self.found:
            kept = (
                data if found[0].startswith(("TooSlow", "memory")) else made_small(self.run, data, found[0])
            )
            self.found[found[0]] = keep(self.name, kept, *found)
            self.write()
        if time.monotonic() > self.written + 2:
            self.write()
        if time.monotonic() > self.until:
            self.write()
            os._exit(0)

    def write(self) -> None:
        """Note how far we are, for the parent."""
        self.written = time.monotonic()
        facts = {"executions": self.executions, "seconds": self.written - self.began, "found": self.found}
        (self.notes / "facts.json").write_text(json.dumps(facts))


def keep(target: str, data: bytes, name: str, stack: str) -> str:
    """Write an input with a fault; returns the name of its file."""
    CRASHES.mkdir(exist_ok=True)
    path = CRASHES / f"{target}-{hashlib.sha256(data).hexdigest()[:10]}"
    path.write_bytes(data)
    print(f"FOUND {target}: {name} ({path.name}, {len(data)} bytes)\n{stack}", flush=True)
    return path.name


def fuzz(name: str, seconds: float, notes: Path) -> None:
    """Fuzz one target in this process; does not return."""
    try:
        import atheris
    except ImportError:
        atheris = None
    sys.path.insert(0, str(HERE))
    if atheris is None:
        import targets
    else:
        with atheris.instrument_imports(include=list(INSTRUMENTED), exclude=list(COMPILED)):
            import targets
    target = targets.TARGETS[name]
    seeds = target.seeds()
    for seed in seeds:  # compiles and imports what is compiled and imported once
        target.run(seed)
    signal.signal(signal.SIGALRM, alarm)
    warnings.filterwarnings("error", module=r"gi_lib(\..*)?")
    limit = 12 << 30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    session = Session(name, target.run, seconds, notes)
    if atheris is None:
        from hypothesis import HealthCheck, given, settings
        from hypothesis import strategies as st

        @settings(max_examples=1_000, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.data())
        def some(data: st.DataObject) -> None:
            def choose(n: int) -> int:
                return data.draw(st.integers(0, n - 1))

            session.one(targets.mutate(choose, seeds[choose(len(seeds))]))

        while True:
            some()

    def one(data: bytes) -> None:
        given = atheris.FuzzedDataProvider(data[1:])
        if not data or data[0] % 4 == 0:
            session.one(data[1:])
        else:

            def choose(n: int) -> int:
                return given.ConsumeIntInRange(0, n - 1)

            session.one(targets.mutate(choose, seeds[choose(len(seeds))]))

    corpus = notes / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed{number}").write_bytes(b"\0" + seed)
        (corpus / f"programme{number}").write_bytes(bytes([1, *os.urandom(64)]))
    options = [
        "-max_len=20000",
        f"-artifact_prefix={notes}/",
        f"-timeout={20 * SECONDS}",
        "-rss_limit_mb=0",
        "-verbosity=0",
        "-report_slow_units=9999",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def main() -> None:
    """Fuzz all targets, or one, and print executions and findings."""
    sys.path.insert(0, str(HERE))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--minutes", type=float, default=60, help="in all, shared by the targets (default 60)"
    )
    parser.add_argument("--target", action="append", help="one of the targets; may be given several times")
    parser.add_argument("--child", nargs=2, metavar=("SECONDS", "NOTES"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        fuzz(given.target[0], float(given.child[0]), Path(given.child[1]))
    from targets import TARGETS

    names = given.target or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"there is no target {sorted(unknown)[0]!r}; targets are {', '.join(TARGETS)}")
    faults = 0
    for name in names:
        faults += _one_target(name, given.minutes * 60 / len(names))
    sys.exit(1 if faults else 0)


def _one_target(name: str, seconds: float) -> int:
    """Fuzz one target in processes of its own until its time is over; returns the number of findings."""
    executions, found, spent = 0, {}, 0.0
    while seconds - spent > 1:
        with tempfile.TemporaryDirectory() as folder:
            notes = Path(folder)
            command = [sys.executable, __file__, "--target", name, "--child", str(seconds - spent), folder]
            began = time.monotonic()
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
            if not (notes / "facts.json").exists():
                sys.exit(f"The target {name} does not start:\n{done.stderr}")
            facts = json.loads((notes / "facts.json").read_text())
            executions += facts["executions"]
            found |= facts["found"]
            spent += max(facts["seconds"], time.monotonic() - began)
            if done.returncode:
                what = f"the process ended with {done.returncode}"
                found[what] = keep(name, (notes / "input").read_bytes(), what, done.stderr[-3_000:])
    print(f"{name}: {executions:,} executions in {spent / 60:.1f} minutes, {len(found)} findings", flush=True)
    for what, file in found.items():
        print(f"    {file}: {what}", flush=True)
    return len(found)


if __name__ == "__main__":
    main()
