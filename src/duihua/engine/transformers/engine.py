"""The engine over a Transformers model: the asyncio side."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from transformers import PreTrainedModel

from duihua.checkpoint.locate import Located
from duihua.checkpoint.read import read
from duihua.checkpoint.tokenizer import load_tokenizer
from duihua.engine.admission import check_request, no_such_adapter, room_for_answer
from duihua.engine.protocol import EngineInfo
from duihua.engine.settings import VLLM_ONLY, EngineSettings, OnProgress
from duihua.engine.transformers.adapters import BASE
from duihua.engine.transformers.eyes import Eyes
from duihua.engine.transformers.grammars import Grammars
from duihua.engine.transformers.loading import load_model
from duihua.engine.transformers.lora import Lora, read_lora
from duihua.engine.transformers.network import Network
from duihua.engine.transformers.outbox import Outbox
from duihua.engine.transformers.placement import choose_threads
from duihua.engine.transformers.processor import Processor
from duihua.engine.transformers.queue import FairQueue
from duihua.engine.transformers.scheduler import Scheduler
from duihua.engine.transformers.sight import Sight
from duihua.engine.transformers.track import Track
from duihua.engine.transformers.worker import Worker
from duihua.errors import AdapterRejected, ConfigError, EngineDead
from duihua.events import Chunk
from duihua.prompt.vocabulary import Vocabulary
from duihua.request import GenerationRequest

__all__ = ["TransformersEngine", "load"]

_MAX_SEQUENCES: Final = 8
_LOOKERS: Final = 2  # threads that decode pictures and cut them up, beside the one that computes


class TransformersEngine:
    """Many requests at once on one model, in one worker thread; may be used from several event loops."""

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        context_window: int,
        settings: EngineSettings | None = None,
        processor: Processor | None = None,
        vocabulary: Callable[[], Vocabulary] | None = None,
    ) -> None:
        """Start on a model that is loaded, on its device and in eval mode.

        Args:
            model: the engine's from now on.
            context_window: tokens of prompt and answer together.
            settings: those about what runs at once, adapters among it, count; the rest is for loading.
            processor: cuts pictures up for the model; None: it sees none.
            vocabulary: reads that of its tokenizer, in a thread, once a grammar is asked for; None: none is taken.

        Raises:
            ConfigError: a KV capacity below one context window.
        """
        settings = settings or EngineSettings()
        max_sequences = settings.max_sequences or _MAX_SEQUENCES
        capacity = settings.kv_capacity or settings.default_kv_capacity(context_window)
        if capacity < context_window:
            raise ConfigError(f"kv_capacity={capacity} is below the context window of {context_window} tokens")
        eyes = Eyes.of(model, processor) if processor is not None and settings.max_images else None
        network = Network(model, eyes)
        self._info = EngineInfo(
            name="transformers",
            context_window=context_window,
            device=_device_names(model),
            dtype=str(network.dtype).removeprefix("torch."),
            kv_capacity=capacity,
            vocabulary_size=network.vocabulary_size,
            max_images=settings.max_images if eyes is not None else 0,
        )
        self._eyes = eyes
        self._grammars = Grammars(vocabulary, network.vocabulary_size)
        self._lookers = ThreadPoolExecutor(_LOOKERS, "duihua-pictures")
        self._max_adapters = settings.max_adapters
        self._max_rank = settings.max_adapter_rank
        self._adapters: dict[str, int] = {}  # numbers of the weights that the names stand for
        self._names = threading.Lock()  # between finding an adapter's weights and being inside with them, they stay
        threads = choose_threads(settings.threads, sum(weight.numel() for weight in model.parameters()))
        self._queue = FairQueue(limit=max_sequences + settings.queue_limit)
        scheduler = Scheduler(network, self._queue, max_sequences=max_sequences, kv_capacity=capacity)
        self._worker = Worker(scheduler, self._queue, threads=threads)

    @classmethod
    def load(cls, path: Path, settings: EngineSettings | None = None, on_progress: OnProgress | None = None) -> Self:
        """Load a checkpoint and start; see `Loader`. Blocks, so call it in a thread."""
        settings = settings or EngineSettings()
        if foreign := settings.said(VLLM_ONLY):
            raise ConfigError(
                f"{', '.join(foreign)} cannot be set for the transformers engine: leave it out, or use the vllm engine"
            )
        loaded = load_model(path, settings, on_progress)
        processor = Processor.load(path) if settings.max_images else None
        return cls(
            loaded.model,
            context_window=loaded.context_window,
            settings=settings,
            processor=processor,
            vocabulary=lambda: _vocabulary(path, settings),
        )

    @property
    def info(self) -> EngineInfo:
        """See `Engine.info`."""
        return self._info

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """See `Engine.generate`."""
        check_request(request, self._info, self._adapters)
        sight = await self._look(self._eyes, request) if self._eyes is not None and request.images else None
        matcher = None
        if request.grammar is not None:
            self._queue.check()
            matcher = await self._grammars.matcher(request.grammar, request.decoding.stop_token_ids)
        limit = request.prompt_tokens + room_for_answer(request, self._info)
        outbox = Outbox()
        with self._names:
            number = self._number(request.adapter)
            track = Track(request, outbox, limit=limit, adapter=number, sight=sight, matcher=matcher)
            self._queue.enter(track)
        try:
            while True:
                chunk = await outbox.get()
                yield chunk
                if chunk.finish_reason is not None:
                    return
        finally:
            track.cancelled = True

    async def load_adapter(self, name: str, path: Path) -> None:
        """See `Engine.load_adapter`; the files are read beside what runs, and PEFT's layers made between two steps."""
        self._check_room(name)
        lora = await asyncio.to_thread(read_lora, path)
        self._check_rank(lora)
        asked = self._worker.ask(lambda scheduler: scheduler.add_adapter(lora))
        try:
            number = await asyncio.wrap_future(asked)
        except BaseException:  # above all a cancellation
            asked.add_done_callback(self._discard)
            raise
        try:
            with self._names:
                self._check_room(name)  # once more: another may have been loaded meanwhile
                before = self._adapters.get(name)
                self._adapters[name] = number
        except AdapterRejected:
            self._retire(number)
            raise
        if before is not None:
            self._retire(before)

    async def unload_adapter(self, name: str) -> None:
        """See `Engine.unload_adapter`."""
        with self._names:
            number = self._number(name)
            del self._adapters[name]
        self._retire(number)

    async def aclose(self) -> None:
        """See `Engine.aclose`; waits for the step that is being computed."""
        self._queue.close()
        self._lookers.shutdown(wait=False)
        self._grammars.close()
        await asyncio.to_thread(self._worker.join)

    async def _look(self, eyes: Eyes, request: GenerationRequest) -> Sight:
        """Have a prompt's pictures made ready in a thread: it takes a fifth of a second for two megapixels."""
        self._queue.check()
        try:
            looking = asyncio.get_running_loop().run_in_executor(self._lookers, eyes.look, request)
        except RuntimeError as error:  # shut down since
            raise EngineDead("the engine was closed") from error
        return await looking

    def _number(self, name: str | None) -> int:
        if name is None:
            return BASE
        if name not in self._adapters:
            raise no_such_adapter(name, self._adapters)
        return self._adapters[name]

    def _check_room(self, name: str) -> None:
        most = self._max_adapters
        if most is not None and name not in self._adapters and len(self._adapters) >= most:
            raise AdapterRejected(
                f"{len(self._adapters)} adapters are loaded, which is the limit: unload one, or start with a larger "
                "--max-adapters"
            )

    def _check_rank(self, lora: Lora) -> None:
        if self._max_rank is not None and lora.rank > self._max_rank:
            raise AdapterRejected(
                f"{lora.name} has rank {lora.rank} and at most {self._max_rank} is run here: "
                f"start with --max-adapter-rank {lora.rank}"
            )

    def _retire(self, number: int) -> None:
        with suppress(EngineDead):  # and with it the weights
            self._worker.ask(lambda scheduler: scheduler.retire_adapter(number))

    def _discard(self, asked: Future[int]) -> None:
        """Free what nobody waits for any more."""
        if not asked.cancelled() and asked.exception() is None:
            self._retire(asked.result())


def load(
    path: Path, settings: EngineSettings | None = None, on_progress: OnProgress | None = None
) -> TransformersEngine:
    """Load a checkpoint and start; see `Loader`."""
    return TransformersEngine.load(path, settings, on_progress)


def _vocabulary(path: Path, settings: EngineSettings) -> Vocabulary:
    located = Located(path=path, name=path.name, origin="directory")
    checkpoint = read(located, trust_remote_code=settings.trust_remote_code, allow_pickle=settings.allow_pickle)
    return Vocabulary(load_tokenizer(checkpoint))


def _device_names(model: PreTrainedModel) -> str:
    """Every device that holds weights: "cuda:0", or "cuda:0,cuda:1" where the model is spread."""
    return ",".join(sorted({str(parameter.device) for parameter in model.parameters()}))
