"""pyproject.toml is the source of the dependencies; environment.yml and constraints.txt have to follow it."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
CONDA_TO_PYPI = {"pytorch": "torch"}


def wanted() -> dict[str, Requirement]:
    """Every direct dependency: core and all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]
    found = {canonicalize_name(item.name): item for item in map(Requirement, texts)}
    assert len(found) == len(texts), "a package is listed twice in pyproject.toml"
    return found


def conda() -> dict[str, Requirement]:
    """The packages of environment.yml under their names on the Python package index."""
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    plain = [line for line in lines if isinstance(line, str)]
    pip = [text for line in lines if isinstance(line, dict) for text in line["pip"]]
    found = {}
    for item in map(Requirement, plain + pip):
        name = CONDA_TO_PYPI.get(item.name, item.name)
        assert name not in found, f"{name} is listed twice in environment.yml"
        found[canonicalize_name(name)] = item
    return found


def pins() -> dict[str, Version]:
    """The pins of constraints.txt."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines == sorted(lines, key=str.lower), "constraints.txt is not sorted"
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), f"not an exact public pin: {line!r}"
    return {canonicalize_name(name): Version(pin) for name, pin in (line.split("==") for line in lines)}


def test_conda_has_the_same_packages():
    extra = {"python", "pip"}
    assert set(conda()) - extra == set(wanted())


def test_conda_has_the_same_ranges():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = conda()
    assert str(found["python"].specifier) == project["requires-python"]
    for name, requirement in wanted().items():
        assert found[name].specifier == requirement.specifier, name


def test_constraints_satisfy_every_range():
    pinned = pins()
    for name, requirement in wanted().items():
        assert name in pinned, f"constraints.txt has no {name}"
        assert requirement.specifier.contains(pinned[name]), (
            f"{name}=={pinned[name]} is outside {requirement}"
        )


def test_constraints_are_one_consistent_set():
    """Every package that an installed, pinned package needs is pinned too, where it is installed here."""
    from importlib import metadata

    installed = {canonicalize_name(dist.metadata["Name"]): dist for dist in metadata.distributions()}
    pinned = pins()
    if not set(wanted()) <= set(installed):
        pytest.skip("not every dependency is installed here")
    for name in pinned:
        for text in installed[name].requires or [] if name in installed else []:
            need = Requirement(text)
            if need.marker and not need.marker.evaluate({"extra": ""}):
                continue
            other = canonicalize_name(need.name)
            if other in pinned and Version(installed[name].version).public == str(pinned[name]):
                assert need.specifier.contains(pinned[other], prereleases=True), f"{name} needs {need}"


def test_citation_names_this_version_and_the_three_papers():
    from gi_lib import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert str(citation["version"]) == __version__
    assert len(citation["references"]) == 3
    bibliography = (ROOT / "book" / "references.bib").read_text()
    for reference in citation["references"]:
        assert f"{{{reference['doi']}}}" in bibliography, f"references.bib has no {reference['doi']}"


def test_bibliography_has_unique_keys_and_addresses():
    text = (ROOT / "book" / "references.bib").read_text()
    entries = re.split(r"^@", text, flags=re.MULTILINE)[1:]
    keys = [re.match(r"\w+\{([\w-]+),", entry)[1] for entry in entries]
    assert len(keys) == len(set(keys))
    for key, entry in zip(keys, entries, strict=True):
        assert re.search(r"^\s*(doi|url)\s*=\s*\{\S+\}", entry, re.MULTILINE), (
            f"{key} has neither doi nor url"
        )
