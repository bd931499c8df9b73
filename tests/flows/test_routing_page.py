from __future__ import annotations

import html.parser
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio

from flows.routing import BankRow, ExpertMap, RoutingStudy
from flows.routing_charts import divergence_chart, entropy_chart, expert_colours, load_chart, utilisation_chart
from flows.routing_page import expert_png, routing_page
from flows.routing_regions import Chip, RegionSet
from flows.routing_verdict import divergence_bits, verdict

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def row(bank, modality, layer, load, share=0.5):
    return BankRow(
        layer=layer, stage=1, stride=4, bank=bank, modality=modality, load=load,
        utilisation=tuple(count / sum(load) for count in load), entropy_nats=share * np.log(len(load)),
        entropy_share=share,
    )  # fmt: skip


ROWS = (
    row("specialised", "sar_l2", 1, (90, 10), 0.25),
    row("specialised", "ms", 1, (50, 50), 1.0),
    row("specialised", "sar_l2", 2, (3, 1), 0.5),
    row("specialised", "ms", 2, (1, 3), 0.75),
    row("collaborative", "sar_l2", 1, (60, 40)),
    row("collaborative", "ms", 1, (20, 80)),
    row("collaborative", "sar_l2", 2, (4, 0)),
    row("collaborative", "ms", 2, (0, 4)),
)
OWN, SHARED = ROWS[:4], ROWS[4:]


def elements(svg, tag):
    return [one for one in ET.fromstring(svg).iter() if one.tag == tag]


def words(svg):
    return [one.text for one in elements(svg, "text")]


def test_bars_are_divided_as_the_tokens_are():
    rects = elements(utilisation_chart(OWN), "rect")
    widths = np.array([float(rect.get("width")) for rect in rects]).reshape(4, 2)
    np.testing.assert_allclose(widths / widths.sum(1, keepdims=True), [r.utilisation for r in OWN], atol=2e-3)
    assert np.ptp(widths.sum(1)) < 0.3
    left = np.array([float(rect.get("x")) for rect in rects]).reshape(4, 2)
    np.testing.assert_allclose(left[:, 1], left[:, 0] + widths[:, 0], atol=0.11)
    assert {"layer 1", "layer 2", "Sentinel-1", "Sentinel-2", "90%", "75%"} <= set(words(utilisation_chart(OWN)))
    assert {rect.get("fill") for rect in rects} == set(expert_colours(2))


def test_lines_stand_at_their_entropy():
    svg = entropy_chart(OWN)
    zero, _, one = (float(line.get("y1")) for line in elements(svg, "line"))  # of 0, 0.5 and 1
    lines = [one.get("points").split() for one in elements(svg, "polyline")]
    heights = [[(zero - float(point.split(",")[1])) / (zero - one) for point in line] for line in lines]
    np.testing.assert_allclose(heights, [[0.25, 0.5], [1.0, 0.75]], atol=2e-3)
    assert words(svg)[-2:] == ["Sentinel-2", "Sentinel-1"]  # from top to bottom, where the lines end


def test_columns_are_as_high_as_the_load():
    svg = load_chart(SHARED, 1)
    columns = [rect for rect in elements(svg, "rect") if "column" in rect.get("class")]
    heights = np.array([float(rect.get("height")) for rect in columns]).reshape(2, 2, 2)  # layer, expert, sensor
    loads = np.array([[[60, 20], [40, 80]], [[4, 0], [0, 4]]])
    even = loads.sum((1, 2), keepdims=True) / 2
    (line,) = [one for one in elements(svg, "line") if one.get("class") == "even"]
    bottom = max(float(rect.get("y")) + float(rect.get("height")) for rect in columns)
    np.testing.assert_allclose(heights / (bottom - float(line.get("y1"))), loads / even, atol=5e-3)
    titles = [one.text for one in elements(svg, "title")]
    assert "layer 1, expert 2, Sentinel-2: 80 tokens" in titles


def test_specialised_columns_are_relative_to_their_own_sensor():
    columns = [rect for rect in elements(load_chart(OWN, 1), "rect") if "column" in rect.get("class")]
    heights = [float(rect.get("height")) for rect in columns]
    np.testing.assert_allclose(np.array(heights) / heights[2], [1.8, 0.2, 1, 1, 1.5, 0.5, 0.5, 1.5], atol=5e-3)


def test_divergence_stands_on_a_scale_of_one_bit():
    svg = divergence_chart((0.25, 1.0))
    low, high = (float(rect.get("height")) for rect in elements(svg, "rect"))
    assert low / high == pytest.approx(0.25, abs=2e-3)
    assert {"0.25", "1.00"} <= set(words(svg))


@pytest.mark.parametrize("num", [1, 2, 8, 9, 64])
def test_every_expert_has_a_colour_of_its_own(num):
    colours = expert_colours(num)
    assert len(set(colours)) == num
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)


def test_many_layers_fit():
    rows = [row("collaborative", name, layer, (1, 2, 3, 4)) for layer in range(1, 25) for name in ("sar_l2", "ms")]
    for svg in (load_chart(rows, 1), entropy_chart(rows), divergence_chart([0.1] * 24)):
        xs = [float(one.get("x")) for one in elements(svg, "rect")] + [float(t.get("x")) for t in elements(svg, "text")]
        assert 0 <= min(xs) <= max(xs) < 560


def test_a_map_is_one_pixel_a_token_in_the_expert_s_colour():
    expert = np.array([[0, 1, 1], [2, 0, 2]], dtype=np.uint8)
    one = ExpertMap(layer=1, stride=4, bank="specialised", modality="ms", expert=expert)
    with rasterio.MemoryFile(expert_png(one, 3)) as memory, memory.open() as image:
        pixels = np.moveaxis(image.read(), 0, -1)
    for index, colour in enumerate(expert_colours(3)):
        assert {tuple(pixel) for pixel in pixels[expert == index]} == {(*bytes.fromhex(colour[1:]), 255)}


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


def study(**changes):
    plane = np.full((8, 8), 0.1, dtype=np.float32)
    plane[0] = np.nan
    maps = [
        ExpertMap(layer=layer, stride=4, bank=bank, modality=name, expert=np.zeros((2, 2), np.uint8))
        for name in ("sar_l2", "ms")
        for layer in (1, 2)
        for bank in ("specialised", "collaborative")
    ]
    divergences = divergence_bits(ROWS)
    fields = {
        "weights": "/far/<b>mine.safetensors", "sha256": "abc123", "top_k": 1, "regions": RegionSet(),
        "modalities": ("sar_l2", "ms"), "rows": ROWS, "divergence_bits": divergences,
        "findings": verdict(ROWS, divergences), "maps": tuple(maps),
        "chips": (
            Chip(modality="sar_l2", day="2023-01-05", bands=(plane, plane)),
            Chip(modality="ms", day="2023-02-05", bands=(plane, plane, plane)),
        ),
    }  # fmt: skip
    return RoutingStudy(**{**fields, **changes})


def test_page_needs_no_network_no_script_and_shows_everything():
    text = routing_page(study())
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert "script" not in reader.tags
    assert not re.search(r"(?:src|href)=.(?!#|data:image/png)", text)
    assert set(re.findall(r"url\(([^,)]*)", text)) == {"data:image/png;base64"}
    assert reader.tags.count("svg") == 7  # three charts a bank, and the divergence
    assert len(reader.images) == 2 + 8
    assert all(image["alt"] for image in reader.images)
    assert "<b>mine" not in text
    for part in (
        "&lt;b&gt;mine",
        "abc123",
        "2023-02-05",
        "token of 40 m",
        "90.0% / 10.0%",
        "Jensen-Shannon",
        "2.56 km",
    ):
        assert part in text
    assert "prefers-color-scheme: dark" in text


def test_page_of_one_bank_leaves_the_other_out():
    maps = tuple(one for one in study().maps if one.bank == "specialised")
    text = routing_page(study(rows=OWN, divergence_bits=(), findings=verdict(OWN, ()), maps=maps))
    assert "What sensors share" not in text
    assert "Collaborative bank</h3>" not in text
