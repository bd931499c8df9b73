from __future__ import annotations

import pytest
import torch
from obvious import filled

from ringmoe_core.router import Router

pytestmark = pytest.mark.usefixtures("one_thread")


def made(**changes):
    sizes = {"num_modalities": 3, "num_specialised": 4, "num_collaborative": 5, "top_k": 1} | changes
    return filled(Router(8, **sizes))


def tokens(*shape, seed=0):
    return torch.randn(*shape, 8, generator=torch.Generator().manual_seed(seed))


def test_decisions_are_softmax_and_the_best_of_it():
    router, modality = made(top_k=2), torch.tensor([2, 0])
    input_NLD = tokens(2, 6)
    own, common = router(input_NLD, modality)
    for routing, scorers in (
        (own, router.specialised_MSD[modality]),
        (common, router.collaborative_CD.expand(2, -1, -1)),
    ):
        scores_NLX = torch.einsum("nld,nxd->nlx", input_NLD, scorers)
        best = scores_NLX.softmax(-1).topk(2)
        torch.testing.assert_close(routing.probability_NXL.transpose(1, 2), scores_NLX.softmax(-1))
        torch.testing.assert_close(routing.gate_NLK, best.values)
        assert torch.equal(routing.choice_NLK, best.indices)
        torch.testing.assert_close(routing.log_partition_NL, scores_NLX.logsumexp(-1))
        entropy = torch.distributions.Categorical(logits=scores_NLX).entropy()
        torch.testing.assert_close(routing.entropy_NL, entropy.detach(), rtol=1e-4, atol=1e-5)


def test_scores_are_float32_under_autocast_and_for_half_precision_weights():
    input_NLD, modality = tokens(2, 6), torch.tensor([2, 0])
    plain, _ = made()(input_NLD, modality)
    with torch.autocast("cpu", torch.bfloat16):
        cast, _ = made()(input_NLD, modality)
    assert cast.probability_NXL.dtype == torch.float32
    assert torch.equal(cast.probability_NXL, plain.probability_NXL)
    half, _ = made().to(torch.bfloat16)(input_NLD.to(torch.bfloat16), modality)
    assert half.probability_NXL.dtype == torch.float32


def test_an_absent_bank_has_neither_parameters_nor_a_decision():
    modality = torch.tensor([1])
    for own, common in ((0, 3), (3, 0), (0, 0)):
        router = made(num_specialised=own, num_collaborative=common, balancing="bias")
        decisions = router(tokens(1, 2), modality)
        assert [decision is None for decision in decisions] == [own == 0, common == 0]
        assert (router.specialised_MSD is None, router.collaborative_CD is None) == (own == 0, common == 0)
        assert len(router.state_dict()) == 2 * ((own > 0) + (common > 0))


def test_pruned_experts_keep_the_gates_size_and_are_never_taken():
    whole = made(num_collaborative=5)
    pruned = made(num_collaborative=2, num_pruned=3)
    with torch.no_grad():
        pruned.specialised_MSD.copy_(whole.specialised_MSD)
        pruned.collaborative_CD.copy_(whole.collaborative_CD)
    input_NLD, modality = tokens(3, 40), torch.tensor([0, 1, 2])
    _, before = whole(input_NLD, modality)
    _, after = pruned(input_NLD, modality)
    assert after.probability_NXL.shape[1] == 2
    torch.testing.assert_close(after.probability_NXL, before.probability_NXL[:, :2])
    assert int(after.choice_NLK.max()) == 1
    same = before.choice_NLK < 2
    assert same.any()
    torch.testing.assert_close(after.gate_NLK[same], before.gate_NLK[same])
    torch.testing.assert_close(after.entropy_NL, before.entropy_NL)


def test_a_selection_bias_moves_the_choice_and_never_the_gate():
    router, plain = made(balancing="bias"), made()
    input_NLD, modality = tokens(2, 30), torch.tensor([2, 0])
    assert "collaborative_bias_C" in router.state_dict()
    assert not any("bias" in name for name in plain.state_dict())
    router.collaborative_bias_C[3] = 2.0  # above any difference of probabilities
    router.specialised_bias_MS[2, 1] = 2.0
    (own, common), (plain_own, plain_common) = router(input_NLD, modality), plain(input_NLD, modality)
    assert (common.choice_NLK == 3).all()
    assert (own.choice_NLK[0] == 1).all()
    assert torch.equal(own.choice_NLK[1], plain_own.choice_NLK[1])
    assert torch.equal(common.probability_NXL, plain_common.probability_NXL)
    assert torch.equal(common.gate_NLK[..., 0], common.probability_NXL[:, 3])


def test_no_images_give_empty_decisions():
    own, common = made(top_k=2)(tokens(0, 4), torch.zeros(0, dtype=torch.int64))
    assert own.choice_NLK.shape == (0, 4, 2)
    assert common.probability_NXL.shape == (0, 5, 4)
