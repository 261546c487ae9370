"""The 199 accessions of Atwell et al. 2010, for transfer learning on real data.

The task is the leaf ionome, 18 elements measured in 93 of the accessions; the source task is all else that was measured
on the 199. So few accessions say little about a method, but they are real.
"""

import numpy as np
import pandas as pd
import xarray as xr

from gi_lib.cohorts import arabidopsis
from gi_lib.cohorts.countries import country_code
from gi_lib.datasets.cohort import validate_cohort
from gi_lib.datasets.registry import fetch

PLACES = "arabidopsis/lat_long_2029.csv"
FILES = (*arabidopsis.FILES, PLACES)

ELEMENTS = (
    "Li7", "B11", "Na23", "Mg25", "P31", "S34", "K39", "Ca43", "Mn55", "Fe56", "Co59", "Ni60", "Cu65", "Zn66",
    "As75", "Se82", "Mo98", "Cd114",
)  # fmt: skip
"""Elements of the leaf ionome, by symbol and mass number."""


def atwell() -> xr.Dataset:
    """Build the cohort of Atwell et al. 2010.

    Returns
    -------
    xarray.Dataset
        199 accessions with genomes as in the cohort ``arabidopsis``. ``trait_value``: 18 elements in leaves, named
        ``Na23_leaf``, in 93 accessions. ``source_trait_value``: the other 89 traits of the study, and
        ``flowering_time_16C`` of 99 accessions. Countries in the spelling of `country_code`.

    Raises
    ------
    DataError
        If a file cannot be had or is not the pinned one.
    """
    traits, places = arabidopsis.read_atwell(), read_places()
    genomes = arabidopsis.encode_snps(traits.index)
    traits = traits.loc[genomes["sample"].values]
    ionome = traits[list(ELEMENTS)]
    source = traits.drop(columns=list(ELEMENTS)).join(arabidopsis.read_flowering_time())
    places = places.reindex(traits.index)
    return validate_cohort(
        genomes.assign(
            trait_value=(("sample", "trait"), ionome.to_numpy(float)),
            source_trait_value=(("sample", "source_trait"), source.to_numpy(float)),
        )
        .assign_coords(
            trait=np.array([f"{element}_leaf" for element in ELEMENTS]),
            source_trait=source.columns.to_numpy(str),
            country=("sample", places["country"].to_numpy(str)),
            latitude=("sample", places["latitude"].to_numpy(float)),
            longitude=("sample", places["longitude"].to_numpy(float)),
        )
        .assign_attrs(
            name="atwell",
            data_kind="real",
            source=f"{len(traits)} accessions of Atwell et al. 2010: 22,000 SNPs placed on TAIR10 genes by region; "
            f"leaf ionome of {int(ionome.notna().any(axis=1).sum())} accessions; as source task their other traits and "
            "flowering time at 16 °C.",
        )
    )


def read_places() -> pd.DataFrame:
    """Country, latitude and longitude by ecotype number.

    Those of the 1,135 accessions come from the list of the 1001 Genomes, the others from that of the panel of 2,029.
    """
    genomes = arabidopsis.read_accessions()[["Country", "Lat", "Long"]]
    genomes.columns = ["country", "latitude", "longitude"]
    panel = pd.read_csv(fetch(PLACES), dtype={"accession_id": str}).set_index("accession_id")
    others = panel.loc[~panel.index.isin(genomes.index), genomes.columns]
    places = pd.concat([genomes, others])
    return places.assign(country=places["country"].map(country_code))
