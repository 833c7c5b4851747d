"""The composition root: the one place where a checkpoint, a prompt encoder and an engine become a `Chat`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from duihua.chat.chat import Chat, Stops
from duihua.chat.protocol import ModelInfo
from duihua.checkpoint import Checkpoint, Fetch, Located, locate, read
from duihua.checkpoint.adapters import Adapter, check_fit, read_adapter
from duihua.checkpoint.locate import locate_adapter
from duihua.checkpoint.tokenizer import load_tokenizer
from duihua.config import ModelSettings, new_log_file
from duihua.engine.catalogue import engine_loader
from duihua.engine.choice import choose_engine
from duihua.engine.protocol import Engine
from duihua.engine.settings import EngineSettings
from duihua.engine.supervised import SupervisedEngine
from duihua.errors import ConfigError, ModelNotFound
from duihua.parsing.catalogue import format_of
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.images import read_image_placer
from duihua.prompt.template import ChatTemplate, variables_of
from duihua.prompt.vocabulary import Vocabulary
from duihua.prompt.window import Window
from duihua.sampling import OUR_DEFAULTS

__all__ = ["OnProgress", "compose", "fetch_of", "locate_model", "open_chat", "read_checkpoint"]

OnProgress = Callable[[str, float], None]
"""Told a stage and the fraction of it that is done, from 0 to 1; called from any thread."""


async def open_chat(
    settings: ModelSettings,
    engine_settings: EngineSettings = EngineSettings(),
    *,
    on_progress: OnProgress | None = None,
    restarts: int = 3,
) -> Chat:
    """Load a model and start talking to it; whoever opens it closes it.

    Args:
        settings: which model; its device, dtype, context window and permissions go before the engine's.
        engine_settings: how it is run.
        on_progress: told the stage and the fraction of it that is done.
        restarts: how often in a row an engine that died is started again.

    Raises:
        ConfigError: settings that cannot be followed.
        ModelError: the model is not found, is broken, or cannot run here.
    """
    choice = await asyncio.to_thread(choose_engine, settings.engine, device=settings.device)
    loader = engine_loader(choice.name)
    located = await asyncio.to_thread(locate_model, settings, on_progress)
    checkpoint = await asyncio.to_thread(_read, located, settings)
    encoder, vocabulary = await asyncio.to_thread(_read_encoder, checkpoint, settings.tokenizer)
    adapters = await asyncio.to_thread(_read_adapters, settings, located, checkpoint)
    # vLLM sets memory aside for adapters when it starts; elsewhere there is no limit that nobody set.
    first = list(adapters.values()) if choice.name == "vllm" else []
    engine_settings = _complete(settings, engine_settings, checkpoint, first)

    async def start() -> Engine:
        return await asyncio.to_thread(loader, checkpoint.path, engine_settings, on_progress)

    engine = await SupervisedEngine.start(start, restarts=restarts)
    try:
        chat = compose(
            checkpoint, engine, encoder, vocabulary, engine_reason=choice.reason, adapter=located.adapter_name
        )
        for number, (name, adapter) in enumerate(adapters.items()):
            if on_progress is not None:
                on_progress("adapter", number / len(adapters))
            await chat.load_adapter(name, adapter.path)
    except BaseException:
        await engine.aclose()
        raise
    return chat


def _read_adapters(settings: ModelSettings, located: Located, checkpoint: Checkpoint) -> dict[str, Adapter]:
    """The adapters that are loaded at the start, read and compared with the model before its weights are."""
    wanted = {name: str(path) for name, path in settings.adapters.items()}
    if located.adapter is not None and located.adapter_name is not None:
        if located.adapter_name in wanted:
            raise ConfigError(
                f"two adapters would be called {located.adapter_name!r}, the model itself and "
                f"{wanted[located.adapter_name]}: give that one another name"
            )
        wanted = {located.adapter_name: str(located.adapter), **wanted}
    fetch = replace(fetch_of(settings), revision=None)
    return {name: _fitting(locate_adapter(path, fetch=fetch), checkpoint) for name, path in wanted.items()}


def _complete(
    settings: ModelSettings, engine_settings: EngineSettings, checkpoint: Checkpoint, adapters: Sequence[Adapter]
) -> EngineSettings:
    """The engine's settings with what the model's say, and room for the adapters that are loaded first."""
    first = max((adapter.rank for adapter in adapters), default=None)
    return replace(
        engine_settings,
        device=settings.device,
        dtype=settings.dtype,
        context_window=settings.context_window or checkpoint.context_window,
        trust_remote_code=settings.trust_remote_code,
        allow_pickle=settings.allow_pickle,
        max_adapters=engine_settings.max_adapters or len(adapters) or None,
        max_adapter_rank=engine_settings.max_adapter_rank or first,
        log_file=engine_settings.log_file or new_log_file(),
    )


def locate_model(settings: ModelSettings, on_progress: OnProgress | None = None) -> Located:
    """Find a model's files, and its adapter's where it is one, downloading them where its name says so.

    Raises:
        ConfigError, ModelError: see `locate`.
    """
    return locate(
        settings.model,
        base=settings.base,
        aliases=settings.aliases,
        fetch=fetch_of(settings),
        on_progress=on_progress,
    )


def read_checkpoint(settings: ModelSettings, on_progress: OnProgress | None = None) -> Checkpoint:
    """Find and read a model's files, downloading them where its name says so; no weight is loaded.

    Raises:
        ModelError: see `locate` and `read`.
    """
    return _read(locate_model(settings, on_progress), settings)


def _read(located: Located, settings: ModelSettings) -> Checkpoint:
    return read(located, trust_remote_code=settings.trust_remote_code, allow_pickle=settings.allow_pickle)


def fetch_of(settings: ModelSettings) -> Fetch:
    """How a model's files are downloaded."""
    return Fetch(
        revision=settings.revision,
        cache_dir=None if settings.cache_dir is None else Path(settings.cache_dir),
        allow_pickle=settings.allow_pickle,
        trust_remote_code=settings.trust_remote_code,
    )


def _read_encoder(checkpoint: Checkpoint, directory: str | None) -> tuple[PromptEncoder, Vocabulary]:
    """What the checkpoint's tokenizer and template make; `directory` may hold another tokenizer."""
    if directory is not None and not Path(directory).is_dir():
        raise ModelNotFound(f"the tokenizer {directory!r} is no directory: pass one that holds tokenizer.json")
    tokenizer = load_tokenizer(replace(checkpoint, path=Path(directory)) if directory else checkpoint)
    source = checkpoint.chat_template
    template = None if source is None else ChatTemplate(source, checkpoint.special_tokens)
    images = read_image_placer(checkpoint, tokenizer)
    return PromptEncoder(tokenizer, template, images=images), Vocabulary(tokenizer)


def compose(
    checkpoint: Checkpoint,
    engine: Engine,
    encoder: PromptEncoder,
    vocabulary: Vocabulary,
    *,
    engine_reason: str | None = None,
    adapter: str | None = None,
) -> Chat:
    """A chat over a started engine.

    Args:
        engine_reason: why it is this engine, see `choose_engine`.
        adapter: the adapter that turns use which name none; whoever composes loads it.
    """
    defaults = replace(checkpoint.defaults, stop_token_ids=None).over(OUR_DEFAULTS)
    stops = _stops(checkpoint, vocabulary)
    return Chat(
        engine,
        encoder,
        vocabulary,
        window=Window(
            encoder,
            context_window=engine.info.context_window,
            max_input_tokens=checkpoint.max_input_tokens,
            max_images=engine.info.max_images,
        ),
        info=ModelInfo(
            name=checkpoint.name,
            title=checkpoint.family.title,
            origin=checkpoint.origin,
            context_window=engine.info.context_window,
            can_chat=checkpoint.chat_template is not None,
            template_is_ours=checkpoint.template_is_ours,
            defaults=defaults,
            engine=engine.info,
            max_images=engine.info.max_images if encoder.takes_images else 0,
            sees_results=bool(engine.info.max_images) and encoder.sees_results,
            engine_reason=engine_reason,
            adapter=adapter,
            knows_tools=stops.calls is not None and encoder.knows_tools,
            thinking_switch=encoder.thinking_switch,
            variables=variables_of(checkpoint.chat_template or ""),
        ),
        stops=stops,
        read_adapter=lambda path: _fitting(locate_adapter(str(path)), checkpoint),
    )


def _stops(checkpoint: Checkpoint, vocabulary: Vocabulary) -> Stops:
    ids = [vocabulary.id_of(literal) for literal in checkpoint.family.stop_literals]
    ids += checkpoint.defaults.stop_token_ids or ()
    return Stops(
        token_ids=tuple(dict.fromkeys(token_id for token_id in ids if token_id is not None)),
        reasoning=checkpoint.family.reasoning,
        calls=format_of(checkpoint.chat_template, checkpoint.family.tool_format),
    )


def _fitting(path: Path, checkpoint: Checkpoint) -> Adapter:
    """The adapter in a directory, compared with the model."""
    adapter = read_adapter(path)
    check_fit(adapter, checkpoint)
    return adapter
