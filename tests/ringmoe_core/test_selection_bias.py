from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from obvious import filled

from ringmoe_core import RingMoEConfig
from ringmoe_core.balance import summarise
from ringmoe_core.moe import MixtureLayer
from ringmoe_core.selection_bias import shift_selection

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = RingMoEConfig(dim=16, num_specialised=4, num_collaborative=4, balancing="bias")


def batch(seed=0):
    return torch.randn(8, 64, 16, generator=torch.Generator().manual_seed(seed)) + 1.0, torch.tensor([0, 0, 0, 2] * 2)


def report_of(layer, seed=0):
    return summarise([layer(*batch(seed))[1]])


def test_one_step_goes_against_the_load():
    layer = filled(MixtureLayer(CONFIG, 16)).train()
    report = report_of(layer)
    shift_selection(layer, [report], rate=0.01)
    common = report.collaborative_load_YMX[0].sum(0)
    want = 0.01 * torch.sign(common.mean() - common)
    torch.testing.assert_close(layer.router.collaborative_bias_C, want.float())
    own = report.specialised_load_YMX[0]
    moved = layer.router.specialised_bias_MS
    assert not moved[[1, 3]].any()  # modalities that were not there
    torch.testing.assert_close(moved[0], 0.01 * torch.sign(own[0].mean() - own[0]).float())


def test_accumulated_reports_count_together():
    layer = filled(MixtureLayer(CONFIG, 16)).train()
    first, second = report_of(layer), report_of(layer, seed=1)
    load = (first.collaborative_load_YMX + second.collaborative_load_YMX)[0].sum(0)
    shift_selection(layer, [first, second], rate=0.5)
    torch.testing.assert_close(layer.router.collaborative_bias_C, 0.5 * torch.sign(load.mean() - load).float())


def test_steps_even_the_load_without_touching_the_probabilities():
    layer = filled(MixtureLayer(CONFIG, 16), scale=0.1).train()
    with torch.no_grad():
        before = report_of(layer)
        for _ in range(150):
            shift_selection(layer, [report_of(layer)], rate=0.01)
        after = report_of(layer)
    assert torch.equal(before.z_loss, after.z_loss)
    for report, low, high in ((before, 1.4, 4.0), (after, 1.0, 1.1)):
        load = report.collaborative_load_YMX[0].sum(0)
        assert low <= float(load.max() / load.mean()) <= high
    for modality in (0, 2):
        assert float(after.specialised_utilisation_YMX[0, modality].max()) < 0.3


def test_biases_travel_with_the_weights():
    layer = filled(MixtureLayer(CONFIG, 16)).train()
    shift_selection(layer, [report_of(layer)], rate=0.3)
    other = MixtureLayer(CONFIG, 16)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.eval()(*batch())[0], layer.eval()(*batch())[0])
    assert other.router.collaborative_bias_C.abs().sum() > 0
    assert set(MixtureLayer(replace(CONFIG, balancing="loss"), 16).state_dict()) == {
        name for name in layer.state_dict() if "router" not in name or "bias" not in name
    }


def test_nothing_moves_outside_training():
    layer = filled(MixtureLayer(CONFIG, 16)).eval()
    report = report_of(layer)
    with pytest.raises(ValueError, match="frozen outside training"):
        shift_selection(layer, [report])
    assert not layer.router.collaborative_bias_C.any()


def test_models_without_biases_and_foreign_reports_are_refused():
    layer = filled(MixtureLayer(CONFIG, 16)).train()
    with pytest.raises(ValueError, match="without selection biases"):
        shift_selection(MixtureLayer(replace(CONFIG, balancing="loss"), 16), [report_of(layer)])
    two = torch.nn.ModuleList([layer, filled(MixtureLayer(CONFIG, 16))])
    with pytest.raises(ValueError, match="the model's 2 layers"):
        shift_selection(two, [report_of(layer)])
    with pytest.raises(ValueError, match="the model's 1 layers"):
        shift_selection(layer, [])


def test_a_bank_that_is_absent_has_nothing_to_shift():
    layer = filled(MixtureLayer(replace(CONFIG, num_specialised=0), 16)).train()
    shift_selection(layer, [report_of(layer)])
    assert layer.router.collaborative_bias_C.any()
