"""What became of every record and allele of an encoding."""

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

NO_COUNTERPART = "no counterpart among the 17 types"
NO_GENE = "intergenic, and no gene named"
NOT_IN_GFF3 = "gene not in the GFF3"
NOT_CARRIED = "carried by no accession"
RARE = "minor allele frequency"
STAR = "star allele"
SYMBOLIC = "symbolic allele"
DUPLICATE = "duplicate of another record"
NOT_ANNOTATED = "not annotated"
UNKNOWN_CONTIG = "contig not in the GFF3"
FILTERED = "FILTER is not PASS"
LOW_QUALITY = "QUAL too low or missing"
NO_ALTERNATIVE = "no alternative allele"


@dataclass
class Report:
    """Tallies of an encoding; reports of stretches add up.

    Every record is either left out or gives its alternative alleles; every allele is either used or left out, so
    that ``alleles == used + sum(alleles_left_out.values())``.

    Attributes
    ----------
    records, alleles, used : int
        Records read; alternative alleles of the records that were not left out; alleles that count somewhere.
    calls, missing_calls, half_calls : int
        Genotypes in these records; those with no copy called; those with some but not all.
    records_left_out, alleles_left_out : dict
        Number by reason.
    without_counterpart : dict
        Effects by the annotator's term that are none of the 17 types, also where another effect of the
        same allele counts.
    per_type : dict
        Pairs of allele and gene that count, by variant type.
    per_chromosome : dict
        Alleles used, by chromosome.
    """

    records: int = 0
    alleles: int = 0
    used: int = 0
    calls: int = 0
    missing_calls: int = 0
    half_calls: int = 0
    records_left_out: Counter[str] = field(default_factory=Counter)
    alleles_left_out: Counter[str] = field(default_factory=Counter)
    without_counterpart: Counter[str] = field(default_factory=Counter)
    per_type: Counter[str] = field(default_factory=Counter)
    per_chromosome: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Report") -> None:
        """Add the tallies of another report to this one."""
        for entry in dataclasses.fields(self):
            setattr(self, entry.name, getattr(self, entry.name) + getattr(other, entry.name))

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers and dictionaries, in a fixed order."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return {
            name: {k: int(n) for k, n in sorted(value.items()) if n}
            if isinstance(value, dict)
            else int(value)
            for name, value in values.items()
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Report":
        """The inverse of `to_dict`."""
        return cls(**{k: Counter(v) if isinstance(v, dict) else v for k, v in plain.items()})

    def lines(self) -> list[tuple[str, int]]:
        """Label and number of everything that is not zero, for a person to read."""
        rows = [("records", self.records)]
        rows += [(f"  left out: {reason}", n) for reason, n in sorted(self.records_left_out.items())]
        rows += [("alternative alleles", self.alleles), ("  used", self.used)]
        rows += [(f"  left out: {reason}", n) for reason, n in sorted(self.alleles_left_out.items())]
        rows += [
            ("genotypes", self.calls),
            ("  missing", self.missing_calls),
            ("  half missing", self.half_calls),
        ]
        if self.without_counterpart:
            rows.append(("effects without a counterpart", sum(self.without_counterpart.values())))
            rows += [(f"  {term}", n) for term, n in self.without_counterpart.most_common()]
        rows.append(("counted, by type", sum(self.per_type.values())))
        rows += [(f"  {name}", n) for name, n in self.per_type.most_common()]
        rows += [(f"used on chromosome {name}", n) for name, n in sorted(self.per_chromosome.items())]
        return [(label, number) for label, number in rows if number or not label.startswith("  ")]
