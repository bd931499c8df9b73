"""The dense model of one fixed route, exact: the reference for every other densification.

Legend: M modalities, X experts, K experts taken from a bank, D channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringmoe_core.prune.assemble import assemble, mixture_layers
from ringmoe_core.prune.configs import dense_config
from ringmoe_core.prune.network import Network, beside, shared_network, stacked_network
from ringmoe_core.prune.routes import BANKS, bank_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringmoe_core.model import RingMoE
    from ringmoe_core.moe import MixtureLayer
    from ringmoe_core.prune.calibration import BankStatistics, Calibration, LayerStatistics
    from ringmoe_core.prune.routes import Bank


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRoute:
    """The experts that every token of one layer is taken to choose."""

    specialised: tuple[int, ...] = ()
    """Of the modality's own bank."""

    collaborative: tuple[int, ...] = ()
    """Of the bank that modalities share."""


def concatenate(model: RingMoE, calibration: Calibration, *, routes: Sequence[LayerRoute] | None = None) -> RingMoE:
    """A dense model that computes what a one-modality model computes for tokens on one route.

    The active branches of a block stand side by side in one network: 1 + K experts' width a bank, which is 3 times that
    of one expert with two top-1 banks. Tokens on the route with the mean gates of the calibration are transformed
    exactly, in the paper's style every token on the route, and with one expert a bank every token there is. Smaller
    densifications can be measured against this one; it is not in the paper.

    Args:
        model: of one modality, with at least one routed expert.
        calibration: of this model; says the mean gate of each expert on the tokens that take it.
        routes: for each layer; None for the experts taken most often, as many as a token takes.

    Raises:
        ValueError: several modalities, routes that do not fit the model, or an expert on a route that no calibration
            token takes.
    """
    calibration.check(model.config)
    if len(model.config.modalities) != 1:
        raise ValueError(
            f"a fixed route belongs to one modality, got a model of {model.config.modalities}; extract one first"
        )
    layers = mixture_layers(model)
    if routes is None:
        routes = [_usual_route(found, model.config.top_k) for found in calibration.layers]
    networks = {
        name: _on_route(layer, found, route)
        for (name, layer), found, route in zip(
            layers.items(), calibration.layers, _check(routes, len(layers)), strict=True
        )
    }
    tensors = dict(model.state_dict())
    for name, network in networks.items():
        tensors |= {f"{name}.shared.{key}": value for key, value in network.tensors().items()}
    times = 1 + len(routes[0].specialised) + len(routes[0].collaborative)
    config = dense_config(model.config, mlp_ratio=times * model.config.mlp_ratio)
    return assemble(config, tensors, training=model.training)


def _usual_route(found: LayerStatistics, top_k: int) -> LayerRoute:
    def most(bank: Bank) -> tuple[int, ...]:
        statistics = found.bank(bank)
        if statistics is None:
            return ()
        ranked = statistics.chosen_MX[0].argsort(descending=True, stable=True)
        return tuple(ranked[:top_k].tolist())

    return LayerRoute(specialised=most("specialised"), collaborative=most("collaborative"))


def _check(routes: Sequence[LayerRoute], num_layers: int) -> Sequence[LayerRoute]:
    widths = {(len(route.specialised), len(route.collaborative)) for route in routes}
    if len(routes) != num_layers or len(widths) != 1:
        raise ValueError(
            f"routes name experts for each of {num_layers} layers, equally many in all, got {len(routes)} routes of "
            f"{sorted(widths)} (specialised, collaborative) experts; give one a layer"
        )
    return routes


def _on_route(layer: MixtureLayer, found: LayerStatistics, route: LayerRoute) -> Network:
    """The branches of one route side by side."""
    parts = [shared_network(layer.shared)]
    for bank in BANKS:
        for expert in getattr(route, bank):
            statistics = found.bank(bank)
            if statistics is None or not 0 <= expert < statistics.chosen_MX.shape[1]:
                raise ValueError(
                    f"a route names experts that exist, got {bank} expert {expert} of "
                    f"{0 if statistics is None else statistics.chosen_MX.shape[1]}; name another"
                )
            parts.append(stacked_network(bank_of(layer, bank), expert).scaled(_mean_gate(statistics, bank, expert)))
    return beside(parts)


def _mean_gate(statistics: BankStatistics, bank: Bank, expert: int) -> float:
    chosen = float(statistics.chosen_MX[0, expert])
    if not chosen:
        raise ValueError(
            f"a route needs the mean gate of its experts, got {bank} expert {expert} that no calibration token takes; "
            "name another, or calibrate on more data"
        )
    return float(statistics.gate_MX[0, expert]) / chosen
