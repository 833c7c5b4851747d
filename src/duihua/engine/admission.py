"""What is checked about a request before anything is computed; the same for every engine."""

from __future__ import annotations

from collections.abc import Collection

from duihua.engine.protocol import EngineInfo
from duihua.errors import ContextOverflow, InvalidParameter, UnknownModel
from duihua.request import GenerationRequest

__all__ = ["check_request", "no_such_adapter", "room_for_answer"]


def check_request(request: GenerationRequest, info: EngineInfo, adapters: Collection[str] = ()) -> None:
    """Refuse a request that this engine cannot run.

    Args:
        adapters: names of those that are loaded.

    Raises:
        UnknownModel: an adapter that is not loaded.
        ContextOverflow: the prompt leaves no room for one token.
        InvalidParameter: no prompt, an id outside the vocabulary, or fewer than one token asked for.
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
    if len(ids) >= info.context_window:
        raise ContextOverflow(prompt_tokens=len(ids), limit=info.context_window - 1, context_window=info.context_window)


def room_for_answer(request: GenerationRequest, info: EngineInfo) -> int:
    """Tokens the answer may have: what was asked for, or less where the context window ends first."""
    return min(request.decoding.max_tokens, info.context_window - len(request.token_ids))


def no_such_adapter(name: str, adapters: Collection[str]) -> UnknownModel:
    """The error for an adapter that is not loaded."""
    return UnknownModel(f"no adapter is called {name!r}: {', '.join(adapters) or 'none'} loaded")
