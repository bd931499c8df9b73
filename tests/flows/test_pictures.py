import html.parser
import re

import numpy as np
import pytest
import rasterio

from flows import pictures
from flows.html_report import AccuracyRow, Figure, Page, Panel, PanelGroup, RegionView, Swatch, render
from flows.png import encode_png
from flows.run_report import ProductRow, RunReport, SceneRow
from pipelines.legend import LAND_COVER


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def decoded(data):
    with rasterio.MemoryFile(data) as memory, memory.open() as image:
        assert image.driver == "PNG"
        return np.moveaxis(image.read(), 0, -1)


pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def test_png_reads_back_by_an_independent_reader():
    rgba = np.random.default_rng(0).integers(0, 256, (7, 5, 4), dtype=np.uint8)
    np.testing.assert_array_equal(decoded(encode_png(rgba)), rgba)
    with pytest.raises(ValueError, match="uint8"):
        encode_png(rgba[..., :3])


def test_true_colour_is_stretched_by_constants_alone():
    low, high = pictures.REFLECTANCE_RANGE
    band = np.array([[low, high, 2 * high, np.nan, -0.1]], dtype=np.float32)
    image = decoded(pictures.true_colour(band, band, band))
    assert image[0, :, 0].tolist()[:3] == [0, 255, 255]
    assert image[0, :, 3].tolist() == [255, 255, 255, 0, 255]
    alone = decoded(pictures.true_colour(band[:, 1:2], band[:, 1:2], band[:, 1:2]))
    np.testing.assert_array_equal(alone[0, 0], image[0, 1])


def test_radar_is_shown_in_decibels_and_missing_is_transparent():
    vv = np.array([[10 ** (pictures.VV_RANGE_DB[1] / 10), np.nan, 0.0]], dtype=np.float32)
    image = decoded(pictures.radar(vv, vv / 10))
    assert image[0, 0, 0] == 255
    assert image[0, :, 3].tolist() == [255, 0, 255]


def test_classes_take_the_legends_colours():
    codes = np.array([[LAND_COVER[0].code, LAND_COVER[-1].code, 0]], dtype=np.uint8)
    image = decoded(pictures.classes(codes, LAND_COVER))
    assert tuple(image[0, 0]) == (*LAND_COVER[0].rgb, 255)
    assert tuple(image[0, 1]) == (*LAND_COVER[-1].rgb, 255)
    assert image[0, 2, 3] == 0


def test_ramps_run_from_end_to_end():
    values = decoded(pictures.percent(np.array([[0, 100, 255]], dtype=np.uint8)))
    assert tuple(values[0, 0, :3]) == pictures.RAMP[0]
    assert tuple(values[0, 1, :3]) == pictures.RAMP[-1]
    assert values[0, 2, 3] == 0
    dates = decoded(pictures.days(np.array([[19000, 19010, -1]]), 19000, 19010))
    assert tuple(dates[0, 1, :3]) == pictures.RAMP[-1]
    assert tuple(dates[0, 2]) == pictures.NO_DAY_COLOUR
    assert pictures.day_text(0) == "1970-01-01"


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.images, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in {"img", "meta"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_needs_no_network_no_script_and_tells_what_it_shows():
    report = RunReport(
        status="CompletedWithGaps",
        region="<b>here</b>",
        run_id="i",
        started="t",
        finished="t",
        scenes=(SceneRow(id="lost", collection="s2", outcome="skipped", reason="unreadable", detail="cut & short"),),
        products=(ProductRow(name="land-cover", path="/p/item.json", snapshot="SNAP"),),
    )
    panel = Panel(
        title="Classes",
        png=encode_png(np.zeros((2, 2, 4), np.uint8)),
        alt="two classes",
        legend=(Swatch(color="#ffffff", label="Water"),),
    )
    view = RegionView(
        title="A place",
        kind="simulated",
        lead="made up",
        report=report,
        groups=(PanelGroup(title="Maps", panels=(panel,)),),
    )
    figure = Figure(value=0.9, n=1000, ci95=(0.85, 0.95))
    page = Page(
        title="Demonstration",
        lead="lead",
        views=(view,),
        accuracy=(AccuracyRow(measure="Overall accuracy", model=figure, baseline=None),),
        accuracy_note="simulated only",
        python=("import xarray as xr",),
        provenance=(("weights", "abc"),),
    )
    text = render(page)
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert "script" not in reader.tags
    assert not re.search(r"(?:src|href)=.(?!#|data:image/png)", text)
    assert "url(" not in text
    assert reader.images == [{"src": reader.images[0]["src"], "alt": "two classes"}]
    for part in ("simulated", "unreadable", "cut &amp; short", "0.850 to 0.950", "SNAP", "Water", "not measured"):
        assert part in text
    assert "<b>here" not in text
