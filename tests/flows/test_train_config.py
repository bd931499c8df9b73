"""Configurations of training: what is refused, what --set changes, what a resume must keep."""

from __future__ import annotations

from importlib import resources

import pytest
import yaml

from flows.errors import ConfigError
from flows.train_config import load_training, shipped_configs

STAGE = {"name": "a", "learn": "tasks", "steps": 5, "tasks": {"height": 1}}
SMALL = {"name": "small", "preset": "nano", "data": {"render": {"vhr": {"places": 2}}}, "stages": [STAGE]}


@pytest.fixture
def file(tmp_path):
    def write(**changes):
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(SMALL | changes))
        return str(path)

    return write


def test_shipped_configurations_are_valid_and_lie_in_the_package():
    assert shipped_configs() == ("heads", "nano", "nano-dense", "tiny", "tiny-dense")
    for name in shipped_configs():
        config = load_training(name)
        if config.keeps_backbone:
            assert (name, set(config.data.render)) == ("heads", {"slc", "vhr", "video"})
            continue
        assert (config.name, config.preset) == (name, name.removesuffix("-dense"))
        stages = {"nano": ["pretrain", "tasks"], "tiny": ["pretrain", "withheld", "tasks"]}.get(name, ["tasks"])
        assert [stage.learn for stage in config.stages] == stages
        assert set(config.data.render) == {"series", "slc", "vhr", "video"}
    assert (resources.files("flows") / "configs" / "nano.yaml").is_file()


@pytest.mark.parametrize("teacher", ["nano", "tiny"])
def test_the_configuration_of_a_student_is_that_of_its_distilled_weights(teacher):
    from flows.distil import DistilRun
    from flows.train_run import model_config
    from ringmoe_core.prune import dense_config

    config = model_config(load_training(teacher))
    ratio = DistilRun().width * config.mlp_ratio
    assert model_config(load_training(f"{teacher}-dense")) == dense_config(config, mlp_ratio=ratio)


def test_seeds_of_shipped_configurations_stay_below_those_that_measure():
    from flows.train import VALIDATION_SEED

    for name in shipped_configs():
        for kind in load_training(name).data.render.values():
            assert kind.seed >= 1_000
            assert kind.seed + kind.places <= VALIDATION_SEED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rte": 1}, "learning_rte: Extra inputs are not permitted, got 1"),
        ({"preset": "giant"}, "preset: Input should be 'nano', 'tiny' or 'small', got 'giant'"),
        ({"stages": []}, "stages: Tuple should have at least 1 item"),
        ({"stages": [STAGE | {"step": 3}]}, "stages.0.step: Extra inputs"),
        ({"stages": [STAGE | {"minutes": 3}]}, "either steps or minutes"),
        ({"stages": [STAGE | {"tasks": {"heigth": 1}}]}, "stages.0.tasks.heigth"),
        ({"stages": [STAGE | {"learn": "play"}]}, "does not match any of the expected tags"),
        ({"stages": [STAGE, STAGE]}, "stages have names of their own"),
        ({"stages": [STAGE | {"train": "heads"}]}, "stage a trains heads alone and is the first"),
        (
            {"start": "nano", "stages": [STAGE | {"train": "heads", "tasks": {"change": 1, "height": 1}}]},
            "heads alone cannot learn ['change'], the backbone's own",
        ),
        ({"stages": [STAGE | {"phases": [{"size": 64, "batch": 4, "share": 0.5}]}]}, "shares sum to 1"),
        ({"data": {"render": {"film": {"places": 1}}}}, "data.render.film"),
        ({"name": "../up"}, "name: String should match pattern"),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(file, changes, message):
    with pytest.raises(ConfigError) as error:
        load_training(file(**changes))
    assert message in str(error.value)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(
        ConfigError,
        match=r"one of \['heads', 'nano', .*'tiny-dense'\] or a readable YAML file, got 'absent.yaml'",
    ):
        load_training("absent.yaml")
    for text, message in (
        ("a: [", "must be valid YAML"),
        ("- 1", "must be a mapping"),
        ("!!python/name:os.system", "YAML"),
    ):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(ConfigError, match=message):
            load_training(str(tmp_path / "bad.yaml"))


def test_set_reaches_into_lists_and_mappings(file):
    config = load_training(
        file(), ["stages.0.steps=9", "data.hold_out.test=0.3", "seed=4", "stages.0.tasks={scene: 2}"]
    )
    assert (config.stages[0].steps, config.data.hold_out.test, config.seed) == (9, 0.3, 4)
    assert config.stages[0].tasks == {"scene": 2.0}
    for entry, message in (
        ("seed", "takes key=value"),
        ("stages.7.steps=1", "a list of 1 takes 0 to 0, got '7'"),
        ("name.x=1", "must lead into a mapping"),
        ("seed=[", "the value must be YAML"),
        ("sed=1", "sed: Extra inputs"),
    ):
        with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
            load_training(file(), [entry])


def test_identity_leaves_out_what_teaches_nothing(file):
    one = load_training(file()).identity()
    same = load_training(file(), ["resume.every_steps=7", "tensorboard=true", "data.workers=1"]).identity()
    other = load_training(file(), ["data.overlap=0.5"]).identity()
    assert one == same
    assert one != other
