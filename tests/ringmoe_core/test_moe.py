from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from ringmoe_core import RingMoEConfig
from ringmoe_core.dispatch import plan_dispatch, restore_rows, sort_rows
from ringmoe_core.moe import MixtureLayer

if TYPE_CHECKING:
    from ringmoe_core.experts import ExpertBank


def filled(module: torch.nn.Module, scale: float = 0.3) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return module


def expert(bank: ExpertBank, index: int, rows: torch.Tensor) -> torch.Tensor:
    hidden = torch.nn.functional.gelu(rows @ bank.expand_weight_XFD[index].T + bank.expand_bias_XF[index])
    return hidden @ bank.reduce_weight_XDF[index].T + bank.reduce_bias_XD[index]


def obvious_mixture(layer: MixtureLayer, tokens: torch.Tensor, modality: torch.Tensor, top_k: int) -> torch.Tensor:
    """Token by token, bank by bank."""
    result = []
    num = layer.num_specialised
    for image, which in zip(tokens, modality.tolist(), strict=True):
        rows = []
        for token in image:
            own = torch.softmax(layer.router.specialised_MSD[which] @ token, 0)
            common = torch.softmax(layer.router.collaborative_CD @ token, 0)
            total = layer.shared(token[None])[0]
            for index in own.argsort(descending=True)[:top_k].tolist():
                total = total + own[index] * expert(layer.specialised, which * num + index, token[None])[0]
            for index in common.argsort(descending=True)[:top_k].tolist():
                total = total + common[index] * expert(layer.collaborative, index, token[None])[0]
            rows.append(total)
        result.append(torch.stack(rows))
    return torch.stack(result)


@pytest.mark.parametrize("top_k", [1, 2])
@pytest.mark.parametrize("modality", [(0, 2, 2, 3), (3, 1, 0, 1), (2, 2, 2, 2)])
@pytest.mark.parametrize("tokens_an_image", [9, 1])
def test_mixture_equals_the_obvious_loop(top_k, modality, tokens_an_image):
    config = RingMoEConfig(dim=16, num_specialised=3, num_collaborative=2, top_k=top_k)
    layer = filled(MixtureLayer(config, 16))
    tokens = torch.randn(4, tokens_an_image, 16, generator=torch.Generator().manual_seed(0))
    modality_N = torch.tensor(modality)
    pull = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(1))
    gradients = []
    outputs = []
    for forward in (lambda x: layer(x, modality_N)[0], lambda x: obvious_mixture(layer, x, modality_N, top_k)):
        layer.zero_grad()
        x = tokens.clone().requires_grad_()
        output = forward(x)
        (output * pull).sum().backward()
        outputs.append(output.detach())
        named = {
            name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in layer.named_parameters()
        }
        gradients.append({**named, "input": x.grad})
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-5, atol=1e-5)
    for name, value in gradients[1].items():
        torch.testing.assert_close(
            gradients[0][name], value, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_single_token_and_untaken_experts():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16), 16))
    token = torch.randn(1, 1, 16, generator=torch.Generator().manual_seed(2))
    output, _ = layer(token, torch.tensor([1]))
    torch.testing.assert_close(output, obvious_mixture(layer, token, torch.tensor([1]), 1), rtol=1e-5, atol=1e-5)
    output.square().sum().backward()
    used = layer.specialised.expand_weight_XFD.grad.flatten(1).abs().sum(1) > 0
    assert used.sum() == 1
    assert used[2:4].any()


def test_task_loss_reaches_both_routers():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16), 16))
    output, _ = layer(torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 3]))
    output.square().mean().backward()
    assert layer.router.collaborative_CD.grad.abs().sum() > 0
    reached = layer.router.specialised_MSD.grad.abs().sum((1, 2)) > 0
    assert reached.tolist() == [True, False, False, True]


def test_output_of_a_token_depends_on_nothing_but_itself():
    layer = filled(MixtureLayer(RingMoEConfig(dim=16), 16))
    tokens = torch.randn(6, 8, 16, generator=torch.Generator().manual_seed(0))
    modality = torch.tensor([0, 1, 2, 3, 0, 2])
    whole, _ = layer(tokens, modality)
    for image in range(6):
        alone, _ = layer(tokens[image : image + 1], modality[image : image + 1])
        torch.testing.assert_close(whole[image : image + 1], alone, rtol=1e-5, atol=1e-5)


def test_dispatch_sorts_stably_and_restores():
    choice = torch.tensor([2, 0, 2, 4, 0, 2])
    plan = plan_dispatch(choice, 6)
    assert plan.counts == (2, 0, 3, 0, 1, 0)
    assert plan.order_T.tolist() == [1, 4, 0, 2, 5, 3]
    rows = torch.randn(6, 3, requires_grad=True)
    torch.testing.assert_close(restore_rows(sort_rows(rows, plan), plan), rows)
    sort_rows(rows, plan)[0].sum().backward()
    assert rows.grad.sum(1).tolist() == [0, 3, 0, 0, 0, 0]


def test_top_k_beyond_a_bank_is_refused():
    with pytest.raises(ValueError, match="top_k must not exceed"):
        replace(RingMoEConfig(), top_k=3)
