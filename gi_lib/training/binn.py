"""BINN and its dense rival as scikit-learn estimators: early stopping, latents tied to measurements."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from gi_lib.datasets.pathways import Edges, random_pathways, rewire
from gi_lib.encoding.markers import DosageImputer
from gi_lib.models.binn import BINN, DenseNetwork
from gi_lib.models.expression_prior import ExpressionPrior
from gi_lib.training.estimators import AfterEpoch, Regressor, fit_together
from gi_lib.training.inputs import Features, Held, Inputs
from gi_lib.training.loop import Schedule, masked_mse
from gi_lib.training.together import Fitting

CONTROLS = ("rewired", "random", "shuffled")


class ControlPrior(BaseEstimator):
    """Prior knowledge made wrong, in a network of about the same size.

    Parameters
    ----------
    prior
        Edges, or an `ExpressionPrior`.
    how
        ``rewired``: edges exchange their entities, so markers and entities keep their numbers of edges; see
        `gi_lib.datasets.pathways.rewire`. ``random``: every entity gets as many markers, drawn at random. ``shuffled``:
        the prior is learned from measurements that were exchanged between accessions.
    share
        Of the edges, if they are rewired.
    seed
        Decides what goes where.
    """

    def __init__(
        self, prior: Edges | ExpressionPrior, how: str = "rewired", share: float = 1.0, seed: int = 0
    ):
        self.prior = prior
        self.how = how
        self.share = share
        self.seed = seed

    def edges(self, dosage: np.ndarray, y: np.ndarray, entities: np.ndarray | None) -> Edges:
        """See `ExpressionPrior.edges`.

        Raises
        ------
        ValueError
            If there is no such control, or known edges are to be learned from shuffled measurements.
        """
        if self.how not in CONTROLS:
            raise ValueError(f"how is {self.how!r}; allowed are {', '.join(CONTROLS)}.")
        if self.how == "shuffled":
            if not is_learned(self.prior):
                raise ValueError(
                    "Known edges are not learned from measurements; use how 'rewired' or 'random'."
                )
            return prior_edges(self.prior, dosage, y, np.random.default_rng(self.seed).permutation(entities))
        edges = prior_edges(self.prior, dosage, y, entities)
        if self.how == "random":
            return random_pathways(edges, self.seed)
        return rewire(edges, self.share, self.seed)


def is_learned(prior: Edges | ExpressionPrior | ControlPrior) -> bool:
    """Whether a prior looks at measured entities."""
    return not isinstance(prior.prior if isinstance(prior, ControlPrior) else prior, Edges)


_LEARNED: OrderedDict[str, Edges] = OrderedDict()
_KEPT = 32


def prior_edges(
    prior: Edges | ExpressionPrior | ControlPrior,
    dosage: np.ndarray,
    y: np.ndarray,
    entities: np.ndarray | None,
) -> Edges:
    """The edges of a prior for training accessions; those of the last equal calls are remembered.

    Raises
    ------
    ValueError
        If edges start from another number of markers, or there is nothing to learn them from.
    """
    if isinstance(prior, Edges):
        if prior.n_sources != dosage.shape[1]:
            raise ValueError(
                f"The prior has edges from {prior.n_sources} markers, but there are {dosage.shape[1]}."
            )
        return prior
    if not is_learned(prior):
        return prior.edges(dosage, y, entities)
    if entities is None:
        raise ValueError("The prior is learned from measured entities; fit needs them, as `entities`.")
    digest = hashlib.sha256(f"{type(prior).__name__}{prior.get_params()}".encode())
    for values in (dosage, y, entities):
        digest.update(f"{values.dtype}{values.shape}".encode() + np.ascontiguousarray(values).tobytes())
    key = digest.hexdigest()
    if key not in _LEARNED:
        _LEARNED[key] = prior.edges(dosage, y, entities)
        while len(_LEARNED) > _KEPT:
            _LEARNED.popitem(last=False)
    return _LEARNED[key]


@dataclass(frozen=True)
class SoftConstraint:
    r"""Loss of BINN-soft: :math:`MSE + \lambda\, \overline{1 - r_e}`, r the correlation of latent and measurement.

    The mean is over entities, the correlation over the accessions of a batch in which the entity was measured; one
    that does not vary among them, or was measured in fewer than three, does not count.

    Parameters
    ----------
    weight
        λ.
    n_traits
        Outputs and labels begin with so many traits; entities follow.
    """

    weight: float
    n_traits: int

    def __call__(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Map outputs and labels, (fit, batch, trait + entity), to one number per fit."""
        error = masked_mse(outputs[..., : self.n_traits], labels[..., : self.n_traits])
        latents, measured = outputs[..., self.n_traits :], labels[..., self.n_traits :]
        known = ~torch.isnan(measured)
        number = known.sum(-2, keepdim=True).clamp(min=1)

        def centred(values: Tensor) -> Tensor:
            values = torch.where(known, values, 0)
            return torch.where(known, values - values.sum(-2, keepdim=True) / number, 0)

        latents, measured = centred(latents), centred(torch.nan_to_num(measured))
        variance = latents.square().sum(-2), measured.square().sum(-2)  # (fit, entity)
        counts = (variance[1] > 1e-8) & (known.sum(-2) > 2)
        r = (latents * measured).sum(-2) / (variance[0] * variance[1]).clamp(min=1e-12).sqrt()
        return error + self.weight * torch.where(counts, 1 - r, 0).sum(-1) / counts.sum(-1).clamp(min=1)


class _WithLatents(nn.Module):
    """A BINN that puts out its latents too, behind the traits."""

    def __init__(self, network: BINN):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        latents = self.network.latents(x)
        return torch.cat([self.network.integrator(latents), latents], -1)


class _MarkerNetwork(Regressor):
    """What networks on dosages share: markers standardised, gaps filled with the mean, early stopping."""

    def __init__(
        self,
        hidden: int = 64,
        epochs: int = 300,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-5,
        l1: float = 1e-5,
        stop_after: int = 20,
        held_out: float = 0.15,
        optimiser: str = "adam",
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ):
        super().__init__(epochs, batch_size, learning_rate, weight_decay, optimiser, seed, device, progress)
        self.hidden = hidden
        self.l1 = l1
        self.stop_after = stop_after
        self.held_out = held_out

    def _schedule(self) -> Schedule:
        return Schedule(
            self.epochs, self.batch_size, self.learning_rate, self.weight_decay, self.optimiser,
            decay=1.0, l1=self.l1, stop_after=self.stop_after,
        )  # fmt: skip

    def _fit_inputs(self, X: Held, samples: np.ndarray) -> None:
        dosage = X.dosage[samples]
        self.imputer_ = DosageImputer().fit(dosage)
        filled = self.imputer_.transform(dosage)
        spread = filled.std(axis=0)
        self.marker_mean_, self.marker_scale_ = filled.mean(axis=0), np.where(spread > 1e-6, spread, 1)

    def _inputs(self, X: Held, device: torch.device, samples: np.ndarray) -> Inputs:
        filled = self.imputer_.transform(X.dosage[samples])
        return Features((filled - self.marker_mean_) / self.marker_scale_, device)

    def _order(self, n_samples: int) -> tuple[np.ndarray, int]:
        """Training accessions in the order in which the last ones are held out, and the number of these."""
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; it must lie between 0 and 1.")
        n_held_out = round(self.held_out * n_samples)
        if not 1 <= n_held_out < n_samples:
            raise ValueError(
                f"held_out is {self.held_out}; of {n_samples} accessions it leaves none to learn from or to stop by."
            )
        return np.random.default_rng(self.seed).permutation(n_samples), n_held_out


class DenseNetworkRegressor(_MarkerNetwork):
    """Two dense layers on dosages, trained as BINN is.

    Parameters
    ----------
    hidden
        Width of the layers; see `gi_lib.models.width_for`.
    epochs, batch_size, learning_rate, weight_decay, l1, stop_after, held_out, optimiser, seed, device, progress
        As `BINNRegressor`.
    """

    def _build(self, X: np.ndarray, n_outputs: int) -> nn.Module:
        return DenseNetwork(X.shape[1], n_outputs, self.hidden)


class BINNRegressor(_MarkerNetwork):
    """BINN on dosages, its entities measured in training only (arXiv 2510.14970).

    Parameters
    ----------
    prior
        Edges from the markers of X to entities, or what learns them from the training accessions: an
        `ExpressionPrior` or a `ControlPrior`.
    entity_weight
        λ of `SoftConstraint`: 0 is BINN-MSE, which never sees the measurements but through the prior; more is
        BINN-soft.
    hidden, integrator
        Widths; see `gi_lib.models.BINN`.
    epochs
        At most; see `stop_after`.
    batch_size, learning_rate, weight_decay, l1, stop_after, optimiser
        See `Schedule`; the paper's are Adam, 3e-3, 1e-5, 1e-5 and 20.
    held_out
        Share of the training accessions that decides when to stop.
    seed
        Decides who is held out, the initial weights and the order of the accessions.
    device
        ``auto``, ``cpu`` or ``cuda``.
    progress
        Show a bar while training.

    Attributes
    ----------
    edges_ : Edges
        From markers to the entities that are in the network.
    entities_ : shape (entity,)
        Which columns of the measurements these are. Known edges lead to the entities in their order.
    """

    def __init__(
        self,
        prior: Edges | ExpressionPrior | ControlPrior,
        entity_weight: float = 0.0,
        hidden: int = 128,
        integrator: int = 128,
        epochs: int = 300,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-5,
        l1: float = 1e-5,
        stop_after: int = 20,
        held_out: float = 0.15,
        optimiser: str = "adam",
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ):
        super().__init__(
            hidden,
            epochs,
            batch_size,
            learning_rate,
            weight_decay,
            l1,
            stop_after,
            held_out,
            optimiser,
            seed,
            device,
            progress,
        )
        self.prior = prior
        self.entity_weight = entity_weight
        self.integrator = integrator

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        entities: np.ndarray | None = None,
        after_epoch: AfterEpoch | None = None,
    ) -> "BINNRegressor":
        """Train on dosages (sample, marker), labels, and measured entities (sample, entity); see `fitting`."""
        return fit_together([self], X, y, entities=entities, after_epoch=after_epoch)[0]

    def fitting(
        self,
        X: Held,
        samples: np.ndarray,
        y: np.ndarray,
        entities: np.ndarray | None = None,
        after_epoch: AfterEpoch | None = None,
    ) -> Fitting:
        """What ``fit`` does, on the accessions `samples` of X, with labels and entities of these, NaN for missing.

        Raises
        ------
        ValueError
            If a setting is not allowed, a trait has no two different labels, there are no entities where the prior or
            the loss needs them, or known edges lead to another number of entities than were measured.
        """
        if not 0 <= self.entity_weight < np.inf:
            raise ValueError(f"entity_weight is {self.entity_weight}; it must be at least 0 and finite.")
        if self.entity_weight and entities is None:
            raise ValueError("With entity_weight above 0, fit needs measured entities, as `entities`.")
        filled = DosageImputer().fit_transform(X.dosage[samples])
        self.edges_ = prior_edges(self.prior, filled, np.asarray(y, np.float64), entities)
        if is_learned(self.prior):
            self.entities_ = self.edges_.target_names.astype(np.int64)
        else:
            self.entities_ = np.arange(self.edges_.n_targets)
        self._measured = None
        if self.entity_weight:
            if not is_learned(self.prior) and entities.shape[1] != self.edges_.n_targets:
                raise ValueError(
                    f"The prior has {self.edges_.n_targets} entities, but {entities.shape[1]} were measured."
                )
            measured = entities[:, self.entities_]
            spread = np.nanstd(measured, axis=0)
            scaled = (measured - np.nanmean(measured, axis=0)) / np.where(spread > 0, spread, 1)
            self._measured = scaled.astype(np.float32)
        yield from super().fitting(X, samples, y, after_epoch)
        del self._measured

    def _training(
        self,
        X: Held,
        samples: np.ndarray,
        labels: np.ndarray,
        n_outputs: int,
        loss: Callable,
        after_epoch: AfterEpoch | None,
    ) -> Fitting:
        if self._measured is not None:
            labels = np.hstack([labels, self._measured])
            loss = SoftConstraint(self.entity_weight, n_outputs)
        yield from super()._training(X, samples, labels, n_outputs, loss, after_epoch)

    def _build(self, X: np.ndarray, n_outputs: int) -> nn.Module:
        return BINN(self.edges_, n_outputs, self.hidden, self.integrator)

    def _learner(self, inputs: Inputs) -> tuple[nn.Module, Inputs]:
        return (_WithLatents(self.network_) if self._measured is not None else self.network_), inputs

    def latents(self, X: np.ndarray) -> np.ndarray:
        """What stands for the entities of `edges_`, shape (sample, entity)."""
        return self._outputs(X, BINN.latents)

    def from_latents(self, latents: np.ndarray) -> np.ndarray:
        """Predictions in the units of the labels, shape (sample, trait), from latents (sample, entity)."""
        check_is_fitted(self, "network_")
        device = next(self.network_.parameters()).device
        with torch.no_grad():
            outputs = self.network_.integrator(torch.as_tensor(latents, dtype=torch.float32, device=device))
        return outputs.cpu().numpy() * self.label_scale_ + self.label_mean_
