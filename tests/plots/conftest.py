"""What every test of a figure needs."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close the figures of each test."""
    yield
    plt.close("all")
