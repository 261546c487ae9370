"""What every test of a figure needs."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from gi_lib import plots

COLUMN = 757  # CSS pixels of the text of a page on a laptop's screen of 1,366


@pytest.fixture(autouse=True, scope="module")
def style() -> Iterator[None]:
    """The look that figures have on a page."""
    with plt.rc_context():
        plots.use_style()
        yield


def small_writing(fig: Figure) -> list[str]:
    """What of a figure is written in less than 10 pixels where a page shows it."""
    dots_per_inch = plt.rcParams["figure.dpi"]
    scale = min(1, COLUMN / (fig.get_figwidth() * dots_per_inch))
    written = [text for text in fig.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [text.get_text() for text in written if text.get_fontsize() / 72 * dots_per_inch * scale < 10]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """See that the figures of each test can be read, and close them."""
    yield
    small = {text for number in plt.get_fignums() for text in small_writing(plt.figure(number))}
    plt.close("all")
    assert not small
