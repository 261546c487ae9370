"""GPSNN: the trait from the place of origin alone (Raimondi et al. 2024, *GPSNN validation*)."""

import numpy as np
from torch import Tensor, nn

from gi_lib.models.checks import places_of


class GPSNN(nn.Module):
    """One hidden layer over the three coordinates of `sphere`; 21,036 parameters with 36 outputs."""

    def __init__(self, n_outputs: int, n_inputs: int = 3, hidden: int = 500):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, hidden),
            nn.LayerNorm(hidden),
            nn.Tanh(),
            nn.Linear(hidden, n_outputs),
        )

    def forward(self, place: Tensor) -> Tensor:
        """Map (batch, 3) to (batch, output)."""
        return self.layers(place)


def sphere(coordinates: np.ndarray) -> np.ndarray:
    """Latitude and longitude to (sin lat, sin lon, cos lon).

    Parameters
    ----------
    coordinates : shape (sample, 2)
        Latitude and longitude in degrees.

    Returns
    -------
    numpy.ndarray
        Shape (sample, 3).

    Raises
    ------
    ValueError
        If the shape is another one, or a place is not on the globe.

    Notes
    -----
    The paper says that this maps places on the unit sphere; it does not (that needs cos lat as a factor), but
    the triple still tells any two places apart.
    """
    latitude, longitude = np.radians(places_of(coordinates)).T
    return np.stack([np.sin(latitude), np.sin(longitude), np.cos(longitude)], axis=1)
