"""One label per country, whichever list it comes from."""

import csv

import pytest

from gi_lib.cohorts import LARGE_COUNTRIES
from gi_lib.cohorts.countries import UNKNOWN, country_code


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("SWE", "SWE"), ("Sweden", "SWE"), ("se", "SWE"), (" sweden ", "SWE"),
        ("GER", "GER"), ("Germany", "GER"), ("DEU", "GER"), ("US", "USA"), ("United States", "USA"),
        ("UK", "UK"), ("GBR", "UK"), ("United Kingdom", "UK"), ("Czech Republic", "CZE"), ("Czechia", "CZE"),
        ("BUL", "BUL"), ("NED", "NED"), ("LIB", "LBY"), ("LBN", "LBN"), ("Türkiye", "TUR"),
        ("", UNKNOWN), ("UNK", UNKNOWN), ("Unknown", UNKNOWN), ("NA", UNKNOWN),
    ],
)  # fmt: skip
def test_every_spelling_gives_one_label(label, code):
    assert country_code(label) == code


def test_labels_stay_what_they_are():
    assert [country_code(code) for code in LARGE_COUNTRIES] == list(LARGE_COUNTRIES)


@pytest.mark.parametrize("label", ["Atlantis", "SW", "Swedn", "U.S."])
def test_an_unknown_label_is_refused(label):
    with pytest.raises(
        ValueError, match=f"'{label}' is no known country; allowed are English names"
    ) as refusal:
        country_code(label)
    assert "\n" not in str(refusal.value)


@pytest.mark.needs("arabidopsis/accessions_1001g.csv", "arabidopsis/lat_long_2029.csv")
def test_both_lists_name_the_same_country_for_all_1135_accessions(mirror):
    with open(mirror / "arabidopsis/accessions_1001g.csv", newline="") as file:
        genomes = {row["id"]: row["Country"] for row in csv.DictReader(file)}
    with open(mirror / "arabidopsis/lat_long_2029.csv", newline="") as file:
        panel = {row["accession_id"]: row["country"] for row in csv.DictReader(file)}
    assert len(genomes) == 1135
    assert len(panel) == 2029
    assert {name: country_code(panel[name]) for name in genomes} == {
        name: country_code(label) for name, label in genomes.items()
    }
    # The labels of the 1,135 are the spelling, so none of them changes; one accession has none.
    assert {label for label in genomes.values() if country_code(label) != label} == {"UNK"}
    assert sum(label != genomes[name] for name, label in panel.items() if name in genomes) > 500
    assert {country_code(label) for label in panel.values()} - {
        country_code(c) for c in genomes.values()
    } == {
        "LBY",
        "NZL",
    }
