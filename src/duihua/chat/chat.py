"""Chat: messages in, events out, over an engine that knows only token ids."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from duihua.chat.answer import Answer
from duihua.chat.choices import best, in_turn
from duihua.chat.plans import Planner, check_options
from duihua.chat.prompts import Prompts
from duihua.chat.protocol import Burst, Explanation, ModelInfo, Part, TurnOptions
from duihua.chat.schemas import call_router, check_tools
from duihua.chat.stages import Plan, staged
from duihua.checkpoint.adapters import Adapter
from duihua.engine.protocol import Engine
from duihua.errors import ContextOverflow, InvalidMessages, InvalidParameter, UnsupportedFeature
from duihua.events import Event, TurnFinished, TurnStarted, Usage, WindowReport
from duihua.image import Image
from duihua.messages import Message, check_order
from duihua.parsing.format import ToolFormat
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.images import no_images
from duihua.prompt.layout import RenderOptions
from duihua.prompt.opening import Opening, opening_of
from duihua.prompt.prompt import FarTooLong, Prompt
from duihua.prompt.vocabulary import Vocabulary
from duihua.prompt.window import Window
from duihua.request import GenerationRequest
from duihua.sampling import Decoding, Sampling

__all__ = ["Chat", "Stops"]

_MANY: Final = 10_000  # ids whose text is put together in a thread


@dataclass(frozen=True, slots=True)
class Stops:
    """How this model's answers end and what is set apart in them."""

    token_ids: tuple[int, ...]  # the model's own stop tokens
    reasoning: tuple[str, str] | None = None  # tags around thinking
    calls: ToolFormat | None = None  # how it writes calls of tools


class Chat:
    """The conversation service of one model; see `ChatService`.

    Belongs to one event loop. Turns may run side by side.
    """

    def __init__(  # noqa: PLR0913  the composition root alone calls it
        self,
        engine: Engine,
        encoder: PromptEncoder,
        vocabulary: Vocabulary,
        *,
        window: Window,
        info: ModelInfo,
        stops: Stops,
        read_adapter: Callable[[Path], Adapter],
    ) -> None:
        """Put a chat together.

        Args:
            engine: started; closed with the chat.
            encoder: of the model's template and tokenizer.
            vocabulary: the model's.
            window: what is kept of a history.
            info: what is told about the model.
            stops: how answers end.
            read_adapter: reads an adapter's directory and checks that it fits the model.
        """
        self.info = info
        self._read_adapter = read_adapter
        self._adapters: dict[str, Adapter] = {}
        self._engine = engine
        self._encoder = encoder
        self._vocabulary = vocabulary
        self._window = window
        self._prompts = Prompts(encoder, window)
        self._stops = stops
        self._planner = Planner(vocabulary, stops.reasoning, stops.calls, self.tokenize, stops.token_ids)
        self._name = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling = Sampling(), options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[Event]:
        """See `ChatService.stream`."""
        async with aclosing(self.bursts(messages, sampling, options)) as bursts:
            async for burst in bursts:
                for event in burst:
                    yield event

    async def bursts(
        self, messages: Sequence[Message], sampling: Sampling = Sampling(), options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[Burst]:
        """See `ChatService.bursts`."""
        asked = sampling.max_tokens
        sampling = self._settled(sampling)
        options = check_options(options, sampling)
        self._check(messages, options)
        fitted = await self._prompts.fit(
            messages, options.window, max_tokens=sampling.max_tokens, options=_render_options(options)
        )
        self._check_count(fitted.prompt)
        # A checkpoint's own max_new_tokens is a default: nobody asked for more than there is room for.
        report = fitted.report if asked is not None else replace(fitted.report, clamped_from=None)
        opening = self._opening(messages, options, fitted.prompt)
        plan = await self._planner.plan(options, opening, ends=sampling.stop_token_ids or ())
        async with aclosing(self._turn(fitted.prompt, opening, sampling, options, report, plan)) as bursts:
            async for burst in bursts:
                yield burst

    async def complete(
        self, text: str, sampling: Sampling = Sampling(), options: TurnOptions = TurnOptions()
    ) -> AsyncGenerator[Event]:
        """See `ChatService.complete`."""
        sampling = self._settled(sampling)
        options = check_options(options, sampling)
        if options.tools:
            raise UnsupportedFeature("tools", "raw text is continued without a template, which would tell of them")
        if not text:
            raise InvalidMessages("there is no text to continue: give some")
        Message("user", text)  # refuses what is no text
        size, asked = self.info.context_window, sampling.max_tokens
        try:
            prompt = await self._prompts.raw(text, most=size - 1)
        except FarTooLong as error:
            raise ContextOverflow(prompt_tokens=size, limit=size - 1, context_window=size, is_least=True) from error
        room = size - prompt.length
        if room < 1:
            raise ContextOverflow(prompt_tokens=prompt.length, limit=size - 1, context_window=size)
        report = WindowReport(
            context_window=size,
            limit=size - 1,
            reserve=0,
            prompt_tokens=prompt.length,
            kept_exchanges=0,
            max_tokens=min(asked or room, room),
            clamped_from=asked if asked and asked > room else None,
        )
        opening = opening_of(prompt, self._vocabulary, reasoning=self._stops.reasoning)
        plan = await self._planner.plan(options, opening, ends=sampling.stop_token_ids or (), is_raw=True)
        async with aclosing(self._turn(prompt, opening, sampling, options, report, plan)) as bursts:
            async for burst in bursts:
                for event in burst:
                    yield event

    def explain(
        self, messages: Sequence[Message], sampling: Sampling = Sampling(), options: TurnOptions = TurnOptions()
    ) -> Explanation:
        """See `ChatService.explain`."""
        sampling = self._settled(sampling)
        self._check(messages, options)
        fitted = self._window.fit(
            messages,
            options.window,
            max_tokens=sampling.max_tokens,
            options=_render_options(options),
        )
        prompt = fitted.prompt
        self._check_count(prompt)
        parts: list[Part] = []
        for span in prompt.spans:
            text = self._vocabulary.decode(prompt.token_ids[span.start : span.end])
            if isinstance(span.owner, int):
                index = fitted.indices[span.owner]
                images = tuple(placed.image for placed in prompt.images if span.start <= placed.start < span.end)
                part = Part(f"message {index}", messages[index].role, prompt.tokens_in(span), text, images)
            else:
                part = Part(span.owner, None, prompt.tokens_in(span), text)
            parts.append(part)
        return Explanation(parts=tuple(parts), token_ids=prompt.token_ids, text=prompt.text, window=fitted.report)

    async def encode(self, messages: Sequence[Message], options: TurnOptions = TurnOptions()) -> tuple[int, ...]:
        """See `ChatService.encode`."""
        self._check(messages, options)
        return (await self._prompts.encode(messages, _render_options(options))).read_ids

    def count(self, messages: Sequence[Message], options: TurnOptions = TurnOptions()) -> int:
        """Tokens of the prompt that all these messages make, nothing dropped, those of pictures included.

        The generation prompt is counted where the options ask for one.

        Raises:
            InvalidMessages, InvalidImage, UnsupportedFeature: see `PromptEncoder.encode`.
        """
        self._check(messages, options)
        return self._encoder.encode(messages, _render_options(options)).length

    async def tokenize(self, text: str) -> tuple[int, ...]:
        """See `ChatService.tokenize`."""
        Message("user", text)  # refuses what is no text
        return (await self._prompts.raw(text)).token_ids

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """See `ChatService.detokenize`."""
        if len(token_ids) > _MANY:
            return await asyncio.to_thread(self._vocabulary.decode, token_ids)
        return self._vocabulary.decode(token_ids)

    def image_tokens(self, image: Image) -> int:
        """See `ChatService.image_tokens`."""
        if not self.info.max_images:
            raise no_images()
        return self._encoder.image_tokens(image)

    def token_bytes(self, token_id: int) -> bytes:
        """See `ChatService.token_bytes`."""
        literal = self._vocabulary.literal(token_id)
        if literal is not None:
            return literal.encode()
        return self._vocabulary.token_bytes[token_id] or self._vocabulary.decode([token_id]).encode()

    @property
    def adapters(self) -> Mapping[str, Adapter]:
        """See `ChatService.adapters`."""
        return MappingProxyType(self._adapters)

    async def load_adapter(self, name: str, path: Path) -> Adapter:
        """See `ChatService.load_adapter`."""
        if not name or name != name.strip() or any(character.isspace() for character in name):
            raise InvalidParameter("adapter", name, "give a name without white space")
        adapter = await asyncio.to_thread(self._read_adapter, path)
        await self._engine.load_adapter(name, adapter.path)
        self._adapters[name] = adapter
        return adapter

    async def unload_adapter(self, name: str) -> None:
        """See `ChatService.unload_adapter`."""
        await self._engine.unload_adapter(name)
        self._adapters.pop(name, None)
        if self.info.adapter == name:
            self.info = replace(self.info, adapter=None)

    async def aclose(self) -> None:
        """See `ChatService.aclose`."""
        await self._engine.aclose()
        await self._prompts.aclose()

    def _check(self, messages: Sequence[Message], options: TurnOptions) -> None:
        check_order(messages)
        if options.tools:
            check_tools(options.tools, self._stops.calls, self._encoder)
        if not self.info.max_images and any(message.images for message in messages):
            raise no_images()
        if not self.info.sees_results and any(message.images and message.role == "tool" for message in messages):
            raise UnsupportedFeature("pictures in a tool's result", "this model sees those of users only")

    def _check_count(self, prompt: Prompt) -> None:
        most = self.info.max_images
        if len(prompt.images) > most:
            raise InvalidParameter(
                "images",
                f"{len(prompt.images)} pictures",
                f"one prompt may hold {most}, and what holds these must stay: show fewer, or raise max_images",
            )

    def _settled(self, sampling: Sampling) -> Sampling:
        sampling = sampling.over(self.info.defaults)
        sampling.refuse_beams()
        size = self.info.engine.vocabulary_size
        for name, ids in (("stop_token_ids", sampling.stop_token_ids), ("logit_bias", sampling.logit_bias)):
            beyond = [token_id for token_id in ids or () if not 0 <= token_id < size]
            if beyond:
                raise InvalidParameter(name, beyond[0], f"the model's token ids are 0 to {size - 1}")
        return sampling

    def _opening(self, messages: Sequence[Message], options: TurnOptions, prompt: Prompt) -> Opening:
        return opening_of(
            prompt,
            self._vocabulary,
            owed=self._encoder.owed if _render_options(options).opens_answer and options.form is None else "",
            reasoning=self._stops.reasoning,
            is_begun=options.continue_final and bool(messages[-1].content.strip()),
        )

    async def _turn(
        self,
        prompt: Prompt,
        opening: Opening,
        sampling: Sampling,
        options: TurnOptions,
        report: WindowReport,
        plan: Plan | None,
    ) -> AsyncGenerator[Burst]:
        wanted = sampling.n or 1
        count = max(wanted, sampling.best_of or wanted)
        room = report.max_tokens or 1
        if (sampling.min_tokens or 0) > room:
            raise InvalidParameter("min_tokens", sampling.min_tokens, f"there is room for {room} tokens")
        decodings = [self._decoding(sampling, room, choice, ranked=count > wanted) for choice in range(count)]
        calls = partial(call_router, self._stops.calls, options, self._vocabulary, is_begun=bool(opening.begun))
        answers = [
            Answer(choice, sampling, self._vocabulary, opening, frozenset(decoding.stop_token_ids), calls())
            for choice, decoding in enumerate(decodings)
        ]
        streams = [
            self._answer(answer, decoding, prompt, options, report, plan)
            for answer, decoding in zip(answers, decodings, strict=True)
        ]
        bursts, cached = in_turn(streams) if count == wanted else best(streams, answers, wanted), 0
        async with aclosing(bursts):
            async for burst in bursts:
                if isinstance(burst[0], TurnStarted):
                    cached = burst[0].cached_tokens
                yield burst
        usage = Usage(
            prompt_tokens=opening.prompt_tokens,
            completion_tokens=sum(answer.completion_tokens for answer in answers),
            cached_tokens=cached,
            reasoning_tokens=sum(answer.reasoning_tokens for answer in answers),
        )
        yield [TurnFinished(usage=usage, window=report)]

    async def _answer(
        self,
        answer: Answer,
        decoding: Decoding,
        prompt: Prompt,
        options: TurnOptions,
        report: WindowReport,
        plan: Plan | None,
    ) -> AsyncGenerator[Burst]:
        """One choice's events, a burst for each chunk; the first begins with a `TurnStarted`."""
        request = GenerationRequest(
            request_id=f"{self._name}-{next(self._numbers)}",
            token_ids=prompt.token_ids,
            images=prompt.images,
            decoding=decoding,
            adapter=self.info.adapter_of(options.adapter),
            cache_salt=options.cache_salt,
            priority=options.priority,
            grammar=options.form if plan is None else None,
        )
        is_first = True
        generate = self._engine.generate
        async with aclosing(generate(request) if plan is None else staged(generate, request, plan)) as chunks:
            async for chunk in chunks:
                burst = answer.push(chunk)
                if is_first:
                    is_first = False
                    started = TurnStarted(
                        prompt_tokens=prompt.length,
                        cached_tokens=chunk.cached_tokens or 0,
                        window=report,
                        token_ids=prompt.read_ids,
                        prompt_logprobs=chunk.prompt_logprobs,
                    )
                    burst.insert(0, started)
                if burst:
                    yield burst
                if answer.is_finished:
                    return

    def _decoding(self, sampling: Sampling, room: int, choice: int, *, ranked: bool) -> Decoding:
        own = () if sampling.ignore_eos else self._stops.token_ids
        logprobs = sampling.logprobs
        return Decoding(
            max_tokens=room,
            min_tokens=sampling.min_tokens or 0,
            temperature=sampling.temperature or 0.0,
            top_p=1.0 if sampling.top_p is None else sampling.top_p,
            top_k=max(sampling.top_k or 0, 0),
            min_p=sampling.min_p or 0.0,
            presence_penalty=sampling.presence_penalty or 0.0,
            frequency_penalty=sampling.frequency_penalty or 0.0,
            repetition_penalty=sampling.repetition_penalty or 1.0,
            logit_bias=tuple(sorted((sampling.logit_bias or {}).items())),
            stop_token_ids=tuple(dict.fromkeys((*own, *(sampling.stop_token_ids or ())))),
            seed=None if sampling.seed is None else sampling.seed + choice,
            logprobs=0 if logprobs is None and ranked else logprobs,
            prompt_logprobs=sampling.prompt_logprobs if choice == 0 else None,
        )


def _render_options(options: TurnOptions) -> RenderOptions:
    return RenderOptions(
        tools=() if options.tool_choice == "none" else options.tools,
        variables=options.variables,
        now=options.started,
        generation_prompt=options.generation_prompt,
        continue_final=options.continue_final,
    )
