"""Two processes that train together find what one process finds, and none waits for the other in vain."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import parallel_ranks
import pytest
import torch
from parallel_ranks import CASES

from ringmoe_core import CheckpointMetadata, RingMoE, load_checkpoint, save_checkpoint
from ringmoe_core.parallel import ParallelConfig, clip_gradients, make_mesh, sum_over_ranks

SECONDS = 420
"""More than ten times what the processes need on a free core; a hang costs no more."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two processes found, by case."""
    return run_ranks(2, tmp_path_factory.mktemp("two"))


def run_ranks(world, folder):
    with contextlib.ExitStack() as stack:
        processes = []
        for rank in range(world):
            log = stack.enter_context((folder / f"{rank}.log").open("w"))
            command = [sys.executable, parallel_ranks.__file__, str(rank), str(world), str(folder), str(SECONDS)]
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=SECONDS + 60)
    files = [folder / f"{rank}.pt" for rank in range(world)]
    if not all(file.is_file() for file in files):
        pytest.fail(f"a process hung or died:\n{story(world, folder)}", pytrace=False)
    return [torch.load(file, weights_only=False) for file in files]


def story(world, folder):
    words = []
    for rank in range(world):
        at, log = folder / f"{rank}.at", folder / f"{rank}.log"
        case = at.read_text() if at.is_file() else "its start"
        words.append(f"rank {rank} was at {case!r}; its last words:\n{log.read_text()[-3000:]}")
    return "\n".join(words)


def of_all(ranks, name):
    found = [rank.get(name, "not reached: an earlier case failed") for rank in ranks]
    for rank, one in enumerate(found):
        assert not isinstance(one, str), f"rank {rank}: {one}"
    return found


def close(found, wanted, *, relative):
    """Largest difference within a share of the largest value; a missing gradient is zero."""
    assert set(wanted) <= set(found)
    for name, value in found.items():
        other = wanted.get(name, torch.zeros_like(value))
        assert value.shape == other.shape, name
        assert float((value - other).abs().max()) <= relative * max(float(other.abs().max()), 1e-2), name


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if len(case.modalities) == 2])
def test_two_processes_equal_one(ranks, name):
    check_equal(ranks, name)


def test_four_processes_that_divide_and_shard_experts_equal_one(tmp_path):
    check_equal(run_ranks(4, tmp_path), "four: experts divided and sharded")


def check_equal(ranks, name):
    case = CASES[name]
    every = of_all(ranks, name)
    one = next(rank[f"alone: {name}"] for rank in ranks if f"alone: {name}" in rank)
    relative = 0.03 if case.bfloat16 else 1e-4
    for found in every:
        assert found["losses"] == pytest.approx(one["losses"], rel=relative)
        assert found["norms"] == pytest.approx(one["norms"], rel=relative)
        close(found["gradients"], one["gradients"], relative=relative)
    assert all(found["weights"] == {} for found in every[1:])
    close(every[0]["weights"], one["weights"], relative=relative)
    assert set(every[0]["weights"]) == set(one["weights"])


@pytest.mark.parametrize("name", ["sharded", "experts divided"])
def test_each_process_holds_its_share(ranks, name):
    case = CASES[name]
    model = RingMoE(case.config, seed=None)
    total = sum(value.numel() for value in model.parameters())
    shards = [found["shards"] for found in of_all(ranks, name)]
    numbers = [sum(torch.Size(shape).numel() for shape in one.values()) for one in shards]
    assert sum(numbers) == total
    assert max(numbers) < 0.55 * total
    bank = "encoder.stages.0.0.mixture.specialised.expand_weight_XFD"
    assert [one[bank] for one in shards] == [(3, 32, 16)] * 2


def test_every_parameter_of_every_bank_has_a_gradient_in_every_process(ranks):
    for name in ("one modality a rank", "a rank of padding"):
        names = {key for key, _ in RingMoE(CASES[name].config, seed=None).named_parameters() if "encoder" in key}
        for found in of_all(ranks, name):
            assert names <= set(found["gradients"])
            moved = [key for key, value in found["gradients"].items() if ".specialised." in key and value.any()]
            assert moved


def test_weights_go_in_and_come_out_unchanged(ranks, tmp_path):
    first, second = of_all(ranks, "reload")
    assert second["after"] == {}
    assert set(first["after"]) == set(first["before"])
    assert all(torch.equal(first["after"][name], value) for name, value in first["before"].items())
    model = RingMoE(parallel_ranks.EVERYTHING, seed=None)
    model.load_state_dict(first["after"], assign=True)
    metadata = CheckpointMetadata(
        trained_modalities=("ms",), normalisation="none", class_names=tuple("abcdefg"), change_names=tuple("abcd"),
        provenance="two processes",
    )  # fmt: skip
    save_checkpoint(model, tmp_path / "two.safetensors", metadata=metadata, dtype=torch.float32)
    loaded = load_checkpoint(tmp_path / "two.safetensors").model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in first["before"].items())


def test_what_cannot_be_is_refused_in_every_process(ranks):
    for found in of_all(ranks, "refusals"):
        assert "experts of a bank must divide evenly over the 2 processes" in found["uneven"]
        assert "mesh (data, expert) of all 2 processes, got ('data',)" in found["mesh"]
        assert "expert_ranks must divide the 2 processes, got 3" in found["ranks"]
        assert "23 missing (encoder.stages.0.1.attention.bias_table_RA, " in found["state"]
        assert "1 left over (surplus)" in found["state"]
        assert "of another shape (encoder.embeds.optical.presence_CD, " in found["state"]
        assert "gradients must be sharded over all 2 processes, got 2 that are whole" in found["clip"]


def test_a_mesh_needs_a_process_group():
    with pytest.raises(ValueError, match="needs an initialised process group"):
        make_mesh("cpu")


def test_types_that_cannot_hold_a_parameter_are_refused():
    with pytest.raises(ValueError, match=r"param_dtype must be bfloat16 or float32, got torch\.float16"):
        ParallelConfig(param_dtype=torch.float16)
    with pytest.raises(ValueError, match="reduce_dtype must be bfloat16 or float32, got None"):
        ParallelConfig(reduce_dtype=None)


def test_one_process_sums_and_clips_as_torch_does():
    value = torch.tensor(3.0, requires_grad=True)
    assert sum_over_ranks(value) is value
    ours, theirs = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    for model in (ours, theirs):
        (10 * model(torch.ones(4, 3)).square().sum()).backward()
    norm = clip_gradients(ours.parameters(), 0.1)
    assert float(norm) == pytest.approx(float(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.1)))
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    assert float(clip_gradients([torch.zeros(2, requires_grad=True)], 1.0)) == 0.0
