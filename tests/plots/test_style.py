"""One visual language: colours and sizes of writing come from one place."""

import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb

from gi_lib import plots
from gi_lib.plots import style

ROOT = Path(plots.__file__).parents[2]
MODULES = sorted(path for path in Path(plots.__file__).parent.glob("*.py") if path.name != "style.py")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.md"))
LINES = ("INK", "BROWN", "RED", "BLUE", "GREY_DARK")  # thin lines and writing are drawn in these


def code(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    return "\n".join(re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", text, re.M | re.S))


def contrast(colour: str) -> float:
    """Contrast with white, after the Web Content Accessibility Guidelines."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) + 0.05)


@pytest.mark.parametrize("path", [*MODULES, *NOTEBOOKS], ids=lambda path: path.name)
def test_a_colour_has_a_name_in_the_style(path: Path) -> None:
    """Shades of grey by matplotlib's own names and colour maps aside."""
    text = re.sub(r"style=\"[^\"]*\"|<[^<>]*>", "", code(path))  # what is HTML has the colours of the page
    assert re.findall(r"[\"']#[0-9A-Fa-f]{3,8}[\"']", text) == []
    named = re.findall(r"\b(?:face|edge)?colou?rs?=[\"']([a-z:]+)[\"']", text)
    assert set(named) <= {"black", "white", "none"}


@pytest.mark.parametrize("path", [*MODULES, *NOTEBOOKS], ids=lambda path: path.name)
def test_writing_has_one_of_few_sizes(path: Path) -> None:
    sizes = re.findall(r"(?:font|label|title_font)size\"?[=:] ?([\d.]+)|set_fontsize\(([\d.]+)\)", code(path))
    assert {float(size or other) for size, other in sizes} <= set(style.FONT_SIZES)


@pytest.mark.parametrize("name", LINES)
def test_thin_lines_can_be_read_on_white(name: str) -> None:
    assert contrast(getattr(style, name)) >= 4.5


def test_the_style_is_that_of_every_figure() -> None:
    with mpl.rc_context():
        plots.use_style()
        fig, ax = plt.subplots()
        assert fig.get_layout_engine() is not None
        assert not ax.spines["top"].get_visible() and not ax.spines["right"].get_visible()
        assert max(style.FONT_SIZES) <= mpl.rcParams["axes.labelsize"] + 0.5
