"""The command line: ``gi encode``, ``panel``, ``build``, ``record``, ``handouts``, ``sweep``, ``book`` and more.

A failure is one sentence on stderr and exit code 1; a wrong call is exit code 2 with typer's own message.
Whatever is slow to import is imported inside the command that needs it.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

import gi_lib
from gi_lib.datasets import registry
from gi_lib.datasets.registry import DataError, DataUnavailable
from gi_lib.process import GraphError, end_with_graph, or_elsewhere, run_graph, write_text

app = typer.Typer(
    help="Genome interpretation: data, models and the book.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data = typer.Typer(help="List, fetch and verify the data sets.", no_args_is_help=True)
app.add_typer(data, name="data")
book = typer.Typer(help="Single steps from the text notebooks to the rendered book.", no_args_is_help=True)
app.add_typer(book, name="book")
sweep = typer.Typer(help="Cohorts × splits × seeds × models, here or on a cluster.", no_args_is_help=True)
app.add_typer(sweep, name="sweep")


@contextmanager
def one_sentence(*expected: type[Exception]) -> Iterator[None]:
    """Turn an expected failure, of a block or of a whole command, into one sentence on stderr and exit code 1."""
    try:
        yield
    except expected as error:
        is_of_the_system = isinstance(error, OSError) and error.filename and error.strerror
        told = f"{error.filename}: {error.strerror}." if is_of_the_system else error
        typer.echo(f"gi: {told}", err=True)
        raise typer.Exit(1) from None


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gi {gi_lib.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Genome interpretation: data, models and the book."""


def _expand(names: list[str]) -> list[str]:
    """Replace data set names by the names of their files; no name means all files of all data sets."""
    files: list[str] = []
    for name in names or registry.load_manifests():
        if "/" in name:
            files.append(registry.find(name).key)
        else:
            files += [entry.key for entry in registry.find_dataset(name).files.values()]
    return list(dict.fromkeys(files))


def _size(count: int | None) -> str:
    if count is None:
        return "unknown"
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


@data.command("list")
@one_sentence(DataError)
def list_data() -> None:
    """Show every file: size, licence, and whether it is at hand."""
    header = ("data set", "file", "size", "licence", "state")
    rows = [
        (entry.dataset, entry.name, _size(entry.bytes), entry.licence, registry.state(entry.key))
        for manifest in registry.load_manifests().values()
        for entry in manifest.files.values()
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, tuple("-" * width for width in widths), *rows):
        cells = [
            cell.rjust(w) if i == 2 else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())
    typer.echo(
        '\n"unverified": the address is untried, the sha256 is recorded at the first fetch. '
        '"by hand": `gi data fetch NAME` says what to download and where to put it.'
    )


@data.command()
@one_sentence(DataError)
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Data sets or <data set>/<file>.")],
    optional: Annotated[
        bool, typer.Option("--optional", help="Exit with 0 even if something cannot be had, and say what.")
    ] = False,
) -> None:
    """Fetch data sets or single files, and check them against their sha256."""
    missing = []
    for name in _expand(names):
        known_before = registry.recorded_sha256(name) is not None
        try:
            path = registry.fetch(name)
        except DataUnavailable as error:
            typer.echo(f"gi: {error}", err=True)
            missing.append(name)
            continue
        typer.echo(f"{name}: {path}")
        if not registry.find(name).verified:
            remark = "as recorded at the first fetch" if known_before else "recorded for later fetches"
            typer.echo(f"  sha256 {registry.sha256_of(name)} ({remark}; the manifest pins none)")
    if missing and not optional:
        raise typer.Exit(1)
    if missing:
        typer.echo(f"Could not be had, and left out: {', '.join(missing)}.")


@data.command()
@one_sentence(DataError)
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Data sets or files; default: everything.")
    ] = None,
) -> None:
    """Hash every file at hand again and report each."""
    bad = 0
    for name in _expand(names or []):
        path, good, remark = registry.verify(name)
        bad += not good
        # The sentence of a bad file names the file itself.
        typer.echo(f"{'ok ' if path else '-- '} {name}: {remark}" if good else f"BAD {remark}")
    if bad:
        raise DataError(
            f"{bad} file{'s differ' if bad > 1 else ' differs'} from what the manifest or record says."
        )


# --- encoding --------------------------------------------------------------------------------------


@app.command()
def encode(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="VCF, BCF, VCF Zarr or PLINK .bed. Files of the same samples add up, one per chromosome; files of "
            "other samples stand side by side, one per accession.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The cohort to write: a Zarr folder.")],
    gff3: Annotated[str | None, typer.Option(help="Gene models.")] = None,
    fasta: Annotated[
        str | None, typer.Option(help="Reference genome, for consequences in coding exons.")
    ] = None,
    annovar: Annotated[
        list[str] | None,
        typer.Option(
            help="Annovar's multianno.txt, or its .variant_function and, again, .exonic_variant_function."
        ),
    ] = None,
    annotation: Annotated[
        str,
        typer.Option(
            help="auto, ANN, EFF (SnpEff), CSQ (VEP), BCSQ (bcftools csq), ANNOVAR, or own (by the GFF3)."
        ),
    ] = "auto",
    effects: Annotated[str, typer.Option(help="precedence (Annovar's order), or all.")] = "precedence",
    counting: Annotated[
        str, typer.Option(help="presence (a carrier adds 1), or dosage (its copies).")
    ] = "presence",
    pass_only: Annotated[
        bool, typer.Option("--pass-only/--any-filter", help="Leave out records whose FILTER is not PASS.")
    ] = True,
    min_quality: Annotated[float | None, typer.Option(help="Leave out records with a lower QUAL.")] = None,
    min_maf: Annotated[
        float, typer.Option(help="Leave out alleles that are not more frequent than this.")
    ] = 0.0,
    region: Annotated[
        str | None, typer.Option(help="Only chromosome, or chromosome:first-last; needs an index.")
    ] = None,
    skip_unknown_contigs: Annotated[
        bool, typer.Option("--skip-unknown-contigs", help="Leave out chromosomes that the GFF3 lacks.")
    ] = False,
    accessions: Annotated[
        str | None, typer.Option(help="CSV with sample, country, latitude, longitude.")
    ] = None,
    traits: Annotated[str | None, typer.Option(help="CSV with sample and one column per trait.")] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Mark the data as simulated.")] = False,
    share: Annotated[
        str | None,
        typer.Option(
            metavar="K/N", help="Count the K-th of N shares, for a cluster; a call without it merges them."
        ),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Folder for what is counted so far; OUT.work by default.")
    ] = None,
    stretch: Annotated[
        int | None, typer.Option(min=1, help="Bytes on disk (or variants) that one process takes at a time.")
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Processes; all cores by default.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON, too.")] = None,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Count the variants of each type in each gene of every accession.

    What is counted is kept beside OUT until the whole is written: after a kill, the same command goes on.
    """
    end_with_graph()
    from gi_lib import encoding

    with one_sentence(ValueError, OSError):
        settings = encoding.Settings(
            annotation, tuple(annovar or ()), gff3, fasta, effects, counting, pass_only, min_quality, min_maf, region,
            skip_unknown_contigs,
        )  # fmt: skip
        kind = "simulated" if simulated else "real"
        name = out.name.removesuffix(".zarr")
        with or_elsewhere("choose another folder by --out, or for what is counted so far by --work"):
            result = encoding.encode(
                inputs, out, settings, tables=encoding.Tables(accessions, traits, kind, name), cores=cores, work=work,
                share=_share(share), stretch=stretch, progress=progress,
            )  # fmt: skip
    if result.report is None:
        typer.echo(f"Counted {result.counted} stretches; {result.waiting} are missing.")
    else:
        for label, number in result.report.lines():
            typer.echo(f"{label:<45}{number:>15,}")
        if result.report.per_type["exonic unknown"]:
            typer.echo(
                "Without a FASTA nothing tells what coding variants do; they are counted as 'exonic unknown'."
            )
        if report is not None:
            with one_sentence(OSError), or_elsewhere("the cohort is written and holds the report, too"):
                write_text(report, json.dumps(result.report.to_dict(), indent=1) + "\n")
        typer.echo(f"Written to {out}.")
    speed = result.amount / max(result.seconds, 1e-9)
    rate = f"{speed / 1e6:,.1f} MB/s" if result.unit == "B" else f"{speed:,.0f} {result.unit}/s"
    typer.echo(f"{result.seconds:.1f} s, {rate}.")


@app.command()
def panel(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="VCF, BCF, VCF Zarr, PLINK .bed, or a CSV with sample and one column of dosages per marker. Files of "
            "the same samples add up, such as one per chromosome.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The panel to write: a Zarr folder.")],
    pass_only: Annotated[
        bool, typer.Option("--pass-only/--any-filter", help="Leave out records whose FILTER is not PASS.")
    ] = True,
    accessions: Annotated[
        str | None,
        typer.Option(
            help="CSV with sample, country (or sub-population, to score within), latitude, longitude."
        ),
    ] = None,
    traits: Annotated[str | None, typer.Option(help="CSV with sample and one column per trait.")] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Mark the data as simulated.")] = False,
) -> None:
    """Write the dosages of all markers with two alleles, for the chapters on panels."""
    from gi_lib import encoding
    from gi_lib.datasets.cohort import save_cohort

    with one_sentence(ValueError, OSError):
        name = out.name.removesuffix(".zarr")
        tables = encoding.Tables(accessions, traits, "simulated" if simulated else "real", name)
        made, steps = encoding.read_panel(inputs, tables, pass_only)
        with or_elsewhere("choose another folder by --out"):
            save_cohort(made, out)
    for step, markers in steps.itertuples(index=False):
        typer.echo(f"{step:<45}{markers:>15,}")
    typer.echo(f"Written to {out}: {made.sizes['sample']:,} samples, {made.sizes['trait']} traits.")


def _share(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    k, slash, n = text.partition("/")
    if not (slash and k.isdigit() and n.isdigit()):
        raise ValueError(f"share is {text!r}; needed is K/N, such as 2/8.")
    return int(k), int(n)


# --- the book -------------------------------------------------------------------------------------

Root = Annotated[Path | None, typer.Option(help="Folder that holds _config.yml; this repository by default.")]
Scale = Annotated[str, typer.Option(help="demo (for a laptop) or paper (the sizes of the papers).")]


@contextmanager
def _open_book(root: Path | None) -> Iterator[tuple[Any, Any]]:
    """The module that builds books and the book at `root`; an expected failure becomes one sentence."""
    try:
        from gi_lib import book as builder
    except ModuleNotFoundError as error:
        typer.echo(
            f"gi: {error.name} is missing; install the tools of the book: pip install -e '.[book]'.", err=True
        )
        raise typer.Exit(1) from None
    with one_sentence(builder.BookError, DataError, GraphError):
        yield builder, builder.Project(root.resolve()) if root else builder.Project()


@app.command()
def build(
    scale: Scale = "demo",
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to use; all by default.")] = None,
    root: Root = None,
) -> None:
    """Run the notebooks that changed and render the book."""
    with _open_book(root) as (builder, project):
        builder.build(project, scale, cores)


@app.command()
def record(
    page: str,
    scale: Scale = "demo",
    parameter: Annotated[
        list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="Replace a parameter of runs.yml.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
    part: Annotated[str, typer.Option(help="Name of this part of a recording that is made in parts.")] = "",
    root: Root = None,
) -> None:
    """Run one page and keep its tables under results/, for the book to show beside its own run."""
    given = {}
    for assignment in parameter or []:
        name, is_assigned, value = assignment.partition("=")
        if not is_assigned:
            raise typer.BadParameter(f"-p takes NAME=VALUE, not {assignment!r}.")
        try:
            given[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise typer.BadParameter(
                f"-p takes NAME=VALUE with a value in YAML, not {assignment!r}."
            ) from None
    with _open_book(root) as (builder, project):
        typer.echo(f"Recorded in {builder.record(project, page, scale, threads, given, part)}")


@app.command()
def handouts(
    pages: Annotated[list[str] | None, typer.Argument(metavar="[PAGE]...", help="All by default.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the notebooks.")] = Path(
        "_build/handouts"
    ),
    run: Annotated[
        bool, typer.Option("--run", help="Run each, with empty answers and with right ones.")
    ] = False,
    scale: Scale = "demo",
    root: Root = None,
) -> None:
    """Write a notebook for students and one for instructors of each executed chapter."""
    with _open_book(root) as (builder, project):
        from gi_lib.teaching.handouts import hand_out, try_out

        n_unexpected = 0
        for name, notebook in hand_out(project, pages or [], out, scale):
            outcomes = try_out(notebook, project.root) if run else []
            unexpected = [outcome for outcome in outcomes if not outcome.as_expected]
            n_unexpected += len(unexpected)
            told = f": {len(outcomes)} answers tried, {len(unexpected)} judged wrongly" if run else ""
            typer.echo(f"{name}{told}")
            for outcome in unexpected:
                typer.echo(
                    f"  {outcome.exercise}, answer {outcome.answer}: {outcome.said or 'taken as right'}"
                )
        typer.echo(f"Written to {out}.")
        if n_unexpected:
            raise builder.BookError(f"{n_unexpected} answers were judged wrongly.")


@app.command()
def slides(
    pages: Annotated[list[str] | None, typer.Argument(metavar="[PAGE]...", help="All by default.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the decks.")] = Path("_build/slides"),
    scale: Scale = "demo",
    root: Root = None,
) -> None:
    """Write slides of each executed chapter: its figures, questions and key points."""
    with _open_book(root) as (_, project):
        from gi_lib.teaching.slides import make_slides

        for title, path in make_slides(project, pages or [], out, scale):
            typer.echo(f"{path}: {title}")


@app.command()
def models() -> None:
    """Show every published model with its parameters at the paper's dimensions."""
    from gi_lib.models import PUBLISHED, count_parameters

    typer.echo(f"{'model':<12}{'here':>12}{'paper':>12}  ")
    for name, model in PUBLISHED.items():
        here = count_parameters(model.build())
        verdict = "exact" if here == model.parameters else f"differs by {here - model.parameters:+,}"
        typer.echo(f"{name:<12}{here:>12,}{model.parameters:>12,}  {verdict}")
    for remark in dict.fromkeys(model.remark for model in PUBLISHED.values() if model.remark):
        names = " and ".join(name for name, model in PUBLISHED.items() if model.remark == remark)
        typer.echo(f"{names}: {remark}.")


@book.command()
def sync(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail when a pair is out of date.")
    ] = False,
    root: Root = None,
) -> None:
    """Write the paired notebooks/NAME.ipynb of every text notebook."""
    with _open_book(root) as (builder, project):
        changed = builder.sync_pairs(project, check=check)
        typer.echo(f"{'Out of date' if check else 'Changed'}: {', '.join(changed) or 'none'}.")
        if check and changed:
            raise builder.BookError("Run `gi book sync` to bring the paired notebooks up to date.")


@book.command()
def convert(source: Path, target: Path) -> None:
    """Write a text notebook as an output-free .ipynb."""
    with _open_book(None) as (builder, _):
        builder.write_notebook(target, builder.convert(source))


@book.command("data")
def book_data(root: Root = None) -> None:
    """Fetch the real data that can be had, and note which files are at hand."""
    with _open_book(root) as (builder, project):
        builder.refresh_data(project)


@book.command()
def execute(
    page: str,
    scale: Scale = "demo",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
    root: Root = None,
) -> None:
    """Run one page of notebooks/runs.yml."""
    end_with_graph()
    with _open_book(root) as (builder, project):
        builder.execute(project, page, scale, threads)


@book.command()
def stage(scale: Scale = "demo", root: Root = None) -> None:
    """Lay prose pages and executed notebooks side by side in _build/src."""
    end_with_graph()
    with _open_book(root) as (builder, project):
        builder.stage(project, scale)


@book.command()
def render(root: Root = None) -> None:
    """Turn the staged pages into HTML; a warning is an error."""
    end_with_graph()
    with _open_book(root) as (builder, project):
        builder.render(project)


@book.command()
def pdf(root: Root = None) -> None:
    """Print the rendered book into one file, _build/companion.pdf; needs Chromium."""
    end_with_graph()
    with _open_book(root) as (builder, project):
        builder.print_book(project)


@book.command()
def links(root: Root = None) -> None:
    """Follow every link of the rendered book that leads out of it."""
    end_with_graph()
    with _open_book(root) as (builder, project):
        builder.follow_links(project)


# --- sweeps ---------------------------------------------------------------------------------------

SweepFile = Annotated[Path, typer.Argument(metavar="FILE", help="Such as workflow/sweep.yaml.")]
SweepFolder = Annotated[Path, typer.Option("--out", "-o", help="Folder of the tables.")]


@contextmanager
def _open_sweep(file: Path) -> Iterator[tuple[Any, Any]]:
    """The module that runs sweeps and the sweep of a file; an expected failure becomes one sentence."""
    from gi_lib import sweep as sweeps

    with one_sentence(sweeps.SweepError, DataError, GraphError, OSError):
        yield sweeps, sweeps.read_sweep(file)


@sweep.command("run")
def run_sweep(
    file: SweepFile,
    out: SweepFolder,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores of this machine; all by default.")] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Snakemake profile of a cluster, such as workflow/profiles/slurm.")
    ] = None,
) -> None:
    """Run all jobs that have not been run, and gather their tables."""
    with _open_sweep(file) as (sweeps, declared):
        sweeps.write_plan(declared, out)
        options = ["--keep-going", *(["--profile", str(profile.resolve())] if profile else [])]
        graph = Path(gi_lib.__file__).parents[1] / "workflow" / "sweep.smk"
        config = {"sweep": str(file.resolve())}
        if not run_graph(graph, out, cores or os.cpu_count() or 1, config, options):
            raise sweeps.SweepError(
                f"Some of {len(declared.jobs())} jobs failed; the reasons are above. The same command runs them again, "
                f"`gi sweep gather --partial` sums up the others."
            )
        typer.echo(f"{len(declared.jobs())} jobs: {out / 'predictions.parquet'}, {out / 'summary.html'}")


@sweep.command("job")
def sweep_job(file: SweepFile, name: str, out: SweepFolder) -> None:
    """Run one job by its name."""
    end_with_graph()
    with _open_sweep(file) as (sweeps, declared):
        typer.echo(f"Written to {sweeps.run_job(declared, name, out)}.")


@sweep.command("gather")
def gather_sweep(
    file: SweepFile,
    out: SweepFolder,
    partial: Annotated[bool, typer.Option("--partial", help="Sum up the jobs that are done.")] = False,
) -> None:
    """Put the tables of all jobs into one."""
    end_with_graph()
    with _open_sweep(file) as (sweeps, declared):
        path, missing = sweeps.gather(declared, out, partial)
        typer.echo(f"Written to {path}." + (f" Missing: {len(missing)} jobs." if missing else ""))


if __name__ == "__main__":
    app()
