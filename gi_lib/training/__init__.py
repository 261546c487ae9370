"""The one training loop, and the scikit-learn estimators built on it.

A network is a plain `torch.nn.Module`. An estimator pairs it with the published schedule, scales inputs and labels on
the training accessions, and follows scikit-learn's conventions (``fit``, ``predict``, ``get_params``, cloning).
"""

from gi_lib.training.binn import (
    CONTROLS,
    BINNRegressor,
    ControlPrior,
    DenseNetworkRegressor,
    SoftConstraint,
    prior_edges,
)
from gi_lib.training.ensemble import SeedEnsemble
from gi_lib.training.estimators import (
    BMSNNRegressor,
    GalianaClassifier,
    GalianaRegressor,
    GPSNNRegressor,
    fit_together,
    learns_together,
    predict_together,
)
from gi_lib.training.inputs import Counts, Features, Held, Inputs, SharedCounts, count_inputs, distinct_rows
from gi_lib.training.loop import (
    DEVICES,
    OPTIMISERS,
    Schedule,
    Training,
    cross_entropy,
    masked_mse,
    predict,
    resolve_device,
    train,
)
from gi_lib.training.neural_lasso import NeuralLassoRegressor
from gi_lib.training.separable import PROTOCOLS
from gi_lib.training.transfer import FineTunedGalianaRegressor, FrozenGalianaRegressor

__all__ = [
    "CONTROLS",
    "DEVICES",
    "OPTIMISERS",
    "PROTOCOLS",
    "BINNRegressor",
    "BMSNNRegressor",
    "ControlPrior",
    "Counts",
    "DenseNetworkRegressor",
    "Features",
    "FineTunedGalianaRegressor",
    "FrozenGalianaRegressor",
    "GPSNNRegressor",
    "GalianaClassifier",
    "GalianaRegressor",
    "Held",
    "Inputs",
    "NeuralLassoRegressor",
    "Schedule",
    "SeedEnsemble",
    "SharedCounts",
    "SoftConstraint",
    "Training",
    "count_inputs",
    "cross_entropy",
    "distinct_rows",
    "fit_together",
    "learns_together",
    "masked_mse",
    "predict",
    "predict_together",
    "prior_edges",
    "resolve_device",
    "train",
]
