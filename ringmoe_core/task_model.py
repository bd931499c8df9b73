"""TaskModel: one backbone, and heads that answer different questions of it.

Legend: B places, G groups, T images a place, N = B G, D channels of a level, h, w cells, H, W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from ringmoe_core.heads.point_series import points_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.fusion import FusedPyramid
    from ringmoe_core.model import RingMoE
    from ringmoe_core.series import Series


class TaskModel(nn.Module):
    """A RingMoE and heads by name; the backbone runs without gradient where none of its parameters wants one."""

    def __init__(self, model: RingMoE, heads: Mapping[str, nn.Module]) -> None:
        """Joins them.

        Raises:
            ValueError: a head does not say what it reads.
        """
        super().__init__()
        for name, head in heads.items():
            if getattr(head, "reads", None) not in READS:
                raise ValueError(
                    f"a head's class says what it reads, one of {READS}, got {type(head).__name__} as "
                    f"'{name}'; give it a `reads`"
                )
        self.model = model
        self.heads = nn.ModuleDict(heads)

    def pyramid(self, series: Mapping[str, Series], membership_BGT: Tensor | None = None) -> FusedPyramid:
        """One pyramid for each group of images of a place.

        Args:
            series: by modality.
            membership_BGT: which image belongs to which group, as of `RingMoE.fuse`; None puts all images of a place in
                one group.

        Raises:
            ValueError: the series or the membership do not fit.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._learns()):
            features = self.model.encode(series)
            if membership_BGT is None:
                membership_BGT = torch.ones_like(features.day_BT, dtype=torch.bool)[:, None]
            return self.model.fuse(features, membership_BGT)

    def run(self, name: str, series: Mapping[str, Series], membership_BGT: Tensor | None = None) -> Any:
        """A head's output: its class says which type.

        A change head takes two groups a place, or pairs of groups: of groups 0, 1, 2, 3 it compares 0 with 1 and 2
        with 3. A pixel-series head reads the pixels themselves and gives logits (B, K, H, W).

        Args:
            name: of the head.
            series: by modality.
            membership_BGT: as of `pyramid`.

        Raises:
            ValueError: no such head, or a membership that does not fit it.
        """
        head = self._head(name)
        if head.reads == "points":
            return _run_points(head, series)
        if head.reads in {"pair", "map_pair"} and (membership_BGT is None or membership_BGT.shape[1] % 2):
            raise ValueError(
                f"'{name}' compares pairs of groups, got {_groups(membership_BGT)}; give a membership (B, 2, T) of the "
                "images before and after"
            )
        return self.apply_head(name, self.pyramid(series, membership_BGT))

    def apply_head(self, name: str, fused: FusedPyramid) -> Any:
        """A head's output for pyramids that are at hand, so that several heads share one run of the backbone.

        Raises:
            ValueError: no such head, or it reads points.
        """
        head = self._head(name)
        if head.reads == "points":
            raise ValueError(f"'{name}' reads the series themselves, got pyramids; call `run`")
        return _RUNS[str(head.reads)](self, head, fused)

    def decode(self, fused: FusedPyramid) -> Tensor:
        """The model's own maps (N, P, H, W) of pyramids."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._learns()):
            return self.model.decode(fused)

    def _head(self, name: str) -> nn.Module:
        if name not in self.heads:
            raise ValueError(f"heads of this model are {sorted(self.heads)}, got {name!r}; name one of them")
        return self.heads[name]

    def _learns(self) -> bool:
        return any(parameter.requires_grad for parameter in self.model.parameters())


def _run_points(head: nn.Module, series: Mapping[str, Series]) -> Tensor:
    first = next(iter(series.values()))
    logits_NK: Tensor = head({name: points_of(one) for name, one in series.items()})
    return logits_NK.reshape(first.num_places, *first.size, -1).permute(0, 3, 1, 2)


def _run_pyramid(task: TaskModel, head: nn.Module, fused: FusedPyramid) -> Any:
    del task
    fine = fused.levels[0] if _wants_fine(head) else None
    return head(fused.levels[1:], fused.size, fine)


def _run_pair(task: TaskModel, head: nn.Module, fused: FusedPyramid) -> Any:
    del task
    before, after = [level[0::2] for level in fused.levels], [level[1::2] for level in fused.levels]
    fine = (before[0], after[0]) if _wants_fine(head) else None
    return head(before[1:], after[1:], fused.size, fine)


def _run_maps(task: TaskModel, head: nn.Module, fused: FusedPyramid) -> Any:
    return head(task.decode(fused))


def _run_map_pair(task: TaskModel, head: nn.Module, fused: FusedPyramid) -> Any:
    maps_NPHW = task.decode(fused)
    return head(maps_NPHW[0::2], maps_NPHW[1::2])


_RUNS = {
    "pyramid": _run_pyramid,
    "pair": _run_pair,
    "maps": _run_maps,
    "map_pair": _run_map_pair,
}

READS: Final = (*_RUNS, "points")
"""What a head can read: levels of a pyramid, of two; decoded maps, of two; series of points."""


def _wants_fine(head: nn.Module) -> bool:
    return bool(getattr(head, "fine_dim", 0))


def _groups(membership_BGT: Tensor | None) -> str:
    return "none" if membership_BGT is None else f"{membership_BGT.shape[1]} groups"
