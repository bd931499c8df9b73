"""Which experts a model's tokens take, measured on simulated regions."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from flows.errors import ConfigError
from flows.routing_regions import FED, REGION_SEED, Chip, RegionSet, clearest, simulate
from flows.routing_verdict import Finding, divergence_bits, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from ringmoe_core import LoadedModel, RingMoE, RingMoEConfig, Series
    from ringmoe_core.balance import RoutingReport

Bank = Literal["specialised", "collaborative"]
BANKS: Final[tuple[Bank, ...]] = ("specialised", "collaborative")
"""In the order in which a layer's router decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankRow:
    """Use of one bank by one modality in one layer."""

    layer: int
    """From 1, in the order in which tokens pass."""

    stage: int
    """From 1."""

    stride: int
    """Pixels of the input along one token."""

    bank: Bank
    modality: str
    load: tuple[int, ...]
    """Times that a token chose each expert."""

    utilisation: tuple[float, ...]
    """The load as shares of 1."""

    entropy_nats: float
    """Mean entropy of the router's softmax."""

    entropy_share: float
    """The same as a share of its largest value, that of even odds; 1 where there is one expert only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertMap:
    """The expert that each token of one image takes first."""

    layer: int
    stride: int
    bank: Bank
    modality: str
    expert: npt.NDArray[np.uint8]
    """(row, column) of the token grid, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingStudy:
    """What was measured of one checkpoint."""

    weights: str
    sha256: str
    top_k: int
    regions: RegionSet
    modalities: tuple[str, ...]
    """Those that the model was trained on and simulated regions have, in the model's order."""

    rows: tuple[BankRow, ...]
    divergence_bits: tuple[float, ...]
    """Of each layer: how differently modalities use the collaborative bank; empty where they cannot differ."""

    findings: tuple[Finding, ...]
    chips: tuple[Chip, ...]
    maps: tuple[ExpertMap, ...]

    def to_dict(self) -> dict[str, object]:
        """Returns the values, without pictures, ready for JSON."""
        return {
            "weights": self.weights,
            "sha256": self.sha256,
            "top_k": self.top_k,
            "regions": asdict(self.regions),
            "modalities": list(self.modalities),
            "findings": [asdict(finding) for finding in self.findings],
            "divergence_bits": list(self.divergence_bits),
            "banks": [asdict(row) for row in self.rows],
        }


def study_routing(path: Path, regions: RegionSet) -> RoutingStudy:
    """Returns the use of a checkpoint's experts on simulated regions, every date of each region at once.

    Args:
        path: The checkpoint.
        regions: What to simulate; the expert maps are of the clearest region's clearest dates.

    Raises:
        CheckpointError: The file is damaged.
        ConfigError: The model has no experts, takes other input, or was trained on no modality of `FED`.
    """
    import torch

    from ringmoe_core import load_checkpoint

    loaded = load_checkpoint(path)
    _check(loaded, path)
    model = loaded.model
    names = [name for name in FED if name in loaded.metadata.trained_modalities]
    reports: list[RoutingReport] = []
    scenes = [simulate(seed, regions, names) for seed in range(REGION_SEED, REGION_SEED + regions.num_regions)]
    shown = max(scenes, key=lambda scene: scene.clear)
    with torch.inference_mode():
        for scene in scenes:
            routing = model.encode(scene.series).routing
            if routing is not None:
                reports.append(routing)
        maps = [one for name, series in shown.series.items() for one in expert_maps(model, name, clearest(series))]
    rows = bank_rows(model.config, reports)
    modalities = tuple(name for name in model.config.modalities if name in names)
    divergences = divergence_bits(rows)
    return RoutingStudy(
        weights=str(path),
        sha256=loaded.sha256,
        top_k=model.config.top_k,
        regions=regions,
        modalities=modalities,
        rows=rows,
        divergence_bits=divergences,
        findings=verdict(rows, divergences),
        chips=shown.chips,
        maps=tuple(maps),
    )


def bank_rows(config: RingMoEConfig, reports: Sequence[RoutingReport]) -> tuple[BankRow, ...]:
    """Returns the use over several forward passes: loads added, entropies weighed by tokens."""
    rows = []
    for bank in BANKS:
        load = sum(getattr(report, f"{bank}_load_YMX") for report in reports)  # (layer, modality, expert)
        weighed = sum(
            (getattr(report, f"{bank}_load_YMX").sum(-1) * getattr(report, f"{bank}_entropy_YM")).nan_to_num()
            for report in reports
        )
        num_odds = load.shape[-1] + (config.num_pruned if bank == "collaborative" else 0)
        for layer in range(config.num_layers):
            for index, modality in enumerate(config.modalities):
                counts = load[layer, index].tolist()
                if sum(counts):
                    entropy = float(weighed[layer, index]) / sum(counts)
                    rows.append(_row(config, bank, layer, modality, counts=counts, entropy=entropy, num_odds=num_odds))
    return tuple(rows)


def _row(
    config: RingMoEConfig,
    bank: Bank,
    layer: int,
    modality: str,
    *,
    counts: Sequence[float],
    entropy: float,
    num_odds: int,
) -> BankRow:
    stage, stride = _layers(config)[layer]
    return BankRow(
        layer=layer + 1,
        stage=stage + 1,
        stride=stride,
        bank=bank,
        modality=modality,
        load=tuple(int(count) for count in counts),
        utilisation=tuple(count / sum(counts) for count in counts),
        entropy_nats=entropy,
        entropy_share=entropy / math.log(num_odds) if num_odds > 1 else 1.0,
    )


def expert_maps(model: RingMoE, modality: str, series: Series) -> list[ExpertMap]:
    """Returns the first choice of every token of one image, for every layer and bank, by listening to the routers.

    Args:
        model: Any model with experts.
        modality: Of the image.
        series: One place, one date.
    """
    from ringmoe_core.features import level_grids

    config = model.config
    grids = level_grids(series.size, config)[-len(config.depths) :]
    heard: list[tuple[object, ...]] = []
    blocks = [block for stage in model.encoder.stages for block in stage]  # type: ignore[attr-defined]
    hooks = [block.mixture.router.register_forward_hook(lambda _m, _i, out: heard.append(out)) for block in blocks]
    try:
        model.encode({modality: series})
    finally:
        for hook in hooks:
            hook.remove()
    found = []
    for layer, ((stage, stride), decisions) in enumerate(zip(_layers(config), heard, strict=True)):
        for bank, routing in zip(BANKS, decisions, strict=True):
            if routing is not None:
                first = routing.choice_NLK[0, :, 0].reshape(grids[stage]).numpy().astype(np.uint8)  # type: ignore[attr-defined]
                found.append(ExpertMap(layer=layer + 1, stride=stride, bank=bank, modality=modality, expert=first))
    return found


def _layers(config: RingMoEConfig) -> list[tuple[int, int]]:
    """Stage and stride of every layer."""
    strides = config.strides[-len(config.depths) :]
    return [(stage, strides[stage]) for stage, depth in enumerate(config.depths) for _ in range(depth)]


def _check(loaded: LoadedModel, path: Path) -> None:
    from pipelines.inference.channels import NORMALISATION_ID

    config, metadata = loaded.model.config, loaded.metadata
    if not (config.num_specialised or config.num_collaborative):
        raise ConfigError(f"weights: routing needs a model with experts, got a dense one in {path}; name another")
    if metadata.normalisation != NORMALISATION_ID:
        raise ConfigError(
            f"weights: must be trained on input normalised as {NORMALISATION_ID!r}, got {metadata.normalisation!r} in "
            f"{path}; use one that was"
        )
    if not set(FED) & set(metadata.trained_modalities):
        raise ConfigError(
            f"weights: must be trained on one of {list(FED)}, which simulated regions have, got "
            f"{list(metadata.trained_modalities)} in {path}; use one that was"
        )
