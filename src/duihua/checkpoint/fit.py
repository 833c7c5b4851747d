"""Whether what an adapter changes is in a checkpoint: by the checkpoint's sha256, or by names and shapes of layers."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

from duihua.checkpoint.files import cannot_be_read
from duihua.checkpoint.lora import written
from duihua.errors import AdapterRejected

__all__ = ["check_digest", "check_layers", "place_of"]

Shape = tuple[int, ...]


def check_digest(adapter: str, recorded: str, file: Path) -> None:
    """Refuse an adapter that records another sha256 than the base's weights have.

    Raises:
        AdapterRejected: they differ.
        ModelLoadFailed: the file cannot be read.
    """
    try:
        status = file.stat()
        found = _sha256(file, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise cannot_be_read(file, error) from error
    if found != recorded.lower():
        raise AdapterRejected(
            f"{adapter} was trained on another base: it records the sha256 {recorded[:12]}... and {file} has "
            f"{found[:12]}...: load it on the base it was trained on, or train it again on this one"
        )


def check_layers(adapter: str, wanted: Mapping[str, Shape], base: Mapping[str, Shape], name: str) -> None:
    """Refuse an adapter whose layers a base has not.

    Args:
        adapter: what the adapter is called, for messages.
        wanted: the shapes of the base's weights that it was trained on, by layer.
        base: the base's tensors; a shape () is not compared.
        name: what the base is called.

    Raises:
        AdapterRejected: a layer that is not there, or is there in another shape.
    """
    layers = _Layers(base)
    for layer, shape in wanted.items():
        there = layers.shapes(layer)
        if there is None:
            raise AdapterRejected(
                f"{adapter} was trained on another base: it changes a layer {layer} ({written(shape)}), "
                f"and {name} has none of that name: load it on its own base"
            )
        if there and all(found and found[: len(shape)] != shape for found in there):
            raise AdapterRejected(
                f"{adapter} was trained on another base: its layer {layer} is {written(shape)}, "
                f"and that of {name} is {written(there[0])}: load it on its own base"
            )


class _Layers:
    """A base's layers by their names, and by the part of their names that stays when a model is wrapped or renamed."""

    def __init__(self, base: Mapping[str, Shape]) -> None:
        self._by_name: dict[str, list[Shape]] = {}
        self._by_place: dict[str, list[Shape]] = {}
        for tensor, shape in base.items():
            layer, _, end = tensor.rpartition(".")
            compared = [shape] if end == "weight" else []
            self._by_name.setdefault(layer, []).extend(compared)
            self._by_place.setdefault(place_of(layer), []).extend(compared)
        self._has_experts = any("experts" in layer.split(".") for layer in self._by_name)

    def shapes(self, layer: str) -> list[Shape] | None:
        """Shapes of the weights a layer's name may mean, none where that cannot be known; None: no such layer."""
        place = place_of(layer)
        found = self._by_name.get(layer, self._by_place.get(place))
        # Output layers may share the embeddings' weight and have none of their own; experts are stored apart or
        # fused, and the library that loads them puts them together.
        if found is None and ("." not in place or (self._has_experts and "experts" in layer.split("."))):
            return []
        return found


def place_of(layer: str) -> str:
    """The part of a layer's name from its block on, "layers.3.mlp.up_proj"; where there is no block, the last part."""
    parts = layer.split(".")
    first = next((index for index, part in enumerate(parts[1:]) if part.isdecimal()), len(parts) - 1)
    return ".".join(parts[first:])


@functools.lru_cache(maxsize=8)
def _sha256(file: Path, size_bytes: int, changed_ns: int) -> str:
    """The SHA-256 of a file as it was when it had this size and time."""
    del size_bytes, changed_ns
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
