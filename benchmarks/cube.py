"""Speed and memory of building cubes, ours and the peers side by side, from COG to committed Zarr.

    python benchmarks/cube.py [--json] [--only aligned,warp,...] [--size 4096] [--dates 2] [--rounds 3]

Each candidate works in a process of its own; in every round all of a group work in turn on the same made-up scenes (4
optical bands of uint16, or 2 SAR bands of float32; deflate, tiles of 512), on two threads. Ratios are medians of the
rounds' ratios. Every row is given twice: by the clock, and by CPU time (user and system, all threads), which is what
counts where others share the machine.

Ours writes `valid` and `reason` beside the values and commits an Icechunk snapshot a date; peers write values alone to
a plain Zarr store, from the same items and files. No scene has a classification, so that all read the same rasters.
Files lie in memory (/dev/shm) where there is room, so that no disk is measured.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from cube_scenes import Stack

WORKER = Path(__file__).with_name("cube_worker.py")
THREADS = 2
MEMORY_SIZES = (2000, 8000)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to build, in a process of its own."""

    name: str
    call: str
    options: tuple = ()
    threads: int = THREADS


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    name: str
    peers: tuple
    floor: float
    goal: float
    ours: str = "ours"


LIMIT = Candidate(name="limit", call="limit")
OURS = Candidate(name="ours", call="ours")
DOCUMENTED = (
    Candidate(name="stackstac, documented", call="stackstac_documented"),
    Candidate(name="odc-stac, documented", call="odc_documented"),
)
TUNED = (
    Candidate(name="stackstac, tuned", call="stackstac_tuned"),
    Candidate(name="odc-stac, tuned", call="odc_tuned"),
)
BILINEAR = tuple(replace(peer, options=(("resampling", "bilinear"),)) for peer in TUNED)
NAMES_TUNED = tuple(peer.name for peer in TUNED)

GROUPS = {
    "aligned": (
        "aligned",
        (LIMIT, OURS, *DOCUMENTED, *TUNED),
        (
            Row(
                name="aligned / faster documented peer",
                peers=tuple(peer.name for peer in DOCUMENTED),
                floor=1.7,
                goal=2.0,
            ),
            Row(name="aligned / faster tuned peer", peers=NAMES_TUNED, floor=0.95, goal=1.05),
            Row(name="aligned / decode + encode limit", peers=("limit",), floor=0.85, goal=0.95),
        ),
    ),
    "warp": (
        "next_zone",
        (LIMIT, OURS, *BILINEAR),
        (Row(name="optical, next UTM zone, bilinear / faster peer", peers=NAMES_TUNED, floor=1.3, goal=1.8),),
    ),
    "radar": (
        "radar",
        (LIMIT, OURS, *BILINEAR),
        (Row(name="SAR, another projection, bilinear / faster peer", peers=NAMES_TUNED, floor=1.2, goal=1.5),),
    ),
    "workers": (
        "aligned",
        (Candidate(name="1 worker", call="ours", threads=1), Candidate(name="2 workers", call="ours")),
        (Row(name="2 workers / 1", peers=("1 worker",), ours="2 workers", floor=1.6, goal=1.9),),
    ),
}


class Worker:
    """A candidate's process."""

    def __init__(self):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, candidate, stack, **more):
        request = {
            "call": candidate.call,
            "options": dict(candidate.options),
            "threads": candidate.threads,
            "kind": stack.kind,
            "folder": str(stack.folder),
            "size": stack.size,
            "num_dates": stack.num_dates,
            **more,
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{candidate.name} died on {request}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure(stack, candidates, rounds):
    """Costs of each candidate in each round: [{"wall": s, "cpu": s}, ...]; the first round warms and is checked."""
    workers = {candidate.name: Worker() for candidate in candidates}
    costs = {candidate.name: [] for candidate in candidates}
    means = {}
    try:
        for turn in range(rounds + 1):
            for candidate in candidates:
                answer = workers[candidate.name].ask(candidate, stack, check=turn == 0)
                if turn:
                    costs[candidate.name].append(answer)
                else:
                    means[candidate.name] = answer.get("check")
    finally:
        for worker in workers.values():
            worker.close()
    held = [mean for mean in means.values() if mean is not None]
    assert max(held) - min(held) <= 0.002 * abs(held[0]), f"the candidates wrote different values: {means}"
    return costs


def speed_rows(row, costs, num_values):
    """The row by the clock and by CPU time."""
    return [
        speed_row(row, costs, num_values, measure, unit)
        for measure, unit in (("wall", "Mpx/s"), ("cpu", "Mpx/CPU s"))
        if not (measure == "cpu" and row.ours == "2 workers")
    ]


def speed_row(row, costs, num_values, measure, unit):
    def speeds(name):
        return [num_values / 1e6 / cost[measure] for cost in costs[name]]

    peer = max(row.peers, key=lambda name: statistics.median(speeds(name)))
    ratios = [ours / theirs for ours, theirs in zip(speeds(row.ours), speeds(peer), strict=True)]
    return made_row(
        row.name if measure == "wall" else f"{row.name}, CPU time",
        ours=statistics.median(speeds(row.ours)),
        peer=statistics.median(speeds(peer)),
        unit=unit,
        ratio=statistics.median(ratios),
        floor=row.floor,
        goal=row.goal,
        peer_name=peer,
        ratios=[round(ratio, 3) for ratio in ratios],
    )


def made_row(name, *, ours, peer, unit, ratio, floor, goal, higher=True, **more):
    ok = ratio >= floor if higher else ratio <= floor
    met = ratio >= goal if higher else ratio <= goal
    return {
        "name": name,
        "ours": round(ours, 3),
        "peer": None if peer is None else round(peer, 3),
        "unit": unit,
        "ratio": round(ratio, 3),
        "floor": floor,
        "goal": goal,
        "ok": bool(ok),
        "goal_met": bool(met),
        **more,
    }


def one(candidate, stack, times=1):
    """Answers of fresh processes."""
    answers = []
    for _ in range(times):
        worker = Worker()
        try:
            answers.append(worker.ask(candidate, stack))
        finally:
            worker.close()
    return answers


def planning_rows(stack, rounds):
    answers = one(Candidate(name="planning", call="planning"), stack, rounds)
    rows = []
    for key, name in (("seconds", "planning 2,000 items x 12 bands"), ("cpu_seconds", "the same, CPU time")):
        seconds = statistics.median(answer[key] for answer in answers)
        rows.append(made_row(name, ours=seconds, peer=None, unit="s", ratio=seconds, floor=3.0, goal=1.0, higher=False))
    return rows


def memory_rows(folder):
    candidate = Candidate(name="memory", call="memory")
    peaks = []
    for size in MEMORY_SIZES:
        stack = Stack(kind="aligned", folder=folder / str(size), size=size, num_dates=1)
        stack.write()
        peaks.append(statistics.median(answer["build_mb"] for answer in one(candidate, stack, 3)))
    small, large = MEMORY_SIZES
    return [
        made_row(
            f"peak memory, {large} px over {small} px, imports subtracted",
            ours=peaks[1],
            peer=peaks[0],
            unit="MB",
            ratio=peaks[1] / peaks[0],
            floor=1.2,
            goal=1.05,
            higher=False,
        )
    ]


def physics_rows(stack, rounds):
    answers = one(Candidate(name="physics", call="physics_share"), stack, rounds)
    shares = [100 * answer["physics"] / answer["whole"] for answer in answers]
    answer = answers[0]
    return [
        made_row(
            "physics' share of the cube's CPU time",
            ours=answer["physics"],
            peer=answer["whole"],
            unit="s",
            ratio=statistics.median(shares),
            floor=10.0,
            goal=5.0,
            higher=False,
        )
    ]


def main():
    names = [*GROUPS, "physics", "planning", "memory"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--only", default=",".join(names), help=f"comma-separated, of {', '.join(names)}")
    parser.add_argument("--size", type=int, default=4096, help="side of a scene in pixels")
    parser.add_argument("--dates", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    wanted = chosen.only.split(",")
    unknown = set(wanted) - set(names)
    if unknown:
        parser.error(f"--only names rows of {names}, got {sorted(unknown)}")
    if not chosen.json:
        print(f"load before the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(dir=in_memory()) as name:
        for row in rows_of(wanted, Path(name), chosen):
            show(row, as_json=chosen.json)


def in_memory():
    """A folder in memory with room for the scenes, else None."""
    place = Path("/dev/shm")
    return place if place.is_dir() and shutil.disk_usage(place).free > 8 << 30 else None


def rows_of(wanted, folder, chosen):
    """Yields the rows as they are measured."""
    written = set()

    def stack_of(kind):
        stack = Stack(kind=kind, folder=folder, size=chosen.size, num_dates=chosen.dates)
        if kind not in written:
            stack.write()
            written.add(kind)
        return stack

    for name in wanted:
        if name in GROUPS:
            kind, candidates, rows = GROUPS[name]
            stack = stack_of(kind)
            costs = measure(stack, candidates, chosen.rounds)
            for row in rows:
                yield from speed_rows(row, costs, stack.num_values)
            if not chosen.json:
                show_costs(costs, stack.num_values)
        elif name == "physics":
            yield from physics_rows(stack_of("aligned"), chosen.rounds)
        elif name == "planning":
            yield from planning_rows(stack_of("aligned"), chosen.rounds)
        else:
            yield from memory_rows(folder)


def show_costs(costs, num_values):
    for name, rounds in costs.items():
        wall, cpu = (statistics.median(num_values / 1e6 / cost[key] for cost in rounds) for key in ("wall", "cpu"))
        print(f"    {name:<24} {wall:8.1f} Mpx/s  {cpu:8.1f} Mpx/CPU s")


def show(row, *, as_json):
    if as_json:
        print(json.dumps(row), flush=True)
        return
    verdict = "goal met" if row["goal_met"] else "holds" if row["ok"] else "BELOW THE FLOOR"
    peer = "" if row["peer"] is None else f" against {row['peer']:.1f}"
    named = f" ({row['peer_name']})" if "peer_name" in row else ""
    print(
        f"{row['name']:<58} {row['ours']:8.1f}{peer} {row['unit']}{named}: "
        f"{row['ratio']:.3f}, floor {row['floor']}, goal {row['goal']}: {verdict}",
        flush=True,
    )


if __name__ == "__main__":
    main()
