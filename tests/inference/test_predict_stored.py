"""From a stored cube and a checkpoint file, as a flow calls it."""

import dataclasses

import numpy as np
import pytest
from made_up_cube import made_up_source, stored_cube

from pipelines.cube import CubeError, CubeRef
from pipelines.inference import InferenceError, InferenceOptions, open_prediction, predict
from pipelines.inference.prediction import open_groups
from pipelines.legend import CHANGE, LAND_COVER
from ringmoe_core import CheckpointMetadata, RingMoE, nano, save_checkpoint

OPTIONS = InferenceOptions(num_workers=2)


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    return stored_cube(tmp_path_factory.mktemp("cube") / "cube", made_up_source(shape=(130, 110)))


def checkpoint(path, **changes):
    metadata = CheckpointMetadata(
        trained_modalities=("sar_l2", "ms"),
        normalisation="physical-v1",
        class_names=tuple(entry.name for entry in LAND_COVER),
        change_names=tuple(entry.name for entry in CHANGE),
        provenance="random values",
    )
    save_checkpoint(RingMoE(nano(), seed=1), path, metadata=dataclasses.replace(metadata, **changes))
    return path


def test_nano_maps_a_stored_cube_the_same_for_any_chunk(tmp_path, cube):
    weights = checkpoint(tmp_path / "nano.safetensors")
    maps = []
    for chunk in (37, 100):
        options = dataclasses.replace(OPTIONS, chunk=chunk)
        maps.append(open_prediction(predict(cube, weights, str(tmp_path / f"out{chunk}"), options=options)).load())
    for name in maps[0].data_vars:
        np.testing.assert_array_equal(maps[0][name].to_numpy(), maps[1][name].to_numpy())
    total = maps[0]["land_cover_probability"].sum("class", skipna=False).to_numpy()
    np.testing.assert_allclose(total[7:, 9:], 1, atol=1e-5)
    groups = open_groups(cube)
    for group in ("s1", "s2"):
        np.testing.assert_array_equal(
            maps[0][f"n_valid_{group}"].to_numpy(), groups[group]["valid"].sum("time").to_numpy()
        )
    assert maps[0].attrs["cube_snapshot"] == cube.snapshot
    assert maps[0].attrs["proj:code"] == "EPSG:32631"
    assert "crs_wkt" in maps[0]["spatial_ref"].attrs


def test_a_checkpoint_of_other_conventions_is_refused(tmp_path, cube):
    with pytest.raises(InferenceError, match="normalised as 'physical-v1', got 'imagenet'"):
        predict(cube, checkpoint(tmp_path / "a.safetensors", normalisation="imagenet"), str(tmp_path / "out"))
    config = dataclasses.replace(nano(), class_codes=(1, 2, 3, 4, 5, 6, 7))
    names = CheckpointMetadata(
        trained_modalities=("ms",),
        normalisation="physical-v1",
        class_names=tuple("abcdefg"),
        change_names=tuple("abcd"),
        provenance="",
    )
    save_checkpoint(RingMoE(config, seed=1), tmp_path / "b.safetensors", metadata=names)
    with pytest.raises(InferenceError, match="must tell the classes"):
        predict(cube, tmp_path / "b.safetensors", str(tmp_path / "out"))
    with pytest.raises(FileNotFoundError):
        predict(cube, tmp_path / "none.safetensors", str(tmp_path / "out"))


def test_no_cube_is_told_as_such(tmp_path):
    weights = checkpoint(tmp_path / "nano.safetensors")
    with pytest.raises(CubeError, match="Icechunk repository"):
        predict(CubeRef(uri=str(tmp_path / "none"), snapshot="X"), weights, str(tmp_path / "out"))
