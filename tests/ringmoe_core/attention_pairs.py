"""Window attention written as one loop over tokens, in float64: what every fast form is compared with."""

from __future__ import annotations

import math

import torch

from ringmoe_core.attention import WindowAttention


def make_layer(kind="bias", *, dim=32, head_dim=16, window=8, shifted=False, seed=0) -> WindowAttention:
    layer = WindowAttention(dim, head_dim, window, shifted=shifted, kind=kind)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return layer


def windows_of(size, window, *, shifted):
    """Which window each row (or column) is in: a shift by s puts borders at s, s + side, ..."""
    side = min(window, size)
    move = side // 2 if shifted and size > side else 0
    return [(at - move) // side for at in range(size)]


def pair_bias(layer, down, across):
    """Of each head, for a token `down` rows and `across` columns after the one it looks at."""
    if layer.kind == "bias":
        reach = layer.window - 1
        return layer.bias_table_RA[(down + reach) * (2 * reach + 1) + across + reach].double()
    spaced = [math.copysign(math.log(1 + abs(offset)), offset) / math.log(8) for offset in (down, across)]
    hidden = layer.position.hidden.weight.double() @ torch.tensor(spaced, dtype=torch.float64)
    hidden = (hidden + layer.position.hidden.bias.double()).clamp(min=0)
    return 16 / (1 + torch.exp(-(layer.position.output.weight.double() @ hidden)))


def pair_scores(layer, query, keys):
    """Of each key and head, (K, A), from (A, E) and (K, A, E)."""
    dot = (query * keys).sum(-1)
    if layer.kind == "bias":
        return dot / math.sqrt(query.shape[-1])
    scale = torch.minimum(10 * layer.log_scale_A.double().exp(), torch.tensor(100.0, dtype=torch.float64))
    return scale * dot / torch.sqrt((query.square().sum(-1) + 1e-6) * (keys.square().sum(-1) + 1e-6))


def attend_pairs(layer, tokens, live=None):
    """(N, h, w, D) in float64; for each token, those that it sees."""
    N, h, w, D = tokens.shape
    weight = layer.qkv.weight.double()
    if layer.kind == "bias":
        bias = layer.qkv.bias.double()
    else:
        bias = torch.cat([layer.query_bias_D, torch.zeros(D), layer.value_bias_D]).double()
    joined = (tokens.double() @ weight.T + bias).unflatten(-1, (3, layer.num_heads, -1))
    down, across = (
        windows_of(h, layer.window, shifted=layer.shifted),
        windows_of(w, layer.window, shifted=layer.shifted),
    )
    places = [(y, x) for y in range(h) for x in range(w)]
    bias_of, rows = {}, []
    for image in range(N):
        for y, x in places:
            seen = [(v, u) for v, u in places if (down[v], across[u]) == (down[y], across[x])]
            if live is not None and any(live[image, v, u] for v, u in seen):
                seen = [(v, u) for v, u in seen if live[image, v, u]]
            for v, u in seen:
                if (y - v, x - u) not in bias_of:
                    bias_of[y - v, x - u] = pair_bias(layer, y - v, x - u)
            others = joined[image, [v for v, _ in seen], [u for _, u in seen]]
            scores = pair_scores(layer, joined[image, y, x, 0], others[:, 1])
            shares = (scores + torch.stack([bias_of[y - v, x - u] for v, u in seen])).softmax(0)
            rows.append((shares[..., None] * others[:, 2]).sum(0).flatten())
    mixed = torch.stack(rows).reshape(N, h, w, D)
    return mixed @ layer.projection.weight.double().T + layer.projection.bias.double()
