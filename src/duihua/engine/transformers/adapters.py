"""The LoRA adapters beside a model, of which one at a time takes part in computing."""

from __future__ import annotations

import itertools
from typing import Final

from torch import nn

from duihua.engine.transformers.lora import Lora, Place, inject

__all__ = ["BASE", "Adapters"]

BASE: Final = 0  # the number of the model without an adapter


class Adapters:
    """Weights that were loaded, each under a number that is never given again; used by the worker thread only.

    An adapter's layers are PEFT's, around the model's own, and either those or these stand in the model. So
    the model without an adapter is, to the bit and in speed, the one that was loaded.
    """

    def __init__(self, model: nn.Module) -> None:
        """Begin with none."""
        self._model = model
        self._places: dict[int, list[Place]] = {BASE: []}
        self._numbers = itertools.count(BASE + 1)
        self._used = BASE

    def __len__(self) -> int:
        return len(self._places) - 1

    def add(self, lora: Lora) -> int:
        """Load weights beside the model.

        Returns:
            Their number, for `use` and `drop`.

        Raises:
            AdapterRejected: see `inject`; nothing has changed.
        """
        self.use(BASE)
        places = inject(self._model, lora)
        number = next(self._numbers)
        self._places[number] = places
        return number

    def use(self, number: int) -> None:
        """Let the model compute with these weights; costs nothing when it does already."""
        if number == self._used:
            return
        for place in self._places[self._used]:
            place.put(place.base)
        for place in self._places[number]:
            place.put(place.adapted)
        self._used = number

    def changes(self, number: int, part: nn.Module) -> bool:
        """Whether these weights change anything in a part of the model."""
        inside = set(part.modules())
        return any(place.parent in inside for place in self._places[number])

    def drop(self, number: int) -> None:
        """Free weights that nobody uses any more."""
        if number == self._used:
            self.use(BASE)
        del self._places[number]
