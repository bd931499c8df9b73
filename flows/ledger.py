"""The ledger of a region: one Parquet file a run, kept apart from any orchestrator's own records."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from flows.run_report import RunReport


def append_run(folder: Path, report: RunReport, *, config: str) -> Path:
    """Writes a run's row, with its scenes and products as lists, and returns the file's path.

    Read all runs with `pyarrow.dataset.dataset(folder)` or DuckDB's `read_parquet`.

    Args:
        folder: The ledger, made where absent.
        report: The run.
        config: The resolved region as YAML.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = {
        "run_id": report.run_id,
        "region": report.region,
        "status": report.status,
        "started": report.started,
        "finished": report.finished,
        "seconds": report.timings.get("total"),
        "cube_snapshot": report.cube.snapshot if report.cube else None,
        "num_used": sum(scene.outcome == "used" for scene in report.scenes),
        "num_skipped": sum(scene.outcome == "skipped" for scene in report.scenes),
        "unmatched": report.unmatched,
        "error": report.error,
        "timings": json.dumps(report.timings),
        "estimate": None if report.estimate is None else json.dumps(report.estimate),
        "config": config,
        "scenes": [asdict(scene) for scene in report.scenes],
        "products": [asdict(product) for product in report.products],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.run_id}.parquet"
    pq.write_table(pa.Table.from_pylist([row], schema=_schema()), path, compression="zstd")
    return path


def _schema() -> pa.Schema:
    import pyarrow as pa

    scene = pa.struct([(name, pa.string()) for name in ("id", "collection", "outcome", "reason", "detail")])
    product = pa.struct([(name, pa.string()) for name in ("name", "path", "zarr", "snapshot", "state", "reason")])
    texts = (
        "run_id",
        "region",
        "status",
        "started",
        "finished",
        "cube_snapshot",
        "error",
        "timings",
        "estimate",
        "config",
    )
    return pa.schema(
        [(name, pa.string()) for name in texts]
        + [("seconds", pa.float64()), ("num_used", pa.int64()), ("num_skipped", pa.int64()), ("unmatched", pa.int64())]
        + [("scenes", pa.list_(scene)), ("products", pa.list_(product))]
    )
