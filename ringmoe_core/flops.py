"""Floating-point operations of one image, counted on the layers of a model.

Legend: D channels, n tokens of a window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringmoe_core.windows import plan_windows

if TYPE_CHECKING:
    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.model import RingMoE


def count_flops(model: RingMoE, *, side: int = 192) -> int:
    """FLOPs of one image of `side` x `side` pixels, 2 a multiply-add, of all matrix products and convolutions.

    The image is one of the first modality, alone in its group, and goes through everything that the model has: with
    maps up to the land-cover logits. Every weight counts as often as rows pass it (an expert's: the share of tokens
    that it gets on average, so that a token passes `top_k` experts a bank), and attention's two products are added.
    What is made once for all images is left out: a cosine attention's biases.

    Args:
        model: with or without storage.
        side: pixels, at least 1.

    Raises:
        ValueError: the side is below 1.
    """
    if side < 1:
        raise ValueError(f"an image has at least one pixel a side, got {side}; give a positive side")
    config = model.config
    grids = _grids(side, config)
    products = sum(
        parameter.numel() * _rows(name.split("."), config, grids)
        for name, parameter in model.named_parameters()
        if parameter.dim() > 1 and "bias" not in name  # a bank's biases and the bias table have two axes too
    )
    return 2 * round(products + _attention_products(config, grids) + _made_filters(config, grids))


def _grids(side: int, config: RingMoEConfig) -> list[int]:
    """Cells along a side of each level of the pyramid, finest first, whatever levels the model has."""
    tokens = -(-side // config.patch)
    grids = [tokens * config.patch, tokens]
    for _ in config.depths[1:]:
        grids.append(-(-grids[-1] // 2))
    return grids


def _rows(path: list[str], config: RingMoEConfig, grids: list[int]) -> float:
    """Rows that pass a weight, which is named by its path."""
    match path:
        case ["encoder", "stages", stage, _, "attention", part, *_]:
            return _attention_rows(part, int(stage), config, grids)
        case ["encoder", "stages", stage, _, "mixture", bank, *_]:
            return grids[int(stage) + 1] ** 2 * _share(bank, path[-1], config)
        case ["encoder", "mergings", stage, *_]:
            return grids[int(stage) + 2] ** 2
        case ["encoder", ("embeds" | "skips") as kind, name, *rest]:
            return _input_rows(kind, rest, config, grids) if name == config.modalities[0] else 0
        case ["encoder", "acquisition", *_]:
            return 1
        case _:
            return _map_rows(path, grids)


def _map_rows(path: list[str], grids: list[int]) -> int:
    """Rows that pass a weight of fusion, decoder or heads; none passes the change head, which is asked about pairs."""
    match path:
        case ["fusion", "levels", _, "context", *_]:
            return 1
        case ["fusion", "levels", level, *_]:
            return grids[int(level)] ** 2
        case ["decoder", "smooth", level, *_]:
            return grids[int(level) + 1] ** 2 if len(grids) > int(level) + 2 else 0  # the coarsest has no finer one
        case ["decoder", "reduce", *_]:
            return grids[1] ** 2
        case ["decoder" | "segmentation_head", *_]:
            return grids[0] ** 2
        case _:
            assert path[0] == "change_head", f"no rule for the rows of {'.'.join(path)}"
            return 0


def _input_rows(kind: str, path: list[str], config: RingMoEConfig, grids: list[int]) -> float:
    cells = grids[1] ** 2 if kind == "embeds" else grids[0] ** 2
    match path:
        case ["presence_CD"]:
            return 1
        case ["filters", *_]:
            return config.channels[0]
        case _:
            return cells


def _attention_rows(part: str, stage: int, config: RingMoEConfig, grids: list[int]) -> float:
    plan = plan_windows((grids[stage + 1],) * 2, config.stage_windows[stage], shifted=False)
    if part in ("qkv", "projection"):
        return plan.padded[0] * plan.padded[1]
    return 0


def _share(bank: str, tensor: str, config: RingMoEConfig) -> float:
    """Part of the tokens that passes an entry of a mixture's weight."""
    match bank, tensor:
        case "specialised", _:
            return config.top_k / (config.num_specialised * len(config.modalities))
        case "collaborative", _:
            return config.top_k / config.num_collaborative
        case "router", "specialised_MSD":
            return 1 / len(config.modalities)
        case _:
            return 1


def _attention_products(config: RingMoEConfig, grids: list[int]) -> int:
    """Multiply-adds of queries with keys and of weights with values: 2 n D for every token of a window."""
    total = 0
    for dim, depth, grid, window in zip(config.stage_dims, config.depths, grids[1:], config.stage_windows, strict=True):
        plan = plan_windows((grid, grid), window, shifted=False)
        total += depth * 2 * plan.padded[0] * plan.padded[1] * plan.window[0] * plan.window[1] * dim
    return total


def _made_filters(config: RingMoEConfig, grids: list[int]) -> int:
    """Multiply-adds with the filters that a spectral embedding makes from its bands, which are no parameters."""
    if config.embedding != "spectral":
        return 0
    channels = config.channels[0]
    tokens = grids[1] ** 2 * config.patch**2 * config.dim
    pixels = grids[0] ** 2 * 9 * config.skip_dim if config.maps else 0
    return channels * (config.dim + tokens + pixels)
