"""Small cubes and models of known content for the tests of inference."""

import numpy as np
import torch
import xarray as xr

from pipelines.cube import CubeRef
from pipelines.inference.prediction import Source, TrainedModel
from pipelines.schema import Reason, reason_attrs
from ringmoe_core import RingMoE, RingMoEConfig

BANDS = {"s2": ("B02", "B03", "B04", "B08", "B11", "B12"), "s1": ("VV", "VH")}
NAME = {"s2": "reflectance", "s1": "power"}


def made_up_group(group, *, days, shape=(150, 170), seed=0, cloud=0.3):
    """One group in the schema's decoded form: smooth fields with noise, clouds in blobs on Sentinel-2."""
    rng = np.random.default_rng((seed, len(group), ord(group[1])))
    height, width = shape
    bands = BANDS[group]
    rows, cols = np.mgrid[0:height, 0:width] / 40.0
    level = 0.2 if group == "s2" else 0.05
    values = np.empty((len(days), len(bands), height, width), dtype=np.float32)
    for t, b in np.ndindex(len(days), len(bands)):
        smooth = 1 + 0.5 * np.sin(rows * rng.uniform(0.5, 2) + rng.uniform(0, 6)) * np.cos(cols + rng.uniform(0, 6))
        values[t, b] = level * smooth * rng.uniform(0.7, 1.3, shape)
    reason = np.zeros((len(days), height, width), dtype=np.uint16)
    if group == "s2":
        for t in range(len(days)):
            field = np.sin(rows * rng.uniform(1, 3) + rng.uniform(0, 6)) + np.sin(cols * rng.uniform(1, 3))
            reason[t][field > np.quantile(field, 1 - cloud)] |= int(Reason.CLOUD)
    reason[:, :7, :9] |= int(Reason.NODATA)
    values[:, :, :7, :9] = np.nan
    start = np.datetime64("2021-01-01T10:00", "us")
    times = np.array([start + np.timedelta64(round(day * 86400), "s") for day in days], dtype="datetime64[us]")
    return xr.Dataset(
        {
            NAME[group]: (("time", "band", "y", "x"), values, {"units": "1", "grid_mapping": "spatial_ref"}),
            "valid": (("time", "y", "x"), reason == 0, {"grid_mapping": "spatial_ref"}),
            "reason": (("time", "y", "x"), reason, {**reason_attrs(), "grid_mapping": "spatial_ref"}),
        },
        coords={
            "time": times,
            "band": list(bands),
            "y": 5_612_120.0 - 5 - 10 * np.arange(height),
            "x": 664_000.0 + 5 + 10 * np.arange(width),
            "spatial_ref": ((), 0, {"crs_wkt": "made up"}),
        },
        attrs={"schema_version": "1.1", "proj:code": "EPSG:32631"},
    ).chunk({"time": 1, "y": 64, "x": 64})


def made_up_source(*, groups=("s2", "s1"), snapshot="SNAPSHOT", **kwargs):
    days = {"s2": (3, 40, 80, 130), "s1": (4, 60, 81)}
    made = {group: made_up_group(group, days=days[group], **kwargs) for group in groups}
    return Source(ref=CubeRef(uri="made-up", snapshot=snapshot), groups=made)


def small_model(seed=3):
    """A RingMoE with random weights, far smaller than nano; a window of 32 pixels is its whole coarsest cell."""
    torch.manual_seed(seed)
    config = RingMoEConfig(dim=16, depths=(1, 1), skip_dim=8, skip_fused_dim=8, fusion_dim=16, map_dim=8, window=4)
    model = RingMoE(config, seed=seed).eval()
    return TrainedModel(model=model, sha256=f"random {seed}", trained_modalities=("sar_l2", "ms"))


class Untouchable:
    """A model that must not be asked."""

    def encode(self, _series):
        raise AssertionError("the model was run")


def stored_cube(folder, source, *, chunk=64):
    """Writes the groups as a cube of the real store and returns its reference."""
    from catalogs.sensors import load_sensor
    from pipelines.cube.group import GroupTemplate, create_group, write_coords
    from pipelines.cube.store import create_store
    from pipelines.grid import TargetGrid
    from pipelines.schema import PER_TIME_COORDS, SCHEMA_VERSION

    texts = (
        "scene_ids",
        "platform",
        "orbit_direction",
        "processing_baseline",
        "radiometric_rule",
        "radiometric_evidence",
        "radiometric_verdict",
        "coregistration",
        "processing",
        "lineage",
        "read_failures",
    )
    height, width = source.frame.sizes["y"], source.frame.sizes["x"]
    grid = TargetGrid(epsg=32631, resolution=10.0, x_min=664_000.0, y_max=5_612_120.0, width=width, height=height)
    store = create_store(folder)
    with store.run("made-up") as run:
        draft = run.begin()
        draft.root.attrs.update({"schema_version": SCHEMA_VERSION, "grid": grid.to_dict()})
        for name, dataset in source.groups.items():
            sensor = load_sensor({"s2": "sentinel-2-msi", "s1": "sentinel-1-csar"}[name])
            bands = tuple(sensor.band(band) for band in BANDS[name])
            group = create_group(
                draft.root, GroupTemplate(name=name, grid=grid, bands=bands, chunk=chunk, title="made up")
            )
            for index, time in enumerate(dataset["time"].to_numpy().astype("datetime64[us]").astype(np.int64)):
                values = (
                    dict.fromkeys(PER_TIME_COORDS, float("nan"))
                    | dict.fromkeys(texts, "")
                    | {"scene_ids": f"{name} {index}"}
                )
                write_coords(
                    group, [*range(index), None], time_us=int(time), bounds_us=(int(time), int(time)), values=values
                )
            pixels = dataset[NAME[name]].to_numpy()
            if name == "s2":
                pixels = np.where(np.isnan(pixels), -32768, np.rint(pixels / 1e-4)).astype(np.int16)
            for array, stored in (
                (NAME[name], pixels),
                ("valid", dataset["valid"].to_numpy()),
                ("reason", dataset["reason"].to_numpy()),
            ):
                group[array].resize(stored.shape)
                group[array][...] = stored
        snapshot = draft.publish("made up", {})
    return CubeRef(uri=store.uri, snapshot=snapshot)
