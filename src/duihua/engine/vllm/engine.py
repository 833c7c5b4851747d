"""The engine over vLLM's `AsyncLLM`."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from duihua.checkpoint.adapters import Adapter, read_adapter
from duihua.engine.admission import check_request, no_such_adapter, room_for_answer
from duihua.engine.protocol import EngineInfo
from duihua.engine.settings import EngineSettings, OnProgress
from duihua.engine.vllm.failures import explain
from duihua.engine.vllm.gathering import Gathering, tell
from duihua.engine.vllm.grammars import control_ids, rules_of
from duihua.engine.vllm.library import device_names, import_vllm, is_cpu, start_llm, version_note
from duihua.engine.vllm.options import engine_args, rewritten
from duihua.engine.vllm.pictures import Renderer, max_images
from duihua.engine.vllm.processes import Children, starting, usable_log
from duihua.engine.vllm.sampling import MOST_BIASES, chunk_of, sampling_params
from duihua.engine.vllm.startup import UNKNOWN, stages_told
from duihua.errors import (
    AdapterRejected,
    DuihuaError,
    EngineBusy,
    EngineDead,
    GenerationFailed,
    InvalidParameter,
    UnsupportedFeature,
)
from duihua.events import Chunk
from duihua.request import GenerationRequest

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM

__all__ = ["VllmEngine", "load"]

_log = logging.getLogger(__name__)
_MOST_STOPS: Final = 128  # with min_tokens, which keeps them out
_TOWERS: Final = frozenset({"visual", "vision_tower", "vision_model"})  # vLLM passes over an adapter's layers there
_FEATURES: Final = ("rank_pattern", "alpha_pattern")  # beyond plain LoRA, what vLLM reads (vllm/lora/peft_helper.py)


@dataclass(slots=True)
class _Loaded:
    """An adapter in the engine; its weights go when it was unloaded and nothing runs with them."""

    request: LoRARequest
    running: int = 0


class VllmEngine:
    """Many requests at once on vLLM's scheduler, which runs in processes of its own. Belongs to one event loop."""

    def __init__(
        self, llm: AsyncLLM, children: Children, settings: EngineSettings, *, log: Path, notes: tuple[str, ...] = ()
    ) -> None:
        """Take over a started `AsyncLLM` and its processes; see `load`."""
        config = llm.vllm_config
        self._llm: AsyncLLM | None = llm
        self._children = children
        self._log_file = log
        self._limit = config.scheduler_config.max_num_seqs + settings.queue_limit
        self._max_adapters = settings.max_adapters or 0
        self._max_rank = config.lora_config.max_lora_rank if config.lora_config is not None else 0
        self._adapters: dict[str, _Loaded] = {}
        self._retired: set[int] = set()  # adapters under which something still runs
        self._numbers = itertools.count(1)
        self._running: Counter[str] = Counter()  # ids of requests; callers may use one twice
        self._gathering = Gathering(settings.gather_ms / 1000)
        self._dead: str | None = None
        self._chunks_prompts = is_cpu() and bool(config.scheduler_config.enable_chunked_prefill)
        blocks = config.cache_config.num_gpu_blocks or 0
        most = max_images(llm)
        self._renderer = Renderer(llm) if most else None
        self._info = EngineInfo(
            name="vllm",
            context_window=config.model_config.max_model_len,
            device=device_names(config.parallel_config.world_size),
            dtype=str(config.model_config.dtype).removeprefix("torch."),
            kv_capacity=blocks * (config.cache_config.block_size or 0),
            vocabulary_size=config.model_config.get_vocab_size(),
            max_images=most,
            notes=notes,
        )

    @classmethod
    def load(cls, path: Path, settings: EngineSettings | None = None, on_progress: OnProgress | None = None) -> Self:
        """Start vLLM on a checkpoint; see `Loader`. Blocks, so call it in a thread.

        Raises:
            ConfigError, ModelLoadFailed, UnsupportedModel: see `Loader`; says the cure, and where vLLM's log is.
        """
        settings = settings or EngineSettings()
        log = usable_log(settings.log_file)
        since = log.stat().st_size
        if on_progress is not None:
            on_progress("import", UNKNOWN)
        import_vllm(log)
        return cls._started(path, settings, log, since, on_progress)

    @classmethod
    def _started(
        cls, path: Path, settings: EngineSettings, log: Path, since: int, on_progress: OnProgress | None
    ) -> Self:
        """Apart from `load`: exceptions that vLLM keeps from its import hold that frame, and all that it names."""
        args = engine_args(path, settings)
        with starting(log) as children, stages_told(log, on_progress):
            try:
                llm = start_llm(args)
            except Exception as error:
                children.adopt_new()
                has_processes = bool(children)
                children.kill()
                raise explain(error, log, since=since, has_processes=has_processes) from error
        notes = (*version_note(), *rewritten(args, settings, llm.vllm_config))
        return cls(llm, children, settings, log=log, notes=notes)

    @property
    def info(self) -> EngineInfo:
        """See `Engine.info`."""
        return self._info

    @property
    def process_ids(self) -> list[int]:
        """Of vLLM's processes that live; what they start beside them is in their process groups."""
        return self._children.process_ids

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """See `Engine.generate`.

        Raises:
            InvalidParameter: more logit biases or stop tokens than vLLM holds on a GPU.
            UnsupportedFeature: a seed where vLLM cannot honour it.
        """
        self._living()
        check_request(request, self._info, self._adapters)
        self._check_seed(request)
        self._check_sizes(request)
        room = room_for_answer(request, self._info)
        if request.grammar is None:
            params = sampling_params(request.decoding, room)
        else:
            rules = await rules_of(request.grammar, self._living().vllm_config)
            params = sampling_params(request.decoding, room, rules, control_ids(self._living()))
        last: Chunk | None = None
        is_first = True
        try:
            async with self._counted(request) as adapter, aclosing(self._outputs(request, params, adapter)) as outputs:
                pace = self._gathering.pace()
                async for output in outputs:
                    chunk = chunk_of(output, request.decoding, is_first=is_first)
                    is_first = False
                    if chunk is None or chunk.finish_reason is not None:
                        last = chunk
                        continue
                    pace.goes_on(len(chunk.token_ids))
                    yield chunk
            # vLLM's generator has ended: closing it before, at its last output, would send an abort after each answer.
            if last is not None:
                yield last
                return
        except DuihuaError:
            raise
        except Exception as error:
            raise self._explained(error) from error
        self._living()
        raise GenerationFailed("vLLM gave the request up")

    async def load_adapter(self, name: str, path: Path) -> None:
        """See `Engine.load_adapter`."""
        llm = self._living()
        self._check_room(name)
        self._check_kind(read_adapter(path))
        from vllm.lora.request import LoRARequest

        number = next(self._numbers)
        # The name is in the keys of vLLM's prefix cache: new weights under an old name need another.
        loaded = _Loaded(LoRARequest(f"{name}-{number}", number, str(path)))
        try:
            await llm.add_lora(loaded.request)
        except Exception as error:
            self._living(error)
            raise AdapterRejected(f"vLLM cannot run the adapter {path}: {_first_line(error)}") from error
        before = self._adapters.get(name)
        self._adapters[name] = loaded
        if before is not None:
            await self._retire(before)

    async def unload_adapter(self, name: str) -> None:
        """See `Engine.unload_adapter`."""
        loaded = self._adapters.pop(name, None)
        if loaded is None:
            raise no_such_adapter(name, self._adapters)
        await self._retire(loaded)

    async def aclose(self) -> None:
        """See `Engine.aclose`; every process of this engine has ended when it returns."""
        self._dead = self._dead or "the engine was closed"
        if self._llm is None:
            return
        with suppress(Exception):  # a dead engine has told them already
            await self._llm.abort(list(self._running))
        if self._renderer is not None:
            self._renderer.close()
        shutdown, self._llm, self._renderer = self._llm.shutdown, None, None
        await asyncio.to_thread(_shut_down, shutdown, self._children)
        del shutdown
        gc.collect()  # an AsyncLLM is a cycle, and one that the interpreter's end collects complains

    @asynccontextmanager
    async def _counted(self, request: GenerationRequest) -> AsyncGenerator[_Loaded | None]:
        """Count a request, and its adapter's, for as long as the block lasts; gives the adapter."""
        if (inside := self._running.total()) >= self._limit:
            raise EngineBusy(f"{inside} requests run or wait, which is the limit: try again later")
        adapter = None if request.adapter is None else self._adapters[request.adapter]
        self._running[request.request_id] += 1
        if adapter is not None:
            adapter.running += 1
        try:
            yield adapter
        finally:
            self._running[request.request_id] -= 1
            self._running += Counter()  # drops what is at zero
            if adapter is not None:
                adapter.running -= 1
                await self._drop_unused(adapter)

    def _outputs(
        self, request: GenerationRequest, params: SamplingParams, adapter: _Loaded | None
    ) -> AsyncGenerator[RequestOutput]:
        from vllm.inputs import tokens_input

        llm, lora = self._living(), None if adapter is None else adapter.request
        tell(llm, params, self._gathering.interval(self._running.total()))

        def generate(prompt: Any) -> AsyncGenerator[RequestOutput]:
            return llm.generate(prompt, params, request.request_id, lora_request=lora, priority=request.priority)

        if request.images and self._renderer is not None:
            return self._renderer.outputs(request, generate)
        return generate(tokens_input(list(request.token_ids), cache_salt=request.cache_salt or None))

    def _explained(self, error: Exception) -> DuihuaError:
        """What vLLM raised for a request, as one of ours."""
        from vllm.v1.engine.exceptions import EngineDeadError

        if isinstance(error, EngineDeadError):
            self._dead = self._dead or f"vLLM's engine process has ended (its log: {self._log_file})"
        try:
            self._living()
        except EngineDead as dead:
            return dead
        return _refusal(error)

    async def _retire(self, adapter: _Loaded) -> None:
        self._retired.add(adapter.request.lora_int_id)
        await self._drop_unused(adapter)

    async def _drop_unused(self, adapter: _Loaded) -> None:
        number = adapter.request.lora_int_id
        if number in self._retired and not adapter.running and self._llm is not None:
            with suppress(Exception):  # the engine may be dying: whoever asks it next hears of that
                await self._llm.remove_lora(number)
            self._retired.discard(number)

    def _check_room(self, name: str) -> None:
        if not self._max_adapters:
            raise AdapterRejected(
                "this engine was started without room for adapters: start with --adapter NAME=DIR or --max-adapters 4"
            )
        if name not in self._adapters and len(self._adapters) >= self._max_adapters:
            raise AdapterRejected(
                f"{len(self._adapters)} adapters are loaded, which is the limit: unload one, or start with a larger "
                "--max-adapters"
            )
        if len(self._adapters) + len(self._retired) > self._max_adapters:
            raise AdapterRejected("answers still run under an adapter that was unloaded: wait for their end")

    def _check_kind(self, adapter: Adapter) -> None:
        strange = [feature for feature in adapter.features if feature not in _FEATURES]
        if strange:
            raise AdapterRejected(
                f"{adapter.path} has {', '.join(strange)}, which vLLM does not run: use --engine transformers, or "
                "merge it into its base with `duihua adapters merge`"
            )
        if seeing := next((layer for layer in adapter.layers if not _TOWERS.isdisjoint(layer.split("."))), None):
            raise AdapterRejected(
                f"{adapter.path} changes {seeing}, and vLLM adapts the language tower only: use --engine transformers, "
                "or merge it into its base with `duihua adapters merge`"
            )
        if adapter.rank > self._max_rank:
            raise AdapterRejected(
                f"{adapter.path} has rank {adapter.rank} and this engine was started for up to {self._max_rank}: start "
                f"it with --max-adapter-rank {adapter.rank}"
            )

    def _check_seed(self, request: GenerationRequest) -> None:
        """On a CPU vLLM's engine dies of a seed whose prompt it computes in pieces."""
        if self._chunks_prompts and request.decoding.seed is not None:
            raise UnsupportedFeature(
                "seed", "on a CPU vLLM cannot honour it while long prompts are computed in pieces: --no-chunked-prefill"
            )

    def _check_sizes(self, request: GenerationRequest) -> None:
        """On a GPU vLLM's engine dies of more than it has places for."""
        decoding = request.decoding
        if self._info.device == "cpu":
            return
        if (given := len(decoding.logit_bias)) > MOST_BIASES:
            raise InvalidParameter("logit_bias", f"{given} tokens", f"on vLLM give {MOST_BIASES} at most")
        if decoding.min_tokens and (given := len(decoding.stop_token_ids)) > _MOST_STOPS:
            raise InvalidParameter("stop_token_ids", f"{given} tokens", f"with min_tokens give {_MOST_STOPS} at most")

    def _living(self, cause: BaseException | None = None) -> AsyncLLM:
        """The engine, while it lives.

        Raises:
            EngineDead: it does not; from this cause.
        """
        if self._dead is None and self._llm is not None and self._llm.errored:
            self._dead = f"vLLM's engine process has ended (its log: {self._log_file})"
        if self._dead is not None or self._llm is None:
            raise EngineDead(self._dead or "the engine was closed") from cause
        return self._llm


def load(path: Path, settings: EngineSettings | None = None, on_progress: OnProgress | None = None) -> VllmEngine:
    """Start vLLM on a checkpoint; see `Loader`."""
    return VllmEngine.load(path, settings, on_progress)


def _shut_down(shutdown: Callable[..., None], children: Children) -> None:
    try:
        shutdown(timeout=0)
    except Exception:  # noqa: BLE001  whatever it is, its processes end now
        _log.exception("vLLM did not shut down cleanly")
    finally:
        children.kill()


def _refusal(error: Exception) -> DuihuaError:
    """A request that vLLM does not take, or lost."""
    cause = error.__cause__ or error
    if isinstance(cause, ValueError) or type(cause).__name__ == "VLLMValidationError":
        return InvalidParameter(str(getattr(cause, "parameter", None) or "request"), "given", _first_line(cause))
    return GenerationFailed(f"vLLM failed: {_first_line(cause)}")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
