"""A catalogue of which every item has something wrong, what must become of it, and a server that is wrong too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from pipelines.simulate.torture.catalog import write_torture
    from pipelines.simulate.torture.fault import FaultRule
    from pipelines.simulate.torture.outcome import MANIFEST_FILE, Entry, Manifest, Outcome, read_manifest
    from pipelines.simulate.torture.place import Place
    from pipelines.simulate.torture.server import TortureServer

__all__ = [
    "MANIFEST_FILE",
    "Entry",
    "FaultRule",
    "Manifest",
    "Outcome",
    "Place",
    "TortureServer",
    "read_manifest",
    "write_torture",
]

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "catalog": ["write_torture"],
        "fault": ["FaultRule"],
        "outcome": ["MANIFEST_FILE", "Entry", "Manifest", "Outcome", "read_manifest"],
        "place": ["Place"],
        "server": ["TortureServer"],
    },
)
