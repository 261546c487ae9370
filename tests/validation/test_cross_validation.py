"""Splits, cross-validation without leaks, and the cache of predictions."""

import errno
import multiprocessing
import re
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from gi_lib.datasets.cohort import MISSING_DOSAGE, validate_cohort
from gi_lib.datasets.registry import DataError
from gi_lib.models import BayesianRegression, CountryMean, map_neighbours, ridge
from gi_lib.training import (
    FineTunedGalianaRegressor,
    FrozenGalianaRegressor,
    GalianaClassifier,
    GalianaRegressor,
    GPSNNRegressor,
    resolve_device,
)
from gi_lib.validation import (
    COLUMNS,
    CountryFolds,
    Model,
    RandomFolds,
    RegionFolds,
    SameSizes,
    WithoutRelatives,
    cache,
    classify_countries,
    cross_validate,
    identity_by_state,
    model_inputs,
    save_predictions,
)
from gi_lib.validation.cache import describe

pytestmark = pytest.mark.usefixtures("one_thread")


def make_cohort(n: int = 36, n_traits: int = 2, seed: int = 0) -> xr.Dataset:
    random = np.random.default_rng(seed)
    types = ["nonsynonymous", "upstream", "intergenic"]
    dataset = xr.Dataset(
        {
            "counts": (("sample", "gene", "variant_type"), random.poisson(0.8, (n, 6, 3)).astype(np.uint8)),
            "trait_value": (("sample", "trait"), random.normal(10, 2, (n, n_traits))),
            "dosage": (("sample", "marker"), random.choice([0, 2], (n, 9)).astype(np.uint8)),
        },
        coords={
            "sample": [f"s{i:02d}" for i in range(n)],
            "gene": [f"g{i}" for i in range(6)],
            "variant_type": types,
            "trait": [f"t{i}" for i in range(n_traits)],
            "country": ("sample", np.array(["SWE", "ESP", "USA", "ITA", "UK", ""])[np.arange(n) % 6]),
            "latitude": ("sample", random.uniform(30, 65, n)),
            "longitude": ("sample", random.uniform(-10, 40, n)),
            "gene_chromosome": ("gene", ["1"] * 6),
            "gene_start": ("gene", np.arange(6) * 100),
            "gene_end": ("gene", np.arange(6) * 100 + 50),
            "chromosome": ("marker", ["1"] * 9),
            "position": ("marker", np.arange(9)),
        },
        attrs={"name": "tiny", "data_kind": "simulated"},
    )
    return validate_cohort(dataset)


@pytest.fixture
def cohort() -> xr.Dataset:
    return make_cohort()


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))
    Spy.fits = 0
    return tmp_path / "cache"


class Spy(ClassifierMixin, RegressorMixin, BaseEstimator):
    """Predicts the mean label, or the first class, and counts how often it is fitted."""

    fits = 0

    def __init__(self, shift=0.0, seed=0, log=None):
        self.shift = shift
        self.seed = seed
        self.log = log

    def fit(self, X, y):
        type(self).fits += 1
        if self.log:
            with open(self.log, "a") as file:
                file.write("fit\n")
            time.sleep(0.1)
        self.mean_ = np.nanmean(y, axis=0) + self.shift if y.dtype.kind == "f" else y[:1]
        return self

    def predict(self, X):
        return np.repeat(np.reshape(self.mean_, (1, -1)), len(X), axis=0).squeeze()


def fits(call) -> int:
    before = Spy.fits
    call()
    return Spy.fits - before


# ------------------------------------------------------------------------------------------------ splits

SPLITS = [RandomFolds(4, 2), CountryFolds(3, 2), RegionFolds(3, 2, n_regions=8)]


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.name)
def test_folds_are_disjoint_and_predict_everybody_once_a_repeat(cohort, split):
    folds = list(split.folds(cohort))
    assert [(f.repeat, f.fold) for f in folds] == [(r, f) for r in range(2) for f in range(split.n_splits)]
    for fold in folds:
        assert not set(fold.train) & set(fold.test)
        assert len(fold.train) + len(fold.test) == cohort.sizes["sample"]
        assert len(fold.train) and len(fold.test)
    for repeat in range(2):
        tests = np.concatenate([f.test for f in folds if f.repeat == repeat])
        assert sorted(tests) == list(range(cohort.sizes["sample"]))


def parts(split, cohort) -> list[tuple]:
    return [tuple(fold.test) for fold in split.folds(cohort)]


@pytest.mark.parametrize("kind", [RandomFolds, CountryFolds])
def test_folds_are_the_same_again_and_differ_between_repeats_and_seeds(cohort, kind):
    assert parts(kind(3, 3, seed=5), cohort) == parts(kind(3, 3, seed=5), cohort)
    all_parts = parts(kind(3, 3, seed=5), cohort)
    assert len({frozenset(all_parts[i : i + 3]) for i in (0, 3, 6)}) == 3
    assert parts(kind(3, 1, seed=5), cohort) == all_parts[:3]  # more repeats leave the first alone
    assert parts(kind(3, 3, seed=6), cohort) != all_parts


@pytest.mark.parametrize("n_splits", [2, 3, 6])
def test_country_folds_never_split_a_country(cohort, n_splits):
    country = cohort["country"].values
    for fold in CountryFolds(n_splits, 3).folds(cohort):
        assert not set(country[fold.train]) & set(country[fold.test])


def test_regions_are_never_split_and_hold_neighbours(cohort):
    split = RegionFolds(3, 2, n_regions=6)
    cohort["latitude"][5] = np.nan
    regions = split.regions(cohort)
    assert regions[5] == -1 and set(regions) == {-1, *range(6)}
    for fold in split.folds(cohort):
        assert not set(regions[fold.train]) & set(regions[fold.test])
    place = np.stack([cohort["latitude"].values, cohort["longitude"].values], axis=1)
    centre = np.array([place[regions == region].mean(axis=0) for region in range(6)])
    known = np.delete(np.arange(36), 5)
    own = np.linalg.norm(place[known] - centre[regions[known]], axis=1).mean()
    assert own < np.linalg.norm(place[known] - centre[(regions[known] + 1) % 6], axis=1).mean() / 2


def test_random_folds_of_the_same_sizes_differ_from_their_model_in_nothing_else(cohort):
    like = CountryFolds(4, 2)
    split = SameSizes(like, seed=3)
    folds, models = list(split.folds(cohort)), list(like.folds(cohort))
    sizes = [(f.repeat, f.fold, len(f.train), len(f.test)) for f in folds]
    assert sizes == [(f.repeat, f.fold, len(f.train), len(f.test)) for f in models]
    for repeat in range(2):
        tests = np.concatenate([f.test for f in folds if f.repeat == repeat])
        assert sorted(tests) == list(range(36))
    assert parts(split, cohort) == parts(SameSizes(like, seed=3), cohort)
    assert parts(split, cohort) != parts(SameSizes(like, seed=4), cohort) != parts(like, cohort)


def test_identity_by_state_is_the_share_of_equal_genotypes_of_inbred_lines(cohort):
    dosage = cohort["dosage"].values
    plain = (dosage[:, None] == dosage[None]).mean(axis=2)
    np.testing.assert_allclose(identity_by_state(cohort), plain, rtol=1e-6)


@pytest.mark.parametrize("dosage", [None, MISSING_DOSAGE])
def test_identity_by_state_needs_every_dosage(cohort, dosage):
    if dosage is None:
        cohort = cohort.drop_vars("dosage")
    else:
        cohort["dosage"][3, 2] = dosage
    with pytest.raises(
        ValueError, match="needs a cohort with the dosage of every variant in every accession"
    ):
        identity_by_state(cohort)


def test_the_nearest_relatives_are_taken_away_or_as_many_others(cohort):
    random, alike = RandomFolds(3, 2), identity_by_state(cohort)
    cohort["trait_value"][4] = np.nan
    near = list(WithoutRelatives(random, 2).folds(cohort))
    others = list(WithoutRelatives(random, 2, at_random=True).folds(cohort))
    for before, fold, other in zip(random.folds(cohort), near, others, strict=True):
        np.testing.assert_array_equal(before.test, fold.test)
        labelled = np.setdiff1d(before.train, [4])
        gone = set()
        for accession in before.test:
            gone |= set(sorted(labelled, key=lambda one: (-alike[accession, one], one))[:2])
        assert set(labelled) - set(fold.train) == gone
        assert len(other.train) == len(fold.train) and set(other.train) < set(labelled)
    assert any(set(a.train) != set(b.train) for a, b in zip(near, others, strict=True))


@pytest.mark.parametrize(
    ("split", "sentence"),
    [
        (RandomFolds(1), "n_splits is 1; with 36 accessions it must be a whole number between 2 and 36"),
        (RandomFolds(37), "n_splits is 37; with 36 accessions it must be a whole number between 2 and 36"),
        (CountryFolds(7), "n_splits is 7; with 6 countries it must be a whole number between 2 and 6"),
        (
            RegionFolds(6, n_regions=5),
            "n_splits is 6; with 5 regions it must be a whole number between 2 and 5",
        ),
        (RegionFolds(n_regions=37), "n_regions is 37; with 36 places it must lie between 1 and 36"),
        (
            WithoutRelatives(RandomFolds(2), 18),
            "n_relatives is 18; without them nobody is left to learn from in fold 1",
        ),
    ],
)
def test_impossible_numbers_of_folds_are_refused(cohort, split, sentence):
    with pytest.raises(ValueError, match=sentence):
        list(split.folds(cohort))


# ------------------------------------------------------------------------------------------------ inputs


def test_unknown_inputs_are_refused_with_the_allowed_ones():
    with pytest.raises(ValueError, match="inputs of m is 'genome'; allowed are counts, flat counts, dosage"):
        Model("m", Spy(), "genome")


def test_inputs_are_the_named_parts_of_the_cohort(cohort):
    assert model_inputs(cohort, "counts").shape == (36, 6, 3)
    np.testing.assert_array_equal(model_inputs(cohort, "dosage"), cohort["dosage"])
    np.testing.assert_array_equal(
        model_inputs(cohort, "place"), np.stack([cohort["latitude"], cohort["longitude"]], axis=1)
    )
    assert model_inputs(cohort, "country").tolist() == [[name] for name in cohort["country"].values]
    np.testing.assert_array_equal(model_inputs(cohort, "traits"), cohort["trait_value"])


def test_flat_counts_leave_out_only_what_nobody_carries(cohort):
    cohort["counts"][:, 2, 1] = 0
    expected = np.delete(cohort["counts"].values.reshape(36, 18), 2 * 3 + 1, axis=1)
    np.testing.assert_array_equal(model_inputs(cohort, "flat counts"), expected)


def test_dosages_that_are_absent_or_missing_are_refused(cohort):
    with pytest.raises(ValueError, match="The cohort 'tiny' has no dosages"):
        model_inputs(cohort.drop_vars("dosage"), "dosage")
    cohort["dosage"][3, 4] = 255
    with pytest.raises(ValueError, match="Some dosages are missing; impute them inside each training fold"):
        model_inputs(cohort, "dosage")


# --------------------------------------------------------------------------------------- the predictions


def test_table_has_one_typed_row_for_each_label_model_and_repeat(cohort):
    cohort["trait_value"][4, 0] = np.nan
    cohort["trait_value"][7] = np.nan  # an accession without any label
    models = [Model("mean", Spy(), "counts"), Model("country mean", CountryMean(), "country")]
    table = cross_validate(cohort, models, RandomFolds(3, 2), seed=9)
    assert list(table.columns) == list(COLUMNS)
    for name, kind in COLUMNS.items():
        is_kind = pd.api.types.is_string_dtype if kind == "str" else lambda column, k=kind: column.dtype == k
        assert is_kind(table[name]), name
    assert len(table) == 2 * 2 * (36 * 2 - 3)
    assert not table.duplicated(["sample", "trait", "model", "repeat"]).any()
    assert set(table["split"]) == {"random"}
    assert set(table["seed"]) == {9}
    assert "s07" not in set(table["sample"])
    observed = cohort["trait_value"].to_series().dropna()
    for repeat in range(2):
        part = table[(table["model"] == "mean") & (table["repeat"] == repeat)].set_index(["sample", "trait"])
        assert part["observed"].sort_index().equals(observed.sort_index().rename("observed"))
    country = cohort["country"].to_series()
    assert (table["country"].to_numpy() == country[table["sample"]].to_numpy()).all()


def test_predictions_are_those_of_a_fit_on_the_other_folds(cohort):
    table = cross_validate(cohort, [Model("mean", Spy(), "counts")], RandomFolds(4))
    labels = cohort["trait_value"].to_series()
    for (fold, trait), part in table.groupby(["fold", "trait"]):
        train = sorted(set(cohort["sample"].values.tolist()) - set(part["sample"]))
        assert len(train) == 27
        expected = labels.loc[train].xs(trait, level="trait").mean()
        np.testing.assert_allclose(part["predicted"], expected, rtol=1e-12, err_msg=f"{fold} {trait}")


def test_each_fit_gets_a_seed_of_its_own_that_the_callers_seed_decides(cohort):
    def seeds(seed):
        seen = []

        class Seeded(Spy):
            def fit(self, X, y):
                seen.append(self.seed)
                return super().fit(X, y)

        cross_validate(cohort, [Model("m", Seeded(), "counts")], RandomFolds(3, 2), seed, cached=False)
        return seen

    assert len(set(seeds(1))) == 6
    assert seeds(1) == seeds(1)
    assert not set(seeds(1)) & set(seeds(2))


def test_the_callers_estimator_is_left_as_it_was(cohort):
    estimator = Spy(seed=77)
    cross_validate(cohort, [Model("m", estimator, "counts")], RandomFolds(3), cached=False)
    assert estimator.seed == 77
    assert not hasattr(estimator, "mean_")


# ----------------------------------------------------------------------------------------------- no leak

NETWORK = {"epochs": 2, "device": "cpu"}
REGRESSORS = [
    Model("ridge on counts", ridge(), "flat counts"),
    Model("ridge on markers", ridge(standardise=False), "dosage"),
    Model("country mean", CountryMean(), "country"),
    Model("neighbours", map_neighbours(3), "place"),
    Model("place", GPSNNRegressor(**NETWORK), "place"),
    Model("galiana", GalianaRegressor(hidden=4, **NETWORK), "counts"),
]
CLASSIFIERS = [
    Model("galiana", GalianaClassifier(hidden=4, **NETWORK), "counts"),
    Model("linear", make_pipeline(StandardScaler(), SVC()), "dosage"),
    Model("traits", make_pipeline(StandardScaler(), SVC()), "traits"),
]


def by_sample(cohort, model) -> pd.Series:
    table = cross_validate(cohort, [model], RandomFolds(3), cached=False)
    return table.set_index(["fold", "sample", "trait"])["predicted"]


@pytest.mark.parametrize("model", REGRESSORS, ids=lambda model: model.name)
def test_labels_of_test_accessions_do_not_move_their_predictions(cohort, model):
    before = by_sample(cohort, model)
    changed = cohort.copy(deep=True)
    test = next(iter(RandomFolds(3).folds(cohort))).test
    changed["trait_value"][test] = changed["trait_value"][test] * -3 + 100
    after = by_sample(changed, model)
    pd.testing.assert_series_equal(after[0], before[0], check_exact=True)
    assert not np.allclose(after[1], before[1])  # there they are training labels


def with_other_features(cohort, sample: int) -> xr.Dataset:
    changed = cohort.copy(deep=True)
    changed["counts"][sample] = 9 - changed["counts"][sample]
    changed["dosage"][sample] = 2 - changed["dosage"][sample]
    changed["latitude"][sample] = -40.0
    changed["longitude"][sample] = 170.0
    changed["country"][sample] = "SWE" if changed["country"][sample] != "SWE" else "ESP"
    return changed


@pytest.mark.parametrize("model", REGRESSORS, ids=lambda model: model.name)
def test_features_of_a_test_accession_move_no_other_prediction_of_its_fold(cohort, model):
    before = by_sample(cohort, model)
    sample = next(iter(RandomFolds(3).folds(cohort))).test[4]
    name = str(cohort["sample"].values[sample])
    after = by_sample(with_other_features(cohort, sample), model)
    others = before[0].drop(name, level="sample").index
    np.testing.assert_allclose(after[0][others], before[0][others], rtol=1e-5)
    assert not np.allclose(after[0].loc[name], before[0].loc[name], rtol=1e-3)
    assert not np.allclose(after[1], before[1], rtol=1e-5)  # there it is a training accession


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: model.name)
def test_countries_of_test_accessions_do_not_move_their_predictions(cohort, model):
    def predicted(data):
        table = classify_countries(data, [model], RandomFolds(3), cached=False)
        return table[table["fold"] == 0].set_index("sample")["predicted"]

    changed = cohort.copy(deep=True)
    test = next(iter(RandomFolds(3).folds(cohort))).test
    changed["country"][test] = changed["country"].values[test][::-1]
    assert (changed["country"] != cohort["country"]).any()
    pd.testing.assert_series_equal(predicted(changed), predicted(cohort))


def test_country_table_holds_everybody_once_a_repeat(cohort):
    table = classify_countries(cohort, CLASSIFIERS[1:2], RandomFolds(3, 2), cached=False)
    assert list(table.columns) == ["sample", "model", "repeat", "fold", "observed", "predicted"]
    assert len(table) == 72
    country = cohort["country"].to_series()
    assert (table["observed"].to_numpy() == country[table["sample"]].to_numpy()).all()
    assert set(table["predicted"]) <= set(country)


# ------------------------------------------------------------------------------------------------- cache


def run(cohort, model=None, split=None, seed=1, cached=True) -> pd.DataFrame:
    model = model or Model("m", Spy(), "counts")
    return cross_validate(cohort, [model], split or RandomFolds(3), seed, cached)


def test_a_second_call_reads_what_the_first_has_fitted(cohort):
    first = run(cohort)
    assert Spy.fits == 3
    pd.testing.assert_frame_equal(run(make_cohort()), first)  # equal content, another object
    assert Spy.fits == 3


def test_without_the_cache_every_call_fits(cohort, own_cache):
    run(cohort, cached=False)
    assert fits(lambda: run(cohort, cached=False)) == 3
    assert not own_cache.exists()


CHANGES = {
    "a setting": (lambda: run(make_cohort(), Model("m", Spy(shift=1.0), "counts")), 3),
    "inputs": (lambda: run(make_cohort(), Model("m", Spy(), "dosage")), 3),
    "seed": (lambda: run(make_cohort(), seed=2), 3),
    "cohort": (lambda: run(make_cohort(seed=1)), 3),
    "seed of the split": (lambda: run(make_cohort(), split=RandomFolds(3, seed=2)), 3),
    "number of folds": (lambda: run(make_cohort(), split=RandomFolds(4)), 4),
    "kind of split": (lambda: run(make_cohort(), split=CountryFolds(3)), 3),
    "a further repeat": (lambda: run(make_cohort(), split=RandomFolds(3, 2)), 3),
    "only the name in tables": (lambda: run(make_cohort(), Model("other", Spy(), "counts")), 0),
    "only attributes": (lambda: run(make_cohort().assign_attrs(source="x")), 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_leads_to_new_fits_exactly_where_predictions_may_change(cohort, change):
    run(cohort)
    call, expected = CHANGES[change]
    assert fits(call) == expected


def test_a_single_changed_count_leads_to_new_fits(cohort):
    run(cohort)
    cohort["counts"][0, 0, 0] += 1
    assert fits(lambda: run(cohort)) == 3


def test_another_version_of_the_code_leads_to_new_fits(cohort, monkeypatch):
    run(cohort)
    monkeypatch.setattr(cache, "_code_version", lambda: "later")
    assert fits(lambda: run(cohort)) == 3


def test_settings_inside_a_pipeline_are_part_of_the_key(cohort):
    def pipeline(shift):
        return Model("m", make_pipeline(StandardScaler(), Spy(shift)), "dosage")

    run(cohort, pipeline(0.0))
    assert fits(lambda: run(cohort, pipeline(0.5))) == 3
    assert fits(lambda: run(cohort, pipeline(0.0))) == 0


def test_traits_and_countries_predicted_by_one_estimator_are_kept_apart(cohort):
    split, model = RandomFolds(3), Model("m", Spy(), "counts")
    run(cohort, model, split)
    table = classify_countries(cohort, [model], split)
    assert Spy.fits == 6
    assert set(table["predicted"]) <= set(cohort["country"].values)


def cache_files(own_cache: Path) -> list[Path]:
    return sorted(own_cache.rglob("*.npy"))


@pytest.mark.parametrize("damage", [b"", b"rubbish", None], ids=["empty", "rubbish", "cut short"])
def test_a_damaged_cache_file_is_fitted_again(cohort, own_cache, damage):
    first = run(cohort)
    path = cache_files(own_cache)[1]
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    assert fits(lambda: pd.testing.assert_frame_equal(run(cohort), first)) == 1
    assert fits(lambda: run(cohort)) == 0


def test_a_fit_that_fails_leaves_nothing_in_the_cache(cohort, own_cache):
    class Failing(Spy):
        def fit(self, X, y):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        run(cohort, Model("m", Failing(), "counts"))
    assert not cache_files(own_cache)
    assert not list(own_cache.rglob("*.tmp"))


def test_a_disk_that_fails_leaves_nothing_in_the_cache(cohort, own_cache, monkeypatch):
    def full(file, values, **options):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match=r"The disk is full: .*GI_CACHE_DIR"):
        run(cohort)
    assert not cache_files(own_cache)
    assert not list(own_cache.rglob("*.tmp"))


def _fit_in_another_process(barrier, log: str) -> None:
    barrier.wait(timeout=20)
    run(make_cohort(), Model("m", Spy(log=log), "counts"))


def test_two_processes_at_once_fit_once(tmp_path):
    log = tmp_path / "fits.txt"
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    workers = [context.Process(target=_fit_in_another_process, args=(barrier, str(log))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=30)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert log.read_text().splitlines() == ["fit"] * 3


def test_a_setting_without_a_lasting_name_is_refused(cohort):
    model = Model("m", Spy(shift=len), "counts")
    with pytest.raises(ValueError, match="has no lasting name to cache by; use cached=False"):
        run(cohort, model)


def test_a_class_without_a_file_is_refused():
    nowhere = type("Nowhere", (Spy,), {"__module__": "__main__"})
    with pytest.raises(
        ValueError, match=r"The source of the class Nowhere cannot be read.*or use cached=False"
    ):
        describe(nowhere())


def test_progress_is_not_part_of_the_key_but_the_device_is_the_one_used(cohort):
    described = [
        describe(GalianaRegressor(device=device, progress=progress))
        for device, progress in (("auto", True), ("auto", False), ("cpu", False))
    ]
    assert described[0] == described[1]
    assert (described[1] == described[2]) == (resolve_device("auto").type == "cpu")


class Meeting(Spy):
    """Is fitted only while another fold is, too."""

    in_threads = True
    others = threading.Barrier(2)

    def fit(self, X, y):
        self.others.wait(timeout=60)
        return super().fit(X, y)


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize("estimator", [Meeting(), make_pipeline(StandardScaler(), Meeting())])
def test_as_many_folds_of_a_sampler_as_threads_are_fitted_side_by_side(cohort, two_threads, estimator):
    table = cross_validate(cohort, [Model("meeting", estimator, "flat counts")], RandomFolds(4))
    alone = cross_validate(cohort, [Model("meeting", Spy(), "flat counts")], RandomFolds(4))
    pd.testing.assert_frame_equal(table, alone)


@pytest.mark.parametrize("n_folds", [2, 3])  # a last fold that stands alone, and none
def test_a_sampler_predicts_the_same_on_any_number_of_threads(cohort, two_threads, n_folds):
    sampler = make_pipeline(StandardScaler(), BayesianRegression("BayesB", 60, 10))
    tables = []
    model = Model("BayesB", sampler, "flat counts")
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        tables.append(cross_validate(cohort, [model], RandomFolds(n_folds), cached=False))
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)
    pd.testing.assert_frame_equal(tables[0], tables[2], check_exact=True)


def test_the_number_of_jobs_is_not_part_of_the_key():
    assert describe(BayesianRegression(n_jobs=1)) == describe(BayesianRegression(n_jobs=2))


# ------------------------------------------------------------------------------------------- source task

QUICK_TRANSFER = {"epochs": 2, "source_epochs": 2, "hidden": 5, "device": "cpu"}
TRANSFER = [
    Model("frozen", FrozenGalianaRegressor(4, **QUICK_TRANSFER), "counts"),
    Model("fine-tuned", FineTunedGalianaRegressor(**QUICK_TRANSFER), "counts"),
]


def with_source(cohort: xr.Dataset) -> xr.Dataset:
    """Accessions 0 to 11 have labels of the traits alone, 12 to 23 of both tasks, 24 to 35 of the source alone."""
    random = np.random.default_rng(1)
    source = random.normal(size=(36, 3))
    source[:12] = np.nan
    cohort = cohort.copy(deep=True)
    cohort["trait_value"][24:] = np.nan
    return cohort.assign(source_trait_value=(("sample", "source_trait"), source))


@pytest.mark.parametrize("model", TRANSFER, ids=lambda model: model.name)
def test_no_stage_sees_the_labels_of_a_test_accession(cohort, model):
    cohort = with_source(cohort)
    split = RandomFolds(3)
    before = cross_validate(cohort, [model], split, cached=False)
    fold = next(iter(split.folds(cohort)))
    for name in ("source_trait_value", "trait_value"):
        changed = cohort.copy(deep=True)
        changed[name][fold.test] = changed[name][fold.test] * 100 + 7
        after = cross_validate(changed, [model], split, cached=False)
        here = before["fold"] == fold.fold
        np.testing.assert_array_equal(after["predicted"][here], before["predicted"][here])
        assert not np.allclose(after["predicted"][~here], before["predicted"][~here])


def test_accessions_of_the_source_task_alone_teach_it_and_get_no_row(cohort):
    cohort = with_source(cohort)
    table = cross_validate(cohort, TRANSFER[:1], RandomFolds(3), cached=False)
    assert set(table["sample"]) == {f"s{i:02d}" for i in range(24)}
    changed = cohort.copy(deep=True)
    changed["source_trait_value"][24:] *= -3
    other = cross_validate(changed, TRANSFER[:1], RandomFolds(3), cached=False)
    assert not np.allclose(other["predicted"], table["predicted"])


def test_models_without_a_source_task_train_on_labelled_accessions_alone(cohort):
    cohort = with_source(cohort)
    sizes = []

    class Size(Spy):
        def fit(self, X, y):
            sizes.append((len(X), int(np.isnan(y).all(axis=1).sum())))
            return super().fit(X, y)

    folds = list(RandomFolds(3).folds(cohort))
    cross_validate(cohort, [Model("m", Size(), "counts")], RandomFolds(3), cached=False)
    assert sizes == [(int((fold.train < 24).sum()), 0) for fold in folds]


def test_a_transfer_model_without_a_source_task_is_refused(cohort):
    with pytest.raises(ValueError, match="frozen first learns a source task, but the cohort 'tiny' has no"):
        cross_validate(cohort, TRANSFER, RandomFolds(3))


# ------------------------------------------------------------------------------------------------ saving


def test_saved_predictions_come_back_equal(cohort, tmp_path):
    table = run(cohort)
    path = save_predictions(table.assign(extra=1), tmp_path / "new" / "p.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    assert [entry.name for entry in path.parent.iterdir()] == ["p.parquet"]


def test_a_table_without_a_column_is_refused(cohort, tmp_path):
    with pytest.raises(ValueError, match="has no column 'seed'; needed are sample, trait, model"):
        save_predictions(run(cohort).drop(columns="seed"), tmp_path / "p.parquet")
    assert not list(tmp_path.glob("*.parquet"))


def test_saving_that_fails_leaves_the_old_file(cohort, tmp_path, monkeypatch):
    table = run(cohort)
    path = save_predictions(table, tmp_path / "p.parquet")
    before = path.read_bytes()

    def full(self, target, **options):
        Path(target).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(OSError, match="No space"):
        save_predictions(table.head(1), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["p.parquet"]


def test_what_models_import_from_the_encoder_counts_for_the_cache():
    """A change of it changes predictions, so it must change their names."""
    root = Path(cache.__file__).parents[1]
    sources = [path for pattern in cache.CODE for path in root.glob(pattern)]
    readers = [path for path in sources if path.name != "counting.py"]  # most of it serves `gi encode` alone
    imported = {
        name
        for path in [*readers, root / "lineup.py"]
        for name in re.findall(r"^from gi_lib\.(encoding\.\w+) import", path.read_text(), re.M)
    }
    assert imported >= {"encoding.scaling", "encoding.markers"}
    for name in imported:
        assert root / f"{name.replace('.', '/')}.py" in sources
