"""What an engine is asked: frozen, and whole in a msgpack round trip, so an engine may live elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from duihua.grammar import Grammar
from duihua.image import Image
from duihua.sampling import Decoding

__all__ = ["GenerationRequest", "PlacedImage"]


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """A picture and its place in a prompt: the ids `start` up to `stop` stand for it.

    The engine puts as many tokens in their place as the picture has; how many is known before, for prompts are counted.
    """

    image: Image
    start: int
    stop: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One answer to one prompt."""

    request_id: str
    token_ids: tuple[int, ...]  # the prompt
    decoding: Decoding
    adapter: str | None = None  # name of a loaded LoRA adapter; None: the model as it is
    cache_salt: str = ""  # prefixes are shared only between requests of the same salt
    priority: int = 0  # lower goes first; equal ones in order of arrival
    images: tuple[PlacedImage, ...] = ()  # in the order of their places
    grammar: Grammar | None = None  # the answer is held to it, and ends where it may; needs a stop token

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt as the model reads it, with every picture's own."""
        return len(self.token_ids) + sum(placed.tokens - (placed.stop - placed.start) for placed in self.images)
