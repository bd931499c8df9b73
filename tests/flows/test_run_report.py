import json

import pytest

from flows.run_report import ProductRow, ReadFailureRow, RunReport, SceneRow, final_status, write_atomically
from flows.tables import summary

USED = SceneRow(id="a", collection="s2", outcome="used")
WRITTEN = ProductRow(name="land-cover", path="p", snapshot="s", state="written")
KEPT = ProductRow(name="land-cover", path="p", snapshot="s", state="up_to_date")
UNMADE = ProductRow(name="change", state="not_made", reason="one date")


def skipped(reason):
    return SceneRow(id="b", collection="s2", outcome="skipped", reason=reason)


@pytest.mark.parametrize(
    ("changed", "scenes", "products", "status"),
    [
        (True, (USED,), (WRITTEN,), "Completed"),
        (True, (USED,), (WRITTEN, UNMADE), "Completed"),
        (False, (USED,), (WRITTEN,), "Completed"),
        (False, (USED,), (KEPT, UNMADE), "NoNewData"),
        (False, (USED, skipped("unreadable")), (KEPT,), "NoNewData"),
        *(
            (True, (USED, skipped(r)), (WRITTEN,), "CompletedWithGaps")
            for r in ("unreadable", "damaged", "refused", "missing_asset", "uncalibrated", "all_nodata", "quarantined")
        ),
        *(
            (True, (USED, skipped(r)), (WRITTEN,), "Completed")
            for r in ("outside", "duplicate", "superseded", "too_cloudy")
        ),
    ],
)
def test_final_status(changed, scenes, products, status):
    assert final_status(changed=changed, scenes=scenes, products=products) == status


UNREAD = ReadFailureRow(
    scene="a", band="B04", href="B04.tif", fault="damaged", cause="cut", num_units=1, blocks=((0, 0, 512, 512),)
)


@pytest.mark.parametrize(("changed", "status"), [(True, "CompletedWithGaps"), (False, "NoNewData")])
def test_a_scene_with_missing_parts_is_a_gap(changed, status):
    products = (WRITTEN if changed else KEPT,)
    assert final_status(changed=changed, scenes=(USED,), products=products, read_failures=(UNREAD,)) == status


def test_json_holds_what_a_caller_may_read():
    report = RunReport(
        status="Failed",
        region="r",
        run_id="i",
        started="t",
        finished="t",
        scenes=(USED,),
        read_failures=(UNREAD,),
        error="why",
        timings={"total": 1},
    )
    answer = json.loads(report.to_json())
    assert {"status", "scenes", "unmatched", "cube", "products", "timings", "error"} <= set(answer)
    assert answer["scenes"][0] == {"id": "a", "collection": "s2", "outcome": "used", "reason": None, "detail": ""}
    assert answer["read_failures"][0]["blocks"] == [[0, 0, 512, 512]]
    assert "\n" not in report.to_json()
    assert report.exit_code == 1


def test_atomic_write_keeps_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    write_atomically(path, "old")
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_a_person_reads_each_note_once_with_how_many_scenes_it_is_about():
    rows = tuple(SceneRow(id=name, collection="s2", outcome="used") for name in ("a", "b", "c"))
    notes = ("a: warped", "b: warped", "b: without B04", "c: warped", "group vhr feeds no product: none")
    report = RunReport(
        status="Completed",
        region="r",
        run_id="i",
        started="t",
        finished="t",
        scenes=rows,
        notes=notes,
        timings={"total": 1},
    )
    told = [line for line in summary(report).splitlines() if line.startswith("note: ")]
    assert told == ["note: a and 2 more: warped", "note: b: without B04", "note: group vhr feeds no product: none"]
    assert json.loads(report.to_json())["notes"] == list(notes)
