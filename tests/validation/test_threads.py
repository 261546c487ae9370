"""One core or two: the same predictions, to the bit."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gi_lib.book import THREAD_VARIABLES
from gi_lib.cohorts import load_cohort
from gi_lib.lineup import baselines
from gi_lib.models import GBLUP
from gi_lib.validation import Model, RandomFolds, cross_validate
from gi_lib.validation.cross_validation import fit_fold

EVERY_MODEL = """
import hashlib, json
import numpy as np
from gi_lib.cohorts import load_cohort
from gi_lib.datasets.simulate.shoot_branching import signal_edges, simulate_shoot_branching
from gi_lib.lineup import baselines, binn_models, panel_models, pathway_layers, published_models
from gi_lib.validation import RandomFolds, cross_validate

cohort = load_cohort("simulated")
cohort = cohort.isel(sample=slice(160), gene=slice(60), marker=slice(None, None, 10), trait=slice(2))
layers, quick = pathway_layers(cohort), {"epochs": 1, "device": "cpu"}
plants = simulate_shoot_branching(n_samples=60, n_neutral=20, seed=1)
panel = panel_models(n_iterations=20, burn_in=10, inner_folds=2, device="cpu")
chosen = [
    (cohort, [*published_models(cohort, layers, source_epochs=1, **quick), *baselines(cohort)]),
    (cohort.isel(trait=[0]), [*panel["quick"], *panel["slow"]]),
    (plants, binn_models(signal_edges(plants), plants.sizes["marker"], hidden=4, **quick)),
]
found = {}
for data, models in chosen:
    for model in models:
        table = cross_validate(data, [model], RandomFolds(2), cached=False)
        content = table["predicted"].values.tobytes() + table["sample"].str.cat().encode()
        found[f"{model.name} on {data.attrs['name']}, {data.sizes['trait']}"] = hashlib.sha256(content).hexdigest()
print(json.dumps(found))
"""


@pytest.mark.slow
def test_every_model_predicts_the_same_on_one_thread_and_on_two():
    found = []
    for threads in ("1", "2"):
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, threads)
        environment["OMP_WAIT_POLICY"] = (
            "passive"  # where cores are shared, threads that spin wait for each other
        )
        run = subprocess.run(
            [sys.executable, "-c", EVERY_MODEL], env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        found.append(json.loads(run.stdout))
    assert len(found[0]) > 25
    differing = [name for name in found[0] if found[0][name] != found[1][name]]
    assert not differing


def test_sums_of_blas_do_not_depend_on_threads_in_a_cross_validation():
    cohort = load_cohort("simulated").isel(trait=slice(2), gene=slice(60))
    linear = [model for model in baselines(cohort) if "ridge" in model.name or "GBLUP" in model.name]
    folds, tables, looks = RandomFolds(2), [], []
    first = next(iter(folds.folds(cohort)))
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            tables.append(cross_validate(cohort, linear, folds, cached=False))
            looks.append(fit_fold(cohort, Model("GBLUP", GBLUP(), "dosage"), first)[1])
    assert tables[0].equals(tables[1])
    assert np.array_equal(looks[0], looks[1])
