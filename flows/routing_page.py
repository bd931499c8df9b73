"""The page of `ringmoe routing`: expert maps over the image, charts, verdict; one file, nothing fetched, no script."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from flows import pictures
from flows.png import encode_png
from flows.routing_charts import divergence_chart, entropy_chart, expert_colours, load_chart, utilisation_chart
from flows.routing_verdict import MODALITY_TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from flows.routing import BankRow, ExpertMap, RoutingStudy
    from flows.routing_regions import Chip

DARKEST = 0.35
"""Of the grey image under the expert maps: dark land still shows which expert it goes to."""

ABOUT_BANK = {
    "specialised": "Specialised bank: this sensor's own experts",
    "collaborative": "Collaborative bank: experts that all sensors share",
}


def routing_page(study: RoutingStudy) -> str:
    """Returns the page as HTML."""
    style = "".join(
        (resources.files("flows") / name).read_text(encoding="utf-8") for name in ("report.css", "routing.css")
    )
    regions = study.regions
    lead = (
        f"Which experts the tokens of {_list(study.modalities)} take, in {regions.num_regions} simulated regions that "
        f"the model never saw, {regions.size * 10 / 1000:g} km wide with {regions.num_dates} dates a sensor."
    )
    body = [
        f"<header><h1>Routing of {escape(_stem(study.weights))}</h1><p>{escape(lead)}</p>",
        f"{_findings(study)}</header><main>",
        _maps(study),
        *_charts(study),
        _table(study.rows),
        _provenance(study),
        "</main>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Routing of {escape(_stem(study.weights))}</title><style>{style}{_shades(study.chips)}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def expert_png(one: ExpertMap, num_experts: int) -> bytes:
    """Returns a PNG of a map, one pixel a token, in the experts' colours."""
    colours = [(*bytes.fromhex(colour[1:]), 255) for colour in expert_colours(num_experts)]
    return encode_png(np.array(colours, dtype=np.uint8)[one.expert])


def _provenance(study: RoutingStudy) -> str:
    facts = (
        ("weights", study.weights),
        ("SHA-256", study.sha256),
        ("experts taken a token and bank", str(study.top_k)),
    )
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f"<section><h2>Where it comes from</h2><dl class='provenance'>{rows}</dl></section>"


def _findings(study: RoutingStudy) -> str:
    titles = {"dead": "Dead", "collapse": "Collapse", "sharing": "Sharing"}
    lines = []
    for finding in study.findings:
        cases = "".join(f"<li>{escape(case)}</li>" for case in finding.cases)
        lines.append(
            f'<li class="{finding.state}"><b>{titles[finding.about]}</b><span>{escape(finding.text)}</span>'
            f"{f'<ul>{cases}</ul>' if cases else ''}</li>"
        )
    return f'<ul class="findings">{"".join(lines)}</ul>'


def _maps(study: RoutingStudy) -> str:
    sizes: dict[str, int] = {row.bank: len(row.load) for row in study.rows}
    legends = "".join(_legend(sizes[bank], bank) for bank in ABOUT_BANK if bank in sizes)
    return (
        '<section id="maps"><h2>The expert that each token takes</h2>'
        "<p>One image of each sensor, at its clearest date. Every square is a token; its colour is the expert that it "
        "takes first, its shade the image below. Equal colours are equal experts in the collaborative bank, and "
        f"different experts in the specialised banks of two sensors.</p>{legends}"
        f"{''.join(_sensor(chip, study.maps, sizes) for chip in study.chips)}</section>"
    )


def _sensor(chip: Chip, maps: Sequence[ExpertMap], sizes: dict[str, int]) -> str:
    name = _name(chip.modality)
    banks = []
    for bank, about in ABOUT_BANK.items():
        figures = "".join(
            f'<figure><div class="over chip-{chip.modality}"><img src="{_source(expert_png(one, sizes[bank]))}" '
            f'alt="Expert of each token, layer {one.layer}, {bank} bank, {name}"></div><figcaption><strong>layer '
            f"{one.layer}</strong><span>token of {one.stride * 10} m</span></figcaption></figure>"
            for one in maps
            if (one.bank, one.modality) == (bank, chip.modality)
        )
        if figures:
            banks.append(f'<h4>{about}</h4><div class="bank">{figures}</div>')
    caption = "VV, VH, VV/VH as red, green, blue" if chip.modality == "sar_l2" else "true colour"
    seen = (
        f'<figure class="seen"><img src="{_source(_picture(chip))}" alt="{name} image of {chip.day}">'
        f"<figcaption><strong>{name}, {chip.day}</strong><span>{caption}</span></figcaption></figure>"
    )
    return f'<article><h3>{name}</h3><div class="sensor">{seen}<div>{"".join(banks)}</div></div></article>'


def _charts(study: RoutingStudy) -> list[str]:
    banks = {bank: [row for row in study.rows if row.bank == bank] for bank in ABOUT_BANK}
    banks = {bank: sorted(rows, key=lambda row: row.layer) for bank, rows in banks.items() if rows}
    sections = [
        _section(
            "utilisation",
            "Utilisation",
            "Share of a sensor's tokens that each expert takes.",
            {bank: utilisation_chart(rows) for bank, rows in banks.items()},
        ),
        _section(
            "entropy",
            "Entropy",
            "Mean entropy of the router's probabilities over that of even odds: 1 where the router does not prefer any "
            "expert, 0 where it is certain. Even use with low entropy is specialisation; with high entropy, chance.",
            {bank: entropy_chart(rows) for bank, rows in banks.items()},
        ),
        _section(
            "load",
            "Load",
            "Tokens of each expert over an even load: one bar an expert, stacked by sensor in the collaborative bank.",
            {bank: load_chart(rows, study.top_k) for bank, rows in banks.items()},
        ),
    ]
    if study.divergence_bits:
        text = (
            "Jensen-Shannon divergence in bits between the sensors' use of the collaborative experts: 0 where they use "
            "them alike, 1 where they have none in common."
        )
        chart = divergence_chart(study.divergence_bits)
        sections.append(_section("sharing", "What sensors share", text, {"collaborative": chart}))
    return sections


def _section(key: str, title: str, text: str, charts: dict[str, str]) -> str:
    articles = "".join(f"<article><h3>{bank.capitalize()} bank</h3>{svg}</article>" for bank, svg in charts.items())
    return f'<section id="{key}"><h2>{title}</h2><p>{text}</p><div class="charts">{articles}</div></section>'


def _table(rows: Sequence[BankRow]) -> str:
    head = (
        "layer",
        "stage",
        "bank",
        "sensor",
        "tokens of each expert",
        "share of each expert",
        "entropy, nat",
        "of even",
    )
    top = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row)) + "</tr>" for row in rows)
    return (
        '<section id="values"><h2>Values</h2><details><summary>Every layer, bank and sensor</summary><div class="wide">'
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div></details></section>"
    )


def _cells(row: BankRow) -> tuple[str, ...]:
    return (
        str(row.layer),
        str(row.stage),
        row.bank,
        _name(row.modality),
        " / ".join(f"{count:,}" for count in row.load),
        " / ".join(f"{share:.1%}" for share in row.utilisation),
        f"{row.entropy_nats:.3f}",
        f"{row.entropy_share:.0%}",
    )


def _legend(num_experts: int, bank: str) -> str:
    entries = "".join(
        f'<li><i style="background:{colour}"></i>expert {number}</li>'
        for number, colour in enumerate(expert_colours(num_experts), start=1)
    )
    return f'<ul class="legend"><li>{bank}:</li>{entries}</ul>'


def _picture(chip: Chip) -> bytes:
    if chip.modality == "sar_l2":
        return pictures.radar(*chip.bands)
    return pictures.true_colour(*chip.bands)


def _shades(chips: Sequence[Chip]) -> str:
    """The grey image of each sensor as a background, stored once however many maps lie over it."""
    return "".join(f".chip-{chip.modality}{{background-image:url({_source(_grey(chip))})}}" for chip in chips)


def _grey(chip: Chip) -> bytes:
    if chip.modality == "sar_l2":
        low, high = pictures.VV_RANGE_DB
        light = (10 * np.log10(np.maximum(chip.bands[0], pictures.POWER_FLOOR)) - low) / (high - low)
    else:
        low, high = pictures.REFLECTANCE_RANGE
        light = np.clip((np.mean(chip.bands, axis=0) - low) / (high - low), 0, 1) ** (1 / pictures.DISPLAY_GAMMA)
    shade = DARKEST + (1 - DARKEST) * np.clip(np.nan_to_num(light, nan=1.0), 0, 1)
    image: npt.NDArray[np.uint8] = np.full((*shade.shape, 4), 255, dtype=np.uint8)
    image[..., :3] = np.round(255 * shade)[..., None]
    return encode_png(image)


def _source(png: bytes) -> str:
    return "data:image/png;base64," + b64encode(png).decode("ascii")


def _name(modality: str) -> str:
    return MODALITY_TITLES.get(modality, modality)


def _list(modalities: Sequence[str]) -> str:
    return " and ".join(_name(name) for name in modalities)


def _stem(weights: str) -> str:
    return weights.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".safetensors")
