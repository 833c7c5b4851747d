from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from duihua.api.checkup import Subject
from duihua.api.doctor import Diagnosis, Problem, examine, problems_of
from duihua.api.fit import Fit
from duihua.checkpoint.download import Plan
from duihua.config import read_settings
from duihua.engine.installed import EngineState, Probed
from duihua.engine.machine import Disk

GIB = 2**30
FIT = Fit(
    engine="vllm",
    device="cuda",
    dtype="bfloat16",
    kv_dtype="bfloat16",
    loaded_bytes=10 * GIB,
    room_bytes=20 * GIB,
    kv_bytes_per_token=40_960,
    wanted_tokens=4096,
    context_that_fits=100_000,
    must_hold=True,
)
READABLE = Subject(name="m", chat_template="own")
RUNS = EngineState(name="transformers", runs=True, reason="runs")
NO_GPU = EngineState(name="vllm", runs=False, reason="no_gpu")


@pytest.fixture(scope="module")
def found() -> Diagnosis:
    """This machine, and the demo."""
    return examine(read_settings({"model.model": "demo", "model.engine": "transformers"}, environ={}))


def told(found: Diagnosis, **changes: Any) -> dict[str, Problem]:
    """The problems of this machine with something changed, by name."""
    return {problem.name: problem for problem in problems_of(replace(found, **changes))}


def answered(engine: str, **more: Any) -> Probed:
    placement = {"engine": engine, "reason": None, "device": "cpu", "dtype": "float32"} | more
    return Probed(found={"torch": {"build": None, "gpus": []}, "transformers": None, "placement": placement})


def test_the_demo_can_start_on_any_machine_that_runs_the_tests(found: Diagnosis) -> None:
    assert found.can_start
    assert found.subject is not None
    assert found.fit is not None
    assert found.fit.engine == "transformers"
    assert (found.fit.context_that_fits or 0) > 2048
    assert {state.name for state in found.engines} == {"transformers", "vllm"}


def test_a_broken_model_blocks_and_what_is_wrong_is_told(found: Diagnosis) -> None:
    problems = told(found, subject=Subject(name="m", error="it is torn: mend it"))
    assert problems["model"].blocks
    assert problems["model"].values == {"why": "it is torn: mend it"}


def test_a_base_model_holds_no_conversation(found: Diagnosis) -> None:
    assert told(found, subject=replace(READABLE, chat_template=None))["no_template"].blocks


def test_weights_without_room_block_and_name_what_helps(found: Diagnosis) -> None:
    fit = replace(FIT, context_that_fits=0, cures=("--quantization fp8",))
    problem = told(found, subject=READABLE, fit=fit)["weights_too_large"]
    assert problem.blocks
    assert problem.values["cures"] == ("--quantization fp8",)


@pytest.mark.parametrize("must_hold", [True, False])
def test_a_context_without_room_blocks_only_an_engine_that_must_hold_it(found: Diagnosis, must_hold: bool) -> None:
    fit = replace(FIT, context_that_fits=2048, must_hold=must_hold)
    problem = told(found, subject=READABLE, fit=fit)["context_too_long"]
    assert problem.blocks == must_hold
    assert (problem.values["wanted"], problem.values["fits"]) == (4096, 2048)


def test_a_window_above_the_model_s_own_is_refused_as_engines_do(found: Diagnosis) -> None:
    asked = read_settings({"model.model": "demo", "model.context_window": 4096}, environ={})
    problem = told(found, settings=asked)["window_too_long"]
    assert (problem.blocks, problem.values) == (True, {"wanted": 4096, "own": 2048})


def test_what_fits_is_no_problem(found: Diagnosis) -> None:
    assert told(found, subject=READABLE, fit=FIT) == told(found)


def test_a_download_needs_a_disk_that_takes_it(found: Diagnosis, tmp_path: Path) -> None:
    planned = replace(
        READABLE, plan=Plan(sizes={"model.safetensors": 5 * GIB}, missing=frozenset({"model.safetensors"}))
    )
    disk = Disk(path=tmp_path, total_bytes=9 * GIB, free_bytes=4 * GIB, is_writable=True)
    assert told(found, subject=planned, cache=disk)["small_disk"].values["need"] == 5 * GIB
    assert "small_disk" not in told(found, subject=planned, cache=replace(disk, free_bytes=6 * GIB))
    assert told(found, subject=planned, cache=replace(disk, is_writable=False))["cache_not_writable"].blocks
    cached = replace(planned, plan=replace(planned.plan, missing=frozenset())) if planned.plan else planned
    assert "small_disk" not in told(found, subject=cached, cache=disk)


def test_an_engine_that_cannot_run_blocks_when_it_is_the_one(found: Diagnosis) -> None:
    chosen = answered("vllm")
    problems = told(found, probed=chosen, placement=chosen.placement, engines=(RUNS, NO_GPU))
    assert problems["engine_cannot_run"].values["reason"] == "no_gpu"
    other = answered("transformers")
    assert "engine_cannot_run" not in told(found, probed=other, placement=other.placement, engines=(RUNS, NO_GPU))


def test_a_choice_that_cannot_run_is_told_as_the_choice_it_was(found: Diagnosis) -> None:
    chosen = answered("vllm", reason="vllm_is_fastest")
    auto = read_settings({}, environ={})
    problems = told(found, probed=chosen, placement=chosen.placement, engines=(RUNS, NO_GPU), settings=auto)
    assert problems["auto_cannot_run"].blocks


def test_a_cause_that_has_its_own_line_is_told_once(found: Diagnosis) -> None:
    chosen = replace(answered("transformers"), failed={"torchvision": "no nms", "transformers": "ModuleNotFoundError"})
    broken = EngineState(name="transformers", runs=False, reason="torchvision", detail="no nms")
    problems = told(found, probed=chosen, placement=chosen.placement, engines=(broken, NO_GPU))
    assert [name for name, problem in problems.items() if problem.blocks] == ["torchvision"]


def test_an_engine_of_no_name_is_told_with_those_there_are(found: Diagnosis) -> None:
    chosen = answered("vlm")
    problem = told(found, probed=chosen, placement=chosen.placement)["no_such_engine"]
    assert problem.values == {"engine": "vlm", "known": "transformers, vllm"}


def test_a_device_that_is_not_there_is_refused(found: Diagnosis) -> None:
    chosen = answered("transformers", refusal="device 'cuda' is not on this machine", device=None, dtype=None)
    assert told(found, probed=chosen, placement=chosen.placement)["refused"].blocks


def test_nothing_at_all_is_told_as_a_missing_torch(found: Diagnosis) -> None:
    assert told(found, probed=Probed(), placement=None)["no_torch"].blocks


def test_a_torchvision_blocks_only_where_transformers_fails_with_it(found: Diagnosis) -> None:
    alone = replace(answered("transformers"), failed={"torchvision": "no nms"})
    assert not told(found, probed=alone)["torchvision"].blocks
    both = replace(alone, failed={"torchvision": "no nms", "transformers": "ModuleNotFoundError"})
    problems = told(found, probed=both)
    assert problems["torchvision"].blocks
    assert "broken" not in problems  # one cause, one line


def test_another_vllm_than_those_we_know_is_marked(found: Diagnosis) -> None:
    packages = {**found.packages, "vllm": "0.41.0"}
    problem = told(found, packages=packages)["vllm_untested"]
    assert (problem.values, problem.blocks) == ({"version": "0.41.0"}, False)
    assert "vllm_untested" not in told(found, packages={**found.packages, "vllm": "0.26.0"})


def test_more_gpus_than_there_are_block_vllm(found: Diagnosis) -> None:
    chosen = answered("vllm")
    settings = read_settings({"engine.tensor_parallel_size": 4, "model.engine": "vllm"}, environ={})
    problems = told(found, probed=chosen, placement=chosen.placement, settings=settings)
    assert problems["few_gpus"].values == {"asked": 4, "there": 0}


def test_a_small_shared_memory_is_told_where_several_gpus_need_it(found: Diagnosis, tmp_path: Path) -> None:
    small = Disk(path=tmp_path, total_bytes=64 * 2**20, free_bytes=64 * 2**20, is_writable=True)
    several = read_settings({"engine.tensor_parallel_size": 2}, environ={})
    assert "small_shared_memory" in told(found, shared_memory=small, settings=several)
    assert "small_shared_memory" not in told(found, shared_memory=small)


def test_what_blocks_comes_first(found: Diagnosis) -> None:
    packages = {**found.packages, "vllm": "0.41.0"}
    problems = problems_of(replace(found, packages=packages, subject=Subject(name="m", error="torn")))
    assert [problem.blocks for problem in problems] == sorted((p.blocks for p in problems), reverse=True)
    assert problems[0].name == "model"
