"""docs/results.md: what the committed rows say, in the words that the rules allow.

    python -m experiments.page [--folder experiments/results] [--out docs/results.md]

Everything between the two markers of the page is written anew, and a picture for each claim that has rows.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.analysis import difference, holm, shared, wording
from experiments.imported import pruning_rows
from experiments.picture import draw_claim
from experiments.registry import CLAIMS
from experiments.row import read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.analysis import Difference
    from experiments.claim import Claim
    from experiments.row import Row

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def all_rows(folder: Path) -> dict[str, list[Row]]:
    """Returns the rows of every claim, empty where it was not run."""
    return {
        claim.name: read_rows(folder / f"{claim.name}.csv")
        if claim.runner
        else pruning_rows(claim, ROOT / claim.source)
        for claim in CLAIMS
    }


def block(rows: Mapping[str, Sequence[Row]], claims: Sequence[Claim] = CLAIMS) -> str:
    """Returns the generated part of the page as Markdown."""
    begun = [claim for claim in claims if shared(rows.get(claim.name, ()), claim.primary)]
    primary = {claim.name: difference(rows[claim.name], claim.primary) for claim in begun}
    asked = [claim for claim in begun if primary[claim.name].num_seeds >= claim.seeds]
    corrected = holm({claim.name: primary[claim.name].p for claim in asked})
    parts = [f"{len(asked)} of {len(claims)} claims have been run. Holm's correction is over those.", ""]
    for claim in claims:
        parts += [f"### {claim.name}", "", claim.question, ""]
        if claim.name not in primary:
            parts += [f"Not run yet: {_size(claim)}.", ""]
            continue
        found = primary[claim.name]
        said = f"Under way, {found.num_seeds} of {claim.seeds} seeds: nothing is said before the last."
        if claim in asked:
            said = wording(claim, found, corrected[claim.name])
        parts += [f"**{said}**", ""]
        parts += _told(claim, rows[claim.name], found)
    return "\n".join(parts).rstrip() + "\n"


def _told(claim: Claim, rows: Sequence[Row], primary: Difference) -> list[str]:
    lines = [f"![{claim.question}](images/results/{claim.name}.svg)", ""]
    lines += [
        f"| arm | {' | '.join(claim.conditions)} | CPU minutes |",
        "| --- |" + " --- |" * (len(claim.conditions) + 1),
    ]
    for arm in claim.arms:
        own = [row for row in rows if row.arm == arm]
        cells = [_mean([row.value for row in own if row.condition == name]) for name in claim.conditions]
        once = {row.seed: row.cpu_minutes for row in own}
        lines.append(f"| {arm} | {' | '.join(cells)} | {_mean(list(once.values()), digits=1)} |")
    lines += [
        "",
        f"| difference, {claim.metric} | mean | 95 % interval | seeds x scenes |",
        "| --- | --- | --- | --- |",
    ]
    for found in (primary, *(difference(rows, other) for other in claim.others if shared(rows, other))):
        of = f" ({', '.join(found.contrast.conditions)})" if found.contrast.conditions else ""
        lines.append(
            f"| {found.contrast.arm} less {found.contrast.against}{of} | {found.mean:+.4f} | "
            f"{found.low:+.4f} to {found.high:+.4f} | {found.num_seeds} x {found.num_scenes} |"
        )
    seeds = sorted({row.seed for row in rows})
    note = f"Registered: {_size(claim)}. Found: seeds {seeds[0]} to {seeds[-1]}."
    return [*lines, "", f"{note} {claim.caveat}".strip(), ""]


def _size(claim: Claim) -> str:
    return (
        f"{len(claim.arms)} arms, {claim.seeds} seeds, about {claim.minutes:g} CPU minutes an arm and seed; "
        f"metric {claim.metric}; {claim.stop_rule}"
    )


def _mean(values: Sequence[float], *, digits: int = 4) -> str:
    known = [value for value in values if not math.isnan(value)]
    return f"{sum(known) / len(known):.{digits}f}" if known else "-"


def write_page(path: Path, text: str) -> None:
    """Replaces what lies between the markers of a page.

    Raises:
        ValueError: The page lacks a marker.
    """
    page = path.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"{path} must have the lines {BEGIN!r} and {END!r} once; put them where results belong")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Redraws tables and pictures from the committed rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "experiments" / "results")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results.md")
    options = parser.parse_args()
    rows = all_rows(options.folder)
    pictures = options.out.parent / "images" / "results"
    pictures.mkdir(parents=True, exist_ok=True)
    for claim in CLAIMS:
        if rows[claim.name]:
            (pictures / f"{claim.name}.svg").write_text(draw_claim(claim, rows[claim.name]), encoding="utf-8")
    write_page(options.out, block(rows))


if __name__ == "__main__":
    main()
