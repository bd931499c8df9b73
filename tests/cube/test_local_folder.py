"""A cube's folder that two processes make at once."""

import icechunk

from pipelines.cube.store import create_store, open_store


def test_whoever_is_slower_takes_what_the_other_has_made(tmp_path, monkeypatch):
    create, made = icechunk.Repository.create, []

    def slowly(storage):
        monkeypatch.setattr(icechunk.Repository, "create", create)
        made.append(create_store(tmp_path / "cube").snapshot)  # which sweeps debris, and leaves what is being made
        return create(storage)

    monkeypatch.setattr(icechunk.Repository, "create", slowly)
    assert [create_store(tmp_path / "cube").snapshot] == made
    assert [path.name for path in tmp_path.iterdir()] == ["cube"]
    with open_store(tmp_path / "cube").run("one") as run:
        assert run.begin().base == made[0]
