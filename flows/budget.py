"""What a run may cost at most, and whether what is foreseen keeps within it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from flows.errors import ConfigError
from pipelines.cube.byte_size import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flows.estimate import Estimate

_SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400}


class BudgetConfig(BaseModel):
    """Upper limits; a run that is foreseen to need more of anything is refused before it reads a pixel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: str | None = Field(default=None, description="By the clock: 90s, 30min, 2h or 1d.")
    core_time: str | None = Field(default=None, description="Of all cores together, likewise.")
    read: str | None = Field(default=None, description="Bytes to read: 20GB.")
    output: str | None = Field(default=None, description="Bytes to write.")
    memory: str | None = Field(default=None, description="Peak memory of the cube's build.")
    requests: int | None = Field(default=None, ge=0, description="Requests to servers.")
    scenes: int | None = Field(default=None, ge=0, description="Scenes to read.")

    @field_validator("time", "core_time")
    @classmethod
    def _is_duration(cls, value: str | None) -> str | None:
        if value is not None:
            parse_duration(value)
        return value

    @field_validator("read", "output", "memory")
    @classmethod
    def _is_size(cls, value: str | None) -> str | None:
        if value is not None:
            parse_bytes(value)
        return value


def parse_duration(text: str) -> float:
    """Returns the seconds that a text such as `90s`, `30min`, `2h` or `1d` names.

    Raises:
        ValueError: It names none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*", text)
    if found is None or float(found[1]) <= 0:
        raise ValueError(f"a time is a number with s, min, h or d, got {text!r}; write 30min")
    return float(found[1]) * _SECONDS[found[2]]


def parse_budget(entries: Iterable[str], base: BudgetConfig | None = None) -> BudgetConfig:
    """Returns a budget from `key=value` texts, which win over those of a base.

    Raises:
        ConfigError: An unknown key, or a value that is none.
    """
    values = {} if base is None else base.model_dump(exclude_none=True)
    known = list(BudgetConfig.model_fields)
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not equals or key.strip() not in known:
            raise ConfigError(f"--budget is one of {', '.join(f'{name}=...' for name in known)}, got {entry!r}")
        values[key.strip()] = value.strip()
    try:
        return BudgetConfig.model_validate(values)
    except ValidationError as error:
        faults = (f"{fault['loc'][0]}={fault['input']}: {fault['msg']!s}" for fault in error.errors())
        raise ConfigError(f"--budget has a value that cannot be read: {'; '.join(faults)}") from error


def excesses(budget: BudgetConfig | None, estimate: Estimate) -> tuple[str, ...]:
    """Returns what is foreseen beyond the budget, a line each: what, how much, how much is allowed."""
    if budget is None:
        return ()
    limits: list[tuple[str, float, float | None, str]] = [
        ("time", estimate.seconds, _duration(budget.time), "s"),
        ("core_time", estimate.core_seconds, _duration(budget.core_time), "s"),
        ("read", estimate.bytes_read, _size(budget.read), "bytes"),
        ("output", estimate.bytes_output, _size(budget.output), "bytes"),
        ("memory", estimate.peak_bytes, _size(budget.memory), "bytes"),
        ("requests", estimate.requests, budget.requests, "requests"),
        ("scenes", estimate.scenes, budget.scenes, "scenes"),
    ]
    return tuple(
        f"{name}: {amount:,.0f} {unit} foreseen, {limit:,.0f} allowed"
        for name, amount, limit, unit in limits
        if limit is not None and amount > limit
    )


def _duration(text: str | None) -> float | None:
    return None if text is None else parse_duration(text)


def _size(text: str | None) -> int | None:
    return None if text is None else parse_bytes(text)
