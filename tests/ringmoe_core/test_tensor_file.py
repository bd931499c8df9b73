from __future__ import annotations

import hashlib
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ringmoe_core import CheckpointError, tensor_file
from ringmoe_core.tensor_file import TensorFile, TensorSource, write_tensors

DTYPES = (torch.bfloat16, torch.float32, torch.float16, torch.int64, torch.bool, torch.uint8, torch.float64)
SHAPES = st.lists(st.integers(0, 9), max_size=3).map(tuple)


def source(value):
    return TensorSource(dtype=value.dtype, shape=tuple(value.shape), values=lambda: value)


def drawn(shapes):
    generator = torch.Generator().manual_seed(0)
    return {
        f"t{index}": (100 * torch.randn(shape, generator=generator)).to(dtype)
        for index, (shape, dtype) in enumerate(shapes)
    }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(shapes=st.lists(st.tuples(SHAPES, st.sampled_from(DTYPES)), min_size=1, max_size=6), chunk=st.integers(1, 99))
def test_files_equal_the_librarys_reading_and_ours_reads_the_librarys(tmp_path_factory, shapes, chunk):
    tensors, folder = drawn(shapes), tmp_path_factory.mktemp("t")
    ours, theirs = folder / "ours", folder / "theirs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_file, "_CHUNK", chunk)
        written = write_tensors(ours, {name: source(value) for name, value in tensors.items()}, {"key": "ü"})
    content = ours.read_bytes()
    assert (written.size, written.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    save_file(tensors, theirs, metadata={"key": "ü"})
    found = load_file(ours)
    assert set(found) == set(tensors)
    with safe_open(ours, framework="pt") as opened:
        assert opened.metadata() == {"key": "ü"}
    for path in (ours, theirs):
        mapped = TensorFile(path)
        assert mapped.notes == {"key": "ü"}
        assert mapped.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
        for name, value in tensors.items():
            got = mapped.tensor(name)
            assert got.dtype == value.dtype
            assert torch.equal(got, value)
            assert torch.equal(found[name], value)
            assert not got.numel() or got.data_ptr() % 64 == 0
    for place in TensorFile(ours).places.values():
        assert place.num_bytes % 64 or place.start % 64 == 0


def test_values_are_converted_on_the_way(tmp_path):
    value = torch.randn(3, 5, 7).transpose(0, 2)
    sources = {"a": TensorSource(dtype=torch.bfloat16, shape=(7, 5, 3), values=lambda: value)}
    write_tensors(tmp_path / "f", sources, {})
    assert torch.equal(load_file(tmp_path / "f")["a"], value.bfloat16())


def head(entries, data=b"", *, length=None):
    text = json.dumps(entries).encode() if isinstance(entries, (dict, list)) else entries
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(shape, start, end, dtype="U8"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        head({}, length=1 << 62),
        head(b"{"),
        head(b"\xff\xff"),
        head([]),
        head({"a": 1}),
        head({"a": entry([3], 0, 3, "F8")}, b"abc"),
        head({"a": entry([2], 0, 3)}, b"abc"),
        head({"a": entry([3], 0, 4)}, b"abc"),
        head({"a": entry([3], 1, 4)}, b"abcd"),
        head({"a": entry([2], 0, 2), "b": entry([2], 1, 3)}, b"abc"),
        head({"a": entry([1], 0, 1), "b": entry([1], 2, 3)}, b"abc"),
        head({"a": entry([3], 0, 3)}, b"abcd"),
        head({"a": entry([-1, -3], 0, 3)}, b"abc"),
        head({"a": entry([3], -3, 0)}, b"abc"),
        head({"__metadata__": 7}),
    ],
)
def test_broken_files_are_refused(tmp_path, content):
    path = tmp_path / "f"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a checkpoint must be a whole safetensors file, got .*; copy it again"):
        TensorFile(path)


def test_an_empty_header_is_a_file_without_tensors(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(head({}))
    assert TensorFile(path).places == {}
