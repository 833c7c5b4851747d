"""A grammar as vLLM is told it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from duihua.engine.ebnf import ebnf_of
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.grammar import Grammar

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.engine.async_llm import AsyncLLM

__all__ = ["control_ids", "rules_of"]

_PATIENCE: Final = 10.0  # seconds that reading a grammar may take


async def rules_of(grammar: Grammar, config: VllmConfig) -> str:
    """Its rules, the same as on every engine; made in a thread, since the largest take a while.

    Raises:
        InvalidParameter: it is no grammar, or reading it takes too long.
        UnsupportedFeature: this vLLM was started without a tokenizer, which it follows grammars with.
    """
    if config.model_config.skip_tokenizer_init:
        raise UnsupportedFeature(
            "an answer in a given form", "vLLM cannot read this model's tokenizer: use --engine transformers"
        )
    try:
        return await asyncio.wait_for(asyncio.to_thread(ebnf_of, grammar), _PATIENCE)
    except TimeoutError:
        raise InvalidParameter(
            grammar.kind, grammar.text[:80], f"reading it takes more than {_PATIENCE:.0f} s: make it smaller"
        ) from None


def control_ids(llm: AsyncLLM) -> frozenset[int]:
    """Those of its tokenizer: xgrammar takes them for the text that they are written as, so vLLM must be told."""
    tokenizer: Any = getattr(getattr(llm, "renderer", llm), "tokenizer", None)
    return frozenset() if tokenizer is None else frozenset(tokenizer.get_added_vocab().values())
