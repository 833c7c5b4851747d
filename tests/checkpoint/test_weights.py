import os
import struct
from pathlib import Path

import pytest

from checkpoint.layouts import write_json, write_weights
from duihua.checkpoint.weights import check_weights, read_header, weight_files
from duihua.errors import ModelLoadFailed, UnsupportedModel

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 9876543\n"


def sharded(path: Path) -> Path:
    write_weights(path / "model-00001-of-00002.safetensors", {"a": 4, "b": 2})
    write_weights(path / "model-00002-of-00002.safetensors", {"c": 3})
    places = {"a": 1, "b": 1, "c": 2}
    weight_map = {name: f"model-0000{number}-of-00002.safetensors" for name, number in places.items()}
    write_json(path / "model.safetensors.index.json", {"weight_map": weight_map})
    return path


def test_whole_weights_are_accepted(tmp_path: Path) -> None:
    check_weights(sharded(tmp_path))


def test_one_file_needs_no_index(tmp_path: Path) -> None:
    write_weights(tmp_path / "model.safetensors", {"a": 4})
    check_weights(tmp_path)


def test_safetensors_itself_agrees_about_what_is_whole(tmp_path: Path) -> None:
    from safetensors import safe_open

    write_weights(tmp_path / "model.safetensors", {"a": 4})
    with safe_open(tmp_path / "model.safetensors", "np") as tensors:
        assert list(tensors.keys()) == ["a"]


def test_a_header_tells_shapes_and_what_was_noted_beside_them(tmp_path: Path) -> None:
    write_weights(tmp_path / "model.safetensors", {"a": 4, "b": 2})
    header = read_header(tmp_path / "model.safetensors")
    assert header.shapes == {"a": (4,), "b": (2,)}
    assert header.metadata == {"format": "pt"}


@pytest.mark.parametrize("shape", [b"", b',"shape":4', b',"shape":["x"]', b',"shape":[Infinity]'])
def test_a_header_without_shapes_is_broken(tmp_path: Path, shape: bytes) -> None:
    raw = b'{"a":{"data_offsets":[0,0]' + shape + b"}}"
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw)
    with pytest.raises(ModelLoadFailed, match="without shapes"):
        read_header(tmp_path / "x.safetensors")


def test_weight_files_are_those_of_the_index_or_the_one(tmp_path: Path) -> None:
    assert weight_files(tmp_path) == []
    write_weights(tmp_path / "model.safetensors", {"a": 4})
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]
    assert [file.name[:11] for file in weight_files(sharded(tmp_path))] == ["model-00001", "model-00002"]


@pytest.mark.parametrize("kept", [1.0, 0.9, 0.5, 0.01])
def test_a_file_cut_short_is_told_without_loading_it(tmp_path: Path, kept: float) -> None:
    shard = sharded(tmp_path) / "model-00001-of-00002.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: min(int(len(whole) * kept), len(whole) - 1)])
    with pytest.raises(ModelLoadFailed, match="download it again") as caught:
        check_weights(tmp_path)
    assert shard.name in str(caught.value)


def test_a_file_that_is_too_long_is_damaged(tmp_path: Path) -> None:
    write_weights(tmp_path / "model.safetensors", {"a": 4})
    with (tmp_path / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelLoadFailed, match="bytes"):
        check_weights(tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no safetensors file"),
        (POINTER, "git lfs pull"),
        (struct.pack("<Q", 10**15) + b"{}", "no safetensors file"),
        (struct.pack("<Q", 4) + b"{{{{", "broken header"),
        (struct.pack("<Q", 4) + b"[17]", "broken header"),
        (struct.pack("<Q", 8) + b'{"a":{}}', "without offsets"),
        (struct.pack("<Q", 35) + b'{"a":{"data_offsets":[0,Infinity]}} ', "without offsets"),
        (struct.pack("<Q", 100_000) + b"[" * 100_000, "broken header"),
    ],
)
def test_what_is_no_safetensors_file_is_said(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelLoadFailed, match=why):
        check_weights(tmp_path)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    (sharded(tmp_path) / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelLoadFailed, match=r"lacks 1 of 2 .*model-00002-of-00002"):
        check_weights(tmp_path)


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    (sharded(tmp_path) / "model.safetensors.index.json").unlink()
    with pytest.raises(ModelLoadFailed, match=r"neither model\.safetensors nor model\.safetensors\.index\.json"):
        check_weights(tmp_path)


def test_an_index_of_another_download_is_told(tmp_path: Path) -> None:
    sharded(tmp_path)
    write_weights(tmp_path / "model-00001-of-00002.safetensors", {"a": 4})
    with pytest.raises(ModelLoadFailed, match=r"do not hold \(b\)"):
        check_weights(tmp_path)


@pytest.mark.parametrize("index", [{}, {"weight_map": {}}, {"weight_map": {"a": "../x"}}, {"weight_map": {"a": 1}}])
def test_an_index_that_names_no_file_here_is_broken(tmp_path: Path, index: dict[str, object]) -> None:
    write_json(tmp_path / "model.safetensors.index.json", index)
    with pytest.raises(ModelLoadFailed, match=r"index\.json"):
        check_weights(tmp_path)


def test_pickles_are_refused_until_they_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(UnsupportedModel, match=r"pickles.*allow_pickle"):
        check_weights(tmp_path)
    check_weights(tmp_path, allow_pickle=True)


def test_pickles_beside_safetensors_are_of_no_account(tmp_path: Path) -> None:
    (sharded(tmp_path) / "pytorch_model.bin").write_bytes(b"")
    check_weights(tmp_path)


def test_allowed_pickles_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model-1.bin").write_bytes(b"x")
    weight_map = {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}
    write_json(tmp_path / "pytorch_model.bin.index.json", {"weight_map": weight_map})
    with pytest.raises(ModelLoadFailed, match=r"pytorch_model-2\.bin"):
        check_weights(tmp_path, allow_pickle=True)
    (tmp_path / "pytorch_model-2.bin").write_bytes(b"")
    with pytest.raises(ModelLoadFailed, match="is empty"):
        check_weights(tmp_path, allow_pickle=True)


@pytest.mark.parametrize(
    ("file", "error", "why"),
    [
        ("model.Q4_K_M.gguf", UnsupportedModel, r"GGUF.*llama\.cpp"),
        ("training_args.bin", ModelLoadFailed, "has no weights"),
        ("README.md", ModelLoadFailed, "has no weights"),
    ],
)
def test_a_directory_without_weights_says_what_it_has(
    tmp_path: Path, file: str, error: type[Exception], why: str
) -> None:
    (tmp_path / file).write_bytes(b"x")
    with pytest.raises(error, match=why):
        check_weights(tmp_path)


def test_a_directory_in_a_files_place_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(ModelLoadFailed, match=r"model\.safetensors cannot be read \(Is a directory\): check"):
        check_weights(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "model-00001-of-00002.safetensors"])
def test_links_in_a_circle_cannot_be_read(tmp_path: Path, name: str) -> None:
    if name != "model.safetensors":
        (sharded(tmp_path) / name).unlink()
    (tmp_path / name).symlink_to(name)
    with pytest.raises(ModelLoadFailed, match=rf"{name} cannot be read .*check"):
        check_weights(tmp_path)


def test_a_circle_of_links_among_pickles_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").symlink_to("pytorch_model.bin")
    with pytest.raises(ModelLoadFailed, match=r"pytorch_model\.bin cannot be read"):
        check_weights(tmp_path, allow_pickle=True)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_weights_that_may_not_be_read_are_told(tmp_path: Path) -> None:
    write_weights(tmp_path / "model.safetensors", {"a": 4})
    (tmp_path / "model.safetensors").chmod(0)
    with pytest.raises(ModelLoadFailed, match=r"model\.safetensors cannot be read .*check its permissions"):
        check_weights(tmp_path)
