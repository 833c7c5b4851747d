"""The engine seam: what every engine does, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from duihua.events import Chunk
from duihua.request import GenerationRequest

__all__ = ["Engine", "EngineInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What a started engine is."""

    name: str  # "transformers", "scripted"
    context_window: int  # tokens of prompt and answer together
    device: str  # "cpu", "cuda:0", "mps"
    dtype: str  # "bfloat16"
    kv_capacity: int  # tokens whose keys and values are held at most, over all requests
    vocabulary_size: int  # ids are below it
    max_images: int = 0  # pictures in one prompt at most; 0: it sees none
    notes: tuple[str, ...] = ()  # what became of the settings, where it is not what was asked for


class Engine(Protocol):
    """Token ids in, token ids out, many requests at once."""

    @property
    def info(self) -> EngineInfo:
        """What this engine is; constant through its life."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """Stream the answer to one prompt.

        Nothing happens before the first `anext`. Closing the generator cancels the request and frees its
        slot within one decoding step; a wrapper must pass closing on (`contextlib.aclosing`).

        Where the request has a grammar, every token keeps to it, no control token is sampled, and a stop token only
        where the grammar may end; `min_tokens` counts only as far as the grammar goes on.

        Yields:
            Chunks in order; the last one, and only it, has a finish reason. "stop" means that a stop token
            was sampled, "length" that max_tokens or the context window was reached.

        Raises:
            ContextOverflow: the prompt leaves no room for one token; before the first chunk.
            InvalidParameter, UnsupportedFeature: before the first chunk.
            InvalidImage: a picture that the model's own processor does not take; before the first chunk.
            UnknownModel: no adapter of that name is loaded; before the first chunk.
            EngineBusy: the queue is full; before the first chunk.
            GenerationFailed: this request is lost, the engine goes on.
            EngineDead: the engine has ended; so says every later call.
        """
        ...

    async def load_adapter(self, name: str, path: Path) -> None:
        """Make a LoRA adapter known by a name; requests that name it are answered with it.

        A name that is taken gets the new weights; what still runs under it ends with the old ones. The adapter's
        fit to the model is checked before (`checkpoint.adapters`).

        Raises:
            AdapterRejected: this engine cannot run it: too many, too high a rank, a layer it cannot adapt.
            EngineDead: see `generate`.
        """
        ...

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter; what still runs under it goes on to its end.

        Raises:
            UnknownModel: no adapter has that name.
        """
        ...

    async def aclose(self) -> None:
        """Cancel what runs and free everything. Safe to call twice."""
        ...
