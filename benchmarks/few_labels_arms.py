"""What benchmarks/few_labels.py compares: each arm learns from a few labelled pixels and maps a whole scene.

An arm is a function (regions, labels, options, seed) that returns one from a region to its classes (y, x).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from benchmarks.unet import UNet
from pipelines.legend import LAND_COVER
from pipelines.simulate import RegionSpec, simulate_region, to_cube
from pipelines.training import SceneArrays, scene_arrays
from pipelines.training.baseline import MIN_SAMPLES_LEAF, MISSING, NUM_TREES, land_cover_features
from pipelines.training.chips import ChipConfig, ChipSampler
from pipelines.training.evaluate import land_cover_answer, scene_windows, window_series
from pipelines.training.loop import OptimiserConfig, Schedule, StageConfig
from pipelines.training.loop.schedule import rate_at
from pipelines.training.loop.trainee import Trainee
from pipelines.training.scene_arrays import IGNORE
from ringmoe_core import RingMoE, load_checkpoint
from ringmoe_core.heads import segmentation_loss
from ringmoe_core.precision import choose_precision
from ringmoe_core.selection_bias import shift_selection

BALANCE, Z = 0.01, 0.001
"""Weights of the routers' losses, as in training."""

UNCHANGED = dict.fromkeys(
    ("one_modality", "band_subset", "unmasked", "date_dropout", "reflectance_gain", "power_offset_db"), 0.0
)
"""Chips as the sensors made them, turned and mirrored alone, as the U-Net's are."""


@dataclass(frozen=True)
class Region:
    seed: int
    scene: SceneArrays
    planes: np.ndarray  # (feature, y, x), NaN missing


def region(seed, options):
    made = simulate_region(RegionSpec(seed=seed, size=options.size, num_dates=options.dates))
    cube = to_cube(made)
    scene = scene_arrays(cube, land_cover=made.land_cover, change=made.change, change_epoch=made.change_epoch)
    features, shape = land_cover_features(cube)
    planes = np.where(features == MISSING, np.float32(np.nan), features).T.reshape(-1, *shape)
    return Region(seed=seed, scene=scene, planes=planes)


def draw_labels(land_cover, share, random):
    """The truth with all but a share of its known pixels taken out, at least one."""
    known = np.flatnonzero(land_cover != IGNORE)
    chosen = random.choice(known, max(1, round(share * len(known))), replace=False)
    kept = np.full(land_cover.size, IGNORE, land_cover.dtype)
    kept[chosen] = land_cover.ravel()[chosen]
    return kept.reshape(land_cover.shape)


@dataclass(frozen=True)
class Scale:
    """Means and spreads of planes over some pixels; what is missing becomes the mean."""

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, rows):
        return cls(mean=np.nanmean(rows, 0), spread=np.maximum(np.nanstd(rows, 0), 1e-6))

    def rows(self, values):
        return np.nan_to_num((values - self.mean) / self.spread).astype(np.float32)

    def planes(self, values):
        return np.moveaxis(self.rows(np.moveaxis(values, 0, -1)), -1, 0)


def labelled_rows(regions, labels):
    """(pixel, feature) and classes of the labelled pixels."""
    rows = np.concatenate([one.planes[:, label != IGNORE].T for one, label in zip(regions, labels, strict=True)])
    return rows, np.concatenate([label[label != IGNORE] for label in labels])


def fit_forest(regions, labels, _options, seed):
    x, y = labelled_rows(regions, labels)
    forest = RandomForestClassifier(NUM_TREES, min_samples_leaf=MIN_SAMPLES_LEAF, n_jobs=1, random_state=seed)
    forest.fit(np.nan_to_num(x, nan=MISSING), y)
    count = regions[0].planes.shape[0]

    def said(one):
        rows = np.nan_to_num(one.planes.reshape(count, -1).T, nan=MISSING)
        return forest.predict(rows).reshape(one.scene.shape)

    return said


def fit_unet(regions, labels, options, seed):
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    scale = Scale.of(labelled_rows(regions, labels)[0])
    images = [scale.planes(one.planes) for one in regions]
    model = UNet(len(images[0]), len(LAND_COVER), width=options.width)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    for step in range(options.unet_steps):
        optimiser.param_groups[0]["lr"] = 3e-3 * 0.5 * (1 + np.cos(np.pi * step / options.unet_steps))
        chips = [unet_chip(images, labels, options.chip, random) for _ in range(options.unet_batch)]
        x, y = (torch.from_numpy(np.stack(part)) for part in zip(*chips, strict=True))
        loss = segmentation_loss(model(x), y.long())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()

    def said(one):
        with torch.inference_mode():
            return model(torch.from_numpy(scale.planes(one.planes))[None])[0].argmax(0).numpy()

    return said


def unet_chip(images, labels, side, random):
    """A window of a scene and its labels, turned and mirrored alike."""
    index, turns, mirrored = (int(random.integers(count)) for count in (len(images), 4, 2))
    row, col = (int(random.integers(length - side + 1)) for length in labels[index].shape)
    at = (slice(row, row + side), slice(col, col + side))
    parts = [np.rot90(part, turns, (-2, -1)) for part in (images[index][:, at[0], at[1]], labels[index][at])]
    return [np.ascontiguousarray(part[..., ::-1] if mirrored else part) for part in parts]


def fit_ours(regions, labels, options, seed):
    return tuned(load_checkpoint(options.weights).model, regions, labels, options, seed)


def fit_fresh(regions, labels, options, seed):
    return tuned(RingMoE(load_checkpoint(options.weights).model.config, seed=seed), regions, labels, options, seed)


def tuned(model, regions, labels, options, seed):
    stage = StageConfig(
        name="few-labels", steps=options.steps, average=0.99,
        schedule=Schedule(peak=options.rate, warmup_steps=max(1, options.steps // 20)),
        optimiser=OptimiserConfig(layer_decay=options.layer_decay),
    )  # fmt: skip
    trainee = Trainee(model, stage, backbone=model.config)
    scenes = [replace(one.scene, land_cover=label) for one, label in zip(regions, labels, strict=True)]
    drawn = ChipConfig(
        size=options.chip, batch=options.batch, num_epochs=min(6, options.dates), change_share=0.0, **UNCHANGED
    )
    sampler, fast = ChipSampler(scenes, drawn, seed=seed), choose_precision("cpu").dtype == torch.bfloat16
    model.train()
    for step in range(options.steps):
        batch = sampler.draw()
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            features = model.encode(batch.series)
            logits = model.segment(model.decode(model.fuse(features, batch.membership_BGT[:, :1])))
        loss, routing = segmentation_loss(logits.float(), batch.land_cover_BHW), features.routing
        if routing is not None:
            loss = loss + BALANCE * routing.balance_loss + Z * routing.z_loss
        loss.backward()
        trainee.step(step, rate_at(step, options.steps, stage.schedule))
        if routing is not None and model.config.balancing == "bias":
            shift_selection(model, [routing])
    trainee.take_average()
    model.eval()
    return lambda one: land_cover_answer(model, one.scene, side=max(one.scene.shape)).argmax(0)  # as the U-Net sees it


def frozen_planes(model, one, window):
    """(feature, y, x): the first two levels of each sensor, mean over its dates by share of valid pixels, then the
    planes of the forest."""
    with torch.inference_mode():
        features = model.encode(window_series(one.scene, window))
    size, parts = features.size, []
    shares = dict(zip(features.strides, features.weights, strict=True))
    for stride, level in list(features.pyramid().items())[:2]:
        for modality in torch.unique(features.modality_BT[0]):
            own = features.modality_BT[0] == modality
            share = shares[stride][0][own][:, None].float()
            mean = (level[0][own].float() * share).sum(0) / share.sum(0).clamp_min(1e-6)
            wide = functional.interpolate(mean[None], scale_factor=stride, mode="bilinear", align_corners=False)
            parts.append(wide[0, :, : size[0], : size[1]].numpy())
    return np.concatenate([*parts, one.planes[:, window[0], window[1]]])


def fit_frozen(regions, labels, options, seed):
    model = load_checkpoint(options.weights).model.eval()
    rows, truth = [], []
    for one, label in zip(regions, labels, strict=True):
        for window in scene_windows(one.scene):
            known = label[window] != IGNORE
            rows.append(frozen_planes(model, one, window)[:, known].T)
            truth.append(label[window][known])
    x, y = np.concatenate(rows), np.concatenate(truth)
    scale = Scale.of(x)
    head = LogisticRegression(C=0.1, max_iter=300, tol=1e-3, random_state=seed).fit(scale.rows(x), y)

    def said(one):
        answer = np.empty(one.scene.shape, np.int64)
        for window in scene_windows(one.scene):
            planes = frozen_planes(model, one, window)
            answer[window] = head.predict(scale.rows(planes.reshape(len(planes), -1).T)).reshape(planes.shape[1:])
        return answer

    return said
