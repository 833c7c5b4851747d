"""A Transformers model reduced to what the engine asks of it: logits from ids and a cache."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from duihua.engine.transformers.adapters import BASE, Adapters
from duihua.engine.transformers.eyes import Eyes
from duihua.engine.transformers.keyvalues import KeyValues, cache_of
from duihua.engine.transformers.sight import Sight

__all__ = ["Network"]


class Network:
    """The forward passes of a causal language model.

    Attributes:
        vocabulary_size: ids are below it.
        device: where token ids go in and logits come out.
        dtype: of the weights.
        batchable: whether sequences can be stacked: every layer caches plain keys and values, and the model
            takes positions and a padding mask. Where not, each sequence runs by itself.
        adapters: those beside the model; a forward pass uses one of them, or none.
    """

    def __init__(self, model: PreTrainedModel, eyes: Eyes | None = None) -> None:
        """Wrap a model that is loaded, on its device and in eval mode.

        Args:
            model: a causal language model.
            eyes: its part that sees; None: nothing does.
        """
        config: Any = model.config.get_text_config(decoder=True)
        embeddings: Any = model.get_input_embeddings()
        accepted = inspect.signature(model.forward).parameters
        self._model = model
        self.adapters = Adapters(model)
        self._eyes = eyes
        self._keeps_logits = "logits_to_keep" in accepted
        self._takes_positions = "position_ids" in accepted
        # Transformers 5.24 calls it so, and will know the old name no more in 5.40.
        self._cache_word = "cache" if "cache" in accepted else "past_key_values"
        self._layer_count = int(config.num_hidden_layers)
        self.vocabulary_size = int(config.vocab_size)
        self.device: torch.device = embeddings.weight.device
        self.dtype: torch.dtype = model.dtype
        layers = DynamicCache(config=model.config).layers
        plain = len(layers) == self._layer_count and all(type(layer) is DynamicLayer for layer in layers)
        self.batchable = plain and self._takes_positions and "attention_mask" in accepted

    def new_cache(self, room: int) -> KeyValues:
        """An empty cache for one sequence of up to `room` tokens."""
        if self.batchable:
            return cache_of(self._layer_count, room)
        return KeyValues(DynamicCache(config=self._model.config), room=room, rigid=True)

    def prefill(
        self,
        token_ids: Sequence[int],
        cache: KeyValues,
        *,
        adapter: int = BASE,
        every_logit: bool = False,
        sight: Sight | None = None,
    ) -> torch.Tensor:
        """Continue one sequence's cache by these tokens; those below zero are pictures', which `sight` knows.

        Returns:
            Logits (1 or tokens, vocabulary) after the last token, or after each; dtype of the model.
        """
        self.adapters.use(adapter)
        start, stop, keep = cache.length, cache.length + len(token_ids), 0 if every_logit else 1
        if sight is not None and self._eyes is not None:
            return self._prefill_seen(self._eyes, sight, token_ids, cache, adapter)
        positions = torch.arange(start, stop, device=self.device)[None]
        ids = torch.tensor([token_ids], device=self.device)
        return self._forward(ids, positions, cache, keep=keep)[0]

    def decode(
        self,
        last: Sequence[int],
        positions: Sequence[int],
        cache: KeyValues,
        mask: torch.Tensor | None,
        adapter: int = BASE,
    ) -> torch.Tensor:
        """Continue every row by one token.

        Args:
            last: the last token of each row.
            positions: its position in its own sequence.
            cache: with room for one more column.
            mask: (rows, columns + 1), 0 where padded; None when nothing is.
            adapter: its number, the same for every row.

        Returns:
            Logits (rows, vocabulary); dtype of the model.
        """
        self.adapters.use(adapter)
        ids = torch.tensor(last, device=self.device)[:, None]
        at = torch.tensor(positions, device=self.device)[:, None]
        return self._forward(ids, at, cache, keep=1, mask=mask)[:, -1]

    def forget(self, adapter: int) -> None:
        """Free an adapter's weights, and what was seen with them."""
        self.adapters.drop(adapter)
        if self._eyes is not None:
            self._eyes.forget(adapter)

    def _prefill_seen(
        self, eyes: Eyes, sight: Sight, token_ids: Sequence[int], cache: KeyValues, adapter: int
    ) -> torch.Tensor:
        start, stop = cache.length, cache.length + len(token_ids)
        positions = sight.positions_of(start, stop).to(self.device)
        ids = torch.tensor([[max(token, 0) for token in token_ids]], device=self.device)
        weights = adapter if self.adapters.changes(adapter, eyes.tower) else BASE
        glimpses = [(glimpse, eyes.features(glimpse.image, weights)) for glimpse in sight.within(start, stop)]
        if not glimpses:
            return self._forward(ids, positions, cache, keep=1)[0]
        options: dict[str, Any] = {"position_ids": positions, self._cache_word: cache.cache, "use_cache": True}
        return eyes.read(ids, glimpses, keep=1, **options)[0].to(self.device)

    def _forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        cache: KeyValues,
        *,
        keep: int,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        options: dict[str, Any] = {self._cache_word: cache.cache, "use_cache": True}
        if self._takes_positions:
            options["position_ids"] = positions
        if mask is not None:
            options["attention_mask"] = mask
        if self._keeps_logits:
            options["logits_to_keep"] = keep
        logits: torch.Tensor = self._model(input_ids=ids, **options).logits.to(self.device)
        return logits if self._keeps_logits or not keep else logits[:, -keep:]
