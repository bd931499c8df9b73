"""Starts a region's run: in this process alone, or as flows on a Prefect server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.errors import RunFailedError, ServerError
from flows.monitor import check_region, failed_before_start, run_region
from flows.paths import OutputPaths
from flows.progress import ProgressBars
from flows.server import PrefectServer, client_settings, configured_server, is_healthy, prefect_server

if TYPE_CHECKING:
    from pathlib import Path

    from flows.config import RegionConfig
    from flows.run_report import RunReport


def launch(config: RegionConfig, *, server: bool) -> RunReport:
    """Returns the report of a run.

    Args:
        config: The region.
        server: False runs the plain functions without Prefect. True runs the flows on the server that
            PREFECT_API_URL names, or on one started for the run with its database in the output folder.

    Raises:
        ConfigError: The region asks for what cannot be.
        RunFailedError: The run ended `Failed`, or the server did not start or does not answer.
    """
    check_region(config)
    if not server:
        with ProgressBars() as bars:
            return run_region(config, on_progress=bars)
    try:
        with server_for(OutputPaths(root=config.output).prefect):
            from flows.orchestrate import run_monitored

            return run_monitored(config)
    except ServerError as error:
        raise RunFailedError(failed_before_start(config, error)) from error


@contextmanager
def server_for(home: Path) -> Iterator[PrefectServer]:
    """Yields the configured server, or one started in a folder, with this process set to report to it.

    Raises:
        ServerError: The server did not start or does not answer.
    """
    named = configured_server()
    if named is not None:
        if not is_healthy(named):
            raise ServerError(
                f"PREFECT_API_URL must name a server that answers, got {named.api_url}; start or unset it"
            )
        with client_settings(named, home):
            yield named
        return
    with prefect_server(home) as started, client_settings(started, home):
        sys.stderr.write(f"Prefect server: {started.ui_url} (password in {home / 'password'})\n")
        yield started
