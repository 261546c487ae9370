"""Fixtures shared by all tests: no test touches the user's cache or the network outside this machine."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers and their kernels side by side: one core each, or their threads wait for one another.
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

# What the caller of pytest set, before `isolated` hides it from the tests that do not ask for it.
_MIRROR = os.environ.get("GI_DATA_MIRROR", "")


@pytest.fixture(scope="session", autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the session its own cache, shared by its workers, no mirror, the project's manifests, and no network."""
    place = tmp_path_factory.getbasetemp()
    cache = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "cache"
    cache.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GI_CACHE_DIR", str(cache))
        patch.setenv("GI_OFFLINE", "1")
        for name in ("GI_DATA_MIRROR", "GI_MANIFEST_DIR"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def use_mirror() -> Callable[..., AbstractContextManager[Path]]:
    """Return a context manager for fixtures of any scope: real data visible, or the test skipped.

    ``with use_mirror("arabidopsis/X_Mix.rda") as folder: ...``
    """

    @contextmanager
    def context(*names: str) -> Iterator[Path]:
        folder = Path(_MIRROR).resolve()
        if not _MIRROR or not folder.is_dir():
            pytest.skip("real data: set GI_DATA_MIRROR to a folder laid out <data set>/<file>")
        for name in names:
            if not (folder / name).is_file():
                pytest.skip(f"real data: the folder in GI_DATA_MIRROR has no {name}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GI_DATA_MIRROR", str(folder))
            yield folder

    return context


@pytest.fixture
def mirror(
    use_mirror: Callable[..., AbstractContextManager[Path]], request: pytest.FixtureRequest
) -> Iterator[Path]:
    """Let one test see the folder of real data that ``GI_DATA_MIRROR`` names.

    With ``@pytest.mark.needs("arabidopsis/X_Mix.rda", ...)`` it is skipped where these files are absent.
    """
    names = [name for marker in request.node.iter_markers("needs") for name in marker.args]
    with use_mirror(*names) as folder:
        yield folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Compute on one thread: networks as small as those of the tests only wait for each other's threads."""
    import torch  # slow to import, and needed by few tests

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
