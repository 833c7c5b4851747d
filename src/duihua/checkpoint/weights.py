"""Whether a checkpoint's weights are all there: read from file names, sizes and headers alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from duihua.checkpoint.files import broken, cannot_be_read, is_lfs_pointer, read_json
from duihua.errors import ModelLoadFailed, UnsupportedModel

__all__ = ["Header", "check_weights", "read_header", "refuse_pickles", "weight_files"]

_INDEX: Final = "model.safetensors.index.json"
_SINGLE: Final = "model.safetensors"
_PICKLED_INDEX: Final = "pytorch_model.bin.index.json"
_PICKLED: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_NOT_WEIGHTS: Final = {"training_args", "optimizer", "scheduler", "rng_state"}  # left over from training
_LENGTH_BYTES: Final = 8  # a safetensors file begins with the length of its JSON header, little-endian
_MOST_HEADER: Final = 100_000_000  # bytes; the bound of the safetensors library


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file says of itself, its length having been compared with that."""

    shapes: Mapping[str, tuple[int, ...]]  # of each tensor
    metadata: Mapping[str, str]


def check_weights(path: Path, *, allow_pickle: bool = False) -> None:
    """Check that every weight file is there and as long as its own header says.

    Args:
        path: the checkpoint's directory.
        allow_pickle: accept weights that are only there as pickles, which can run code when loaded.

    Raises:
        ModelLoadFailed: files are missing, unreadable, empty or cut short.
        UnsupportedModel: only pickled weights, not allowed; or weights of another format.
    """
    if os.path.lexists(index := path / _INDEX):
        _check_shards(path, index)
    elif os.path.lexists(single := path / _SINGLE):
        _tensor_names(single)
    elif loose := sorted(file.name for file in path.glob("*.safetensors")):
        raise broken(path, f"has weight files ({_some(loose)}) but neither {_SINGLE} nor {_INDEX}")
    else:
        _check_pickles(path, allow_pickle=allow_pickle)


def read_header(file: Path) -> Header:
    """The header of a safetensors file that is as long as it should be; no tensor is read.

    Raises:
        ModelLoadFailed: it is missing, unreadable, cut short, or no safetensors file.
    """
    header = _whole(file)
    metadata: object = header.get("__metadata__")
    said = cast("dict[str, object]", metadata) if isinstance(metadata, dict) else {}
    try:
        shapes = {name: tuple(map(int, entry["shape"])) for name, entry in _tensors(header).items()}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise broken(file, f"has a header without shapes ({error})") from error
    return Header(shapes, {name: value for name, value in said.items() if isinstance(value, str)})


def weight_files(path: Path) -> list[Path]:
    """A checkpoint's safetensors files, none where its weights are of another format; raises as `check_weights`."""
    if os.path.lexists(index := path / _INDEX):
        return [path / name for name in sorted(set(_weight_map(index).values()))]
    return [path / _SINGLE] if os.path.lexists(path / _SINGLE) else []


def refuse_pickles(name: str, pickles: Iterable[str]) -> UnsupportedModel:
    """The error for a checkpoint whose weights are only there as pickles."""
    return UnsupportedModel(
        f"{name} has its weights only as pickles ({_some(list(pickles))}), which can run code when they are "
        "loaded: use a copy in safetensors format, or allow it with allow_pickle if you trust the source"
    )


def _check_shards(path: Path, index: Path) -> None:
    weight_map = _weight_map(index)
    files = sorted(set(weight_map.values()))
    _refuse_missing(path, files)
    held = {file: _tensor_names(path / file) for file in files}
    lost = [name for name, file in weight_map.items() if name not in held[file]]
    if lost:
        raise broken(index, f"promises tensors that its files do not hold ({_some(lost)})")


def _weight_map(index: Path) -> dict[str, str]:
    weight_map: object = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise broken(index, "has no weight_map")
    for file in cast("dict[str, object]", weight_map).values():
        if not isinstance(file, str) or Path(file).name != file:
            raise broken(index, f"names {file!r}, which is no file of this directory")
    return cast("dict[str, str]", weight_map)


def _refuse_missing(path: Path, files: list[str]) -> None:
    missing = [file for file in files if not os.path.lexists(path / file)]
    if missing:
        raise ModelLoadFailed(
            f"{path} lacks {len(missing)} of {len(files)} weight files ({_some(missing)}): download again"
        )


def _tensor_names(file: Path) -> set[str]:
    """Names of a safetensors file's tensors, its length having been compared with its header."""
    return set(_tensors(_whole(file)))


def _whole(file: Path) -> Mapping[str, Any]:
    """The header of a safetensors file that is as long as its header says."""
    try:
        raw, size_bytes = _header(file), file.stat().st_size
    except OSError as error:
        raise cannot_be_read(file, error) from error
    header = _parsed(raw, file)
    expected = _LENGTH_BYTES + len(raw) + _data_bytes(header, file)
    if size_bytes != expected:
        raise broken(file, f"has {size_bytes:,} of {expected:,} bytes, so it was cut short or damaged")
    return header


def _header(file: Path) -> bytes:
    """The JSON header of a safetensors file."""
    size_bytes = file.stat().st_size
    with file.open("rb") as stream:
        first = stream.read(64)
        if is_lfs_pointer(first):
            raise broken(file, "is a Git LFS pointer, not the weights", cure=f"run `git lfs pull` in {file.parent}")
        length = int.from_bytes(first[:_LENGTH_BYTES], "little")
        if not 0 < length <= min(_MOST_HEADER, size_bytes):
            raise broken(file, "is no safetensors file, or only the beginning of one")
        stream.seek(_LENGTH_BYTES)
        return stream.read(length)


def _parsed(raw: bytes, file: Path) -> Mapping[str, Any]:
    try:
        header: object = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise broken(file, f"has a broken header ({error})") from error
    if not isinstance(header, dict):
        raise broken(file, "has a broken header")
    return cast("dict[str, Any]", header)


def _tensors(header: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry for name, entry in header.items() if name != "__metadata__"}


def _data_bytes(header: Mapping[str, Any], file: Path) -> int:
    """Bytes of tensor data after the header."""
    try:
        return max((int(entry["data_offsets"][1]) for entry in _tensors(header).values()), default=0)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise broken(file, f"has a header without offsets ({error})") from error


def _check_pickles(path: Path, *, allow_pickle: bool) -> None:
    found = (file for glob in _PICKLED for file in path.glob(glob) if file.stem not in _NOT_WEIGHTS)
    pickles = sorted(file.name for file in found)
    if not pickles:
        raise _no_weights(path)
    if not allow_pickle:
        raise refuse_pickles(str(path), pickles)
    if os.path.lexists(index := path / _PICKLED_INDEX):
        pickles = sorted(set(_weight_map(index).values()))
        _refuse_missing(path, pickles)
    for name in pickles:
        try:
            is_empty = (path / name).stat().st_size == 0
        except OSError as error:
            raise cannot_be_read(path / name, error) from error
        if is_empty:
            raise broken(path / name, "is empty")


def _no_weights(path: Path) -> ModelLoadFailed | UnsupportedModel:
    if ggufs := sorted(file.name for file in path.glob("*.gguf")):
        return UnsupportedModel(
            f"{path} has its weights only as GGUF ({_some(ggufs)}), the format of llama.cpp: "
            "use the Hugging Face checkpoint that they were made from"
        )
    return broken(path, f"has no weights (looked for {_SINGLE} and {_INDEX})", cure="download the checkpoint again")


def _some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = 3
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
