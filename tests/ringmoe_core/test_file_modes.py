"""Files of weights, heads and novelty have the mode of any other new file, and appear whole or not at all."""

import os
import stat

import pytest
import torch

from ringmoe_core.appearing import appearing
from ringmoe_core.sealed_file import read_sealed, write_sealed


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_a_sealed_file_has_the_mode_of_the_umask(tmp_path, mask, mode):
    path = tmp_path / "a.safetensors"
    (tmp_path / "a.safetensors.partial").touch(0o600)  # left by a run that was killed
    before = os.umask(mask)
    try:
        write_sealed(path, {"w": torch.ones(2)}, key="k", header={})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert read_sealed(path, key="k")[0]["w"].tolist() == [1.0, 1.0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]


def test_what_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")

    def fail():
        with appearing(path) as partial:
            partial.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1
