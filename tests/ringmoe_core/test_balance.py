from __future__ import annotations

import math

import pytest
import torch

from ringmoe_core.balance import measure_bank
from ringmoe_core.router import Routing


def routing(choice: list[list[int]], probability: list[list[list[float]]]) -> Routing:
    probability_NLX = torch.tensor(probability)
    choice_NLK = torch.tensor(choice)[..., None]
    return Routing(
        logits_NLX=probability_NLX.log(),
        probability_NLX=probability_NLX,
        gate_NLK=probability_NLX.gather(-1, choice_NLK),
        choice_NLK=choice_NLK,
    )


@pytest.mark.parametrize("pooled", [True, False])
def test_perfect_balance_is_one(pooled):
    even = routing([[0, 1]] * 3, [[[0.5, 0.5], [0.5, 0.5]]] * 3)
    use = measure_bank(even, torch.tensor([0, 0, 2]), 4, pooled=pooled)
    assert float(use.balance_loss) == pytest.approx(1.0)
    assert float(use.z_loss) == pytest.approx(0.0, abs=1e-12)
    assert float(use.entropy_M[0]) == pytest.approx(math.log(2))
    assert use.utilisation_MX[2].tolist() == [0.5, 0.5]
    assert use.utilisation_MX[1].isnan().all()
    assert use.entropy_M[3].isnan()


def test_collapse_is_the_number_of_experts():
    one = routing([[1, 1]], [[[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]])
    assert float(measure_bank(one, torch.tensor([0]), 1, pooled=False).balance_loss) == pytest.approx(3.0)


def test_modalities_that_split_a_shared_bank_are_balanced_only_pooled():
    """Each modality takes one expert for itself: perfect for a pooled bank, collapse within each modality."""
    split = routing([[0, 0], [1, 1]], [[[1.0, 0.0]] * 2, [[0.0, 1.0]] * 2])
    modality = torch.tensor([0, 1])
    assert float(measure_bank(split, modality, 2, pooled=True).balance_loss) == pytest.approx(1.0)
    assert float(measure_bank(split, modality, 2, pooled=False).balance_loss) == pytest.approx(2.0)
