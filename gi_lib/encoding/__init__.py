"""From genomes to gene × variant-type counts (Raimondi et al. 2024, *Methods*)."""

from gi_lib.encoding.counting import count_per_gene, unknown_consequences
from gi_lib.encoding.gene_models import REGIONS, GeneModels, Placement, chromosome_names, read_gff3
from gi_lib.encoding.vcf import SNPEFF_TYPES, VcfError, encode_vcf, read_effects

__all__ = [
    "REGIONS",
    "SNPEFF_TYPES",
    "GeneModels",
    "Placement",
    "VcfError",
    "chromosome_names",
    "count_per_gene",
    "encode_vcf",
    "read_effects",
    "read_gff3",
    "unknown_consequences",
]
