"""Calibration: what a trained model's experts do on data.

Legend: M modalities, X experts that a modality's tokens choose from, F hidden channels, T tokens of the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.prune.routes import Bank, TokenSample


@dataclass(frozen=True, slots=True, kw_only=True)
class BankStatistics:
    """Sums over the calibration tokens of one bank in one layer, float64.

    X are a modality's own experts in the specialised bank, all experts in the collaborative one, and 1 for the shared
    expert, which every token takes with gate 1.
    """

    tokens_M: Tensor
    """Tokens of each modality."""

    chosen_MX: Tensor
    """Tokens that take each expert."""

    gate_MX: Tensor
    """Sum of their gates."""

    output_MX: Tensor
    """Sum of gate times the length of the expert's output."""

    unit_MXF: Tensor
    """Sum of the squares of gate times activation of each hidden unit."""

    @property
    def frequency(self) -> Tensor:
        """(M, X) share of a modality's tokens that take each expert; rows add to top-k, or to 0 without tokens."""
        return self.chosen_MX / self.tokens_M.clamp_min(1)[:, None]

    @property
    def output_norm(self) -> Tensor:
        """(M, X) mean of gate times output length over the tokens that take the expert; 0 for one never taken.

        The saliency of REAP, router-weighted expert activation pruning (arXiv 2510.13999): an expert that is seldom
        taken but then decides much ranks high, which a frequency misses.
        """
        return self.output_MX / self.chosen_MX.clamp_min(1)

    @property
    def share(self) -> Tensor:
        """(M, X) expected gate for a random token of any modality: selection probability times mean gate."""
        return self.gate_MX / self.tokens_M.sum()

    @property
    def traffic(self) -> Tensor:
        """(M) share of the tokens that belong to each modality."""
        return self.tokens_M / self.tokens_M.sum()

    def pooled(self) -> BankStatistics:
        """The same with all modalities as one; for banks whose experts all modalities share."""
        return BankStatistics(
            tokens_M=self.tokens_M.sum(0, keepdim=True),
            chosen_MX=self.chosen_MX.sum(0, keepdim=True),
            gate_MX=self.gate_MX.sum(0, keepdim=True),
            output_MX=self.output_MX.sum(0, keepdim=True),
            unit_MXF=self.unit_MXF.sum(0, keepdim=True),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerStatistics:
    """What one layer's experts do."""

    specialised: BankStatistics | None
    """None where the layer has no specialised expert."""

    collaborative: BankStatistics | None
    """None where the layer has no collaborative expert."""

    shared: BankStatistics
    """Of the shared expert."""

    sample: TokenSample
    """A uniform sample of the tokens that the layer read. Alignments, bases and least squares are computed from it:
    second moments of all hidden units with each other would take F x F values an expert, the sample takes T x D."""

    def bank(self, name: Bank) -> BankStatistics | None:
        """The statistics of a routed bank."""
        return self.specialised if name == "specialised" else self.collaborative


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Statistics of every layer of a model over a set of batches."""

    config: RingMoEConfig
    """Of the model that was measured."""

    layers: tuple[LayerStatistics, ...]
    """In the order in which tokens pass them."""

    num_batches: int
    """Batches that were run."""

    def check(self, config: RingMoEConfig) -> None:
        """Makes sure that a model is of the configuration that was measured.

        Raises:
            ValueError: it is not.
        """
        if config != self.config:
            raise ValueError(
                f"a calibration serves models of its own configuration, got one of {self.config} for {config}; "
                "calibrate this model"
            )
