"""Estimators that learn a source task T1 first and the traits of interest, T2, from what it has taught.

Raimondi et al. 2024, *Transfer learning validation*: both tasks see the training accessions of a fold only. ``fit``
takes the labels of T1 as ``source``, one row per accession like `y`, so that whoever splits X and y splits them too.
"""

import copy
import hashlib
from collections import OrderedDict

import numpy as np
from torch import nn

from gi_lib.models.checks import different_labels
from gi_lib.models.galiana import Galiana
from gi_lib.models.transfer import FrozenGaliana
from gi_lib.training.estimators import AfterEpoch, CountNetwork, GalianaRegressor, Regressor, SourceTask
from gi_lib.training.inputs import Features, Held, Inputs
from gi_lib.training.loop import predict
from gi_lib.training.together import Fitting

MEMORY = 32
"""How many trained bodies are kept: the transfer models of a fold share one."""


class _Transfer(SourceTask, Regressor, CountNetwork):
    """Train Galiana on T1, then what `_build` makes of its body on T2."""

    def __init__(
        self,
        hidden: int = 50,
        scaling: str = "standardise",
        epochs: int = 50,
        batch_size: int = 10,
        learning_rate: float = 1e-2,
        weight_decay: float = 1e-6,
        optimiser: str = "rmsprop",
        source_epochs: int = 50,
        source_learning_rate: float = 1e-2,
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ):
        super().__init__(
            scaling,
            hidden,
            epochs,
            batch_size,
            learning_rate,
            weight_decay,
            optimiser,
            seed,
            device,
            progress,
        )
        self.source_epochs = source_epochs
        self.source_learning_rate = source_learning_rate

    def fitting(
        self,
        X: Held,
        samples: np.ndarray,
        y: np.ndarray,
        source: np.ndarray | None = None,
        after_epoch: AfterEpoch | None = None,
    ) -> Fitting:
        """As for the other regressors, with a training on the source task first.

        Parameters
        ----------
        X
            Counts (accession, gene, variant_type) of all accessions.
        samples : shape (sample,)
            Which of them to learn from.
        y : shape (sample,) or (sample, trait)
            Labels of T2, NaN for missing. An accession without any takes part in T1 only.
        source : shape (sample, source_trait)
            Labels of T1, NaN for missing. A trait without two different labels is left out.
        after_epoch
            As for the other regressors, during T2.

        Raises
        ------
        ValueError
            If `source` is missing or has nothing to learn from; if a trait of T2 has no two different labels.
        """
        if source is None:
            raise ValueError(
                "Transfer learning needs `source`, the labels of the source task, one row per accession."
            )
        labels = different_labels(y, len(samples))  # before the training on the source task
        self.source_ = yield from self._trained_source(X, samples, source)
        self.scaler_ = self.source_.scaler_
        known = ~np.isnan(labels).all(axis=1)
        yield from super().fitting(X, samples[known], np.asarray(y)[known], after_epoch)

    def _trained_source(self, X: Held, samples: np.ndarray, source: np.ndarray) -> Fitting:
        """Galiana trained on T1, from memory if the same has been asked for before."""
        known = ~np.isnan(source).all(axis=1)
        lowest, highest = (
            extreme.reduce(np.where(np.isnan(source), empty, source), axis=0)
            for extreme, empty in ((np.minimum, np.inf), (np.maximum, -np.inf))
        )
        if not (highest > lowest).any():
            raise ValueError("No trait of the source task has two different labels among these accessions.")
        samples, source = samples[known], source[known][:, highest > lowest]
        model = GalianaRegressor(
            scaling=self.scaling,
            hidden=self.hidden,
            epochs=self.source_epochs,
            batch_size=self.batch_size,
            learning_rate=self.source_learning_rate,
            weight_decay=1e-6,
            optimiser=self.optimiser,
            seed=self.seed,
            device=self.device,
            progress=self.progress,
        )
        digest = hashlib.sha256(repr({**model.get_params(), "progress": None}).encode())
        digest.update(X.digest.encode() + samples.tobytes() + f"{source.shape}".encode() + source.tobytes())
        key = digest.hexdigest()
        if key not in _trained:
            yield from model.fitting(X, samples, source)
            _trained[key] = model
            if len(_trained) > MEMORY:
                _trained.popitem(last=False)
        _trained.move_to_end(key)
        return _trained[key]

    def _fit_inputs(self, X: Held, samples: np.ndarray) -> None:
        """The body has learned to read counts as T1 scaled them."""

    def _body(self) -> Galiana:
        return copy.deepcopy(self.source_.network_)


_trained: OrderedDict[str, GalianaRegressor] = OrderedDict()


class FrozenGalianaRegressor(_Transfer):
    """A body trained on T1 as feature extractor, and module I trained on T2: frozen200 and frozen500.

    Parameters
    ----------
    head_hidden
        Width of module I: 200 or 500 in the paper.
    hidden
        Width of the body, 50 in the paper.
    scaling, epochs, batch_size, learning_rate, weight_decay, optimiser, seed, device, progress
        As `GalianaRegressor`. T1 shares scaling, batch size, optimiser and seed.
    source_epochs, source_learning_rate
        Of the training on T1. The paper refers to its predecessor for them (Raimondi et al. 2022).
    """

    def __init__(
        self,
        head_hidden: int = 200,
        hidden: int = 50,
        scaling: str = "standardise",
        epochs: int = 50,
        batch_size: int = 10,
        learning_rate: float = 1e-2,
        weight_decay: float = 1e-6,
        optimiser: str = "rmsprop",
        source_epochs: int = 50,
        source_learning_rate: float = 1e-2,
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ):
        super().__init__(
            hidden, scaling, epochs, batch_size, learning_rate, weight_decay, optimiser, source_epochs,
            source_learning_rate, seed, device, progress,
        )  # fmt: skip
        self.head_hidden = head_hidden

    def _build(self, X: np.ndarray, n_outputs: int) -> nn.Module:
        return FrozenGaliana(self._body(), n_outputs, self.head_hidden)

    def _learner(self, inputs: Inputs) -> tuple[nn.Module, Inputs]:
        # A body that does not learn gives every accession the same features in every epoch.
        device = next(self.network_.parameters()).device
        features = predict(self.network_.body, inputs, output=Galiana.features)
        return self.network_.head, Features(features, device)


class FineTunedGalianaRegressor(_Transfer):
    """Galiana on T2, all its weights but the head's first trained on T1: transf30 and transf50 (30, 50 epochs).

    Parameters are those of `FrozenGalianaRegressor` without `head_hidden`.
    """

    def _build(self, X: np.ndarray, n_outputs: int) -> nn.Module:
        network = self._body()
        network.head = nn.Linear(network.head.in_features, n_outputs)
        return network
