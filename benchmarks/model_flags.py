"""The flags of the programs that run a made-up model on an engine, and the settings they mean."""

from __future__ import annotations

import gc
import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from geometries import GEOMETRIES
from settings_plugin import READ_BACK

from duihua.api.compose import read_checkpoint
from duihua.checkpoint.tokenizer import load_tokenizer
from duihua.config import ModelSettings
from duihua.engine.settings import EngineSettings
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.template import ChatTemplate

__all__ = ["add_model_flags", "engine_settings", "model_settings", "own_encoder", "resolved"]


def add_model_flags(parser: ArgumentParser, *, geometry: str, context_window: int) -> None:
    """Flags for the model's shape and how it is run; the named values are the defaults."""
    parser.add_argument("--geometry", choices=list(GEOMETRIES), default=geometry, help="shape of the made-up model")
    parser.add_argument("--load-format", choices=("auto", "dummy"), help="dummy: vLLM makes the weights up")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--context-window", type=int, default=context_window, metavar="TOKENS")
    parser.add_argument("--gpu-memory-share", type=float, metavar="SHARE")
    parser.add_argument("--tensor-parallel-size", type=int, metavar="GPUS")
    parser.add_argument("--eager", action="store_true", default=None, help="no compilation, no CUDA graphs")
    parser.add_argument(
        "--engine-arg", type=_named, action="append", default=[], metavar="NAME=VALUE", help="of vLLM; JSON or text"
    )
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep vLLM's logs there")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there what is printed")


def model_settings(arguments: Namespace, path: Path, engine: str) -> ModelSettings:
    """Which model, on which engine."""
    return ModelSettings(model=str(path), engine=engine, dtype=arguments.dtype, context_window=arguments.context_window)


def engine_settings(arguments: Namespace, *, kv_capacity: int, max_sequences: int, log: Path) -> EngineSettings:
    """How it is run; what belongs to vLLM is set only where a flag says so."""
    extra: dict[str, Any] = dict(arguments.engine_arg)
    load_format = arguments.load_format or ("auto" if GEOMETRIES[arguments.geometry].has_weights else "dummy")
    if load_format != "auto":
        extra["load_format"] = load_format
    return EngineSettings(
        dtype=arguments.dtype,
        context_window=arguments.context_window,
        kv_capacity=kv_capacity,
        max_sequences=max_sequences,
        queue_limit=max_sequences,
        gpu_memory_share=arguments.gpu_memory_share,
        tensor_parallel_size=arguments.tensor_parallel_size,
        eager=arguments.eager,
        engine_args=extra,
        log_file=log,
    )


def own_encoder(settings: ModelSettings) -> PromptEncoder:
    """An encoder of this model beside the chat's, so that using it leaves nothing in the chat's caches."""
    checkpoint = read_checkpoint(settings)
    assert checkpoint.chat_template is not None
    return PromptEncoder(load_tokenizer(checkpoint), ChatTemplate(checkpoint.chat_template, checkpoint.special_tokens))


def resolved() -> dict[str, str]:
    """What the vLLM of this process runs with, by the settings' last names; "-" where it knows none of that name.

    It is looked for among all objects, for our engine does not show it.
    """
    from vllm.v1.engine.async_llm import AsyncLLM

    (llm,) = (thing for thing in gc.get_objects() if isinstance(thing, AsyncLLM))
    values: dict[str, str] = {}
    for name in READ_BACK:
        value: Any = llm.vllm_config
        for part in name.split("."):
            value = getattr(value, part, "-")
        values[name.rpartition(".")[2]] = str(getattr(value, "name", value))
    return values


def _named(text: str) -> tuple[str, Any]:
    name, is_there, value = text.partition("=")
    if not is_there:
        raise ArgumentTypeError(f"{text!r} is no NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
