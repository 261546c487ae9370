"""Who competes: the models of Raimondi et al. 2024, and the baselines that the paper left out.

Every chapter takes its models from here, so that one name means one estimator with one set of settings, and fits are
shared between chapters through the cache of predictions.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from gi_lib.datasets.cohort import MISSING_DOSAGE
from gi_lib.datasets.pathways import THIN_GO, Edges, connect, load_pathways, resolve_pathways
from gi_lib.encoding.markers import DosageImputer
from gi_lib.models import (
    GBLUP,
    PRIORS,
    RKHS,
    BayesianRegression,
    CountryMean,
    ElasticNet,
    ExpressionPrior,
    gblup_with_gps,
    gradient_boosting,
    map_neighbours,
    ridge,
    ridge_on_components,
    width_for,
)
from gi_lib.training import (
    CONTROLS,
    BINNRegressor,
    BMSNNRegressor,
    ControlPrior,
    DenseNetworkRegressor,
    FineTunedGalianaRegressor,
    FrozenGalianaRegressor,
    GalianaRegressor,
    GPSNNRegressor,
    NeuralLassoRegressor,
)
from gi_lib.validation import Model

CODED_PENALTY = 6e-3
"""λ that the code of Mathew et al. 2022 comes with."""


def pathway_layers(cohort: xr.Dataset, pathways: str = "auto") -> tuple[Edges, ...]:
    """The sparse layer of BMSNN on a cohort: its genes connected with pathways.

    Parameters
    ----------
    cohort
        Gives the genes, and the simulated pathways where it has them.
    pathways
        One of `gi_lib.datasets.pathways.PATHWAYS`, or ``auto``. GO is thinned to about as many terms as there are bins
        in MapMan.

    Raises
    ------
    ValueError
        If the name is unknown, or no gene of the cohort has a pathway.
    DataUnavailable
        If the file of a real annotation cannot be had.
    """
    name = resolve_pathways(pathways, cohort)
    thin = THIN_GO if name == "GO" else {}
    return (connect(cohort["gene"].values, load_pathways(name, cohort), **thin),)


def published_models(
    cohort: xr.Dataset,
    layers: tuple[Edges, ...],
    *,
    epochs: int = 50,
    source_epochs: int = 50,
    learning_rate: float = 1e-2,
    device: str = "auto",
) -> list[Model]:
    """The eight models of Table 1, in its order and with the published settings.

    Parameters
    ----------
    cohort
        Models of transfer learning are left out if it has no source task.
    layers
        Edge lists from genes to pathways, for BMSNN.
    epochs
        Of every training but transf30's, which takes three fifths of it; 50 in the paper.
    source_epochs
        Of the source task.
    learning_rate, device
        See `gi_lib.training.Schedule` and `gi_lib.training.resolve_device`.
    """
    shared = {"learning_rate": learning_rate, "device": device}
    transfer = {**shared, "source_epochs": source_epochs, "source_learning_rate": learning_rate}
    fewer = max(1, round(0.6 * epochs))  # 30 of 50
    estimators = {
        "Galiana": GalianaRegressor(epochs=epochs, **shared),
        "transf50": FineTunedGalianaRegressor(epochs=epochs, **transfer),
        "transf30": FineTunedGalianaRegressor(epochs=fewer, **transfer),
        "frozen200": FrozenGalianaRegressor(200, epochs=epochs, **transfer),
        "frozen500": FrozenGalianaRegressor(500, epochs=epochs, **transfer),
        "BMSNN100": BMSNNRegressor(layers, 100, epochs=epochs, **shared),
        "BMSNN50": BMSNNRegressor(layers, 50, epochs=epochs, **shared),
    }
    if "source_trait_value" not in cohort:
        estimators = {
            name: model for name, model in estimators.items() if not name.startswith(("transf", "frozen"))
        }
    models = [Model(name, estimator, "counts") for name, estimator in estimators.items()]
    return [*models, Model("GPSNN", GPSNNRegressor(epochs=epochs, **shared), "place")]


def baselines(cohort: xr.Dataset) -> list[Model]:
    """What the paper left out: no genome at all, and the genome through a straight line.

    Baselines on single SNPs are left out if the cohort has no dosages, or lacks some calls.
    """
    models = [
        Model("country mean", CountryMean(), "country"),
        Model("map neighbours", map_neighbours(), "place"),
        Model("ridge on counts", ridge(), "flat counts"),
    ]
    if "dosage" in cohort and not (cohort["dosage"].values == MISSING_DOSAGE).any():
        models += [
            Model("GBLUP", GBLUP(), "dosage"),
            Model("ridge on components", ridge_on_components(), "dosage"),
            Model("GBLUP with GPS", gblup_with_gps(), "dosage and place"),
        ]
    return models


def panel_models(
    *,
    n_iterations: int = 10_000,
    burn_in: int = 3_000,
    n_chains: int = 1,
    inner_folds: int = 5,
    device: str = "auto",
) -> dict[str, list[Model]]:
    """The models of Mathew et al. 2022 for panels, and what that paper left out, by how long a fit takes.

    Parameters
    ----------
    n_iterations, burn_in, n_chains
        Of the Gibbs samplers; the defaults are those of the paper.
    inner_folds
        On which NeuralLasso, elastic net and lasso choose their penalties.
    device
        See `gi_lib.training.resolve_device`.

    Returns
    -------
    dict
        ``quick`` and ``slow`` models. All fill missing dosages with what is most frequent among the training
        accessions.
    """

    def imputed(name: str, estimator: BaseEstimator) -> Model:
        return Model(name, make_pipeline(DosageImputer("most frequent"), estimator), "calls")

    return {
        "quick": [
            Model("NeuralLasso", NeuralLassoRegressor(inner_folds=inner_folds, device=device), "calls"),
            Model(
                "NeuralLasso as coded",
                NeuralLassoRegressor(protocol="as coded", penalty=CODED_PENALTY, device=device),
                "calls",
            ),
            imputed("GBLUP", GBLUP()),
            imputed("elastic net", ElasticNet(0.33, inner_folds=inner_folds)),
            imputed("lasso", ElasticNet(1.0, inner_folds=inner_folds)),
            imputed("RKHS", RKHS()),
        ],
        "slow": [
            imputed("gradient boosting", gradient_boosting()),
            *(
                imputed(prior, BayesianRegression(prior, n_iterations, burn_in, n_chains=n_chains))
                for prior in PRIORS
            ),
        ],
    }


def binn_models(
    prior: Edges | ExpressionPrior,
    n_markers: int,
    *,
    n_entities: int = 100,
    entity_weight: float = 1.0,
    hidden: int = 128,
    epochs: int = 300,
    with_expression: bool = True,
    device: str = "auto",
) -> list[Model]:
    """BINN in its two forms, its controls, and who competes with it (arXiv 2510.14970).

    Parameters
    ----------
    prior
        Known edges, or what learns them inside each training part.
    n_markers
        Of the panel.
    n_entities
        About so many a prior will learn: the dense network has as many parameters as a BINN with these. Of known
        edges their number counts.
    entity_weight
        λ of BINN-soft.
    hidden
        Width of the networks of the entities, and of the integrator.
    epochs, device
        See `gi_lib.training.BINNRegressor`.
    with_expression
        Include a ridge regression on measured entities, which accessions to be predicted do not have in practice.
    """
    shared = {"hidden": hidden, "integrator": hidden, "epochs": epochs, "device": device}
    if isinstance(prior, Edges):
        n_entities, n_edges = prior.n_targets, len(prior)
    else:
        n_edges = n_entities * prior.markers_per_entity
    n_parameters = hidden * (n_edges + 3 * n_entities + 2) + n_entities + 1  # of a BINN
    dense = DenseNetworkRegressor(width_for(n_parameters, n_markers), epochs=epochs, device=device)
    models = [
        Model("BINN-MSE", BINNRegressor(prior, **shared), "calls"),
        Model("BINN-soft", BINNRegressor(prior, entity_weight, **shared), "calls"),
        *(
            Model(f"BINN, {how} prior", BINNRegressor(ControlPrior(prior, how), **shared), "calls")
            for how in CONTROLS
            if not (how == "shuffled" and isinstance(prior, Edges))
        ),
        Model("dense network", dense, "calls"),
        Model("GBLUP", make_pipeline(DosageImputer(), GBLUP()), "calls"),
        Model("ridge on SNPs", make_pipeline(DosageImputer(), ridge()), "calls"),
    ]
    if with_expression:
        models.append(Model("ridge on expression", ridge(), "entities"))
    return models


def suitable_models(
    cohort: xr.Dataset,
    layers: tuple[Edges, ...] | None = None,
    prior: Edges | ExpressionPrior | None = None,
    *,
    epochs: int = 50,
    n_iterations: int = 10_000,
    burn_in: int = 3_000,
    inner_folds: int = 5,
    hidden: int = 128,
    device: str = "auto",
) -> dict[str, list[Model]]:
    """Every model of the book that can read a cohort, each once, by the paper that it comes from.

    Parameters
    ----------
    cohort
        What it has decides: counts, dosages, measured entities, places.
    layers
        From its genes to pathways, for BMSNN; without them it is left out.
    prior
        From its markers to entities, or what learns it; without it BINN is left out.
    epochs
        Of Galiana and BMSNN.
    n_iterations, burn_in, inner_folds
        See `panel_models`.
    hidden, device
        See `binn_models`.
    """
    found: dict[str, list[Model]] = {
        "Raimondi et al. 2024": [],
        "Mathew et al. 2022": [],
        "arXiv 2510.14970": [],
    }
    if "counts" in cohort:
        kept = ("Galiana", "transf50") + (("BMSNN50",) if layers else ())
        networks = published_models(cohort, layers or (), epochs=epochs, source_epochs=epochs, device=device)
        found["Raimondi et al. 2024"] = [model for model in networks if model.name in kept]
        controls = [model for model in baselines(cohort) if model.name == "ridge on counts"]
        found["left out by the papers"] = controls
    if "dosage" in cohort:
        known = panel_models(
            n_iterations=n_iterations, burn_in=burn_in, inner_folds=inner_folds, device=device
        )
        by_name = {model.name: model for model in known["quick"] + known["slow"]}
        ours = ("RKHS", "gradient boosting", "lasso")
        found["Mathew et al. 2022"] = [model for name, model in by_name.items() if name not in ours]
        found.setdefault("left out by the papers", []).extend(by_name[name] for name in ours)
    if prior is not None:
        networks = binn_models(prior, cohort.sizes["marker"], hidden=hidden, device=device)
        kept = ("BINN-MSE", "BINN-soft", "dense network")
        found["arXiv 2510.14970"] = [model for model in networks if model.name in kept]
    return {paper: models for paper, models in found.items() if models}


def by_tissue(traits: Sequence[str]) -> dict[str, list[str]]:
    """Traits of the leaf and of the seed, told apart by the ends of their names; all in one where these say nothing.

    Examples
    --------
    >>> by_tissue(["Na23_leaf", "K39_leaf", "Na23_seed"])
    {'leaf': ['Na23_leaf', 'K39_leaf'], 'seed': ['Na23_seed']}
    >>> by_tissue(["flowering_time_16C"])
    {'all traits': ['flowering_time_16C']}
    """
    groups = {tissue: [name for name in traits if name.endswith(f"_{tissue}")] for tissue in ("leaf", "seed")}
    groups["all traits"] = [name for name in traits if not name.endswith(("_leaf", "_seed"))]
    return {tissue: names for tissue, names in groups.items() if names}


def main_task(cohort: xr.Dataset, share: float = 0.5) -> xr.Dataset:
    """Keep the well-measured traits; the others become the source task if the cohort has none.

    Parameters
    ----------
    cohort
        Of real traits some may be known for a tenth of the accessions only, too few to score by country.
    share
        A trait stays if it has at least this share of the labels of the trait that has the most.
    """
    labels = cohort["trait_value"].notnull().sum("sample").values
    stays = labels >= share * labels.max()
    task = cohort.isel(trait=np.flatnonzero(stays))
    rest = cohort["trait_value"].isel(trait=np.flatnonzero(~stays & (labels > 1)))
    if rest.sizes["trait"] and "source_trait_value" not in cohort:
        task = task.assign(source_trait_value=rest.rename(trait="source_trait"))
    return task
