"""The examples in docstrings do what they say."""

import doctest
import importlib
import pkgutil

import pytest

import gi_lib

MODULES = [module.name for module in pkgutil.walk_packages(gi_lib.__path__, "gi_lib.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    if name.endswith("_cuda"):
        pytest.importorskip("triton", reason="Triton comes with the CUDA builds of PyTorch only.")
    assert doctest.testmod(importlib.import_module(name)).failed == 0
