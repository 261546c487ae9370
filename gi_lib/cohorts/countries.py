"""Names of countries, in one spelling: that of the list of the 1,135 accessions.

The list of the 1001 Genomes (``accessions_1001g.csv``) writes three letters: those of ISO 3166 (SWE, ESP, USA), for
some countries those of the Olympic Committee (BUL, CRO, DEN, GER, NED, POR, SUI), and UK. AraPheno's list of 2,029
accessions (``lat_long_2029.csv``) mixes English names (Sweden, Spain), US, and the same Olympic letters. Other tables
may write ISO's two or three letters. For all 1,135 accessions the two lists name the same country once
`country_code` has read both.
"""

UNKNOWN = ""
"""Label of an accession of unknown country."""

_OTHER_SPELLINGS = {
    "AFG": ("AF", "Afghanistan"),
    "ALB": ("AL", "Albania"),
    "ARG": ("AR", "Argentina"),
    "ARM": ("AM", "Armenia"),
    "AUS": ("AU", "Australia"),
    "AUT": ("AT", "Austria"),
    "AZE": ("AZ", "Azerbaijan"),
    "BEL": ("BE", "Belgium"),
    "BIH": ("BA", "Bosnia and Herzegovina"),
    "BLR": ("BY", "Belarus"),
    "BUL": ("BG", "BGR", "Bulgaria"),
    "CAN": ("CA", "Canada"),
    "CHN": ("CN", "China"),
    "CPV": ("CV", "Cape Verde", "Cabo Verde"),
    "CRO": ("HR", "HRV", "Croatia"),
    "CYP": ("CY", "Cyprus"),
    "CZE": ("CZ", "Czech Republic", "Czechia"),
    "DEN": ("DK", "DNK", "Denmark"),
    "DZA": ("DZ", "Algeria"),
    "ESP": ("ES", "Spain"),
    "EST": ("EE", "Estonia"),
    "ETH": ("ET", "Ethiopia"),
    "FIN": ("FI", "Finland"),
    "FRA": ("FR", "France"),
    "GEO": ("GE", "Georgia"),
    "GER": ("DE", "DEU", "Germany"),
    "GRC": ("GR", "GRE", "Greece"),
    "HUN": ("HU", "Hungary"),
    "IND": ("IN", "India"),
    "IRL": ("IE", "Ireland"),
    "IRN": ("IR", "Iran"),
    "ISL": ("IS", "Iceland"),
    "ISR": ("IL", "Israel"),
    "ITA": ("IT", "Italy"),
    "JPN": ("JP", "Japan"),
    "KAZ": ("KZ", "Kazakhstan"),
    "KEN": ("KE", "Kenya"),
    "KGZ": ("KG", "Kyrgyzstan"),
    "KOR": ("KR", "South Korea"),
    "LBN": ("LB", "Lebanon"),
    "LBY": ("LY", "LIB", "Libya"),  # LIB is the label of one accession, Mt-0, whose place is in Libya
    "LTU": ("LT", "Lithuania"),
    "LUX": ("LU", "Luxembourg"),
    "LVA": ("LV", "Latvia"),
    "MAR": ("MA", "Morocco"),
    "MDA": ("MD", "Moldova"),
    "MKD": ("MK", "Macedonia", "North Macedonia"),
    "MNE": ("ME", "Montenegro"),
    "MNG": ("MN", "Mongolia"),
    "NED": ("NL", "NLD", "Netherlands", "The Netherlands"),
    "NOR": ("NO", "Norway"),
    "NZL": ("NZ", "New Zealand"),
    "PAK": ("PK", "Pakistan"),
    "POL": ("PL", "Poland"),
    "POR": ("PT", "PRT", "Portugal"),
    "ROU": ("RO", "Romania"),
    "RUS": ("RU", "Russia", "Russian Federation"),
    "RWA": ("RW", "Rwanda"),
    "SRB": ("RS", "Serbia"),
    "SUI": ("CH", "CHE", "Switzerland"),
    "SVK": ("SK", "Slovakia"),
    "SVN": ("SI", "Slovenia"),
    "SWE": ("SE", "Sweden"),
    "SYR": ("SY", "Syria"),
    "TJK": ("TJ", "Tajikistan"),
    "TKM": ("TM", "Turkmenistan"),
    "TUN": ("TN", "Tunisia"),
    "TUR": ("TR", "Turkey", "Türkiye"),
    "TZA": ("TZ", "Tanzania"),
    "UGA": ("UG", "Uganda"),
    "UK": ("GB", "GBR", "United Kingdom", "Great Britain"),
    "UKR": ("UA", "Ukraine"),
    "USA": ("US", "United States", "United States of America"),
    "UZB": ("UZ", "Uzbekistan"),
    "ZAF": ("ZA", "South Africa"),
}
_CODES = {
    spelling.casefold(): code for code, others in _OTHER_SPELLINGS.items() for spelling in (code, *others)
} | dict.fromkeys(("", "unk", "unknown", "na", "nan", "n/a"), UNKNOWN)


def country_code(label: str) -> str:
    """The label of a country as the list of the 1,135 accessions writes it.

    Parameters
    ----------
    label
        A code or an English name; upper and lower case and blanks around it do not matter. An empty label, ``UNK``,
        ``unknown`` and ``NA`` stand for an unknown country, `UNKNOWN`.

    Raises
    ------
    ValueError
        If the label is not known; the same country under two labels would be two countries to every score.

    Examples
    --------
    >>> [country_code(label) for label in ("Sweden", "SE", "GER", "US", "United Kingdom", "UNK")]
    ['SWE', 'SWE', 'GER', 'USA', 'UK', '']
    """
    code = _CODES.get(label.strip().casefold())
    if code is None:
        raise ValueError(
            f"{label!r} is no known country; allowed are English names, the two or three letters of ISO 3166, and "
            "those of the Olympic Committee, such as Germany, DE, DEU or GER."
        )
    return code
