"""Grammars, compiled for one vocabulary, and where each answer stands in its own."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import torch

from duihua.engine.ebnf import ebnf_of, import_xgrammar, reason_of
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.grammar import Grammar
from duihua.prompt.vocabulary import Vocabulary

if TYPE_CHECKING:
    import xgrammar

__all__ = ["Grammars", "Matcher", "bytes_of"]

_THREADS: Final = 2
_PATIENCE: Final = 10.0  # seconds that compiling may take
_MOST_COMPILED: Final = 64
_MOST_BYTES: Final = 256 * 2**20  # of what is kept compiled


class Matcher:
    """Where one answer stands in its grammar; used by the worker thread once it is made."""

    def __init__(self, compiled: xgrammar.CompiledGrammar, stop_token_ids: Sequence[int]) -> None:
        self._stops = list(stop_token_ids)
        self._matcher: Any = import_xgrammar().GrammarMatcher(compiled, override_stop_tokens=self._stops)

    def fill(self, mask: torch.Tensor, row: int, *, may_end: bool) -> bool:
        """Write which tokens may come next, one bit each.

        Args:
            mask: (rows, vocabulary / 32), int32, on the CPU.
            row: the one to write.
            may_end: whether stop tokens are among them, where anything else is.

        Returns:
            Whether there is any.
        """
        self._matcher.fill_next_token_bitmask(mask, row)
        # A stop token that is text, too: xgrammar 0.2.9 lets it through where it could be the last of the text.
        is_whole = self._matcher.is_completed()
        if not (may_end and is_whole):
            before = mask[row].clone()
            for token in self._stops:
                mask[row, token // 32] &= ~(1 << token % 32) if token % 32 < 31 else 0x7FFFFFFF
            if is_whole and not mask[row].any():
                mask[row] = before
        return bool(mask[row].any())

    def accept(self, token_id: int) -> None:
        """Go on with a token that may come."""
        if not self._matcher.accept_token(token_id):
            raise AssertionError(f"token {token_id} does not keep to the grammar")


class Grammars:
    """Compiles grammars for one model, in threads of its own; may be used from several event loops."""

    def __init__(self, vocabulary: Callable[[], Vocabulary] | None, size: int) -> None:
        """Prepare; nothing is read before the first grammar.

        Args:
            vocabulary: reads that of the model's tokenizer; None where there is none.
            size: ids that the model has scores for.
        """
        self._vocabulary = vocabulary
        self._size = size
        self._compiler: Any = None
        self._lock = threading.Lock()
        self._making = threading.Lock()  # of the compiler, which takes seconds for some tokenizers
        self._compiled: OrderedDict[Grammar, Any] = OrderedDict()
        self._threads = ThreadPoolExecutor(_THREADS, "duihua-grammars")

    @property
    def kept(self) -> int:
        """How many are kept compiled."""
        return len(self._compiled)

    async def matcher(self, grammar: Grammar, stop_token_ids: Sequence[int]) -> Matcher:
        """The start of an answer that is held to a grammar and ends with one of these tokens.

        Raises:
            InvalidParameter: it is no grammar, takes too long to compile, or nothing can be said in it.
            UnsupportedFeature: xgrammar is not installed, or the model has no tokenizer here.
        """
        compiled = self._known(grammar)
        if compiled is None:
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._compile, grammar)
            try:
                compiled = await asyncio.wait_for(asyncio.shield(work), _PATIENCE)
            except TimeoutError:
                work.add_done_callback(_forget)
                raise InvalidParameter(
                    grammar.kind, grammar.text[:80], f"compiling it takes more than {_PATIENCE:.0f} s: make it smaller"
                ) from None
        return Matcher(compiled, [token for token in stop_token_ids if 0 <= token < self._size])

    def close(self) -> None:
        """Compile nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _known(self, grammar: Grammar) -> Any:
        with self._lock:
            if grammar in self._compiled:
                self._compiled.move_to_end(grammar)
            return self._compiled.get(grammar)

    def _compile(self, grammar: Grammar) -> Any:
        if (compiled := self._known(grammar)) is not None:
            return compiled
        rules = ebnf_of(grammar)
        try:
            compiled = self._own_compiler().compile_grammar(rules)
        except RuntimeError as error:
            raise InvalidParameter(grammar.kind, grammar.text[:80], reason_of(error)) from error
        library = import_xgrammar()
        mask = library.allocate_token_bitmask(1, self._size)
        library.GrammarMatcher(compiled).fill_next_token_bitmask(mask)
        if not mask.any():
            raise InvalidParameter(grammar.kind, grammar.text[:80], "nothing can be said in it")
        self._keep(grammar, compiled)
        return compiled

    def _keep(self, grammar: Grammar, compiled: Any) -> None:
        with self._lock:
            self._compiled[grammar] = compiled
            total = sum(each.memory_size_bytes for each in self._compiled.values())
            while len(self._compiled) > 1 and (len(self._compiled) > _MOST_COMPILED or total > _MOST_BYTES):
                total -= self._compiled.popitem(last=False)[1].memory_size_bytes

    def _own_compiler(self) -> Any:
        with self._making:
            if self._compiler is None:
                library = import_xgrammar()
                if self._vocabulary is None:
                    raise UnsupportedFeature("an answer in a given form", "this model was started without a tokenizer")
                vocabulary = self._vocabulary()
                tokens = [bytes_of(vocabulary, token_id) for token_id in range(self._size)]
                info = library.TokenizerInfo(tokens, library.VocabType.RAW, vocab_size=self._size, stop_token_ids=[0])
                self._compiler = library.GrammarCompiler(info, max_threads=1, cache_enabled=False)
            return self._compiler


def bytes_of(vocabulary: Vocabulary, token_id: int) -> bytes:
    """What a token adds to a text; nothing for a control token or a hole: a grammar never has those.

    Where tokens read differently after others, it is what it adds in the middle of a text.
    """
    if token_id in vocabulary.control_ids or vocabulary.token(token_id) is None:
        return b""
    if (known := vocabulary.token_bytes[token_id]) or vocabulary.is_byte_level:
        return known
    before = vocabulary.decode([token_id])
    twice = vocabulary.decode([token_id, token_id])
    added = twice[len(before) :] if twice.startswith(before) else ""
    return b"" if "\ufffd" in added else added.encode()


def _forget(work: asyncio.Future[Any]) -> None:
    """Its caller has gone: what became of it is of no interest."""
    if not work.cancelled():
        work.exception()
