import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import duihua
from checkpoint.fake_hub import fake_hub
from checkpoint.layouts import glm4, qwen2, write_weights
from checkpoints import make_adapter
from duihua.api.checkup import hub_of, look_at
from duihua.checkpoint.download import Fetch, plan_huggingface
from duihua.config import ModelSettings
from duihua.errors import ModelNotFound
from terminal.person import environment

DEMO = Path(duihua.__file__).parent / "checkpoint" / "bundled" / "demo"


def test_the_bundled_model_is_read_without_its_weights() -> None:
    subject = look_at(ModelSettings(model="demo"))
    assert subject.error is None
    assert (subject.name, subject.origin, subject.title) == ("demo", "bundled", "GLM-4")
    assert subject.architecture == "Glm4ForCausalLM"
    assert subject.chat_template == "own"
    assert subject.weight_bytes == (DEMO / "model.safetensors").stat().st_size
    assert subject.parameters == 5_745_408
    assert subject.bytes_per_parameter == pytest.approx(2, rel=0.01)  # pyright: ignore[reportUnknownMemberType]
    assert subject.context_window == 2048


def test_an_alias_is_followed(tmp_path: Path) -> None:
    subject = look_at(ModelSettings(model="mine", aliases={"mine": str(qwen2(tmp_path / "q"))}))
    assert (subject.name, subject.origin, subject.title) == ("q", "alias", "Qwen2")


def test_a_quantised_model_has_no_number_of_parameters(tmp_path: Path) -> None:
    path = qwen2(tmp_path / "q", quantization_config={"quant_method": "gptq", "bits": 4})
    subject = look_at(ModelSettings(model=str(path)))
    assert (subject.quantisation, subject.parameters) == ("gptq", None)


@pytest.mark.parametrize(
    ("model", "why"), [("./no-such-directory", "there is no directory"), ("nonesuch", "no directory, alias or bundled")]
)
def test_a_model_that_is_not_there_is_told_as_loading_would(model: str, why: str) -> None:
    assert why in (look_at(ModelSettings(model=model)).error or "")


def test_what_is_wrong_with_a_checkpoint_is_told_as_loading_would(tmp_path: Path) -> None:
    path = glm4(tmp_path / "short")
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    subject = look_at(ModelSettings(model=str(path)))
    assert "cut short" in (subject.error or "")
    assert subject.path == path


def test_a_broken_tokenizer_is_told_too(tmp_path: Path) -> None:
    path = glm4(tmp_path / "torn")
    (path / "tokenizer.json").write_text('{"model": ')
    assert "tokenizer.json" in (look_at(ModelSettings(model=str(path))).error or "")


def test_a_base_model_is_read_and_has_no_template(tmp_path: Path) -> None:
    path = tmp_path / "base"
    shutil.copytree(DEMO, path)
    (path / "chat_template.jinja").unlink()
    subject = look_at(ModelSettings(model=str(path)))
    assert (subject.error, subject.chat_template) == (None, None)


def test_an_adapter_that_does_not_fit_is_told(tmp_path: Path) -> None:
    subject = look_at(ModelSettings(model="demo", adapters={"voice": str(tmp_path / "nothing")}))
    assert "nothing" in (subject.error or "")


def test_a_plan_has_sizes_and_fetches_no_more_than_the_configuration(tmp_path: Path) -> None:
    source = glm4(tmp_path / "source")
    write_weights(source / "model.safetensors", {"embed": 5000})
    files = {file.name: file.read_bytes() for file in source.iterdir()} | {"README.md": b"unwanted"}
    with fake_hub("org/tiny", files) as hub:
        fetch = Fetch(endpoint=hub.address, cache_dir=tmp_path / "cache")
        plan = plan_huggingface("org/tiny", fetch, tmp_path / "peek")
    assert hub.sent == {"config.json"}
    assert plan.sizes["model.safetensors"] == len(files["model.safetensors"])
    assert plan.missing == plan.sizes.keys() == files.keys() - {"README.md"}
    assert plan.missing_bytes == sum(plan.sizes.values())
    assert json.loads((tmp_path / "peek" / "config.json").read_text()) == json.loads(files["config.json"])
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_plan_of_what_no_hub_has_says_so(tmp_path: Path) -> None:
    with fake_hub("org/tiny", {}) as hub, pytest.raises(ModelNotFound, match="has no model org/other"):
        plan_huggingface("org/other", Fetch(endpoint=hub.address, cache_dir=tmp_path), tmp_path)


def test_a_hub_that_does_not_answer_is_told_so(tmp_path: Path) -> None:
    with fake_hub("org/tiny", {}) as hub:
        address = hub.address
    with pytest.raises(ModelNotFound, match=r"127\.0\.0\.1:\d+ cannot be reached: check the network"):
        plan_huggingface("org/tiny", Fetch(endpoint=address, cache_dir=tmp_path), tmp_path)


def test_the_hub_is_known_by_its_address_and_cache() -> None:
    hub = hub_of()
    assert hub["endpoint"].startswith("http")
    assert isinstance(hub["cache"], Path)


def test_an_adapter_is_read_with_its_base(tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "voice", DEMO)
    subject = look_at(ModelSettings(model=str(adapter), base="demo"))
    assert (subject.name, subject.adapter, subject.error) == ("demo", "voice", None)


@pytest.mark.parametrize("is_offline", [True, False])
def test_an_adapter_whose_base_is_on_a_hub_only_is_answered_by_that_hub(tmp_path: Path, is_offline: bool) -> None:
    adapter = make_adapter(tmp_path / "voice", DEMO)
    files = {file.name: file.read_bytes() for file in DEMO.iterdir()}
    code = (
        "import json, sys; from duihua.api.checkup import look_at; from duihua.config import ModelSettings; "
        "found = look_at(ModelSettings(model=sys.argv[1], base='org/tiny')); "
        "print(json.dumps([found.name, found.error, found.weight_bytes]))"
    )
    with fake_hub("org/tiny", files) as hub:
        variables = {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": str(int(is_offline)),
        }
        done = subprocess.run(
            [sys.executable, "-c", code, str(adapter)],
            env=environment(tmp_path, **variables), capture_output=True, text=True, check=True,
        )  # fmt: skip
    name, error, size = json.loads(done.stdout)
    if is_offline:
        assert "offline mode is on" in error
        assert hub.asked == []
    else:
        assert (name, error, size) == ("org/tiny", None, len(files["model.safetensors"]))
