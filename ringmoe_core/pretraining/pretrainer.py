"""Pretrainer: a model with what it is pre-trained by, and one joint step.

Legend: B places, T dates, G groups of images, N images, D channels, R numbers a pixel, H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ringmoe_core.hidden_tokens import HiddenTokens
from ringmoe_core.images import pick_images
from ringmoe_core.losses.routing import routing_losses
from ringmoe_core.pretraining.contrast import Contrast
from ringmoe_core.pretraining.hide import hidden_cells, hidden_pixels, without
from ringmoe_core.pretraining.light_decoder import LightDecoder
from ringmoe_core.pretraining.random_mask import unit_for
from ringmoe_core.pretraining.targets import modality_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmoe_core.balance import RoutingReport
    from ringmoe_core.features import Features
    from ringmoe_core.model import RingMoE
    from ringmoe_core.pretraining.batch import PretrainBatch
    from ringmoe_core.pretraining.config import PretrainConfig
    from ringmoe_core.series import Series

TOKEN_STD = 0.02
"""Of the first values of the learned token (its authors' code)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainLosses:
    """What a step of pre-training is about."""

    total: Tensor
    """Scalar with gradient: the weighted sum of the terms."""

    terms: Mapping[str, float]
    """Each term before its weight: by modality ("ms", "ms.angle", "sar_l1" ...), "contrastive", "balance", "z".
    Where no two modalities show one place, there is no "contrastive"."""

    routing: RoutingReport | None
    """Use of the experts."""


class Pretrainer(nn.Module):
    """A model, a light decoder for each modality, projections for the contrast, and the token for what is hidden.

    One forward of the encoder serves masked prediction and contrast. Hidden pixels are invalid to patch embeds and
    full-resolution features alike, so that nothing of them reaches a prediction, whichever way they are hidden.
    """

    def __init__(self, model: RingMoE, config: PretrainConfig, *, seed: int = 0) -> None:
        """Builds what the model lacks.

        Args:
            model: trained in place; its own state is unchanged by wrapping it.
            config: the objectives.
            seed: of the first values of decoders, projections and token.

        Raises:
            ValueError: the model does not fit the configuration.
        """
        super().__init__()
        self.model, self.config = model, config
        known = model.config
        if config.cross_modal and not known.maps:
            raise ValueError(
                "cross-modal prediction goes through fusion, got a model with maps=False; build it with maps"
            )
        if config.masks and config.mask_unit is not None and config.mask_unit % known.patch:
            raise ValueError(
                f"a masking unit must be whole patches of {known.patch} px, got {config.mask_unit}; round it up"
            )
        channels = dict(zip(known.modalities, known.channels, strict=True)) if config.masks else {}
        self.targets = {name: modality_target(name, num, config) for name, num in channels.items()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.decoders = nn.ModuleDict(
                {
                    name: LightDecoder(known, config.decoder_dim, target.num_numbers, takes_others=config.cross_modal)
                    for name, target in self.targets.items()
                }
            )
            self.contrast = None if config.contrastive == "none" else Contrast(known, config)
            token = torch.empty(known.dim).normal_(std=TOKEN_STD)
        self.token_D = nn.Parameter(token) if config.masks and config.hide == "token" else None

    def forward(self, batch: PretrainBatch) -> PretrainLosses:
        """The losses of one batch.

        Raises:
            ValueError: the batch does not fit the model.
        """
        hidden = self._draw(batch)
        features, shown = self._encode(batch, hidden)
        terms: dict[str, Tensor] = {}
        if hidden is not None:
            for name, numbers_NRHW, images_N in self._predict(features, batch, shown):
                truth = batch.truth(name, hidden[name], images_N)
                found = self.targets[name].losses(numbers_NRHW, truth)
                terms |= {f"{name}.{key}" if key else name: value for key, value in found.items()}
        contrast = None if self.contrast is None else self.contrast(features, shown, batch.place_B)
        if contrast is not None:
            terms["contrastive"] = contrast
        routing = routing_losses(features.routing)
        terms |= {
            name: value.to(features.day_BT.device) for name, value in (("balance", routing.balance), ("z", routing.z))
        }
        total = self._sum(terms)
        if self.contrast is not None and contrast is None:
            total = total + 0.0 * self.contrast.log_scale  # so that there is something to derive, whatever else is off
        if self.model.encoder.runs_every_modality:
            total = total + self._idle(features, shown)
        return PretrainLosses(total=total, terms=_numbers(terms), routing=features.routing)

    @torch.no_grad()
    def reconstruct(self, batch: PretrainBatch) -> dict[str, Tensor]:
        """What is predicted of each modality, hidden and visible pixels, in physical units: (B, T, ..., H, W).

        Images without a visible pixel have NaN. Empty without masked prediction.

        Raises:
            ValueError: the batch does not fit the model.
        """
        hidden = self._draw(batch)
        if hidden is None:
            return {}
        features, shown = self._encode(batch, hidden)
        found = {}
        for name, numbers_NRHW, images_N in self._predict(features, batch, shown):
            values = self.targets[name].physical(numbers_NRHW)
            B, T = batch.series[name].num_places, batch.series[name].num_dates
            whole = values.new_full((B * T, *values.shape[1:]), float("nan")).index_copy(0, images_N, values)
            found[name] = whole.reshape(B, T, *values.shape[1:])
        return found

    def hidden_pixels(self, batch: PretrainBatch) -> dict[str, Tensor]:
        """The pixels of each modality, bool (B, T, H, W), that a forward of this batch hides; empty without masks."""
        return self._draw(batch) or {}

    def _draw(self, batch: PretrainBatch) -> dict[str, Tensor] | None:
        if not self.config.masks:
            return None
        for name, one in batch.series.items():
            self._check_channels(name, one)
            unit = self.config.mask_unit or unit_for(one.size)
            if unit % self.model.config.patch:
                raise ValueError(
                    f"a masking unit must be whole patches of {self.model.config.patch} px, got {unit} px for {name} "
                    f"of {one.size} px; set mask_unit"
                )
        return hidden_pixels(batch.series, self.config, self.model.config.modalities, batch.seed)

    def _check_channels(self, name: str, one: Series) -> None:
        known = dict(zip(self.model.config.modalities, self.model.config.channels, strict=True))
        given = one.pixels_BTCHW.shape[2]
        if name not in known or given != known[name]:
            raise ValueError(
                f"masked prediction knows the model's own channels, {known}, got {given} of {name!r}; "
                "give absent bands as not present, and other bands to contrast alone"
            )

    def _encode(
        self, batch: PretrainBatch, hidden: Mapping[str, Tensor] | None
    ) -> tuple[Features, Mapping[str, Series]]:
        """Features of what is shown, and what that was."""
        if hidden is None:
            return self.model.encode(batch.series), batch.series
        shown = {name: without(one, hidden[name]) for name, one in batch.series.items()}
        if self.token_D is None:
            return self.model.encode(shown), shown
        patch = self.model.config.patch
        cells = {name: hidden_cells(one, hidden[name], patch) for name, one in batch.series.items()}
        return self.model.encode(shown, HiddenTokens(token_D=self.token_D, cells=cells)), shown

    def _predict(
        self, features: Features, batch: PretrainBatch, shown: Mapping[str, Series]
    ) -> list[tuple[str, Tensor, Tensor]]:
        """For each modality its name, the decoder's numbers in float32, and the images (place x T + date) they are of.

        Those are the images with a visible pixel or, where other modalities help, with any.
        """
        names = [name for name in self.model.config.modalities if name in shown]
        others = self._others(features, shown, names)
        stages = [level.permute(0, 1, 3, 4, 2) for level in features.pyramid().values()]  # as it lies in memory
        start, found = 0, []
        for group, name in enumerate(names):
            one = shown[name] if others is None else batch.series[name]
            images_N = one.valid_BTHW.flatten(2).any(-1).flatten().nonzero()[:, 0]
            levels = [pick_images(level[:, start : start + one.num_dates].flatten(0, 1), images_N) for level in stages]
            start += one.num_dates
            extra = None
            if others is not None:
                row_N = torch.div(images_N, one.num_dates, rounding_mode="floor") * len(names) + group
                extra = [level.permute(0, 2, 3, 1).index_select(0, row_N) for level in others]
            numbers_NRHW: Tensor = self.decoders[name](levels, extra, features.size)
            found.append((name, numbers_NRHW.float(), images_N))
        return found

    def _others(self, features: Features, shown: Mapping[str, Series], names: list[str]) -> tuple[Tensor, ...] | None:
        """One fused pyramid for each modality of each place, of the images of all other modalities."""
        if not self.config.cross_modal:
            return None
        group_T = [group for group, name in enumerate(names) for _ in range(shown[name].num_dates)]
        other_GT = torch.tensor([[own != group for own in group_T] for group in range(len(names))])
        member_BGT = other_GT.to(features.day_BT.device).expand(features.day_BT.shape[0], -1, -1)
        return self.model.fuse(features, member_BGT).levels

    def _sum(self, terms: Mapping[str, Tensor]) -> Tensor:
        weights = {name: self.config.masked_weight * getattr(self.config, f"{name}_weight") for name in self.targets}
        weights["ms.angle"] = self.config.masked_weight * self.config.ms_weight * self.config.spectral_angle_weight
        weights |= {name: getattr(self.config, f"{name}_weight") for name in ("contrastive", "balance", "z")}
        return torch.stack([weights[name] * value.float() for name, value in terms.items()]).sum()

    def _idle(self, features: Features, shown: Mapping[str, Series]) -> Tensor:
        """Zero, by way of every layer that this batch left out: processes that share gradients run the same layers."""
        total = features.levels[-1].new_zeros(())
        if self.token_D is not None:
            total = total + 0.0 * self.token_D.sum()
        for name, decoder in self.decoders.items():
            if name not in shown:
                stages = [level[0, :1].permute(0, 2, 3, 1) * 0.0 for level in features.pyramid().values()]
                extra = cast("LightDecoder", decoder).nothing(features.size) if self.config.cross_modal else None
                total = total + 0.0 * decoder(stages, extra, features.size).float().sum()
        return total if self.contrast is None else total + self.contrast.idle(features)


def _numbers(terms: Mapping[str, Tensor]) -> dict[str, float]:
    """One transfer from the device for all terms."""
    values = torch.stack([value.detach().float() for value in terms.values()]).tolist()
    return dict(zip(terms, values, strict=True))
