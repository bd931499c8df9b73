"""What the routed layers compute, written as plainly as possible, in float64 and token by token."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch.nn import functional


def obvious_expert(parameters, index, rows):
    expand, expand_bias, reduce, reduce_bias = (values[index] for values in parameters)
    return functional.gelu(rows @ expand.T + expand_bias) @ reduce.T + reduce_bias


def obvious_bank(rows, counts, *parameters):
    """Each expert on its rows, one after the other."""
    pieces, start = [], 0
    for index, count in enumerate(counts):
        pieces.append(obvious_expert(parameters, index, rows[start : start + count]))
        start += count
    return torch.cat(pieces)


def obvious_choices(layer, token, which):
    """(bank, expert, weight) of everything that a token takes, and the smallest gap between taken and not taken."""
    taken, gap = [], 1.0
    router, top_k = layer.router, layer.router.top_k
    scored = []
    if layer.specialised is not None:
        scored.append((layer.specialised, which * router.num_specialised, router.specialised_MSD[which]))
    if layer.collaborative is not None:
        scored.append((layer.collaborative, 0, router.collaborative_CD))
    for bank, first, scorers in scored:
        size = router.num_specialised if bank is layer.specialised else router.num_collaborative
        probability = torch.softmax(scorers @ token, 0)[:size]
        ranked = probability.argsort(descending=True).tolist()
        for higher, lower in pairwise(ranked[: top_k + 1]):
            gap = min(gap, float((probability[higher] - probability[lower]).detach()))
        gates = probability[ranked[:top_k]]
        if layer.normalises_gates:
            gates = gates / (gates.sum() + 1e-9)
        taken += [(bank, first + index, gate) for index, gate in zip(ranked, gates, strict=False)]
    return taken, gap


def obvious_mixture(layer, tokens, modality):
    """Output of a whole layer (in the layer's and tokens' own dtype) and the smallest gap of any choice."""
    images, smallest = [], 1.0
    for image, which in zip(tokens, modality.tolist(), strict=True):
        rows = []
        for token in image:
            total = layer.shared(token[None])[0]
            taken, gap = obvious_choices(layer, token, which)
            for bank, index, gate in taken:
                total = total + gate * obvious_expert(tuple(bank.parameters()), index, token[None])[0]
            rows.append(total)
            smallest = min(smallest, gap)
        images.append(torch.stack(rows))
    return torch.stack(images), smallest


def assert_near(got, want, tolerance, name="", *, scale=0.1):
    """Largest error over largest value, or over `scale` where that is larger: sums of terms of order 1 cancel."""
    assert got.shape == want.shape, name
    got, want = got.detach(), want.detach()
    if want.numel():
        error = float((got.double() - want.double()).abs().max())
        assert error <= tolerance * max(float(want.abs().max()), scale), f"{name}: {error}"


def filled(module, scale=0.3, seed=3):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return module
