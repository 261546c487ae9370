"""One file per published model, each readable beside its paper."""

from gi_lib.models.baselines import (
    CountryMean,
    PerTrait,
    gblup_with_gps,
    gradient_boosting,
    map_neighbours,
    ridge,
    ridge_on_components,
)
from gi_lib.models.bayesian import PRIORS, BayesianRegression
from gi_lib.models.bmsnn import BMSNN
from gi_lib.models.elastic_net import ElasticNet, elastic_net_path
from gi_lib.models.galiana import Galiana, GeneEncoder
from gi_lib.models.gblup import GBLUP
from gi_lib.models.gpsnn import GPSNN, sphere
from gi_lib.models.interacting_lasso import InteractingLasso
from gi_lib.models.neural_lasso import NeuralLasso, published_activations, separable
from gi_lib.models.published import PUBLISHED, Published, count_parameters
from gi_lib.models.rkhs import RKHS
from gi_lib.models.sparse import SparseLinear
from gi_lib.models.transfer import FrozenGaliana, TransferHead

__all__ = [
    "BMSNN",
    "GBLUP",
    "GPSNN",
    "PRIORS",
    "PUBLISHED",
    "RKHS",
    "BayesianRegression",
    "CountryMean",
    "ElasticNet",
    "FrozenGaliana",
    "Galiana",
    "GeneEncoder",
    "InteractingLasso",
    "NeuralLasso",
    "PerTrait",
    "Published",
    "SparseLinear",
    "TransferHead",
    "count_parameters",
    "elastic_net_path",
    "gblup_with_gps",
    "gradient_boosting",
    "map_neighbours",
    "published_activations",
    "ridge",
    "ridge_on_components",
    "separable",
    "sphere",
]
