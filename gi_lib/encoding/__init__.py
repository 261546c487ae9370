"""From genomes to gene × variant-type counts (Raimondi et al. 2024, *Methods*)."""

from gi_lib.encoding.counting import count_per_gene, unknown_consequences
from gi_lib.encoding.encode import Result, count_variants, encode, list_variants
from gi_lib.encoding.gene_models import REGIONS, GeneModels, Placement, chromosome_names, read_gff3
from gi_lib.encoding.panel import read_panel
from gi_lib.encoding.plan import EncodingError, Settings
from gi_lib.encoding.report import Report
from gi_lib.encoding.tables import Tables

__all__ = [
    "REGIONS",
    "EncodingError",
    "GeneModels",
    "Placement",
    "Report",
    "Result",
    "Settings",
    "Tables",
    "chromosome_names",
    "count_per_gene",
    "count_variants",
    "encode",
    "list_variants",
    "read_gff3",
    "read_panel",
    "unknown_consequences",
]
