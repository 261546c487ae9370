"""What a running notebook stands on: parameters, banners, tables, provenance."""

import html
import json
import math
import os
import subprocess
import types

import numpy as np
import pandas as pd
import pytest

from gi_lib import notebook
from gi_lib.datasets.small_genome import simulate_small_genome
from gi_lib.encoding import Settings, Tables, encode
from gi_lib.notebook import ParameterError, commit_of, interval, paper_beside_ours, show

TYPES = {"cohort": str, "scale": str, "seed": int, "device": str, "results_dir": str}


@pytest.fixture
def namespace(tmp_path) -> dict:
    """The ``globals()`` of a notebook after its parameters cell, with the usual clutter."""
    return {
        "__annotations__": TYPES | {"epochs": int, "rate": float},
        "__name__": "__main__",
        "cohort": "simulated",
        "scale": "demo",
        "seed": 1,
        "device": "cpu",
        "results_dir": str(tmp_path / "results"),
        "epochs": 5,
        "rate": 0.5,
        "In": ["", "x"],
        "Out": {},
        "exit": object(),
        "quit": object(),
        "_i1": "seed = 1",
        "np": np,
        "notebook": notebook,
        "helper": lambda: None,
        "frame": pd.DataFrame(),
    }


@pytest.fixture
def shown(monkeypatch) -> list[str]:
    """The HTML that is displayed."""
    pieces = []
    monkeypatch.setattr(notebook, "display", lambda piece: pieces.append(piece.data))
    return pieces


def refusal(namespace, limits=None, **changes) -> str:
    with pytest.raises(ParameterError) as caught:
        notebook.start("galiana", namespace | changes, limits)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


# ------------------------------------------------------------------------------------------------- start


def test_good_parameters_are_taken_as_they_are(namespace, tmp_path):
    run = notebook.start("galiana", namespace, {"epochs": (1, 10)})
    assert run.name == "galiana"
    assert run.parameters == {name: namespace[name] for name in (*TYPES, "epochs", "rate")}
    assert run.scale == "demo"
    assert run.device == "cpu"
    assert run.folder == tmp_path / "results"
    assert run.folder.is_dir()


@pytest.mark.parametrize("cohort", ["auto", "simulated", "arabidopsis", "arabidopsis-simulated-traits"])
@pytest.mark.parametrize("scale", ["demo", "paper"])
def test_all_cohorts_and_scales_are_allowed(namespace, cohort, scale):
    assert notebook.start("n", namespace | {"cohort": cohort, "scale": scale}).scale == scale


def test_a_notebook_without_parameters_may_start(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run = notebook.start("plain", {"__annotations__": {}})
    assert run.folder.as_posix() == "_build/results/plain"
    assert run.folder.is_dir()


def test_annotations_are_also_found_where_they_are_evaluated_late(namespace):
    late = {key: value for key, value in namespace.items() if key != "__annotations__"}
    late["__annotate__"] = lambda form: namespace["__annotations__"]
    assert notebook.start("n", late).parameters["seed"] == 1
    assert "no parameter 'sede'" in refusal(late, sede=1)


@pytest.mark.parametrize("value", [2, "x", True, None, 1.5, [1], {}])
def test_a_mistyped_name_is_refused_with_the_allowed_ones(namespace, value):
    sentence = refusal(namespace, sede=value)
    assert sentence == (
        "There is no parameter 'sede'; allowed are cohort, scale, seed, device, results_dir, epochs, rate."
    )


def test_things_that_are_no_plain_values_are_not_mistaken_for_parameters(namespace):
    things = {"table": pd.DataFrame(), "array": np.zeros(2), "module": types, "f": print, "_hidden": 3}
    notebook.start("n", namespace | things)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("seed", "1", "seed is '1'; it must be of type int."),
        ("seed", 1.0, "seed is 1.0; it must be of type int."),
        ("seed", True, "seed is True; it must be of type int."),
        ("seed", None, "seed is None; it must be of type int."),
        ("rate", False, "rate is False; it must be of type float."),
        ("rate", "0.1", "rate is '0.1'; it must be of type float."),
        ("cohort", 3, "cohort is 3; it must be of type str."),
        (
            "cohort",
            "maize",
            "cohort is 'maize'; allowed are auto, simulated, arabidopsis, arabidopsis-simulated-traits, atwell, "
            "ionome, or a folder NAME.zarr that `gi encode` wrote.",
        ),
        ("scale", "Demo", "scale is 'Demo'; allowed are demo, paper."),
        ("device", "tpu", "device is 'tpu'; allowed are auto, cpu, cuda."),
        ("seed", -1, "seed is -1; it must be from 0 to 2147483647."),
        ("seed", 2**31, "seed is 2147483648; it must be from 0 to 2147483647."),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(namespace, name, value, sentence):
    assert refusal(namespace, **{name: value}) == sentence


def test_a_whole_number_will_do_for_a_float(namespace):
    assert notebook.start("n", namespace | {"rate": 1}).parameters["rate"] == 1


def test_limits_hold_at_both_ends(namespace):
    limits = {"epochs": (1, 10), "rate": (0, math.inf)}
    for epochs in (1, 10):
        notebook.start("n", namespace | {"epochs": epochs}, limits)
    for epochs in (0, 11):
        assert refusal(namespace, limits, epochs=epochs) == f"epochs is {epochs}; it must be from 1 to 10."
    assert refusal(namespace, limits, rate=-0.1) == "rate is -0.1; it must be at least 0."
    assert refusal(namespace, limits, rate=math.nan) == "rate is nan; it must be at least 0."


def test_cuda_is_refused_where_there_is_none(namespace, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "finds no CUDA GPU here; use 'auto' or 'cpu'" in refusal(namespace, device="cuda")
    assert notebook.start("n", namespace | {"device": "auto"}).device == "cpu"


def test_a_results_folder_that_cannot_be_made_is_refused(namespace, tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        assert refusal(namespace, results_dir=str(path)) == (
            f"The folder {path} cannot be written (a file stands in its place); choose another folder by results_dir."
        )


def test_a_refusal_is_shown_as_one_line_in_a_notebook():
    assert ParameterError("seed is -1.")._render_traceback_() == ["ParameterError: seed is -1."]


# -------------------------------------------------------------------------------------------------- data


def test_simulated_data_are_called_simulated(namespace, shown):
    cohort = notebook.start("n", namespace).load_cohort()
    (banner,) = shown
    assert 'class="data-banner data-simulated"' in banner
    assert "<strong>Simulated data.</strong>" in banner
    assert f"{cohort.sizes['sample']:,} accessions × {cohort.sizes['gene']:,} genes" in banner
    assert "could not be had" not in banner


def test_a_stand_in_for_real_data_says_so(namespace, shown):
    notebook.start("n", namespace | {"cohort": "auto"}).load_cohort()
    assert "meant for real data, which could not be had" in shown[0]


def test_a_panel_says_what_it_is(namespace, shown, tmp_path, monkeypatch):
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))  # without the panels of other tests
    types = {name: kind for name, kind in namespace["__annotations__"].items() if name != "cohort"}
    given = {key: value for key, value in namespace.items() if key != "cohort"}
    given |= {"__annotations__": types | {"panel": str}, "panel": "simulated"}
    run = notebook.start("n", given)
    panel = run.load_panel()
    assert "counts" not in panel and "population" in panel.coords
    assert f"{panel.sizes['sample']:,} accessions × {panel.sizes['marker']:,} markers" in shown[0]
    assert "could not be had" not in shown[0]
    notebook.start("n", given | {"panel": "auto"}).load_panel()
    assert "meant for real data, which could not be had" in shown[1]
    with pytest.raises(
        ParameterError,
        match=r"panel is 'rise'; allowed are auto, simulated, shoot-branching, .* `gi panel` wrote",
    ):
        notebook.start("n", given | {"panel": "rise"})
    with pytest.raises(ParameterError, match=r"The panel 'gone\.zarr' cannot be loaded"):
        notebook.start("n", given | {"panel": "gone.zarr"}).load_panel()
    with pytest.raises(ParameterError, match="The panel 'mouse' cannot be loaded"):
        notebook.start("n", given | {"panel": "mouse"}).load_panel()


def own_cohort(folder, accessions, traits):
    genome = simulate_small_genome(folder / "genome", n_genes=6, n_samples=4, n_variants=60)
    tables = Tables(*(str(folder / name) if name else None for name in (accessions, traits)), "simulated")
    settings = Settings(gff3=str(genome.gff3))
    encode(genome.vcf, folder / "own.zarr", settings, tables=tables, cores=1)
    return str(folder / "own.zarr")


def test_a_cohort_of_ones_own_is_named_by_its_folder(namespace, shown, tmp_path):
    (tmp_path / "a.csv").write_text("sample,country\nplant_01,SWE\nplant_02,ESP\n")
    (tmp_path / "t.csv").write_text("sample,height\nplant_01,3\n")
    path = own_cohort(tmp_path, "a.csv", "t.csv")
    cohort = notebook.start("n", namespace | {"cohort": path}).load_cohort()
    assert cohort["trait"].values.tolist() == ["height"]
    assert "<strong>Simulated data.</strong> 4 accessions × 6 genes" in shown[0]


def test_a_cohort_of_ones_own_without_what_a_notebook_needs_is_refused(namespace, shown, tmp_path):
    (tmp_path / "t.csv").write_text("sample,height\nplant_01,3\n")
    path = own_cohort(tmp_path, None, "t.csv")
    with pytest.raises(ParameterError, match=r"has no countries, .* give `gi encode` a table of accessions"):
        notebook.start("n", namespace | {"cohort": path}).load_cohort()
    other = tmp_path / "other"
    other.mkdir()
    path = own_cohort(other, None, None)
    with pytest.raises(ParameterError, match=r"has no traits, .* give `gi encode` a table of traits"):
        notebook.start("n", namespace | {"cohort": path}).load_cohort()
    with pytest.raises(ParameterError, match=r"cannot be loaded: There is no cohort at gone\.zarr"):
        notebook.start("n", namespace | {"cohort": "gone.zarr"}).load_cohort()


def test_no_banner_where_none_is_asked_for(namespace, shown):
    notebook.start("n", namespace).load_cohort(banner=False)
    assert not shown


def test_real_data_that_cannot_be_had_are_refused_in_one_sentence(namespace, shown, monkeypatch, tmp_path):
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(ParameterError, match=r"The cohort 'arabidopsis' cannot be loaded: .*arabidopsis/"):
        notebook.start("n", namespace | {"cohort": "arabidopsis"}).load_cohort()


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("real", "Real data."),
        ("simulated", "Simulated data."),
        ("real genomes, simulated traits", "Real genomes, simulated traits."),
    ],
)
def test_each_kind_of_data_has_a_banner_of_its_own(namespace, shown, kind, title):
    notebook.start("n", namespace).banner(kind, "a < b")
    assert f"<strong>{title}</strong> a &lt; b" in shown[0]
    assert len({style for style, _ in notebook.BANNERS.values()}) == 3


# -------------------------------------------------------------------------------------- tables and files


def test_a_saved_table_is_a_small_csv_and_comes_back(namespace):
    run = notebook.start("n", namespace)
    table = pd.DataFrame({"model": ["ridge", "é"], "r": [0.123456789, np.nan], "n": [1, 2]})
    assert run.save("scores", table) is table
    text = (run.folder / "scores.csv").read_bytes().decode()
    assert text == "model,r,n\nridge,0.123457,1\né,,2\n"
    assert [path.name for path in run.folder.iterdir()] == ["scores.csv"]


def test_recorded_tables_are_marked_with_where_they_come_from(namespace, monkeypatch, tmp_path):
    monkeypatch.setattr(notebook, "REPOSITORY", tmp_path)
    for cohort, scale, part in (
        ("arabidopsis", "paper", "-more"),
        ("arabidopsis-simulated-traits", "demo", ""),
    ):
        folder = tmp_path / "results" / "galiana" / f"{cohort}-{scale}{part}"
        folder.mkdir(parents=True)
        provenance = {
            "main_cohort": cohort,
            "parameters": {"scale": scale, "seed": 3},
            "commit": "abc",
            "device": "cuda",
            "recorded": "2024-05-01",
        }
        (folder / "provenance.json").write_text(json.dumps(provenance))
        (folder / "scores.csv").write_text("model,country,r\nridge,NA,0.5\nplace,,\n")
    run = notebook.start("galiana", namespace)
    table = run.recorded("scores")
    assert len(table) == 4
    assert table["cohort"].unique().tolist() == ["arabidopsis", "arabidopsis-simulated-traits"]
    assert table["scale"].unique().tolist() == ["paper", "demo"]
    assert table["data"].unique().tolist() == ["real", "real genomes, simulated traits"]
    assert set(table["commit"]) == {"abc"}
    assert set(table["device"]) == {"cuda"}
    assert set(table["recorded"]) == {"2024-05-01"}
    assert table["parameters"].unique().tolist() == ["scale=paper, seed=3", "scale=demo, seed=3"]
    note = notebook.recorded_note(table).data
    assert "real (paper scale): 2024-05-01, cuda, commit abc" in note
    assert "<li>real: scale=paper, seed=3</li>" in note
    assert table["country"].iloc[0] == "NA"  # a name, not a missing value
    assert table["r"].isna().tolist() == [False, True] * 2
    elsewhere = notebook.start("verdict", namespace)
    assert elsewhere.recorded("scores").empty
    pd.testing.assert_frame_equal(elsewhere.recorded("scores", "galiana"), table)


def test_without_recorded_runs_the_table_is_empty(namespace, monkeypatch, tmp_path):
    monkeypatch.setattr(notebook, "REPOSITORY", tmp_path)
    assert notebook.start("galiana", namespace).recorded("scores").empty


def test_finish_writes_provenance_and_shows_it_in_one_line(namespace, shown):
    run = notebook.start("galiana", namespace)
    cohort = run.load_cohort(banner=False)
    run.uses("rice", "real", "f" * 64)
    run.finish()
    provenance = json.loads((run.folder / "provenance.json").read_text())
    assert set(provenance) == {
        "notebook", "parameters", "data_kind", "cohort", "main_cohort", "data_sha256", "packages",
        "commit", "device",
    }  # fmt: skip
    assert provenance["notebook"] == "galiana"
    assert provenance["parameters"] == {
        "cohort": "simulated", "scale": "demo", "seed": 1, "device": "cpu", "epochs": 5, "rate": 0.5,
    }  # fmt: skip
    assert provenance["data_sha256"] == {"simulated": cohort.attrs["fingerprint"], "rice": "f" * 64}
    assert provenance["cohort"] == "simulated, rice"
    assert provenance["main_cohort"] == "simulated"
    assert provenance["data_kind"] == "real and simulated"
    assert provenance["packages"]["numpy"] == np.__version__
    (line,) = shown
    line = html.unescape(line)
    assert "seed=1" in line
    assert f"simulated sha256 {cohort.attrs['fingerprint'][:12]}" in line
    assert f"commit {provenance['commit']}" in line
    assert "device cpu" in line
    assert str(run.folder) not in line  # two builds in two places are alike


def test_two_equal_runs_leave_equal_files(namespace, shown, tmp_path):
    texts = []
    for name in ("one", "two"):
        run = notebook.start("galiana", namespace | {"results_dir": str(tmp_path / name)})
        run.load_cohort()
        run.finish()
        texts.append((run.folder / "provenance.json").read_text())
    assert texts[0] == texts[1]
    assert shown[:2] == shown[2:]


# ------------------------------------------------------------------------------------------ small things


def test_table_is_shown_without_row_numbers_and_alike_each_time():
    table = pd.DataFrame({"model": ["a<b", "c"], "r": [0.5, np.nan]}, index=[17, 18])
    assert show(table).data == show(table.copy()).data
    assert "17" not in show(table).data
    assert "a&lt;b" in show(table).data
    assert "<td>–</td>" in show(table).data


def test_paper_beside_ours_needs_exactly_its_keys():
    row = {"verdict": "agrees", "claim": "c", "paper": "1", "ours": "2", "data": "real"}
    assert list(paper_beside_ours([row, row]).columns) == ["claim", "paper", "ours", "data", "verdict"]
    for bad in ({k: v for k, v in row.items() if k != "data"}, row | {"note": "x"}):
        with pytest.raises(ValueError, match=r"A row has the keys .*; needed are \['claim', 'paper'"):
            paper_beside_ours([row, bad])


def test_interval_is_written_with_its_estimate():
    assert interval(0.618, 0.5512, 0.679) == "0.62 [0.55, 0.68]"
    assert interval(-0.5, -1, 0, digits=1) == "−0.5 [−1.0, 0.0]"
    assert interval(math.nan, 0, 1) == "–"


# ------------------------------------------------------------------------------------------------ commit


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(notebook, "REPOSITORY", tmp_path)
    commit_of.cache_clear()

    def git(*arguments: str) -> str:
        who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", "-C", str(tmp_path), *arguments]
        result = subprocess.run(command, env=os.environ | who, capture_output=True, text=True, check=True)
        return result.stdout.strip()

    def commit(name: str, text: str) -> str:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        git("add", "-A")
        git("-c", "commit.gpgsign=false", "commit", "-q", "--no-verify", "-m", name)
        commit_of.cache_clear()
        return git("log", "-1", "--format=%h", "--abbrev=10")

    git("init", "-q")
    yield tmp_path, commit
    commit_of.cache_clear()


def test_commit_is_the_last_that_the_results_depend_on(repository):
    _, commit = repository
    package = commit("gi_lib/training.py", "1")
    assert commit_of("galiana") == package
    for unrelated in ("README.md", "gi_lib/book.py", "gi_lib/cli.py", "notebooks/other.md"):
        commit(unrelated, "1")
        assert commit_of("galiana") == package, unrelated
    page = commit("notebooks/galiana.md", "1")
    assert commit_of("galiana") == page
    assert commit_of("other") != page
    data = commit("data_manifest/rice.yaml", "1")
    assert commit_of("galiana") == data


def test_changes_that_are_not_committed_are_marked(repository):
    folder, commit = repository
    last = commit("gi_lib/training.py", "1")
    (folder / "README.md").write_text("changed")
    assert commit_of("galiana") == last
    (folder / "gi_lib/training.py").write_text("2")
    commit_of.cache_clear()
    assert commit_of("galiana") == last + "+"


def test_outside_a_repository_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "REPOSITORY", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    commit_of.cache_clear()
    assert commit_of("galiana") == "unknown"
    commit_of.cache_clear()


def test_numbers_of_numpy_are_said_without_their_type(monkeypatch):
    said = {}
    monkeypatch.setattr(notebook, "glue", lambda name, value, display: said.update({name: value}))
    notebook.say(folds=np.int64(5), share=np.float64(0.5), name=np.str_("Galiana"), text="as it is")
    assert {name: repr(value) for name, value in said.items()} == {
        "folds": "5", "share": "0.5", "name": "'Galiana'", "text": "'as it is'",
    }  # fmt: skip
