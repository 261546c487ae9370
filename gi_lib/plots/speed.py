"""Figures of the chapter on speed."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from gi_lib.plots.style import INK


def distinct_share(shares: pd.DataFrame) -> Figure:
    """Share of distinct rows of counts among all genes of a batch.

    Parameters
    ----------
    shares
        Columns ``accessions`` (of the batch) and ``share``.
    """
    fig, ax = plt.subplots(figsize=(6, 3.4))
    ax.plot(shares["accessions"], shares["share"], "o-", color=INK)
    ax.set(xscale="log", xlabel="accessions in a batch", ylabel="distinct rows / genes", ylim=(0, None))
    ax.set_xticks(shares["accessions"], [f"{n:g}" for n in shares["accessions"]])
    ax.minorticks_off()
    return fig
