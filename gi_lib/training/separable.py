"""Training of NeuralLasso: many fits at once in the separable form, or one by one as the paper writes the layer.

`gi_lib.models.neural_lasso` shows that a prediction is a constant plus, for each marker, one number for dosage 1 and
one for dosage 2. So the predictions of all fits are two products of indicator matrices with what each fit adds, and the
gradients are two more. All else happens marker by marker, in one pass over the parameters.

Two things make the pass short. Every term that reads marker j through the same activation starts at the same values and
gets the same gradient, so such terms stay equal for ever: of the five terms of the published window three are one and
two are another. And what a window reads beyond its end is zero, so the terms there are those of one more marker which
nobody carries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor
from tqdm import tqdm

from gi_lib.datasets.cohort import MISSING_DOSAGE
from gi_lib.encoding.markers import DosageImputer
from gi_lib.models.interacting_lasso import InteractingLasso
from gi_lib.models.neural_lasso import ACTIVATIONS, NeuralLasso

_BETA, _BETA_SQUARES, _EPSILON = 0.9, 0.999, 1e-8  # Adam, as in PyTorch and TensorFlow
AT_ONCE = 128  # fits
_BLOCK = 256  # markers; sums over markers go block by block, whatever the number of threads


@dataclass(frozen=True)
class Protocol:
    """How a fit is trained.

    Attributes
    ----------
    loss
        ``mean square``, the mean squared error; or ``norm``, the length of the vector of errors over its number.
    batches
        Into how many batches the training accessions are cut; those left over wait for the next order.
    standardised
        Labels are centred and scaled with mean and standard deviation of the training accessions.
    start
        Slope of rectified terms before training.
    cosine
        ``smooth``: the learning rate falls along half a cosine from 1e-3 to 1e-5. ``in tens``: it is set anew every ten
        iterations, to 1e-5 + ½ (1 + cos) 1e-3.
    n_iterations
        Steps of Adam.
    """

    loss: str
    batches: int
    standardised: bool
    start: float
    cosine: str
    n_iterations: int

    def rates(self, n_iterations: int) -> np.ndarray:
        """The learning rate of each iteration, shape (n_iterations,)."""
        if self.cosine == "smooth":
            along = np.arange(n_iterations) / max(1, n_iterations - 1)
            return 1e-5 + (1e-3 - 1e-5) * (1 + np.cos(np.pi * along)) / 2
        last = (np.arange(n_iterations) - 1) // 10 * 10  # when it was set last
        rates = 1e-5 + 1e-3 * (1 + np.cos(np.pi * last / n_iterations)) / 2
        rates[0] = 1e-3
        return rates


PROTOCOLS = {
    "sound": Protocol("mean square", 1, True, 1e-6, "smooth", 1_000),
    "as published": Protocol("mean square", 1, False, 0.1, "smooth", 3_000),
    "as coded": Protocol("norm", 4, False, 0.1, "in tens", 3_001),
}
"""Settings of `NeuralLassoRegressor`.

The text of the paper gives the loss, full batches and 3,000 iterations; what it leaves open is as in the code. The
batches of the code are as large as its test set, a quarter of the training set. The sound settings begin where
predictions are near zero: from slopes of 0.1 they begin at thousands, and after such gradients Adam takes tiny steps
for the first thousand iterations or more.
"""


@dataclass
class Fit:
    """One fit of one trait: who is learned from, their labels, the weight λ of the penalty, and a seed for batches."""

    samples: np.ndarray
    labels: np.ndarray
    penalty: float
    seed: int | Sequence[int] = 0


@dataclass
class LassoTraining:
    """Fits of NeuralLasso to be trained; what `NeuralLassoRegressor` asks for in its ``fitting``.

    Attributes
    ----------
    dosage : shape (sample, marker)
        Of all accessions: bytes 0, 1, 2 and 255 where one is missing, or any numbers, which take the slow path. In each
        fit a missing dosage is what most of its training accessions have, as `DosageImputer` fills it.
    layer
        Gives the window, its activations, and where chromosomes end.
    fits
        What to train.
    protocol, n_iterations
        How.
    device
        Where.
    keep
        Whether the trained layers are asked for, besides their predictions.
    """

    dosage: np.ndarray
    layer: NeuralLasso | InteractingLasso
    fits: Sequence[Fit]
    protocol: Protocol
    n_iterations: int
    device: torch.device
    keep: bool = True
    progress: bool = False

    @property
    def alike(self) -> tuple:
        """What trainings must have in common to be trained at once."""
        return (
            id(self.dosage), type(self.layer), getattr(self.layer, "names", ()), bytes(self.layer.inside.numpy()),
            self.protocol, self.n_iterations, self.device, self.keep,
        )  # fmt: skip

    @property
    def at_once(self) -> int:
        """How many trainings are done at once at most."""
        return max(1, AT_ONCE // len(self.fits)) if self.separable else 1

    @property
    def separable(self) -> bool:
        """Whether the separable form can be used: all dosages are whole and no markers interact."""
        return self.dosage.dtype == np.uint8 and isinstance(self.layer, NeuralLasso)

    @staticmethod
    def together(trainings: Sequence["LassoTraining"]) -> list["list[Trained] | Exception"]:
        """Train all fits of several trainings that are alike."""
        first, fits = trainings[0], [fit for one in trainings for fit in one.fits]
        train = train_separable if first.separable else train_as_written
        done = iter(train(first, fits))
        answers = [[next(done) for _ in one.fits] for one in trainings]
        return [_judged(answer) for answer in answers]


@dataclass
class Trained:
    """What a fit has become."""

    predicted: np.ndarray  # (sample,), of all accessions
    loss: np.ndarray  # (iteration,), without the penalty
    layer: NeuralLasso | InteractingLasso | None = None
    """If it was asked for."""


def _judged(answer: list[Trained]) -> list[Trained] | FloatingPointError:
    for one in answer:
        if not np.isfinite(one.loss).all():
            return FloatingPointError(
                f"The training loss became {one.loss[~np.isfinite(one.loss)][0]}; are the labels very large?"
            )
    return answer


class _Batches:
    """Which accessions count in each iteration: weights (sample, fit), one or zero."""

    def __init__(self, fits: Sequence[Fit], n_samples: int, n_batches: int, device: torch.device):
        self.known = [fit.samples[~np.isnan(fit.labels)] for fit in fits]
        self.sizes = [-(-len(known) // n_batches) for known in self.known]
        self.random = [np.random.default_rng(fit.seed) for fit in fits]
        self.place = [0] * len(fits)
        self.order = list(self.known)
        self.whole, self.device = n_batches == 1, device
        self.weights = np.zeros((n_samples, len(fits)), np.float32)
        for number, known in enumerate(self.known):
            self.weights[known, number] = 1
        self.tensor = torch.as_tensor(self.weights, device=device)
        self.n = torch.as_tensor(np.array(self.sizes, np.float32), device=device)

    def next(self) -> Tensor:
        if self.whole:
            return self.tensor
        self.weights[:] = 0
        for number, size in enumerate(self.sizes):
            if self.place[number] + size > len(self.order[number]):
                self.order[number] = self.random[number].permutation(self.order[number])
                self.place[number] = 0
            start = self.place[number]
            self.weights[self.order[number][start : start + size], number] = 1
            self.place[number] = start + size
        return torch.as_tensor(self.weights, device=self.device)


def _errors(
    predicted: Tensor, labels: Tensor, weights: Tensor, n: Tensor, loss: str
) -> tuple[Tensor, Tensor]:
    """Losses (fit,), and their gradient by the predictions (sample, fit)."""
    error = (predicted - labels) * weights
    squares = error.square().sum(0)
    if loss == "mean square":
        return squares / n, error * (2 / n)
    length = squares.sqrt()
    return length / n, error / (length * n).clamp(min=1e-30)


def _labels(fits: Sequence[Fit], n_samples: int, device: torch.device) -> Tensor:
    labels = np.zeros((n_samples, len(fits)), np.float32)
    for number, fit in enumerate(fits):
        labels[fit.samples, number] = np.nan_to_num(fit.labels)
    return torch.as_tensor(labels, device=device)


# ------------------------------------------------------------------------------------------- the separable form


@dataclass
class Terms:
    """The different terms of a window: those of one activation are equal, marker by marker.

    Attributes
    ----------
    names
        The activation of each kind.
    kind : shape (window,)
        Which kind stands at each place of the window.
    times : shape (kind, marker + 1)
        How many terms of a kind read each marker; in the last column, how many read none.
    """

    names: tuple[str, ...]
    kind: np.ndarray
    times: np.ndarray

    @classmethod
    def of(cls, layer: NeuralLasso) -> "Terms":
        """Count the terms of a layer."""
        names = tuple(dict.fromkeys(layer.names))
        kind = np.array([names.index(name) for name in layer.names])
        inside, reach = layer.inside.numpy(), layer.neighbourhood
        times = np.zeros((len(names), inside.shape[1] + 1), np.float32)
        for k, there in enumerate(inside):
            times[kind[k], :-1] += np.roll(there, k - reach)  # from locus to marker
            times[kind[k], -1] += (~there).sum()
        return cls(names, kind, times)

    def layer(self, like: NeuralLasso, slope: np.ndarray, bias: np.ndarray) -> NeuralLasso:
        """The layer as the paper writes it, from slopes and biases (kind, marker + 1)."""
        layer = like.before_training()
        with torch.no_grad():
            for values, parameter in ((slope, layer.slope), (bias, layer.bias)):
                for k, kind in enumerate(self.kind):
                    moved = np.roll(values[kind, :-1], like.neighbourhood - k)
                    parameter[k] = torch.as_tensor(np.where(layer.inside[k], moved, values[kind, -1]))
        return layer.requires_grad_(False)


@dataclass
class State:
    """Slopes and biases of all kinds of terms and fits, and what Adam remembers: (kind, marker + 1, fit), float32."""

    terms: Terms
    slope: Tensor
    bias: Tensor
    moments: (
        Tensor  # (4, kind, marker + 1, fit): means of the gradients of slope and bias, then of their squares
    )
    n_steps: int = 0
    none: Tensor = field(init=False)  # (fit,): what nobody's markers add
    steps: Tensor = field(init=False)  # (2, marker + 1, fit): what dosages 1 and 2 add to that

    @classmethod
    def start(cls, terms: Terms, n_fits: int, start: float, device: torch.device) -> "State":
        """Before training: a slope for rectified terms, all else at zero."""
        start = torch.tensor([start if name == "relu" else 0.0 for name in terms.names], device=device)
        slope = start[:, None, None].repeat(1, terms.times.shape[1], n_fits)
        state = cls(
            terms,
            slope,
            torch.zeros_like(slope),
            torch.zeros((4, *slope.shape), dtype=slope.dtype, device=device),
        )
        state.sum_up()
        return state

    def sum_up(self) -> None:
        """Set `none` and `steps` from slopes and biases."""
        times = torch.as_tensor(self.terms.times, device=self.slope.device, dtype=self.slope.dtype)[..., None]
        self.none = torch.zeros_like(self.slope[0, 0])
        self.steps = torch.zeros_like(self.slope[:1]).repeat(2, 1, 1)
        for kind, name in enumerate(self.terms.names):
            activation, slope, bias = ACTIVATIONS[name], self.slope[kind], self.bias[kind]
            base = activation(bias)
            self.none += (times[kind] * base).sum(0)
            for copies in (1, 2):
                self.steps[copies - 1] += times[kind] * (activation(copies * slope + bias) - base)

    def step(self, of_none: Tensor, of_steps: Tensor, penalty: Tensor, rate: float) -> None:
        """One step of Adam in plain operations, and `sum_up`.

        Parameters
        ----------
        of_none : shape (fit,)
            Gradient of the loss by `none`.
        of_steps : shape (2, marker + 1, fit)
            By `steps`.
        penalty : shape (fit,)
            λ.
        rate
            Learning rate.
        """
        self.n_steps += 1
        correct = 1 / (1 - _BETA**self.n_steps)
        correct_squares = 1 / (1 - _BETA_SQUARES**self.n_steps)
        for kind, name in enumerate(self.terms.names):
            slope, bias = self.slope[kind], self.bias[kind]
            passes = [
                torch.ones_like(bias) if name == "linear" else (copies * slope + bias > 0).to(bias.dtype)
                for copies in (0, 1, 2)
            ]
            of_slope = of_steps[0] * passes[1] + 2 * of_steps[1] * passes[2] + penalty * slope.sign()
            of_bias = (
                (of_none - of_steps[0] - of_steps[1]) * passes[0]
                + of_steps[0] * passes[1]
                + of_steps[1] * passes[2]
                + penalty * bias.sign()
            )
            for number, (values, gradient) in enumerate(((slope, of_slope), (bias, of_bias))):
                mean, squares = self.moments[number, kind], self.moments[2 + number, kind]
                mean += (1 - _BETA) * (gradient - mean)
                squares += (1 - _BETA_SQUARES) * (gradient**2 - squares)
                values -= rate * mean * correct / ((squares * correct_squares).sqrt() + _EPSILON)
        self.sum_up()

    def compiled_step(self, of_none: Tensor, of_steps: Tensor, penalty: Tensor, rate: float) -> None:
        """The same in one compiled pass over the parameters, on the CPU."""
        self.n_steps += 1
        blocks = np.zeros((-(-self.slope.shape[1] // _BLOCK), self.slope.shape[2]), np.float32)
        _pass(
            self.slope.numpy(), self.bias.numpy(), self.moments.numpy(), self.terms.times,
            np.array([name == "linear" for name in self.terms.names]), of_none.numpy(), of_steps.numpy(),
            penalty.numpy(), np.float32(rate), np.float32(1 / (1 - _BETA**self.n_steps)),
            np.float32(1 / (1 - _BETA_SQUARES**self.n_steps)), len(of_steps) == 2, blocks, self.steps.numpy(),
        )  # fmt: skip
        self.none = torch.from_numpy(blocks.sum(0))


@njit(parallel=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def _pass(
    slope,
    bias,
    moments,
    times,
    straight,
    of_none,
    of_steps,
    penalty,
    rate,
    correct,
    correct_squares,
    heterozygous,
    blocks,
    steps,
):
    """`State.step`; the first row of `of_steps` and `steps` is that of dosage 1 where there are heterozygotes."""
    n_kinds, n_markers, n_fits = slope.shape
    f = np.float32
    for block in prange(len(blocks)):
        for j in range(block * _BLOCK, min(n_markers, (block + 1) * _BLOCK)):
            g1, g2 = of_steps[0, j], of_steps[-1, j]
            a1, a2 = steps[0, j], steps[1, j]
            a1[:] = 0
            a2[:] = 0
            for kind in range(n_kinds):
                c, b, m = slope[kind, j], bias[kind, j], times[kind, j]
                mc, mb = moments[0, kind, j], moments[1, kind, j]
                sc, sb = moments[2, kind, j], moments[3, kind, j]
                floor = f(-np.inf) if straight[kind] else f(0)
                for i in range(n_fits):
                    ci, bi = c[i], b[i]
                    p0 = f(1) if bi > floor else f(0)
                    p2 = f(1) if ci + ci + bi > floor else f(0)
                    through = g2[i] * p2
                    of_c = through + through + penalty[i] * f(f(ci > 0) - f(ci < 0))
                    of_b = (of_none[i] - g2[i]) * p0 + through + penalty[i] * f(f(bi > 0) - f(bi < 0))
                    if heterozygous:
                        p1 = f(1) if ci + bi > floor else f(0)
                        of_c += g1[i] * p1
                        of_b += g1[i] * (p1 - p0)
                    mc[i] += f(1 - _BETA) * (of_c - mc[i])
                    mb[i] += f(1 - _BETA) * (of_b - mb[i])
                    sc[i] += f(1 - _BETA_SQUARES) * (of_c * of_c - sc[i])
                    sb[i] += f(1 - _BETA_SQUARES) * (of_b * of_b - sb[i])
                    ci -= rate * mc[i] * correct / (np.sqrt(sc[i] * correct_squares) + f(_EPSILON))
                    bi -= rate * mb[i] * correct / (np.sqrt(sb[i] * correct_squares) + f(_EPSILON))
                    c[i], b[i] = ci, bi
                    base = max(bi, floor)
                    if heterozygous:
                        a1[i] += m * (max(ci + bi, floor) - base)
                    a2[i] += m * (max(ci + ci + bi, floor) - base)
                    blocks[block, i] += m * base


class _Indicators:
    """Where dosages are 1, 2 and missing, as matrices that are read along accessions and along markers."""

    def __init__(self, dosage: np.ndarray, weights: Tensor):
        device = weights.device
        self.copies = (1, 2) if (dosage == 1).any() else (2,)  # inbred lines have no heterozygotes
        self.by_sample = [
            torch.from_numpy((dosage == copies).astype(np.float32)).to(device) for copies in self.copies
        ]
        self.by_marker = [matrix.T.contiguous() for matrix in self.by_sample]
        missing = dosage == MISSING_DOSAGE
        self.gaps = bool(missing.any())
        if self.gaps:
            sparse = torch.from_numpy(missing.astype(np.float32)).to(device)
            self.missing, self.missing_by_marker = sparse.to_sparse(), sparse.T.to_sparse()
            none = torch.from_numpy((dosage == 0).astype(np.float32)).T.to(device)
            numbers = torch.stack([matrix @ weights for matrix in (none, *self.by_marker)])
            frequent = numbers.argmax(0)  # the lowest of equals
            self.fill = [(frequent == place).to(weights.dtype) for place in range(1, len(numbers))]

    def predictions(self, state: State) -> Tensor:
        """Shape (sample, fit)."""
        total = state.none.expand(len(self.by_sample[0]), -1)
        steps = [state.steps[copies - 1, :-1] for copies in self.copies]
        for matrix, step in zip(self.by_sample, steps, strict=True):
            total = total + matrix @ step
        if self.gaps:
            filled = sum(there * step for there, step in zip(self.fill, steps, strict=True))
            total = total + self.missing @ filled
        return total

    def gradient(self, of_predictions: Tensor, out: Tensor) -> Tensor:
        """By `State.steps`, one row for each of `copies`; the marker that nobody carries has none."""
        for row, matrix in zip(out, self.by_marker, strict=True):
            torch.mm(matrix, of_predictions, out=row[:-1])
        if self.gaps:
            of_filled = self.missing_by_marker @ of_predictions
            for row, there in zip(out, self.fill, strict=True):
                row[:-1] += there * of_filled
        return out


def train_separable(how: LassoTraining, fits: Sequence[Fit], compiled: bool = True) -> list[Trained]:
    """Train fits at once on whole dosages.

    Parameters
    ----------
    how
        Dosages, layer, protocol; its own fits are not looked at.
    fits
        What is trained.
    compiled
        Take the compiled pass where there is one, on the CPU; it says the same as the plain one.
    """
    device, compiled = how.device, compiled and how.device.type == "cpu"
    state = State.start(Terms.of(how.layer), len(fits), how.protocol.start, device)
    batches = _Batches(fits, len(how.dosage), how.protocol.batches, device)
    indicators = _Indicators(how.dosage, batches.tensor)
    labels = _labels(fits, len(how.dosage), device)
    penalty = torch.tensor([fit.penalty for fit in fits], dtype=torch.float32, device=device)
    of_steps = torch.zeros((len(indicators.copies), *state.slope.shape[1:]), device=device)
    losses = []
    for rate in tqdm(how.protocol.rates(how.n_iterations), disable=not how.progress, leave=False):
        weights = batches.next()
        loss, gradient = _errors(indicators.predictions(state), labels, weights, batches.n, how.protocol.loss)
        losses.append(loss)
        of_steps = indicators.gradient(gradient, of_steps)
        if compiled:
            state.compiled_step(gradient.sum(0), of_steps, penalty, rate)
        else:
            both = of_steps if len(of_steps) == 2 else torch.cat([torch.zeros_like(of_steps), of_steps])
            state.step(gradient.sum(0), both, penalty, rate)
    predicted = indicators.predictions(state).T.cpu().numpy()
    history = torch.stack(losses).T.cpu().numpy()
    slope, bias = state.slope.cpu().numpy(), state.bias.cpu().numpy()
    return [
        Trained(
            predicted[i],
            history[i],
            state.terms.layer(how.layer, slope[..., i], bias[..., i]) if how.keep else None,
        )
        for i in range(len(fits))
    ]


# ---------------------------------------------------------------------------------------------- as written


def train_as_written(how: LassoTraining, fits: Sequence[Fit]) -> list[Trained]:
    """Train fits one by one through the layer of equations 8 and 9, on dosages of any value."""
    return [_train_layer(how, fit) for fit in fits]


def _train_layer(how: LassoTraining, fit: Fit) -> Trained:
    start = how.protocol.start if isinstance(how.layer, NeuralLasso) else fit.seed
    layer = how.layer.before_training(start).to(how.device)
    dtype = layer.slope.dtype
    whole = how.dosage
    if whole.dtype == np.uint8:
        whole = DosageImputer("most frequent").fit(whole[fit.samples[~np.isnan(fit.labels)]]).transform(whole)
    dosage = torch.as_tensor(whole, dtype=dtype, device=how.device)
    labels = _labels([fit], len(dosage), how.device).to(dtype)
    batches = _Batches([fit], len(dosage), how.protocol.batches, how.device)
    optimiser = torch.optim.Adam(layer.parameters(), betas=(_BETA, _BETA_SQUARES), eps=_EPSILON)
    losses = []
    for rate in tqdm(how.protocol.rates(how.n_iterations), disable=not how.progress, leave=False):
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        weights = batches.next()
        here = weights[:, 0] > 0
        predicted = layer(dosage[here])[:, None]
        loss, _ = _errors(predicted, labels[here], weights[here].to(dtype), batches.n, how.protocol.loss)
        penalty = fit.penalty * sum(values.abs().sum() for values in layer.parameters())
        (loss[0] + penalty).backward()
        optimiser.step()
        losses.append(loss[0].detach())
    with torch.no_grad():
        predicted = layer(dosage).cpu().numpy()
    return Trained(
        predicted, torch.stack(losses).cpu().numpy(), layer.cpu().requires_grad_(False) if how.keep else None
    )
