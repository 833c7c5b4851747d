"""What an engine is asked: frozen, and whole in a msgpack round trip, so an engine may live elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from duihua.sampling import Decoding

__all__ = ["GenerationRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One answer to one prompt."""

    request_id: str
    token_ids: tuple[int, ...]  # the prompt
    decoding: Decoding
    adapter: str | None = None  # name of a loaded LoRA adapter; None: the model as it is
    cache_salt: str = ""  # prefixes are shared only between requests of the same salt
    priority: int = 0  # lower goes first; equal ones in order of arrival
