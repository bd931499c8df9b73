"""RingMoEConfig: everything that fixes the shapes of a model's tensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal

from ringmoe_core.modality import MODALITIES, MODALITY_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class RingMoEConfig:
    """Sizes, modalities and classes of one model; two models of equal configuration have equal tensor shapes."""

    style: Literal["modern"] = "modern"
    """Block style: `modern` is pre-norm with gates that carry gradient."""

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
    """Experts of each modality's own bank."""

    num_collaborative: int = 2
    """Experts of the bank that all modalities share."""

    top_k: int = 1
    """Experts that a token takes from each bank."""

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
        if self.style != "modern":
            raise ValueError(f"style must be 'modern', got {self.style!r}; no other block style is built in")
        self._check_modalities()
        for name in _POSITIVE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}; give a positive integer")
        if not self.depths or min(self.depths) < 1:
            raise ValueError(
                f"depths must hold a positive number of blocks a stage, got {self.depths}; give e.g. 1,1,2,1"
            )
        self._check_divisions()
        if self.top_k > min(self.num_specialised, self.num_collaborative):
            raise ValueError(
                f"top_k must not exceed the experts of a bank ({self.num_specialised} specialised, "
                f"{self.num_collaborative} collaborative), got {self.top_k}; lower it"
            )
        for name in ("class_codes", "change_codes"):
            codes = getattr(self, name)
            if not codes or len(set(codes)) != len(codes):
                raise ValueError(f"{name} must be non-empty and without repeats, got {codes}; list each code once")

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
    def num_layers(self) -> int:
        """Blocks of all stages, each with one mixture-of-experts layer."""
        return sum(self.depths)

    @property
    def num_levels(self) -> int:
        """Levels of the pyramid: full resolution and one a stage."""
        return len(self.depths) + 1

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels a cell of each level of the pyramid, finest first."""
        return (1, *(self.patch * 2**stage for stage in range(len(self.depths))))

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
    "dim", "head_dim", "window", "patch", "mlp_ratio", "num_specialised", "num_collaborative", "top_k",
    "skip_dim", "skip_fused_dim", "fusion_dim", "fusion_heads", "map_dim",
)  # fmt: skip
