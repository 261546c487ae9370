"""What comes from elsewhere is data: it is never run, unpickled, written where it says, or unpacked without end."""

import ast
import gzip
import importlib.util
import io
import json
import lzma
import pickle
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numcodecs.pickles
import numpy as np
import pytest
import xarray as xr
import yaml

from gi_lib import book
from gi_lib.cohorts.arapheno import read_arapheno
from gi_lib.datasets import foreign, registry
from gi_lib.datasets.cohort import CohortError, open_cohort
from gi_lib.datasets.r_data import read_rda
from gi_lib.datasets.registry import DataError
from gi_lib.encoding import EncodingError, count_variants
from gi_lib.encoding.annovar import AnnovarTable
from gi_lib.encoding.gene_models import GeneModelError, read_gff3
from gi_lib.encoding.vocabulary import AnnotationError
from gi_lib.process import GraphError, in_shell, run_graph
from gi_lib.sweep import read_sweep
from gi_lib.validation import cache

ROOT = Path(__file__).parents[1]

# ------------------------------------------------------------------------------------------- what the code may not do

MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib")
"""Modules of which a name may be used only where `ALLOWED` says so: they turn bytes into running code."""

ALLOWED = {
    # The hash of what a study depends on; nothing is written or read.
    ("gi_lib/tuning.py", "joblib.hash"),
    ("gi_lib/tuning.py", "pickle.PicklingError"),
    # The solutions of the exercises, which are cells of our own notebooks.
    ("tests/test_notebooks.py", "exec"),
    # The cell that sets up a bare machine, which is our own too.
    ("tests/book/test_book.py", "exec"),
    # These write what must be refused, and show that it would do harm.
    ("tests/test_safety.py", "pickle.dumps"),
    ("tests/test_safety.py", "np.save(pickles objects)"),
    ("tests/test_safety.py", "np.lib.format.read_array(allow_pickle)"),
}


def sources() -> dict[str, str]:
    """Python of the repository: modules, scripts, job graphs and the code cells of notebooks, by their file."""
    found = {}
    for pattern in (
        "gi_lib/**/*.py",
        "benchmarks/**/*.py",
        "tests/**/*.py",
        "book/**/*.py",
        "workflow/*.smk",
        "workflow/Snakefile",
    ):
        for path in sorted(ROOT.glob(pattern)):
            found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        code = re.findall(r"^```{code-cell}.*\n((?:.*\n)*?)```", text, re.MULTILINE)
        code = [
            re.sub(r"\A(?:---\n(?:.*\n)*?---\n|(?::.*\n)+)", "", cell) for cell in code
        ]  # without its options
        found[path.relative_to(ROOT).as_posix()] = "\n".join(code)
    return found


def python_of(name: str, text: str) -> ast.Module:
    """The syntax tree; of a job graph that of its Python, its rules as assignments."""
    if name.endswith((".smk", "Snakefile")):
        text = re.sub(r"^(?:rule \w+|localrules):", "if True:", text, flags=re.MULTILINE)
        text = re.sub(r"^    (\w+):(.*)", r"    \1 = dict if True else (\2", text, flags=re.MULTILINE)
        return ast.parse(text.split("\nif True:")[0])
    return ast.parse(re.sub(r"^\s*[%!].*", "", text, flags=re.MULTILINE))


def dotted(node: ast.expr) -> str:
    """Name of what is called, such as ``np.save``; only its end where the rest is no name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def dangers(tree: ast.Module) -> list[str]:
    """Everything in a file that could turn data into running code."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.split(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    found = [
        names[node.id]
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and "." in names.get(node.id, "")
    ]
    found = [name for name in found if name.split(".")[0] in MODULES]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = names.get(node.value.id, "")
            if module in MODULES:
                found.append(f"{module}.{node.attr}")
            if (module, node.attr) in (("os", "system"), ("os", "popen"), ("pandas", "read_pickle")):
                found.append(f"{module}.{node.attr}")
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called.endswith("np.save") and given.get("allow_pickle") != "False":
            found.append(f"{called}(pickles objects)")
        if called in ("eval", "exec", "__import__"):
            found.append(called)
        if given.get("allow_pickle", "False") != "False":
            found.append(f"{called}(allow_pickle)")
        if given.get("shell", "False") != "False":
            found.append(f"{called}(shell)")
        if called.endswith(("torch.load", "joblib.load")) and given.get("weights_only") != "True":
            found.append(called)
        if called.endswith("yaml.load") and "Safe" not in given.get("Loader", ""):
            found.append(called)
        if called.endswith((".extractall", ".extract")) and not called.endswith(".str.extract"):
            found.append(called)
    return found


def test_nothing_turns_data_into_running_code():
    found = {(name, danger) for name, text in sources().items() for danger in dangers(python_of(name, text))}
    assert found - ALLOWED == set()
    assert ALLOWED - found == set(), "what is allowed is not there any more"


@pytest.mark.parametrize(
    ("text", "danger"),
    [
        ("import pickle\npickle.load(f)", "pickle.load"),
        ("import pickle as p\np.loads(b)", "pickle.loads"),
        ("from pickle import loads\nloads(b)", "pickle.loads"),
        ("import joblib\njoblib.load(f)", "joblib.load"),
        ("import numpy as np\nnp.load(f, allow_pickle=True)", "np.load(allow_pickle)"),
        ("import numpy as np\nnp.save(f, x)", "np.save(pickles objects)"),
        ("import pandas as pd\npd.read_pickle(f)", "pandas.read_pickle"),
        ("import torch\ntorch.load(f)", "torch.load"),
        ("import torch\ntorch.load(f, weights_only=False)", "torch.load"),
        ("import yaml\nyaml.load(f)", "yaml.load"),
        ("import yaml\nyaml.load(f, Loader=yaml.Loader)", "yaml.load"),
        ("eval('1')", "eval"),
        ("exec('1')", "exec"),
        ("import marshal\nmarshal.loads(b)", "marshal.loads"),
        ("import shelve\nshelve.open(f)", "shelve.open"),
        ("import subprocess\nsubprocess.run('ls', shell=True)", "subprocess.run(shell)"),
        ("import os\nos.system('ls')", "os.system"),
        ("archive.extractall('.')", "archive.extractall"),
    ],
)
def test_every_danger_is_seen(text, danger):
    assert danger in dangers(ast.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ntorch.load(f, weights_only=True)",
        "import yaml\nyaml.safe_load(f)",
        "import numpy as np\nnp.load(f, allow_pickle=False)",
        "import subprocess\nsubprocess.run(['ls'])",
        "network.eval()",
    ],
)
def test_what_is_harmless_is_no_danger(text):
    assert dangers(ast.parse(text)) == []


# ----------------------------------------------------------------------------------------------- caches hold no pickle


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def trap(tmp_path):
    """An array of one trap; the test fails if it snaps."""
    sprung = tmp_path / "sprung"
    yield np.array([Trap(sprung)], object)
    assert not sprung.exists()


def test_the_trap_works(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.array([Trap(tmp_path / "sprung")], object))
    np.lib.format.read_array(path.open("rb"), allow_pickle=True)
    assert (tmp_path / "sprung").exists()


def test_cached_predictions_hold_no_pickle(trap, tmp_path, monkeypatch):
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        cache.cached_predictions(["0" * 32], lambda missing: [trap])
    (path,) = (tmp_path / "cache" / "predictions" / "00").glob("*.lock")
    assert not path.with_suffix(".npy").exists()
    np.save(path.with_suffix(".npy"), trap)
    (found,) = cache.cached_predictions(["0" * 32], lambda missing: [np.ones(2)])  # as if there was none
    assert found.tolist() == [1, 1]


def test_stretches_of_the_encoder_hold_no_pickle(trap, tmp_path):
    encode = importlib.import_module("gi_lib.encoding.encode")  # the package has a function of that name
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        encode._write_part(tmp_path, 0, {"report": trap})
    np.savez(tmp_path / "part-000000.npz", report=trap)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        [arrays["report"] for arrays in encode._parts(tmp_path, [0])]


def test_built_tables_of_annovar_hold_no_pickle(trap, tmp_path):
    for name in ("key", "start", "length", "text"):
        np.save(tmp_path / f"{name}.npy", trap)
    (tmp_path / "table.json").write_text('{"format": 1, "chromosomes": []}')
    with pytest.raises(ValueError, match="Array can't be memory-mapped: Python objects in dtype"):
        AnnovarTable.open(tmp_path)


def store_with(tmp_path: Path, trap: np.ndarray, **description: object) -> Path:
    """A Zarr store whose array ``sample_id`` is packed as the description says."""
    folder = tmp_path / "foreign.zarr"
    (folder / "sample_id").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    array = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "fill_value": "", "order": "C"}
    (folder / "sample_id" / ".zarray").write_text(
        json.dumps(array | {"filters": None, "compressor": None} | description)
    )
    (folder / "sample_id" / "0").write_bytes(pickle.dumps(trap[0]))
    return folder


PICKLED = {"id": "pickle", "protocol": 5}


@pytest.mark.parametrize(
    "description",
    [
        {"filters": [PICKLED]},
        {"filters": [{"id": "vlen-utf8"}, PICKLED]},
        {"filters": [{"id": "vlen-utf8"}], "compressor": PICKLED},
    ],
)
def test_stores_of_others_are_not_unpickled(trap, tmp_path, monkeypatch, description):
    # Some versions of numcodecs unpickle without asking.
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    folder = store_with(tmp_path, trap, **description)
    for read, error in ((open_cohort, CohortError), (count_variants, EncodingError)):
        with pytest.raises(
            error, match=r"sample_id/\.zarray names the codec 'pickle', which is not read because it may"
        ):
            read(folder)


def test_codecs_are_found_wherever_a_store_names_them(tmp_path):
    third = {"name": "numcodecs.pickle", "configuration": {}}
    shards = {"name": "sharding_indexed", "configuration": {"codecs": [third], "index_codecs": ["bytes"]}}
    array = {"node_type": "array", "codecs": [shards]}
    for name, content in {
        "zarr.json": {"node_type": "group", "consolidated_metadata": {"metadata": {"a": array}}},
        ".zmetadata": {"metadata": {"a/.zarray": {"compressor": {"id": "pickle"}}}},
    }.items():
        folder = tmp_path / name.strip(".")
        folder.mkdir()
        for encoding in ("utf-8", "utf-16"):
            (folder / name).write_bytes(json.dumps(content).encode(encoding))
            with pytest.raises(ValueError, match=f"{re.escape(name)} names the codec 'pickle'"):
                foreign.refuse_code(folder)


def test_attributes_and_names_are_no_codecs(tmp_path):
    store = tmp_path / "ours.zarr"
    written = xr.Dataset({"filters": ("x", [1.0])}, attrs={"filters": [{"id": "pickle"}]})
    written.to_zarr(store)
    foreign.refuse_code(store)
    assert xr.open_zarr(store, chunks=None).load().identical(written)


# ----------------------------------------------------------------------------------------------------------- archives

GFF3 = b"".join(
    f"1\tx\t{kind}\t100\t200\t.\t+\t.\t{rest}\n".encode()
    for kind, rest in (("gene", "ID=g"), ("mRNA", "ID=t;Parent=g"))
)


def tar_of(path: Path, *members: tuple[str, bytes, bytes, str]) -> Path:
    """An archive of members (name, type, content, target of a link)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content), target
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A folder to read in; the test fails if anything but what it writes itself appears beside it."""
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert [path.name for path in folder.rglob("*")] in ([], ["x.tar.gz"], ["x.zip"])


@pytest.mark.parametrize("name", ["../evil", "/abs/evil", "a/../../evil", "evil\n.gff3"])
def test_members_of_a_tar_are_read_whatever_they_are_called(inside, name):
    assert read_gff3(tar_of(inside / "x.tar.gz", (name, tarfile.REGTYPE, GFF3, ""))).genes[
        "name"
    ].tolist() == ["g"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_links_and_devices_in_a_tar_are_no_files(inside, kind):
    with pytest.raises(GeneModelError, match=r"The archive x.tar.gz holds no file"):
        read_gff3(tar_of(inside / "x.tar.gz", ("genes.gff3", kind, b"", "/etc/passwd")))
    path = tar_of(inside / "x.tar.gz", ("a", kind, b"", "/etc/passwd"), ("b", tarfile.REGTYPE, GFF3, ""))
    assert len(read_gff3(path).genes) == 1


@pytest.mark.parametrize("name", ["study_1_values.csv", "../study_1_values.csv", "/abs/study_1_values.csv"])
def test_members_of_a_zip_are_read_whatever_they_are_called(inside, name):
    with zipfile.ZipFile(inside / "x.zip", "w") as archive:
        archive.writestr(name, "accession_id,replicate_id,height\n9999,1,2.5\n")
    traits, _ = read_arapheno(inside / "x.zip")
    assert traits.loc["9999"].tolist() == [2.5]


def zeros(path: Path, megabytes: int, opener=gzip.open, start: bytes = b"") -> Path:
    with opener(path, "wb") as handle:
        handle.write(start)
        for _ in range(megabytes):
            handle.write(bytes(1 << 20))
    return path


def test_a_file_that_unpacks_a_thousandfold_does_no_harm(tmp_path):
    calls = {
        "read_gff3('x.gff3')": "GeneModelError x.gff3 has more than",
        "count_variants('x.vcf')": "EncodingError x.vcf has a line of more than",
        "read_rda('x.rda', 'x')": "ValueError x.rda unpacks to more than",
    }
    for name, start in (("x.gff3", b""), ("x.vcf", b"##fileformat=VCFv4.2\n"), ("x.rda", b"")):
        assert zeros(tmp_path / name, 300, start=start).stat().st_size < 400_000
    code = f"""
import resource
from gi_lib.datasets import foreign, r_data
from gi_lib.datasets.r_data import read_rda
from gi_lib.encoding import count_variants, textfile
from gi_lib.encoding.gene_models import read_gff3
r_data.MOST_BYTES = foreign.LONGEST_LINE = textfile.LONGEST_LINE = 32 << 20
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for call in {list(calls)}:
    try:
        eval(call)
    except Exception as error:
        print(type(error).__name__, error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    *told, megabytes = done.stdout.splitlines()
    assert all(one.startswith(sentence) for one, sentence in zip(told, calls.values(), strict=True)), told
    assert int(megabytes) < 200


@pytest.mark.parametrize("ending", ["gff3", "gff3.xz"])
def test_endless_lines_and_texts_are_refused(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(foreign, "LONGEST_LINE", 1 << 16)
    opener = lzma.open if ending.endswith("xz") else gzip.open
    with pytest.raises(GeneModelError, match=r"has more than 65,536 bytes in line 1\."):
        read_gff3(zeros(tmp_path / f"x.{ending}", 1, opener))
    with opener(tmp_path / f"many.{ending}", "wb") as handle:
        handle.write(GFF3 * 1000)
    monkeypatch.setattr("gi_lib.encoding.gene_models.MOST_BYTES", 50_000)
    with pytest.raises(GeneModelError, match=r"unpacks to more than 50,000 bytes\."):
        read_gff3(tmp_path / f"many.{ending}")


def test_a_long_line_behind_the_header_of_a_vcf_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gi_lib.encoding.textfile.LONGEST_LINE", 1 << 18)
    monkeypatch.setattr("gi_lib.encoding.textfile.TEXT_BYTES", 1 << 16)
    columns = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "s"])
    with gzip.open(tmp_path / "x.vcf", "wb") as handle:
        handle.write(f"##fileformat=VCFv4.2\n##INFO=<ID=ANN>\n{columns}\n".encode() + b"1" * (1 << 20))
    with pytest.raises(EncodingError, match=r"x.vcf has a line of more than 262,144 bytes\."):
        count_variants(tmp_path / "x.vcf")


def test_a_long_line_of_annovar_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "LONGEST_LINE", 1 << 16)
    path = zeros(tmp_path / "x.multianno.txt", 1)
    with pytest.raises(AnnotationError, match=r"x.multianno.txt has more than 65,536 bytes in line 1\."):
        AnnovarTable.build([path], tmp_path / "table")


def test_a_member_that_says_it_has_100_gigabytes_is_not_believed(tmp_path):
    member = tarfile.TarInfo("genes.gff3")
    member.size = 100 << 30
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf() + GFF3))
    with pytest.raises(GeneModelError, match=r"x.tar.gz is damaged or cut short \(unexpected end of data\)"):
        read_gff3(path)


def test_a_zip_that_unpacks_a_thousandfold_does_no_harm(tmp_path, monkeypatch):
    monkeypatch.setattr("gi_lib.cohorts.arapheno.MOST_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("study_1_values.csv", bytes(4 << 20))
    with pytest.raises(DataError, match=r"x.zip unpacks to more than 1,048,576 bytes\."):
        read_arapheno(tmp_path / "x.zip")


def test_r_data_are_not_unpacked_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("gi_lib.datasets.r_data.MOST_BYTES", 1 << 20)
    with pytest.raises(ValueError, match=r"x.rda unpacks to more than 1,048,576 bytes\."):
        read_rda(zeros(tmp_path / "x.rda", 2), "x")


# ---------------------------------------------------------------------------------------------------- shells and graphs

NASTY = [
    "two words",
    "it's",
    'say "hi"',
    "$(touch pwned)",
    "`touch pwned`",
    "a; touch pwned",
    "{wildcards}",
    "-rf",
    "a\\b",
    "é",
]


def test_words_reach_a_program_as_they_are(tmp_path):
    command = in_shell(sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *NASTY)
    command = command.format()  # Snakemake does that to every command
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == NASTY
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a{b}", "line\nbreak"])
def test_names_with_a_meaning_in_graphs_are_refused(tmp_path, name):
    with pytest.raises(GraphError, match="cannot be used in a job graph"):
        run_graph(tmp_path / "graph.smk", tmp_path / name, 1, {})
    with pytest.raises(GraphError, match="cannot be used in a job graph"):
        run_graph(tmp_path / "graph.smk", tmp_path, 1, {"sweep": name})


def test_commands_of_the_graphs_are_quoted():
    """Every value in a command of a job graph goes through `in_shell`, or is quoted by Snakemake."""
    for name in ("Snakefile", "encode.smk", "sweep.smk"):
        text = (ROOT / "workflow" / name).read_text(encoding="utf-8")
        quoted = set(re.findall(r"^(\w+) = in_shell\(", text, re.MULTILINE)) | {"SHARES"}  # a number
        commands = re.findall(r"^    shell:\n((?:^        .*\n)+)", text, re.MULTILINE)
        assert commands
        for command in commands:
            for part in re.findall(r"{+([^{}]+)}+", command):
                assert (
                    part in quoted
                    or re.fullmatch(r"in_shell\(\w+\)", part)
                    or part in ("threads", "wildcards.k")  # numbers, by the rule and by its constraint
                    or part.endswith(":q")
                ), f"{name}: {part} is not quoted"
            assert not re.search(r"\+ (?!GI|ROOT|\"|f\")", command)


def test_values_reach_a_graph_as_they_are(tmp_path):
    """Snakemake reads values as YAML, for which a blank and a sharp begin a comment."""
    values = {"one": "x #y", "two": "x: [y]", "three": "12", "four": 'it\'s "so" $(touch pwned)'}
    (tmp_path / "graph.smk").write_text(
        "import json\nfrom pathlib import Path\n"
        "Path('seen.json').write_text(json.dumps(config))\n"
        "rule all:\n    input: []\n"
    )
    (tmp_path / "run").mkdir()
    call = f"run_graph(Path('graph.smk'), Path('run'), 1, {values!r})"
    code = f"from pathlib import Path\nfrom gi_lib.process import run_graph\nassert {call}"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert json.loads((tmp_path / "run" / "seen.json").read_text()) == values


@pytest.mark.slow
def test_an_encoding_of_files_with_nasty_names(tmp_path):
    spec = importlib.util.spec_from_file_location("vcf_writer", ROOT / "tests" / "encoding" / "conftest.py")
    helpers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(helpers)
    info = f"ANN={helpers.ann('T', 'missense_variant')}"
    plain = helpers.write(tmp_path, [helpers.record(100, "A", "T", info, "1|1 0|0 0/1")])
    name, out = (
        "my genes; touch pwned '$(touch pwned)' `touch pwned` \"x\".vcf",
        "co $(touch pwned) h'ort.zarr",
    )
    plain.rename(tmp_path / name)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "encode.smk")]
    command += ["--cores", "1", "--directory", str(tmp_path)]
    command += ["--config", f"genotypes={json.dumps([name])}", f"out={out}", "shares=2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert open_cohort(tmp_path / out)["counts"].values.sum() == 2
    assert not (tmp_path / "pwned").exists()


@pytest.mark.slow
@pytest.mark.parametrize("graph", ["sweep.smk", "Snakefile"])
def test_commands_of_a_graph_in_a_folder_with_a_nasty_name(tmp_path, graph):
    folder = tmp_path / 'it\'s $(touch pwned); `touch pwned` "x"'
    folder.mkdir()
    if graph == "sweep.smk":
        file = folder / "my sweep #1.yaml"
        small = {"cohorts": ["simulated"], "models": ["GBLUP"], "seeds": [1]}
        file.write_text(yaml.safe_dump(small))
        (folder / "plan.json").write_text(read_sweep(file).plan())
        config, word = {"sweep": str(file)}, str(file)
    else:
        (folder / "notebooks").mkdir()
        (folder / "_config.yml").write_text("")
        (folder / "notebooks" / "good.md").write_text("# Good\n")
        (folder / "notebooks" / "runs.yml").write_text("good: {source: good.md}\n")
        config, word = {"root": str(folder)}, str(folder)
    (folder / "config.json").write_text(json.dumps(config))
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "workflow" / graph),
        "--cores",
        "1",
    ]
    command += ["--directory", str(folder), "--configfile", str(folder / "config.json"), "--dry-run", "-p"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "-m gi_lib.cli" in line]
    assert len(shown) >= 2
    assert all(word in shlex.split(line) for line in shown), shown
    assert not list(tmp_path.rglob("pwned"))


# ---------------------------------------------------------------------------------------------------------- downloads


def manifest_of(folder: Path, name: object, **changes: object) -> None:
    entry = {
        "content": "x",
        "read": "x",
        "licence": "x",
        "url": "https://example.org/x",
        "sha256": "0" * 64,
        "bytes": 1,
    }
    whole = {"dataset": "toy", "title": "x", "summary": "x", "citation": "x", "doi": "10.1234/x"}
    (folder / "toy.yaml").write_text(yaml.safe_dump(whole | {"files": {name: entry | changes}}))


@pytest.fixture
def manifests(tmp_path, monkeypatch):
    folder = tmp_path / "manifests"
    folder.mkdir()
    monkeypatch.setenv("GI_MANIFEST_DIR", str(folder))
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))
    registry._load_manifests.cache_clear()
    yield folder
    registry._load_manifests.cache_clear()


@pytest.mark.parametrize(
    "name", ["../evil", "/abs/evil", "a/b", "..", ".", ".hidden", "a\\b", "a\nb", "a b", "~", 7]
)
def test_a_file_of_a_manifest_stays_in_its_folder(manifests, name):
    manifest_of(manifests, name)
    with pytest.raises(DataError, match="a file name has letters, digits"):
        registry.load_manifests()


@pytest.mark.parametrize(
    "url", ["ftp://example.org/x", "file:///etc/passwd", "/etc/passwd", "s3://a/b", "doi:10.1/x"]
)
def test_only_the_web_is_downloaded_from(manifests, url):
    manifest_of(manifests, "x", url=url)
    with pytest.raises(DataError, match="expected an http or https address"):
        registry.load_manifests()


def test_a_file_in_a_mirror_with_another_hash_is_refused(manifests, tmp_path, monkeypatch):
    manifest_of(manifests, "x")
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    (tmp_path / "mirror" / "toy" / "x").write_text("y")
    monkeypatch.setenv("GI_DATA_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(DataError, match="is refused: expected sha256 0000"):
        registry.fetch("toy/x")


def test_every_manifest_of_the_project_pins_what_it_verifies():
    for manifest in registry.load_manifests().values():
        for entry in manifest.files.values():
            assert entry.url.startswith(("https://", "http://"))
            assert (entry.sha256 is not None) == entry.verified


# ---------------------------------------------------------------------------------------------------------- notebooks


def test_rendering_executes_nothing():
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert settings["execute"] == {"execute_notebooks": "off"}
    assert settings["only_build_toc_files"] is True


@pytest.fixture
def toy(tmp_path):
    """A book of one page, with a notebook that nobody has named lying in three places."""
    for folder in ("notebooks", "book"):
        (tmp_path / folder).mkdir()
    text = "```{code-cell}\nopen('pwned', 'w')\n```\n"
    head = "---\njupytext: {text_representation: {extension: .md, format_name: myst}}\n"
    head += "kernelspec: {name: python3}\n---\n"
    (tmp_path / "notebooks" / "good.md").write_text(head + "# Good\n")
    (tmp_path / "notebooks" / "runs.yml").write_text("good: {source: good.md}\n")
    (tmp_path / "book" / "_toc.yml").write_text("format: jb-book\nroot: notebooks/good\n")
    (tmp_path / "notebooks" / "stray.md").write_text(head + text)
    cell = {"cell_type": "code", "source": "open('pwned', 'w')", "metadata": {}, "outputs": []}
    stray = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    for folder in ("notebooks", "book"):
        (tmp_path / folder / "stray-too.ipynb").write_text(stray)
    return book.Project(tmp_path)


def test_a_build_runs_only_what_it_was_told_to(toy):
    assert list(toy.pages) == ["good"]
    book.check_contents(toy)
    for page in ("stray", "stray-too"):
        with pytest.raises(book.BookError, match=f"There is no page '{page}'"):
            book.execute(toy, page)
    (toy.root / "book" / "_toc.yml").write_text("root: notebooks/good\nchapters: [{file: stray-too}]\n")
    with pytest.raises(
        book.BookError, match=r"names 'stray-too', which is neither a prose page nor in runs\.yml"
    ):
        book.check_contents(toy)
    assert not (toy.root / "pwned").exists()


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        ("'a; touch pwned': {source: good.md}", "a page is called 'a; touch pwned'; allowed are letters"),
        ("../a: {source: good.md}", r"a page is called '\.\./a'; allowed are letters"),
        ("a: {source: ../outside.md}", "page a needs 'source', a file in"),
    ],
)
def test_pages_and_their_sources_stay_in_the_book(toy, runs, sentence):
    (toy.root / "outside.md").write_text("x")
    (toy.notebooks / "runs.yml").write_text(runs)
    with pytest.raises(book.BookError, match=sentence):
        _ = toy.pages


def test_the_audit_is_no_part_of_the_environment():
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^audit: \$\(SETUP\) ## ", makefile, re.MULTILINE)
    everything = tuple(path.read_text() for path in (ROOT / "pyproject.toml", ROOT / "constraints.txt"))
    assert not any("pip-audit" in text or "pip_audit" in text for text in everything)
