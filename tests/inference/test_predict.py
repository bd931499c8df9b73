"""A map depends on the lattice and the data alone: chunks, slabs, threads and kills change nothing."""

import dataclasses

import numpy as np
import pytest
import torch
from made_up_cube import made_up_source, small_model

from pipelines.inference import InferenceError, InferenceOptions, open_prediction
from pipelines.inference.predict import predict_with
from pipelines.inference.options import TASKS

OPTIONS = InferenceOptions(window=64, stride=48, chunk=512, group=2, num_workers=2)


def predicted(tmp_path, *, source=None, model=None, tasks=TASKS, name="out", **options):
    source = made_up_source() if source is None else source
    model = small_model() if model is None else model
    chosen = dataclasses.replace(OPTIONS, **options)
    ref = predict_with(model, source, str(tmp_path / name), options=chosen, tasks=tasks)
    return open_prediction(ref).load()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return predicted(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("chunk", [37, 64, 100])
def test_chunks_change_no_bit(tmp_path, whole, chunk):
    got = predicted(tmp_path, chunk=chunk)
    for name in whole.data_vars:
        np.testing.assert_array_equal(got[name].to_numpy(), whole[name].to_numpy(), err_msg=name)
        assert got[name].encoding["chunks"][-1] == min(chunk, 170)
