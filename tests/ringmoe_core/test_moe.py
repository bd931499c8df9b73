from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from obvious import assert_near, filled, obvious_mixture
from torch.utils.checkpoint import checkpoint

from ringmoe_core import RingMoEConfig
from ringmoe_core.balance import summarise
from ringmoe_core.moe import MixtureLayer

pytestmark = pytest.mark.usefixtures("one_thread")


def random_tokens(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gradients_of(layer, output, tokens, pull):
    layer.zero_grad()
    tokens.grad = None
    (output * pull).sum().backward()
    named = {name: value.grad for name, value in layer.named_parameters()}
    return {name: None if grad is None else grad.clone() for name, grad in named.items()} | {"tokens": tokens.grad}


@st.composite
def cases(draw):
    """A configuration, modalities of the images, tokens of an image, and how uneven the routing is."""
    specialised, collaborative = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    banks = [size for size in (specialised, collaborative) if size]
    top_k = draw(st.integers(1, min([3, *banks]))) if banks else 1
    config = RingMoEConfig(
        dim=16,
        style=draw(st.sampled_from(["modern", "paper"])),
        num_specialised=specialised,
        num_collaborative=collaborative,
        num_pruned=draw(st.integers(0, 2)) if collaborative else 0,
        top_k=top_k,
    )
    modality = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    return config, modality, draw(st.integers(1, 7)), draw(st.sampled_from([0.0, 0.5, 5.0])), draw(st.integers(0, 99))


@settings(deadline=None, max_examples=50)
@given(case=cases())
def test_the_layer_equals_the_obvious_loop_in_value_and_gradient(case):
    config, modality, length, skew, seed = case
    layer = filled(MixtureLayer(config, 16), seed=seed)
    modality_N = torch.tensor(modality)
    tokens = random_tokens(len(modality), length, 16, seed=seed) + skew
    pull = random_tokens(*tokens.shape, seed=seed + 1)
    exact = copy.deepcopy(layer).double()
    slow_tokens = tokens.double().requires_grad_()
    want, gap = obvious_mixture(exact, slow_tokens, modality_N)
    assume(gap > 1e-4)  # a tie falls either way
    fast_tokens = tokens.clone().requires_grad_()
    got, _ = layer(fast_tokens, modality_N)
    assert_near(got, want, 1e-5)
    wanted = gradients_of(exact, want, slow_tokens, pull.double())
    for name, grad in gradients_of(layer, got, fast_tokens, pull).items():
        if wanted[name] is not None:  # the loop never saw a bank that no token took
            # a scorer's gradient is a difference (of a softmax) of terms of the size of an output times a token
            router = name.startswith("router")
            scale = float(want.detach().abs().max() * tokens.abs().max()) if router else 0.1
            assert_near(grad, wanted[name], 1e-5, name, scale=scale)


@pytest.mark.parametrize("top_k", [1, 2])
def test_autocast_takes_the_same_experts_and_stays_within_its_precision(top_k):
    """3 % of the largest value: half precision rounds to 0.4 % at each of about five steps."""
    layer = filled(MixtureLayer(RingMoEConfig(dim=16, num_specialised=3, num_collaborative=2, top_k=top_k), 16))
    tokens, modality = random_tokens(4, 9, 16), torch.tensor([0, 2, 2, 3])
    pull = random_tokens(*tokens.shape, seed=1)
    results, reports = [], []
    for enabled in (False, True):
        inputs = tokens.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output, use = layer(inputs, modality)
        results.append((output, gradients_of(layer, output.float(), inputs, pull)))
        reports.append(summarise([use]))
    assert torch.equal(reports[0].collaborative_load_YMX, reports[1].collaborative_load_YMX)
    assert results[1][0].dtype == torch.bfloat16
    assert_near(results[1][0], results[0][0], 3e-2)
    for name, grad in results[1][1].items():
        assert grad.dtype == torch.float32
        assert_near(grad, results[0][1][name], 3e-2, name)


def test_half_precision_weights_work_without_autocast():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16), 16)).to(torch.bfloat16)
    tokens, modality = random_tokens(2, 9, 16).to(torch.bfloat16), torch.tensor([0, 2])
    with torch.inference_mode():
        output, _ = layer(tokens, modality)
    exact = copy.deepcopy(layer).double()
    want, _ = obvious_mixture(exact, tokens.double(), modality)
    assert_near(output, want.detach(), 3e-2)


def test_a_single_token_leaves_the_other_experts_a_gradient_of_zero():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16), 16))
    output, _ = layer(random_tokens(1, 1, 16, seed=2), torch.tensor([1]))
    output.square().sum().backward()
    used = layer.specialised.expand_weight_XFD.grad.flatten(1).abs().sum(1) > 0
    assert used.sum() == 1
    assert used[2:4].any()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_no_image_at_all_still_runs_every_bank():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16, top_k=2), 16))
    output, use = layer(torch.zeros(0, 4, 16), torch.zeros(0, dtype=torch.int64))
    report = summarise([use])
    (output.sum() + report.balance_loss + report.z_loss).backward()
    assert output.shape == (0, 4, 16)
    assert float(report.balance_loss.detach()) == float(report.z_loss.detach()) == 0.0
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name  # not NaN either


def test_without_banks_the_layer_is_its_shared_expert():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16, num_specialised=0, num_collaborative=0), 16))
    assert {name.split(".")[0] for name, _ in layer.named_parameters()} == {"shared"}
    tokens = random_tokens(2, 5, 16)
    output, use = layer(tokens, torch.tensor([0, 1]))
    assert torch.equal(output, layer.shared(tokens.flatten(0, 1)).view_as(tokens))
    assert use.specialised is None
    assert use.collaborative is None


def test_the_papers_gates_keep_the_task_loss_from_its_routers():
    """Divided by its own sum, the gate of a top-1 choice is 1 whatever the router says: the original's flaw."""
    config = RingMoEConfig(dim=16, num_specialised=4, num_collaborative=4)
    layers = {style: filled(MixtureLayer(replace(config, style=style), 16)) for style in ("modern", "paper")}
    norms = {}
    for style, layer in layers.items():
        output, _ = layer(random_tokens(4, 8, 16), torch.tensor([0, 1, 2, 3]))
        output.square().mean().backward()
        reached = [parameter.grad.norm() for parameter in layer.router.parameters()]
        norms[style] = torch.stack(reached)
    assert (norms["modern"] > 1e-2).all()
    assert (norms["paper"] / norms["modern"]).max() < 1e-5


def test_the_task_loss_reaches_the_routers_of_the_modalities_present():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16), 16))
    output, _ = layer(random_tokens(2, 8, 16), torch.tensor([0, 3]))
    output.square().mean().backward()
    assert layer.router.collaborative_CD.grad.abs().sum() > 0
    reached = layer.router.specialised_MSD.grad.abs().sum((1, 2)) > 0
    assert reached.tolist() == [True, False, False, True]


@pytest.mark.parametrize("top_k", [1, 2])
def test_output_of_a_token_depends_on_nothing_but_itself(top_k):
    layer = filled(MixtureLayer(RingMoEConfig(dim=16, top_k=top_k), 16))
    tokens = random_tokens(6, 8, 16)
    modality = torch.tensor([0, 1, 2, 3, 0, 2])
    whole, _ = layer(tokens, modality)
    for image in range(6):
        alone, _ = layer(tokens[image : image + 1, 3:5], modality[image : image + 1])
        assert_near(alone, whole[image : image + 1, 3:5], 1e-5)


def test_tokens_that_are_not_live_are_transformed_and_not_counted():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16), 16))
    tokens, modality = random_tokens(3, 8, 16), torch.tensor([0, 3, 3])
    live = torch.rand(3, 8, generator=torch.Generator().manual_seed(5)) > 0.4
    live[0] = False
    output, use = layer(tokens, modality, live)
    everywhere, _ = layer(tokens, modality)
    assert torch.equal(output, everywhere)
    report = summarise([use])
    kept = [layer(tokens[at, live[at]][None], modality[at : at + 1])[1] for at in (1, 2)]
    loads = sum(summarise([one]).collaborative_load_YMX for one in kept)
    assert torch.equal(report.collaborative_load_YMX, loads)
    assert report.collaborative_load_YMX[0].sum(1).tolist() == [0.0, 0.0, 0.0, float(live.sum())]
    assert report.specialised_entropy_YM[0, :3].isnan().all()
    together = tokens[live][None]  # the same tokens as one image
    _, alone = layer(together, torch.tensor([3]))
    want = summarise([alone])
    for name in ("balance_loss", "z_loss"):
        torch.testing.assert_close(getattr(report, name), getattr(want, name), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(report.specialised_entropy_YM[:, 3], want.specialised_entropy_YM[:, 3])


def test_recomputed_and_repeated_layers_have_the_same_gradient():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16, top_k=2), 16), scale=0.2)
    modality = torch.tensor([0, 2])

    def twice(tokens, again):
        for _ in range(2):
            tokens = tokens + again(lambda rows: layer(rows, modality)[0], tokens)
        return tokens

    def recomputed(function, tokens):
        return checkpoint(function, tokens, use_reentrant=False)

    pull, results = random_tokens(2, 6, 16, seed=1), []
    for again in (lambda function, tokens: function(tokens), recomputed):
        tokens = random_tokens(2, 6, 16).requires_grad_()
        output = twice(tokens, again)
        results.append(gradients_of(layer, output, tokens, pull))
    slow = copy.deepcopy(layer).double()
    tokens = random_tokens(2, 6, 16).double().requires_grad_()
    output = tokens
    for _ in range(2):
        output = output + obvious_mixture(slow, output, modality)[0]
    want = gradients_of(slow, output, tokens, pull.double())
    for name, grad in results[0].items():
        torch.testing.assert_close(grad, results[1][name])
        if want[name] is not None:
            assert_near(grad, want[name], 2e-5, name)


def test_top_k_beyond_a_bank_is_refused():
    with pytest.raises(ValueError, match="top_k must not exceed"):
        replace(RingMoEConfig(), top_k=3)
