# ruff: noqa: E501 lines of the annotations
"""A small Sentinel-1 GRD product in SAFE form, made from an orbit: planted backscatter at known places.

The geometry is that of the real mission (693 km, right-looking, zero Doppler), solved pixel by pixel on the ellipsoid,
so that places of pixels are a truth of their own beside the tie points. Tables are consistent with each other:
sigma nought = beta nought x sin(incidence), gamma nought = sigma nought / cos(incidence). The XML has the structure of
the product specification S1-RS-MDA-52-7441 and is read by xarray-sentinel.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from rasterio.control import GroundControlPoint

EPSG = 32631
LIGHT_M_S = 299_792_458.0
START = np.datetime64("2023-04-05T17:32:50.000000")
LINE_S = 1.47885e-3
SPACING_M = 10.0
NAME = "S1A_IW_GRDH_1SDV_20230405T173250_20230405T173251_047964_05C3A1_E763"

# circular orbit; argument of latitude and node chosen so that the image lies in Belgium
_RADIUS_M, _INCLINATION, _RATE = 7_071_000.0, np.radians(98.18), 1.0618e-3
_ROTATION, _LATITUDE_ARGUMENT, _NODE = 7.2921159e-5, np.radians(52.2), np.radians(9.0)
_A, _B = 6_378_137.0, 6_356_752.314245


def orbit(seconds):
    """Earth-fixed positions (3, ...) at seconds after the first line."""
    u = _LATITUDE_ARGUMENT + _RATE * seconds
    node = _NODE - _ROTATION * seconds
    x, y = np.cos(u), np.sin(u) * np.cos(_INCLINATION)
    return _RADIUS_M * np.stack(
        [x * np.cos(node) - y * np.sin(node), x * np.sin(node) + y * np.cos(node), np.sin(u) * np.sin(_INCLINATION)]
    )


def velocity(seconds):
    step = 1e-3
    return (orbit(seconds + step) - orbit(seconds - step)) / (2 * step)


def locate(seconds, slant_m, height_m=0.0):
    """Earth-fixed place (3, ...) seen at a time and slant range, and the incidence angle there in radians."""
    seconds, slant_m = np.broadcast_arrays(np.asarray(seconds, float), np.asarray(slant_m, float))
    satellite, along = orbit(seconds), velocity(seconds)
    along /= np.linalg.norm(along, axis=0)
    down = -satellite + along * (satellite * along).sum(axis=0)
    down /= np.linalg.norm(down, axis=0)
    right = np.cross(along, -down, axis=0)
    axes = np.array([_A + height_m, _A + height_m, _B + height_m]).reshape(3, *[1] * seconds.ndim)
    look = np.full(seconds.shape, np.radians(33.0))
    for _ in range(12):
        place = satellite + slant_m * (np.cos(look) * down + np.sin(look) * right)
        slope = slant_m * (-np.sin(look) * down + np.cos(look) * right)
        look -= (((place / axes) ** 2).sum(axis=0) - 1) / (2 * (place * slope / axes**2).sum(axis=0))
    normal = place / axes**2
    normal /= np.linalg.norm(normal, axis=0)
    sight = (satellite - place) / slant_m
    return place, np.arccos((normal * sight).sum(axis=0))


_TO_UTM = pyproj.Transformer.from_crs(4978, EPSG, always_xy=True)
_TO_WGS84 = pyproj.Transformer.from_crs(4978, 4979, always_xy=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeSafe:
    folder: Path
    seconds: np.ndarray
    """Of the lines."""
    slant_m: np.ndarray
    """Of the pixels."""
    x: np.ndarray
    y: np.ndarray
    """(line, pixel) places of the pixel centres, EPSG:32631."""
    incidence: np.ndarray
    """Radians."""
    sigma0: dict[str, np.ndarray]
    """Planted, by polarisation."""
    dn: dict[str, np.ndarray]

    def file(self, kind, pol):
        number = {"VV": "001", "VH": "002"}[pol]
        stem = f"s1a-iw-grd-{pol.lower()}-20230405t173250-20230405t173251-047964-05c3a1-{number}"
        return (
            self.folder
            / {
                "measurement": f"measurement/{stem}.tiff",
                "product": f"annotation/{stem}.xml",
                "calibration": f"annotation/calibration/calibration-{stem}.xml",
                "noise": f"annotation/calibration/noise-{stem}.xml",
            }[kind]
        )

    @property
    def manifest(self):
        return self.folder / "manifest.safe"


def two_fields(x, y):
    """Backscatter that changes smoothly with the place, with a step in the middle."""
    return 0.08 + 0.03 * np.sin(x / 700.0) * np.cos(y / 900.0) + np.where(x > np.median(x), 0.15, 0.0)


def noise_range(pixel):
    return 900.0 + 0.4 * np.asarray(pixel, float)


def noise_azimuth(line, pixel, width):
    """Two sub-swaths with scalloping of their own."""
    phase = np.where(np.asarray(pixel) < width // 2, 0.0, 1.0)
    return 1.0 + 0.2 * np.sin(np.asarray(line, float) / 20.0 + phase)


def write_safe(
    folder,
    *,
    shape=(300, 400),
    truth=two_fields,
    ipf="003.40",
    looks=None,
    height_m=0.0,
    zero_gain=(),
    no_signal=None,
    border=0,
    junk=False,
    pols=("VV", "VH"),
):
    """Writes a product and returns what is true of it.

    shape: lines and pixels; ipf: below 2.90 the noise has its old form; looks: of the speckle, none where None;
    zero_gain: slices of (vector, node) set to 0 in the table of VV; no_signal: slice of pixels that return nothing;
    border: pixels of 0, or of low numbers with `junk`, along the left side.
    """
    lines, pixels = np.arange(shape[0]), np.arange(shape[1])
    seconds = lines * LINE_S
    ranges = Ranges(shape[1], height_m)
    slant = ranges.slant(pixels * SPACING_M)
    place, incidence = locate(seconds[:, None], slant[None, :], height_m)
    x, y = _TO_UTM.transform(*place)[:2]
    old = tuple(int(part) for part in ipf.split(".")) < (2, 90)
    rng = np.random.default_rng(5)
    noise = noise_range(pixels)[None, :] * np.ones(shape)
    if not old:
        noise *= noise_azimuth(lines[:, None], pixels[None, :], shape[1])
    sigma0, dn = {}, {}
    safe = MadeSafe(
        folder=Path(folder) / f"{NAME}.SAFE",
        seconds=seconds,
        slant_m=slant,
        x=x,
        y=y,
        incidence=incidence,
        sigma0=sigma0,
        dn=dn,
    )
    for pol in pols:
        sigma0[pol] = truth(x, y) * (1.0 if pol == "VV" else 0.2)
        if no_signal is not None:
            sigma0[pol][no_signal] = 0.0
        seen = sigma0[pol] * (rng.gamma(looks, 1 / looks, shape) if looks else 1.0)
        power = seen * gain("sigmaNought", incidence) ** 2 + noise
        dn[pol] = np.rint(np.sqrt(power)).astype("uint16")
        if border:
            dn[pol][:, :border] = rng.integers(1, 12, (shape[0], border)) if junk else 0
        _write_tiff(safe, pol, tie_points(shape, ranges, height_m))
        _write(safe.file("product", pol), product_xml(pol, shape, ranges, height_m))
        _write(
            safe.file("calibration", pol),
            calibration_xml(pol, shape, ranges, height_m, zero_gain if pol == "VV" else ()),
        )
        _write(safe.file("noise", pol), noise_xml(pol, shape, old=old))
    _write(safe.manifest, manifest_xml(safe, pols, ipf))
    return safe


class Ranges:
    """Ground range to slant range as the processor says it: polynomials fitted to the ellipsoid."""

    def __init__(self, width, height_m):
        near, far = 845_000.0, 845_000.0 + width * SPACING_M * 0.8 + 3000
        slant = np.linspace(near - 2000, far, 400)
        place = locate(0.0, slant, height_m)[0]
        longitude, latitude = _TO_WGS84.transform(*place)[:2]
        geod = pyproj.Geod(ellps="WGS84")
        steps = geod.inv(longitude[:-1], latitude[:-1], longitude[1:], latitude[1:])[2]
        ground = np.concatenate([[0.0], np.cumsum(steps)])
        ground -= np.interp(near, slant, ground)
        self.sr0 = near
        self.grsr = np.polynomial.Polynomial.fit(ground, slant, 5).convert().coef
        self.srgr = np.polynomial.Polynomial.fit(slant - near, ground, 5).convert().coef

    def slant(self, ground_m):
        return np.polynomial.polynomial.polyval(ground_m, self.grsr)


def gain(name, incidence):
    beta = 474.0
    sigma = beta / np.sqrt(np.sin(incidence))
    return {
        "betaNought": np.full_like(incidence, beta),
        "sigmaNought": sigma,
        "gamma": sigma * np.sqrt(np.cos(incidence)),
    }[name]


def nodes(size, step):
    return np.unique(np.append(np.arange(0, size, step), size - 1))


def tie_points(shape, ranges, height_m):
    """(line, pixel, longitude, latitude, height, incidence in degrees, seconds, slant time) of each point."""
    points = []
    for line in nodes(shape[0], max(shape[0] // 4, 1)):
        for pixel in nodes(shape[1], max(shape[1] // 5, 1)):
            slant = float(ranges.slant(pixel * SPACING_M))
            place, incidence = locate(line * LINE_S, slant, height_m)
            lon, lat, height = _TO_WGS84.transform(*place)
            points.append((line, pixel, lon, lat, height, np.degrees(incidence), line * LINE_S, 2 * slant / LIGHT_M_S))
    return points


def stamp(seconds):
    return str(START + np.timedelta64(round(seconds * 1e6), "us"))


def header(pol, shape):
    return f"""<adsHeader><missionId>S1A</missionId><productType>GRD</productType><polarisation>{pol}</polarisation>
  <mode>IW</mode><swath>IW</swath><startTime>{stamp(0)}</startTime><stopTime>{stamp(shape[0] * LINE_S)}</stopTime>
  <absoluteOrbitNumber>47964</absoluteOrbitNumber><missionDataTakeId>377761</missionDataTakeId>
  <imageNumber>001</imageNumber></adsHeader>"""


def words(values, form="{:.9e}"):
    return " ".join(form.format(value) for value in values)


def vector(name, pixels, values):
    return f'<{name} count="{len(pixels)}">{words(values)}</{name}>'


def calibration_xml(pol, shape, ranges, height_m, zero_gain):
    lines, pixels = nodes(shape[0], 60), nodes(shape[1], 40)
    text = []
    for index, line in enumerate(lines):
        incidence = locate(line * LINE_S, ranges.slant(pixels * SPACING_M), height_m)[1]
        tables = {name: gain(name, incidence) for name in ("sigmaNought", "betaNought", "gamma")}
        for which, where in zero_gain:
            if which == index:
                for table in tables.values():
                    table[where] = 0.0
        text.append(
            f"<calibrationVector><azimuthTime>{stamp(line * LINE_S)}</azimuthTime><line>{line}</line>"
            f'<pixel count="{len(pixels)}">{words(pixels, "{}")}</pixel>'
            + "".join(vector(name, pixels, table) for name, table in tables.items())
            + vector("dn", pixels, np.full(len(pixels), 474.0))
            + "</calibrationVector>"
        )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<calibration>{header(pol, shape)}
<calibrationInformation><absoluteCalibrationConstant>1.0</absoluteCalibrationConstant></calibrationInformation>
<calibrationVectorList count="{len(lines)}">{"".join(text)}</calibrationVectorList></calibration>"""


def noise_xml(pol, shape, *, old):
    lines, pixels = nodes(shape[0], 90), nodes(shape[1], 40)
    outer, inner = ("noiseVector", "noiseLut") if old else ("noiseRangeVector", "noiseRangeLut")
    vectors = "".join(
        f"<{outer}><azimuthTime>{stamp(line * LINE_S)}</azimuthTime><line>{line}</line>"
        f'<pixel count="{len(pixels)}">{words(pixels, "{}")}</pixel>{vector(inner, pixels, noise_range(pixels))}</{outer}>'
        for line in lines
    )
    text = f'<{outer}List count="{len(lines)}">{vectors}</{outer}List>'
    if not old:
        every = np.arange(shape[0])
        half = shape[1] // 2
        boxes = "".join(
            f"<noiseAzimuthVector><swath>{swath}</swath><firstAzimuthLine>0</firstAzimuthLine>"
            f"<firstRangeSample>{first}</firstRangeSample><lastAzimuthLine>{shape[0] - 1}</lastAzimuthLine>"
            f'<lastRangeSample>{last}</lastRangeSample><line count="{shape[0]}">{words(every, "{}")}</line>'
            f"{vector('noiseAzimuthLut', every, noise_azimuth(every, first, shape[1]))}</noiseAzimuthVector>"
            for swath, first, last in (("IW1", 0, half - 1), ("IW2", half, shape[1] - 1))
        )
        text += f'<noiseAzimuthVectorList count="2">{boxes}</noiseAzimuthVectorList>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<noise>{header(pol, shape)}{text}</noise>'


def product_xml(pol, shape, ranges, height_m):
    grid = "".join(
        f"<geolocationGridPoint><azimuthTime>{stamp(seconds)}</azimuthTime><slantRangeTime>{slant:.15e}</slantRangeTime>"
        f"<line>{line}</line><pixel>{pixel}</pixel><latitude>{lat:.12f}</latitude><longitude>{lon:.12f}</longitude>"
        f"<height>{height:.6f}</height><incidenceAngle>{angle:.9f}</incidenceAngle>"
        f"<elevationAngle>{angle - 4:.9f}</elevationAngle></geolocationGridPoint>"
        for line, pixel, lon, lat, height, angle, seconds, slant in tie_points(shape, ranges, height_m)
    )
    states = []
    for seconds in np.arange(-60.0, 65.0, 10.0):
        position, speed = orbit(np.array(seconds)), velocity(np.array(seconds))
        states.append(
            f"<orbit><time>{stamp(seconds)}</time><frame>Earth Fixed</frame><position>"
            + "".join(f"<{a}>{v:.6f}</{a}>" for a, v in zip("xyz", position, strict=True))
            + "</position>"
            + "<velocity>"
            + "".join(f"<{a}>{v:.6f}</{a}>" for a, v in zip("xyz", speed, strict=True))
            + "</velocity></orbit>"
        )
    conversions = "".join(
        f"<coordinateConversion><azimuthTime>{stamp(seconds)}</azimuthTime>"
        f"<slantRangeTime>{2 * ranges.sr0 / LIGHT_M_S:.15e}</slantRangeTime><sr0>{ranges.sr0:.6f}</sr0>"
        f'<srgrCoefficients count="{len(ranges.srgr)}">{words(ranges.srgr, "{:.15e}")}</srgrCoefficients><gr0>0.0</gr0>'
        f'<grsrCoefficients count="{len(ranges.grsr)}">{words(ranges.grsr, "{:.15e}")}</grsrCoefficients>'
        "</coordinateConversion>"
        for seconds in (-1.0, shape[0] * LINE_S + 1.0)
    )
    middle = np.degrees(locate(0.0, ranges.slant(shape[1] / 2 * SPACING_M), height_m)[1])
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<product>{header(pol, shape)}
<generalAnnotation><productInformation><pass>Ascending</pass><timelinessCategory>Fast-24h</timelinessCategory>
<platformHeading>-1.3e+01</platformHeading><projection>Ground Range</projection><rangeSamplingRate>6.434523812571428e+07</rangeSamplingRate>
<radarFrequency>5.405000454334350e+09</radarFrequency><azimuthSteeringRate>1.590368784</azimuthSteeringRate></productInformation>
<orbitList count="{len(states)}">{"".join(states)}</orbitList></generalAnnotation>
<imageAnnotation><imageInformation><productFirstLineUtcTime>{stamp(0)}</productFirstLineUtcTime>
<productLastLineUtcTime>{stamp((shape[0] - 1) * LINE_S)}</productLastLineUtcTime><ascendingNodeTime>{stamp(-900)}</ascendingNodeTime>
<anchorTime>{stamp(0)}</anchorTime><slantRangeTime>{2 * ranges.slant(0.0) / LIGHT_M_S:.15e}</slantRangeTime>
<pixelValue>Detected</pixelValue><outputPixels>16 bit Unsigned Integer</outputPixels>
<rangePixelSpacing>{SPACING_M:.6e}</rangePixelSpacing><azimuthPixelSpacing>{SPACING_M:.6e}</azimuthPixelSpacing>
<azimuthTimeInterval>{LINE_S:.12e}</azimuthTimeInterval><azimuthFrequency>1.717128973878037e+03</azimuthFrequency>
<numberOfSamples>{shape[1]}</numberOfSamples><numberOfLines>{shape[0]}</numberOfLines>
<zeroDopMinusAcqTime>0.0</zeroDopMinusAcqTime><incidenceAngleMidSwath>{middle:.9f}</incidenceAngleMidSwath></imageInformation></imageAnnotation>
<swathTiming><linesPerBurst>0</linesPerBurst><samplesPerBurst>0</samplesPerBurst><burstList count="0"/></swathTiming>
<geolocationGrid><geolocationGridPointList count="{grid.count("<geolocationGridPoint>")}">{grid}</geolocationGridPointList></geolocationGrid>
<coordinateConversion><coordinateConversionList count="2">{conversions}</coordinateConversionList></coordinateConversion>
</product>"""


def manifest_xml(safe, pols, ipf):
    schema = {"product": "Product", "calibration": "Calibration", "noise": "Noise", "measurement": "Measurement"}
    files = "".join(
        f'<dataObject ID="{kind}{pol}" repID="s1Level1{name}Schema"><byteStream><fileLocation locatorType="URL" '
        f'href="./{safe.file(kind, pol).relative_to(safe.folder)}"/></byteStream></dataObject>'
        for pol in pols
        for kind, name in schema.items()
    )
    polarisations = "".join(
        f"<s1sarl1:transmitterReceiverPolarisation>{pol}</s1sarl1:transmitterReceiverPolarisation>" for pol in pols
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" xmlns:safe="http://www.esa.int/safe/sentinel-1.0"
 xmlns:s1="http://www.esa.int/safe/sentinel-1.0/sentinel-1" xmlns:gml="http://www.opengis.net/gml"
 xmlns:s1sarl1="http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-1">
<metadataSection><metadataObject><safe:processing><safe:facility><safe:software name="Sentinel-1 IPF" version="{ipf}"/>
</safe:facility></safe:processing><safe:platform><safe:nssdcIdentifier>2014-016A</safe:nssdcIdentifier>
<safe:familyName>SENTINEL-1</safe:familyName><safe:number>A</safe:number><safe:instrument><s1sarl1:instrumentMode>
<s1sarl1:mode>IW</s1sarl1:mode><s1sarl1:swath>IW</s1sarl1:swath></s1sarl1:instrumentMode></safe:instrument></safe:platform>
<safe:orbitReference><safe:orbitNumber type="start">47964</safe:orbitNumber><safe:orbitNumber type="stop">47964</safe:orbitNumber>
<safe:relativeOrbitNumber type="start">88</safe:relativeOrbitNumber><safe:relativeOrbitNumber type="stop">88</safe:relativeOrbitNumber>
<s1:pass>ASCENDING</s1:pass><s1:ascendingNodeTime>{stamp(-900)}</s1:ascendingNodeTime></safe:orbitReference>
<safe:acquisitionPeriod><safe:startTime>{stamp(0)}</safe:startTime><safe:stopTime>{stamp(1)}</safe:stopTime></safe:acquisitionPeriod>
<s1sarl1:standAloneProductInformation><s1sarl1:missionDataTakeID>377761</s1sarl1:missionDataTakeID>{polarisations}
<s1sarl1:productType>GRD</s1sarl1:productType></s1sarl1:standAloneProductInformation></metadataObject></metadataSection>
<dataObjectSection>{files}</dataObjectSection></xfdu:XFDU>"""


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_tiff(safe, pol, points):
    path = safe.file("measurement", pol)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = safe.dn[pol]
    gcps = [GroundControlPoint(row=p[0] + 0.5, col=p[1] + 0.5, x=p[2], y=p[3], z=p[4]) for p in points]
    profile = {"driver": "GTiff", "count": 1, "height": pixels.shape[0], "width": pixels.shape[1], "dtype": "uint16"}
    with rasterio.open(path, "w", gcps=gcps, crs="EPSG:4326", **profile) as file:
        file.write(pixels, 1)


def write_item(safe, folder, **properties):
    """Writes a static catalogue with one item whose assets are named as Earth Search names them; returns its path."""
    folder = Path(folder)
    lon, lat = pyproj.Transformer.from_crs(EPSG, 4326, always_xy=True).transform(safe.x, safe.y)
    corners = [[float(lon[i, j]), float(lat[i, j])] for i, j in ((0, 0), (0, -1), (-1, -1), (-1, 0), (0, 0))]
    assets = {"safe-manifest": {"href": str(safe.manifest), "type": "application/xml", "roles": ["metadata"]}}
    for pol in safe.dn:
        for kind in ("product", "calibration", "noise"):
            assets[f"schema-{kind}-{pol.lower()}"] = {
                "href": str(safe.file(kind, pol)),
                "type": "application/xml",
                "roles": ["metadata"],
            }
        assets[pol.lower()] = {
            "href": str(safe.file("measurement", pol)),
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "raster:bands": [{"nodata": 0, "data_type": "uint16"}],
            "roles": ["data"],
        }
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": NAME.rsplit("_", 1)[0],
        "collection": "sentinel-1-grd",
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "bbox": [float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())],
        "properties": {
            "datetime": "2023-04-05T17:32:50Z",
            "platform": "sentinel-1a",
            "constellation": "sentinel-1",
            "sar:product_type": "GRD",
            "sar:polarizations": list(safe.dn),
            "sat:orbit_state": "ascending",
            "sat:relative_orbit": 88,
            "proj:epsg": 4326,
            "s1:processing_datetime": "2023-04-05T19:00:00Z",
            **properties,
        },
        "links": [],
        "assets": assets,
    }
    catalog = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "made",
        "description": "one made product",
        "links": [{"rel": "item", "href": "./item.json"}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "item.json").write_text(json.dumps(item))
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return folder / "catalog.json"
