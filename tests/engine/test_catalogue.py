from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from duihua.engine.catalogue import ENGINES, engine_loader
from duihua.errors import ConfigError


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_has_a_loader(name: str) -> None:
    assert callable(engine_loader(name))


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'transformers'"):
        engine_loader("transfomers")


def test_the_double_is_not_offered() -> None:
    with pytest.raises(ConfigError, match="there is transformers"):
        engine_loader("scripted")


def fail_to_import(folder: Path, name: str, *library: str) -> str:
    """What is said of an engine where a library raises as it is imported."""
    (folder / f"{library[0]}.py").write_text(f"raise RuntimeError({library[1]!r})", encoding="utf-8")
    code = f"""
import sys
sys.path.insert(0, {str(folder)!r})
from pathlib import Path
from duihua.engine.catalogue import engine_loader
from duihua.errors import UnsupportedModel
try:
    engine_loader({name!r})(Path("nowhere"), __import__("duihua").EngineSettings())
except UnsupportedModel as error:
    print(error)
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", ENGINES)
def test_a_torchvision_of_another_torch_is_told_with_its_cure(tmp_path: Path, name: str) -> None:
    said = fail_to_import(tmp_path, name, "torchvision", "operator torchvision::nms does not exist")
    assert said.startswith(f"the {name} engine cannot be loaded (operator torchvision::nms does not exist): ")
    assert "pip uninstall torchvision torchaudio torchcodec" in said


@pytest.mark.parametrize(("name", "library"), [("transformers", "transformers"), ("vllm", "vllm")])
def test_a_broken_library_is_told_with_its_reason(tmp_path: Path, name: str, library: str) -> None:
    said = fail_to_import(tmp_path, name, library, "half of it is missing")
    assert said.startswith(f"the {name} engine cannot be loaded (half of it is missing): `duihua doctor` says")


def test_the_catalogue_loads_no_tensor_library() -> None:
    code = "import sys, duihua.engine.catalogue; sys.exit(bool({'torch', 'transformers'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
