"""RingMoEConfig: everything that fixes the shapes of a model's tensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal

from ringmoe_core.modality import MODALITIES, MODALITY_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Mapping

PAPER_SIDE = 192
"""Pixels across an image of the paper's pre-training (its authors' configuration)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingMoEConfig:
    """Sizes, modalities and classes of one model; two models of equal configuration have equal tensor shapes."""

    style: Literal["modern", "paper"] = "modern"
    """Block style: `modern` is pre-norm with gates that carry gradient, `paper` is the published arithmetic: residual
    post-norm, plain patch embeds and branches added with weight 1 (arXiv 2504.03166 and its authors' code)."""

    modalities: tuple[str, ...] = MODALITIES
    """Names of the modalities, in the order of concatenation."""

    channels: tuple[int, ...] = MODALITY_CHANNELS
    """Channels of each modality, each at least 1."""

    dim: int = 32
    """Channels of the first stage; every further stage has twice as many."""

    depths: tuple[int, ...] = (1, 1, 2, 1)
    """Blocks of each stage."""

    head_dim: int = 16
    """Channels of one attention head, in every stage."""

    window: int = 8
    """Side of an attention window in tokens; shrunk where the grid is smaller."""

    patch: int = 4
    """Side of a patch in pixels, the stride of the first stage."""

    mlp_ratio: int = 2
    """Hidden width of an expert over its input width."""

    num_specialised: int = 2
    """Experts of each modality's own bank; 0 for none."""

    num_collaborative: int = 2
    """Experts of the bank that all modalities share; 0 for none."""

    num_pruned: int = 0
    """Collaborative experts that were removed but still count in the denominator of the router's softmax."""

    top_k: int = 1
    """Experts that a token takes from each bank that has any."""

    balancing: Literal["loss", "bias"] = "loss"
    """How experts are kept in use: by the balance loss, or by a bias on the selection alone (arXiv 2408.15664)."""

    attention: Literal["bias", "cosine"] = "bias"
    """Scaled dot product with a learned bias table, or cosine with log-spaced continuous bias (arXiv 2111.09883)."""

    embedding: Literal["fixed", "spectral"] = "fixed"
    """Patch embed with one filter a channel, or with filters made from each band's wavelength or polarisation."""

    encodes_acquisition: bool = False
    """Whether tokens are told the ground sampling distance and the day of the year."""

    masks_attention: bool = False
    """Whether tokens without a valid pixel are hidden from the others."""

    maps: bool = True
    """Whether full-resolution features, fusion, decoder and heads are built; without them the model is a backbone."""

    skip_dim: int = 16
    """Channels of the full-resolution features of one image."""

    skip_fused_dim: int = 24
    """Channels of the full-resolution features after fusion."""

    fusion_dim: int = 64
    """Channels of the other levels after fusion, and of the decoder."""

    fusion_heads: int = 4
    """Groups of channels that each weigh the images in their own way."""

    map_dim: int = 32
    """Channels of the decoded maps."""

    class_codes: tuple[int, ...] = (10, 30, 40, 50, 60, 80, 90)
    """Raster code of each land-cover logit, in order (ESA WorldCover v200 codes by default)."""

    change_codes: tuple[int, ...] = (0, 1, 2, 3)
    """Raster code of each change logit, in order; the first is no change."""

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_modalities()
        for name in _POSITIVE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}; give a positive integer")
        if not self.depths or min(self.depths) < 1:
            raise ValueError(
                f"depths must hold a positive number of blocks a stage, got {self.depths}; give e.g. 1,1,2,1"
            )
        self._check_divisions()
        self._check_experts()
        for name in ("class_codes", "change_codes"):
            codes = getattr(self, name)
            if not codes or len(set(codes)) != len(codes):
                raise ValueError(f"{name} must be non-empty and without repeats, got {codes}; list each code once")

    def _check_choices(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}; choose one of them")
        if self.style == "paper":
            other = [name for name, plain in _PAPER.items() if getattr(self, name) != plain]
            if other:
                raise ValueError(
                    f"the paper's style knows no {other}, got {[getattr(self, name) for name in other]}; "
                    f"use {[_PAPER[name] for name in other]} or the modern style"
                )

    def _check_experts(self) -> None:
        for name in ("num_specialised", "num_collaborative", "num_pruned"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}; 0 means none")
        banks = [size for size in (self.num_specialised, self.num_collaborative) if size]
        if banks and self.top_k > min(banks):
            raise ValueError(
                f"top_k must not exceed the experts of a bank ({self.num_specialised} specialised, "
                f"{self.num_collaborative} collaborative), got {self.top_k}; lower it"
            )
        if self.num_pruned and not self.num_collaborative:
            raise ValueError(
                f"pruned experts belong to a bank that still has some, got num_pruned {self.num_pruned} and "
                "num_collaborative 0; set num_pruned to 0"
            )

    def _check_modalities(self) -> None:
        if not self.modalities or len(set(self.modalities)) != len(self.modalities):
            raise ValueError(f"modalities must be named once each, got {self.modalities}; list each once")
        if len(self.channels) != len(self.modalities) or min(self.channels) < 1:
            raise ValueError(
                f"channels must hold one positive number a modality, got {self.channels} for {self.modalities}; "
                "make both equally long"
            )

    def _check_divisions(self) -> None:
        for name, whole, part in (
            ("dim", self.dim, self.head_dim),
            ("skip_dim", self.skip_dim, self.fusion_heads),
            ("fusion_dim", self.fusion_dim, self.fusion_heads),
        ):
            if whole % part:
                raise ValueError(f"{name} must be a multiple of {part}, got {whole}; round it up")

    @property
    def stage_dims(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.dim * 2**stage for stage in range(len(self.depths)))

    @property
    def stage_windows(self) -> tuple[int, ...]:
        """Side of the attention window of each stage.

        In the paper's style a window is never larger than the stage's grid at 192 px, which fixes the bias tables.
        """
        if self.style == "modern":
            return (self.window,) * len(self.depths)
        return tuple(min(self.window, max(1, PAPER_SIDE // stride)) for stride in self.strides[-len(self.depths) :])

    @property
    def num_layers(self) -> int:
        """Blocks of all stages, each with one mixture-of-experts layer."""
        return sum(self.depths)

    @property
    def num_levels(self) -> int:
        """Levels of the pyramid: one a stage, and full resolution where maps are made."""
        return len(self.strides)

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels a cell of each level of the pyramid, finest first."""
        stages = tuple(self.patch * 2**stage for stage in range(len(self.depths)))
        return (1, *stages) if self.maps else stages

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-ready values; tuples become lists."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> RingMoEConfig:
        """The configuration that `to_dict` wrote.

        Raises:
            ValueError: a key is unknown or a value is out of range.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"a configuration holds known keys only, got {unknown}; use the version that wrote it")
        restored = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        return cls(**restored)  # type: ignore[arg-type]


_POSITIVE = (
    "dim", "head_dim", "window", "patch", "mlp_ratio", "top_k",
    "skip_dim", "skip_fused_dim", "fusion_dim", "fusion_heads", "map_dim",
)  # fmt: skip

_CHOICES = {
    "style": ("modern", "paper"),
    "balancing": ("loss", "bias"),
    "attention": ("bias", "cosine"),
    "embedding": ("fixed", "spectral"),
}

_PAPER = {
    "balancing": "loss", "attention": "bias", "embedding": "fixed", "encodes_acquisition": False,
    "masks_attention": False,
}  # fmt: skip
