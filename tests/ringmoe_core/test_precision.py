"""Precision follows the device, and float32 stays float32 unless the faster product is as exact."""

from __future__ import annotations

import ctypes
import importlib
import sys
from pathlib import Path

import pytest
import torch

import ringmoe_core
from ringmoe_core import heap, precision
from ringmoe_core.heap import keep_heap
from ringmoe_core.precision import Precision, choose_precision, onednn_products, product_error


@pytest.fixture
def before():
    value = torch.backends.mkldnn.matmul.fp32_precision
    yield value
    torch.backends.mkldnn.matmul.fp32_precision = value


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_cpu_computes_in_bfloat16_only_where_it_is_native(monkeypatch, native, dtype, machine):
    monkeypatch.setattr(precision.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native and machine == "x86_64")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: native or machine == "x86_64")
    assert choose_precision("cpu") == Precision(device=torch.device("cpu"), dtype=dtype)


def test_this_cpu_agrees_with_the_flags_of_its_kernel():
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    flags = {word for line in lines if line.startswith("flags") for word in line.split()}
    if not flags:
        pytest.skip(f"needs the x86 flags of {path}")
    assert (choose_precision("cpu").dtype == torch.bfloat16) == ("avx512_bf16" in flags)


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_cuda_is_asked_without_emulation(monkeypatch, native, dtype):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: native or including_emulation)
    assert choose_precision("cuda:0").dtype == dtype


def test_another_device_computes_in_float32():
    assert choose_precision("meta").dtype == torch.float32


def test_half_precision_is_no_precision():
    with pytest.raises(ValueError, match=r"bfloat16 or float32, got torch\.float16"):
        Precision(device=torch.device("cpu"), dtype=torch.float16)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_autocast_multiplies_in_the_precision(dtype):
    weight = torch.ones(4, 4)
    with Precision(device=torch.device("cpu"), dtype=dtype).autocast():
        assert (weight @ weight).dtype == dtype


def test_switch_holds_only_inside_and_only_if_exact(before):
    with onednn_products() as on:
        assert torch.backends.mkldnn.matmul.fp32_precision == ("bf16" if on else before)
        assert product_error() < 1e-6
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_switch_is_restored_after_an_error(before):
    with pytest.raises(RuntimeError, match="inside"), onednn_products():
        raise RuntimeError("inside")
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def rounded(left, right):
    """What a CPU with matrix tiles does under the switch."""
    if torch.backends.mkldnn.matmul.fp32_precision == "bf16":
        return (left.bfloat16() @ right.bfloat16()).float()
    return left @ right


@pytest.mark.parametrize("product", [rounded, lambda left, right: left @ right * float("nan")])
def test_a_failing_self_test_leaves_float32_untouched(monkeypatch, before, product):
    monkeypatch.setattr(precision, "_product", product)
    with onednn_products() as on:
        assert not on
        assert torch.backends.mkldnn.matmul.fp32_precision == before
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_switch_stays_off_without_onednn(monkeypatch, before):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with onednn_products() as on:
        assert not on
        assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_self_test_sees_the_rounding_of_bfloat16(monkeypatch):
    assert product_error() < 1e-6
    monkeypatch.setattr(precision, "_product", lambda left, right: (left.bfloat16() @ right.bfloat16()).float())
    assert 1e-4 < product_error() < 1e-1


class Library:
    """Stands in for the C library and notes what it is asked."""

    def __init__(self, answer=1):
        self.calls = []
        self.answer = answer

    def mallopt(self, parameter, value):
        self.calls.append((parameter, value))
        return self.answer


def test_heap_is_kept_by_both_thresholds(monkeypatch):
    library = Library()
    monkeypatch.delenv("RINGMOE_KEEP_HEAP", raising=False)
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: library)
    assert keep_heap()
    assert library.calls == [(-3, 2**30), (-1, 2**31 - 1)]


def test_heap_is_left_alone_on_request(monkeypatch):
    library = Library()
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: library)
    monkeypatch.setenv("RINGMOE_KEEP_HEAP", "0")
    assert not keep_heap()
    assert library.calls == []


@pytest.mark.parametrize("broken", [lambda _: object(), lambda _: Library(answer=0)])
def test_heap_of_another_c_library_is_reported_as_it_is(monkeypatch, broken):
    monkeypatch.delenv("RINGMOE_KEEP_HEAP", raising=False)
    monkeypatch.setattr(heap.ctypes, "CDLL", broken)
    assert not keep_heap()


def test_heap_variable_is_checked(monkeypatch):
    monkeypatch.setenv("RINGMOE_KEEP_HEAP", "maybe")
    with pytest.raises(ValueError, match="RINGMOE_KEEP_HEAP is 0 or 1, got 'maybe'; unset it"):
        keep_heap()


@pytest.mark.parametrize("name", ["heap", "precision"])
def test_nothing_is_switched_at_import(monkeypatch, before, name):
    def fail(*_):
        raise AssertionError("called at import")

    full = f"ringmoe_core.{name}"
    monkeypatch.setattr(ctypes, "CDLL", fail)
    monkeypatch.setattr(ringmoe_core, name, sys.modules[full])  # restored with the module itself
    monkeypatch.delitem(sys.modules, full)
    assert importlib.import_module(full) is not None
    assert torch.backends.mkldnn.matmul.fp32_precision == before
