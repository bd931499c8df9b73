"""What `open_raster` says of every fault of a server, a file and an href."""

import gc
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from catalogs.errors import CatalogError
from pipelines.cube import remote, remote_file
from pipelines.cube.raster_file import PASSING_FAULTS, HeldRaster, RasterUnreadable, close_dropped, open_raster
from pipelines.cube.read_policy import ReadPolicy, read_policy, use_read_policy
from pipelines.cube.remote_file import OpenedFile, merged_spans
from pipelines.simulate.torture.fault import FaultRule
from pipelines.simulate.torture.server import TortureServer

QUICK = ReadPolicy(
    connect_s=1.0, stall_s=0.3, slowest_bytes_per_s=1e6, num_tries=3, backoff_s=0.01, longest_wait_s=0.05
)
PIXELS = np.random.default_rng(3).integers(1, 60000, (192, 192)).astype("uint16")


@pytest.fixture(autouse=True)
def quick():
    before = read_policy()
    use_read_policy(QUICK)
    remote_file.forget_headers()
    yield
    use_read_policy(before)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "a.tif")
    return tmp_path


def write(path, pixels=PIXELS, **options):
    profile = {"driver": "GTiff", "tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate", **options}
    with rasterio.open(
        path,
        "w",
        height=pixels.shape[0],
        width=pixels.shape[1],
        count=1,
        dtype=pixels.dtype,
        crs="EPSG:32631",
        transform=rasterio.Affine(10, 0, 600000, 0, -10, 5600000),
        **profile,
    ) as file:
        file.write(pixels, 1)
    return path


def whole(href):
    with open_raster(href) as raster:
        return raster.read(1)


@contextmanager
def serving(folder, **rule):
    with TortureServer(folder, rules=(FaultRule(path="a.tif", **rule),) if rule else ()) as server:
        yield server, f"{server.url}/a.tif"


def fault_of(href):
    with pytest.raises(RasterUnreadable) as caught:
        whole(href)
    return caught.value


def test_a_remote_file_reads_as_the_local_one(folder):
    with serving(folder) as (server, href):
        with open_raster(href) as there, open_raster(str(folder / "a.tif")) as here:
            assert (there.crs, there.transform, there.dtypes, there.nodata) == (
                here.crs,
                here.transform,
                here.dtypes,
                here.nodata,
            )
            np.testing.assert_array_equal(there.read(1), PIXELS)
        requests = server.asked["a.tif"]
        np.testing.assert_array_equal(whole(href), PIXELS)
    assert requests <= 5
    assert server.asked["a.tif"] == requests + ((folder / "a.tif").stat().st_size > remote_file.BLOCK_BYTES)


@pytest.mark.parametrize(
    ("rule", "fault", "words"),
    [
        ({"kind": "status", "status": 401}, "refused", "HTTP 401"),
        ({"kind": "status", "status": 403}, "refused", "HTTP 403"),
        ({"kind": "status", "status": 404}, "missing", "HTTP 404"),
        ({"kind": "status", "status": 410}, "missing", "HTTP 410"),
        ({"kind": "status", "status": 429}, "busy", "HTTP 429, 3 times"),
        ({"kind": "status", "status": 500}, "server", "HTTP 500, 3 times"),
        ({"kind": "status", "status": 503}, "server", "HTTP 503, 3 times"),
        ({"kind": "stall"}, "timeout", "stalled after 0 of"),
        ({"kind": "stall", "after_bytes": 100}, "timeout", "stalled after 100 of"),
        ({"kind": "trickle", "after_bytes": 100}, "timeout", "stalled"),
        ({"kind": "cut", "after_bytes": 100}, "damaged", "cut off after 100 of"),
        ({"kind": "drop"}, "server", "without an answer, 3 times"),
        ({"kind": "wrong_range"}, "server", "it answered with 'bytes 1-"),
        ({"kind": "redirect", "location": "http://169.254.169.254/latest/meta-data"}, "refused", "redirects"),
        ({"kind": "redirect", "location": "https://example.org/a.tif?sig=secret"}, "refused", "another host"),
        ({"kind": "redirect", "location": "file:///etc/passwd"}, "refused", "redirects"),
        ({"kind": "redirect", "location": "/a.tif"}, "refused", "more than 3 times"),
    ],
)
def test_every_fault_of_a_server_has_its_name(folder, rule, fault, words):
    with serving(folder, **rule) as (server, href):
        found = fault_of(f"{href}?sig=secret")
    assert found.fault == fault
    assert words in found.cause
    assert "secret" not in str(found)
    passing = fault in PASSING_FAULTS or rule["kind"] == "cut"
    assert server.asked["a.tif"] == (3 if passing else 4 if rule.get("location") == "/a.tif" else 1)


@pytest.mark.parametrize("kind", ["stall", "cut", "status"])
def test_a_fault_in_one_tile_is_told_though_the_header_was_whole(folder, kind):
    rule = {"kind": kind, "status": 500, "from_byte": 40_000, "after_bytes": 10}
    with serving(folder, **rule) as (_, href), open_raster(href) as raster:
        np.testing.assert_array_equal(raster.read(1, window=((0, 64), (0, 64))), PIXELS[:64, :64])
        assert raster.shape == (192, 192)
    with serving(folder, **rule) as (_, href):
        assert fault_of(href).fault == {"stall": "timeout", "cut": "damaged", "status": "server"}[kind]


def test_tiles_that_are_not_compressed_never_become_pixels_after_a_fault(folder):
    write(folder / "a.tif", compress="none")
    with serving(folder, kind="status", status=500, from_byte=40_000) as (_, href):
        assert fault_of(href).fault == "server"


@pytest.mark.parametrize("kind", ["status", "stall", "cut", "drop"])
def test_faults_that_pass_are_waited_out(folder, kind):
    with serving(folder, kind=kind, status=429, times=2, retry_after_s=0.02) as (server, href):
        np.testing.assert_array_equal(whole(href), PIXELS)
    assert server.asked["a.tif"] >= 3


def test_a_server_says_how_long_to_wait(folder, monkeypatch):
    waits = []
    monkeypatch.setattr(remote.time, "sleep", waits.append)
    use_read_policy(replace(QUICK, longest_wait_s=40.0))
    for asked, waited in ((17, 17.0), (3600, 40.0)):
        remote_file.forget_headers()
        with serving(folder, kind="status", status=503, times=1, retry_after_s=asked) as (_, href):
            whole(href)
        assert waits.pop() == waited
    assert remote._retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") < 0
    assert remote._retry_after_s("soon") == 0.0


def test_the_rate_of_the_provider_is_kept(folder, monkeypatch):
    turns, holds = [], []
    monkeypatch.setattr(remote, "before_reading", turns.append)
    monkeypatch.setattr(remote, "hold", lambda href, seconds: holds.append((href, seconds)))
    with serving(folder, kind="status", status=429, times=1, retry_after_s=0.03) as (server, href):
        whole(href)
    assert turns == [href] * server.asked["a.tif"]
    assert holds == [(href, 0.03)]


def test_nobody_listens(folder):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        href = f"http://127.0.0.1:{closed.getsockname()[1]}/a.tif"
    assert fault_of(href).fault == "timeout"


def test_a_signature_is_renewed_once(folder, monkeypatch):
    rule = {"kind": "token"}
    tokens = iter(["expired", "t1", "t1", "t1", "t1"])
    asked = []

    def sign(href, *, renew=False):
        if renew or not asked:
            asked.append((renew, next(tokens)))
        return f"{href}?token={asked[-1][1]}"

    monkeypatch.setattr(remote, "sign", sign)
    with serving(folder, **rule) as (server, href):
        assert server.new_token() == "t1"
        with open_raster(href) as raster:
            assert raster.shape == (192, 192)
        assert asked == [(False, "expired"), (True, "t1")]
        server.end_tokens()
        remote_file.forget_headers()
        refused = fault_of(href)
    assert refused.fault == "refused"
    assert "t1" not in str(refused)
    assert "token" not in str(refused)


def test_a_service_of_signatures_that_fails_is_told(folder, monkeypatch):
    for transient, fault in ((True, "server"), (False, "refused")):

        def sign(href, *, renew=False, transient=transient):
            raise CatalogError("a token must come, got none", transient=transient)

        monkeypatch.setattr(remote, "sign", sign)
        assert fault_of("https://example.org/a.tif").fault == fault


def test_a_file_that_was_replaced_is_not_mixed(folder):
    def read_while_it_changes(href):
        with open_raster(href) as raster:
            write(folder / "a.tif", PIXELS // 2)
            raster.read(1)

    with serving(folder) as (_, href), pytest.raises(RasterUnreadable, match="replaced"):
        read_while_it_changes(href)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
@pytest.mark.parametrize("remote_too", [False, True])
def test_a_file_cut_short_is_damaged(folder, share, remote_too):
    path = folder / "a.tif"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with serving(folder) as (_, href):
        found = fault_of(href if remote_too else str(path))
    assert found.fault == "damaged"
    assert "vsi" not in str(found)
    assert "raster://" not in str(found)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_bytes_turned_at_random_give_values_or_a_fault(folder, tmp_path):
    """Whatever a file holds, the answer is an array or `RasterUnreadable`: 300 files, one to eight bytes turned."""
    rng = np.random.default_rng(11)
    sound = (folder / "a.tif").read_bytes()
    path = tmp_path / "turned.tif"
    outcomes = {"read": 0, "damaged": 0}
    for _ in range(300):
        turned = bytearray(sound)
        for place in rng.integers(0, 400 if rng.random() < 0.6 else len(sound), rng.integers(1, 9)):
            turned[place] = rng.integers(256)
        path.write_bytes(turned)
        try:
            with open_raster(str(path)) as raster:
                raster.read(1, window=((0, 64), (0, 64)))
            outcomes["read"] += 1
        except RasterUnreadable as fault:
            outcomes[fault.fault] += 1
    assert min(outcomes.values()) > 20


@pytest.mark.parametrize(
    ("href", "fault"),
    [
        ("/no/such/file.tif", "missing"),
        ("/tmp", "missing"),
        ("/dev/zero", "missing"),
        ("/vsizip/a.zip/a.tif", "refused"),
        ("/vsicurl/http://127.0.0.1:1/a.tif", "refused"),
        ("/vsistdin/", "refused"),
        ("<VRTDataset rasterXSize='1' rasterYSize='1'/>", "missing"),
        ("GTIFF_DIR:1:a.tif", "missing"),
        ("GTIFF_RAW:a.tif", "missing"),
        ("zip+file://a.zip!a.tif", "refused"),
        ("vrt:///etc/passwd?bands=1", "refused"),
        ("file:///etc/passwd", "refused"),
        ("ftp://127.0.0.1/a.tif", "refused"),
        ("s3://bucket/a.tif", "refused"),
        ("http://example.org/a.tif", "refused"),
        ("https://user:secret@example.org/a.tif", "refused"),
        ("https://:99999/a.tif", "refused"),
        ("https://[::1/a.tif", "refused"),
        ("http://127.0.0.1@example.org/a.tif", "refused"),
        ("https:///a.tif", "refused"),
        ("a\0.tif", "refused"),
    ],
)
def test_only_plain_files_and_allowed_addresses_are_followed(href, fault):
    found = fault_of(href)
    assert found.fault == fault
    assert "secret" not in str(found)


def test_a_file_that_is_no_geotiff_is_damaged_whatever_its_name(folder):
    inside = folder / "secret.tif"
    write(inside)
    vrt = f"""<VRTDataset rasterXSize="192" rasterYSize="192"><VRTRasterBand dataType="UInt16" band="1">
      <SimpleSource><SourceFilename>{inside}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
      </VRTRasterBand></VRTDataset>"""
    (folder / "a.tif").write_text(vrt)
    (folder / "b.tif").write_text("not found\n")
    assert fault_of(str(folder / "a.tif")).fault == "damaged"
    assert fault_of(str(folder / "b.tif")).fault == "damaged"
    with serving(folder) as (_, href):
        assert fault_of(href).fault == "damaged"


def test_side_files_are_not_believed(folder):
    (folder / "a.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    (folder / "a.tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    with open_raster(str(folder / "a.tif")) as raster:
        assert raster.crs.to_epsg() == 32631


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_refused(folder):
    (folder / "a.tif").chmod(0)
    assert fault_of(str(folder / "a.tif")).fault == "refused"


def test_an_error_of_the_reader_is_not_blamed_on_the_file(folder):
    with pytest.raises(ZeroDivisionError), open_raster(str(folder / "a.tif")):
        1 / 0  # noqa: B018


@pytest.mark.parametrize("remote_too", [False, True])
def test_a_raster_passes_from_thread_to_thread(folder, remote_too):
    with serving(folder) as (_, href), ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        for _ in range(20):
            held = one.submit(HeldRaster, href if remote_too else str(folder / "a.tif")).result()
            remote_file.forget_headers()
            with held.reading() as raster:
                np.testing.assert_array_equal(raster.read(1, window=((64, 128), (0, 64))), PIXELS[64:128, :64])
            other.submit(held.close).result()
            one.submit(HeldRaster, href).result()  # dropped unclosed
            other.submit(gc.collect).result()


def test_an_error_is_not_lost_to_the_garbage_collector(folder, monkeypatch):
    """A raster that was dropped unclosed is garbage just when GDAL has asked for the bytes of a tile that is broken."""
    content = bytearray((folder / "a.tif").read_bytes())
    content[-9000:] = bytes(9000)
    (folder / "a.tif").write_bytes(content)
    ranges = OpenedFile.get_byte_ranges

    def collecting(self, offsets, sizes):
        found = ranges(self, offsets, sizes)
        gc.collect()
        return found

    monkeypatch.setattr(OpenedFile, "get_byte_ranges", collecting)
    gc.disable()
    try:
        with serving(folder) as (_, href):
            cycle = [HeldRaster(href)]
            cycle.append(cycle)
            del cycle
            with open_raster(href) as raster, pytest.raises(rasterio.errors.RasterioError):
                raster.read(1, window=((128, 192), (128, 192)))
    finally:
        gc.enable()
        close_dropped()


def test_a_server_without_ranges_serves_too(folder, monkeypatch):
    from pipelines.simulate.torture import server

    monkeypatch.setattr(server, "_span", lambda _, size: (0, size))
    send = server._Handler.send_response
    monkeypatch.setattr(server._Handler, "send_response", lambda self, _: send(self, 200))
    with serving(folder) as (_, href):
        np.testing.assert_array_equal(whole(href), PIXELS)
        monkeypatch.setattr(remote, "MAX_WITHOUT_RANGES", 100)
        remote_file.forget_headers()
        assert "no parts" in fault_of(href).cause


def test_spans_hold_every_range_once():
    rng = np.random.default_rng(5)
    for _ in range(200):
        starts = rng.integers(0, 1 << 25, rng.integers(1, 30))
        stops = starts + rng.integers(1, 1 << 20, len(starts))
        ranges = [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]
        spans = merged_spans(ranges)
        assert spans == sorted(spans)
        for start, stop in ranges:
            assert any(first <= start and stop <= last for first, last in spans)
        assert all(stop - start <= remote_file.LARGEST_REQUEST_BYTES + (1 << 20) for start, stop in spans)
    gap = remote_file.SMALL_GAP_BYTES
    assert merged_spans([(10, 20), (0, 10), (20 + gap, 30 + gap), (31 + 2 * gap, 40 + 2 * gap)]) == [
        (0, 30 + gap),
        (31 + 2 * gap, 40 + 2 * gap),
    ]


def test_a_policy_makes_sense():
    with pytest.raises(ValueError, match="verify"):
        ReadPolicy(verify="some")
    with pytest.raises(ValueError, match="at least one try"):
        ReadPolicy(num_tries=0)
