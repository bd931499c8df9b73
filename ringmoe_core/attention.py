"""Self-attention inside windows of a token grid, with a bias for each relative position.

Legend: N images, h, w token grid, D channels, A heads, E channels of a head, X windows of an image, n tokens of a
window.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringmoe_core.attention_backend import choose_backend, has_matrix_units
from ringmoe_core.position_bias import KeptBias, LogSpacedBias, hide_dead, mask_windows, place_bias
from ringmoe_core.windows import WindowPlan, cut_tokens, plan_windows, shift_grid, unshift_grid

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringmoe_core.window_kernel import WindowKernel

FIRST_SCALE: Final = 10.0
LARGEST_SCALE: Final = 100.0
"""Of the cosine before training, and at most (Swin Transformer V2, arXiv 2111.09883, section 3.2, and its code)."""

COSINE_EPS: Final = 1e-6
"""Added to the squared length of a query or key, so that a vector of zeros has a cosine and a gradient."""


class WindowAttention(nn.Module):
    """Multi-head attention of each token to the tokens of its window.

    `bias`: scaled dot product with a learned table of biases (Swin Transformer, arXiv 2103.14030, equation 4).
    `cosine`: cosine times a learned scale of at most 100 for each head, with a log-spaced continuous bias and no bias
    of the keys (Swin Transformer V2, arXiv 2111.09883, equations 2 and 4): parameters serve windows of any side.
    """

    def __init__(
        self,
        dim: int,
        head_dim: int,
        window: int,
        *,
        shifted: bool,
        kind: Literal["bias", "cosine"] = "bias",
    ) -> None:
        super().__init__()
        self.num_heads = dim // head_dim
        self.window = window
        self.shifted = shifted
        self.kind = kind
        self.kernel: WindowKernel | None = None  # set by `window_kernel.use_window_kernel`
        self._kept = KeptBias()
        if kind == "bias":
            self.qkv = nn.Linear(dim, 3 * dim)
            self.projection = nn.Linear(dim, dim)
            self.bias_table_RA = nn.Parameter(torch.empty((2 * window - 1) ** 2, self.num_heads))
        else:
            self.qkv = nn.Linear(dim, 3 * dim, bias=False)
            self.projection = nn.Linear(dim, dim)
            self.query_bias_D = nn.Parameter(torch.empty(dim))
            self.value_bias_D = nn.Parameter(torch.empty(dim))
            self.log_scale_A = nn.Parameter(torch.empty(self.num_heads))  # natural logarithm of scale / FIRST_SCALE
            self.position = LogSpacedBias(self.num_heads)

    def forward(self, tokens_NhwD: Tensor, live_Nhw: Tensor | None = None) -> Tensor:
        """Attended tokens, same shape.

        Args:
            tokens_NhwD: any h and w from 1; finite, also where there is no data.
            live_Nhw: bool, tokens that have data; the others are seen by no token that can see a live one. All tokens
                get a result: those without data see the live tokens of their window or, if it has none, each other.
        """
        plan = plan_windows((tokens_NhwD.shape[1], tokens_NhwD.shape[2]), self.window, shifted=self.shifted)
        if live_Nhw is not None and live_Nhw.device.type == "cpu" and bool(live_Nhw.all()):
            live_Nhw = None
        if self.kernel is not None and self.kernel.refusal(self, tokens_NhwD) is None:
            mixed_NhwD = self._attend_grid(self.kernel, tokens_NhwD, live_Nhw, plan)
            projected: Tensor = self.projection(mixed_NhwD)
            return projected
        return self._attend_windows(tokens_NhwD, live_Nhw, plan)

    def _attend_grid(
        self, kernel: WindowKernel, tokens_NhwD: Tensor, live_Nhw: Tensor | None, plan: WindowPlan
    ) -> Tensor:
        def make() -> Tensor:
            return kernel.pad_bias(self._bias(plan))

        return kernel.attend(
            self._qkv(tokens_NhwD),
            self._kept.get((plan.window, "kernel"), self._bias_parameters(), make),
            self._scale(),
            plan,
            live_Nhw,
            cosine=self.kind == "cosine",
        )

    def _attend_windows(self, tokens_NhwD: Tensor, live_Nhw: Tensor | None, plan: WindowPlan) -> Tensor:
        N, _, _, D = tokens_NhwD.shape
        (rows, columns), (down, across), A = plan.padded, plan.window, self.num_heads
        cut = (N, rows // down, down, columns // across, across, 3, A, D // A)
        joined = self._qkv(shift_grid(tokens_NhwD, plan)).reshape(cut)
        query, key, value = joined.permute(5, 0, 1, 3, 6, 2, 4, 7).flatten(5, 6)
        live_NXn = None if live_Nhw is None else cut_tokens(live_Nhw, plan)
        attended = self._attend(query, key, value, live_NXn, plan)  # (N, down, across, A, n, E)
        mixed_NhwD = attended.reshape(*attended.shape[:4], *plan.window, D // A).permute(0, 1, 4, 2, 5, 3, 6)
        return unshift_grid(self.projection(mixed_NhwD.reshape(N, rows, columns, D)), plan)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, live_NXn: Tensor | None, plan: WindowPlan) -> Tensor:
        """Attention on (N, down, across, A, n, E); windows join the heads' axis where each has its own mask."""
        shape, scale = query.shape, query.shape[-1] ** -0.5
        if self.kind == "cosine":
            query, key, scale = point(query, self._scale()[:, None, None]), point(key), 1.0
        bias = self._kept.get(
            (plan, query.dtype), self._bias_parameters(), lambda: mask_windows(self._bias(plan), plan).to(query.dtype)
        )
        if live_NXn is None and not plan.needs_mask:
            query, key, value = (part.flatten(0, 2) for part in (query, key, value))  # (N X, A, n, E)
        else:
            query, key, value = (part.flatten(1, 3) for part in (query, key, value))  # (N, X A, n, E)
            if live_NXn is not None:
                bias = bias + hide_dead(live_NXn, plan).to(bias)[:, :, None, None]  # (N, X, A, n, n)
            bias = bias.flatten(-4, -3)
            if live_NXn is None:
                bias = bias[None]
        backend = choose_backend(
            device=query.device.type,
            dtype=query.dtype,
            matrix_units=has_matrix_units(),
            bias_gradient=bias.requires_grad and torch.is_grad_enabled(),
        )
        return _BACKENDS[backend](query, key, value, bias, scale).reshape(shape)

    def _qkv(self, tokens_NhwD: Tensor) -> Tensor:
        if self.kind == "bias":
            joined: Tensor = self.qkv(tokens_NhwD)
            return joined
        bias = torch.cat([self.query_bias_D, torch.zeros_like(self.query_bias_D), self.value_bias_D])
        return functional.linear(tokens_NhwD, self.qkv.weight, bias)

    def _scale(self) -> Tensor:
        """What each head's products or cosines are multiplied by, (A,), float32."""
        if self.kind == "bias":
            head_dim = self.qkv.in_features // self.num_heads
            return torch.full((self.num_heads,), head_dim**-0.5)
        return FIRST_SCALE * self.log_scale_A.float().clamp(max=math.log(LARGEST_SCALE / FIRST_SCALE)).exp()

    def _bias(self, plan: WindowPlan) -> Tensor:
        if self.kind == "bias":
            return place_bias(self.bias_table_RA, plan, self.window)
        reach = max(plan.window)
        return place_bias(self.position(reach), plan, reach)

    def _bias_parameters(self) -> tuple[Tensor, ...]:
        return (self.bias_table_RA,) if self.kind == "bias" else tuple(self.position.parameters())

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> WindowAttention:
        self._kept.clear()  # moving parameters shows in no version
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def point(vectors: Tensor, length: Tensor | None = None) -> Tensor:
    """Vectors of length 1, or of `length`, computed in float32 and rounded once."""
    exact = vectors.float() if vectors.dtype in (torch.bfloat16, torch.float16) else vectors
    factor = torch.rsqrt(exact.square().sum(-1, keepdim=True) + COSINE_EPS)
    return (exact * (factor if length is None else factor * length)).to(vectors.dtype)


def _attend_fused(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scale: float) -> Tensor:
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=scale)


def _attend_product(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scale: float) -> Tensor:
    scores = torch.matmul(query if scale == 1.0 else query * scale, key.transpose(-1, -2))
    scores = scores + bias if torch.is_grad_enabled() else scores.add_(bias)
    return torch.matmul(scores.softmax(-1), value)


_BACKENDS = {"fused": _attend_fused, "product": _attend_product}
