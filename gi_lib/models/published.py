"""Every model at the paper's dimensions, beside the number of parameters that the paper prints."""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from gi_lib.models.galiana import Galiana
from gi_lib.models.gpsnn import GPSNN

N_GENES, N_TRAITS = 27_655, 36


class Published(NamedTuple):
    """A model of Raimondi et al. 2024, Table 1."""

    build: Callable[[], nn.Module]
    parameters: int  # as printed in Table 1


PUBLISHED = {
    "Galiana": Published(lambda: Galiana(N_GENES, N_TRAITS), 1_443_747),
    "GPSNN": Published(lambda: GPSNN(N_TRAITS), 21_036),
}


def count_parameters(module: nn.Module) -> int:
    """Number of trainable parameters of a network.

    Examples
    --------
    >>> count_parameters(GPSNN(n_outputs=36))
    21036
    """
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
