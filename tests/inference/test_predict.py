"""A map depends on the lattice and the data alone: chunks, slabs, threads and kills change nothing."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import icechunk
import numpy as np
import pytest
import torch
import xarray as xr
from made_up_cube import Untouchable, made_up_source, small_model

from pipelines.cube import CubeError
from pipelines.cube.store import open_store
from pipelines.inference import InferenceError, InferenceOptions, apply, open_prediction
from pipelines.inference.options import TASKS
from pipelines.inference.prediction import plan_job, predict_with
from pipelines.schema import Reason

OPTIONS = InferenceOptions(window=64, stride=48, chunk=512, group=2, num_workers=2)


def predicted(folder, *, source=None, model=None, tasks=TASKS, **options):
    source = made_up_source() if source is None else source
    model = small_model() if model is None else model
    chosen = dataclasses.replace(OPTIONS, **options)
    ref = predict_with(model, source, str(folder / "predictions"), options=chosen, tasks=tasks)
    return open_prediction(ref).load()


def same(got, wanted, **tolerance):
    assert set(got.data_vars) == set(wanted.data_vars)
    for name in wanted.data_vars:
        if tolerance and got[name].dtype.kind == "f":
            np.testing.assert_allclose(got[name].to_numpy(), wanted[name].to_numpy(), **tolerance)
        else:
            np.testing.assert_array_equal(got[name].to_numpy(), wanted[name].to_numpy(), err_msg=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return predicted(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("chunk", [37, 64, 100])
def test_chunks_change_no_bit(tmp_path, whole, chunk):
    got = predicted(tmp_path, chunk=chunk)
    same(got, whole)
    assert got["reason"].encoding["chunks"] == (chunk, chunk)


def test_threads_and_slabs_change_no_bit(tmp_path, whole):
    job = plan_job(made_up_source().groups, small_model(), dataclasses.replace(OPTIONS, slab_mb=1), TASKS)
    assert [len(rows) for rows in job.slabs(0)] == [1, 1, 1, 1]
    same(predicted(tmp_path / "one", num_workers=1, slab_mb=1), whole)
    same(predicted(tmp_path / "four", num_workers=4), whole)


def test_batches_change_nothing_but_last_bits(tmp_path, whole):
    got = predicted(tmp_path, group=1)
    np.testing.assert_allclose(got["land_cover_probability"], whole["land_cover_probability"], atol=1e-5)


def test_a_larger_grid_gives_the_same_inner_pixels(tmp_path, whole):
    source = made_up_source()
    cropped = dataclasses.replace(
        source, groups={name: group.isel(y=slice(0, 110), x=slice(0, 130)) for name, group in source.groups.items()}
    )
    got = predicted(tmp_path, source=cropped)
    # pixels that only windows wholly inside both grids reach
    inner = {"y": slice(0, 110 - 64), "x": slice(0, 130 - 64)}
    same(got.isel(inner), whole.isel(inner), atol=1e-5)


def slow_map(source, trained, options):
    """Every window on its own, summed pixel by pixel in float64; the split and dates by loops."""
    from pipelines.inference.channels import age_years, day_fraction, ms_channels, sar_channels
    from ringmoe_core import Series

    job = plan_job(source.groups, trained, options, TASKS)
    height, width = job.lattice.height, job.lattice.width
    pad = options.window
    padded = {}
    for group, make, name in (("s1", sar_channels, "power"), ("s2", ms_channels, "reflectance")):
        dataset = source.groups[group].isel(time=list(job.plan.dates(group)))
        values = np.pad(dataset[name].to_numpy(), ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=np.nan)
        valid = np.pad(dataset["valid"].to_numpy(), ((0, 0), (pad, pad), (pad, pad)))
        padded[group] = (
            make,
            values,
            tuple(dataset["band"].to_numpy()),
            valid,
            dataset["time"].to_numpy(),
        )
    newest = max(dataset["time"].to_numpy().max() for dataset in source.groups.values())
    overlap = options.window - options.stride
    line = [np.sin(np.pi / 2 * min(1, (i + 0.5) / overlap)) ** 2 for i in range(options.window)]
    weight_1d = np.array(line) * np.array(line[::-1])
    sums = np.zeros((7 + 4 * job.plan.num_splits + 1, height, width))
    for window in job.lattice.windows():
        rows = slice(window.top + pad, window.top + pad + window.size)
        cols = slice(window.left + pad, window.left + pad + window.size)
        series = {}
        for group, modality in (("s1", "sar_l2"), ("s2", "ms")):
            make, values, bands, valid, times = padded[group]
            made = make(values[..., rows, cols], bands, valid[..., rows, cols])
            series[modality] = Series(
                pixels_BTCHW=torch.from_numpy(made.pixels)[None],
                valid_BTHW=torch.from_numpy(made.valid)[None],
                present_BTC=torch.from_numpy(made.present)[None],
                day_BT=torch.from_numpy(day_fraction(times))[None],
                age_BT=torch.from_numpy(age_years(times, newest))[None],
            )
        with torch.inference_mode():
            features = trained.model.encode(series)
            groups = torch.from_numpy(job.question.membership)[None]
            maps = trained.model.decode(trained.model.fuse(features, groups))
            answers = [trained.model.segment(maps[:1]).softmax(1)[0].numpy()]
            for before, after in zip(job.question.fusions.before, job.question.fusions.after, strict=True):
                pair = trained.model.change(maps[before : before + 1], maps[after : after + 1])
                answers.append(pair.softmax(1)[0].numpy())
        answer = np.concatenate([*answers, np.ones((1, window.size, window.size))])
        columns = np.arange(window.size)[(window.left + np.arange(window.size) >= 0)]
        columns = columns[window.left + columns < width]
        for i in range(window.size):
            if 0 <= window.top + i < height:
                weight = weight_1d[i] * weight_1d[columns]
                sums[:, window.top + i, window.left + columns] += answer[:, i, columns] * weight
    return job, sums[:-1] / sums[-1]


def slow_change(job, valid, probabilities, y, x):
    """The best split of one pixel with the dates around it, after the definition."""
    seen = []
    for entry in job.seen:
        date = job.plan.dates(entry.group)[entry.index]
        if valid[entry.group][date, y, x]:
            seen.append((entry.epoch, entry.day))
    best = None
    num = len(job.plan)
    for split in range(num - 1):
        before = [s for s in seen if s[0] in ({split - 1, split} if split else {split})]
        after = [s for s in seen if s[0] in ({split + 1, split + 2} if split + 2 < num else {split + 1})]
        score = 1 - probabilities[split, 0]
        if before and after and (best is None or score > best[0] + 1e-6):
            last = max(day for epoch, day in seen if epoch <= split)
            first = min(day for epoch, day in seen if epoch > split)
            best = (score, split, last, first, len(before), len(after))
    return (None, -1, -1, -1, 0, 0) if best is None else best


def test_equals_the_slow_map(tmp_path):
    source, trained = made_up_source(shape=(70, 90), cloud=0.6), small_model()
    got = predicted(tmp_path, source=source, model=trained)
    job, wanted = slow_map(source, trained, OPTIONS)
    observed = (got["n_valid_s2"] + got["n_valid_s1"]).to_numpy() > 0
    np.testing.assert_allclose(got["land_cover_probability"].to_numpy()[:, observed], wanted[:7, observed], atol=1e-5)
    assert np.isnan(got["land_cover_probability"].to_numpy()[:, ~observed]).all()
    assert (~observed).sum() == 7 * 9
    change = wanted[7:].reshape(-1, 4, 70, 90)
    valid = {group: dataset["valid"].to_numpy() for group, dataset in source.groups.items()}
    names = ("change_split", "change_before", "change_after", "n_before", "n_after")
    for y, x in np.ndindex(70, 90):
        if (y * 90 + x) % 11:
            continue
        _, *expected = slow_change(job, valid, change[:, :, y, x], y, x)
        values = [int(got[name].to_numpy()[y, x]) for name in names]
        assert values == expected, (y, x)
        found = got["change_probability"].to_numpy()[:, y, x]
        if expected[0] == -1:
            assert np.isnan(found).all()
        else:
            np.testing.assert_allclose(found, change[expected[0], :, y, x], atol=1e-5)


def test_counts_and_reasons_of_a_pixel(whole):
    assert int(whole["n_valid_s1"][100, 100]) == 3
    corner = whole["reason"].to_numpy()[:7, :9]
    assert (corner & int(Reason.NODATA)).all()
    assert not (whole["reason"].to_numpy()[7:, 9:]).any()
    assert whole["change_split"].to_numpy()[0, 0] == -1
    assert np.isnan(whole["change_probability"].to_numpy()[:, 0, 0]).all()


def test_a_killed_run_goes_on_and_equals_an_undisturbed_one(tmp_path, whole):
    script = (
        "import os, signal, sys\n"
        "from made_up_cube import made_up_source, small_model\n"
        "from pipelines.inference import InferenceOptions\n"
        "from pipelines.inference.prediction import predict_with\n"
        "def killed(progress):\n"
        "    if progress.done >= 10: os.kill(os.getpid(), signal.SIGKILL)\n"
        "options = InferenceOptions(window=64, stride=48, chunk=37, group=2, num_workers=2)\n"
        "predict_with(small_model(), made_up_source(), sys.argv[1], options=options,\n"
        "             tasks=('land-cover', 'change'), on_progress=killed)\n"
    )
    uri = str(tmp_path / "predictions")
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[1])])
    ended = subprocess.run([sys.executable, "-c", script, uri], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert open_store(uri).root() is None, "a reader must not see half a map"
    told = []
    options = dataclasses.replace(OPTIONS, chunk=37)
    ref = predict_with(small_model(), made_up_source(), uri, options=options, tasks=TASKS, on_progress=told.append)
    assert told[-1].total < 16, "what was committed is not done again"
    same(open_prediction(ref).load(), whole)
    assert open_store(uri).repository.list_branches() == {"main"}


def test_a_whole_prediction_is_left_alone(tmp_path):
    uri = str(tmp_path / "predictions")
    first = predict_with(small_model(), made_up_source(), uri, options=OPTIONS, tasks=TASKS)
    files = {path: path.stat().st_mtime_ns for path in Path(uri).rglob("chunks/*")}
    untouchable = dataclasses.replace(small_model(), model=Untouchable())
    assert predict_with(untouchable, made_up_source(), uri, options=OPTIONS, tasks=TASKS) == first
    assert {path: path.stat().st_mtime_ns for path in Path(uri).rglob("chunks/*")} == files
    other = predict_with(small_model(seed=4), made_up_source(), uri, options=OPTIONS, tasks=("change", "land-cover"))
    assert other.key != first.key
    assert open_store(uri).snapshot == other.snapshot
    assert open_prediction(first).attrs["model_sha256"] == "random 3"


@pytest.mark.parametrize("groups", [("s1",), ("s2",)])
def test_one_sensor_is_enough(tmp_path, groups):
    got = predicted(tmp_path, source=made_up_source(groups=groups))
    absent = {"s1": "s2", "s2": "s1"}[groups[0]]
    assert not got[f"n_valid_{absent}"].any()
    observed = got[f"n_valid_{groups[0]}"].to_numpy() > 0
    total = got["land_cover_probability"].sum("class", skipna=False).to_numpy()
    np.testing.assert_allclose(total[observed], 1, atol=1e-5)
    assert np.isnan(total[~observed]).all()
    assert got.attrs["modalities_left_out"] == [{"s1": "ms", "s2": "sar_l2"}[groups[0]]]


def test_a_modality_without_training_is_left_out_and_named(tmp_path):
    model = dataclasses.replace(small_model(), trained_modalities=("ms",))
    got = predicted(tmp_path, model=model)
    assert not got["n_valid_s1"].any()
    assert got.attrs["modalities_left_out"] == ["sar_l2"]


def test_nothing_valid_is_all_missing_with_reasons(tmp_path):
    source = made_up_source(shape=(60, 50))
    for group in source.groups.values():
        group["reason"] = group["reason"] | np.uint16(Reason.CLOUD)
        group["valid"] = group["reason"] == 0
    model = dataclasses.replace(small_model(), model=Untouchable())
    got = predicted(tmp_path, source=source, model=model)
    assert np.isnan(got["land_cover_probability"]).all()
    assert np.isnan(got["change_probability"]).all()
    assert (got["change_split"] == -1).all()
    assert (got["reason"].to_numpy() & int(Reason.CLOUD)).all()
    assert got.attrs["unused_dates_s2"] == [0, 1, 2, 3]


def test_one_date_gives_land_cover_and_no_comparison(tmp_path):
    source = made_up_source(groups=("s2",), shape=(60, 50), cloud=0.0)
    source = dataclasses.replace(source, groups={"s2": source.groups["s2"].isel(time=[1])})
    got = predicted(tmp_path, source=source)
    assert np.isfinite(got["land_cover_probability"].to_numpy()[:, 10:, 10:]).all()
    assert np.isnan(got["change_probability"]).all()
    assert got.sizes["split"] == 0


def test_tasks_are_only_those_asked(tmp_path):
    got = predicted(tmp_path, tasks=("land-cover",))
    assert "change_probability" not in got
    assert "land_cover_probability" in got


def test_plain_xarray_keeps_crs_flags_and_types(tmp_path):
    uri = str(tmp_path / "predictions")
    ref = predict_with(small_model(), made_up_source(), uri, options=OPTIONS, tasks=TASKS)
    plain = xr.open_zarr(open_store(uri).read(ref.snapshot), consolidated=False)
    assert "spatial_ref" in plain.coords
    for name, variable in plain.data_vars.items():
        assert variable.attrs.get("grid_mapping", variable.encoding.get("grid_mapping")) == "spatial_ref", name
        assert "units" in variable.attrs
    assert plain["reason"].dtype == np.uint16
    assert plain["change_before"].dtype == np.int32
    assert plain["land_cover_probability"].dtype == np.float32
    assert plain["class"].to_numpy().tolist() == [10, 30, 40, 50, 60, 80, 90]
    assert plain["split_before"].dtype.kind == "M"
    assert plain.attrs["cube_snapshot"] == "SNAPSHOT"
    assert plain.attrs["proj:code"] == "EPSG:32631"


def test_progress_comes_in_order_and_threads_are_given_back(tmp_path):
    told, before = [], torch.get_num_threads()
    uri = str(tmp_path / "predictions")
    predict_with(small_model(), made_up_source(), uri, options=OPTIONS, tasks=TASKS, on_progress=told.append)
    assert [step.done for step in told] == sorted(step.done for step in told)
    assert told[-1].done == told[-1].total == 16
    assert torch.get_num_threads() == before


def test_a_full_disk_is_told_as_such(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise icechunk.IcechunkError("No space left on device")

    monkeypatch.setattr("zarr.open_array", full)
    with pytest.raises(InferenceError, match=r"must fit the disk.*free space and run again"):
        predicted(tmp_path)


def test_bad_calls_are_refused(tmp_path):
    with pytest.raises(ValueError, match="tasks must be some of"):
        predicted(tmp_path, tasks=("flood",))
    with pytest.raises(ValueError, match="multiple of 32"):
        InferenceOptions(window=100)
    with pytest.raises(ValueError, match="stride must be"):
        InferenceOptions(window=64, stride=65)
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        InferenceOptions(chunk=0)
    with pytest.raises(ValueError, match="modalities must be some of"):
        InferenceOptions(modalities=("thermal",))
    with pytest.raises(ValueError, match="one modality a group"):
        InferenceOptions(modalities=("optical", "ms"))
    (tmp_path / "predictions").mkdir(exist_ok=True)
    (tmp_path / "predictions" / "notes.txt").write_text("mine")
    with pytest.raises(CubeError, match="holds other files"):
        predicted(tmp_path)


def test_answers_do_not_pile_up(tmp_path, monkeypatch):
    waiting, most = [0], [0]
    answer, add = apply._Worker.answer, apply._Worker.add

    def counted_answer(self, batch):
        waiting[0] += 1
        most[0] = max(most[0], waiting[0])
        time.sleep(0.02)  # a model takes far longer than a sum
        return answer(self, batch)

    def counted_add(self, *args):
        add(self, *args)
        waiting[0] -= 1

    monkeypatch.setattr(apply._Worker, "answer", counted_answer)
    monkeypatch.setattr(apply._Worker, "add", counted_add)
    monkeypatch.setattr(apply, "answer_batch", lambda *_args: [])
    predicted(tmp_path, source=made_up_source(shape=(60, 2000), groups=("s1",)), group=1, tasks=("land-cover",))
    assert waiting[0] == 0
    assert most[0] <= 20, "a whole row of windows waited for its turn"
