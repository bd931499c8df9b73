"""The pictures of the demonstration, from what the runs left on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from flows import pictures
from flows.demo_accuracy import open_product
from flows.html_report import Panel, PanelGroup, RegionView, Swatch
from pipelines.cube import open_cube
from pipelines.legend import CHANGE, LAND_COVER, LAND_COVER_NODATA

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from flows.bigearthnet_catalog import RealPlace
    from flows.run_report import CubeRow, RunReport
    from pipelines.legend import LegendClass
    from pipelines.simulate import SimulatedRegion


def real_view(place: RealPlace, report: RunReport) -> RegionView:
    """Returns the view of one real pair: what was seen, what was mapped, and what CORINE says is in it."""
    panels = (*seen_panels(report), *land_cover_panels(report))
    unmade = [f"{row.name}: {row.reason}" for row in report.products if row.state == "not_made"]
    facts = [
        ("CORINE classes somewhere in the patch (labels, not a map)", "; ".join(place.labels)),
        ("UTM zone", f"EPSG:{place.epsg}"),
        ("not made", "; ".join(unmade) or "nothing"),
        ("odd in the source", "; ".join(place.notes) or "nothing"),
    ]
    lead = f"One Sentinel-1 and one Sentinel-2 patch of 1.2 km, {place.start:%d %B %Y}. No pixel truth exists."
    return RegionView(
        title=place.name,
        kind="real",
        lead=lead,
        report=report,
        groups=(PanelGroup(title="Seen and mapped", panels=panels),),
        facts=tuple(facts),
    )


def simulated_view(truth: SimulatedRegion, report: RunReport) -> RegionView:
    """Returns the view of the simulated region, truth beside every map."""
    mapped = _product(report, "land-cover")["class"].to_numpy()
    cover, confidence = land_cover_panels(report)
    cover_panels = (
        cover,
        _classes("Land cover, truth", truth.land_cover, LAND_COVER, "What the simulator planted, at the last date."),
        Panel(
            title="Where the map departs from the truth",
            png=pictures.agreement(mapped, truth.land_cover, LAND_COVER_NODATA.code),
            alt="Map of agreement between mapped and true land cover",
            legend=(Swatch(color="rgb(214,226,219)", label="agrees"), Swatch(color="rgb(165,15,21)", label="departs")),
        ),
    )
    change = change_panels(_product(report, "change"), truth)
    planted = ", ".join(f"{(truth.change == c.code).sum():,} px {c.title.lower()}" for c in CHANGE[1:])
    facts = (
        ("seed", f"{truth.spec.seed}, in no training, validation or test set"),
        ("planted changes", f"{len(truth.events)}: {planted}"),
        ("cube", _snapshot(report)),
        ("seconds", ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in report.timings.items())),
    )
    lead = (
        f"A made-up landscape of {truth.grid.width * 10 / 1000:.2f} km, {truth.spec.num_dates} dates of simulated "
        "Sentinel-2 and Sentinel-1 with clouds, speckle and misregistration. No satellite saw it; its truth is known."
    )
    return RegionView(
        title=report.region,
        kind="simulated",
        lead=lead,
        report=report,
        groups=(
            PanelGroup(title="What the sensors show", panels=tuple(seen_panels(report, num_dates=2))),
            PanelGroup(title="Land cover", panels=cover_panels),
            PanelGroup(title="Change", panels=tuple(change[:-1])),
            PanelGroup(title="How sure the model is", panels=(confidence, change[-1])),
        ),
        facts=facts,
    )


def seen_panels(report: RunReport, *, num_dates: int = 1) -> list[Panel]:
    """Returns true colour and radar: of the clearest date, or of the clearest of the first and of the last dates."""
    assert report.cube is not None, "a report with products has a cube"
    return [
        *(_true_colour(report, date) for date in _clear_dates(report.cube, "s2", num_dates)),
        *(_radar(report, date) for date in _clear_dates(report.cube, "s1", num_dates)),
    ]


def _true_colour(report: RunReport, date: xr.Dataset) -> Panel:
    red, green, blue = (date["reflectance"].sel(band=band).to_numpy() for band in ("B04", "B03", "B02"))
    day = np.datetime_as_string(date["time"].to_numpy(), unit="D")
    low, high = pictures.REFLECTANCE_RANGE
    return Panel(
        title=f"True colour, {day}",
        png=pictures.true_colour(red, green, blue),
        alt=f"True-colour image of {report.region} on {day}",
        caption=f"Sentinel-2 B04, B03, B02; reflectance {low:g} to {high:g}, gamma {pictures.DISPLAY_GAMMA:g}.",
    )


def _radar(report: RunReport, date: xr.Dataset) -> Panel:
    vv, vh = (date["power"].sel(band=band).to_numpy() for band in ("VV", "VH"))
    day = np.datetime_as_string(date["time"].to_numpy(), unit="D")
    return Panel(
        title=f"Radar, {day}",
        png=pictures.radar(vv, vh),
        alt=f"Radar composite of {report.region} on {day}",
        caption="Sentinel-1: red VV, green VH, blue VV/VH; linear power in the cube, dB for this picture alone.",
    )


def land_cover_panels(report: RunReport) -> list[Panel]:
    """Returns classes and confidence."""
    cover = _product(report, "land-cover")
    return [
        _classes("Land cover, mapped", cover["class"].to_numpy(), LAND_COVER, "RingMoE; codes of ESA WorldCover."),
        Panel(
            title="Confidence",
            png=pictures.percent(cover["confidence"].to_numpy()),
            alt="Map of the probability of the mapped class",
            caption=f"The model's own probability of the class; {cover['confidence'].attrs['comment']}.",
            ramp=("0 %", "100 %"),
        ),
    ]


def change_panels(change: xr.Dataset, truth: SimulatedRegion) -> list[Panel]:
    """Returns kinds and dates of change with the truth beside them, and its probability last."""
    dates = change["date_after"].to_numpy()
    true_dates = _true_days(truth)
    shown = np.concatenate([dates[dates >= 0], true_dates[true_dates >= 0]])
    first, last = (int(shown.min()), int(shown.max())) if shown.size else (0, 1)
    ends = (pictures.day_text(first), pictures.day_text(last))
    return [
        _classes("Change, mapped", change["class"].to_numpy(), CHANGE, "The most probable kind of change."),
        _classes("Change, truth", truth.change, CHANGE, "What the simulator planted."),
        Panel(
            title="Date of change, mapped",
            png=pictures.days(dates, first, last),
            alt="Map of the first acquisition after the change",
            caption="First acquisition after the change; grey where none is mapped.",
            ramp=ends,
        ),
        Panel(
            title="Date of change, truth",
            png=pictures.days(true_dates, first, last),
            alt="Map of the first date at which the true change is visible",
            caption="First date with the new state; grey where nothing changes.",
            ramp=ends,
        ),
        Panel(
            title="Probability of any change",
            png=pictures.percent(change["probability"].to_numpy()),
            alt="Map of the probability of any change",
            caption=f"The model's own; {change['probability'].attrs['comment']}.",
            ramp=("0 %", "100 %"),
        ),
    ]


def _true_days(truth: SimulatedRegion) -> npt.NDArray[np.int64]:
    """Days since 1970-01-01 of the first optical date with the new state, -1 where nothing changes."""
    optical = sorted(scene.time for scene in truth.acquisitions if scene.group == "s2")
    days = np.array([(time.date() - pictures.EPOCH).days for time in optical] + [-1], dtype=np.int64)
    return days[truth.change_epoch]


def _classes(title: str, codes: npt.NDArray[np.uint8], legend: Sequence[LegendClass], caption: str) -> Panel:
    present = [entry for entry in legend if (codes == entry.code).any()]
    return Panel(
        title=title,
        png=pictures.classes(codes, legend),
        alt=f"{title}: " + ", ".join(f"{entry.title} {(codes == entry.code).mean():.0%}" for entry in present),
        caption=caption,
        legend=tuple(Swatch(color=f"#{entry.color}", label=entry.title) for entry in present),
    )


def _product(report: RunReport, name: str) -> xr.Dataset:
    return next(open_product(row.zarr) for row in report.products if row.name == name and row.zarr)


def _clear_dates(cube: CubeRow, group: str, num_dates: int) -> list[xr.Dataset]:
    """The date with the most valid pixels of each of `num_dates` equal spans of the series, the later of equals."""
    dataset = open_cube(cube.uri, group, snapshot=cube.snapshot)
    counts = dataset["valid"].sum(("y", "x")).to_numpy()
    spans = np.array_split(np.arange(len(counts)), num_dates)
    return [dataset.isel(time=int(max(span, key=lambda index: (counts[index], index)))).load() for span in spans]


def _snapshot(report: RunReport) -> str:
    assert report.cube is not None, "a report with products has a cube"
    return f"{report.cube.uri} @ {report.cube.snapshot}"
