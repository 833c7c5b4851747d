"""The doctor as a process of its own, and what it says in JSON."""

import json
import os
import site
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import duihua
from checkpoint.fake_hub import fake_hub
from checkpoint.layouts import glm4
from terminal.person import environment

SITE = [Path(path) for path in site.getsitepackages()]
SOURCES = Path(duihua.__file__).parents[1]


def doctor(
    home: Path, *arguments: str, variables: Mapping[str, str], code: int = 0, python: tuple[str, ...] = ()
) -> str:
    done = subprocess.run(
        [sys.executable, *python, "-m", "duihua", "doctor", *arguments],
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def as_json(
    home: Path,
    *arguments: str,
    variables: Mapping[str, str] = MappingProxyType({}),
    code: int = 0,
    python: tuple[str, ...] = (),
) -> dict[str, Any]:
    return json.loads(doctor(home, *arguments, "--json", variables=variables, code=code, python=python))


def fake_package(folder: Path, name: str, content: str) -> str:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(content)
    return os.pathsep.join([str(folder), environment(folder)["PYTHONPATH"]])


def without_torch(folder: Path) -> dict[str, str]:
    """Variables under which `python -S` finds what is installed here but torch and vLLM."""
    packages = folder / "packages"
    packages.mkdir()
    for entry in (entry for site_packages in SITE for entry in site_packages.iterdir()):
        if not entry.name.startswith(("torch", "vllm", "__pycache__")) and entry.suffix != ".pth":
            (packages / entry.name).symlink_to(entry)
    return {"PYTHONPATH": os.pathsep.join([str(SOURCES), str(packages)])}


def test_the_demo_is_told_in_stable_keys(tmp_path: Path) -> None:
    told = as_json(tmp_path, "demo", "--engine", "transformers")
    assert set(told) == {
        "duihua", "python", "system", "packages", "engines", "choice", "gpus", "gpu_build", "cpu", "memory",
        "shared_memory", "cache", "temporary", "hub", "settings_file", "model", "problems", "can_start",
    }  # fmt: skip
    assert told["can_start"]
    assert told["duihua"] == duihua.__version__
    model = told["model"]
    assert set(model) == {
        "name", "origin", "path", "family", "architecture", "quantisation", "chat_template", "adapter",
        "context_window", "sliding_window", "weight_bytes", "parameters", "download", "error", "fit",
    }  # fmt: skip
    assert (model["architecture"], model["parameters"], model["download"]) == ("Glm4ForCausalLM", 5_745_408, None)
    fit = model["fit"]
    assert set(fit) == {
        "engine", "device", "dtype", "kv_dtype", "loaded_bytes", "room_bytes", "kv_bytes_per_token", "wanted_tokens",
        "context_that_fits", "must_hold", "cures",
    }  # fmt: skip
    width = 4 if fit["dtype"] == "float32" else 2
    assert fit["kv_bytes_per_token"] == 2 * 6 * 2 * 64 * width
    assert fit["loaded_bytes"] == pytest.approx(5_745_408 * width, rel=0.01)  # pyright: ignore[reportUnknownMemberType]
    assert {engine["name"]: engine["runs"] for engine in told["engines"]}["transformers"]


def test_a_broken_directory_is_told_first_with_its_cure_and_exits_3(tmp_path: Path) -> None:
    path = glm4(tmp_path / "torn")
    (path / "model.safetensors").unlink()
    lines = doctor(tmp_path, str(path), "--lang", "zh", variables={}, code=3).splitlines()
    assert lines[0].startswith("! ")
    assert "has no weights" in lines[0]
    assert lines[-1] == "这样无法开始对话"
    assert any(line.startswith("软件包") for line in lines)
    assert "\x1b" not in "".join(lines)


def test_a_hub_id_that_is_not_here_is_an_error_only_offline(tmp_path: Path) -> None:
    source = glm4(
        tmp_path / "source", num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, hidden_size=64
    )
    files = {file.name: file.read_bytes() for file in source.iterdir()}
    with fake_hub("org/tiny", files) as hub:
        variables = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "hub")}
        offline = {"HF_HUB_OFFLINE": "1", **without_torch(tmp_path), **variables}
        told = as_json(tmp_path, "org/tiny", variables=offline, code=3, python=("-S",))
        assert told["hub"] == {"endpoint": hub.address, "offline": True}
        assert "offline mode is on" in told["model"]["error"]
        assert hub.asked == []
        told = as_json(tmp_path, "org/tiny", variables=variables)
    assert hub.sent == {"config.json"}
    assert told["model"]["download"] == {"files": len(files), "bytes": sum(map(len, files.values()))}
    assert told["model"]["fit"]["kv_bytes_per_token"] in (2 * 2 * 2 * 16 * 2, 2 * 2 * 2 * 16 * 4)
    assert told["cache"]["path"] == str(tmp_path / "hub" / "hub")
    assert not list((tmp_path / "hub").rglob("*.safetensors"))


def test_a_torchvision_that_does_not_load_is_found_with_its_cure(tmp_path: Path) -> None:
    path = fake_package(tmp_path, "torchvision", "raise RuntimeError('operator torchvision::nms does not exist')")
    told = as_json(tmp_path, code=3, variables={"PYTHONPATH": path})
    problem = told["problems"][0]
    assert (problem["name"], problem["blocks"]) == ("torchvision", True)
    assert "pip uninstall torchvision" in problem["message"]
    assert "operator torchvision::nms does not exist" in problem["message"]
    assert {engine["reason"] for engine in told["engines"]} == {"torchvision"}


def test_it_works_where_no_torch_is_and_home_cannot_be_written(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file, where nothing can be made")
    told = as_json(home, "demo", variables=without_torch(tmp_path), code=3, python=("-S",))
    assert told["problems"][0]["name"] == "no_torch"
    assert told["packages"]["torch"] is None
    assert told["packages"]["transformers"] is not None
    assert {engine["reason"] for engine in told["engines"]} == {"no_torch"}
    assert told["choice"] is None
    assert told["model"]["parameters"] == 5_745_408
    assert told["model"]["error"] is None


def test_nothing_heavy_is_loaded_by_the_command_itself() -> None:
    code = (
        "import sys; from duihua.cli.app import run; run(['doctor', 'demo', '--engine', 'transformers']); "
        "sys.exit(9 * bool({'torch', 'transformers', 'vllm', 'peft'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
