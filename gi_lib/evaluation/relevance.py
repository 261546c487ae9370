"""What a fitted model has learned: how relevant each gene and each pathway is to it, and whether it is to the trait.

A network is read with integrated gradients (Sundararajan, Taly & Yan 2017, *Axiomatic attribution for deep networks*,
PMLR 70, 3319-3328). The straight lines beside it are ridge regression, whose attributions are exact, and the test of
one gene at a time, as in a genome-wide association study. Where traits are simulated the causal genes are known, and
every ranking of genes or pathways can be scored against them.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from captum.attr import IntegratedGradients
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import average_precision_score
from sklearn.pipeline import Pipeline
from torch import Tensor, nn

from gi_lib.datasets.cohort import EXONIC_UNKNOWN
from gi_lib.datasets.pathways import Edges
from gi_lib.datasets.simulate import gene_damage
from gi_lib.encoding.scaling import CountScaler
from gi_lib.models import BMSNN, FrozenGaliana, Galiana, GeneEncoder
from gi_lib.training import Held, count_inputs, distinct_rows, fit_together, predict
from gi_lib.validation import Model
from gi_lib.validation.cross_validation import besides_labels

# ----------------------------------------------------------------------------------------- networks: genes

BATCH_VALUES = 1 << 24
"""Attributions (accession, gene, trait) that are held at once."""
ROWS_AT_ONCE = 1 << 14  # of G, so that its wide activations stay in a processor's cache


def gene_attributions(
    estimator: BaseEstimator, counts: np.ndarray, baseline: np.ndarray | None = None, n_steps: int = 16
) -> np.ndarray:
    r"""Integrated gradients of a fitted network, summed over the variant types of each gene.

    For the scaled counts x of an accession, those of a baseline x' and a network F, the attribution of gene g is

    .. math::

        a_g = \sum_t (x_{gt} - x'_{gt}) \int_0^1 \frac{\partial F}{\partial x_{gt}}\bigl(x' + \alpha (x - x')\bigr)
        \, d\alpha
        = \int_0^1 \frac{\partial F}{\partial h_g} \, \frac{d h_g}{d \alpha} \, d\alpha

    where :math:`h_g` is the value that module G gives the gene. They sum to F(x) - F(x') (completeness).

    Parameters
    ----------
    estimator
        Galiana, BMSNN, or a transfer model, fitted.
    counts : shape (sample, gene, variant_type)
        Of the accessions to explain, not scaled.
    baseline : shape (gene, variant_type)
        Counts of the genome with which they are compared, by default the mean of `counts`. Zeros are the reference
        genome, at which Galiana is close to a singularity: all genes then have one value, whose variance of 0 the
        layer normalisation over genes divides by, so the integral needs many more steps.
    n_steps
        Nodes of the Gauss-Legendre rule for the integral.

    Returns
    -------
    numpy.ndarray
        Shape (sample, gene, trait), float32, in units of the traits.

    Raises
    ------
    ValueError
        If the estimator is not one of these, counts or baseline have another shape than in training, or `n_steps` is
        not a positive whole number.

    Notes
    -----
    The second form of the integral needs the gradient at the input of G once for all traits, and the gradient at the
    gene values, in the small part of the network, once for each. Genes with equal counts go the same way and are
    followed together. This makes it cheaper by the number of traits than a general implementation on the whole network
    (`captum.attr.IntegratedGradients`), which it agrees with.
    """
    batches = list(_attribution_batches(estimator, counts, baseline, n_steps))
    return torch.cat(batches).cpu().numpy()


class Explained(NamedTuple):
    """What `gene_relevance` and `pathway_relevance` say about a network."""

    relevance: np.ndarray
    """Shape (unit, trait): mean over accessions of the absolute attribution, in units of the traits."""
    incompleteness: float
    """By how much the attributions of an accession miss the difference of outputs to which they should sum, on average
    over accessions and traits, relative to the mean size of these differences; 0 for the exact integral."""


def gene_relevance(
    estimator: BaseEstimator, counts: np.ndarray, baseline: np.ndarray | None = None, n_steps: int = 16
) -> Explained:
    """How much each gene moves the output of a network, on average over accessions.

    Parameters are those of `gene_attributions`, which this function averages without holding all of them.
    """
    total, sums = 0, []
    for batch in _attribution_batches(estimator, counts, baseline, n_steps):
        total = total + batch.abs().sum(dim=0)
        sums.append(batch.sum(dim=1).cpu().numpy())
    relevance = (total / len(counts)).cpu().numpy()
    return Explained(relevance, _incompleteness(np.concatenate(sums), estimator, counts, baseline))


def _incompleteness(
    total: np.ndarray, estimator: BaseEstimator, counts: np.ndarray, baseline: np.ndarray | None
) -> float:
    difference = _outputs(estimator, counts) - _outputs(estimator, _baseline(counts, baseline)[None])
    return float(np.abs(total - difference).mean() / max(np.abs(difference).mean(), 1e-12))


def _attribution_batches(
    estimator: BaseEstimator, counts: np.ndarray, baseline: np.ndarray | None, n_steps: int
) -> Iterator[Tensor]:
    """Attributions (sample, gene, trait) of a few accessions after the other."""
    _check_steps(n_steps)
    encoder, above = _parts(_network(estimator))
    _check_counts(estimator, counts, encoder)
    node, weight = _gauss_legendre(n_steps)
    path = _gene_path(encoder, estimator.scaler_, counts, _baseline(counts, baseline), node)
    scale = torch.as_tensor(np.asarray(estimator.label_scale_, np.float32), device=path.values.device)
    size = max(1, BATCH_VALUES // (counts.shape[1] * len(scale)))
    for batch in path.route.split(size):
        attributions = torch.zeros(len(scale), *batch.shape, device=batch.device)
        for values, slopes, share in zip(path.values, path.slopes, weight, strict=True):
            slope = float(share) * slopes[batch]
            for of_trait, gradient in zip(attributions, _gradients(above, values[batch]), strict=True):
                of_trait += slope * gradient
        yield attributions.permute(1, 2, 0) * scale


@dataclass(frozen=True)
class _GenePath:
    """What G makes of the genes on the way from the baseline to the counts; equal genes are followed once."""

    values: Tensor  # (step, route)
    slopes: Tensor  # (step, route), per unit of the way
    route: Tensor  # (sample, gene)


def _gene_path(
    encoder: GeneEncoder, scaler: CountScaler, counts: np.ndarray, baseline: np.ndarray, node: np.ndarray
) -> _GenePath:
    device = next(encoder.parameters()).device
    rows, row = distinct_rows(counts)
    # A gene has its own baseline, so that equal counts of different genes are different ways.
    ways, route = np.unique(np.arange(counts.shape[1]) * len(rows) + row, return_inverse=True)
    gene, kind = (torch.as_tensor(index, device=device) for index in np.divmod(ways, len(rows)))
    start = torch.as_tensor(np.asarray(scaler.transform(baseline), np.float32), device=device)
    end = torch.as_tensor(np.asarray(scaler.transform(rows), np.float32), device=device)
    values, slopes = torch.empty(2, len(node), len(ways), device=device)
    for begin in range(0, len(ways), ROWS_AT_ONCE):
        part = slice(begin, begin + ROWS_AT_ONCE)
        first, last = start[gene[part]], end[kind[part]]
        for step, at in enumerate(node):
            point = (first + float(at) * (last - first)).requires_grad_(True)
            value = encoder(point)
            (gradient,) = torch.autograd.grad(value.sum(), point)
            values[step, part] = value.detach()
            slopes[step, part] = (gradient * (last - first)).sum(dim=-1)
    return _GenePath(values, slopes, torch.as_tensor(route.reshape(row.shape), device=device))


def _gradients(function: Callable[[Tensor], Tensor], values: Tensor) -> Iterator[Tensor]:
    """Gradient of each output at values of shape (sample, unit)."""
    values = values.detach().requires_grad_(True)
    outputs = function(values)
    for output in outputs.unbind(dim=1):
        yield torch.autograd.grad(output.sum(), values, retain_graph=True)[0]


def _gauss_legendre(n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in [0, 1] and their weights, which sum to 1."""
    node, weight = np.polynomial.legendre.leggauss(n_steps)
    return (node + 1) / 2, weight / 2


def _parts(network: nn.Module) -> tuple[GeneEncoder, Callable[[Tensor], Tensor]]:
    """Module G, and the function from gene values (sample, gene) to outputs (sample, trait) above it."""
    if isinstance(network, BMSNN):

        def above(genes: Tensor) -> Tensor:
            units = genes.tanh()
            for layer in network.sparse:
                units = layer(units)
            return network.head(network.dense(units))

        return network.encoder, above
    body = network.body if isinstance(network, FrozenGaliana) else network
    return body.encoder, lambda genes: network.head(body.dense(body.gene_activation(genes)))


def _network(estimator: BaseEstimator) -> nn.Module:
    network = getattr(estimator, "network_", None)
    if not isinstance(network, Galiana | BMSNN | FrozenGaliana) or not hasattr(estimator, "label_scale_"):
        raise ValueError(
            f"{type(estimator).__name__} cannot be explained; needed is a fitted regressor around Galiana or BMSNN."
        )
    return network.eval()


def _baseline(counts: np.ndarray, baseline: np.ndarray | None) -> np.ndarray:
    baseline = counts.mean(axis=0) if baseline is None else np.asarray(baseline, float)
    if baseline.shape != counts.shape[1:]:
        raise ValueError(
            f"The baseline has shape {baseline.shape}; needed is that of one accession, {counts.shape[1:]}."
        )
    return baseline


def _outputs(estimator: BaseEstimator, counts: np.ndarray) -> np.ndarray:
    """Predictions (sample, trait) for counts that need not be whole numbers."""
    scaled = torch.as_tensor(np.asarray(estimator.scaler_.transform(counts), np.float32))
    network = _network(estimator)
    device = next(network.parameters()).device
    with torch.no_grad():
        outputs = [network(part.to(device)) for part in scaled.split(100)]
    return torch.cat(outputs).cpu().numpy() * estimator.label_scale_ + estimator.label_mean_


def _check_steps(n_steps: int) -> None:
    if isinstance(n_steps, bool) or not isinstance(n_steps, int | np.integer) or n_steps < 1:
        raise ValueError(f"n_steps is {n_steps!r}; allowed are whole numbers from 1 upwards.")


def _check_counts(estimator: BaseEstimator, counts: np.ndarray, encoder: GeneEncoder) -> None:
    network = _network(estimator)
    if isinstance(network, BMSNN):
        n_genes = len(network.sparse[0][0].backward_first) - 1
    else:
        body = network.body if isinstance(network, FrozenGaliana) else network
        n_genes = body.dense[0].in_features
    wanted = n_genes, encoder.layers[0].in_features
    if counts.ndim != 3 or counts.shape[1:] != wanted:
        raise ValueError(
            f"The counts have shape {counts.shape}; needed are (sample, gene, variant_type) with {wanted[0]} genes and "
            f"{wanted[1]} types, as in training."
        )


# -------------------------------------------------------------------------------------- networks: pathways


def pathway_activations(estimator: BaseEstimator, counts: np.ndarray) -> np.ndarray:
    """Values of the units that stand for pathways in a fitted BMSNN, shape (sample, pathway), between -1 and 1.

    Raises
    ------
    ValueError
        If the estimator is no fitted BMSNN.
    """
    network = _pathway_network(estimator)
    device = next(network.parameters()).device
    inputs = count_inputs(Held(counts), estimator.scaler_, device, estimator.batch_size)
    return predict(network, inputs, output=BMSNN.pathways)


def pathway_attributions(
    estimator: BaseEstimator, counts: np.ndarray, baseline: np.ndarray | None = None, n_steps: int = 16
) -> np.ndarray:
    """Integrated gradients of a fitted BMSNN at its pathways.

    The way goes straight from the values of the pathways at the baseline to those at the accession, and the
    attributions sum to the difference of outputs as they do for genes.

    Parameters
    ----------
    estimator, counts, baseline, n_steps
        As for `gene_attributions`.

    Returns
    -------
    numpy.ndarray
        Shape (sample, pathway, trait), in units of the traits; pathways as the targets of the topmost sparse layer.

    Raises
    ------
    ValueError
        If the estimator is no fitted BMSNN, the baseline has another shape, or `n_steps` is no positive whole number.
    """
    _check_steps(n_steps)
    network = _pathway_network(estimator)
    device = next(network.parameters()).device
    end = torch.as_tensor(pathway_activations(estimator, counts), device=device)
    scaled = np.asarray(estimator.scaler_.transform(_baseline(counts, baseline)[None]), np.float32)
    with torch.no_grad():
        start = network.pathways(torch.as_tensor(scaled, device=device))
    method = IntegratedGradients(lambda units: network.head(network.dense(units)))
    size = max(len(end), BATCH_VALUES // end.shape[1])
    attributions = [
        method.attribute(end, start, target=trait, n_steps=n_steps, internal_batch_size=size)
        for trait in range(network.head.out_features)
    ]
    return torch.stack(attributions, dim=-1).detach().cpu().numpy() * estimator.label_scale_


def pathway_relevance(
    estimator: BaseEstimator, counts: np.ndarray, baseline: np.ndarray | None = None, n_steps: int = 16
) -> Explained:
    """How much each pathway of a BMSNN moves its output, on average over accessions.

    Parameters are those of `pathway_attributions`.
    """
    attributions = pathway_attributions(estimator, counts, baseline, n_steps)
    missed = _incompleteness(attributions.sum(axis=1), estimator, counts, baseline)
    return Explained(np.abs(attributions).mean(axis=0), missed)


def _pathway_network(estimator: BaseEstimator) -> BMSNN:
    network = _network(estimator)
    if not isinstance(network, BMSNN):
        raise ValueError(f"{type(estimator).__name__} has no pathways; needed is a fitted BMSNN.")
    return network


def fit_on_all(estimator: BaseEstimator, cohort: xr.Dataset, seeds: Sequence[int]) -> list[BaseEstimator]:
    """Fit a network on all accessions of a cohort that have a label, once for each seed.

    What a network has learned is read off the network, not off its predictions, so no accession needs to be held out,
    and the more it has seen the better. To say how well it predicts takes `gi_lib.validation.cross_validate`.

    Parameters
    ----------
    estimator
        Reads counts (sample, gene, variant_type); if its ``fit`` needs a source task, the cohort must have one.
    cohort
        With ``counts``, ``trait_value`` and, where needed, ``source_trait_value``.
    seeds
        Of the initial weights and the order of the accessions.

    Raises
    ------
    ValueError
        If the cohort lacks a source task that the estimator needs.
    """
    counts, labels = cohort["counts"].values, cohort["trait_value"].values
    besides = besides_labels(cohort, Model(type(estimator).__name__, estimator, "counts"))
    fresh = [clone(estimator).set_params(seed=int(seed)) for seed in seeds]
    known = np.arange(len(labels)) if besides else np.flatnonzero(~np.isnan(labels).all(axis=1))
    return fit_together(fresh, counts, labels, [known] * len(fresh), **besides)


# --------------------------------------------------------------------------------------------- straight lines


def ridge_weights(fitted: Pipeline) -> tuple[np.ndarray, np.ndarray]:
    """Weights of features that `gi_lib.models.ridge` holds as weights of principal components.

    Returns
    -------
    weight : shape (feature, trait)
        Predictions are ``(X - centre) @ weight`` and a constant.
    centre : shape (feature,)
        Mean of the training accessions.

    Raises
    ------
    ValueError
        If the pipeline is not a fitted `gi_lib.models.ridge` or `ridge_on_components`.
    """
    if not isinstance(fitted, Pipeline) or [name for name, _ in fitted.steps] != [
        "complete",
        "standardscaler",
        "kernelpca",
        "pertrait",
    ]:
        raise ValueError("Weights are known of a fitted gi_lib.models.ridge only.")
    _, scaler, components, per_trait = (step for _, step in fitted.steps)
    # The components of x are x X' V / sqrt(eigenvalue) with X the scaled training accessions.
    rotation = components.X_fit_.T @ (components.eigenvectors_ / np.sqrt(components.eigenvalues_))
    weight = np.empty((len(rotation), len(per_trait.pattern_)))
    for number, model in enumerate(per_trait.fitted_):
        coefficients = np.asarray(model.coef_).reshape(-1, rotation.shape[1])
        weight[:, per_trait.pattern_ == number] = rotation @ coefficients.T
    return weight / (scaler.scale_ if scaler.with_std else np.ones(len(rotation)))[:, None], scaler.mean_


def ridge_relevance(
    ridge: Pipeline, counts: np.ndarray, labels: np.ndarray, explained: np.ndarray | None = None
) -> np.ndarray:
    """Relevance of genes to ridge regression on their counts: mean absolute attribution, as for networks.

    The attributions of a straight line need no integral: the weight of a count times its difference from the baseline,
    which is the mean genome here, summed over the variant types of a gene.

    Parameters
    ----------
    ridge
        As `gi_lib.models.ridge` returns it, not fitted.
    counts : shape (sample, gene, variant_type)
    labels : shape (sample, trait)
        NaN where missing.
    explained : shape (accession,)
        Which accessions to average over; all by default.

    Returns
    -------
    numpy.ndarray
        Shape (gene, trait), in units of the traits.
    """
    gene, kind = np.nonzero(counts.any(axis=0))
    features = counts[:, gene, kind].astype(np.float32)
    weight, centre = ridge_weights(clone(ridge).fit(features, labels))
    rows = slice(None) if explained is None else explained
    deviation = features[rows] - centre
    first = np.flatnonzero(np.diff(gene, prepend=-1))  # features are in the order of the genes
    relevance = np.zeros((counts.shape[1], labels.shape[1]))
    for trait, of_trait in enumerate(weight.T):
        by_gene = np.add.reduceat(deviation * of_trait, first, axis=1)
        relevance[gene[first], trait] = np.abs(by_gene).mean(axis=0)
    return relevance


# -------------------------------------------------------------------------------------- one gene at a time

PROTEIN_CHANGING = (
    "nonsynonymous",
    "nonframeshift insertion",
    "nonframeshift deletion",
    "stoploss",
    "frameshift insertion",
    "frameshift deletion",
    "stopgain",
    "splicing",
    EXONIC_UNKNOWN,
)
BURDENS = ("all variants", "protein-changing", "true damage")
CORRECTIONS = ("none", "country", "components", "country and components")


def gene_burden(cohort: xr.Dataset, kind: str = "all variants") -> np.ndarray:
    """One number for each gene of each accession, shape (sample, gene).

    Parameters
    ----------
    kind
        ``all variants``: their number; ``protein-changing``: the number of those that may change the protein;
        ``true damage``: what a simulated trait was made from (`gi_lib.datasets.simulate.gene_damage`), which nobody
        knows of a real one.

    Raises
    ------
    ValueError
        If the kind is unknown, or the damage is.
    """
    if kind not in BURDENS:
        raise ValueError(f"kind is {kind!r}; allowed are {', '.join(BURDENS)}.")
    counts = cohort["counts"].values
    if kind == "all variants":
        return counts.sum(axis=2, dtype=np.float64)
    if kind == "protein-changing":
        chosen = np.isin(cohort["variant_type"].values, PROTEIN_CHANGING)
        return counts[:, :, chosen].sum(axis=2, dtype=np.float64)
    if "truth_severity" not in cohort:
        raise ValueError("The true damage is known of simulated traits only.")
    return gene_damage(counts, cohort["truth_severity"].values)


def structure_covariates(cohort: xr.Dataset, correction: str, n_components: int = 10) -> np.ndarray:
    """Covariates that stand for population structure, shape (sample, covariate); the first is the intercept.

    Parameters
    ----------
    correction
        ``none``: the intercept alone; ``country``: one column per country, unknown ones being one more;
        ``components``: principal components of the genome, from dosages if the cohort has them all, else from total
        counts of genes (Price et al. 2006, doi 10.1038/ng1847); or ``country and components``.
    n_components
        How many, at most one less than there are accessions.

    Raises
    ------
    ValueError
        If the correction is unknown or there are not so many components.
    """
    if correction not in CORRECTIONS:
        raise ValueError(f"correction is {correction!r}; allowed are {', '.join(CORRECTIONS)}.")
    n_samples = cohort.sizes["sample"]
    columns = [np.ones((n_samples, 1))]
    if "country" in correction:
        columns.append(pd.get_dummies(cohort["country"].values).to_numpy(float))
    if "components" in correction:
        if not 1 <= n_components < n_samples:
            raise ValueError(f"n_components is {n_components}; allowed are 1 to {n_samples - 1}.")
        whole = "dosage" in cohort and cohort["dosage"].values.max(initial=0) <= 2
        genome = cohort["dosage"].values if whole else gene_burden(cohort)
        genome = genome - genome.mean(axis=0)
        spread = genome.std(axis=0)
        genome = genome[:, spread > 0] / spread[spread > 0]
        columns.append(np.linalg.eigh(genome @ genome.T)[1][:, ::-1][:, :n_components])
    return np.hstack(columns)


# ----------------------------------------------------------------------------------------- against the truth


def causal_genes(cohort: xr.Dataset) -> np.ndarray:
    """Which genes cause which trait of a simulation, shape (gene, trait)."""
    return cohort["truth_effect"].values != 0


def gene_importance(cohort: xr.Dataset) -> np.ndarray:
    """Standard deviation of what each gene contributes to each simulated trait, shape (gene, trait)."""
    damage = gene_damage(cohort["counts"].values, cohort["truth_severity"].values)
    return np.abs(cohort["truth_effect"].values) * damage.std(axis=0)[:, None]


def causal_pathways(cohort: xr.Dataset, edges: Edges) -> np.ndarray:
    """Which targets of a layer are pathways that cause a trait of a simulation, shape (pathway, trait), by name.

    A target that the simulation does not know, such as the dummy of genes without pathway, causes nothing.
    """
    place = cohort.indexes["pathway"].get_indexer(edges.target_names)
    causal = cohort["truth_causal_pathway"].values[place]
    return causal & (place >= 0)[:, None]


def pathway_activity(cohort: xr.Dataset, edges: Edges) -> np.ndarray:
    """True activity of the targets of a layer, shape (sample, pathway): the weighted damage of the pathway's genes.

    NaN for a target that the simulation does not know or that no trait could have used.
    """
    damage = gene_damage(cohort["counts"].values, cohort["truth_severity"].values)
    gene = cohort.indexes["gene"].get_indexer(cohort["truth_edge_gene"].values)
    weight = np.where(gene >= 0, cohort["truth_pathway_weight"].values, 0)
    activity = np.full((len(damage), edges.n_targets), np.nan)
    for column, name in zip(activity.T, edges.target_names, strict=True):
        used = (cohort["truth_edge_pathway"].values == name) & (weight != 0)
        if used.any():
            column[:] = damage[:, gene[used]] @ weight[used]
    return activity


def fold_to_pathways(relevance: np.ndarray, edges: Edges) -> np.ndarray:
    """Mean relevance of the genes of each pathway, (gene, trait) to (pathway, trait); NaN where there is no gene."""
    total = np.zeros((edges.n_targets, relevance.shape[1]))
    counted = np.zeros_like(total)
    of_edge = relevance[edges.source]
    known = ~np.isnan(of_edge)
    np.add.at(total, edges.target, np.where(known, of_edge, 0))
    np.add.at(counted, edges.target, known)
    return np.where(counted > 0, total / np.maximum(counted, 1), np.nan)


def genes_to_cause(cohort: xr.Dataset, causal: np.ndarray) -> np.ndarray:
    """How many genes along the chromosome lie between each gene and the next causal one, shape (gene, trait).

    0 is a causal gene, 1 its neighbour; infinite on a chromosome without a causal gene.
    """
    distance = np.full(causal.shape, np.inf)
    chromosome = cohort["gene_chromosome"].values
    for name in np.unique(chromosome):
        here = np.flatnonzero(chromosome == name)
        here = here[np.argsort(cohort["gene_start"].values[here], kind="stable")]
        place = np.arange(len(here))
        for trait in range(causal.shape[1]):
            causes = np.flatnonzero(causal[here, trait])
            if len(causes):
                after = np.searchsorted(causes, place)
                right = causes[np.minimum(after, len(causes) - 1)]
                left = causes[np.maximum(after - 1, 0)]
                distance[here, trait] = np.minimum(np.abs(place - left), np.abs(place - right))
    return distance


def ranking_scores(relevance: np.ndarray, causal: np.ndarray, k: int, traits: Sequence[str]) -> pd.DataFrame:
    """How well a ranking finds the causal genes, or pathways, of each trait.

    Parameters
    ----------
    relevance : shape (unit, trait)
        Large is relevant; NaN comes last.
    causal : shape (unit, trait), bool
    k
        How many of the first to look at.
    traits
        Names; traits without a cause are left out, since there is nothing to find.

    Returns
    -------
    pandas.DataFrame
        One row per trait: ``trait``, ``precision`` (share of causal ones among the first k; where others are as
        relevant as the k-th, on average over their orders), ``average precision`` (scikit-learn's), ``share causal``
        (of all: the precision of a random order), and ``chance`` (the average precision expected of one).

    Raises
    ------
    ValueError
        If shapes differ, or there are fewer than k units.
    """
    relevance, causal = np.asarray(relevance, float), np.asarray(causal, bool)
    if relevance.ndim != 2 or relevance.shape != causal.shape or relevance.shape[1] != len(traits):
        raise ValueError(
            f"Relevance has shape {relevance.shape}, causes {causal.shape}, and there are {len(traits)} traits; needed "
            "are equal shapes, one column per trait."
        )
    if not 1 <= k <= len(relevance):
        raise ValueError(f"k is {k}; with {len(relevance)} units allowed are 1 to {len(relevance)}.")
    rows = []
    for trait, found, is_causal in zip(traits, relevance.T, causal.T, strict=True):
        if is_causal.any():
            found = np.where(np.isnan(found), -np.inf, found)
            ranked = stats.rankdata(found, method="dense")  # average_precision_score takes no infinities
            n, n_causal = len(found), int(is_causal.sum())
            row = _precision(ranked, is_causal, k), average_precision_score(is_causal, ranked)
            rows.append((trait, *row, n_causal / n, expected_average_precision(n, n_causal)))
    return pd.DataFrame(rows, columns=["trait", "precision", "average precision", "share causal", "chance"])


def _precision(ranked: np.ndarray, is_causal: np.ndarray, k: int) -> float:
    kth = np.sort(ranked)[-k]
    above, tied = ranked > kth, ranked == kth
    return float((is_causal[above].sum() + (k - above.sum()) * is_causal[tied].mean()) / k)


def expected_average_precision(n: int, n_causal: int) -> float:
    """Average precision to be expected of a random order of n units, of which `n_causal` are causal.

    A causal unit at place i has precision (1 + (i - 1)(R - 1)/(n - 1))/i on average, and is at each place alike often.

    Examples
    --------
    >>> expected_average_precision(2, 1)  # first or second: 1 or 1/2
    0.75
    """
    if n == n_causal:
        return 1.0
    harmonic = (1 / np.arange(1, n + 1)).sum()
    return float((harmonic + (n - harmonic) * (n_causal - 1) / (n - 1)) / n)


def importance_correlation(relevance: np.ndarray, importance: np.ndarray) -> np.ndarray:
    """Rank correlation of relevance and true importance among the causal genes of each trait, shape (trait,).

    Parameters
    ----------
    relevance, importance : shape (gene, trait)
        Importance is 0 where a gene is not causal. NaN for a trait with fewer than three causal genes.
    """
    found = np.full(relevance.shape[1], np.nan)
    for trait, (ours, true) in enumerate(zip(relevance.T, importance.T, strict=True)):
        causal = (true > 0) & ~np.isnan(ours)
        if causal.sum() >= 3 and len(np.unique(ours[causal])) > 1:
            found[trait] = stats.spearmanr(ours[causal], true[causal]).statistic
    return found


def agreement(relevance: np.ndarray) -> np.ndarray:
    """Rank correlation of relevances between networks, shape (trait,), on average over all pairs of networks.

    Parameters
    ----------
    relevance : shape (network, unit, trait)

    Raises
    ------
    ValueError
        If there are fewer than two networks.
    """
    if len(relevance) < 2:
        raise ValueError(f"There is {len(relevance)} network; agreement needs at least two.")
    ranked = stats.rankdata(relevance, axis=1)
    ranked -= ranked.mean(axis=1, keepdims=True)
    ranked /= np.sqrt(np.square(ranked).sum(axis=1, keepdims=True))
    pairs = itertools.combinations(ranked, 2)
    return np.mean([(one * other).sum(axis=0) for one, other in pairs], axis=0)


def mean_over_traits(
    values: pd.DataFrame, n_bootstrap: int = 1000, level: float = 0.95, seed: int = 1
) -> pd.DataFrame:
    """Mean of each column over traits, with intervals from resampling elements.

    Leaf and seed concentrations of one element share genes, so they are drawn together. The interval holds accessions
    and fitted models fixed, and columns are drawn alike, so that differences between two columns are paired.

    Parameters
    ----------
    values
        One row per trait, with the names of traits as index; NaN is left out of a mean.

    Returns
    -------
    pandas.DataFrame
        One row per column of `values`: ``estimate``, ``low``, ``high``, ``traits`` (how many have a value).
    """
    element = pd.factorize(values.index.str.replace("_(leaf|seed)$", "", regex=True))[0]
    random = np.random.default_rng(seed)
    n = element.max(initial=-1) + 1
    drawn = random.multinomial(n, np.full(n, 1 / n), n_bootstrap) if n else np.zeros((0, 0))
    weight = np.vstack([np.ones(len(values)), drawn[:, element] if n else np.zeros((0, 0))])
    table = values.to_numpy(float)
    known = ~np.isnan(table)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = weight @ np.where(known, table, 0) / (weight @ known)
    tail = (1 - level) / 2
    rows = []
    for column, n_known in zip(means.T, known.sum(axis=0), strict=True):
        draws = column[1:][~np.isnan(column[1:])]
        limits = np.quantile(draws, (tail, 1 - tail)) if len(draws) else (np.nan, np.nan)
        rows.append((column[0], *limits, int(n_known)))
    return pd.DataFrame(rows, index=values.columns, columns=["estimate", "low", "high", "traits"])


# ------------------------------------------------------------------------------------------------ known genes

FLOWERING_GENES = {
    "AT5G10140": "FLC",
    "AT4G00650": "FRI",
    "AT1G65480": "FT",
    "AT4G20370": "TSF",
    "AT5G45830": "DOG1",
    "AT5G57380": "VIN3",
    "AT2G22540": "SVP",
    "AT1G77080": "FLM",
    "AT5G65050": "MAF2",
    "AT5G65060": "MAF3",
    "AT5G65070": "MAF4",
    "AT5G65080": "MAF5",
    "AT2G45660": "SOC1",
    "AT5G15840": "CO",
    "AT1G22770": "GI",
}
"""Genes that change the time of flowering (Andrés & Coupland 2012, doi 10.1038/nrg3291), and DOG1, which varies with it
among accessions (Atwell et al. 2010, doi 10.1038/nature08800): AGI code to symbol."""

FLOWERING_TERMS = ("GO:0048573", "GO:0010048", "GO:0010228")
"""Gene Ontology: photoperiodism, flowering; vernalization response; transition of the meristem to flowering."""


class Enrichment(NamedTuple):
    """Are known genes ranked before the others? See `enrichment`."""

    auc: float
    """Chance that a known gene is more relevant than another gene; 0.5 for a random order."""
    low: float
    high: float
    p: float
    """Of the two-sided rank test of Mann and Whitney."""
    n_known: int


def enrichment(relevance: ArrayLike, known: ArrayLike, level: float = 0.95) -> Enrichment:
    """Compare the ranks of known genes with those of all others.

    The interval is that of DeLong et al. (1988, doi 10.2307/2531595), with quantiles of Student's t for the number of
    known genes, which are few. It takes genes as independent, which neighbours on a chromosome are not.

    Parameters
    ----------
    relevance : shape (gene,)
        NaN where it could not be computed; such genes are left out.
    known : shape (gene,), bool

    Returns
    -------
    Enrichment
        All but the number of genes is NaN with fewer than two known, or other, genes.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    relevance, known = np.asarray(relevance, float), np.asarray(known, bool)
    if relevance.shape != known.shape or relevance.ndim != 1:
        raise ValueError(
            f"Relevance has shape {relevance.shape} and known genes {known.shape}; needed is one of each per gene."
        )
    usable = ~np.isnan(relevance)
    ours, others = relevance[usable & known], relevance[usable & ~known]
    if min(len(ours), len(others)) < 2:
        return Enrichment(np.nan, np.nan, np.nan, np.nan, len(ours))
    ranks = stats.rankdata(np.concatenate([ours, others]))
    # Share of the other kind that each gene is before, ties counting half.
    above = (ranks[: len(ours)] - stats.rankdata(ours)) / len(others)
    below = (ranks[len(ours) :] - stats.rankdata(others)) / len(ours)
    auc = above.mean()
    error = np.sqrt(above.var(ddof=1) / len(ours) + below.var(ddof=1) / len(others))
    reach = stats.t.ppf((1 + level) / 2, len(ours) - 1) * error
    p = stats.mannwhitneyu(ours, others, alternative="two-sided").pvalue
    return Enrichment(auc, max(auc - reach, 0.0), min(auc + reach, 1.0), float(p), len(ours))
