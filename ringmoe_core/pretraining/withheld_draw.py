"""Which images of a series are withheld, and which of those a step predicts.

Legend: B places, T dates, H, W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from ringmoe_core.pretraining.withheld_config import WithheldConfig
    from ringmoe_core.series import Series

_STREAM: Final = 3
"""Second word of the seed, so that other draws of the same number are others."""


def draw_withheld(series: Mapping[str, Series], config: WithheldConfig, seed: int) -> dict[str, torch.Tensor]:
    """Withheld images of each modality, bool (B, T).

    Images without a valid pixel are never withheld. A place with one image keeps it; any other has at least one that
    is withheld and one that is shown.

    Args:
        series: By modality, of the same places.
        config: Shares.
        seed: Equal seeds withhold equal images.
    """
    random = np.random.default_rng((seed, _STREAM))
    live = {name: one.valid_BTHW.flatten(2).any(-1).cpu().numpy() for name, one in series.items()}
    withheld = {name: np.zeros_like(one) for name, one in live.items()}
    for place in range(next(iter(live.values())).shape[0]):
        images = [(name, int(date)) for name in live for date in np.flatnonzero(live[name][place])]
        for name, date in _of_place(images, config, random):
            withheld[name][place, date] = True
    return {name: torch.from_numpy(one).to(series[name].valid_BTHW.device) for name, one in withheld.items()}


def draw_judged(withheld: Mapping[str, torch.Tensor], most: int, seed: int) -> dict[str, torch.Tensor]:
    """For each modality the withheld images to predict, as place x T + date, at most `most` of a place."""
    random = np.random.default_rng((seed, _STREAM, 1))
    return {
        name: torch.tensor(
            [index for row, one in enumerate(images.cpu().numpy()) for index in _some(row, one, most, random)],
            dtype=torch.long,
            device=images.device,
        )
        for name, images in withheld.items()
    }


def _of_place(
    images: list[tuple[str, int]], config: WithheldConfig, random: np.random.Generator
) -> list[tuple[str, int]]:
    if len(images) < 2:  # noqa: PLR2004 - one to show, one to predict
        return []
    names = sorted({name for name, _ in images})
    if len(names) > 1 and random.random() < config.whole_sensor:
        lost = names[int(random.integers(len(names)))]
        return [image for image in images if image[0] == lost]
    wanted = round(random.uniform(config.least_share, config.most_share) * len(images))
    chosen = random.choice(len(images), min(max(wanted, 1), len(images) - 1), replace=False)
    return [images[int(index)] for index in chosen]


def _some(row: int, withheld: npt.NDArray[np.bool_], most: int, random: np.random.Generator) -> list[int]:
    dates = random.permutation(np.flatnonzero(withheld))[:most]
    return [row * len(withheld) + int(date) for date in np.sort(dates)]
