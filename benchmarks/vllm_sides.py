"""The two sides of the vLLM benchmark, each in a process of its own, and the load that is put on them.

Ours is `Chat.stream`, from messages to events. The other is bare `AsyncLLM`, given token ids and making the text.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import multiprocessing
import os
import statistics
import time
import traceback
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from geometries import make_text
from model_flags import own_encoder, resolved

from duihua.api.compose import open_chat
from duihua.chat.chat import Chat
from duihua.config import ModelSettings
from duihua.engine.settings import EngineSettings
from duihua.events import Finished, TextDelta
from duihua.messages import Message
from duihua.prompt.encoder import PromptEncoder
from duihua.sampling import Sampling

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

__all__ = ["SIDES", "Load", "Measured", "Remote", "Setup"]

_PROMPT_WORDS: Final = (8, 12, 16, 20)  # two to three tokens each


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a side is started with."""

    model: ModelSettings
    engine: EngineSettings

    @property
    def log(self) -> Path:
        """Of vLLM."""
        assert self.engine.log_file is not None
        return self.engine.log_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One measurement: so many streams at once, each asking its questions one after the other."""

    label: str  # questions differ by it, so that no prefix is kept from before
    streams: int
    questions: int
    tokens: tuple[int, ...]  # of an answer; the lengths take turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One answer."""

    first_s: float  # from the question to the first text
    text: str
    prompt_tokens: int
    cached_tokens: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a side did under a load."""

    tokens_per_s: float
    first_ms: float  # median
    cpu_us: float  # of this process for each token: the engine has its own
    answers: tuple[Answered, ...]


class Side(Protocol):
    """A way to answer."""

    def prepare(self, text: str, tokens: int) -> Any:
        """What the side is given for a question and the length of its answer; before the clock starts."""
        ...

    async def answer(self, prompt: Any) -> Answered:
        """Answer it to the end."""
        ...


class ChatSide:
    """Ours: messages in, events out."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    @classmethod
    async def open(cls, setup: Setup, stack: AsyncExitStack) -> ChatSide:
        chat = await open_chat(setup.model, setup.engine)
        stack.push_async_callback(chat.aclose)
        return cls(chat)

    def prepare(self, text: str, tokens: int) -> tuple[list[Message], Sampling]:
        return [Message("user", text)], Sampling(temperature=0.0, top_p=1.0, max_tokens=tokens, ignore_eos=True)

    async def answer(self, prompt: tuple[list[Message], Sampling]) -> Answered:
        start, first, parts, usage = time.perf_counter(), 0.0, list[str](), None
        async with aclosing(self._chat.stream(*prompt)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    first = first or time.perf_counter()
                    parts.append(event.text)
                elif isinstance(event, Finished):
                    usage = event.usage
        assert usage is not None
        return Answered(
            first_s=(first or time.perf_counter()) - start,
            text="".join(parts),
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            tokens=usage.completion_tokens,
        )


class BareSide:
    """The other: vLLM's own client, given ids; the prompts are rendered and encoded before the clock starts."""

    def __init__(self, llm: AsyncLLM, encoder: PromptEncoder) -> None:
        self._llm, self._encoder, self._numbers = llm, encoder, itertools.count()

    @classmethod
    async def open(cls, setup: Setup, stack: AsyncExitStack) -> BareSide:
        from duihua.engine.vllm.options import engine_args
        from duihua.engine.vllm.processes import import_quietly, starting

        import_quietly(setup.log)
        from vllm import AsyncEngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        args: dict[str, Any] = engine_args(Path(setup.model.model or ""), setup.engine)
        args["skip_tokenizer_init"] = False  # ours makes no use of vLLM's tokenizer; here it makes the text
        with starting(setup.log) as children:
            stack.callback(children.kill)
            llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**args), usage_context=UsageContext.OPENAI_API_SERVER)
        stack.callback(llm.shutdown)
        return cls(llm, own_encoder(setup.model))

    def prepare(self, text: str, tokens: int) -> tuple[list[int], SamplingParams]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            temperature=0.0, max_tokens=tokens, ignore_eos=True, detokenize=True, output_kind=RequestOutputKind.DELTA
        )
        return list(self._encoder.encode([Message("user", text)]).token_ids), params

    async def answer(self, prompt: tuple[list[int], SamplingParams]) -> Answered:
        from vllm.inputs import tokens_input

        start, first, parts, tokens, cached = time.perf_counter(), 0.0, list[str](), 0, 0
        stream = self._llm.generate(tokens_input(prompt[0]), prompt[1], f"bare-{next(self._numbers)}")
        async for output in stream:
            answer = output.outputs[0]
            tokens += len(answer.token_ids)
            if answer.text:
                first = first or time.perf_counter()
                parts.append(answer.text)
            cached = output.num_cached_tokens or cached
        return Answered(
            first_s=(first or time.perf_counter()) - start,
            text="".join(parts),
            prompt_tokens=len(prompt[0]),
            cached_tokens=cached,
            tokens=tokens,
        )


SIDES: Final = {"chat": ChatSide, "bare": BareSide}


async def measure(side: Side, load: Load) -> Measured:
    """Put a load on a side."""
    prompts = [
        [side.prepare(*_question(load, stream, number)) for number in range(load.questions)]
        for stream in range(load.streams)
    ]

    async def ask(own: Sequence[Any]) -> list[Answered]:
        return [await side.answer(prompt) for prompt in own]

    gc.collect()
    start, cpu = time.perf_counter(), time.process_time()
    streams = await asyncio.gather(*(ask(own) for own in prompts))
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    answers = tuple(itertools.chain.from_iterable(streams))
    tokens = sum(answer.tokens for answer in answers)
    return Measured(
        tokens_per_s=tokens / wall_s,
        first_ms=statistics.median(answer.first_s for answer in answers) * 1e3,
        cpu_us=cpu_s / tokens * 1e6,
        answers=answers,
    )


def _question(load: Load, stream: int, number: int) -> tuple[str, int]:
    """A question and the length of its answer."""
    words = _PROMPT_WORDS[(stream + number) % len(_PROMPT_WORDS)]
    return make_text(f"{load.label} {stream} {number}", words), load.tokens[(stream + number) % len(load.tokens)]


def serve(name: str, setup: Setup, pipe: Connection) -> None:
    """A side's process: says what it runs with, then answers each `Load` with a `Measured`, until the pipe ends."""
    try:
        with suppress(EOFError):  # the program has ended
            asyncio.run(_serve(name, setup, pipe))
    except BaseException:  # noqa: BLE001  the program says it, whatever it is
        pipe.send(traceback.format_exc())
    finally:
        os._exit(0)  # vLLM's client complains where the interpreter takes it apart


async def _serve(name: str, setup: Setup, pipe: Connection) -> None:
    async with AsyncExitStack() as stack:
        side: Side = await SIDES[name].open(setup, stack)
        pipe.send(resolved())
        while (load := await asyncio.to_thread(pipe.recv)) is not None:
            pipe.send(await measure(side, load))


class Remote:
    """A side, seen from the program."""

    def __init__(self, name: str, setup: Setup, patience_s: float) -> None:
        self._name, self._patience_s, self._log = name, patience_s, setup.log
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(name, setup, theirs))
        self._process.start()
        theirs.close()
        self.settings: dict[str, str] = {}

    def wait(self) -> None:
        """Until it has started; then `settings` are what its vLLM runs with.

        Raises:
            SystemExit: it has not; with the end of vLLM's log.
        """
        self.settings = self._reply()

    def measure(self, load: Load) -> Measured:
        """Put a load on it."""
        self._pipe.send(load)
        return self._reply()

    def close(self) -> None:
        """End it; vLLM's processes end with it."""
        if self._process.is_alive():
            with suppress(OSError):
                self._pipe.send(None)
            self._process.join(30)
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _reply(self) -> Any:
        try:
            reply = self._pipe.recv() if self._pipe.poll(self._patience_s) else "it said nothing in time"
        except EOFError:
            reply = "its process has ended"
        if not isinstance(reply, str):
            return reply
        log = "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-60:]) if self._log.exists() else "none"
        raise SystemExit(f"the side {self._name!r} failed: {reply}\nthe end of vLLM's log:\n{log}")
