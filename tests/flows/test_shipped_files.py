"""Files that come with the package: what may be there, how large, and what belongs together."""

from __future__ import annotations

import pytest

from flows import weights
from flows.errors import ConfigError
from flows.weights import MOST_SHIPPED_MB, NAMES, SHIPPED, heads_path, shipped_folder, shipped_megabytes, weights_path
from pipelines.inference.novelty_file import load_novelty, novelty_path
from ringmoe_core import load_checkpoint
from ringmoe_core.heads import load_heads


def test_all_files_together_are_small_enough_to_ship():
    sizes = shipped_megabytes()
    on_disk = sum(path.stat().st_size for path in shipped_folder().iterdir() if path.suffix == ".safetensors")
    assert sum(sizes.values()) == pytest.approx(on_disk / 1e6)
    assert sum(sizes.values()) <= MOST_SHIPPED_MB, sizes


def test_every_file_of_tensors_has_a_name_that_users_can_ask_for():
    parts = ("", ".heads", ".novelty")
    allowed = {f"{name}{part}.safetensors" for name in NAMES for part in parts}
    assert set(shipped_megabytes()) <= allowed
    assert set(SHIPPED) == {name for name in NAMES if f"{name}.safetensors" in shipped_megabytes()}


@pytest.mark.parametrize("name", SHIPPED)
def test_heads_and_statistics_belong_to_the_weights_beside_them(name):
    loaded = load_checkpoint(weights_path(name))
    heads = shipped_folder() / f"{name}.heads.safetensors"
    if heads.is_file():  # each refuses other weights than its own
        assert load_heads(heads_path(name), loaded).heads
    statistics = novelty_path(weights_path(name))
    if statistics.is_file():
        load_novelty(statistics, model_sha256=loaded.sha256)


def test_heads_lie_beside_weights_given_by_path_or_by_name(tmp_path, monkeypatch):
    path = tmp_path / "mine.v2.safetensors"
    path.touch()
    with pytest.raises(ConfigError, match=r"no .*mine\.v2\.heads\.safetensors"):
        heads_path(str(path))
    beside = tmp_path / "mine.v2.heads.safetensors"
    beside.touch()
    assert heads_path(str(path)) == beside
    monkeypatch.setattr(weights, "SHIPPED", ("mine.v2",))
    monkeypatch.setattr(weights, "shipped_folder", lambda: tmp_path)
    assert heads_path("mine.v2") == beside
    with pytest.raises(ConfigError, match="or the path of a checkpoint"):
        heads_path("tiny-of-another")


def test_heads_of_shards_lie_in_their_folder(tmp_path):
    (tmp_path / "heads.safetensors").touch()
    assert heads_path(str(tmp_path)) == tmp_path / "heads.safetensors"
