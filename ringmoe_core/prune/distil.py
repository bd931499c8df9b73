"""Losses that teach a small model what a large one says and holds inside.

Legend: B places, T images a place, N maps, P map channels, K classes, D channels of a level, H, W pixels, h, w cells of
a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SPREAD_FLOOR = 1e-6
"""Least variance that differences are divided by: a constant teacher has none."""

_MAP_AXES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilView:
    """What a loss sees of one model on one batch; a teacher and its student give views of equal shapes."""

    maps_NPHW: Tensor
    """Decoded maps."""

    land_cover_NKHW: Tensor
    """Land-cover logits; N may differ from that of the maps."""

    change_NKHW: Tensor
    """Change logits; N may differ from that of the maps."""

    levels: tuple[Tensor, ...]
    """Feature levels, of each image (B, T, D, h, w) as in `Features` or fused (N, D, h, w) as in `FusedPyramid`."""

    level_weights: tuple[Tensor, ...] | None = None
    """How much each cell of each level counts, at least 0, in the shape of the level without its channels, such as the
    `weights` of `Features`; None means all alike. Validity and weights are read from the teacher's view."""

    map_valid_NHW: Tensor | None = None
    """Bool, whether a pixel of the maps has an observation; None means all."""

    land_cover_valid_NHW: Tensor | None = None
    """The same for the land-cover logits."""

    change_valid_NHW: Tensor | None = None
    """The same for the change logits: whether both sides were observed."""

    def __post_init__(self) -> None:
        for name in ("maps_NPHW", "land_cover_NKHW", "change_NKHW"):
            value, valid = getattr(self, name), getattr(self, _VALID[name])
            if value.dim() != _MAP_AXES:
                raise ValueError(f"{name} must have 4 axes, got shape {tuple(value.shape)}; reshape it")
            if valid is None:
                continue
            wanted = (value.shape[0], *value.shape[2:])
            if valid.dtype != torch.bool or tuple(valid.shape) != wanted:
                raise ValueError(
                    f"{_VALID[name]} must be bool {wanted} to fit {name}, got {valid.dtype} {tuple(valid.shape)}; "
                    "say for each pixel whether it counts"
                )
        self._check_levels()

    def _check_levels(self) -> None:
        wanted = [(*level.shape[:-3], *level.shape[-2:]) for level in self.levels]
        given = wanted if self.level_weights is None else [tuple(weight.shape) for weight in self.level_weights]
        if given != wanted:
            raise ValueError(
                f"level_weights must have the levels' shapes without channels, {wanted}, got {given}; give one a level"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilConfig:
    """Weights of the terms, each at least 0, and the temperature of the logits."""

    levels: float = 1.0
    maps: float = 1.0
    land_cover: float = 1.0
    change: float = 1.0

    temperature: float = 2.0
    """Above 0; logits are divided by it, so that a teacher's second choices count for more."""

    def __post_init__(self) -> None:
        for name in ("levels", "maps", "land_cover", "change"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a weight of at least 0, got {getattr(self, name)}; 0 leaves it out")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature must be positive, got {self.temperature}; 1 leaves the logits alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilLoss:
    """Terms of one step; only `total` carries gradient."""

    total: Tensor
    """Scalar: the weighted sum."""

    levels: Tensor
    """Scalar: mean over levels of the squared difference relative to the teacher's variance."""

    maps: Tensor
    """Scalar: the same for the decoded maps."""

    land_cover: Tensor
    """Scalar in nats times the squared temperature."""

    change: Tensor
    """Scalar in nats times the squared temperature."""


def distillation_loss(student: DistilView, teacher: DistilView, config: DistilConfig) -> DistilLoss:
    """The loss of a student against its teacher on one batch; the teacher gets no gradient.

    Logits: T^2 KL(teacher || student) of the softmax at temperature T (Hinton et al., arXiv 1503.02531, section 2).
    Features, after FitNets (arXiv 1412.6550) without its extra layer, since a pruned student's levels are as wide as
    its teacher's: |s - t|^2 over the teacher's variance about its mean in each channel, so that 1 is what a constant
    student reaches and levels of any scale weigh alike. RingMoE's own distillation, if any, is not published.

    Pixels without an observation do not count, and a level's cell counts by its weight. A term without a valid pixel
    is 0.

    Args:
        student: view with gradient.
        teacher: view of the same batch; its validity is the one that counts.
        config: weights and temperature.

    Raises:
        ValueError: the two views differ in shape.
    """
    _check_alike(student, teacher)
    weights = teacher.level_weights or tuple(level.new_ones(()) for level in teacher.levels)
    levels = [
        _feature_loss(mine, theirs.detach(), weight)
        for mine, theirs, weight in zip(student.levels, teacher.levels, weights, strict=True)
    ]
    terms = {
        "levels": torch.stack(levels).mean() if levels else student.maps_NPHW.new_zeros(()),
        "maps": _feature_loss(
            student.maps_NPHW, teacher.maps_NPHW.detach(), _weight(teacher.map_valid_NHW, teacher.maps_NPHW)
        ),
        "land_cover": _logit_loss(
            student.land_cover_NKHW, teacher.land_cover_NKHW.detach(), teacher.land_cover_valid_NHW, config.temperature
        ),
        "change": _logit_loss(
            student.change_NKHW, teacher.change_NKHW.detach(), teacher.change_valid_NHW, config.temperature
        ),
    }
    total = torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
    return DistilLoss(total=total, **{name: term.detach() for name, term in terms.items()})


def _feature_loss(student: Tensor, teacher: Tensor, weight: Tensor) -> Tensor:
    """Weighted squared difference over the teacher's weighted variance, each summed over channels (axis -3)."""
    student, teacher = student.float(), teacher.float()
    weight = weight.float().expand(*teacher.shape[:-3], *teacher.shape[-2:]).unsqueeze(-3)
    others = [axis for axis in range(teacher.dim()) if axis != teacher.dim() - 3]
    mass = weight.sum().clamp_min(torch.finfo(torch.float32).tiny)
    mean_D = (teacher * weight).sum(others, keepdim=True) / mass
    spread = ((teacher - mean_D).square() * weight).sum() / mass
    difference = ((student - teacher).square() * weight).sum() / mass
    return difference / spread.clamp_min(SPREAD_FLOOR)


def _logit_loss(student: Tensor, teacher: Tensor, valid_NHW: Tensor | None, temperature: float) -> Tensor:
    said = functional.log_softmax(student.float() / temperature, dim=1)
    wanted = functional.log_softmax(teacher.float() / temperature, dim=1)
    divergence_NHW = (wanted.exp() * (wanted - said)).sum(1)
    weight_NHW = _weight(valid_NHW, teacher)
    mean = (divergence_NHW * weight_NHW).sum() / weight_NHW.sum().clamp_min(1)
    return mean * temperature**2


def _weight(valid_NHW: Tensor | None, like_NDHW: Tensor) -> Tensor:
    """1 where a pixel counts, else 0; float32."""
    if valid_NHW is None:
        return torch.ones(like_NDHW[:, 0].shape, device=like_NDHW.device)
    return valid_NHW.float()


def _check_alike(student: DistilView, teacher: DistilView) -> None:
    if len(student.levels) != len(teacher.levels):
        raise ValueError(
            f"student and teacher have equally many levels, got {len(student.levels)} and {len(teacher.levels)}; build "
            "both from one configuration"
        )
    pairs = {name: (getattr(student, name), getattr(teacher, name)) for name in _VALID}
    pairs |= {f"level {index}": pair for index, pair in enumerate(zip(student.levels, teacher.levels, strict=True))}
    for name, (mine, theirs) in pairs.items():
        if mine.shape != theirs.shape:
            raise ValueError(
                f"student and teacher are compared shape by shape, got {name} of {tuple(mine.shape)} and "
                f"{tuple(theirs.shape)}; give both the same batch, and widths that pruning leaves alone"
            )


_VALID = {
    "maps_NPHW": "map_valid_NHW",
    "land_cover_NKHW": "land_cover_valid_NHW",
    "change_NKHW": "change_valid_NHW",
}
