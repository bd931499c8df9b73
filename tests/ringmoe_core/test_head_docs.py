"""The examples of docs/heads.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from ringmoe_core import CheckpointMetadata, RingMoE, load_checkpoint, nano, save_checkpoint
from ringmoe_core.heads import HeadConfig, build_head
from ringmoe_core.heads.head_config import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "heads.md").read_text()


def test_examples_run(make_series, tmp_path):
    metadata = CheckpointMetadata(
        trained_modalities=("ms",),
        normalisation="test-1",
        class_names=tuple("abcdefg"),
        change_names=tuple("wxyz"),
        provenance="random numbers",
    )
    save_checkpoint(RingMoE(nano()), tmp_path / "b.safetensors", metadata=metadata)
    names = {
        "series": {"ms": make_series("ms", places=1, dates=2, size=(32, 32))},
        "mask": torch.zeros(1, 32, 32, dtype=torch.long),
        "loaded": load_checkpoint(tmp_path / "b.safetensors"),
        "path": tmp_path / "heads.safetensors",
    }
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "docs/heads.md", "exec"), names)
    assert names["logits"].shape == (1, 3, 32, 32)
    assert names["again"].metadata.temperature("crop") == 1.4


@pytest.mark.parametrize("kind", KINDS)
def test_stated_numbers_of_parameters_are_true(kind):
    row = next(line for line in PAGE.splitlines() if line.startswith((f"| `{kind}` ", f"| `{kind}`,")))
    stated = row.split("|")[-2]
    config = HeadConfig(kind=kind, task="t", class_names=() if kind == "height" else tuple("abcdefg"))
    num = sum(parameter.numel() for parameter in build_head(config, nano()).parameters())
    assert (f"{num / 1000:.0f} k" if num >= 1000 else str(num)) in stated
