"""HeadConfig: everything that fixes the shapes and the meaning of one head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Final, TypeAlias

OptionValue: TypeAlias = "bool | int | float | str | dict[str, int]"

OPTIONS: Final[Mapping[str, Mapping[str, OptionValue]]] = {
    "classification": {"pool": "mean", "multi_label": False},
    "segmentation": {"decoder": "uper", "channels": 64, "fine": True},
    "detection": {"channels": 64, "tower": 2},
    "rotated": {"channels": 64, "tower": 2},
    "change": {"decoder": "transformer", "channels": 64, "tokens": 4, "fine": True},
    "height": {
        "channels": 64,
        "num_bins": 32,
        "lowest_m": -5.0,
        "highest_m": 120.0,
        "fine": True,
    },
    "pixel": {"maps": True, "statistics": 0, "hidden": 0},
    "pixel_series": {"channels": {}, "dim": 64, "depth": 2},
}
"""Options of each kind and their defaults.

pool: mean or attentive. multi_label: whether each class is judged by itself. decoder: uper or linear (segmentation),
transformer, pyramid or linear (change); linear ones read the decoded maps. channels: inner width; of pixel_series,
the bands of each modality, none for the model's own. fine: whether full-resolution features are joined. tower:
convolutions of a branch. tokens: semantic tokens of a date. maps: whether a pixel head reads decoded maps;
statistics: how many of the pixel's series; hidden: width of its hidden layer, 0 for none. num_bins, lowest_m,
highest_m: of heights. dim, depth: of the encoder of a series.
"""

KINDS: Final[tuple[str, ...]] = tuple(OPTIONS)
"""What a head can be."""

_WITHOUT_CLASSES: Final = ("height",)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadConfig:
    """What a head is, what it tells apart, and how it is built."""

    kind: str
    """One of `KINDS`."""

    task: str
    """Name of what the head answers, in the user's words: `crop`, `ships`."""

    class_names: tuple[str, ...] = ()
    """Name of each output, in order; none for heights."""

    options: Mapping[str, OptionValue] = field(default_factory=dict)
    """Of the kind; those left out have the value of `OPTIONS`."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a head's kind must be one of {KINDS}, got {self.kind!r}; choose one of them")
        if not self.task:
            raise ValueError("a head needs a task's name, got an empty one; say what it answers")
        self._check_classes()
        known = OPTIONS[self.kind]
        unknown = sorted(set(self.options) - set(known))
        if unknown:
            raise ValueError(f"options of a {self.kind} head are {sorted(known)}, got {unknown}; correct them")
        for name, value in self.options.items():
            wanted = type(known[name])
            whole = wanted is float and type(value) is int
            if type(value) is not wanted and not whole:  # exactly: True is an int too
                raise ValueError(f"option {name} must be of type {wanted.__name__}, got {value!r}; correct it")

    def option(self, name: str) -> OptionValue:
        """The value given, or the default."""
        return self.options.get(name, OPTIONS[self.kind][name])

    @property
    def num_classes(self) -> int:
        """Outputs that have a name."""
        return len(self.class_names)

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-ready values."""
        return asdict(self) | {"class_names": list(self.class_names), "options": dict(self.options)}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> HeadConfig:
        """The configuration that `to_dict` wrote.

        Raises:
            TypeError: a key is missing.
            ValueError: a key is unknown or a value is out of range.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(
                f"a head's configuration holds known keys only, got {unknown}; use the version that wrote it"
            )
        restored = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        return cls(**restored)  # type: ignore[arg-type]

    def _check_classes(self) -> None:
        if self.kind in _WITHOUT_CLASSES:
            if self.class_names:
                raise ValueError(f"a {self.kind} head has no classes, got {self.class_names}; leave them out")
            return
        if not self.class_names or len(set(self.class_names)) != len(self.class_names):
            raise ValueError(f"class names must be given and differ, got {self.class_names}; name each class once")
