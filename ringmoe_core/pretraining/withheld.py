"""WithheldImages: a model learns to tell what images of a place that it was not shown look like.

Legend: B places, T dates, N images, P map channels, R numbers a pixel, H, W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ringmoe_core.losses.routing import routing_losses
from ringmoe_core.pretraining.config import PretrainConfig
from ringmoe_core.pretraining.hide import without
from ringmoe_core.pretraining.map_reader import MapReader
from ringmoe_core.pretraining.pretrainer import PretrainLosses
from ringmoe_core.pretraining.targets import modality_target
from ringmoe_core.pretraining.withheld_draw import draw_judged, draw_withheld

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.balance import RoutingReport
    from ringmoe_core.model import RingMoE
    from ringmoe_core.pretraining.batch import PretrainBatch
    from ringmoe_core.pretraining.withheld_config import WithheldConfig

SENSORS = ("optical", "sar_l2", "ms")
"""Modalities of series; a complex image's phase is not to be foretold."""


class WithheldImages(nn.Module):
    """A model and, for each sensor, a light reader of its maps.

    Images of some dates are withheld; the others are fused and decoded to one map a place, and a reader tells from the
    map of a pixel, the sensor and the day what the withheld image shows there. Fusion, decoder and full-resolution
    features learn with the encoder, without a label: a map that foretells any day holds the course of the year of its
    own pixel, under clouds and speckle. Presto masks series of single pixels so (arXiv 2304.14065, section 3.2); here
    whole images are withheld, and the prediction is at full resolution.
    """

    def __init__(self, model: RingMoE, config: WithheldConfig, *, seed: int = 0) -> None:
        """Builds the readers.

        Args:
            model: trained in place.
            config: what is withheld and how much each sensor counts.
            seed: of the readers' first values.

        Raises:
            ValueError: the model has no maps, or no sensor of series.
        """
        super().__init__()
        self.model, self.config = model, config
        known = model.config
        channels = {name: num for name, num in zip(known.modalities, known.channels, strict=True) if name in SENSORS}
        if not known.maps or not channels:
            raise ValueError(
                f"withheld images are read from maps of {SENSORS}, got maps={known.maps} and modalities "
                f"{known.modalities}; build the model with maps and one of them"
            )
        kinds = PretrainConfig(
            reflectance=config.reflectance, sar_l2_looks=config.sar_l2_looks,
            sar_l2_noise_power=config.sar_l2_noise_power,
        )  # fmt: skip
        self.targets = {name: modality_target(name, num, kinds) for name, num in channels.items()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.readers = nn.ModuleDict(
                {
                    name: MapReader(known.map_dim, config.reader_dim, target.num_numbers)
                    for name, target in self.targets.items()
                }
            )

    def forward(self, batch: PretrainBatch) -> PretrainLosses:
        """The losses of one batch; a sensor of which nothing is withheld has no term.

        Raises:
            ValueError: the batch has a modality that is not of series, or does not fit the model.
        """
        strange = sorted(set(batch.series) - set(self.readers))
        if strange:
            raise ValueError(
                f"images of {sorted(self.readers)} are withheld, got a batch with {strange}; draw places of series"
            )
        withheld = draw_withheld(batch.series, self.config, batch.seed)
        maps_BPHW, routing = self._maps(batch, withheld)
        terms: dict[str, Tensor] = {}
        for name, numbers_NRHW, images_N in self._read(maps_BPHW, batch, withheld):
            truth = batch.truth(name, batch.series[name].valid_BTHW, images_N)
            found = self.targets[name].losses(numbers_NRHW, truth)
            terms |= {f"{name}.{key}" if key else name: value for key, value in found.items()}
        kept = routing_losses(routing)
        terms |= {"balance": kept.balance.to(maps_BPHW.device), "z": kept.z.to(maps_BPHW.device)}
        weights = {name: getattr(self.config, f"{name}_weight") for name in (*self.targets, "balance", "z")}
        weights["ms.angle"] = weights.get("ms", 0.0) * self.config.spectral_angle_weight
        total = torch.stack([weights[name] * value.float() for name, value in terms.items()]).sum()
        values = torch.stack([value.detach().float() for value in terms.values()]).tolist()
        return PretrainLosses(
            total=total + self._idle(maps_BPHW), terms=dict(zip(terms, values, strict=True)), routing=routing
        )

    @torch.no_grad()
    def foretell(self, batch: PretrainBatch) -> dict[str, tuple[Tensor, Tensor]]:
        """For each sensor with a withheld image: predictions (N, C, H, W) in physical units and the images they are of.

        Images are counted as place x T + date.

        Raises:
            ValueError: the batch does not fit the model.
        """
        withheld = draw_withheld(batch.series, self.config, batch.seed)
        maps_BPHW, _ = self._maps(batch, withheld)
        return {
            name: (self.targets[name].physical(numbers_NRHW), images_N)
            for name, numbers_NRHW, images_N in self._read(maps_BPHW, batch, withheld)
        }

    def _maps(self, batch: PretrainBatch, withheld: Mapping[str, Tensor]) -> tuple[Tensor, RoutingReport | None]:
        shown = {name: without(one, withheld[name][..., None, None]) for name, one in batch.series.items()}
        features = self.model.encode(shown)
        everything_B1T = torch.ones_like(features.day_BT, dtype=torch.bool)[:, None]
        return self.model.decode(self.model.fuse(features, everything_B1T)), features.routing

    def _read(
        self, maps_BPHW: Tensor, batch: PretrainBatch, withheld: Mapping[str, Tensor]
    ) -> list[tuple[str, Tensor, Tensor]]:
        """For each sensor with a withheld image its name, the reader's numbers in float32, and the images."""
        found = []
        for name, images_N in draw_judged(withheld, self.config.num_judged, batch.seed).items():
            if not len(images_N):
                continue
            one = batch.series[name]
            age_BT = torch.zeros_like(one.day_BT) if one.age_BT is None else one.age_BT
            place_N = torch.div(images_N, one.num_dates, rounding_mode="floor")
            numbers_NRHW = self.readers[name](
                maps_BPHW.index_select(0, place_N), one.day_BT.flatten()[images_N], age_BT.flatten()[images_N]
            )
            found.append((name, numbers_NRHW.float(), images_N))
        return found

    def _idle(self, maps_BPHW: Tensor) -> Tensor:
        """Zero, by way of all readers and the maps: processes that share gradients derive the same parameters."""
        parameters = [parameter.sum() for parameter in self.readers.parameters()]
        return 0.0 * (torch.stack(parameters).sum() + maps_BPHW.float().sum())
