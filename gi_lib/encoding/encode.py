"""Files of genotypes to gene × variant-type counts: in one pass, in bounded memory, on all cores, whatever happens.

The files are cut into stretches (`gi_lib.encoding.sources`). Each stretch is counted alone and its result is written
to a work folder, whole or not at all; when all are there they are merged into a cohort. So a run that was
killed goes on where it was, several machines can share the stretches of one run, and the result does not depend
on how many there were.

The encoding itself is that of Raimondi et al. 2024, *Transforming AT WGS data into NN-understandable input tensors*.
"""

import json
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from tqdm import tqdm

from gi_lib.datasets.cohort import save_cohort
from gi_lib.encoding.annotations import parser
from gi_lib.encoding.annovar import AnnovarTable
from gi_lib.encoding.assign import TYPES, Assigner, Genes, InfoAssigner, OwnAssigner, TableAssigner
from gi_lib.encoding.consequences import OwnAnnotation
from gi_lib.encoding.counting import StretchCounter
from gi_lib.encoding.gene_models import GeneModelError, GeneModels, read_gff3
from gi_lib.encoding.merge import Part, merge_stretches
from gi_lib.encoding.plan import EncodingError, Plan, Settings, make_plan
from gi_lib.encoding.report import Report
from gi_lib.encoding.sources import Source, SourceError, open_source
from gi_lib.encoding.tables import Tables
from gi_lib.encoding.textfile import TextFileError
from gi_lib.encoding.vocabulary import AnnotationError
from gi_lib.process import end_with, locked, make_folder, make_room, write_text, writing, written_whole

_EXPECTED = (SourceError, TextFileError, AnnotationError, GeneModelError)
"""What is wrong with a user's files; one sentence tells it."""


class _Worker:
    """What one process needs to count stretches of a plan; made once per process."""

    def __init__(self, plan: Plan, models: GeneModels | None, table: str | None):
        self.plan, self.models, self.table = plan, models, table
        self._sources: dict[int, Source] = {}

    def count(self, number: int, tell: Callable[[int], None] | None = None) -> Part:
        """Count one stretch."""
        index, stretch = self.plan.stretches[number]
        if index not in self._sources:
            self._sources = {index: open_source(self.plan.inputs[index], self.plan.settings.region)}
        source, genes = self._sources[index], Genes(self.models)
        counter, assigner = (
            StretchCounter(len(source.samples), genes, self.plan.settings),
            self._assigner(source, genes),
        )
        try:
            for block in source.blocks(stretch):
                counter.count(block, assigner)
                if tell is not None:
                    tell(block.behind)
        except AnnotationError as error:
            raise AnnotationError(f"{source.path.name}, {error}") from None
        return counter.result()

    def list(self, number: int) -> pd.DataFrame:
        """Every variant of one stretch that counts, see `list_variants`."""
        index, stretch = self.plan.stretches[number]
        source, genes = open_source(self.plan.inputs[index], self.plan.settings.region), Genes(self.models)
        counter, assigner = (
            StretchCounter(len(source.samples), genes, self.plan.settings),
            self._assigner(source, genes),
        )
        tables = []
        for block in source.blocks(stretch):
            alleles, pairs, copies = counter.assign(block, assigner)
            record = alleles.record[pairs.allele]
            tables.append(
                pd.DataFrame(
                    {
                        "chromosome": np.array(block.contigs, str)[block.contig[record]],
                        "position": block.position[record],
                        "ref": [alleles.ref[i] for i in pairs.allele.tolist()],
                        "alt": [alleles.alt[i] for i in pairs.allele.tolist()],
                        "gene": [genes.names[i] for i in pairs.gene.tolist()],
                        "variant_type": np.array(TYPES, str)[pairs.variant_type],
                        "carriers": (copies[pairs.allele] > 0).sum(axis=1),
                    }
                )
            )
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def _assigner(self, source: Source, genes: Genes) -> Assigner:
        settings = self.plan.settings
        if self.plan.kind == "tables":
            return TableAssigner(AnnovarTable.open(Path(self.table)), genes, settings.effects)
        if self.plan.kind == "own":
            own = OwnAnnotation(
                self.models, Path(settings.fasta) if settings.fasta else None, settings.effects
            )
            return OwnAssigner(own, settings.skip_unknown_contigs)
        return InfoAssigner(parser(self.plan.kind, source.header), genes, settings.effects)


def count_variants(
    inputs: str | Path | Sequence[str | Path], settings: Settings | None = None, *, stretch: int | None = None
) -> tuple[xr.Dataset, Report]:
    """Count the variants of small files in this process and in memory.

    Parameters
    ----------
    inputs
        One or more files; see `encode`.
    settings
        What is counted, and how.
    stretch
        Length of a stretch, in bytes on disk or in variants; has no effect on the result.

    Returns
    -------
    counts : xarray.Dataset
        ``counts (sample, gene, variant_type)`` with the coordinates of genes.
    report : Report
        What became of every record and allele.

    Raises
    ------
    EncodingError
        If the files cannot be encoded; the message says why and where.
    """
    settings = settings or Settings()
    inputs = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    with _one_sentence(), tempfile.TemporaryDirectory() as folder:
        plan = make_plan(inputs, settings, stretch)
        models = read_gff3(settings.gff3) if settings.gff3 else None
        worker = _Worker(plan, models, _build_table(plan, Path(folder)))
        results = [worker.count(number) for number in range(len(plan.stretches))]
        counts = merge_stretches(plan, lambda numbers: (results[n] for n in numbers), models)
    return counts, Report.from_dict(json.loads(counts.attrs["report"]))


def list_variants(
    inputs: str | Path | Sequence[str | Path], settings: Settings | None = None
) -> pd.DataFrame:
    """Every variant of small files that counts, and for what: the cells of the encoding taken apart.

    Parameters
    ----------
    inputs, settings
        See `encode`.

    Returns
    -------
    pandas.DataFrame
        One row per allele and gene: ``chromosome``, ``position`` (1-based), ``ref``, ``alt``, ``gene``,
        ``variant_type``, ``carriers`` (accessions with at least one copy), in the order of the files.

    Raises
    ------
    EncodingError
        If the files cannot be encoded; the message says why and where.
    """
    inputs = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    with _one_sentence(), tempfile.TemporaryDirectory() as folder:
        plan = make_plan(inputs, settings or Settings(), None)
        models = read_gff3(plan.settings.gff3) if plan.settings.gff3 else None
        worker = _Worker(plan, models, _build_table(plan, Path(folder)))
        return pd.concat([worker.list(number) for number in range(len(plan.stretches))], ignore_index=True)


@contextmanager
def _one_sentence() -> Iterator[None]:
    """What is wrong with a user's files, as an `EncodingError`."""
    try:
        yield
    except _EXPECTED as error:
        raise EncodingError(str(error)) from None


def _build_table(plan: Plan, folder: Path) -> str | None:
    if plan.kind != "tables":
        return None
    AnnovarTable.build([Path(path) for path in plan.settings.annovar], folder / "annovar")
    return str(folder / "annovar")


@dataclass
class Result:
    """What `encode` has done.

    Attributes
    ----------
    report : Report or None
        None where stretches are still to be counted by others.
    counted, waiting : int
        Stretches counted in this call, and those that are still missing.
    seconds : float
    amount : int
        Read in this call.
    unit : str
        Of `amount`: ``B`` (bytes on disk) or ``variants``.
    """

    report: Report | None
    counted: int
    waiting: int
    seconds: float
    amount: int
    unit: str


def encode(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    settings: Settings | None = None,
    *,
    tables: Tables | None = None,
    cores: int | None = None,
    work: str | Path | None = None,
    share: tuple[int, int] | None = None,
    stretch: int | None = None,
    progress: bool = False,
) -> Result:
    """Encode files of any length into a cohort.

    A run that was killed goes on where it was: what is counted is kept in the work folder until the cohort is
    written. The result does not depend on `cores`, `share` or `stretch`.

    Parameters
    ----------
    inputs
        Multi-sample VCF or BCF files, one VCF per accession, VCF Zarr stores, PLINK ``.bed``. Files with the same
        samples add up (one per chromosome); files with other samples stand side by side.
    out
        The cohort to write, a Zarr folder; nothing may be there.
    settings
        What is counted, and how.
    tables
        Countries, places and traits; by default there are none.
    cores
        Processes; all cores by default.
    work
        Where stretches are kept; by default beside `out`.
    share
        (k, n): count only the k-th of n shares of the stretches (k from 1), and merge nothing. When all shares are
        done, a call without `share` merges.
    stretch
        Length of a stretch, in bytes on disk or in variants.
    progress
        Show a progress bar on stderr.

    Raises
    ------
    EncodingError
        If the files cannot be encoded; the message says why and where.
    FileExistsError
        If something stands at `out` already.
    WriteError
        If the work folder, or that of `out`, cannot be written; what is counted is kept.
    """
    began, cores = time.perf_counter(), cores or os.cpu_count() or 1
    settings, out = settings or Settings(), Path(out)
    inputs = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    if out.exists():
        raise FileExistsError(f"{out} exists already; remove it or choose another name.")
    make_room(out.parent)
    work = Path(work) if work else out.with_name(f"{out.name}.work")
    with _one_sentence():
        plan = make_plan(inputs, settings, stretch)
        tables = tables or Tables()
        tables.read(plan.samples)  # a fault there must show now, not after hours
        folder = _open_work(work, plan)
        models = read_gff3(settings.gff3) if settings.gff3 else None
        with locked(folder / "annovar.lock"):
            table = _build_table(plan, folder)
        mine = range(len(plan.stretches)) if share is None else _share(len(plan.stretches), *share)
        missing = [number for number in mine if _read_part(folder, number) is None]
        worker = _Worker(plan, models, table)
        amount, unit = _count_missing(worker, folder, missing, cores, progress)
        waiting = sum(_read_part(folder, number) is None for number in range(len(plan.stretches)))
        report = None
        if share is None:
            counts = merge_stretches(plan, lambda numbers: _parts(folder, numbers), models, cores)
            report = Report.from_dict(json.loads(counts.attrs["report"]))
            source = f"{report.used:,} variants counted per gene and type."
            save_cohort(tables.cohort(counts, source), out)
            shutil.rmtree(folder)
    return Result(report, len(missing), waiting, time.perf_counter() - began, amount, unit)


def _share(n_stretches: int, k: int, n: int) -> range:
    if not 1 <= k <= n:
        raise EncodingError(f"share is {k}/{n}; allowed are 1/{n} to {n}/{n}.")
    return range(n_stretches * (k - 1) // n, n_stretches * k // n)


def _open_work(folder: Path, plan: Plan) -> Path:
    """The work folder of a plan, with what an earlier run of the same plan left there."""
    make_folder(folder)
    key, note = plan.key(), folder / "plan"
    with locked(folder / "plan.lock"), writing(folder):
        if note.exists() and note.read_text(encoding="utf-8") == key:
            return folder
        old = [path for path in folder.iterdir() if path.name != "plan.lock"]
        if foreign := [path.name for path in old if not _OURS.fullmatch(path.name)]:
            raise EncodingError(
                f"The work folder {folder} holds other files ({foreign[0]}); choose another one."
            )
        for path in old:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        write_text(note, key)
    return folder


_OURS = re.compile(r"\.?(part-\d{6}\.npz|plan)(\..+\.tmp)?|annovar(\.lock)?")
"""Names in a work folder."""


def _part_path(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.npz"


def _write_part(folder: Path, number: int, arrays: Part) -> None:
    if any(array.dtype.hasobject for array in arrays.values()):
        raise ValueError("Object arrays cannot be saved: they would be pickled.")
    with written_whole(_part_path(folder, number)) as scratch, scratch.open("wb") as handle:
        np.savez(handle, **arrays)


def _read_part(folder: Path, number: int) -> Path | None:
    """The file of a stretch, or None where there is none or it is damaged."""
    path = _part_path(folder, number)
    try:
        with zipfile.ZipFile(path) as archive:
            return path if "report.npy" in archive.namelist() else None
    except (OSError, zipfile.BadZipFile):
        return None


def _parts(folder: Path, numbers: Iterable[int]) -> Iterator[Part]:
    """What was counted, stretch by stretch; an array is read when it is asked for."""
    for number in numbers:
        with np.load(_part_path(folder, number), allow_pickle=False) as arrays:
            yield arrays


def _count_missing(
    worker: _Worker, folder: Path, missing: list[int], cores: int, progress: bool
) -> tuple[int, str]:
    """Count stretches on several processes; returns how much was read, and the unit of that."""
    plan = worker.plan
    sources: dict[int, Source] = {}
    lengths = {}
    for number in missing:
        index, stretch = plan.stretches[number]
        if index not in sources:
            sources[index] = open_source(plan.inputs[index], plan.settings.region)
        lengths[number] = sources[index].length(stretch)
    unit = next(iter(sources.values())).unit if sources else "B"
    cores = min(cores, len(missing))
    with tqdm(
        total=sum(lengths.values()), unit=unit, unit_scale=True, desc="encode", disable=not progress
    ) as bar:
        if cores <= 1:
            for number in missing:
                begun, (_, stretch) = 0, plan.stretches[number]

                def tell(behind: int, start: int = stretch.start[0], limit: int = lengths[number]) -> None:
                    nonlocal begun
                    done = min(max(behind - start, begun), limit)
                    bar.update(done - begun)
                    begun = done

                _write_part(folder, number, worker.count(number, tell))
                bar.update(lengths[number] - begun)
        else:
            for number in _count_in_processes(worker, folder, missing, cores):
                bar.update(lengths[number])
    return sum(lengths.values()), unit


def _count_in_processes(worker: _Worker, folder: Path, missing: list[int], cores: int) -> Iterator[int]:
    """Count stretches on several processes; yields the number of each that is written.

    A `ProcessPoolExecutor` waits for ever if one of its processes is killed while it starts and is given more than a
    pipe holds. Here a process is given its task when it says that it is there, and the end of its pipe tells its death.
    """
    context, waiting = get_context("spawn"), missing[::-1]
    processes = {}
    try:
        for _ in range(cores):
            ours, theirs = context.Pipe()
            processes[ours] = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
            processes[ours].start()
            theirs.close()  # now the process alone holds it
        idle = dict.fromkeys(processes, (worker, str(folder)))
        busy = set(processes)
        while busy:
            for ours in wait(list(busy)):
                try:
                    answer = ours.recv()
                    if isinstance(answer, Exception):
                        raise answer
                    if first := idle.pop(ours, None):
                        ours.send(first)
                    else:
                        yield answer
                    if waiting:
                        ours.send(waiting.pop())
                    else:
                        busy.discard(ours)
                except (EOFError, BrokenPipeError, ConnectionResetError):
                    raise EncodingError(
                        "A process that counts variants was killed, perhaps for want of memory; the same command goes "
                        "on where it was, and with fewer --cores it needs less memory."
                    ) from None
    finally:
        for ours, process in processes.items():
            ours.close()
            process.kill()
            process.join()


def _serve(theirs: Connection, parent: int) -> None:
    """Count the stretches that are asked for, until the other end is closed."""
    end_with(parent)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        theirs.send(None)
        worker, folder = theirs.recv()
        while True:
            number = theirs.recv()
            try:
                _write_part(Path(folder), number, worker.count(number))
                answer = number
            except (*_EXPECTED, EncodingError, OSError) as error:
                answer = error
            theirs.send(answer)
