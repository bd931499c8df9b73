"""One dense feed-forward network a block, made from a block's experts.

Legend: T tokens, D channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch

from ringmoe_core.model import RingMoE
from ringmoe_core.prune.align import Basis
from ringmoe_core.prune.assemble import assemble, mixture_layers
from ringmoe_core.prune.compress import compress
from ringmoe_core.prune.configs import dense_config
from ringmoe_core.prune.members import layer_members
from ringmoe_core.prune.merge import merge
from ringmoe_core.prune.network import shared_network
from ringmoe_core.prune.refit import refit as refit_outgoing
from ringmoe_core.prune.routes import TokenSample, layer_output
from ringmoe_core.prune.unit_selection import select_units

if TYPE_CHECKING:
    from ringmoe_core.moe import MixtureLayer
    from ringmoe_core.prune.calibration import Calibration, LayerStatistics
    from ringmoe_core.prune.network import Network

DenseMethod = Literal["KS", "KA", "KC", "select", "random", "random-experts"]


def densify(
    model: RingMoE,
    calibration: Calibration,
    *,
    method: DenseMethod,
    mlp_ratio: int | None = None,
    on: Basis = "weights",
    refit: bool = False,
    seed: int = 0,
) -> RingMoE:
    """A dense model: one feed-forward network a block in place of all experts, everything else copied.

    `KS`, `KA` (`merge`) and `KC` (`compress`) are the paper's densifications as far as they are known, `select`
    (`select_units`) keeps whole hidden units. Experts count by the calibration's traffic: those of several modalities
    are merged by each modality's share of the tokens, and but for KA an expert that no token took does not count at
    all. No method is exact for a model that routes; `concatenate` is, for one route. All of them are first values for a
    distillation.

    `random` is the control that decides whether a method kept anything: a randomly initialised dense model, which is to
    be given the same distillation. `random-experts` draws only the feed-forward networks anew and copies the rest, the
    stricter control for what the experts' weights themselves are worth; with a refit it shows what the refit is worth.

    Args:
        model: with experts; a dense one is made narrower by KC and select.
        calibration: of this model.
        method: see above.
        mlp_ratio: hidden width over input width; None for the width of one expert. KS and KA take a multiple of that,
            at most as many times as there are branches; KC and select anything up to all hidden units of all experts.
        on: what hidden units are aligned by (KS, KA) and bases taken from (KC).
        refit: whether the outgoing weights are then fitted to the layers' own outputs on the calibration's sample,
            layer by layer; not for `random`.
        seed: of the controls' first values.

    Raises:
        ValueError: the calibration is of another model, or the method is unknown, cannot make this width or takes no
            refit.
    """
    if method not in get_args(DenseMethod):
        raise ValueError(f"a method is one of {get_args(DenseMethod)}, got {method!r}; choose one of them")
    if on not in get_args(Basis):
        raise ValueError(f"units are compared on one of {get_args(Basis)}, got {on!r}; choose one of them")
    calibration.check(model.config)
    if method == "random":
        return _control(model, mlp_ratio=mlp_ratio, refit=refit, seed=seed)
    config = dense_config(model.config, mlp_ratio=mlp_ratio)
    fresh = mixture_layers(RingMoE(config, seed=seed)) if method == "random-experts" else {}
    tensors = dict(model.state_dict())
    with torch.no_grad():
        for (name, layer), found in zip(mixture_layers(model).items(), calibration.layers, strict=True):
            num_units = config.mlp_ratio * layer.shared.expand.in_features
            if method == "random-experts":
                network = shared_network(fresh[name].shared).double().to(layer.shared.expand.weight.device)
            else:
                network = _dense(layer, found, method, num_units=num_units, on=on)
            if refit:
                network = _refitted(network, layer, model, found)
            like = layer.shared.expand.weight
            tensors |= {f"{name}.shared.{key}": value.to(like) for key, value in network.tensors().items()}
    return assemble(config, tensors, training=model.training)


def _dense(layer: MixtureLayer, found: LayerStatistics, method: DenseMethod, *, num_units: int, on: Basis) -> Network:
    """One layer's dense network in float64."""
    members = layer_members(layer, found)
    tokens_TD = found.sample.tokens_TD.double()
    if method == "KS" or method == "KA":  # noqa: PLR1714 a membership test would not narrow the type
        return merge(members, method, num_units=num_units, on=on, tokens_TD=tokens_TD)
    if method == "KC":
        return compress(members, num_units=num_units, on=on, tokens_TD=tokens_TD)
    return select_units(members, num_units=num_units)


def _refitted(network: Network, layer: MixtureLayer, model: RingMoE, found: LayerStatistics) -> Network:
    """The network fitted to the layer's own outputs."""
    like = layer.shared.expand.weight
    sample = TokenSample(tokens_TD=found.sample.tokens_TD.to(like), modality_T=found.sample.modality_T)
    target_TD = layer_output(layer, model.config, sample)
    return refit_outgoing(network, sample.tokens_TD.double(), target_TD.double())


def _control(model: RingMoE, *, mlp_ratio: int | None, refit: bool, seed: int) -> RingMoE:
    if refit:
        raise ValueError(
            "a control that keeps nothing has nothing to fit, got random with a refit; leave the refit out, or take "
            "random-experts"
        )
    fresh = RingMoE(dense_config(model.config, mlp_ratio=mlp_ratio), seed=seed)
    return fresh.to(next(model.parameters())).train(model.training)
