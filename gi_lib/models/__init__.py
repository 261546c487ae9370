"""One file per published model, each readable beside its paper."""

from gi_lib.models.baselines import CountryMean, PerTrait, map_neighbours, ridge
from gi_lib.models.galiana import Galiana, GeneEncoder
from gi_lib.models.gpsnn import GPSNN, sphere
from gi_lib.models.published import PUBLISHED, count_parameters

__all__ = [
    "GPSNN",
    "PUBLISHED",
    "CountryMean",
    "Galiana",
    "GeneEncoder",
    "PerTrait",
    "count_parameters",
    "map_neighbours",
    "ridge",
    "sphere",
]
