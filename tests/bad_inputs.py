"""What a user may get wrong, and the sentence that answers it: one row for each bad input.

``python tests/bad_inputs.py`` prints the table: area, input, error and message, as they are today.

A row says the area, what is wrong, what is called, the type of the error (or the exit code of a command), and words
that the message must hold: what, where, and what is allowed. `tests/test_bad_inputs.py` holds every row to it. A new
reader, estimator, command or parameter gets rows here.
"""

import gzip
import io
import lzma
import os
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
import xarray as xr
import yaml
from typer.testing import CliRunner

from gi_lib import notebook
from gi_lib.cli import app
from gi_lib.cohorts import load_cohort
from gi_lib.cohorts.arapheno import read_arapheno
from gi_lib.cohorts.countries import country_code
from gi_lib.cohorts.ionome import read_tissue
from gi_lib.cohorts.panels import one_trait
from gi_lib.datasets import registry
from gi_lib.datasets.cohort import CohortError, open_cohort, save_cohort, validate_cohort
from gi_lib.datasets.pathways import Edges, connect, read_go, read_mapman
from gi_lib.datasets.registry import DataError, DataUnavailable
from gi_lib.encoding import EncodingError, Settings, Tables, count_variants, read_gff3, read_panel
from gi_lib.encoding.gene_models import GeneModelError
from gi_lib.encoding.sources import SourceError
from gi_lib.evaluation import (
    classification_scores,
    correlation_differences,
    correlations,
    decompose_correlations,
    resampled_test,
    upper_bounds,
    variance_between_countries,
)
from gi_lib.evaluation.structure import shares_between_countries
from gi_lib.models import (
    GBLUP,
    RKHS,
    BayesianRegression,
    CountryMean,
    ElasticNet,
    gradient_boosting,
    map_neighbours,
    ridge,
)
from gi_lib.notebook import ParameterError
from gi_lib.sweep import SweepError, read_sweep
from gi_lib.training import (
    BINNRegressor,
    BMSNNRegressor,
    FineTunedGalianaRegressor,
    FrozenGalianaRegressor,
    GalianaClassifier,
    GalianaRegressor,
    GPSNNRegressor,
    NeuralLassoRegressor,
)
from gi_lib.tuning import Tuned
from gi_lib.validation import (
    CountryFolds,
    Model,
    ParentFolds,
    RandomFolds,
    RegionFolds,
    classify_countries,
    cross_validate,
)


class Exit(Exception):
    """A command ended with an exit code, and this on stderr."""

    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.code = code


class Case(NamedTuple):
    """A row of the table."""

    area: str
    wrong: str
    call: Callable[[Path], object]
    error: type[Exception] | int
    names: tuple[str, ...]

    def run(self, folder: Path) -> Exception:
        """The error that the input gives; `folder` is empty and its own."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.call(folder)
        except Exception as error:
            return error
        raise AssertionError(f"{self.area}, {self.wrong}: nothing was refused.")


CASES: list[Case] = []


def bad(area: str, wrong: str, call: Callable[[Path], object], error: type[Exception] | int, *names: str):
    """Add a row."""
    CASES.append(Case(area, wrong, call, error, names))


# --------------------------------------------------------------------------------- what inputs are made of


def put(folder: Path, name: str, content: str | bytes) -> Path:
    """A file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def directory(folder: Path, name: str) -> Path:
    """A folder where a file is expected."""
    (folder / name).mkdir()
    return folder / name


def secret(path: Path) -> Path:
    """The file without the right to read it."""
    path.chmod(0)
    return path


def gi(*arguments: object) -> None:
    """Run a command of the command line in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code:
        raise Exit(result.exit_code, result.stderr.strip())


JUNK = bytes(np.random.default_rng(0).integers(0, 256, 4096, np.uint8))
ANN = "ANN=T|missense_variant|MODERATE|G1|G1|transcript|T1|protein_coding|1/1|c.1A>T|p.M1L|1/9|1/9|1/3||"
INFOS = {
    "ANN": "",
    "EFF": "",
    "BCSQ": "",
    "CSQ": "Consequence annotations. Format: Allele|Consequence|Gene",
    "Func.refGene": "",
    "Gene.refGene": "",
    "ExonicFunc.refGene": "",
}


def vcf(
    folder: Path,
    info: str = ANN,
    call: str = "0|1",
    line: str = "",
    samples: str = "s1 s2",
    kind: str = "ANN",
) -> Path:
    """A VCF of one good record and another with this INFO and genotype, or a `line` as it is."""
    header = ["##fileformat=VCFv4.2", "##contig=<ID=1>"]
    declared = [key for key in INFOS if key.split(".")[-1] == kind] if kind != "none" else []
    header += [f'##INFO=<ID={key},Number=.,Type=String,Description="{INFOS[key]}">' for key in declared]
    names = samples.split()
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]
    record = ["1", "5", ".", "A", "T", "9", "PASS", info, "GT", *[call] * len(names)]
    return put(folder, "x.vcf", "\n".join([*header, "\t".join(columns), line or "\t".join(record)]) + "\n")


def counted(path: Path, **settings: object) -> object:
    return count_variants(path, Settings(**settings))


def tabbed(line: str) -> str:
    """The words of a line, as columns."""
    return "\t".join(line.split())


def gff3(folder: Path, *lines: str, name: str = "x.gff3") -> Path:
    return put(folder, name, "\n".join(["##gff-version 3", *lines]) + "\n")


GENE = "1\tx\tgene\t1\t90\t.\t+\t.\tID=G1"
TRANSCRIPT = "1\tx\tmRNA\t1\t90\t.\t+\t.\tID=T1;Parent=G1"


def archive(folder: Path, content: bytes | None, cut: int | None = None) -> Path:
    """Gene models as a tar.xz, cut after so many bytes."""
    with tarfile.open(folder / "x.gff3.tar.xz", "w:xz") as tar:
        if content is not None:
            entry = tarfile.TarInfo("x.gff3")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return put(folder, "x.gff3.tar.xz", (folder / "x.gff3.tar.xz").read_bytes()[:cut])


def plink(
    folder: Path, fam: str = "f\ta\t0\t0\t0\t0\nf\tb\t0\t0\t0\t0\n", bed: bytes = b"\x6c\x1b\x01\x00"
) -> Path:
    put(folder, "x.fam", fam)
    put(folder, "x.bim", "1\tm\t0\t5\tA\tT\n")
    return put(folder, "x.bed", bed)


def csv_panel(folder: Path, text: str = "sample,1:5\na,0\nb,2\n", **tables: str) -> object:
    """A panel from a CSV, with tables given by their text."""
    given = {name: str(put(folder, f"{name}.csv", content)) for name, content in tables.items()}
    return read_panel([put(folder, "x.csv", text)], Tables(**given))


def zipped(folder: Path, **files: str) -> Path:
    with zipfile.ZipFile(folder / "x.zip", "w") as file:
        for name, text in files.items():
            file.writestr(name.replace("__", "/") + ".csv", text)
    return folder / "x.zip"


def manifest(folder: Path, text: str | bytes | None = None, content: bytes = b"x", **changes: object) -> None:
    """Fetch the one file of a manifest with these changes; `content` is what the mirror has."""
    file = {
        "content": "c.",
        "read": "r.",
        "licence": "CC0-1.0",
        "url": "https://example.invalid/a",
        "bytes": 1,
    }
    file |= {"sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"} | changes
    whole = {"dataset": "toy", "title": "T", "summary": "S.", "citation": "C.", "doi": "10.1234/t"}
    file = {name: value for name, value in file.items() if value is not None}
    put(
        folder,
        "manifests/toy.yaml",
        text if text is not None else yaml.safe_dump(whole | {"files": {"a.csv": file}}),
    )
    put(folder, "mirror/toy/a.csv", content)
    folders = {"GI_MANIFEST_DIR": "manifests", "GI_DATA_MIRROR": "mirror", "GI_CACHE_DIR": "cache"}
    with mock.patch.dict(os.environ, {name: str(folder / place) for name, place in folders.items()}):
        registry.fetch("toy/a.csv")


N = 12
RNG = np.random.default_rng(0)
DOSAGE = RNG.integers(0, 3, (N, 6)).astype(float)
COUNTS = RNG.integers(0, 3, (N, 4, 2)).astype(np.uint8)
PLACES = np.column_stack([RNG.uniform(40, 60, N), RNG.uniform(0, 30, N)])
SOURCE, TRAIT = RNG.normal(size=(N, 2)), RNG.normal(size=N)
MISSING, CONSTANT = np.full(N, np.nan), np.ones(N)
EDGES = Edges(np.arange(6), np.repeat([0, 1], 3), list("abcdef"), ["E", "F"])
PATHWAYS = (connect(list("wxyz"), pd.DataFrame({"gene": list("wxyz"), "pathway": list("ppqq")})),)
QUICK = {"epochs": 1, "device": "cpu"}


def with_one(array: np.ndarray, value: float) -> np.ndarray:
    """The array with one other value, in accession number 3."""
    changed = array.astype(float) if isinstance(value, float) else array.astype(np.int64)
    changed[(3,) + (0,) * (array.ndim - 1)] = value
    return changed


def cohort(**changes: object) -> xr.Dataset:
    """A cohort of two traits, with variables or coordinates replaced."""
    made = xr.Dataset(
        {
            "counts": (("sample", "gene", "variant_type"), COUNTS),
            "dosage": (("sample", "marker"), DOSAGE.astype(np.uint8)),
            "trait_value": (("sample", "trait"), np.column_stack([TRAIT, TRAIT[::-1]])),
        },
        coords={
            "sample": [f"s{i}" for i in range(N)],
            "gene": list("wxyz"),
            "variant_type": ["stopgain", "UTR3"],
            "trait": ["height", "Na23"],
            "country": ("sample", np.array(["SWE", "ESP"] * (N // 2))),
            "latitude": ("sample", PLACES[:, 0]),
            "longitude": ("sample", PLACES[:, 1]),
            "gene_chromosome": ("gene", ["1"] * 4),
            "gene_start": ("gene", np.arange(4)),
            "gene_end": ("gene", np.arange(4)),
            "chromosome": ("marker", ["1"] * 6),
            "position": ("marker", np.arange(6)),
        },
        attrs={"name": "toy", "data_kind": "simulated", "source": "toy."},
    )
    for name, value in changes.items():
        made[name] = (made[name].dims, np.asarray(value))
    return made


def validated(models: list[Model] | None = None, split: object = None, **changes: object) -> pd.DataFrame:
    models = [Model("GBLUP", GBLUP(), "dosage")] if models is None else models
    return cross_validate(cohort(**changes), models, split or RandomFolds(3), cached=False)


def traits(second: object) -> np.ndarray:
    """Labels of which those of the second trait are all this."""
    return np.column_stack([TRAIT, np.full(N, second, float)])


def predictions(**changes: object) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "sample": [f"s{i}" for i in range(N)],
            "trait": "height",
            "model": "GBLUP",
            "split": "random",
            "fold": 0,
        }
    )
    return table.assign(repeat=0, seed=1, observed=TRAIT, predicted=TRAIT, country="SWE").assign(**changes)


def stored(folder: Path, damage: Callable[[Path], object]) -> object:
    """A cohort of a store that was damaged after it was written."""
    path = save_cohort(cohort(), folder / "x.zarr")
    damage(path)
    return open_cohort(path)


def start(folder: Path, limits: dict | None = None, **values: object) -> object:
    """A notebook that is called with these parameters."""
    types = {
        "cohort": str,
        "panel": str,
        "scale": str,
        "seed": int,
        "device": str,
        "results_dir": str,
        "rate": float,
    }
    defaults = {
        "cohort": "auto",
        "scale": "demo",
        "seed": 1,
        "device": "cpu",
        "results_dir": str(folder / "out"),
    }
    return notebook.start("toy", {"__annotations__": types, **defaults, **values}, limits)


def swept(folder: Path, text: str) -> object:
    return read_sweep(put(folder, "x.yaml", text))


class Unnamed(GBLUP):
    """An estimator with a setting that cannot be written down."""

    def __init__(self, n_covariates=0, choose=None):
        super().__init__(n_covariates)
        self.choose = choose


class Silent(GBLUP):
    """An estimator that predicts no numbers."""

    def predict(self, X):
        return super().predict(X) * np.nan


# ----------------------------------------------------------------------------------------------- the table
# fmt: off

A = "VCF"
bad(A, "missing file", lambda at: counted(at / "x.vcf"), EncodingError, "There is no file", "x.vcf")
bad(A, "empty file", lambda at: counted(put(at, "x.vcf", "")), EncodingError, "x.vcf", "##fileformat")
bad(A, "binary junk", lambda at: counted(put(at, "x.vcf", JUNK)), EncodingError, "x.vcf", "allowed are VCF")
bad(A, "a folder that is no store", lambda at: counted(directory(at, "x.vcf")),
    EncodingError, "not a VCF Zarr store")
bad(A, "a Zarr store without samples", lambda at: counted(save_cohort(cohort(), at / "x.vcz")),
    EncodingError, "x.vcz", "not a VCF Zarr store")
bad(A, "gzip cut short",
    lambda at: counted(put(at, "x.vcf.gz", gzip.compress(vcf(at).read_bytes() * 200)[:-40])),
    EncodingError, "x.vcf.gz", "cut short")
bad(A, "no permission to read", lambda at: counted(secret(vcf(at))), PermissionError, "x.vcf")
bad(A, "a sample twice", lambda at: counted(vcf(at, samples="s1 s1")),
    EncodingError, "'s1' stands twice", "x.vcf")
bad(A, "no samples", lambda at: counted(vcf(at, samples="")), EncodingError, "x.vcf has no samples")
bad(A, "a row too short", lambda at: counted(vcf(at, line="1\t5\t.\tA")),
    EncodingError, "line 5", "11 (2 samples)")
bad(A, "a position in words",
    lambda at: counted(vcf(at, line=tabbed("1 five . A T 9 PASS . GT 0|1 0|0"))),
    EncodingError, "line 5", "'five'", "needed are numbers")
bad(A, "a genotype in letters", lambda at: counted(vcf(at, call="A/T")),
    EncodingError, "'A/T'", "allowed are", "0|1")
bad(A, "no annotation, no genes", lambda at: counted(vcf(at, kind="none")),
    EncodingError, "x.vcf", "give a GFF3")
bad(A, "an annotation it does not have", lambda at: counted(vcf(at), annotation="CSQ"),
    EncodingError, "CSQ", "ANN")
bad(A, "ANN: an unknown effect", lambda at: counted(vcf(at, ANN.replace("missense", "misty"))),
    EncodingError, "misty_variant", "1:5")
bad(A, "EFF: no brackets", lambda at: counted(vcf(at, "EFF=NON_SYNONYMOUS_CODING", kind="EFF")),
    EncodingError, "1:5")
bad(A, "CSQ: an unknown effect", lambda at: counted(vcf(at, "CSQ=T|misty|G1", kind="CSQ")),
    EncodingError, "misty")
bad(A, "BCSQ: an unknown effect", lambda at: counted(vcf(at, "BCSQ=misty|G1|T1|protein_coding", kind="BCSQ")),
    EncodingError, "misty", "1:5")
bad(A, "Annovar's INFO without a gene", lambda at: counted(vcf(at, "Func.refGene=exonic", kind="refGene")),
    EncodingError, "1:5", "lacks Gene.refGene")
bad(A, "min_maf of a half", lambda at: counted(vcf(at), min_maf=0.5),
    EncodingError, "min_maf is 0.5", "below 0.5")

A = "Annovar"
bad(A, "empty table", lambda at: counted(vcf(at), annovar=(str(put(at, "x_multianno.txt", "")),)),
    EncodingError, "x_multianno.txt is none of Annovar's tables")
bad(A, "another file", lambda at: counted(vcf(at), annovar=(str(put(at, "x.txt", "Chr\tStart\n1\t5\n")),)),
    EncodingError, "x.txt", "allowed are *_multianno.txt")
bad(A, "one of a pair",
    lambda at: counted(vcf(at), annovar=(str(put(at, "x.variant_function", "exonic\tG1\n")),)),
    EncodingError, "x.variant_function", "one of a pair")
bad(A, "binary junk", lambda at: counted(vcf(at), annovar=(str(put(at, "x_multianno.txt", JUNK)),)),
    EncodingError, "x_multianno.txt is none of Annovar's tables")
MULTIANNO = tabbed("Chr Start End Ref Alt Func.g Gene.g GeneDetail.g ExonicFunc.g AAChange.g") + "\n"
bad(A, "a start in words", lambda at: counted(vcf(at), annovar=(str(
        put(at, "x_multianno.txt", MULTIANNO + tabbed("1 five 5 A T exonic G1 . stopgain .") + "\n")),)),
    EncodingError, "line 2", "'five'", "whole number")

A = "gene models"
bad(A, "missing file", lambda at: read_gff3(at / "x.gff3"), FileNotFoundError, "There is no file", "x.gff3")
bad(A, "a folder", lambda at: read_gff3(directory(at, "x.gff3")), FileNotFoundError, "x.gff3")
bad(A, "empty file", lambda at: read_gff3(put(at, "x.gff3", "")), GeneModelError, "x.gff3 holds no gene")
bad(A, "binary junk", lambda at: read_gff3(put(at, "x.gff3", JUNK)),
    GeneModelError, "x.gff3, line 1", "GFF3 has 9")
bad(A, "eight columns", lambda at: read_gff3(gff3(at, GENE.replace("\t.\t+", "\t+"))),
    GeneModelError, "line 2", "9")
bad(A, "an end before its start", lambda at: read_gff3(gff3(at, GENE.replace("90", "0"))),
    GeneModelError, "'0'")
bad(A, "a gene twice", lambda at: read_gff3(gff3(at, GENE, TRANSCRIPT, GENE)), GeneModelError, "x.gff3", "G1")
bad(A, "genes without transcripts", lambda at: read_gff3(gff3(at, GENE)),
    GeneModelError, "no gene with an mRNA")
bad(A, "tar.xz cut short", lambda at: read_gff3(archive(at, JUNK, 2000)),
    GeneModelError, "x.gff3.tar.xz", "cut short")
bad(A, "tar.xz without a file", lambda at: read_gff3(archive(at, None)), GeneModelError, "holds no file")
bad(A, "xz that is none", lambda at: read_gff3(put(at, "x.xz", lzma.compress(b"x")[:-9])),
    GeneModelError, "cut short")

A = "pathways"
bad(A, "missing file", lambda at: read_go(at / "ulg.rda"), ValueError, "ulg.rda cannot be read")
bad(A, "a folder", lambda at: read_mapman(directory(at, "m.txt")), ValueError, "m.txt cannot be read")
bad(A, "an .rda of junk", lambda at: read_go(put(at, "ulg.rda", JUNK)), ValueError, "ulg.rda is damaged")
bad(A, "an .rda cut short", lambda at: read_go(put(at, "ulg.rda", gzip.compress(b"RDX3\nX\n" + JUNK)[:99])),
    ValueError, "ulg.rda is damaged")
bad(A, "an empty mapping", lambda at: read_mapman(put(at, "m.txt", "")), ValueError, "m.txt is empty")
bad(A, "a mapping of other columns", lambda at: read_mapman(put(at, "m.txt", "gene\tpathway\nA\tb\n")),
    ValueError, "GENE, PATHWAY", "needed are BINCODE")
bad(A, "a mapping without genes",
    lambda at: read_mapman(put(at, "m.txt", "BINCODE\tNAME\tIDENTIFIER\tTYPE\n1\tPS\t\t\n")),
    ValueError, "m.txt has no row of a gene")
bad(A, "genes of another species",
    lambda at: connect(["Os01"], pd.DataFrame({"gene": ["AT1"], "pathway": ["PS"]})),
    ValueError, "None of the 1 genes", "Os01", "AT1")
bad(A, "a gene without a pathway",
    lambda at: connect(["AT1"], pd.DataFrame({"gene": ["AT1"], "pathway": [None]})),
    ValueError, "a row without a pathway")
bad(A, "a gene twice", lambda at: connect(["AT1", "AT1"], pd.DataFrame({"gene": ["AT1"], "pathway": ["PS"]})),
    ValueError, "'AT1' occurs more than once")
bad(A, "no pathway large enough",
    lambda at: connect(["AT1"], pd.DataFrame({"gene": ["AT1"], "pathway": ["PS"]}), min_genes=5),
    ValueError, "No pathway has 5 to 1", "they have 1 to 1")

A = "PLINK"
bad(A, "no .fam", lambda at: read_panel([put(at, "x.bed", b"")]), SourceError, "x.bed has no x.bim")
bad(A, "binary junk", lambda at: read_panel([plink(at, bed=JUNK)]),
    SourceError, "x.bed cannot be read as PLINK")
bad(A, "an accession twice", lambda at: read_panel([plink(at, "f\ta\t0\t0\t0\t0\n" * 2)]),
    SourceError, "'a'", "twice")
bad(A, "empty .fam", lambda at: read_panel([plink(at, "")]), SourceError, "x.bed")
bad(A, "a .bed cut short", lambda at: read_panel([plink(at, bed=b"\x6c\x1b\x01")]), SourceError, "x.bed")

A = "dosages and tables as CSV"
bad(A, "empty file", lambda at: csv_panel(at, ""), EncodingError, "x.csv is empty")
bad(A, "a folder", lambda at: read_panel([directory(at, "x.csv")]), EncodingError, "x.csv cannot be read")
bad(A, "another encoding",
    lambda at: read_panel([put(at, "x.csv", "sample,1:5\nKöln,0\n".encode("latin-1"))]),
    EncodingError, "x.csv cannot be read as a table", "utf-8")
bad(A, "no column of samples", lambda at: csv_panel(at, "accession,1:5\na,0\n"),
    EncodingError, "no column 'sample'")
bad(A, "an accession twice", lambda at: csv_panel(at, "sample,1:5\na,0\na,2\n"),
    EncodingError, "the sample 'a' twice")
bad(A, "an accession twice but for a blank", lambda at: csv_panel(at, "sample,1:5\na,0\na ,2\n"),
    EncodingError, "'a' twice")
bad(A, "a header alone", lambda at: csv_panel(at, "sample,1:5\n"),
    EncodingError, "x.csv has no row of a sample")
bad(A, "a dosage of 3", lambda at: csv_panel(at, "sample,1:5\na,3\n"),
    EncodingError, "1:5 of sample 'a'", "allowed are 0")
bad(A, "an infinite dosage", lambda at: csv_panel(at, "sample,1:5\na,inf\n"),
    EncodingError, "'inf'", "allowed are 0, 1, 2")
bad(A, "samples of two files differ",
    lambda at: read_panel([put(at, "x.csv", "sample,1:5\na,0\n"), put(at, "y.csv", "sample,1:6\nb,0\n")]),
    EncodingError, "y.csv has other samples than x.csv")
bad(A, "traits of other samples", lambda at: csv_panel(at, traits="sample,height\nc,1\n"),
    EncodingError, "traits.csv has none of the samples", "'c'", "'a'")
bad(A, "traits of an accession twice", lambda at: csv_panel(at, traits="sample,height\na,1\na,2\n"),
    EncodingError, "traits.csv has the sample 'a' twice")
bad(A, "a trait twice", lambda at: csv_panel(at, traits="sample,height,height\na,1,2\n"),
    EncodingError, "traits.csv has the column 'height' twice", "unique")
bad(A, "rows longer than the header", lambda at: csv_panel(at, traits="sample,height\na,1,2\nb,1,2\n"),
    EncodingError, "traits.csv, line 2: 3 cells", "2 columns")
bad(A, "a row too short", lambda at: csv_panel(at, traits="sample,height,width\na,1,2\nb,1\n"),
    EncodingError, "traits.csv, line 3: 2 cells", "3 columns")
bad(A, "a trait in words", lambda at: csv_panel(at, traits="sample,height\na,tall\n"),
    EncodingError, "height of sample 'a' is 'tall'", "needed is a number")
bad(A, "a trait in the table of accessions", lambda at: csv_panel(at, accessions="sample,height\na,1\n"),
    EncodingError, "'height'", "allowed are sample, country")
bad(A, "a latitude of 95", lambda at: csv_panel(at, accessions="sample,latitude\na,95\n"),
    CohortError, "sample a", "±90")

A = "AraPheno, ionome, countries"
TISSUE = "Ecotype_ID,Country,Latitude,Longitude,Li7_leaf_ionome\n"
bad(A, "no archive", lambda at: read_arapheno(at / "x.zip"), DataError, "x.zip cannot be read")
bad(A, "an archive of junk", lambda at: read_arapheno(put(at, "x.zip", JUNK)),
    DataError, "x.zip is no archive")
bad(A, "an archive cut short",
    lambda at: read_arapheno(put(at, "x.zip", zipped(at, a="b" * 999).read_bytes()[:-30])),
    DataError, "x.zip is no archive, or damaged")
bad(A, "an archive of other files", lambda at: read_arapheno(zipped(at, readme="x")),
    DataError, "study_<number>_values.csv")
bad(A, "a study without accessions",
    lambda at: read_arapheno(zipped(at, a__study_1_values="plant,height\n1,2\n")),
    DataError, "study_1_values.csv", "'accession_id'")
bad(A, "a measurement in words",
    lambda at: read_arapheno(zipped(at, a__study_1_values="accession_id,height\n6909,tall\n")),
    DataError, "accession 6909", "'tall'", "needed is a number")
bad(A, "no table", lambda at: read_tissue(at / "leaf.csv", "leaf"), DataError, "leaf.csv cannot be read")
bad(A, "an empty table", lambda at: read_tissue(put(at, "leaf.csv", ""), "leaf"),
    DataError, "leaf.csv is empty")
bad(A, "no element", lambda at: read_tissue(put(at, "leaf.csv", TISSUE.replace("leaf", "seed")), "leaf"),
    DataError, "no column of an element", "Li7_leaf_ionome")
bad(A, "a country that is none",
    lambda at: read_tissue(put(at, "leaf.csv", TISSUE + "1,Atlantis,1,1,1\n"), "leaf"),
    DataError, "accession 1", "'Atlantis'")
bad(A, "a row too long", lambda at: read_tissue(put(at, "leaf.csv", TISSUE + "1,SWE,1,1,1,1\n"), "leaf"),
    DataError, "leaf.csv, line 2", "6 cells", "5 columns")
bad(A, "a code of no country", lambda at: country_code("XX"), ValueError, "'XX'", "allowed are")

A = "cohorts"
bad(A, "no store", lambda at: open_cohort(at / "x.zarr"), CohortError, "There is no cohort at", "x.zarr")
bad(A, "an empty folder", lambda at: open_cohort(directory(at, "x.zarr")),
    CohortError, "cannot be read as a Zarr store")
bad(A, "a store of another version", lambda at: stored(at, lambda path: [
        put(path, name, (path / name).read_text().replace('"zarr_format": 2', '"zarr_format": 9'))
        for name in (".zgroup", ".zmetadata")]),
    CohortError, "x.zarr cannot be read as a Zarr store")
bad(A, "a damaged chunk", lambda at: stored(at, lambda path: put(path, "trait_value/0.0", JUNK)),
    CohortError, "x.zarr")
bad(A, "a lost chunk", lambda at: stored(at, lambda path: (path / "trait_value/0.0").unlink()),
    CohortError, "does not have the content it was written with", "make it anew")
bad(A, "another Zarr store", lambda at: open_cohort(
        xr.Dataset({"a": ("x", [1.0])}).to_zarr(at / "x.zarr", zarr_format=2) and at / "x.zarr"),
    CohortError, "neither a variable 'counts' nor")
bad(A, "no genes where they are needed", lambda at: load_cohort(
        str(save_cohort(cohort().drop_vars(["counts", "gene", "variant_type", "gene_start", "gene_end",
                                            "gene_chromosome"]), at / "x.zarr"))),
    CohortError, "x.zarr has no variable 'counts'")
bad(A, "an accession twice", lambda at: validate_cohort(cohort(sample=["s"] * N)),
    CohortError, "'s'", "along 'sample'")
bad(A, "negative counts", lambda at: validate_cohort(cohort(counts=COUNTS.astype(int) - 9)),
    CohortError, "int64", "allowed are unsigned integers")
bad(A, "a dosage of 3", lambda at: validate_cohort(cohort(dosage=np.full((N, 6), 3, np.uint8))),
    CohortError, "0, 1, 2, or 255")
bad(A, "an infinite trait", lambda at: validate_cohort(cohort(trait_value=traits(np.inf))),
    CohortError, "use NaN")
bad(A, "an unknown variant type", lambda at: validate_cohort(cohort(variant_type=["stopgain", "x"])),
    CohortError, "'x'")
bad(A, "a store where it is to be written", lambda at: save_cohort(cohort(), directory(at, "x.zarr")),
    FileExistsError, "x.zarr exists already")
bad(A, "an unknown name", lambda at: load_cohort("rice"),
    ValueError, "cohort is 'rice'", "simulated, arabidopsis")
bad(A, "an unknown trait", lambda at: one_trait(cohort(), "width"),
    ValueError, "'width'", "it has height, Na23")
bad(A, "a genome that cannot be had", lambda at: load_cohort("ionome"), DataUnavailable, "ionome/")

A = "data manifests"
bad(A, "bad YAML", lambda at: manifest(at, "a: [b"), DataError, "toy.yaml is not valid YAML")
bad(A, "another encoding", lambda at: manifest(at, "title: K\xf6ln".encode("latin-1")),
    DataError, "toy.yaml", "utf-8")
bad(A, "a list", lambda at: manifest(at, "- a"),
    DataError, "toy.yaml: expected a mapping with the keys dataset")
bad(A, "an unknown key", lambda at: manifest(at, sha512="0"),
    DataError, "'a.csv', key 'sha512'", "allowed are content")
bad(A, "a short sha256", lambda at: manifest(at, sha256="0" * 63),
    DataError, "key 'sha256'", "64 hexadecimal digits")
bad(A, "no sha256", lambda at: manifest(at, sha256=None),
    DataError, "key 'sha256': missing", "verified: false")
bad(A, "a file's address", lambda at: manifest(at, url="file:///a"),
    DataError, "key 'url'", "http or https", "file:///a")
bad(A, "an address with half a bracket", lambda at: manifest(at, url="http://[a"),
    DataError, "key 'url'", "http://[a")
bad(A, "another content", lambda at: manifest(at, content=b"y"), DataError, "toy/a.csv", "refused")
bad(A, "an unknown file", lambda at: registry.fetch("arabidopsis/X_mix.rda"),
    DataError, "did you mean 'arabidopsis/X_Mix.rda'")
bad(A, "no manifest",
    lambda at: mock.patch.dict(os.environ, {"GI_MANIFEST_DIR": str(at)})(registry.load_manifests)(),
    DataError, "No data manifest (*.yaml)", "GI_MANIFEST_DIR")

A = "command line"
bad(A, "encode: no file", lambda at: gi("encode", at / "x.vcf", "--out", at / "o.zarr"),
    1, "There is no file")
bad(A, "encode: no --out", lambda at: gi("encode", vcf(at)), 2, "--out")
bad(A, "encode: a share of nothing", lambda at: gi("encode", vcf(at), "--out", at / "o.zarr", "--share", "2"),
    1, "K/N", "2/8")
bad(A, "encode: an unknown way to count",
    lambda at: gi("encode", vcf(at), "-o", at / "o.zarr", "--counting", "x"),
    1, "counting is 'x'", "allowed are presence, dosage")
bad(A, "encode: a report in no folder",
    lambda at: gi(
        "encode", vcf(at), "-o", at / "o.zarr", "--cores", 1, "--no-progress", "--report", at / "no/r.json"),
    1, "no cannot be written (No such file or directory)", "the cohort is written and holds the report")
bad(A, "panel: no marker",
    lambda at: gi("panel", vcf(at, line=tabbed("1 5 . A T,G 9 PASS . GT 0|1 0|0")),
        "-o", at / "o.zarr"),
    1, "No record has two alleles")
bad(A, "panel: a folder as table",
    lambda at: gi("panel", vcf(at), "-o", at / "o.zarr", "--traits", directory(at, "t.csv")),
    1, "t.csv cannot be read")
bad(A, "build: a folder without a book", lambda at: gi("build", "--root", at), 1, "runs.yml is missing")
bad(A, "build: an unknown scale", lambda at: gi("build", "--scale", "huge"), 1, "huge", "demo")
bad(A, "record: an unknown page", lambda at: gi("record", "galliana"), 1, "galliana")
bad(A, "record: a parameter without a value", lambda at: gi("record", "galiana", "-p", "seed"),
    2, "NAME=VALUE", "'seed'")
bad(A, "record: half a list", lambda at: gi("record", "galiana", "-p", "seed=[1"), 2, "NAME=VALUE", "YAML")
bad(A, "book convert: no notebook", lambda at: gi("book", "convert", at / "x.md", at / "x.ipynb"), 1, "x.md")
bad(A, "book execute: an unknown page", lambda at: gi("book", "execute", "galliana"), 1, "galliana")
bad(A, "sweep: no file", lambda at: gi("sweep", "run", at / "x.yaml", "-o", at),
    1, "x.yaml cannot be read: No such file")
bad(A, "sweep: an unknown job", lambda at: gi("sweep", "job",
        put(at, "x.yaml", "{cohorts: [simulated], models: [GBLUP]}"), "x", "-o", at),
    1, "There is no job 'x'", "the first of 1")
bad(A, "data: an unknown data set", lambda at: gi("data", "fetch", "rise"),
    1, "There is no data set 'rise'", "known are")
bad(A, "an unknown command", lambda at: gi("encod"), 2, "encod")

A = "notebook parameters"
bad(A, "an unknown one", lambda at: start(at, sed=2),
    ParameterError, "no parameter 'sed'", "allowed are cohort")
bad(A, "a number as text", lambda at: start(at, seed="2"), ParameterError, "seed is '2'", "of type int")
bad(A, "a yes for a number", lambda at: start(at, seed=True), ParameterError, "seed is True", "of type int")
bad(A, "a rate as text", lambda at: start(at, rate="1e-2"), ParameterError, "rate is '1e-2'", "of type float")
bad(A, "a seed below 0", lambda at: start(at, seed=-1), ParameterError, "seed is -1", "from 0 to")
bad(A, "out of its limits", lambda at: start(at, {"rate": (0, 1)}, rate=2.0),
    ParameterError, "rate is 2.0", "from 0 to 1")
bad(A, "no number", lambda at: start(at, {"rate": (0, 1)}, rate=float("nan")),
    ParameterError, "rate is nan", "from 0 to 1")
bad(A, "an unknown cohort", lambda at: start(at, cohort="rice"),
    ParameterError, "cohort is 'rice'", "`gi encode` wrote")
bad(A, "an unknown panel", lambda at: start(at, panel="rise"), ParameterError, "panel is 'rise'", "rice")
bad(A, "an unknown device", lambda at: start(at, device="tpu"),
    ParameterError, "device is 'tpu'", "auto, cpu, cuda")
bad(A, "results in a file", lambda at: start(at, results_dir=str(put(at, "r", ""))),
    ParameterError, "a file stands in its place", "choose another folder by results_dir")
bad(A, "a cohort that is not there", lambda at: start(at, cohort=str(at / "x.zarr")).load_cohort(),
    ParameterError, "x.zarr", "There is no cohort")
bad(A, "a cohort without traits", lambda at: start(at, cohort=str(save_cohort(
        cohort().isel(trait=[]), at / "x.zarr"))).load_cohort(), ParameterError, "has no traits", "--traits")

A = "estimators"
bad(A, "Galiana: an infinite label",
    lambda at: GalianaRegressor(**QUICK).fit(COUNTS, with_one(TRAIT, np.inf)),
    ValueError, "trait number 0 in accession number 3 is infinite")
bad(A, "Galiana: all labels missing", lambda at: GalianaRegressor(**QUICK).fit(COUNTS, MISSING),
    ValueError, "Trait number 0")
bad(A, "Galiana: a constant trait", lambda at: GalianaRegressor(**QUICK).fit(COUNTS, CONSTANT),
    ValueError, "no two different")
bad(A, "Galiana: negative counts", lambda at: GalianaRegressor(**QUICK).fit(with_one(COUNTS, -1), TRAIT),
    ValueError, "accession number 3 is -1", "not below 0")
bad(A, "Galiana: a count that is NaN",
    lambda at: GalianaRegressor(**QUICK).fit(with_one(COUNTS, np.nan), TRAIT),
    ValueError, "accession number 3 is nan", "finite")
bad(A, "Galiana: a count that is NaN, to predict",
    lambda at: GalianaRegressor(**QUICK).fit(COUNTS, TRAIT).predict(with_one(COUNTS, np.nan)),
    ValueError, "accession number 3 is nan", "finite")
bad(A, "Galiana: other genes to predict",
    lambda at: GalianaRegressor(**QUICK).fit(COUNTS, TRAIT).predict(COUNTS[:, 1:]),
    ValueError, "(12, 3, 2)", "(accession, 4, 2)")
bad(A, "Galiana: counts as text", lambda at: GalianaRegressor(**QUICK).fit(COUNTS.astype(str), TRAIT),
    ValueError, "<U")
bad(A, "Galiana: no accession", lambda at: GalianaRegressor(**QUICK).fit(COUNTS[:0], TRAIT[:0]),
    ValueError, "no accession")
bad(A, "Galiana: fewer labels than accessions", lambda at: GalianaRegressor(**QUICK).fit(COUNTS, TRAIT[1:]),
    ValueError, "12 accessions but y has 11")
bad(A, "Galiana: epochs below 1", lambda at: GalianaRegressor(epochs=0, device="cpu").fit(COUNTS, TRAIT),
    ValueError, "epochs is 0")
bad(A, "Galiana: an unknown scaling", lambda at: GalianaRegressor("log", **QUICK).fit(COUNTS, TRAIT),
    ValueError, "scaling is 'log'", "standardise, raw, frequency")
bad(A, "Galiana as classifier: one class", lambda at: GalianaClassifier(**QUICK).fit(COUNTS, ["SWE"] * N),
    ValueError, "'SWE'")
bad(A, "Galiana as classifier: no accession", lambda at: GalianaClassifier(**QUICK).fit(COUNTS[:0], []),
    ValueError, "no accession")
bad(A, "transfer: no source task", lambda at: FrozenGalianaRegressor(**QUICK).fit(COUNTS, TRAIT),
    ValueError, "`source`")
bad(A, "transfer: an infinite label of the source",
    lambda at: FrozenGalianaRegressor(**QUICK).fit(COUNTS, TRAIT, source=with_one(SOURCE, np.inf)),
    ValueError, "source holds an infinite value", "NaN")
bad(A, "transfer: a source of fewer rows",
    lambda at: FineTunedGalianaRegressor(**QUICK).fit(COUNTS, TRAIT, source=SOURCE[1:]),
    ValueError, "source has shape (11, 2)", "12 rows")
bad(A, "transfer: no label",
    lambda at: FineTunedGalianaRegressor(**QUICK).fit(COUNTS, MISSING, source=SOURCE),
    ValueError, "Trait number 0")
bad(A, "BMSNN: pathways of other genes",
    lambda at: BMSNNRegressor(PATHWAYS, **QUICK).fit(COUNTS[:, 1:], TRAIT),
    ValueError, "4 genes but the counts have 3")
bad(A, "GPSNN: a latitude of 95", lambda at: GPSNNRegressor(**QUICK).fit(with_one(PLACES, 95.0), TRAIT),
    ValueError, "latitude of accession number 3 is 95", "±90")
bad(A, "GPSNN: no place is known", lambda at: GPSNNRegressor(**QUICK).fit(np.full((N, 2), np.nan), TRAIT),
    ValueError, "None of 12 accessions has a known latitude")
bad(A, "GPSNN: three coordinates", lambda at: GPSNNRegressor(**QUICK).fit(DOSAGE[:, :3], TRAIT),
    ValueError, "(sample, 2)")
bad(A, "GBLUP: a missing dosage", lambda at: GBLUP().fit(with_one(DOSAGE, np.nan), TRAIT),
    ValueError, "marker number 0 in accession number 3 is missing", "impute")
bad(A, "GBLUP: an infinite dosage", lambda at: GBLUP().fit(with_one(DOSAGE, np.inf), TRAIT),
    ValueError, "is inf", "0 and 2")
bad(A, "GBLUP: all labels missing", lambda at: GBLUP().fit(DOSAGE, MISSING),
    ValueError, "0 labels among 12", "at least 2")
bad(A, "GBLUP: one accession", lambda at: GBLUP().fit(DOSAGE[:1], TRAIT[:1]),
    ValueError, "1 labels among 1 accessions")
bad(A, "GBLUP: no marker", lambda at: GBLUP().fit(DOSAGE[:, :0], TRAIT),
    ValueError, "(12, 0)", "(sample, column)")
bad(A, "GBLUP: labels as words", lambda at: GBLUP().fit(DOSAGE, ["tall"] * N),
    ValueError, "Labels must be numbers", "tall")
bad(A, "RKHS: an infinite dosage, to predict",
    lambda at: RKHS().fit(DOSAGE, TRAIT).predict(with_one(DOSAGE, np.inf)),
    ValueError, "X is inf for marker number 0 of accession number 3", "finite")
bad(A, "RKHS: a byte of a missing dosage", lambda at: RKHS().fit(np.full((N, 6), 255, np.uint8), TRAIT),
    ValueError, "255", "gaps")
bad(A, "RKHS: dosages as text", lambda at: RKHS().fit(DOSAGE.astype(str), TRAIT),
    ValueError, "must be numbers", "<U")
bad(A, "elastic net: a missing dosage, to predict",
    lambda at: ElasticNet().fit(DOSAGE, TRAIT).predict(with_one(DOSAGE, np.nan)),
    ValueError, "X is nan for marker number 0 of accession number 3", "finite")
bad(A, "elastic net: a constant trait", lambda at: ElasticNet().fit(DOSAGE, CONSTANT),
    ValueError, "no two different labels")
bad(A, "elastic net: fewer labels than folds", lambda at: ElasticNet().fit(DOSAGE[:3], TRAIT[:3]),
    ValueError, "inner_folds is 5", "trait number 0 has 3 labels")
bad(A, "elastic net: objects", lambda at: ElasticNet().fit(DOSAGE.astype(object), TRAIT),
    ValueError, "object")
bad(A, "Bayesian: an unknown prior", lambda at: BayesianRegression("BayesC").fit(DOSAGE, TRAIT),
    ValueError, "'BayesC'", "BayesA")
bad(A, "Bayesian: an infinite dosage", lambda at: BayesianRegression().fit(with_one(DOSAGE, np.inf), TRAIT),
    ValueError, "X is inf", "accession number 3")
bad(A, "Bayesian: a constant trait", lambda at: BayesianRegression().fit(DOSAGE, CONSTANT),
    ValueError, "no two different labels")
bad(A, "NeuralLasso: a dosage below 0",
    lambda at: NeuralLassoRegressor(device="cpu").fit(with_one(DOSAGE, -1.0), TRAIT),
    ValueError, "marker number 0 in accession number 3 is -1.0", "between 0 and 2")
bad(A, "NeuralLasso: fewer labels than folds",
    lambda at: NeuralLassoRegressor(device="cpu").fit(DOSAGE[:3], TRAIT[:3]),
    ValueError, "inner_folds is 5")
bad(A, "NeuralLasso: no marker", lambda at: NeuralLassoRegressor(device="cpu").fit(DOSAGE[:, :0], TRAIT),
    ValueError, "(12, 0)")
bad(A, "BINN: an infinite dosage",
    lambda at: BINNRegressor(EDGES, **QUICK).fit(with_one(DOSAGE, np.inf), TRAIT),
    ValueError, "accession number 3 is inf", "between 0 and 2")
bad(A, "BINN: a prior of other markers", lambda at: BINNRegressor(EDGES, **QUICK).fit(DOSAGE[:, 1:], TRAIT),
    ValueError, "6 markers", "there are 5")
bad(A, "BINN: nobody to stop by", lambda at: BINNRegressor(EDGES, **QUICK).fit(DOSAGE[:2], TRAIT[:2]),
    ValueError, "held_out is 0.15")
bad(A, "country mean: a trait without a label", lambda at: CountryMean().fit(np.full((N, 1), "SWE"), MISSING),
    ValueError, "Trait number 0 has no label among 12")
bad(A, "country mean: fewer labels than accessions",
    lambda at: CountryMean().fit(np.full((N, 1), "SWE"), TRAIT[1:]),
    ValueError, "(11,)", "12 accessions")
bad(A, "ridge: a missing dosage", lambda at: ridge().fit(with_one(DOSAGE, np.nan), TRAIT),
    ValueError, "accession number 3", "gaps")
bad(A, "ridge: an infinite label", lambda at: ridge().fit(DOSAGE, with_one(TRAIT, np.inf)),
    ValueError, "accession number 3 is infinite")
bad(A, "map neighbours: a longitude of 400", lambda at: map_neighbours().fit(PLACES + np.array([0, 400]), TRAIT),
    ValueError, "longitude", "±180")
bad(A, "gradient boosting: an infinite dosage",
    lambda at: gradient_boosting().fit(with_one(DOSAGE, np.inf), TRAIT),
    ValueError, "X is inf for marker number 0")

A = "evaluation"
bad(A, "cross-validation: no model", lambda at: validated([]), ValueError, "models are none", "at least one")
bad(A, "cross-validation: a model twice", lambda at: validated([Model("a", GBLUP(), "dosage")] * 2),
    ValueError, "a, a", "own")
bad(A, "cross-validation: a class as model", lambda at: Model("a", GBLUP, "dosage"),
    ValueError, "estimator of a", "GBLUP()")
bad(A, "cross-validation: an unknown input", lambda at: Model("a", GBLUP(), "genome"),
    ValueError, "'genome'", "counts")
bad(A, "cross-validation: empty cohort",
    lambda at: cross_validate(cohort().isel(sample=[]), [], RandomFolds()),
    ValueError, "No accession of the cohort 'toy' has a label")
bad(A, "cross-validation: one accession", lambda at: cross_validate(
        cohort().isel(sample=[0]), [Model("a", GBLUP(), "dosage")], RandomFolds(), cached=False),
    ValueError, "The cohort has 1 accessions", "takes 2")
bad(A, "cross-validation: an accession twice", lambda at: validated(sample=["s"] * N),
    ValueError, "'s' occurs more than once")
bad(A, "cross-validation: no label at all", lambda at: validated(trait_value=np.full((N, 2), np.nan)),
    ValueError, "has a label")
bad(A, "cross-validation: a trait without labels", lambda at: validated(trait_value=traits(np.nan)),
    ValueError, "GBLUP, fold 1", "Trait number 1 has 0 labels")
bad(A, "cross-validation: a constant trait", lambda at: validated(
        [Model("Galiana", GalianaRegressor(**QUICK), "counts")], trait_value=traits(1)),
    ValueError, "Galiana", "Trait number 1 has no two different labels")
bad(A, "cross-validation: predictions that are NaN", lambda at: validated(
        [Model("a", Silent(), "dosage")]),
    FloatingPointError, "a, fold 1", "8 of 8 predictions")
bad(A, "splits: more folds than accessions", lambda at: validated(split=RandomFolds(99)),
    ValueError, "99", "2 and 12")
bad(A, "splits: folds as text", lambda at: validated(split=RandomFolds("5")),
    ValueError, "n_splits is '5'", "whole number")
bad(A, "splits: no repeat", lambda at: validated(split=RandomFolds(3, 0)),
    ValueError, "'random' has no folds", "n_repeats")
bad(A, "splits: a seed below 0", lambda at: validated(split=RandomFolds(3, 1, -1)),
    ValueError, "-1", "whole number from 0")
bad(A, "splits: no country is known", lambda at: validated(split=CountryFolds(3), country=[""] * N),
    ValueError, "1 countries")
bad(A, "splits: one country", lambda at: validated(split=CountryFolds(2), country=["SWE"] * N),
    ValueError, "1 countries", "takes 2")
bad(A, "splits: no place is known", lambda at: validated(split=RegionFolds(3), latitude=MISSING),
    ValueError, "known place")
bad(A, "splits: hybrids without parents", lambda at: validated(split=ParentFolds()),
    ValueError, "no coordinate 'mother'")
bad(A, "classes: no country is known",
    lambda at: classify_countries(
        cohort(country=[""] * N), [Model("a", GalianaClassifier(**QUICK), "counts")], RandomFolds(3),
        cached=False),
    ValueError, "a, one of its folds", "one class only ('')", "two or more")
bad(A, "classes: lists of two lengths", lambda at: classification_scores(["a"], ["a", "b"]),
    ValueError, "1 classes", "2")
TUNED = {"n_covariates": ("choice", 0, 1)}
bad(A, "tuning: an unknown setting", lambda at: Tuned(GBLUP(), {"alpha": ("log", 1, 2)}).fit(DOSAGE, TRAIT),
    ValueError, "no setting 'alpha'", "n_covariates")
bad(A, "tuning: a range upside down",
    lambda at: Tuned(GBLUP(), {"n_covariates": ("int", 2, 1)}).fit(DOSAGE, TRAIT),
    ValueError, "n_covariates")
bad(A, "tuning: too few to judge", lambda at: Tuned(GBLUP(), TUNED).fit(DOSAGE[:5], TRAIT[:5]),
    ValueError, "validation_share 0.2 of 5")
bad(A, "tuning: a setting that cannot be kept", lambda at: Tuned(
        Unnamed(choose=lambda: 0), TUNED, validation_share=0.5, storage=str(at)).fit(DOSAGE, TRAIT),
    ValueError, "Unnamed or one of its settings", "storage=None")
bad(A, "correlations: no prediction", lambda at: correlations(predictions().iloc[:0]),
    ValueError, "table is empty")
bad(A, "correlations: no column", lambda at: correlations(predictions().drop(columns="country")),
    ValueError, "'country'", "needed are")
bad(A, "correlations: an infinite prediction", lambda at: correlations(predictions(predicted=np.inf)),
    ValueError, "'predicted'", "s0")
bad(A, "correlations: predictions as text", lambda at: correlations(predictions(predicted="1.0")),
    ValueError, "needed are numbers")
bad(A, "correlations: a country that is NaN", lambda at: correlations(predictions(country=np.nan)),
    ValueError, "s0 is missing", "empty text")
bad(A, "correlations: a prediction twice", lambda at: correlations(predictions(sample="s")),
    ValueError, "Accession s", "allowed is one")
bad(A, "correlations: two splits", lambda at: correlations(predictions(split=["a", "b"] * 6)),
    ValueError, "several splits (a, b)")
bad(A, "correlations: a level in percent", lambda at: correlations(predictions(), level=95),
    ValueError, "level is 95", "0 and 1")
bad(A, "correlations: resamples below 0", lambda at: correlations(predictions(), n_bootstrap=-1),
    ValueError, "n_bootstrap is -1")
bad(A, "comparisons: an unknown model", lambda at: correlation_differences(predictions(), "RKHS", "GBLUP"),
    ValueError, "'RKHS'", "GBLUP")
bad(A, "comparisons: one fold", lambda at: resampled_test(
        pd.concat([predictions(), predictions(model="RKHS")]), "GBLUP", "RKHS", 3),
    ValueError, "a single fold", "at least two")
bad(A, "paradox: no country is known", lambda at: decompose_correlations(predictions(country="")),
    ValueError, "own group")
bad(A, "upper bounds: no replicates", lambda at: upper_bounds(cohort()),
    ValueError, "'toy' has no replicates")
bad(A, "upper bounds: one measurement each", lambda at: upper_bounds(cohort().assign(
        replicate_value=(("sample", "trait", "replicate"), RNG.normal(size=(N, 2, 1))))),
    ValueError, "No accession was measured twice")
bad(A, "structure: a constant trait", lambda at: shares_between_countries(cohort(trait_value=traits(1)), 9),
    ValueError, "Na23", "no two different")
bad(A, "structure: an infinite trait",
    lambda at: variance_between_countries(with_one(TRAIT, np.inf), cohort()["country"].values),
    ValueError, "NaN")

A = "sweep files"
bad(A, "no file", lambda at: read_sweep(at / "x.yaml"), SweepError, "x.yaml cannot be read: No such file")
bad(A, "a folder", lambda at: read_sweep(directory(at, "x.yaml")), SweepError, "x.yaml cannot be read")
bad(A, "empty file", lambda at: swept(at, ""), SweepError, "x.yaml holds no table of settings")
bad(A, "another encoding", lambda at: read_sweep(put(at, "x.yaml", b"cohorts: [K\xf6ln]")),
    SweepError, "x.yaml", "utf-8")
bad(A, "bad YAML", lambda at: swept(at, "cohorts: ["), SweepError, "x.yaml cannot be read as YAML")
bad(A, "an unknown setting", lambda at: swept(at, "cohort: simulated"),
    SweepError, "'cohort'", "settings are cohorts")
bad(A, "an unknown cohort", lambda at: swept(at, "cohorts: [rice]"),
    SweepError, "'rice'", "allowed are simulated")
bad(A, "a cohort that is a list", lambda at: swept(at, "cohorts: [[simulated]]"),
    SweepError, "['simulated']", "allowed are simulated")
bad(A, "an unknown model", lambda at: swept(at, "models: [GBLOP]"), SweepError, "'GBLOP'", "allowed are")
bad(A, "a model twice", lambda at: swept(at, "models: [GBLUP, GBLUP]"),
    SweepError, "models", "different entries")
bad(A, "a number as text", lambda at: swept(at, "n_splits: '5'"),
    SweepError, "n_splits has '5'", "whole numbers from 2")
bad(A, "one seed without a list", lambda at: swept(at, "seeds: 1"), SweepError, "seeds must be a list")
bad(A, "a resource that is unknown", lambda at: swept(at, "resources: {hours: 1}"),
    SweepError, "'hours'", "minutes")
# fmt: on


def shown(error: Exception) -> tuple[str, str]:
    """Type and message of an error as the table prints them."""
    kind = f"exit {error.code}" if isinstance(error, Exit) else type(error).__name__
    return kind, " ".join(str(error).split()) if kind == "exit 2" else str(error)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        isolated = {
            "GI_CACHE_DIR": f"{scratch}/cache",
            "GI_OFFLINE": "1",
            "GI_DATA_MIRROR": "",
            "GI_MANIFEST_DIR": "",
        }
        with mock.patch.dict(os.environ, isolated):
            for number, case in enumerate(CASES):
                folder = Path(scratch) / str(number)
                folder.mkdir()
                try:
                    print(
                        " | ".join([case.area, case.wrong, *shown(case.run(folder))]).replace(
                            f"{folder}/", ""
                        )
                    )
                except AssertionError as error:
                    print(f"{case.area} | {case.wrong} | NOT REFUSED | {error}")


if __name__ == "__main__":
    main()
