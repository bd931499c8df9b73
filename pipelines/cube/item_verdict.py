"""Whether the numbers of an item can be trusted: what its statements say together, and what its pixels say of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from catalogs.errors import ItemError
from catalogs.fields import mapping, text
from catalogs.item import FoundItem, read_scenes
from catalogs.providers import PROVIDERS, Provider
from catalogs.sensors import group_of, load_sensor, sensors_of
from pipelines.cube.verdict import check_offset
from pipelines.physics.errors import Contradictory, Uncalibrated
from pipelines.physics.grd import takes_tables
from pipelines.physics.landsat import landsat_rule
from pipelines.physics.modis import modis_rule
from pipelines.physics.radar import power_rule
from pipelines.physics.radiometry import decide_rule
from pipelines.physics.slc_rule import slc_rule

if TYPE_CHECKING:
    from catalogs.fields import Document
    from catalogs.scenes import Asset, Scene

Verdict = Literal[
    "agrees",
    "consistent",
    "contradicts",
    "relative",
    "resolved",
    "uncalibrated",
    "undecided",
    "unknown",
    "unreadable",
]
"""`agrees`: the pixels bear the rule out; `consistent`: nothing in the item speaks against it, and no pixel was asked;
`undecided`: likewise, and the pixels that were read cannot tell; `contradicts`: its statements contradict each other or
the product, or the pixels contradict them; `resolved`: its statements contradict each other and the pixels bear out the
one that the rule follows; `relative`: numbers that no rule makes physical, known as such; `uncalibrated`: refused;
`unknown`: of no known sensor, or with none of its bands; `unreadable`: broken."""

_GRAVEST: Final[tuple[Verdict, ...]] = (
    "contradicts",
    "unreadable",
    "uncalibrated",
    "unknown",
    "resolved",
    "undecided",
    "relative",
    "consistent",
    "agrees",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quoting(Provider):
    """Takes every href down as the item says it; none of them is followed."""

    def find(self, asset: Document, base: str) -> str:
        del base
        return text(asset, "href") or "unstated"


STATEMENTS_ONLY: Final = _Quoting(name="statements alone", endpoint="")
"""For what an item says; its files are never opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemVerdict:
    """What is to be thought of one item."""

    item: str
    collection: str
    verdict: Verdict
    rule: str
    """How its numbers become physical values, '' where nothing says."""

    evidence: Mapping[str, object] = field(default_factory=dict)
    """`why` in words, `basis` (`metadata`, or `metadata and pixels`), and per sensor what item and pixels say."""

    def to_dict(self) -> dict[str, object]:
        """Returns the verdict as one JSON-able object."""
        return {
            "item": self.item,
            "collection": self.collection,
            "verdict": self.verdict,
            "rule": self.rule,
            "evidence": dict(self.evidence),
        }


@dataclass(slots=True)
class Reach:
    """Which files a judge may open, and which servers did not answer it: they are asked once."""

    local: Provider | None
    """Of the catalogue's own folder; None opens no file at all, here or elsewhere."""

    silent_hosts: dict[str, str] = field(default_factory=dict)
    """Why a host did not answer, by host."""

    def read(self, found: FoundItem) -> tuple[tuple[Scene, ...], str]:
        """Returns the scenes of an item and, where none of its files may be opened, why.

        Raises:
            ItemError: What the item says cannot be read either.
        """
        why = "no pixel was asked for"
        if self.local is not None:
            for provider in (self.local, *PROVIDERS.values()):
                try:
                    return read_scenes(found, provider), ""
                except ItemError as problem:
                    why = str(problem) if provider is self.local else why
        return read_scenes(found, STATEMENTS_ONLY), why


def judge_item(found: FoundItem, reach: Reach) -> ItemVerdict:
    """Returns the verdict over an item; nothing is raised for what an item or a file holds.

    Args:
        found: The item.
        reach: Which of its files may be opened.
    """
    if found.problem:
        return _without_scene(found, ItemError("unreadable", found.problem))
    try:
        scenes, out_of_reach = reach.read(found)
    except ItemError as problem:
        return _without_scene(found, problem)
    parts = [_judge_scene(scene, out_of_reach, reach) for scene in scenes]
    gravest = min((part.verdict for part in parts), key=_GRAVEST.index)
    told = {part.item: dict(part.evidence) for part in parts}
    return ItemVerdict(
        item=found.id,
        collection=found.collection,
        verdict=gravest,
        rule="+".join(part.rule for part in parts if part.rule),
        evidence=parts[0].evidence if len(parts) == 1 else {"why": _why_of(parts, gravest), "scenes": told},
    )


def _why_of(parts: list[ItemVerdict], gravest: Verdict) -> object:
    return next(part.evidence["why"] for part in parts if part.verdict == gravest)


def _without_scene(found: FoundItem, problem: ItemError) -> ItemVerdict:
    verdict: Verdict = "unreadable"
    try:
        foreign = not found.problem and not sensors_of(found.collection, mapping(found.document, "properties"))
        if foreign or problem.reason == "missing_asset":
            verdict = "unknown"
        elif problem.reason == "uncalibrated":
            verdict = "uncalibrated"
    except ItemError:
        pass  # its properties are none: unreadable, as `problem` says
    why = {"why": str(problem), "file": found.href}
    return ItemVerdict(item=found.id, collection=found.collection, verdict=verdict, rule="", evidence=why)


def _judge_scene(scene: Scene, out_of_reach: str, reach: Reach) -> ItemVerdict:
    sensor = load_sensor(scene.sensor)

    def judged(verdict: Verdict, rule: str, why: str, **evidence: object) -> ItemVerdict:
        shared = {"why": why, "sensor": sensor.name, "basis": "metadata"}
        return ItemVerdict(
            item=scene.id, collection=scene.collection, verdict=verdict, rule=rule, evidence={**shared, **evidence}
        )

    try:
        group = group_of(scene)
        if group == "s2":
            return _judge_offset(scene, out_of_reach, reach, judged)
        if group == "vhr":
            return judged("relative", "relative", "numbers as delivered, comparable within an image only")
        rule, record = _RULES[group](scene)
    except Contradictory as error:
        return judged("contradicts", "", str(error))
    except (Uncalibrated, ValueError) as error:
        return judged("uncalibrated", "", str(error))
    if rule == "uncalibrated":
        return judged("uncalibrated", rule, "numbers of the processor: the item states no unit", metadata=record)
    return judged("consistent", rule, "the item says what its numbers are", metadata=record)


def _judge_offset(scene: Scene, out_of_reach: str, reach: Reach, judged: Callable[..., ItemVerdict]) -> ItemVerdict:
    rule = decide_rule(scene)
    record = {"scale": rule.scale, "offset_dn": rule.offset_dn, **rule.evidence}
    against = rule.contradictions
    said = f"the item contradicts itself: {'; '.join(against)}" if against else "its statements agree"
    unasked = out_of_reach or _silent(scene, reach)
    if unasked:
        pixels: dict[str, object] = {"verdict": "no_pixels", "because": unasked}
        verdict: Verdict = "contradicts" if against else "consistent"
        return judged(verdict, rule.name, f"{said}; judged by the metadata alone", metadata=record, pixels=pixels)
    check = check_offset(scene, rule)
    _note_silence(scene, reach, check.failures)
    pixels = check.to_dict()
    because = check.finding.because
    if check.verdict == "no_pixels":
        verdict = "contradicts" if against else "consistent"
        return judged(verdict, rule.name, f"{said}; judged by the metadata alone", metadata=record, pixels=pixels)
    if check.verdict == "contradicts":
        verdict, told = "contradicts", f"{said}; the pixels say {check.finding.convention}: {because}"
    elif check.verdict == "agrees":
        verdict, told = "resolved" if against else "agrees", f"{said}; the pixels bear rule {rule.name} out: {because}"
    else:
        verdict, told = "contradicts" if against else "undecided", f"{said}; the pixels cannot tell: {because}"
    return judged(verdict, rule.name, told, basis="metadata and pixels", metadata=record, pixels=pixels)


def _silent(scene: Scene, reach: Reach) -> str:
    return next((reach.silent_hosts[host] for host in _hosts(scene) if host in reach.silent_hosts), "")


def _note_silence(scene: Scene, reach: Reach, failures: Mapping[str, str]) -> None:
    for cause in failures.values():
        if cause.startswith(("timeout", "server", "busy")):
            reach.silent_hosts.update(dict.fromkeys(_hosts(scene), f"not asked again: {cause}"))


def _hosts(scene: Scene) -> set[str]:
    """Hosts of files that may be opened; checked addresses, so that none of them fails to parse."""
    return {host for asset in scene.assets if (host := urlsplit(asset.href).hostname)}


def _values(scene: Scene, *kinds: str) -> tuple[Asset, ...]:
    wanted = {band.id for band in load_sensor(scene.sensor).bands if band.kind in kinds}
    return tuple(asset for asset in scene.assets if asset.band in wanted)


def _landsat(scene: Scene) -> tuple[str, dict[str, object]]:
    rule = landsat_rule(scene, _values(scene, "reflectance"))
    return rule.name, json.loads(rule.to_json())


def _modis(scene: Scene) -> tuple[str, dict[str, object]]:
    rule = modis_rule(scene, _values(scene, "reflectance"))
    return rule, {"scale": load_sensor(scene.sensor).scale, "collection": scene.collection}


def _radar(scene: Scene) -> tuple[str, dict[str, object]]:
    if takes_tables(scene):
        return _grd(scene)
    # what an item leaves unsaid a build takes from the file; here floats are supposed, the one type that is taken so
    rules = {
        asset: power_rule(asset if asset.data_type else dataclasses.replace(asset, data_type="float32"), scene)
        for asset in _values(scene, "power")
    }
    names = "+".join(dict.fromkeys(rule.kind for rule in rules.values()))
    told = {asset.band: {**json.loads(r.to_json()), "data_type": asset.data_type} for asset, r in rules.items()}
    return names, {"polarisations": told}


def _grd(scene: Scene) -> tuple[str, dict[str, object]]:
    """Digital numbers whose calibration tables lie beside them."""
    tables = {annotation.band for annotation in scene.annotations if annotation.kind == "calibration"}
    bare = [asset.band for asset in _values(scene, "power") if scene.annotation("calibration", asset.band) is None]
    if bare:
        raise Uncalibrated(
            f"every polarisation of a GRD scene has a calibration table, {scene.id} has none for {bare}; add them to "
            "the item"
        )
    noise = sorted({annotation.band for annotation in scene.annotations if annotation.kind == "noise"})
    return "calibration_tables", {"calibration_tables": sorted(tables), "noise_tables": noise}


def _complex(scene: Scene) -> tuple[str, dict[str, object]]:
    rules = {asset.band: slc_rule(asset, scene) for asset in _values(scene, "power")}
    names = "+".join(dict.fromkeys(rule.name for rule in rules.values()))
    return names, {"polarisations": {band: dataclasses.asdict(rule) for band, rule in rules.items()}}


_RULES: Final[Mapping[str, Callable[[Scene], tuple[str, dict[str, object]]]]] = {
    "l8": _landsat,
    "modis": _modis,
    "s1": _radar,
    "slc": _complex,
}
