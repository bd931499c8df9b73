"""Which offset stands between a Sentinel-2 scene's digital numbers and reflectance, decided by stated rules.

reflectance = (DN + offset_dn) / 10000, offset_dn 0 or -1000 (Sentinel-2 Products Specification Document,
S2-PDGS-TAS-DI-PSD, QUANTIFICATION_VALUE and RADIO/BOA_ADD_OFFSET; both numbers stand in the sensor's facts).
Providers distribute the same product with the offset left in or taken out, so that neither the sensing date nor any
single field decides it. In this order:

1. `flag`: the item says that the offset was taken out of the pixels: 0.
2. `declared`: the item declares a band offset other than 0: that offset.
3. `declared_zero`: the item declares offset 0: 0, unless the flag says False on a baseline that carries the offset.
4. `baseline_with_offset`: baseline 04.00 or later, nothing declared: -1000.
5. `baseline_without_offset`: an earlier baseline: 0.
6. Nothing known: refused. Pixel values never decide here; they are held against the decision (see `pixels`).
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from catalogs.sensors import load_sensor
from pipelines.physics.errors import Contradictory, Uncalibrated
from pipelines.schema import PACKED_SCALE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalogs.scenes import Asset, Scene
    from catalogs.sensors import Sensor

RuleName = Literal["flag", "declared", "declared_zero", "baseline_with_offset", "baseline_without_offset", "pixels"]
"""`pixels`: a contradiction that the configuration lets the pixels settle, see `by_pixels`; never chosen here."""

Evidence: TypeAlias = "Mapping[str, str | int | float | bool | list[str] | None]"

_RELATIVE_TOLERANCE = 1e-9
"""Decimal fractions such as 0.0001 and -0.1 come through JSON: far tighter than one step, far above float64 noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RadiometricRule:
    """How a scene's digital numbers become reflectance, and on what evidence."""

    name: RuleName
    """The rule that decided."""

    scale: float
    """Reflectance of one step, 1e-4."""

    offset_dn: int
    """Steps to add to DN before scaling: 0 where none is left in the pixels, else -1000."""

    evidence: Evidence
    """What the item said, and `contradictions`: what else it said that the rule overruled. JSON-able."""

    @property
    def offset(self) -> float:
        """The offset in reflectance, as CF and STAC write it."""
        return self.offset_dn / round(1 / self.scale)

    @property
    def contradictions(self) -> list[str]:
        """What the item says against the rule, a sentence each."""
        found = self.evidence.get("contradictions")
        return list(found) if isinstance(found, list) else []

    def to_json(self) -> str:
        """Returns the rule and its evidence as one JSON object with sorted keys."""
        record = {"rule": self.name, "scale": self.scale, "offset_dn": self.offset_dn, **self.evidence}
        return json.dumps(record, sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    flag: bool | None
    declared_dn: int | None
    carries_offset: bool | None
    """Whether the agency's product of this baseline carries the offset; None where the baseline is not known."""

    product_offset_dn: int
    """That offset in steps."""


def decide_rule(scene: Scene) -> RadiometricRule:
    """Returns the radiometric rule of a Sentinel-2 scene after the module's stated order.

    Args:
        scene: A scene of a Sentinel-2 collection, L1C or L2A.

    Raises:
        Uncalibrated: No reflectance band, a scale other than 1e-4, floats without a scale, an offset that is no whole
            number of steps or differs between bands, statements that exclude each other, or nothing known.
    """
    sensor = load_sensor(scene.sensor)
    bands = _reflectance_assets(scene, sensor)
    _check_scale(scene, bands)
    for asset in bands:
        require_steps(scene, asset, asset.data_type or "")
    facts = _Facts(
        flag=scene.offset_applied,
        declared_dn=_declared_offset(scene, bands),
        carries_offset=_carries_offset(scene, sensor),
        product_offset_dn=round((sensor.offset or 0.0) / PACKED_SCALE),
    )
    name, offset_dn = _decide(scene, facts)
    return RadiometricRule(
        name=name,
        scale=PACKED_SCALE,
        offset_dn=offset_dn,
        evidence={
            "offset_applied": facts.flag,
            "declared_offset_dn": facts.declared_dn,
            "declared_scale": next((asset.scale for asset in bands if asset.scale is not None), None),
            "bands_without_declaration": sorted(asset.band for asset in bands if asset.offset is None),
            "processing_baseline": scene.processing_baseline,
            "contradictions": _contradictions(facts, offset_dn),
        },
    )


def require_steps(scene: Scene, asset: Asset, data_type: str) -> None:
    """Raises where numbers are of a type that the agency's products do not have and no scale says that they are steps.

    Floats may be reflectance itself and 8 bits a picture: read as steps of 1e-4 both would be black, and the pixels
    would even bear out that no offset is in them.

    Args:
        scene: The scene, for the message.
        asset: A reflectance band.
        data_type: Of its file, or as the item says it; '' where it does not.

    Raises:
        Uncalibrated: As above.
    """
    strange = data_type.startswith("float") or data_type in ("int8", "uint8")
    if strange and asset.scale is None:
        raise Uncalibrated(
            f"{scene.id} {asset.band} holds {data_type}, Sentinel-2 products hold uint16: its item must declare the "
            f"scale {PACKED_SCALE}, it declares none; add raster:scale if its numbers are steps of reflectance"
        )


def by_pixels(rule: RadiometricRule, offset_dn: int) -> RadiometricRule:
    """Returns the rule that the pixels ask for in the place of one that they contradict; both stand in its evidence.

    Args:
        rule: From `decide_rule`.
        offset_dn: Steps to add as the pixels tell, see `pixels.offset_of`.
    """
    overruled = {"overruled_rule": rule.name, "overruled_offset_dn": rule.offset_dn}
    return RadiometricRule(
        name="pixels", scale=rule.scale, offset_dn=offset_dn, evidence={**rule.evidence, **overruled}
    )


def _decide(scene: Scene, facts: _Facts) -> tuple[RuleName, int]:
    if facts.flag is True:
        return "flag", 0
    if facts.declared_dn is not None and facts.declared_dn != 0:
        return "declared", facts.declared_dn
    if facts.declared_dn == 0:
        if facts.flag is False and facts.carries_offset:
            raise Contradictory(
                f"what {scene.id} says of its offset must agree, got boa_offset_applied False, baseline "
                f"{scene.processing_baseline} and offset 0; correct the item or take the scene from another catalogue",
            )
        return "declared_zero", 0
    if facts.carries_offset is None:
        raise Uncalibrated(
            f"{scene.id} must say how it is calibrated by boa_offset_applied, raster:offset or processing baseline, "
            f"got baseline {scene.processing_baseline!r} and neither of the others; add one to the item",
        )
    if facts.carries_offset:
        return "baseline_with_offset", facts.product_offset_dn
    return "baseline_without_offset", 0


def _contradictions(facts: _Facts, offset_dn: int) -> list[str]:
    """Lists what the item says against the decision, so that a reader of the cube can see it was overruled."""
    found = []
    if facts.declared_dn is not None and facts.declared_dn != offset_dn:
        found.append(f"declared offset {facts.declared_dn} not applied: the item says it was taken out")
    if facts.flag is True and facts.carries_offset is False:
        found.append("offset said to be taken out of a baseline that never had one")
    if facts.flag is not True and facts.carries_offset is True and offset_dn == 0:
        found.append("offset 0 declared on a baseline that carries one")
    if facts.carries_offset is False and offset_dn != 0:
        found.append("offset declared on a baseline that never had one")
    return found


def _reflectance_assets(scene: Scene, sensor: Sensor) -> list[Asset]:
    wanted = [band.id for band in sensor.bands if band.kind == "reflectance"]
    found = [asset for asset in scene.assets if asset.band in wanted]
    if not found or sensor.scale != PACKED_SCALE:
        held = [asset.band for asset in scene.assets]
        raise Uncalibrated(
            f"{scene.id} must hold Sentinel-2 reflectance in steps of {PACKED_SCALE}, it is {sensor.name} with {held}; "
            f"ask for bands of {wanted}",
        )
    return found


def _carries_offset(scene: Scene, sensor: Sensor) -> bool | None:
    baseline, since = _baseline(scene.processing_baseline), _baseline(sensor.offset_since_baseline)
    return None if baseline is None or since is None else baseline >= since


def _check_scale(scene: Scene, bands: list[Asset]) -> None:
    for asset in bands:
        if asset.scale is not None and not math.isclose(asset.scale, PACKED_SCALE, rel_tol=_RELATIVE_TOLERANCE):
            raise Uncalibrated(
                f"the scale of reflectance is {PACKED_SCALE}, {scene.id} declares {asset.scale} for {asset.band}; "
                "correct the item, or describe the product as a sensor of its own",
            )


def _declared_offset(scene: Scene, bands: list[Asset]) -> int | None:
    declared = {asset.band: asset.offset for asset in bands if asset.offset is not None}
    steps = set()
    for band, offset in declared.items():
        exact = offset / PACKED_SCALE
        if not abs(offset) < 1 or not math.isclose(exact, round(exact), rel_tol=_RELATIVE_TOLERANCE):
            raise Uncalibrated(
                f"an offset is a whole number of steps of {PACKED_SCALE} below 1, {scene.id} {band} has {offset}; "
                "give it in reflectance, such as -0.1",
            )
        steps.add(round(exact))
    if len(steps) > 1:
        raise Contradictory(f"the bands of {scene.id} must share one offset, it declares {declared}; correct the item")
    return steps.pop() if steps else None


def _baseline(text: str) -> tuple[int, int] | None:
    """Reads '05.09', 'N0509' or '0509' as (5, 9); None where it says nothing readable (the text is evidence)."""
    match = re.fullmatch(r"N?(\d{2})\.?(\d{2})", text.strip())
    return None if match is None else (int(match[1]), int(match[2]))
