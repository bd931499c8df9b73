"""What weights a name stands for."""

from __future__ import annotations

import pytest
import torch

from flows.errors import ConfigError
from flows.weights import DEMONSTRATED, SHIPPED, weights_path
from ringmoe_core import load_checkpoint


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_load_whole_and_say_where_they_come_from(name):
    loaded = load_checkpoint(weights_path(name))
    assert {"sar_l2", "ms"} <= set(loaded.metadata.trained_modalities)
    assert '"seed": 0' in loaded.metadata.provenance
    assert all(torch.isfinite(parameter).all() for parameter in loaded.model.parameters())


def test_the_demonstrations_model_is_the_dense_student_of_the_other():
    assert DEMONSTRATED == "nano-dense"
    student, teacher = (load_checkpoint(weights_path(name)) for name in (DEMONSTRATED, "nano"))
    assert (student.model.config.num_specialised, student.model.config.num_collaborative) == (0, 0)
    assert teacher.sha256 in student.metadata.provenance


def test_weights_that_are_not_there_are_refused():
    with pytest.raises(ConfigError, match=r"must be one of \['nano', 'nano-dense'.*\] or the path"):
        weights_path("nanno")
