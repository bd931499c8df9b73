"""Whether experts stay in use while a model learns."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from flows.routing import BankRow, bank_rows
from flows.routing_verdict import Finding, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ringmoe_core import RingMoEConfig
    from ringmoe_core.balance import RoutingReport

WINDOWS: Final = 60
"""Into which a stage is cut at most: what the page draws side by side."""

LEAST_WINDOW: Final = 10
"""Steps; fewer hold too few tokens of each sensor."""

LEAST_STEPS: Final = 100
"""Of a stage whose use of experts is judged: routers that hardly moved yet say nothing of it."""

LEAST_TOKENS: Final = 1_000
"""Of a sensor in a bank: among fewer, an expert at the share that counts as dead gets less than one."""

EVEN_ENTROPY: Final = 0.05
"""A router whose mean entropy is below this share of even odds has made up its mind, whatever it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Use of the experts over some steps."""

    stage: str
    step: int
    """The last."""

    rows: tuple[BankRow, ...]


class RoutingHealth:
    """Gathers the use of experts step by step."""

    def __init__(self, config: RingMoEConfig) -> None:
        self._config = config
        self._sum: RoutingReport | None = None
        self._steps = 0
        self.windows: list[Window] = []

    def add(self, stage: str, step: int, steps: int | None, reports: Sequence[RoutingReport]) -> None:
        """Takes the reports of a step; a window that is full is closed."""
        if not (self._config.num_specialised or self._config.num_collaborative):
            return
        for report in reports:
            self._sum = report if self._sum is None else _added(self._sum, report)
        self._steps += 1
        width = max(LEAST_WINDOW, -(-(steps or 0) // WINDOWS))
        if self._steps >= width or step == steps:
            self.close(stage, step)

    def close(self, stage: str, step: int) -> None:
        """Ends the window, so that the next step begins another."""
        if self._sum is not None:
            self.windows.append(Window(stage=stage, step=step, rows=bank_rows(self._config, [self._sum])))
        self._sum, self._steps = None, 0

    def to_list(self) -> list[dict[str, Any]]:
        """Returns the windows as JSON has them."""
        return [asdict(window) for window in self.windows]

    def load(self, windows: Sequence[Mapping[str, Any]]) -> None:
        """Takes over the windows that `to_list` returned."""
        self.windows = [
            Window(stage=one["stage"], step=one["step"], rows=tuple(_row(row) for row in one["rows"]))
            for one in windows
        ]

    def findings(self, stage: str) -> tuple[Finding, ...]:
        """Returns what the last window in which each sensor was seen says, bad findings among it.

        A stage of fewer than `LEAST_STEPS` steps is not judged, nor are banks with fewer than `LEAST_TOKENS` tokens of
        a sensor in the window; either is noted.
        """
        latest: dict[tuple[int, str, str], BankRow] = {}
        for window in self.windows:
            if window.stage == stage:
                latest |= {(row.layer, row.bank, row.modality): row for row in window.rows}
        rows = [latest[key] for key in sorted(latest)]
        if not rows:
            return ()
        steps = self._steps_of(stage)
        if steps < LEAST_STEPS:
            return (_unjudged(f"Not judged: {steps} steps; fewer than {LEAST_STEPS} say nothing of the routers."),)
        enough = [row for row in rows if sum(row.load) >= LEAST_TOKENS]
        few = len(rows) - len(enough)
        notes = (
            (_unjudged(f"{few} of {len(rows)} banks, by layer and sensor, not judged: below {LEAST_TOKENS:,} tokens."),)
            if few
            else ()
        )
        return (*verdict(enough, ()), *notes) if enough else notes

    def certain(self, stage: str) -> list[str]:
        """Returns banks whose router no longer weighs its experts against each other, in words."""
        last = next((window for window in reversed(self.windows) if window.stage == stage), None)
        return [
            f"layer {row.layer}, {row.bank}, {row.modality}: {row.entropy_share:.1%} of even"
            for row in (last.rows if last and self._steps_of(stage) >= LEAST_STEPS else ())
            if len(row.load) > 1 and row.entropy_share < EVEN_ENTROPY
        ]

    def _steps_of(self, stage: str) -> int:
        return max((window.step for window in self.windows if window.stage == stage), default=0)


def _unjudged(text: str) -> Finding:
    return Finding(about="dead", state="note", text=text)


def _row(values: Mapping[str, Any]) -> BankRow:
    restored: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return BankRow(**restored)


def _added(one: RoutingReport, other: RoutingReport) -> RoutingReport:
    """Loads added, entropies weighed by loads; the other fields are those of the first."""
    changed = {}
    for bank in ("specialised", "collaborative"):
        loads = [getattr(report, f"{bank}_load_YMX") for report in (one, other)]
        entropies = [getattr(report, f"{bank}_entropy_YM") for report in (one, other)]
        tokens = [load.sum(-1) for load in loads]
        weighed = sum((entropy.nan_to_num() * count for entropy, count in zip(entropies, tokens, strict=True)))
        changed[f"{bank}_load_YMX"] = loads[0] + loads[1]
        changed[f"{bank}_entropy_YM"] = weighed / (tokens[0] + tokens[1])
    assert set(changed) <= {field.name for field in fields(one)}
    return replace(one, **changed)
