from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkpoint.adapter_layouts import LAYER, PAIR, PREFIX, WEIGHTS, write_adapter, write_tensors
from checkpoint.layouts import glm4, write_json
from checkpoints import make_adapter, make_checkpoint
from duihua.checkpoint.adapters import check_fit, is_adapter, newest_adapter, read_adapter
from duihua.checkpoint.checkpoint import Checkpoint
from duihua.checkpoint.locate import Located
from duihua.checkpoint.read import read
from duihua.errors import AdapterRejected, ModelLoadFailed

NAMES = {"down": (f"{PREFIX}{LAYER}.lora_A.weight", (9, 8)), "up": (f"{PREFIX}{LAYER}.lora_B.weight", (6, 9))}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("base") / "tiny", "qwen3")


def checkpoint_of(path: Path, **changes: Any) -> Checkpoint:
    return replace(read(Located(path=path, name=path.name, origin="directory")), **changes)


# What an adapter says of itself


def test_what_peft_writes_is_read(base: Path, tmp_path: Path) -> None:
    path = make_adapter(tmp_path / "a", base, rank=4, targets=("q_proj", "down_proj"))
    adapter = read_adapter(path)
    assert (adapter.rank, adapter.targets, adapter.features) == (4, ("down_proj", "q_proj"), ())
    assert adapter.base == str(base)
    assert len(adapter.layers) == 4
    check_fit(adapter, checkpoint_of(base))


def test_the_rank_is_the_highest_of_the_layers(tmp_path: Path) -> None:
    shapes = dict(NAMES.values())
    adapter = read_adapter(write_adapter(tmp_path, shapes, rank_pattern={"q_proj": 9}))
    assert (adapter.rank, adapter.features) == (9, ("rank_pattern",))


@pytest.mark.parametrize("targets", [["q_proj"], "all-linear", r".*\.q_proj", None])
def test_targets_are_those_that_have_weights_however_they_were_asked_for(tmp_path: Path, targets: object) -> None:
    assert read_adapter(write_adapter(tmp_path, target_modules=targets)).targets == ("q_proj",)


def test_the_base_is_told_by_name_and_by_sha256(tmp_path: Path) -> None:
    adapter = read_adapter(write_adapter(tmp_path, metadata={"base_sha256": "ab"}))
    assert (adapter.base, adapter.base_sha256) == ("org/base", "ab")
    assert read_adapter(write_adapter(tmp_path, base_model_name_or_path=None)).base is None
    assert read_adapter(write_adapter(tmp_path, base_model_name_or_path=" ")).base is None


def test_what_goes_beyond_plain_lora_is_told_by_name(tmp_path: Path) -> None:
    shapes = {
        **PAIR,
        f"{PREFIX}{LAYER}.lora_magnitude_vector": (6,),
        f"{PREFIX}lm_head.weight": (100, 8),
    }
    adapter = read_adapter(write_adapter(tmp_path, shapes, use_dora=True, modules_to_save=["lm_head"]))
    assert adapter.features == ("use_dora", "modules_to_save")
    assert adapter.whole == {"lm_head": (100, 8)}


# What is refused


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"peft_type": "LOHA"}, "peft_type 'LOHA', and only LORA is run"),
        ({"peft_type": None}, "peft_type None"),
        ({"bias": "all"}, "bias='all'.*biases of the base"),
        ({"init_lora_weights": "pissa_niter_16"}, "changes the weights of the base.*path_initial_model"),
        ({"layer_replication": [[0, 1]]}, "layer_replication, which is not run"),
        ({"r": None}, "has r: None"),
        ({"r": "4"}, "whole number from 1"),
        ({"r": 0}, "whole number from 1"),
        ({"rank_pattern": {"q_proj": -1}}, "q_proj: -1"),
        ({"rank_pattern": [4]}, "a table belongs there"),
        ({"r": 16}, "a layer of rank 4, and adapter_config.json says 16"),
    ],
)
def test_a_kind_that_is_not_run_is_refused_by_name(tmp_path: Path, said: dict[str, Any], why: str) -> None:
    with pytest.raises(AdapterRejected, match=why):
        read_adapter(write_adapter(tmp_path, **said))


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.01])
def test_weights_that_are_half_written_are_told(tmp_path: Path, kept: float) -> None:
    file = write_adapter(tmp_path) / WEIGHTS
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(AdapterRejected, match=rf"{WEIGHTS} .*: wait until it is saved, or copy it again"):
        read_adapter(tmp_path)


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "is empty"), (b'{"r": 4', "is not valid JSON"), (b"[4]", "holds a list")]
)
def test_a_configuration_that_is_half_written_is_told(tmp_path: Path, content: bytes, why: str) -> None:
    (write_adapter(tmp_path) / "adapter_config.json").write_bytes(content)
    with pytest.raises(AdapterRejected, match=rf"adapter_config\.json {why}"):
        read_adapter(tmp_path)


def test_a_pointer_of_git_lfs_says_its_own_cure(tmp_path: Path) -> None:
    (write_adapter(tmp_path) / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(AdapterRejected, match="git lfs pull"):
        read_adapter(tmp_path)


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.pt"])
def test_a_pickle_is_never_read(tmp_path: Path, name: str) -> None:
    (write_adapter(tmp_path) / WEIGHTS).rename(tmp_path / name)
    with pytest.raises(AdapterRejected, match=rf"{name} has its weights only as a pickle.*save_pretrained"):
        read_adapter(tmp_path)


def test_missing_weights_are_told(tmp_path: Path) -> None:
    (write_adapter(tmp_path) / WEIGHTS).unlink()
    with pytest.raises(AdapterRejected, match=f"lacks {WEIGHTS}"):
        read_adapter(tmp_path)


# What is no adapter's directory


def test_what_is_no_adapter_is_named_for_what_it_is(tmp_path: Path) -> None:
    whole = glm4(tmp_path / "whole")
    empty = tmp_path / "empty"
    empty.mkdir()
    half = tmp_path / "half"
    (write_adapter(half) / "adapter_config.json").unlink()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "lora.gguf").write_bytes(b"x")
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_bytes(b"x")
    for path, why in (
        (tmp_path / "none", "there is no directory"),
        (write_adapter(tmp_path / "a") / WEIGHTS, r"is a file: pass the adapter's directory, .*/a$"),
        (whole, "holds a whole model and no adapter"),
        (empty, "is empty"),
        (half, r"has no adapter_config\.json beside"),
        (foreign, r"GGUF.*llama\.cpp"),
        (other, r"holds no adapter_config\.json"),
    ):
        with pytest.raises(AdapterRejected, match=why):
            read_adapter(path)


def test_a_training_s_newest_checkpoint_is_pointed_at(tmp_path: Path) -> None:
    for number in (1000, 200, 900):
        write_adapter(tmp_path / f"checkpoint-{number}")
    assert newest_adapter(tmp_path) == tmp_path / "checkpoint-1000"
    with pytest.raises(AdapterRejected, match=r"did you mean .*checkpoint-1000\?"):
        read_adapter(tmp_path)
    assert newest_adapter(tmp_path / "checkpoint-200") is None


def test_an_adapter_beside_a_whole_model_is_a_part_of_that(tmp_path: Path) -> None:
    assert is_adapter(write_adapter(tmp_path))
    write_json(tmp_path / "config.json", {})
    assert not is_adapter(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_a_directory_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "a")
    path.chmod(0)
    try:
        with pytest.raises(AdapterRejected, match="check its permissions"):
            read_adapter(path)
    finally:
        path.chmod(0o700)


# Whether it fits


def test_another_base_is_told_by_layer_and_shapes(base: Path, tmp_path: Path) -> None:
    wide = make_checkpoint(tmp_path / "wide", "qwen3", intermediate_size=256)
    deep = make_checkpoint(tmp_path / "deep", "qwen3", num_hidden_layers=3)
    of_wide = read_adapter(make_adapter(tmp_path / "a", wide, targets=("up_proj",)))
    of_deep = read_adapter(make_adapter(tmp_path / "b", deep, targets=("up_proj",)))
    with pytest.raises(
        AdapterRejected, match=r"trained on another base: .*up_proj is 256 x 128, and .*tiny is 192 x 128"
    ):
        check_fit(of_wide, checkpoint_of(base))
    with pytest.raises(
        AdapterRejected, match=r"trained on another base: .*layers\.2\.mlp\.up_proj .*none of that name"
    ):
        check_fit(of_deep, checkpoint_of(base))
    check_fit(of_deep, checkpoint_of(deep))


def test_a_base_in_several_files_is_compared_by_its_layers(base: Path, tmp_path: Path) -> None:
    parted = make_checkpoint(tmp_path / "parted", "qwen3", max_shard_size="300KB")
    assert not (parted / "model.safetensors").exists()
    weights = {"base_sha256": "0" * 64}
    q = {"A": (4, 128), "B": (128, 4)}
    shapes = {f"{PREFIX}{LAYER}.lora_{half}.weight": shape for half, shape in q.items()}
    check_fit(read_adapter(write_adapter(tmp_path / "a", shapes, metadata=weights)), checkpoint_of(parted))


def test_a_recorded_sha256_decides(base: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256((base / "model.safetensors").read_bytes()).hexdigest()
    same = read_adapter(write_adapter(tmp_path / "same", metadata={"base_sha256": digest.upper()}))
    check_fit(same, checkpoint_of(base))
    other = read_adapter(write_adapter(tmp_path / "other", metadata={"base_sha256": "f" * 64}))
    with pytest.raises(
        AdapterRejected, match=rf"another base: it records the sha256 ffffffffffff\.\.\. .*{digest[:12]}"
    ):
        check_fit(other, checkpoint_of(base))


def test_a_quantised_base_is_compared_by_names_alone(base: Path, tmp_path: Path) -> None:
    quantised = checkpoint_of(base, quantisation="gptq")
    check_fit(read_adapter(write_adapter(tmp_path / "a")), quantised)
    far = {name.replace("layers.0", "layers.9"): shape for name, shape in PAIR.items()}
    with pytest.raises(AdapterRejected, match=r"layers\.9"):
        check_fit(read_adapter(write_adapter(tmp_path / "b", far)), quantised)


def test_pickled_weights_are_not_looked_into(tmp_path: Path) -> None:
    path = glm4(tmp_path / "m")
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    located = Located(path=path, name="m", origin="directory")
    check_fit(read_adapter(write_adapter(tmp_path / "a")), read(located, allow_pickle=True))


def test_a_base_that_cannot_be_read_is_the_model_s_fault(base: Path, tmp_path: Path) -> None:
    checkpoint = checkpoint_of(make_checkpoint(tmp_path / "m", "qwen3"))
    write_tensors(tmp_path / "m" / "model.safetensors", {})
    (tmp_path / "m" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelLoadFailed, match="no safetensors file"):
        check_fit(read_adapter(write_adapter(tmp_path / "a")), checkpoint)
