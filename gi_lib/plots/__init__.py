"""Numbers to figures: one palette, one font size, one look for the whole book."""

from gi_lib.plots.accessions import (
    accession_map,
    embeddings,
    gene_histogram,
    on_the_map,
    scatter_by_country,
)
from gi_lib.plots.diagrams import galiana_diagram, line_to_cell
from gi_lib.plots.ionome import MODEL_STYLES, best_predicted, performance_by_parameters, radar
from gi_lib.plots.scores import confusion, correlation_plot, observed_and_predicted
from gi_lib.plots.style import (
    BROWN,
    COUNTRY_COLOURS,
    INK,
    INK_LIGHT,
    INK_MID,
    OTHER_COUNTRIES,
    SCORE_COLOURS,
    use_style,
)

__all__ = [
    "BROWN",
    "COUNTRY_COLOURS",
    "INK",
    "INK_LIGHT",
    "INK_MID",
    "MODEL_STYLES",
    "OTHER_COUNTRIES",
    "SCORE_COLOURS",
    "accession_map",
    "best_predicted",
    "confusion",
    "correlation_plot",
    "embeddings",
    "galiana_diagram",
    "gene_histogram",
    "line_to_cell",
    "observed_and_predicted",
    "on_the_map",
    "performance_by_parameters",
    "radar",
    "scatter_by_country",
    "use_style",
]
