"""Window attention compiled for this machine's processor, for inference by those who ask for it.

`window_kernel.c` reads queries, keys and values where the token grid has them and writes the result there: no roll, no
copies into windows, scores that never leave the cache. Core and copies take 0.5 to 0.65 of the time of the two products
in bfloat16 (windows of 8 and 12, AMD EPYC Zen 4); in float32 it is no faster than torch's own fused kernel.

Legend: N images, h, w token grid, D channels, A heads, X windows of an image, n tokens of a window, p = n rounded up.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional

from ringmoe_core.attention import WindowAttention
from ringmoe_core.windows import WindowPlan, window_regions, window_tokens

if TYPE_CHECKING:
    from torch import nn

SOURCE: Final = Path(__file__).with_suffix(".c")
COMPILERS: Final = ("gcc", "clang", "cc")
FLAGS: Final = (
    "-O3", "-march=native", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-shared", "-fPIC",
)  # fmt: skip
DTYPES: Final = {torch.bfloat16: ("-DBFLOAT",), torch.float32: ()}
"""Number formats that there is a kernel for, and what their compilation is told."""

PADDING_SCORE: Final = -1e30
KEY_MULTIPLE: Final = 32
CHANNEL_MULTIPLE: Final = 16
MAX_CHANNELS: Final = 256


class _Problem(ctypes.Structure):
    """The kernel's `problem`, field by field."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("images", "tokens", "windows", "num", "heads", "size", "padded")),
        *((name, ctypes.c_void_p) for name in ("qkv", "out", "bias", "scale", "token", "region", "live")),
        ("cosine", ctypes.c_int64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowKernel:
    """The compiled kernel for one number format."""

    dtype: torch.dtype
    """Of queries, keys, values and result."""

    def refusal(self, layer: WindowAttention, tokens_NhwD: Tensor) -> str | None:
        """Why the kernel cannot serve this call, so that the plain way does; None where it can."""
        device = tokens_NhwD.device.type
        autocast = device == "cpu" and torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else tokens_NhwD.dtype
        head_dim = tokens_NhwD.shape[-1] // layer.num_heads
        if torch.is_grad_enabled():
            return "it has no gradient; run under torch.inference_mode"
        if torch.compiler.is_compiling():
            return "torch.compile cannot see into it"
        if device != "cpu":
            return f"it is for the CPU, tokens are on {device}"
        if dtype != self.dtype:
            return f"it was compiled for {self.dtype}, products are in {dtype}"
        if head_dim % CHANNEL_MULTIPLE or head_dim > MAX_CHANNELS:
            return f"heads must have a multiple of {CHANNEL_MULTIPLE} channels up to {MAX_CHANNELS}, not {head_dim}"
        return None

    def pad_bias(self, bias_Ann: Tensor) -> Tensor:
        """Bias as the kernel reads it: (A, n, p), float32, padding at a score that no softmax sees."""
        num = bias_Ann.shape[-1]
        return functional.pad(bias_Ann.float(), (0, -num % KEY_MULTIPLE), value=PADDING_SCORE).contiguous()

    def attend(
        self,
        qkv_NhwD: Tensor,
        bias_Anp: Tensor,
        scale_A: Tensor,
        plan: WindowPlan,
        live_Nhw: Tensor | None,
        *,
        cosine: bool,
    ) -> Tensor:
        """Attended tokens (N, h, w, D) before the projection.

        Args:
            qkv_NhwD: queries, keys and values side by side (N, h, w, 3 D), neither padded nor shifted.
            bias_Anp: of `pad_bias`.
            scale_A: float32 factor of each head's products or cosines.
            plan: of the grid.
            live_Nhw: bool, tokens that may be seen.
            cosine: whether products are divided by the lengths of query and key.

        Raises:
            MemoryError: there is none for the kernel's working memory.
        """
        N, h, w, channels = qkv_NhwD.shape
        A = scale_A.shape[0]
        qkv_NhwD = qkv_NhwD.contiguous()
        out_NhwD = qkv_NhwD.new_empty(N, h, w, channels // 3)
        live = None if live_Nhw is None else live_Nhw.contiguous()
        token, region = window_tokens(plan), window_regions(plan)
        problem = _Problem(
            images=N, tokens=h * w, windows=token.shape[0], num=plan.num_tokens, heads=A, size=channels // 3 // A,
            padded=bias_Anp.shape[-1], qkv=qkv_NhwD.data_ptr(), out=out_NhwD.data_ptr(), bias=bias_Anp.data_ptr(),
            scale=scale_A.data_ptr(), token=token.ctypes.data, region=region.ctypes.data,
            live=None if live is None else live.data_ptr(), cosine=cosine,
        )  # fmt: skip
        if _load(self.dtype).attend_windows(ctypes.byref(problem), ctypes.c_int64(torch.get_num_threads())):
            raise MemoryError("the window kernel needs working memory, got none; use fewer threads or a smaller window")
        return out_NhwD


def use_window_kernel(model: nn.Module, dtype: torch.dtype = torch.bfloat16) -> str | None:
    """Makes every window attention of `model` use the compiled kernel from now on, wherever it can serve a call.

    The first use in a process compiles it, about one second; nothing is left on disk. Results equal the plain way's
    within rounding. Where a call needs a gradient, another device or another number format, the plain way serves it
    (`WindowKernel.refusal` says why).

    Args:
        model: whose modules are changed in place.
        dtype: number format that the model computes in, bfloat16 or float32.

    Returns:
        None, or the reason why the model was left as it is.
    """
    reason = kernel_refusal(dtype)
    if reason is None:
        for module in model.modules():
            if isinstance(module, WindowAttention):
                module.kernel = WindowKernel(dtype=dtype)
    return reason


@lru_cache(maxsize=8)
def kernel_refusal(dtype: torch.dtype) -> str | None:
    """Why this machine has no kernel for a number format, or None where it has; compiles it to find out."""
    if dtype not in DTYPES:
        return f"there is a kernel for {sorted(map(str, DTYPES))}, not for {dtype}"
    try:
        _load(dtype)
    except (OSError, subprocess.SubprocessError) as error:
        return f"the kernel could not be compiled: {error}"
    return None


@lru_cache(maxsize=8)
def _load(dtype: torch.dtype) -> ctypes.CDLL:
    compiler = next((path for path in map(shutil.which, COMPILERS) if path), None)
    if compiler is None:
        raise FileNotFoundError(f"a C compiler is needed ({', '.join(COMPILERS)}), none is on the path; install one")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "window_kernel.so"
        command = [compiler, *FLAGS, *DTYPES[dtype], str(SOURCE), "-o", str(target), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own source
        if done.returncode:
            raise OSError(f"{compiler} failed: {done.stderr.strip().splitlines()[-1:]}; see {SOURCE.name}")
        return ctypes.CDLL(str(target))
