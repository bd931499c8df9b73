"""Gates of a pruned bank, refitted so that the branch says what it said before.

Legend: T tokens, K experts taken, X stacked experts, D channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ringmoe_core.prune.assemble import assemble, mixture_layers
from ringmoe_core.prune.routes import BANKS, bank_of, bank_terms, route_tokens

if TYPE_CHECKING:
    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.model import RingMoE
    from ringmoe_core.moe import MixtureLayer
    from ringmoe_core.prune.calibration import Calibration
    from ringmoe_core.prune.routes import Bank, BankRoute, TokenSample

FLOOR = 1e-12
"""Share of the largest expert's power below which an expert counts as silent and keeps its gain of 1."""


def recalibrate(model: RingMoE, source: RingMoE, calibration: Calibration) -> RingMoE:
    """A copy of a pruned model whose routed branches match the source's in least squares.

    A softmax over fewer experts gives larger gates; with one expert left the gate is 1 whatever the router says, which
    silently rescales the branch (learning from the paper, which names no remedy). One gain an expert is fitted,
    min_a sum_t |sum_k a_k g'_k E_k(x_t) - y_t|^2 over the calibration's sample, with the pruned router's gates g' and
    the source's branch output y, and folded into the expert's outgoing weights and bias. Closed form; the choice of
    experts is unchanged. An expert that no token of the sample takes keeps its gain of 1.

    Args:
        model: pruned, of the source's modalities and depths.
        source: the model that was calibrated.
        calibration: of the source.

    Raises:
        ValueError: the calibration is of another model, or the two models differ in more than experts.
    """
    calibration.check(source.config)
    _check_alike(model.config, source.config)
    tensors = dict(model.state_dict())
    layers = zip(mixture_layers(model).items(), mixture_layers(source).values(), calibration.layers, strict=True)
    with torch.no_grad():
        for (name, layer), full, statistics in layers:
            routes = route_tokens(layer, model.config, statistics.sample)
            before = route_tokens(full, source.config, statistics.sample)
            for bank in BANKS:
                if bank not in routes:
                    continue
                target_TD = bank_terms(full, bank, before[bank], statistics.sample.tokens_TD).sum(1)
                gain_X = _gains(layer, bank, routes[bank], statistics.sample, target_TD)
                for parameter in ("reduce_weight_XDF", "reduce_bias_XD"):
                    key = f"{name}.{bank}.{parameter}"
                    shape = (-1, *(1,) * (tensors[key].dim() - 1))
                    tensors[key] = tensors[key] * gain_X.reshape(shape).to(tensors[key])
    return assemble(model.config, tensors, training=model.training)


def _gains(layer: MixtureLayer, bank: Bank, route: BankRoute, sample: TokenSample, target_TD: Tensor) -> Tensor:
    """The gain of each expert, from the normal equations of all experts of the bank."""
    terms_TKD = bank_terms(layer, bank, route, sample.tokens_TD).double()
    num_experts = bank_of(layer, bank).num_experts
    normal_XX = terms_TKD.new_zeros(num_experts, num_experts)
    right_X = terms_TKD.new_zeros(num_experts)
    for first in range(route.expert_TK.shape[1]):
        one_T, one_TD = route.expert_TK[:, first], terms_TKD[:, first]
        right_X.index_put_((one_T,), (one_TD * target_TD.double()).sum(1), accumulate=True)
        for second in range(route.expert_TK.shape[1]):
            products_T = (one_TD * terms_TKD[:, second]).sum(1)
            normal_XX.index_put_((one_T, route.expert_TK[:, second]), products_T, accumulate=True)
    power_X = normal_XX.diagonal()
    heard_X = power_X > FLOOR * power_X.max()
    gain_X = torch.ones_like(right_X)
    if heard_X.any():
        normal = normal_XX[heard_X][:, heard_X]
        gain_X[heard_X] = torch.linalg.lstsq(normal, right_X[heard_X, None], driver="gelsd").solution[:, 0]
    return gain_X


def _check_alike(config: RingMoEConfig, source: RingMoEConfig) -> None:
    for name in ("style", "modalities", "dim", "depths"):
        if getattr(config, name) != getattr(source, name):
            raise ValueError(
                f"a pruned model and its source have one {name}, got {getattr(config, name)} and "
                f"{getattr(source, name)}; give the source that it was pruned from"
            )
    for bank in BANKS:
        if getattr(config, f"num_{bank}") and not getattr(source, f"num_{bank}"):
            raise ValueError(
                f"a pruned model has no bank that its source lacks, got {bank} experts; give the source that it was "
                "pruned from"
            )
