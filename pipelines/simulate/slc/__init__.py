"""Quad-polarised single-look complex radar scenes with known covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.simulate.slc.scene import SimulatedSlc, simulate_slc
    from pipelines.simulate.slc.spec import SlcSpec

__all__ = ["SimulatedSlc", "SlcSpec", "simulate_slc"]

__getattr__, __dir__, _ = lazy.attach(
    __name__, submod_attrs={"scene": ["SimulatedSlc", "simulate_slc"], "spec": ["SlcSpec"]}
)
