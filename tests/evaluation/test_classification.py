"""Scores of classifiers against a confusion matrix worked out by hand and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef

from gi_lib.evaluation import classification_scores, mcc_difference


def estimates(observed, predicted) -> dict[str, float]:
    scores = classification_scores(np.array(observed), np.array(predicted), n_bootstrap=20)
    return dict(zip(scores["score"], scores["estimate"], strict=True))


def test_two_classes_by_hand():
    # 4 true positives, 1 false negative, 2 false positives, 3 true negatives
    observed = ["SWE"] * 5 + ["ESP"] * 5
    predicted = ["SWE"] * 4 + ["ESP"] + ["SWE"] * 2 + ["ESP"] * 3
    scores = estimates(observed, predicted)
    assert scores["MCC"] == pytest.approx((4 * 3 - 2 * 1) / np.sqrt(6 * 5 * 5 * 4))
    f1_swe, f1_esp = 2 * 4 / (2 * 4 + 2 + 1), 2 * 3 / (2 * 3 + 1 + 2)
    assert scores["F1 macro"] == pytest.approx((f1_swe + f1_esp) / 2)
    assert scores["F1 weighted"] == pytest.approx((f1_swe + f1_esp) / 2)  # equally many of each


def test_several_classes_of_different_size_equal_scikit_learn():
    random = np.random.default_rng(0)
    observed = random.choice(["SWE", "ESP", "USA", "ITA"], 200, p=[0.6, 0.2, 0.15, 0.05])
    predicted = np.where(random.random(200) < 0.7, observed, random.choice(["SWE", "ESP", "USA"], 200))
    scores = estimates(observed, predicted)
    assert scores == pytest.approx(
        {
            "MCC": matthews_corrcoef(observed, predicted),
            "F1 weighted": f1_score(observed, predicted, average="weighted"),
            "F1 macro": f1_score(observed, predicted, average="macro"),
        }
    )
    assert abs(scores["F1 macro"] - scores["F1 weighted"]) > 0.01


def test_the_bootstrap_equals_one_by_scikit_learn():
    random = np.random.default_rng(3)
    observed = random.choice(["a", "b", "c", "d"], 60, p=[0.7, 0.2, 0.05, 0.05])  # some draws lack a class
    predicted = np.where(random.random(60) < 0.6, observed, random.choice(["a", "b", "e"], 60))
    scores = classification_scores(observed, predicted, 30, seed=5).set_index("score")
    plain = {
        "MCC": matthews_corrcoef,
        "F1 weighted": lambda y, p: f1_score(y, p, average="weighted"),
        "F1 macro": lambda y, p: f1_score(y, p, average="macro"),
    }
    again = np.random.default_rng(5)
    draws = [again.integers(60, size=60) for _ in range(30)]
    for name, score in plain.items():
        limits = np.quantile([score(observed[draw], predicted[draw]) for draw in draws], [0.025, 0.975])
        np.testing.assert_allclose(scores.loc[name, ["low", "high"]].to_numpy(float), limits, rtol=1e-12)


def test_perfect_and_useless_predictions():
    observed = ["a", "b", "c"] * 10
    assert set(estimates(observed, observed).values()) == {1.0}
    assert estimates(observed, ["a"] * 30)["MCC"] == 0


def test_interval_holds_the_estimate_and_the_seed_decides_it():
    random = np.random.default_rng(0)
    observed = random.choice(["a", "b", "c"], 150)
    predicted = np.where(random.random(150) < 0.6, observed, "a")
    one, again, other = (classification_scores(observed, predicted, 40, seed=s) for s in (1, 1, 2))
    assert one["score"].tolist() == ["MCC", "F1 weighted", "F1 macro"]
    assert (one["low"] < one["estimate"]).all()
    assert (one["estimate"] < one["high"]).all()
    assert one.equals(again)
    assert not one.equals(other)
    wide, narrow = (classification_scores(observed, predicted, 40, level=level) for level in (0.95, 0.5))
    assert ((wide["high"] - wide["low"]) > (narrow["high"] - narrow["low"])).all()


@pytest.mark.parametrize(("observed", "predicted"), [(["a"], ["a", "b"]), ([], [])])
def test_lengths_that_differ_and_empty_input_are_refused(observed, predicted):
    with pytest.raises(
        ValueError, match=f"observed has {len(observed)} classes and predicted {len(predicted)}"
    ):
        classification_scores(np.array(observed), np.array(predicted))


def test_paired_difference_of_mcc():
    rng = np.random.default_rng(1)
    truth = rng.choice(["a", "b", "c"], 200)
    good = np.where(rng.random(200) < 0.9, truth, "a")
    bad = np.where(rng.random(200) < 0.5, truth, "a")
    difference, low, high = mcc_difference(truth, good, bad)
    assert difference == pytest.approx(matthews_corrcoef(truth, good) - matthews_corrcoef(truth, bad))
    assert 0 < low < difference < high
    assert mcc_difference(truth, good, good) == (0, 0, 0)
