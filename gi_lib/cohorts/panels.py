"""Panels for genomic prediction: rice, mouse, wheat and maize, each with the dosage of every marker and no genes.

``rice``
    413 accessions of Zhao et al. 2011 (doi 10.1038/ncomms1467), 36,901 SNPs, 34 traits and two more years of flowering.
``maize``
    685 hybrids of 60 dent and 43 flint lines, Westhues et al. 2019 (doi 10.1007/s00122-018-03273-1), 15,318 SNPs,
    seven traits, and the expression of 1,323 genes in the leaves of their parents.
``mouse``
    1,940 mice of a heterogeneous stock, Valdar et al. 2006 (doi 10.1038/ng1840), 12,545 SNPs, two
    traits, one of them with and without the difference between the sexes.
``shoot-branching``
    Simulated plants whose trait is a non-linear function of four signals; see
    `gi_lib.datasets.simulate.simulate_shoot_branching`.
``simulated``
    The genomes and traits of the simulated cohort, without its genes.
``wheat``
    599 lines of CIMMYT, Crossa et al. 2010 (doi 10.1534/genetics.110.118521), 1,279 markers, four environments.

Rice and mouse are the panels of Mathew et al. 2022.
"""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import rdata
import xarray as xr

from gi_lib.cohorts import load_cohort
from gi_lib.cohorts.store import CODE, hash_recipe, is_own, keep_cohort
from gi_lib.datasets.cohort import MISSING_DOSAGE, open_cohort, save_cohort, validate_cohort
from gi_lib.datasets.r_data import matrix, read_rda
from gi_lib.datasets.registry import fetch, is_available
from gi_lib.datasets.simulate import simulate_shoot_branching

PANELS = {"simulated": "simulated", "shoot-branching": "simulated"}
"""Name and kind of data of every panel; `_reads` adds the real ones."""

FILES: dict[str, tuple[str, ...]] = {}
"""Data files of every real panel, as the registry names them."""

_READERS: dict[str, Callable[[], xr.Dataset]] = {}


def _reads(*files: str) -> Callable[[Callable[[], xr.Dataset]], Callable[[], xr.Dataset]]:
    """Make a function the reader of the real panel that has its name, from data files of the registry."""

    def enter(reader: Callable[[], xr.Dataset]) -> Callable[[], xr.Dataset]:
        name = reader.__name__
        PANELS[name], FILES[name], _READERS[name] = "real", files, reader
        return reader

    return enter


TABLE_1 = {
    "ARK": ("rice", "Flowering_time_at_Arkansas"),
    "ABR": ("rice", "Flowering_time_at_Aberdeen"),
    "FAD": ("rice", "Flowering_time_at_Faridpur"),
    "AMY": ("rice", "Protein_content"),
    "amylose": ("rice", "Amylose_content"),
    "weight": ("mouse", "weight_within_sex"),
    "raw weight": ("mouse", "weight"),
}
"""Panel and trait behind the columns of Mathew et al. 2022, Table 1, as far as the published numbers tell.

AMY is protein content, *amylose* what it would seem to be. GBLUP reaches the published correlation on weight within
sex, and a much higher one on the *raw weight*.
"""


MAIZE_TRAITS = {
    "GTM": "dry_matter_yield",
    "GTS": "dry_matter_content",
    "ADL": "lignin",
    "FETT": "fat",
    "RPR": "protein",
    "STA": "starch",
    "XZ": "sugar",
}
"""Our names for the traits of the file, whose German abbreviations its repository does not explain."""


def one_trait(panel: xr.Dataset, trait: str) -> xr.Dataset:
    """The panel with one trait and the samples that have a label of it.

    Raises
    ------
    ValueError
        If the panel has no such trait.
    """
    if trait not in panel["trait"].values:
        raise ValueError(
            f"The panel '{panel.attrs.get('name')}' has no trait {trait!r}; it has {', '.join(panel['trait'].values)}."
        )
    alone = panel.sel(trait=[trait])
    return alone.isel(sample=np.flatnonzero(alone["trait_value"].notnull().any("trait")))


def one_gene_per_marker(panel: xr.Dataset) -> xr.Dataset:
    """A panel as a cohort with counts, so that networks of genes can read it: each marker is a gene of its own.

    The dosage counts as the number of variants of one type; a missing one counts as none. Genes are named by chromosome
    and place in the order of the markers, as `gi_lib.datasets.simulate.shoot_branching.signal_edges` does.
    """
    dosage = panel["dosage"].values
    counts = np.where(dosage == MISSING_DOSAGE, 0, dosage).astype(np.uint8)[:, :, None]
    genes = np.array([f"{name}:{i}" for i, name in enumerate(panel["chromosome"].values)])
    return validate_cohort(
        panel.assign(counts=(("sample", "gene", "variant_type"), counts)).assign_coords(
            gene=genes,
            variant_type=["nonsynonymous"],
            gene_chromosome=("gene", panel["chromosome"].values),
            gene_start=("gene", panel["position"].values),
            gene_end=("gene", panel["position"].values),
        )
    )


def load_panel(name: str, scale: str = "demo", seed: int = 1) -> xr.Dataset:
    """Load a panel, made at the first call and kept as Zarr in the cache.

    Parameters
    ----------
    name
        One of `PANELS`, or a folder ``NAME.zarr`` with dosages. ``simulated`` has the dosages and traits of the
        simulated cohort.
    scale, seed
        Of a simulated panel; ``shoot-branching`` has one size.

    Returns
    -------
    xarray.Dataset
        See `gi_lib.datasets.cohort`. Besides, ``population (sample)``: the sub-population of rice, the set of lines of
        wheat, the simulated country; empty for the others.

    Raises
    ------
    ValueError
        If the name is unknown.
    DataUnavailable
        If a file cannot be had.
    DataError
        If a file is not what it should be.
    CohortError
        If a folder is no cohort, or has no dosages.
    """
    if is_own(name):
        panel = open_cohort(name, needs="dosage")
        return panel if "population" in panel else panel.assign_coords(population=panel["country"])
    if name not in PANELS:
        raise ValueError(f"panel is {name!r}; allowed are {', '.join(PANELS)}, or a folder NAME.zarr.")
    if name == "simulated":
        cohort = load_cohort(name, scale, seed)
        whole = cohort[["dosage", "trait_value"]].drop_dims("gene", errors="ignore")
        return whole.assign_coords(population=cohort["country"])
    if name == "shoot-branching":
        return simulate_shoot_branching(seed=seed)
    sources = [CODE / "datasets/cohort.py", CODE / "datasets/r_data.py"]
    recipe = hash_recipe(sources, FILES[name], Path(__file__).read_bytes())
    return keep_cohort(f"{name}-{recipe[:12]}", lambda path: save_cohort(_READERS[name](), path))


def resolve_panel(name: str = "auto", real: str = "rice", stand_in: str = "simulated") -> str:
    """The panel that ``auto`` stands for: the real one if its files can be had, else a simulated one."""
    if name != "auto":
        return name
    return real if is_panel_available(real) else stand_in


def is_panel_available(name: str) -> bool:
    """Whether a panel's files can be had; simulated ones have none."""
    return is_available(*FILES.get(name, ()))


@_reads(
    "rice/RICE.RData",
    "rice/RiceDiversity_44K_Phenotypes_34traits_PLINK.txt",
    "rice/RiceDiversity.44K.germplasm.csv",
    "rice/sativas413.map",
)
def rice() -> xr.Dataset:
    """Read the rice panel.

    Dosages are 0 or 2: accessions are inbred. Missing calls were filled with the more frequent allele by those who
    published the copy. The trait whose published name is "Protein content" keeps it; Mathew et al. 2022 call it AMY.
    """
    members = _members("rice/RICE.RData", "RICE")
    dosage, (samples, markers) = matrix(*members["RiceGenoN"])
    if set(np.unique(dosage)) != {-1, 1}:
        raise ValueError("RICE.RData holds other genotypes than -1 and 1.")
    number = [int(re.fullmatch(r"NSFTV_(\d+)", sample)[1]) for sample in samples]
    places = pd.read_table(
        fetch("rice/sativas413.map"), header=None, names=["chromosome", "marker", "centimorgan", "position"]
    )
    traits = pd.read_table(fetch("rice/RiceDiversity_44K_Phenotypes_34traits_PLINK.txt"))
    traits = traits.set_index("NSFTVID").drop(columns="HybID").loc[number].set_axis(samples)
    germplasm = pd.read_csv(
        fetch("rice/RiceDiversity.44K.germplasm.csv"), encoding="latin-1", na_values="Not available"
    )
    germplasm = germplasm.drop_duplicates("NSFTV.ID").set_index("NSFTV.ID").loc[number]
    return _panel(
        "rice",
        "413 rice accessions of Zhao et al. 2011, 36,901 SNPs.",
        dosage + 1,
        places.set_index("marker").loc[markers],
        traits.rename(columns=lambda name: re.sub(r"\W+", "_", name.strip())),
        country=germplasm["Country.of.origin"],
        population=germplasm["Sub-population"],
        latitude=germplasm["Latitude"],
        longitude=germplasm["Longitude"],
    )


@_reads("mouse/mice.RData")
def mouse() -> xr.Dataset:
    """Read the mouse panel: genotyped animals, the weight at six weeks (g) and the slope of growth.

    Males are heavier, and markers of the X chromosome tell the sex. ``weight_within_sex`` is the weight less the mean
    of all animals of the same sex: two numbers learned from 1,928 labels. Positions are on the genetic map, in
    millionths of a centimorgan.
    """
    members = _members("mouse/mice.RData", "mice", coded=True)
    (calls, attributes), (values, of_values) = members["geno"], members["pheno"]
    codes, (samples, _) = matrix(calls.codes, attributes)
    animals, names, _ = (np.asarray(one) for one, _ in of_values["dimnames"][0])
    traits = pd.DataFrame(values.reshape(len(animals), -1, order="F"), animals, names)
    covariates, of_covariates = members["covar"]  # in the order of the animals
    sex = np.asarray(covariates[list(of_covariates["names"][0]).index("sex")][0])
    traits = traits.loc[np.asarray(samples)]
    by_sex = traits["weight"].groupby(pd.Series(sex, animals).loc[traits.index].to_numpy())
    traits["weight_within_sex"] = traits["weight"] - by_sex.transform("mean")
    chromosome, centimorgan = (column for column, _ in members["map"][0])
    return _panel(
        "mouse",
        "1,940 heterogeneous stock mice of Valdar et al. 2006, 12,545 SNPs.",
        _copies(codes, np.asarray(calls.categories)),
        pd.DataFrame({"chromosome": np.asarray(chromosome), "position": np.round(centimorgan * 1e6)}),
        traits,
    )


@_reads("wheat/wheat.RData")
def wheat() -> xr.Dataset:
    """Read the wheat panel: yield in four environments, standardised by its authors.

    A DArT marker is there or not; with inbred lines that is dosage 2 or 0.
    """
    path = fetch("wheat/wheat.RData")
    dosage, (_, markers) = matrix(*read_rda(path, "wheat.X"))
    values, (samples, names) = matrix(*read_rda(path, "wheat.Y"))
    sets, _ = read_rda(path, "wheat.sets")
    return _panel(
        "wheat",
        "599 wheat lines of Crossa et al. 2010, 1,279 DArT markers.",
        2 * dosage,
        pd.DataFrame({"chromosome": "", "position": 0}, index=markers),
        pd.DataFrame(values, samples, [f"yield_environment_{name}" for name in names]),
        population=sets,
    )


@_reads("maize/snp_matrix.RDS", "maize/mrna.RDS", "maize/agro_tibble.RDS")
def maize() -> xr.Dataset:
    """Read the maize panel: hybrids of a dent and a flint line, both with measured expression.

    The two lines are inbred, so a hybrid's dosage is the sum of their alleles. ``entity_value (sample, entity)`` is the
    mean expression of both parents, what a hybrid has if the effects of its alleles add up; nobody measured that of the
    hybrids. Coordinates ``mother`` (dent) and ``father`` (flint) name the parents. Of 15,318 SNPs those whose name
    tells the chromosome are put in the order of their names; the place of the others is not known.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Missing constructor for R class")  # a tibble is a data frame
        traits = rdata.read_rds(fetch("maize/agro_tibble.RDS"))
    traits = traits.pivot(index="Genotype", columns="Trait", values="Value")
    snps, expression = (rdata.read_rds(fetch(f"maize/{name}.RDS")) for name in ("snp_matrix", "mrna"))
    parents = pd.DataFrame([name.split("_")[1:] for name in traits.index], columns=["mother", "father"])
    measured = parents.isin(expression["dim_0"].values).all(axis=1).to_numpy()
    traits, parents = traits[measured], parents[measured]
    dosage, levels = (
        sum(table.sel(dim_0=parents[parent].to_numpy(str)).values for parent in parents)
        for table in (snps, expression)
    )
    named = [re.fullmatch(r"PZE_1(\d\d)(\d{6})", name) for name in snps["dim_1"].values.tolist()]
    places = pd.DataFrame(
        {
            "chromosome": [str(int(name[1])) if name else "" for name in named],
            "position": [int(name[2]) if name else 0 for name in named],
        }
    )
    panel = _panel(
        "maize",
        f"{len(traits):,} maize hybrids of Westhues et al. 2019, {len(places):,} SNPs, expression of "
        f"{expression.sizes['dim_1']:,} genes in their parents.",
        dosage,
        places,
        traits.rename(columns=MAIZE_TRAITS).astype(float),
    )
    return validate_cohort(
        panel.assign(entity_value=(("sample", "entity"), levels / 2)).assign_coords(
            entity=expression["dim_1"].values.astype(str),
            mother=("sample", parents["mother"].to_numpy(str)),
            father=("sample", parents["father"].to_numpy(str)),
        )
    )


def _members(file: str, name: str, coded: bool = False) -> dict[str, tuple]:
    """Members of a list in an ``.rda`` file, with their attributes."""
    values, attributes = read_rda(fetch(file), name, coded)
    return dict(zip(attributes["names"][0], values, strict=True))


def _copies(codes: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Copies of the allele that comes second in the alphabet, from codes of calls such as A/G; -1 is missing.

    Raises
    ------
    ValueError
        If a marker has more than two alleles, or a call is none.
    """
    alleles = sorted({allele for kind in kinds for allele in kind.split("/")})
    if not all(re.fullmatch("[ACGT]/[ACGT]", kind) for kind in kinds):
        raise ValueError(f"Calls are {', '.join(kinds)}; needed are two of A, C, G and T, such as A/G.")
    # How often each call has each allele; the last row is that of a missing one.
    has = np.array(
        [[kind.split("/").count(allele) for allele in alleles] for kind in kinds] + [[0] * len(alleles)]
    )
    present = np.stack([(copies[codes] > 0).any(axis=0) for copies in has.T])  # (allele, marker)
    if (present.sum(axis=0) > 2).any():
        raise ValueError(
            f"Marker number {int(np.argmax(present.sum(axis=0) > 2))} has more than two alleles."
        )
    counted = len(alleles) - 1 - present[::-1].argmax(axis=0)  # the last one that is there
    dosage = has[codes, counted].astype(np.uint8)
    dosage[codes < 0] = MISSING_DOSAGE
    return dosage


def _panel(
    name: str, source: str, dosage: np.ndarray, markers: pd.DataFrame, traits: pd.DataFrame, **known
) -> xr.Dataset:
    """A panel with its markers in the order of the genome.

    `markers` has the columns chromosome and position, `traits` the samples as its index; `known` are country,
    population, latitude and longitude of each sample, as far as they are.
    """
    chromosome = markers["chromosome"].to_numpy(str)
    position = markers["position"].to_numpy(np.int64)
    numbered = pd.to_numeric(markers["chromosome"].astype(str), errors="coerce").fillna(
        np.inf
    )  # X after the numbers
    order = np.lexsort((position, numbered))
    samples = pd.DataFrame({key: np.asarray(values) for key, values in known.items()}, index=traits.index)
    samples = samples.reindex(columns=["country", "population", "latitude", "longitude"])
    texts = samples[["country", "population"]].astype(object).fillna("").astype(str)
    return validate_cohort(
        xr.Dataset(
            {
                "dosage": (("sample", "marker"), dosage[:, order].astype(np.uint8)),
                "trait_value": (("sample", "trait"), traits.to_numpy(float)),
            },
            coords={
                "sample": traits.index.to_numpy(str),
                "trait": traits.columns.to_numpy(str),
                "chromosome": ("marker", chromosome[order]),
                "position": ("marker", position[order]),
                **{column: ("sample", texts[column].to_numpy(str)) for column in texts},
                **{
                    column: ("sample", samples[column].to_numpy(float))
                    for column in ("latitude", "longitude")
                },
            },
            attrs={"name": name, "data_kind": "real", "source": source},
        )
    )
