"""No word of the repository is misspelt, and what readers read is British English."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def spelling() -> ModuleType:
    spec = importlib.util.spec_from_file_location("spelling", Path(__file__).with_name("spelling.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_word_is_misspelt(spelling) -> None:
    read = spelling.files()
    assert {"README.md", "book.py", "custom.css", "galiana.md", "Snakefile"} <= {path.name for path in read}
    assert spelling.misspelt(read) == []


def test_the_prose_is_british(spelling) -> None:
    assert spelling.american(spelling.files(frozenset({".md"}))) == []


def test_the_list_of_exceptions_is_sorted_and_needed(spelling, tmp_path: Path) -> None:
    words = spelling.WORDS.read_text(encoding="utf-8").split("\n")[:-1]
    assert words == sorted(set(words)) == [word.lower() for word in words]
    used = "\n".join(path.read_text(encoding="utf-8") for path in spelling.files()).lower()
    assert [word for word in words if word not in used] == []


def test_what_is_wrong_is_found_and_where(spelling, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    wrong = "recieve"  # codespell:ignore
    page.write_text(
        f'Colours are good.\n{wrong} the color of\n{{term}}`behavior`, "a color"\n\n```python\ncolor=1\n```\n'
        "and `color`, $color$, https://color.org/color\n"
    )
    assert spelling.misspelt([page]) == [f"{page}:2: {wrong}, better: receive"]
    assert spelling.american([page]) == [
        f"{page}:2: color, better: colour",
        f"{page}:3: behavior, better: behaviour",
    ]
