"""Look for misspelt words, and for American spellings in what readers read.

Run as a program, it prints one line per word, as ``file:line: word, better: suggestion``. The lists of common
misspellings and of American forms are codespell's; what only looks like one is in ``tests/words.txt``, in lower case.
"""

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from importlib import resources
from pathlib import Path

import codespell_lib

ROOT = Path(__file__).parents[1]
WORDS = Path(__file__).with_name("words.txt")
PLACES = (
    "README.md",
    "CONTRIBUTING.md",
    "Makefile",
    "_config.yml",
    "benchmarks",
    "book",
    "data_manifest",
    "gi_lib",
    "notebooks",
    "tests",
    "workflow",
)
ENDINGS = frozenset({".css", ".js", ".md", ".py", ".sh", ".smk", ".svg", ".yaml", ".yml"})
NAMES = {"Makefile", "Snakefile"}

# What is no prose in a text of ours, each replaced by as many lines.
_NO_PROSE = re.compile(
    r"^(?P<fence>`{3,})(?:\{code-cell\}|\{code-block\}|\w).*?^(?P=fence)$"  # a listing
    r"|^---$.*?^---$"  # the settings at the head of a file
    r"|\$\$.*?\$\$|\$[^$\n]+\$"  # mathematics
    r"|(?<!\})`[^`\n]+`"  # code within a line; what a role shows stays
    r'|"(?:[^"\n]|\n(?!\n))*"'  # what is quoted keeps the spelling of its author
    r"|https?://\S+|\]\([^)]*\)",  # addresses
    re.MULTILINE | re.DOTALL,
)


def files(endings: frozenset[str] = ENDINGS) -> list[Path]:
    """Files of the repository that are read, in order."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", *PLACES], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    named = NAMES if endings == ENDINGS else set()
    found = [ROOT / name for name in listed if Path(name).suffix in endings or Path(name).name in named]
    return [path for path in found if path.is_file()]


def misspelt(paths: list[Path]) -> list[str]:
    """Common misspellings in some files, one line each."""
    said = io.StringIO()
    with redirect_stdout(said):
        codespell_lib.main("--builtin", "clear,rare", "--ignore-words", str(WORDS), *map(str, paths))
    found = re.findall(r"^(.*?):(\d+): (\S+) ==> (.*)$", said.getvalue(), re.MULTILINE)
    return [f"{_short(path)}:{line}: {word}, better: {better}" for path, line, word, better in found]


def american_forms() -> dict[str, str]:
    """British form of each American one that codespell knows."""
    table = resources.files("codespell_lib") / "data" / "dictionary_en-GB_to_en-US.txt"
    pairs = (line.split("->") for line in table.read_text(encoding="utf-8").splitlines() if "->" in line)
    forms = {american.strip(",").strip(): british for british, american in pairs}
    own = set(WORDS.read_text(encoding="utf-8").split())
    return {american: british for american, british in forms.items() if american not in own}


def prose(text: str) -> str:
    """A Markdown text without what is no prose; lines keep their numbers."""
    return _NO_PROSE.sub(lambda found: "\n" * found[0].count("\n"), text)


def american(paths: list[Path]) -> list[str]:
    """American forms in the prose of some Markdown files, one line each."""
    forms, found = american_forms(), []
    for path in paths:
        for number, line in enumerate(prose(path.read_text(encoding="utf-8")).split("\n"), start=1):
            for word in re.findall(r"[A-Za-z]+", line):
                if better := forms.get(word.lower()):
                    found.append(f"{_short(path)}:{number}: {word}, better: {better}")
    return found


def _short(path: str | Path) -> str:
    path = Path(path)
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


if __name__ == "__main__":
    lines = misspelt(files()) + american(files(frozenset({".md"})))
    print("\n".join(lines) or "No word is misspelt.")
    sys.exit(bool(lines))
