"""Running a model over data to see what its experts do.

Legend: N images, L tokens of an image, T tokens, P tokens that take an expert, M modalities, X experts that a
modality's tokens choose from, D, F channels.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ringmoe_core.prune.assemble import mixture_layers
from ringmoe_core.prune.calibration import BankStatistics, Calibration, LayerStatistics
from ringmoe_core.prune.network import shared_network, stacked_network
from ringmoe_core.prune.reservoir import Reservoir
from ringmoe_core.prune.routes import BANKS, BankRoute, TokenSample, bank_of, route_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.model import RingMoE
    from ringmoe_core.moe import MixtureLayer
    from ringmoe_core.prune.network import Network
    from ringmoe_core.prune.routes import Bank
    from ringmoe_core.series import Series


def calibrate(
    model: RingMoE, batches: Iterable[Mapping[str, Series]], *, num_tokens: int = 4096, seed: int = 0
) -> Calibration:
    """What every expert of a model does on data: how often it is taken, how much it says, and with which hidden units.

    The model is run in evaluation mode and put back; its layers are watched by forward hooks. Memory does not grow with
    the number of batches: sums, and a sample of tokens a layer.

    Args:
        model: any configuration.
        batches: images by modality, as `RingMoE.encode` takes them; at least one live image in all.
        num_tokens: tokens a layer that the sample holds at most, at least 1; several times the hidden width of the
            widest layer, where a dense model is to be fitted to them.
        seed: of the sample.

    Raises:
        ValueError: no batch, no live image, statistics that are not finite, or a sample of less than 1 token.
    """
    if num_tokens < 1:
        raise ValueError(f"the sample must hold at least 1 token, got {num_tokens}; give e.g. 4096")
    watchers = [
        _Watcher(layer, model.config, Reservoir(num_tokens, seed=seed + index))
        for index, layer in enumerate(mixture_layers(model).values())
    ]
    hooks = [watcher.layer.register_forward_hook(watcher.see, with_kwargs=True) for watcher in watchers]
    training, num_batches = model.training, 0
    try:
        model.eval()
        with torch.no_grad():
            for series in batches:
                model.encode(series)
                num_batches += 1
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    if not num_batches or not watchers[0].num_tokens:
        raise ValueError(
            f"calibration needs data, got {num_batches} batches with {watchers[0].num_tokens} tokens of live images; "
            "give batches with valid pixels"
        )
    layers = tuple(watcher.statistics() for watcher in watchers)
    _check_finite(layers)
    return Calibration(config=model.config, layers=layers, num_batches=num_batches)


class _Sums:
    """Running sums of one bank."""

    def __init__(self, num_modalities: int, num_experts: int, hidden: int, device: torch.device) -> None:
        zeros = partial(torch.zeros, dtype=torch.float64, device=device)
        self.chosen_MX = zeros(num_modalities, num_experts)
        self.gate_MX = zeros(num_modalities, num_experts)
        self.output_MX = zeros(num_modalities, num_experts)
        self.unit_MXF = zeros(num_modalities, num_experts, hidden)

    def add(self, expert: int, network: Network, tokens_PD: Tensor, gate_P: Tensor, modality_P: Tensor) -> None:
        """Counts tokens that take one expert."""
        hidden_PF = network.hidden(tokens_PD)
        length_P = torch.linalg.vector_norm(network.reduced(hidden_PF), dim=1)
        gate_P, unit_PF = gate_P.double(), (hidden_PF * gate_P[:, None].to(hidden_PF)).square()
        self.chosen_MX[:, expert].index_add_(0, modality_P, torch.ones_like(gate_P))
        self.gate_MX[:, expert].index_add_(0, modality_P, gate_P)
        self.output_MX[:, expert].index_add_(0, modality_P, gate_P * length_P.double())
        self.unit_MXF[:, expert].index_add_(0, modality_P, unit_PF.double())

    def statistics(self, tokens_M: Tensor) -> BankStatistics:
        """The sums as they are."""
        return BankStatistics(
            tokens_M=tokens_M,
            chosen_MX=self.chosen_MX,
            gate_MX=self.gate_MX,
            output_MX=self.output_MX,
            unit_MXF=self.unit_MXF,
        )


class _Watcher:
    """What one layer is seen to do."""

    def __init__(self, layer: MixtureLayer, config: RingMoEConfig, reservoir: Reservoir) -> None:
        self.layer = layer
        self._config = config
        self._reservoir = reservoir
        weight = layer.shared.expand.weight
        make = partial(_Sums, len(config.modalities), hidden=weight.shape[0], device=weight.device)
        numbers: dict[Bank, int] = {
            "specialised": config.num_specialised,
            "collaborative": config.num_collaborative,
        }
        self._banks = {bank: make(num_experts=number) for bank, number in numbers.items() if number}
        self._shared = make(num_experts=1)
        self._tokens_M = torch.zeros(len(config.modalities), dtype=torch.float64, device=weight.device)

    @property
    def num_tokens(self) -> int:
        """Tokens seen."""
        return int(self._tokens_M.sum())

    def see(self, _layer: object, inputs: tuple[Any, ...], named: dict[str, Any], _output: object) -> None:
        """The hook: what the layer was given, whatever it made of it."""
        given = {**dict(zip(("tokens_NLD", "modality_N", "live_NL"), inputs, strict=False)), **named}
        sample = _live_tokens(given["tokens_NLD"], given["modality_N"], given.get("live_NL"))
        if not sample.modality_T.shape[0]:
            return
        self._tokens_M += torch.bincount(sample.modality_T, minlength=len(self._tokens_M))
        self._reservoir.add(sample)
        ones_T = torch.ones_like(sample.modality_T, dtype=torch.float64)
        self._shared.add(0, shared_network(self.layer.shared), sample.tokens_TD, ones_T, sample.modality_T)
        for bank, route in route_tokens(self.layer, self._config, sample).items():
            self._see_bank(bank, route, sample)

    def _see_bank(self, bank: Bank, route: BankRoute, sample: TokenSample) -> None:
        stack = bank_of(self.layer, bank)
        for index, token_P, gate_P in route.takers():
            expert = index % self._config.num_specialised if bank == "specialised" else index
            self._banks[bank].add(
                expert, stacked_network(stack, index), sample.tokens_TD[token_P], gate_P, sample.modality_T[token_P]
            )

    def statistics(self) -> LayerStatistics:
        """Everything seen."""
        specialised, collaborative = (
            self._banks[bank].statistics(self._tokens_M) if bank in self._banks else None for bank in BANKS
        )
        return LayerStatistics(
            specialised=specialised,
            collaborative=collaborative,
            shared=self._shared.statistics(self._tokens_M),
            sample=self._reservoir.sample(),
        )


def _live_tokens(tokens_NLD: Tensor, modality_N: Tensor, live_NL: Tensor | None) -> TokenSample:
    """Every token that holds a valid pixel, out of its image."""
    modality_NL = modality_N[:, None].expand(tokens_NLD.shape[:2])
    if live_NL is None:
        return TokenSample(tokens_TD=tokens_NLD.flatten(0, 1), modality_T=modality_NL.flatten())
    return TokenSample(tokens_TD=tokens_NLD[live_NL], modality_T=modality_NL[live_NL])


def _check_finite(layers: tuple[LayerStatistics, ...]) -> None:
    for index, layer in enumerate(layers):
        for bank in (layer.specialised, layer.collaborative, layer.shared):
            if bank is not None and not bool(torch.isfinite(bank.output_MX.sum() + bank.unit_MXF.sum())):
                raise ValueError(
                    f"outputs of experts must be finite on calibration data, got NaN or infinity in layer {index}; "
                    "check the weights and the normalisation of the images"
                )
