"""What is known of pictures that were asked about: patches that wait for the vision tower, and what it made of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

import torch

from duihua.engine.transformers.processor import Grid, Patches, Processor
from duihua.image import Image

__all__ = ["Features", "Pictures"]

Features = tuple[torch.Tensor, ...]  # (tokens, width) each: the embeddings, then what is added after the first layers

_PATCHES_BYTES: Final = 256 * 2**20  # two megapixels take 48 MB
_FEATURES_BYTES: Final = 256 * 2**20  # on the model's device; two megapixels take 21 MB at width 4,096 in 16 bits
_GRIDS: Final = 10_000

_K = TypeVar("_K")
_V = TypeVar("_V")


class Pictures:
    """Each picture's patches and features by its checksum, within bounds of memory.

    What was dropped is made again: patches where they are wanted, and features from patches.
    """

    def __init__(
        self, processor: Processor, *, patches_bytes: int = _PATCHES_BYTES, features_bytes: int = _FEATURES_BYTES
    ) -> None:
        """Begin with none; at most so many bytes of each are kept, but always what was made last."""
        self._processor = processor
        self._grids = _Shelf[str, Grid](_GRIDS)
        self._patches = _Shelf[str, Patches](patches_bytes)
        self._features = _Shelf[tuple[str, int], Features](features_bytes)
        self._lock = threading.Lock()

    def prepare(self, image: Image) -> tuple[Grid, int]:
        """Make ready what the vision tower will need; from any thread.

        Returns:
            The picture's grid, and its tokens in a prompt.

        Raises:
            InvalidImage: see `Processor.patches`.
        """
        with self._lock:
            grid = self._grids.get(image.sha256)
            ready = image.sha256 in self._patches or any(key == image.sha256 for key, _ in self._features)
        if grid is None or not ready:
            patches = self._processor.patches(image)
            grid = patches.grid
            with self._lock:
                self._grids.put(image.sha256, grid, 1)
                self._patches.put(image.sha256, patches, patches.size_bytes)
        return grid, self._processor.tokens(grid)

    def features(self, image: Image, adapter: int, see: Callable[[Patches], Features]) -> Features:
        """What the vision tower makes of a picture under some weights, computed once; in the worker thread.

        Args:
            adapter: number of the weights, as far as the tower depends on them.
            see: runs the tower.
        """
        key = (image.sha256, adapter)
        with self._lock:
            known = self._features.get(key)
            patches = None if known is not None else self._patches.pop(image.sha256)
        if known is not None:
            return known
        made = see(patches or self._processor.patches(image))
        with self._lock:
            self._features.put(key, made, sum(feature.nbytes for feature in made))
        return made

    def forget(self, adapter: int) -> None:
        """Drop what was computed with weights that are gone."""
        with self._lock:
            for key in [key for key in self._features if key[1] == adapter]:
                self._features.pop(key)


class _Shelf(Generic[_K, _V]):
    """Values of some size; where they get too much, those that were not used for longest go, but never the last."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._values: OrderedDict[_K, tuple[_V, int]] = OrderedDict()

    def __contains__(self, key: _K) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[_K]:
        return iter(self._values)

    def get(self, key: _K) -> _V | None:
        """A value that is used now."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: _K, value: _V, size: int) -> None:
        """Keep a value."""
        self.pop(key)
        self._values[key] = value, size
        self._held += size
        while self._held > self._limit and len(self._values) > 1:
            self.pop(next(iter(self._values)))

    def pop(self, key: _K) -> _V | None:
        """Give a value up."""
        value, size = self._values.pop(key, (None, 0))
        self._held -= size
        return value
