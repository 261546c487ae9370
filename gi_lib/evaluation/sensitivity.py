"""How much a prediction depends on each latent of a network, or on each input of any model."""

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from gi_lib.training import BINNRegressor


def clamped_sensitivity(
    predict: Callable[[np.ndarray], np.ndarray], values: ArrayLike, width: float = 1.0
) -> np.ndarray:
    r"""Change of the mean prediction when one column is clamped (arXiv 2510.14970, Algorithm 1).

    With :math:`\mu_j` and :math:`\sigma_j` the mean and standard deviation of column j, it is set to
    :math:`\mu_j \pm a\sigma_j` for all samples, the other columns staying as they are, and

    .. math:: \Delta y_j = \tfrac12 \big( |\bar y_j^+ - \bar y| + |\bar y_j^- - \bar y| \big)

    Parameters
    ----------
    predict
        Maps values (sample, column) to predictions (sample,) or (sample, trait): `BINNRegressor.from_latents`, or the
        ``predict`` of any fitted model.
    values : shape (sample, column)
        Latents, or inputs, of samples that the model was not fitted to.
    width
        a, in standard deviations.

    Returns
    -------
    numpy.ndarray
        Shape (column,) or (column, trait), in units of the prediction.

    Raises
    ------
    ValueError
        If values are no matrix of finite numbers or the width is not above 0.
    """
    values = np.asarray(values, float)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(
            f"values must be finite numbers of shape (sample, column); the shape is {values.shape}."
        )
    if not 0 < width < np.inf:
        raise ValueError(f"width is {width}; it must be greater than zero.")
    middle, reach = values.mean(axis=0), width * values.std(axis=0)
    usual = np.asarray(predict(values)).mean(axis=0)
    changes = []
    for column in range(values.shape[1]):
        clamped, both = values.copy(), []
        for side in (1, -1):
            clamped[:, column] = middle[column] + side * reach[column]
            both.append(np.abs(np.asarray(predict(clamped)).mean(axis=0) - usual))
        changes.append(np.mean(both, axis=0))
    return np.array(changes)


def latent_attributions(estimator: BINNRegressor, X: np.ndarray, n_steps: int = 50) -> np.ndarray:
    """Integrated gradients of the predictions with respect to the latents, from their mean (Sundararajan et al. 2017).

    Parameters
    ----------
    estimator
        Fitted.
    X : shape (sample, marker)
        Dosages.
    n_steps
        Of the Gauss-Legendre quadrature.

    Returns
    -------
    numpy.ndarray
        Shape (sample, entity, trait), in units of the trait. Over entities they sum to the difference between the
        prediction and that for the mean latents.
    """
    check_is_fitted(estimator, "network_")
    integrator = estimator.network_.integrator
    device = next(integrator.parameters()).device
    latents = torch.as_tensor(estimator.latents(X), device=device)
    start = latents.mean(dim=0, keepdim=True)
    explain = IntegratedGradients(integrator)
    found = [
        explain.attribute(latents, start, target=trait, n_steps=n_steps).detach().cpu().numpy()
        for trait in range(len(estimator.label_scale_))
    ]
    return np.stack(found, axis=-1) * estimator.label_scale_
