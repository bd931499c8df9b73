"""Regions run from search to published products: configuration, stages, Prefect flows and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from flows.config import RegionConfig
    from flows.errors import ConfigError, RunFailedError
    from flows.monitor import run_region
    from flows.plan import RunPlan, plan_region
    from flows.region_file import load_region
    from flows.run_report import RunReport

__all__ = [
    "ConfigError",
    "RegionConfig",
    "RunFailedError",
    "RunPlan",
    "RunReport",
    "load_region",
    "plan_region",
    "run_region",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "config": ["RegionConfig"],
        "errors": ["ConfigError", "RunFailedError"],
        "monitor": ["run_region"],
        "plan": ["RunPlan", "plan_region"],
        "region_file": ["load_region"],
        "run_report": ["RunReport"],
    },
)
