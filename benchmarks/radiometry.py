"""Are offsets told rightly? 100 simulated Sentinel-2 scenes in either convention, under honest and lying items.

    python benchmarks/radiometry.py [--json] [--scenes 100] [--size 128]

Every scene is written twice, with the offset left in its numbers and with it taken out, as GeoTIFFs with a STAC item;
each is judged under an item that tells the truth and under one whose statements are turned round, and where the
statements allow it in an old processing baseline too: three verdicts a scene and convention. The scenes come from
simulated regions in all seasons with fields, forest, towns and water, their own clouds, cirrus and haze, and a
classification that errs; on every second one a further layer is laid: fog that the classification sees or does not,
thick haze, old and fresh snow, bare sand, full cloud, low sun over water, or an over-correction that makes dark ground
negative. A verdict is wrong where it says `contradicts` of the truth or `agrees` of a lie. Exit 1 if one is.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from catalogs.item import FoundItem, read_scenes
from catalogs.providers import static_provider
from pipelines.cube.verdict import check_offset
from pipelines.physics import decide_rule
from pipelines.simulate import RegionSpec, simulate_region
from pipelines.simulate.instrument import to_counts
from pipelines.simulate.item import write_item
from pipelines.simulate.spectra import BANDS, CLOUD, HAZE, MATERIALS

WANTED = ("B02", "B03", "B04", "B11", "B12", "SCL")
DATES = 10
NODATA, BARE, LAKE, CLOUD_HIGH, SNOW_ICE = 0, 5, 6, 9, 11

SNOW = dict(zip(BANDS, (.93, .94, .94, .92, .91, .90, .88, .86, .84, .80, .10, .08), strict=True))  # fmt: skip
"""Medium grain: Warren 1982, doi:10.1029/RG020i001p00067."""
FRESH_SNOW = SNOW | {"B11": .22, "B12": .19}  # fmt: skip
DESERT = dict(zip(BANDS, (.16, .20, .30, .40, .43, .45, .46, .47, .48, .48, .58, .54), strict=True))  # fmt: skip
"""Bright quartz sand: Kokaly et al. 2017, USGS Spectral Library 7."""
FOG = dict(zip(BANDS, CLOUD, strict=True))
AIRLIGHT = dict(zip(BANDS, HAZE, strict=True))
WATER = dict(zip(BANDS, MATERIALS["clear_water"], strict=True))


@dataclasses.dataclass(frozen=True)
class Scene:
    name: str
    layer: str
    region: object
    acquisition: object
    reflectance: dict
    missing: dict
    classes: np.ndarray


def blocks(rng, shape, size=8):
    """Patches of 0 to 1, the same at every resolution but for sampling."""
    coarse = rng.random((-(-shape[0] // size), -(-shape[1] // size)))
    return np.kron(coarse, np.ones((size, size)))[: shape[0], : shape[1]]


def field_at(patches, shape):
    rows = np.minimum(np.arange(shape[0]) * patches.shape[0] // shape[0], patches.shape[0] - 1)
    cols = np.minimum(np.arange(shape[1]) * patches.shape[1] // shape[1], patches.shape[1] - 1)
    return patches[rows][:, cols]


def laid(name, reflectance, classes, rng):  # noqa: C901 a branch a layer
    """Returns reflectance and classes of a scene under a further layer."""
    patches = blocks(rng, (64, 64))
    out, scl = {}, classes.copy()
    level = rng.uniform(0.1, 0.9)
    at = field_at(patches, classes.shape)
    missed = field_at(blocks(rng, (64, 64)), classes.shape) < 0.12  # what the classification does not see
    for band, plane in reflectance.items():
        p = field_at(patches, plane.shape)
        if name in ("fog", "unseen fog"):
            share = 0.25 * level + (0.10 + 0.15 * p if name == "fog" else 0.03 * p)
            out[band] = plane * (1 - share) + FOG[band] * share
        elif name == "haze":
            share = 0.2 + 0.5 * level + 0.1 * p
            out[band] = plane * (1 - 0.7 * share) + AIRLIGHT[band] * share
        elif name in ("snow", "fresh snow"):
            table = SNOW if name == "snow" else FRESH_SNOW
            out[band] = np.where(p < 0.4 + level, table[band] * (0.8 + 0.2 * p), plane)
        elif name == "desert":
            out[band] = DESERT[band] * (0.6 + 0.5 * p) + 0.02 * plane
        elif name == "overcast":
            out[band] = FOG[band] * (0.7 + 0.5 * p) + 0.05 * plane
        elif name == "low sun over water":
            out[band] = np.where(p < level, WATER[band] + rng.normal(-0.004, 0.002, plane.shape), plane * 0.7)
        elif name == "over-corrected":
            out[band] = plane - {"B02": 0.06, "B03": 0.04, "B04": 0.02}.get(band, 0.005)
    if name in ("fog", "overcast"):
        scl[~missed & (scl != NODATA)] = CLOUD_HIGH
    elif name in ("snow", "fresh snow"):
        scl[(at < 0.4 + level) & ~missed & (scl != NODATA)] = SNOW_ICE
    elif name == "desert":
        scl[scl != NODATA] = BARE
    elif name == "low sun over water":
        scl[(at < level) & ~missed & (scl != NODATA)] = LAKE
    return {band: np.asarray(plane, dtype=np.float32) for band, plane in out.items()}, scl


LAYERS = (
    "fog",
    "unseen fog",
    "haze",
    "snow",
    "fresh snow",
    "desert",
    "overcast",
    "low sun over water",
    "over-corrected",
)


def simulated(num, size):
    """Yields scenes: every second one as simulated, the others under a layer in turn."""
    made = 0
    for seed in range(10_000):
        cover = ((0.0, 0.2), (0.0, 0.6), (0.3, 1.0))[seed % 3]
        spec = RegionSpec(
            seed=900 + seed,
            size=size,
            num_dates=DATES,
            interval_days=36,
            cloud_cover=cover,
            num_changes=(0, 0),
            y_max=(5_620_000.0, 4_500_000.0, 6_700_000.0)[seed % 3],
        )
        region = simulate_region(spec)
        for acquisition in region.acquisitions:
            if acquisition.group != "s2":
                continue
            if made == num:
                return
            offset = 0 if acquisition.offset_applied else 1000
            counts = {band: acquisition.bands[band] for band in WANTED if band != "SCL"}
            reflectance = {b: (c.astype(np.float32) - offset) / np.float32(1e4) for b, c in counts.items()}
            missing = {band: plane == 0 for band, plane in counts.items()}
            classes = acquisition.bands["SCL"]
            rng = np.random.default_rng(seed * 1000 + made)
            layer = LAYERS[made // 2 % len(LAYERS)] if made % 2 else "none"
            if layer != "none":
                reflectance, classes = laid(layer, reflectance, classes, rng)
            name = f"{acquisition.id}-{made:03d}"
            yield Scene(name, layer, region, acquisition, reflectance, missing, classes)
            made += 1


def written(scene, folder, *, offset_left, lying, new_baseline):
    """Writes a scene in one convention and returns its record, as a search would give it."""
    bands = {
        band: to_counts(plane, scene.missing[band], offset_left=offset_left)
        for band, plane in scene.reflectance.items()
    }
    claims_left = offset_left != lying
    acquisition = dataclasses.replace(
        scene.acquisition,
        id=scene.name,
        bands={**bands, "SCL": scene.classes.astype(np.uint8)},
        processing_baseline="05.09" if new_baseline else "02.14",
        offset_applied=not claims_left,
    )
    item = write_item(acquisition, scene.region.grid, folder)
    document = item.to_dict(include_self_link=False)
    document["collection"] = "sentinel-2-l2a"
    if not new_baseline:  # an old product says nothing of an offset that it does not know
        document["properties"].pop("earthsearch:boa_offset_applied")
    found = FoundItem(id=item.id, collection="sentinel-2-l2a", href=str(folder / "item.json"), document=document)
    (record,) = read_scenes(found, static_provider(folder))
    return getattr(record, "scene", record)


def judge(scene, folder):
    """Yields (convention, honest, verdict, because) of all forms of a scene."""
    for offset_left in (True, False):
        for lying in (False, True):
            # an old baseline goes with numbers that never had an offset, or lies about it
            for new_baseline in (True, False):
                if not new_baseline and offset_left != lying:
                    continue  # it would declare an offset of -0.1 on a baseline that never had one
                place = folder / f"{scene.name}-{int(offset_left)}{int(lying)}{int(new_baseline)}"
                record = written(scene, place, offset_left=offset_left, lying=lying, new_baseline=new_baseline)
                rule = decide_rule(record)
                assert (rule.offset_dn == -1000) == (offset_left != lying), "the item claims something else"
                started = time.perf_counter()
                check = check_offset(record, rule)
                yield offset_left, not lying, check, time.perf_counter() - started


def measure(num=100, size=128):
    """Returns counts of right, wrong and undecided verdicts."""
    counts, by_layer, wrong = Counter(), {}, []
    seconds, scenes = [], set()
    with tempfile.TemporaryDirectory() as folder:
        for scene in simulated(num, size):
            scenes.add(scene.name)
            for offset_left, honest, check, took in judge(scene, Path(folder)):
                seconds.append(took)
                right = "agrees" if honest else "contradicts"
                outcome = "right" if check.verdict == right else check.verdict
                if check.verdict in ("agrees", "contradicts") and check.verdict != right:
                    outcome = "wrong"
                    wrong.append([scene.name, scene.layer, offset_left, honest, check.finding.because])
                convention = "left in" if offset_left else "taken out"
                counts[convention, outcome] += 1
                by_layer.setdefault(scene.layer, Counter())[convention, outcome] += 1
    return {
        "scenes": len(scenes),
        "verdicts": sum(counts.values()),
        "wrong": len(wrong),
        "wrong_list": wrong,
        "counts": {f"{a}, {b}": n for (a, b), n in sorted(counts.items())},
        "by_layer": {
            layer: {f"{a}, {b}": n for (a, b), n in sorted(found.items())} for layer, found in sorted(by_layer.items())
        },
        "median_check_ms": round(1e3 * float(np.median(seconds)), 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    result = measure(options.scenes, options.size)
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{result['scenes']} scenes, {result['verdicts']} verdicts, {result['wrong']} wrong")
        for name, number in result["counts"].items():
            print(f"  {name:24} {number}")
        for layer, found in result["by_layer"].items():
            print(f"{layer:20} {found}")
        for entry in result["wrong_list"]:
            print("WRONG", entry)
        print(f"median time of a check: {result['median_check_ms']} ms")
    sys.exit(1 if result["wrong"] else 0)


if __name__ == "__main__":
    main()
