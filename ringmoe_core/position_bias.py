"""The part of an attention score that depends on nothing but where two tokens lie to each other.

Legend: N images, X windows of an image, A heads, n tokens of a window, R offsets, F hidden channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.windows import MASKED, WindowPlan, relative_index, window_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

HIDDEN_CHANNELS: Final = 512
LARGEST_BIAS: Final = 16.0
"""Of the network that makes the bias, and of the bias (Swin Transformer V2, arXiv 2111.09883, section 3.3 and code)."""

_NEAR_OFFSETS: Final = 8
"""1 + offset whose coordinate is 1: the far corner of a window of 8."""

_MAX_KEPT: Final = 8


class LogSpacedBias(nn.Module):
    """Bias of a pair of tokens, by a small network of the logarithm of their offset.

    16 sigmoid(MLP(sign(d) log(1 + |d|) / log 8)) (arXiv 2111.09883, equation 4), d in tokens down and across. It knows
    nothing of the window, so what was learned for an offset holds in windows and images of any size.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2, HIDDEN_CHANNELS)
        self.output = nn.Linear(HIDDEN_CHANNELS, num_heads, bias=False)

    def forward(self, reach: int) -> Tensor:
        """Bias of every offset up to `reach` - 1 tokens, (R, A), rows as `relative_index` counts; float32 always."""
        device = self.hidden.weight.device
        offset = torch.arange(1 - reach, reach, device=device, dtype=torch.float32)
        spaced = offset.sign() * offset.abs().log1p() / torch.tensor(float(_NEAR_OFFSETS)).log().item()
        place_R2 = torch.cartesian_prod(spaced, spaced).reshape(-1, 2)
        with torch.autocast(device.type, enabled=False):
            hidden_RF = functional.linear(place_R2, self.hidden.weight.float(), self.hidden.bias.float()).relu()
            return LARGEST_BIAS * functional.linear(hidden_RF, self.output.weight.float()).sigmoid()


def place_bias(table_RA: Tensor, plan: WindowPlan, reach: int) -> Tensor:
    """Bias of each pair of tokens of a window, (A, n, n), from that of each offset up to `reach` - 1."""
    index = torch.from_numpy(relative_index(plan.window, reach)).to(table_RA.device)
    num = plan.num_tokens
    return table_RA.index_select(0, index).t().reshape(-1, num, num)


def mask_windows(bias_Ann: Tensor, plan: WindowPlan) -> Tensor:
    """Bias with pairs that must not see each other at MASKED, (X, A, n, n); X = 1 where all windows are alike."""
    if not plan.needs_mask:
        return bias_Ann[None]
    return bias_Ann + torch.from_numpy(window_mask(plan)).to(bias_Ann)[:, None]


def hide_dead(live_NXn: Tensor, plan: WindowPlan) -> Tensor:
    """MASKED for keys without data and 0 for the rest, (N, X, n), float32.

    A part of a window without any live token keeps its keys: its tokens see each other as if they had data.

    Args:
        live_NXn: (N, X, n) bool, False for padding.
        plan: of the grid.
    """
    if plan.needs_mask:
        together_Xnn = torch.from_numpy(window_mask(plan) == 0).to(live_NXn.device)
        company = (together_Xnn & live_NXn[:, :, None]).any(-1)
    else:
        company = live_NXn.any(-1, keepdim=True)
    return torch.where(company & ~live_NXn, MASKED, 0.0)


class KeptBias:
    """Biases that were made from parameters, kept while these do not change; made anew wherever gradients may flow.

    A change is seen by the parameters' identity, storage and version; writing through `Tensor.data` shows none of
    these, so whoever does that calls `clear`.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[tuple[object, ...], Tensor]] = {}

    def get(self, key: Hashable, parameters: tuple[Tensor, ...], make: Callable[[], Tensor]) -> Tensor:
        """What `make` returns, or returned for the same key from the same values."""
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or any(part.is_inference() for part in parameters):
            return make()
        state = tuple((id(part), part.data_ptr(), part._version) for part in parameters)  # noqa: SLF001 its only name
        found = self._kept.get(key)
        if found is not None and found[0] == state:
            return found[1]
        made = make()
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[key] = (state, made)
        return made

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()

    def __deepcopy__(self, memo: dict[int, object]) -> KeptBias:
        return KeptBias()

    def __reduce__(self) -> tuple[type[KeptBias], tuple[()]]:
        return KeptBias, ()
