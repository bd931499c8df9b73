"""Files held against what their item states."""

import hashlib
from dataclasses import replace

import pytest

from catalogs import Asset
from pipelines.cube import checksum, remote_file
from pipelines.cube.checksum import read_multihash, require_as_stated
from pipelines.cube.raster_file import RasterUnreadable
from pipelines.cube.read_policy import ReadPolicy, read_policy, use_read_policy
from pipelines.simulate.torture import FaultRule, TortureServer

CONTENT = bytes(range(256)) * 4000


@pytest.fixture(autouse=True)
def fresh():
    before = read_policy()
    use_read_policy(ReadPolicy(num_tries=2, backoff_s=0.0, verify="local"))
    checksum._SOUND.clear()
    yield
    checksum._SOUND.clear()
    use_read_policy(before)


@pytest.fixture
def asset(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(CONTENT)
    return Asset(band="B02", href=str(path))


def stated(function, prefix, content=CONTENT):
    return prefix + hashlib.new(function, content).hexdigest()


@pytest.mark.parametrize(
    ("function", "prefix"),
    [("sha256", "1220"), ("sha1", "1114"), ("md5", "d50110"), ("sha512", "1340"), ("sha3_256", "1620")],
)
def test_a_right_checksum_passes_and_a_wrong_one_does_not(asset, function, prefix):
    require_as_stated(replace(asset, checksum=stated(function, prefix)))
    wrong = replace(asset, checksum=stated(function, prefix, CONTENT + b"x"))
    with pytest.raises(RasterUnreadable, match="wrong checksum") as caught:
        require_as_stated(wrong)
    assert caught.value.fault == "damaged"


def test_published_multihashes_are_read():
    # multiformats.io/multihash: SHA-1 and SHA-256 of "multihash"
    assert read_multihash("111488c2f11fb2ce392acb5b2986e640211c4690073e") == (
        "sha1",
        hashlib.sha1(b"multihash").hexdigest(),
    )
    assert read_multihash("12209cbc07c3f991725836a3aa2a581ca2029198aa420b9d99bc0e131d9f3e2cbe47") == (
        "sha256",
        hashlib.sha256(b"multihash").hexdigest(),
    )


@pytest.mark.parametrize("text", ["", "12", "1220zz", "122", "1220abcd", "wrong", "1220" + "0" * 66])
def test_what_is_no_multihash_is_damage(asset, text):
    with pytest.raises(ValueError, match=r"multihash|another length"):
        read_multihash(text)
    with pytest.raises(RasterUnreadable) as caught:
        require_as_stated(replace(asset, checksum=text))
    assert caught.value.fault == "damaged"


def test_a_function_that_nobody_here_knows_is_not_judged(asset):
    assert read_multihash("b220" + "0" * 64) is None  # blake2b-256 is written otherwise, and not checked
    require_as_stated(replace(asset, checksum="b220" + "0" * 64))


def test_sizes_are_compared(asset):
    require_as_stated(replace(asset, size_bytes=len(CONTENT)))
    with pytest.raises(RasterUnreadable, match="bytes"):
        require_as_stated(replace(asset, size_bytes=len(CONTENT) + 1))


def test_a_file_is_read_once_a_run_and_again_when_it_changed(asset, monkeypatch, tmp_path):
    calls = []
    digest = checksum.file_digest
    monkeypatch.setattr(checksum, "file_digest", lambda path, function: calls.append(path) or digest(path, function))
    sound = replace(asset, checksum=stated("sha256", "1220"))
    for _ in range(3):
        require_as_stated(sound)
    assert len(calls) == 1
    (tmp_path / "a.tif").write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(RasterUnreadable, match="wrong checksum"):
        require_as_stated(sound)


def test_none_looks_at_nothing(asset):
    use_read_policy(ReadPolicy(verify="none"))
    require_as_stated(replace(asset, checksum="1220" + "0" * 64, size_bytes=1))


def test_remote_files_are_checked_where_all_are(asset, tmp_path, monkeypatch):
    monkeypatch.setattr(remote_file, "LARGEST_REQUEST_BYTES", 300_000)
    with TortureServer(tmp_path, rules=(FaultRule(path="a.tif", kind="cut", after_bytes=9, times=1),)) as server:
        there = replace(asset, href=f"{server.url}/a.tif", checksum="1220" + "0" * 64)
        require_as_stated(there)
        assert not server.asked
        use_read_policy(replace(read_policy(), verify="all"))
        with pytest.raises(RasterUnreadable, match="wrong checksum"):
            require_as_stated(there)
        sound = replace(there, checksum=stated("sha256", "1220"), size_bytes=len(CONTENT))
        server.forget()
        for _ in range(2):
            require_as_stated(sound)
        assert server.asked["a.tif"] == 5  # four pieces, one of them twice, and once a run


def test_a_file_that_is_gone_is_left_to_who_opens_it(asset):
    require_as_stated(replace(asset, href="/no/such/file", checksum="1220" + "0" * 64))
