"""Errors that a caller of the flows can meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.run_report import RunReport


class ConfigError(ValueError):
    """A region's YAML breaks a rule: the command line answers with exit code 2."""


class OutputBusyError(RuntimeError):
    """Another run works on the same output folder."""


class NothingFoundError(RuntimeError):
    """The catalogues hold no scene for the region."""


class OverBudgetError(RuntimeError):
    """A run is foreseen to need more than its budget allows."""


class ServerError(RuntimeError):
    """A Prefect server did not start or does not answer."""


class RunFailedError(RuntimeError):
    """A run ended `Failed`; its report is written before this is raised."""

    def __init__(self, report: RunReport) -> None:
        super().__init__(report.error)
        self.report = report
