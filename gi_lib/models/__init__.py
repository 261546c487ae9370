"""One file per published model, each readable beside its paper."""

from gi_lib.models.association import AssociationTests, association_tests
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
from gi_lib.models.binn import BINN, DenseNetwork, EntityEncoder, width_for
from gi_lib.models.bmsnn import BMSNN
from gi_lib.models.elastic_net import ElasticNet, elastic_net_path
from gi_lib.models.expression_prior import ExpressionPrior
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
    "BINN",
    "BMSNN",
    "GBLUP",
    "GPSNN",
    "PRIORS",
    "PUBLISHED",
    "RKHS",
    "AssociationTests",
    "BayesianRegression",
    "CountryMean",
    "DenseNetwork",
    "ElasticNet",
    "EntityEncoder",
    "ExpressionPrior",
    "FrozenGaliana",
    "Galiana",
    "GeneEncoder",
    "InteractingLasso",
    "NeuralLasso",
    "PerTrait",
    "Published",
    "SparseLinear",
    "TransferHead",
    "association_tests",
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
    "width_for",
]
