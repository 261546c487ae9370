"""Files that nobody sees half written, and places that mean the same in another folder."""

import os
from pathlib import Path

import pytest

from gi_lib.process import run_graph, write_text, written_whole


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full_disk(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_an_exception_ends_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(RuntimeError), written_whole(path) as scratch:
        scratch.write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_relative_places_mean_the_same_in_the_folder_of_a_graph(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "graph.smk").write_text(
        "import os\nfrom pathlib import Path\nrule all:\n    output: 'seen'\n"
        "    run: Path('seen').write_text(os.environ['GI_DATA_MIRROR'] + ' ' + os.environ['GI_CACHE_DIR'])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GI_DATA_MIRROR", "mirror")
    monkeypatch.setenv("GI_CACHE_DIR", "https://not.a/folder")
    assert run_graph(tmp_path / "graph.smk", tmp_path / "run", 1, {"nothing": "1"})
    assert (tmp_path / "run" / "seen").read_text() == f"{tmp_path}/mirror https://not.a/folder"
