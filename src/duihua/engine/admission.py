"""What is checked about a request before anything is computed; the same for every engine."""

from __future__ import annotations

from collections.abc import Collection

from duihua.engine.protocol import EngineInfo
from duihua.errors import ContextOverflow, InvalidParameter, UnknownModel, UnsupportedFeature
from duihua.request import GenerationRequest

__all__ = ["check_request", "no_such_adapter", "room_for_answer"]


def check_request(request: GenerationRequest, info: EngineInfo, adapters: Collection[str] = ()) -> None:
    """Refuse a request that this engine cannot run.

    Args:
        adapters: names of those that are loaded.

    Raises:
        UnknownModel: an adapter that is not loaded.
        ContextOverflow: the prompt leaves no room for one token.
        InvalidParameter: no prompt, an id outside the vocabulary, fewer than one token asked for, too many pictures, or
            pictures in places that cannot be.
        UnsupportedFeature: pictures where none is seen, or the prompt's log-probabilities beside them.
        InvalidParameter: also a grammar without a stop token to end the answer with.
    """
    ids, vocabulary = request.token_ids, info.vocabulary_size
    if not ids:
        raise InvalidParameter("token_ids", (), "the prompt needs at least one token")
    if min(ids) < 0 or max(ids) >= vocabulary:
        outside = next(i for i in ids if not 0 <= i < vocabulary)
        raise InvalidParameter("token_ids", outside, f"the vocabulary has ids from 0 to {vocabulary - 1}")
    for token, _ in request.decoding.logit_bias:
        if not 0 <= token < vocabulary:
            raise InvalidParameter("logit_bias", token, f"the vocabulary has ids from 0 to {vocabulary - 1}")
    if request.adapter is not None and request.adapter not in adapters:
        raise no_such_adapter(request.adapter, adapters)
    if request.decoding.max_tokens < 1:
        raise InvalidParameter("max_tokens", request.decoding.max_tokens, "give a whole number from 1")
    if request.grammar is not None and not any(0 <= token < vocabulary for token in request.decoding.stop_token_ids):
        raise InvalidParameter("stop_token_ids", (), "an answer that is held to a grammar needs one to end with")
    if request.images:
        _check_images(request, info.max_images)
    if (size := request.prompt_tokens) >= info.context_window:
        raise ContextOverflow(prompt_tokens=size, limit=info.context_window - 1, context_window=info.context_window)


def room_for_answer(request: GenerationRequest, info: EngineInfo) -> int:
    """Tokens the answer may have: what was asked for, or less where the context window ends first."""
    return min(request.decoding.max_tokens, info.context_window - request.prompt_tokens)


def _check_images(request: GenerationRequest, most: int) -> None:
    images, ids = request.images, request.token_ids
    if not most:
        raise UnsupportedFeature("a picture", "this model sees none here: use one that does (and no --max-images 0)")
    if len(images) > most:
        raise InvalidParameter("images", f"{len(images)} pictures", f"one prompt may hold {most} (--max-images)")
    if request.decoding.prompt_logprobs is not None:
        raise UnsupportedFeature("prompt_logprobs", "a picture's tokens have none: ask without pictures")
    borders = [border for placed in images for border in (placed.start, placed.stop)]
    if not 0 <= borders[0] <= borders[-1] <= len(ids) or borders != sorted(borders):
        raise InvalidParameter("images", borders, f"their places must be in order and within {len(ids)} ids")
    marks = {ids[placed.start : placed.stop] for placed in images}
    if len(marks) > 1 or () in marks or any(placed.tokens < 1 for placed in images):
        raise InvalidParameter("images", borders, "the same ids must stand for each, and each have tokens")
    # vLLM finds the places by these ids, in their order: one more, and every later picture would be in a wrong place.
    if (found := _count(ids, *marks)) != len(images):
        raise InvalidParameter("images", f"{len(images)} pictures", f"ids that stand for one are there {found} times")


def _count(ids: tuple[int, ...], mark: tuple[int, ...]) -> int:
    starts = (place for place, token in enumerate(ids) if token == mark[0])
    return sum(ids[place : place + len(mark)] == mark for place in starts)


def no_such_adapter(name: str, adapters: Collection[str]) -> UnknownModel:
    """The error for an adapter that is not loaded."""
    return UnknownModel(f"no adapter is called {name!r}: {', '.join(adapters) or 'none'} loaded")
