"""Curves of a run: one value a row in CSV, and for TensorBoard where it is asked for."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flows.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.training.loop import StepRecord

HEAD: Final = ("stage", "step", "kind", "name", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One value of one step."""

    stage: str
    step: int
    kind: str
    """Of the step's batches; '+' between several."""

    name: str
    value: float


class Curves:
    """Writes curves while a run goes on; a run that resumes goes on after the step that it resumed from."""

    def __init__(self, folder: Path, *, tensorboard: bool) -> None:
        """Opens them.

        Args:
            folder: Of the run.
            tensorboard: Whether to write for it, too.

        Raises:
            ConfigError: TensorBoard is not installed.
        """
        self._path = folder / "curves.csv"
        self._writer = _tensorboard(folder / "tensorboard") if tensorboard else None

    def begin(self, done: dict[str, int | None]) -> None:
        """Keeps the rows of what is done and forgets the others.

        Args:
            done: Steps of each stage that count, None for all of them; stages that are not named have none.
        """
        kept = [one for one in read_curves(self._path) if one.stage in done and _counts(one.step, done[one.stage])]
        partial = self._path.with_suffix(".partial")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(HEAD)
            writer.writerows([one.stage, one.step, one.kind, one.name, repr(one.value)] for one in kept)
        partial.replace(self._path)

    def add(self, record: StepRecord) -> None:
        """Writes a step."""
        kind = "+".join(dict.fromkeys(record.kinds))
        values = {"total": record.total, **record.terms, "rate": record.rate, "norm": record.norm}
        values |= {"seconds": record.seconds, "waited": record.waited}
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows([record.stage, record.step, kind, name, repr(value)] for name, value in values.items())
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"{record.stage}/{name}", value, record.step)

    def close(self) -> None:
        """Flushes what TensorBoard has not got yet."""
        if self._writer is not None:
            self._writer.close()


def read_curves(path: Path) -> list[CurvePoint]:
    """Returns all rows of a file; none where there is no file. A row that a kill cut short is left out."""
    if not path.is_file():
        return []
    found = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            if len(row) == len(HEAD) and row[1].isdecimal():
                try:
                    value = float(row[4])
                except ValueError:
                    continue
                found.append(CurvePoint(stage=row[0], step=int(row[1]), kind=row[2], name=row[3], value=value))
    return found


def _counts(step: int, done: int | None) -> bool:
    return done is None or step <= done


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            "tensorboard: needs the extra `train`, which is not installed; pip install 'ringmoe-datacube[train]', or "
            "leave it out: curves.csv is written anyway"
        ) from error
    return SummaryWriter(str(folder))
