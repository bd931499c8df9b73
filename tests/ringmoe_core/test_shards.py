from __future__ import annotations

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ringmoe_core import CheckpointError, CheckpointMetadata, RingMoE, RingMoEConfig, load_checkpoint
from ringmoe_core import shards as module
from ringmoe_core.partition import SHARED, plan_parts
from ringmoe_core.presets import tiny
from ringmoe_core.prune.configs import dense_config, extracted_config, pruned_config
from ringmoe_core.shards import SHARD_KEY, load_shards, save_shards

METADATA = CheckpointMetadata(
    trained_modalities=("sar_l2", "ms"),
    normalisation="test-1",
    class_names=("a", "b", "c", "d", "e", "f", "g"),
    change_names=("none", "x", "y", "z"),
    provenance="random numbers",
)
NORM = "encoder.norms.0.weight"
SMALL = {"dim": 16, "head_dim": 8, "depths": (1, 2), "fusion_dim": 16, "skip_dim": 8, "skip_fused_dim": 8, "map_dim": 8}
CONFIGS = {
    "modern": RingMoEConfig(**SMALL),
    "paper": RingMoEConfig(**SMALL, style="paper", maps=False, num_specialised=3),
    "every switch": RingMoEConfig(
        **SMALL,
        balancing="bias",
        attention="cosine",
        embedding="spectral",
        encodes_acquisition=True,
        masks_attention=True,
        top_k=2,
        num_specialised=3,
    ),
    "no experts of its own": RingMoEConfig(**SMALL, num_specialised=0),
    "dense": dense_config(RingMoEConfig(**SMALL)),
    "pruned": pruned_config(RingMoEConfig(**SMALL, num_collaborative=4), keep=0.25),
    "one modality": extracted_config(RingMoEConfig(**SMALL), ["ms"]),
}


def filled(config, seed=1) -> RingMoE:
    """Random values in every parameter and buffer."""
    model, generator = RingMoE(config, seed=0), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            drawn = 0.2 * torch.randn(value.shape, generator=generator)
            value.copy_(1 + drawn if "norm" in name and name.endswith("weight") else drawn)
    return model.eval()


@pytest.fixture(scope="module")
def model() -> RingMoE:
    return filled(CONFIGS["modern"])


@pytest.fixture
def saved(model, tmp_path):
    save_shards(model, tmp_path / "model", metadata=METADATA)
    return tmp_path / "model"


def sign(folder, change=lambda _: None):
    """Alters the index and gives it, and every shard that is there, a true digest, as a clever forger would."""
    path = folder / "index.json"
    index = json.loads(path.read_text())
    del index["sha256"]
    for entry in index["shards"].values():
        file = folder / entry["file"]
        if file.is_file():
            entry.update(size=file.stat().st_size, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    change(index)
    text = json.dumps(index, sort_keys=True, separators=(",", ":"))
    path.write_text(json.dumps({**index, "sha256": hashlib.sha256(text.encode()).hexdigest()}))


def rewrite(path, change):
    """A shard with other tensors, its notes kept."""
    with safe_open(path, framework="pt") as file:
        notes = file.metadata()
    tensors = {name: value.clone() for name, value in load_file(path).items()}
    change(tensors)
    save_file(tensors, path, metadata=notes)


@pytest.mark.parametrize("name", CONFIGS)
def test_float32_round_trip_keeps_every_bit(name, tmp_path):
    model = filled(CONFIGS[name])
    trained = tuple(part for part in METADATA.trained_modalities if part in model.config.modalities)
    metadata = replace(METADATA, trained_modalities=trained)
    digest = save_shards(model, tmp_path / "m", metadata=metadata, dtype=torch.float32)
    for loaded in (load_shards(tmp_path / "m"), load_checkpoint(tmp_path / "m")):
        assert (loaded.metadata, loaded.sha256, loaded.model.config) == (metadata, digest, model.config)
        assert not loaded.model.training
        state = loaded.model.state_dict()
        assert list(state) == list(model.state_dict())
        for key, value in model.state_dict().items():
            assert state[key].dtype == value.dtype
            assert torch.equal(state[key], value), key
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("name", CONFIGS)
def test_every_entry_is_in_exactly_one_part(name):
    config = CONFIGS[name]
    parts, whole = plan_parts(config), RingMoE(config, seed=None).state_dict()
    assert list(parts) == [SHARED, *config.modalities]
    counts = {key: torch.zeros(value.shape, dtype=torch.int64) for key, value in whole.items()}
    for slices in parts.values():
        for key, piece in slices.items():
            piece.of(counts[key]).add_(1)
            assert tuple(piece.of(counts[key]).shape) == piece.shape(tuple(whole[key].shape))
    for key, count in counts.items():
        assert (count == 1).all(), key


def test_parts_are_the_layers_they_should_be(model):
    """Against names and axes written out by hand."""
    parts, modalities = plan_parts(model.config), model.config.modalities
    for index, name in enumerate(modalities):
        for key, piece in parts[name].items():
            length = {"router.specialised_MSD": 1, "context.weight": 1}.get(".".join(key.split(".")[-2:]), 2)
            if key.startswith(("encoder.embeds.", "encoder.skips.")):
                assert piece.axis is None
                assert key.split(".")[2] == name
            elif key.startswith("fusion."):
                assert (piece.axis, piece.start, piece.length) == (1, 7 + index, 1)
            else:
                assert ".mixture." in key
                assert (piece.axis, piece.start, piece.length) == (0, index * length, length)
    assert not [key for key in parts[SHARED] if "specialised" in key or "embeds" in key or "skips" in key]


@pytest.mark.parametrize("name", ["modern", "every switch"])
@pytest.mark.parametrize("modality", ["optical", "sar_l1", "sar_l2", "ms"])
def test_one_modality_gives_what_the_whole_model_gives(name, modality, make_series, tmp_path):
    whole = filled(CONFIGS[name])
    save_shards(whole, tmp_path / "m", metadata=METADATA, dtype=torch.float32)
    loaded = load_shards(tmp_path / "m", [modality])
    assert loaded.model.config == extracted_config(whole.config, [modality])
    assert loaded.metadata.trained_modalities == tuple({modality} & set(METADATA.trained_modalities))
    series, member = {modality: make_series(modality)}, torch.ones(2, 1, 3, dtype=torch.bool)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(series, member), whole(series, member), rtol=1e-4, atol=1e-5)


def test_two_modalities_in_any_order_of_asking(model, saved, make_series):
    first, second = (load_shards(saved, names).model for names in (["ms", "sar_l1"], ("sar_l1", "ms")))
    assert first.config.modalities == second.config.modalities == ("sar_l1", "ms")
    series = {name: make_series(name) for name in first.config.modalities}
    member, whole = torch.ones(2, 1, 6, dtype=torch.bool), load_shards(saved).model
    with torch.inference_mode():
        assert torch.equal(first(series, member), second(series, member))
        torch.testing.assert_close(first(series, member), whole(series, member), rtol=1e-4, atol=1e-5)


def test_one_modality_needs_and_opens_its_own_shards_only(saved, monkeypatch):
    for name in ("optical", "sar_l1", "sar_l2"):
        (saved / f"{name}.safetensors").unlink()
    opened, real = [], module.TensorFile
    monkeypatch.setattr(module, "TensorFile", lambda path: opened.append(path.name) or real(path))
    load_shards(saved, ["ms"])
    assert opened == ["shared.safetensors", "ms.safetensors"]
    with pytest.raises(CheckpointError, match=r"missing \['optical.*'sar_l1.*'sar_l2.*left over \[\]"):
        load_shards(saved)


def mapped_ranges(folder):
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if str(folder) in line]
    return [tuple(int(side, 16) for side in line[0].split("-")) for line in lines]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the map of the process")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_parameters_lie_in_the_file_and_writing_leaves_it_alone(model, tmp_path, dtype):
    save_shards(model, tmp_path / "m", metadata=METADATA, dtype=dtype)
    loaded = load_shards(tmp_path / "m", ["ms"], dtype=dtype).model
    ranges = mapped_ranges(tmp_path / "m")
    assert ranges
    state = loaded.state_dict()
    assert {value.dtype for value in state.values()} == {dtype}
    copied = {key for key, value in state.items() if not any(low <= value.data_ptr() < high for low, high in ranges)}
    whole_lines = {key for key, value in state.items() if value.nbytes % 64 == 0}
    joined = {key for key in state if key.endswith("context.weight")}
    assert copied <= (set(state) - whole_lines) | joined
    assert sum(state[key].nbytes for key in copied) < 0.1 * sum(value.nbytes for value in state.values())
    assert all(value.data_ptr() % 64 == 0 for value in state.values())
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.add_(1)
    del loaded, state
    again = load_shards(tmp_path / "m", ["ms"], dtype=torch.float32).model  # refuses altered bytes
    assert torch.equal(again.encoder.norms[0].weight, model.encoder.norms[0].weight.to(dtype).float())


def test_conversion_copies_and_lets_go_of_the_file(saved):
    loaded = load_shards(saved, ["ms"], dtype=torch.float32)
    assert not mapped_ranges(saved)
    assert {value.dtype for value in loaded.model.state_dict().values()} == {torch.float32}


def test_buffers_keep_their_type(tmp_path):
    model = filled(CONFIGS["every switch"])
    buffers = dict(model.named_buffers())
    assert buffers
    save_shards(model, tmp_path / "m", metadata=METADATA, dtype=torch.bfloat16)
    one = load_shards(tmp_path / "m", ["sar_l2"], dtype=torch.bfloat16).model
    for name, value in one.named_buffers():
        assert value.dtype == torch.float32
        own = buffers[name][2:3] if name.endswith("specialised_bias_MS") else buffers[name]
        assert torch.equal(value, own), name


@pytest.mark.parametrize("part", [SHARED, "ms"])
def test_shards_are_plain_safetensors_with_aligned_tensors_and_provenance(model, saved, part):
    path = saved / f"{part}.safetensors"
    found, pieces = load_file(path), plan_parts(model.config)[part]
    assert set(found) == set(pieces)
    for key, value in found.items():
        assert torch.equal(value, pieces[key].of(model.state_dict()[key]).bfloat16()), key
    with safe_open(path, framework="pt") as file:
        notes = json.loads(file.metadata()[SHARD_KEY])
    assert notes == {"part": part, "config": model.config.to_dict(), "provenance": METADATA.provenance}


def test_same_model_same_bytes_and_the_digest_names_them(model, saved, tmp_path):
    digest = save_shards(model, tmp_path / "again", metadata=METADATA)
    assert digest == load_shards(saved).sha256
    for path in saved.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    other = save_shards(filled(model.config, seed=2), tmp_path / "other", metadata=METADATA)
    assert other != digest


@pytest.mark.parametrize("verify", ["bytes", "header"])
@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
def test_truncated_shard_is_refused(saved, kept, verify):
    path = saved / "ms.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(CheckpointError, match=r"must have \d+ bytes, got"):
        load_shards(saved, ["ms"], verify=verify)
    sign(saved)  # the index agrees with the truncated file
    with pytest.raises(CheckpointError, match="whole safetensors file"):
        load_shards(saved, ["ms"], verify=verify)
    load_shards(saved, ["sar_l1"], verify=verify)


@pytest.mark.parametrize("place", [0, 7, 8, 40, 0.3, 0.6, -1])
def test_a_single_altered_bit_is_refused(saved, place):
    path = saved / "shared.safetensors"
    content = bytearray(path.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"SHA-256|whole safetensors file"):
        load_shards(saved, ["ms"])


def test_header_check_reads_no_weights(saved):
    path = saved / "ms.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    load_shards(saved, ["ms"], verify="header")  # as its description says: altered weights are not noticed
    with pytest.raises(CheckpointError, match=r"ms\.safetensors must have SHA-256"):
        load_shards(saved, ["ms"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index["metadata"].update(change_threshold=0.9), "the index was altered"),
        (lambda index: index["shards"]["ms"].update(sha256="0" * 64), "the index was altered"),
        (lambda index: index.update(format_version=2), r"got \('ringmoe-shards', 2\)"),
        (lambda index: index.update(format="other"), r"got \('other', 1\)"),
        (lambda index: index.pop("sha256"), "complete and consistent"),
        (lambda index: index.pop("format"), "complete and consistent"),
    ],
)
def test_altered_index_is_refused(saved, change, message):
    path = saved / "index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=message):
        load_shards(saved, ["ms"])


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"sha256": 1}', "\udc80"])
def test_unreadable_index_is_refused(saved, text):
    (saved / "index.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match="complete and consistent"):
        load_shards(saved)


def test_folder_without_an_index_and_no_folder(saved, tmp_path):
    (saved / "index.json").unlink()
    with pytest.raises(CheckpointError, match=r"holds an index\.json, got none"):
        load_checkpoint(saved)
    with pytest.raises(FileNotFoundError, match="must exist"):
        load_shards(tmp_path / "none")
    with pytest.raises(CheckpointError, match="a shard is loaded with the others"):
        load_checkpoint(saved / "ms.safetensors")


@pytest.mark.parametrize(
    "name", ["../ms.safetensors", "/ms.safetensors", "a/ms.safetensors", "..", "", r"..\ms.safetensors",
             "C:ms.safetensors", ".ms.safetensors", "ms.bin", "sar_l1.safetensors"],
)  # fmt: skip
def test_paths_out_of_the_folder_are_refused(saved, name):
    shutil.copy(saved / "ms.safetensors", saved.parent / "ms.safetensors")
    sign(saved, lambda index: index["shards"]["ms"].update(file=name))
    with pytest.raises(CheckpointError, match=r"file in the folder itself|file of its own"):
        load_shards(saved, ["ms"])


def test_missing_and_left_over_shards_are_named(saved):
    sign(saved, lambda index: index["shards"].update(thermal=index["shards"].pop("ms")))
    with pytest.raises(CheckpointError, match=r"missing \['ms'\] and left over \['thermal'\]"):
        load_shards(saved)


def test_left_over_file_is_named(saved):
    shutil.copy(saved / "ms.safetensors", saved / "old.safetensors")
    with pytest.raises(CheckpointError, match=r"missing \[\] and left over \['old.safetensors'\]"):
        load_shards(saved)


@pytest.mark.parametrize("verify", ["bytes", "header"])
def test_shards_that_changed_places_are_refused(saved, verify):
    one, other = saved / "sar_l1.safetensors", saved / "sar_l2.safetensors"
    one.rename(saved / "x")
    other.rename(one)
    (saved / "x").rename(other)
    sign(saved)
    with pytest.raises(CheckpointError, match="must be the part 'sar_l2'"):
        load_shards(saved, ["sar_l2"], verify=verify)


@pytest.mark.parametrize("verify", ["bytes", "header"])
def test_shard_of_another_preset_is_refused(model, saved, tmp_path, verify):
    other = filled(replace(model.config, num_collaborative=3))
    save_shards(other, tmp_path / "other", metadata=METADATA)
    shutil.copy(tmp_path / "other" / "shared.safetensors", saved)
    with pytest.raises(CheckpointError, match=r"must have .* bytes"):
        load_shards(saved, verify=verify)
    sign(saved)
    with pytest.raises(CheckpointError, match="must be the part 'shared' of the model of its index"):
        load_shards(saved, verify=verify)


@pytest.mark.parametrize("single", [False, True])
def test_checkpoint_of_another_preset_is_refused(model, saved, tmp_path, single):
    path = saved
    if single:
        from ringmoe_core import save_checkpoint

        path = tmp_path / "single.safetensors"
        save_checkpoint(model, path, metadata=METADATA)
    assert load_checkpoint(path, config=model.config).model.config == model.config
    with pytest.raises(CheckpointError, match=r"dim 16 instead of 48.*num_specialised 2 instead of 4"):
        load_checkpoint(path, config=tiny())


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("shared", lambda t: t.pop(NORM), r"missing \['encoder.norms.0.weight'\] and left over \[\]"),
        ("ms", lambda t: t.update(extra=torch.zeros(3)), r"missing \[\] and left over \['extra'\]"),
        ("ms", lambda t: t.update({NORM: torch.zeros(16)}), r"\[\(16,\), \(16,\)\] instead of \(16,\)"),
        ("ms", lambda t: t.pop("fusion.levels.0.context.weight"), r"\[\(\d+, 7\)\] instead of \(\d+, 8\)"),
        ("shared", lambda t: t.update({NORM: torch.zeros(3)}), r"\[\(3,\)\] instead of \(16,\)"),
    ],
)
@pytest.mark.parametrize("verify", ["bytes", "header"])
def test_tensors_that_do_not_fit_are_named(saved, part, change, message, verify):
    """Shards with true digests over the wrong tensors."""
    rewrite(saved / f"{part}.safetensors", change)
    sign(saved)
    with pytest.raises(CheckpointError, match=message):
        load_shards(saved, ["ms"], verify=verify)


def test_a_shard_written_by_the_library_loads_too(model, saved):
    """Its tensors are not aligned to 64 bytes; they are copied."""
    for path in saved.glob("*.safetensors"):
        rewrite(path, lambda _: None)
    sign(saved)
    loaded = load_shards(saved, ["ms"], dtype=torch.bfloat16).model
    assert all(value.data_ptr() % 64 == 0 for value in loaded.state_dict().values())
    assert torch.equal(loaded.encoder.norms[0].weight, model.encoder.norms[0].weight.bfloat16())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"modalities": ["thermal"]}, r"among .*got \['thermal'\]"),
        ({"modalities": []}, "named once each"),
        ({"modalities": ["ms", "ms"]}, "named once each"),
        ({"verify": "no"}, "must be 'bytes' or 'header', got 'no'"),
    ],
)
def test_wrong_requests(saved, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_shards(saved, **arguments)


def test_what_cannot_be_saved(model, saved, tmp_path):
    with pytest.raises(FileExistsError, match=r"got .*model in use"):
        save_shards(model, saved, metadata=METADATA)
    with pytest.raises(ValueError, match="bfloat16 or float32"):
        save_shards(model, tmp_path / "n", metadata=METADATA, dtype=torch.float16)
    with pytest.raises(ValueError, match="trained modalities"):
        save_shards(model, tmp_path / "n", metadata=replace(METADATA, trained_modalities=("thermal",)))
    for name in ("shared", "../up", ""):
        config = replace(model.config, modalities=("a", "b", "c", "d"))
        odd = RingMoE(config, seed=None)
        odd.config = replace(config, modalities=(name, "b", "c", "d"))
        with pytest.raises(ValueError, match="must be an identifier other than 'shared'"):
            save_shards(odd, tmp_path / "n", metadata=replace(METADATA, trained_modalities=()))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_failed_save_leaves_nothing(model, tmp_path, monkeypatch):
    real, calls = module.write_tensors, []

    def fail_at_the_third(path, *rest):
        calls.append(path)
        if len(calls) == 3:
            raise OSError("disk full")
        return real(path, *rest)

    monkeypatch.setattr(module, "write_tensors", fail_at_the_third)
    with pytest.raises(OSError, match="disk full"):
        save_shards(model, tmp_path / "m", metadata=METADATA)
    assert len(calls) == 3
    assert not list(tmp_path.iterdir())


def test_a_backbone_needs_no_class_names(tmp_path):
    model = filled(CONFIGS["paper"])
    metadata = replace(METADATA, class_names=(), change_names=())
    save_shards(model, tmp_path / "m", metadata=metadata)
    assert load_shards(tmp_path / "m", ["ms"]).metadata.class_names == ()
