"""An engine without a model: it recites what it was given, for tests of everything above the engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import chain, cycle, islice, repeat
from pathlib import Path

from duihua.engine.admission import check_request, no_such_adapter, room_for_answer
from duihua.engine.pictured import pictured_ids
from duihua.engine.protocol import EngineInfo
from duihua.errors import EngineDead, EngineError
from duihua.events import Chunk, TokenLogprobs
from duihua.request import GenerationRequest

__all__ = ["ScriptedEngine"]

Script = Callable[[GenerationRequest], Sequence[int]]


class ScriptedEngine:
    """Recites answers token by token, by the same rules of stopping as a real engine.

    An answer that ends is followed by the request's first stop token; with none, it is recited again until
    `max_tokens`. Every token has probability one.

    Attributes:
        requests: every request that was started, in order.
        closed: ids of the requests that were closed before their end.
        adapters: those that are loaded; an answer is the same under each of them.
    """

    def __init__(
        self,
        script: Script | Iterable[Sequence[int]],
        *,
        context_window: int = 4096,
        vocabulary_size: int = 100_000,
        max_images: int = 0,
        gate: Callable[[], Awaitable[object]] | None = None,
        failure: tuple[int, EngineError] | None = None,
    ) -> None:
        """Prepare the recital.

        Args:
            script: the answers in the order they are asked for, or a function from a request to its answer.
            context_window: tokens of prompt and answer together.
            vocabulary_size: ids are below it.
            max_images: pictures in one prompt at most; 0: it sees none.
            gate: awaited before each token, `asyncio.Event().wait` for one; tests pace the engine with it.
            failure: raise the error once, after so many tokens of a request; `EngineDead` lasts.
        """
        self.requests: list[GenerationRequest] = []
        self.closed: list[str] = []
        self.adapters: dict[str, Path] = {}
        self._script = script if callable(script) else _in_turn(script)
        self._gate = gate
        self._failure = failure
        self._dead = False
        self._seen: list[tuple[tuple[str, str | None], tuple[int, ...]]] = []
        self._info = EngineInfo(
            name="scripted",
            context_window=context_window,
            device="cpu",
            dtype="none",
            kv_capacity=context_window,
            vocabulary_size=vocabulary_size,
            max_images=max_images,
        )

    @property
    def info(self) -> EngineInfo:
        """See `Engine.info`."""
        return self._info

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """See `Engine.generate`.

        Raises:
            IndexError: the script has no answer left.
        """
        self._raise_if_dead()
        check_request(request, self._info, self.adapters)
        self.requests.append(request)
        recited: list[int] = []
        finished = False
        try:
            for token in self._tokens(request):
                await self._pace(len(recited))
                recited.append(token)
                finished = token in request.decoding.stop_token_ids or len(recited) == room_for_answer(
                    request, self._info
                )
                yield self._chunk(request, recited, finished=finished)
                if finished:
                    return
        finally:
            self._seen.append((_cache_of(request), (*pictured_ids(request), *recited)))
            if not finished:
                self.closed.append(request.request_id)

    async def load_adapter(self, name: str, path: Path) -> None:
        """See `Engine.load_adapter`."""
        self._raise_if_dead()
        self.adapters[name] = path
        self._seen = [seen for seen in self._seen if seen[0][1] != name]

    async def unload_adapter(self, name: str) -> None:
        """See `Engine.unload_adapter`."""
        if self.adapters.pop(name, None) is None:
            raise no_such_adapter(name, self.adapters)

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        self._dead = True

    def _tokens(self, request: GenerationRequest) -> Iterator[int]:
        """The answer without end; stop tokens are left out where `min_tokens` forbids them."""
        stops = request.decoding.stop_token_ids
        answer = tuple(self._script(request))
        endless = chain(answer, repeat(stops[0])) if stops else cycle(answer)
        unstopped = cycle([token for token in answer if token not in stops] or [0])
        early = list(islice(unstopped, request.decoding.min_tokens))
        return chain(early, islice(endless, len(early), None))

    async def _pace(self, token_count: int) -> None:
        if self._gate is not None:
            await self._gate()
        self._raise_if_dead()
        if self._failure is not None and self._failure[0] == token_count:
            error, self._failure = self._failure[1], None
            self._dead = isinstance(error, EngineDead)
            raise error

    def _chunk(self, request: GenerationRequest, recited: Sequence[int], *, finished: bool) -> Chunk:
        token, decoding, first = recited[-1], request.decoding, len(recited) == 1
        reason = None
        if finished:
            reason = "stop" if token in decoding.stop_token_ids else "length"
        return Chunk(
            token_ids=(token,),
            logprobs=None if decoding.logprobs is None else (_certain(token, decoding.logprobs),),
            cached_tokens=self._cached(request) if first else None,
            prompt_logprobs=_prompt_logprobs(request) if first else None,
            finish_reason=reason,
        )

    def _cached(self, request: GenerationRequest) -> int:
        if request.decoding.prompt_logprobs is not None:
            return 0
        prompt = pictured_ids(request)[:-1]
        known = (ids for cache, ids in self._seen if cache == _cache_of(request))
        return max((_common(prompt, ids) for ids in known), default=0)

    def _raise_if_dead(self) -> None:
        if self._dead:
            raise EngineDead("the scripted engine has ended: make another")


def _in_turn(answers: Iterable[Sequence[int]]) -> Script:
    remaining = iter(answers)

    def script(request: GenerationRequest) -> Sequence[int]:
        for answer in remaining:
            return answer
        raise IndexError(f"the script has no answer left for request {request.request_id!r}")

    return script


def _cache_of(request: GenerationRequest) -> tuple[str, str | None]:
    return request.cache_salt, request.adapter


def _certain(token: int, alternatives: int) -> TokenLogprobs:
    return TokenLogprobs(token, 0.0, ((token, 0.0),) if alternatives else ())


def _prompt_logprobs(request: GenerationRequest) -> tuple[TokenLogprobs | None, ...] | None:
    alternatives = request.decoding.prompt_logprobs
    if alternatives is None:
        return None
    return (None, *(_certain(token, alternatives) for token in request.token_ids[1:]))


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
