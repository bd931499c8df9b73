"""From an image's pyramid to a prediction at every pixel: light, so that the encoder has to know.

Legend: N images, D channels of a level, F decoder channels, R numbers a pixel, h, w cells of a level, p pixels along a
patch, H, W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.features import level_grids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringmoe_core.config import RingMoEConfig


class LightDecoder(nn.Module):
    """Adds projected levels from coarse to fine, and gives each patch of the finest its pixels.

    The paper predicts 32 x 32 px from the last stage by one linear layer; here all stages take part, as in a pyramid,
    so that each learns. Full-resolution features of the image itself do not: a hidden pixel has none. With
    `takes_others` the fused pyramid of the other modalities is added, at full resolution too, where it is visible.
    """

    def __init__(self, model: RingMoEConfig, dim: int, num_numbers: int, *, takes_others: bool) -> None:
        super().__init__()
        self.model, self.num_numbers = model, num_numbers
        self.levels = nn.ModuleList(nn.Linear(level_dim, dim) for level_dim in model.stage_dims)
        self.mix = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, num_numbers * model.patch**2)
        self.others = nn.ModuleList()
        if takes_others:
            self.others.extend(nn.Linear(model.fusion_dim, dim, bias=False) for _ in model.stage_dims)
            self.fine = nn.Linear(model.skip_fused_dim, num_numbers, bias=False)

    def forward(self, levels: Sequence[Tensor], others: Sequence[Tensor] | None, size: tuple[int, int]) -> Tensor:
        """Numbers (N, R, H, W).

        Args:
            levels: (N, h, w, D) of the stages, finest first.
            others: fused levels (N, h, w, F) of the other modalities, full resolution first; None for none.
            size: H and W.
        """
        cells = [project(level) for project, level in zip(self.levels, levels, strict=True)]
        if others is not None:
            extra = [project(level) for project, level in zip(self.others, others[1:], strict=True)]
            cells = [own + other for own, other in zip(cells, extra, strict=True)]
        top = cells[-1]
        for finer in cells[-2::-1]:
            top = finer + _double(top, finer)
        top = functional.gelu(top)
        top = functional.gelu(top + self.mix(top))
        numbers_NRHW = self._pixels(self.output(top))
        if others is not None:
            numbers_NRHW = numbers_NRHW + self.fine(others[0]).permute(0, 3, 1, 2)
        return numbers_NRHW[..., : size[0], : size[1]]

    def nothing(self, size: tuple[int, int]) -> list[Tensor]:
        """Others' levels of one image, all zero."""
        grids = level_grids(size, self.model)
        dims = [self.fine.in_features, *(self.model.fusion_dim for _ in self.model.stage_dims)]
        like = self.output.weight
        return [like.new_zeros(1, *grid, dim) for grid, dim in zip(grids, dims, strict=True)]

    def _pixels(self, cells_NhwE: Tensor) -> Tensor:
        N, h, w, _ = cells_NhwE.shape
        R, p = self.num_numbers, self.model.patch
        return cells_NhwE.reshape(N, h, w, R, p, p).permute(0, 3, 1, 4, 2, 5).reshape(N, R, h * p, w * p)


def _double(coarse_NhwF: Tensor, fine_NhwF: Tensor) -> Tensor:
    """Each coarse cell for its four fine ones, cut to the size of `fine_NhwF` where that was odd."""
    N, h, w, F = coarse_NhwF.shape
    doubled = coarse_NhwF[:, :, None, :, None].expand(N, h, 2, w, 2, F).reshape(N, 2 * h, 2 * w, F)
    return doubled[:, : fine_NhwF.shape[1], : fine_NhwF.shape[2]]
