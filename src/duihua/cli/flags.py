"""Every argument and flag of the command, in one table; most of them are settings of `duihua.config`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from duihua.cli.flag import Body, Flag
from duihua.cli.front_flags import FRONT_FLAGS
from duihua.cli.tool_flags import TOOL_FLAGS
from duihua.config import keys, read_settings
from duihua.errors import ConfigError
from duihua.terminal.settings import Language

__all__ = ["ENGINE", "MODEL", "SAMPLING", "SERVE", "TERMINAL", "THINKING", "TOOLS", "WEB", "Body", "Flag", "taking"]


MODEL: Final = tuple(
    f"model.{name}"
    for name in (
        "engine",
        "device",
        "dtype",
        "context_window",
        "tokenizer",
        "revision",
        "cache_dir",
        "trust_remote_code",
        "allow_pickle",
        "base",
        "adapters",
    )
)
SAMPLING: Final = tuple(
    f"sampling.{name}"
    for name in (
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "repetition_penalty",
        "presence_penalty",
        "frequency_penalty",
        "max_tokens",
        "stop",
        "seed",
    )
)
TERMINAL: Final = ("terminal.system", "terminal.history_turns", "terminal.overlong")
TOOLS: Final = ("tools.built_in", "tools.files", "tools.mcp", "tools.allow")
THINKING: Final = ("terminal.think", "terminal.thinking", "terminal.max_thinking_tokens")


def _any_value(text: str) -> object:
    """What a text stands for where no type is known: JSON where it is JSON, else itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _object(text: str) -> Mapping[str, Any]:
    value = _any_value(text)
    if not isinstance(value, dict):
        raise ConfigError(f"--speculative-config {text!r} is not possible: give a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]


_FLAGS: Final[Mapping[str, Flag]] = {
    flag.key: flag
    for flag in (
        Flag(
            "model.model",
            "A checkpoint directory, an alias, a bundled name, a Hugging Face id, or modelscope:org/name. "
            "Nothing means the demo.",
            "检查点目录、别名、内置模型名、Hugging Face 名，或 modelscope:org/name。不写就是演示模型。",
            metavar="MODEL",
            is_argument=True,
        ),
        Flag(
            "text",
            "Show the ids and pieces of this text; control literals in it are control tokens.",
            "显示这段文字的 id 与切分；其中的控制标记按控制 token 处理。",
            kind=str,
            metavar="[TEXT]",
            is_argument=True,
        ),
        Flag(
            "merge_base",
            "The adapter's base: any MODEL.",
            "适配器的基座模型。",
            kind=str,
            metavar="BASE",
            is_argument=True,
        ),
        Flag(
            "merge_adapter",
            "The adapter: a directory, a bundled name or a hub id.",
            "适配器：目录、内置名或 Hugging Face 名。",
            kind=str,
            metavar="ADAPTER",
            is_argument=True,
        ),
        Flag("merge_out", "A directory to make.", "要写入的新目录。", kind=str, metavar="OUT", is_argument=True),
        Flag(
            "prompt",
            "Ask this, print the answer and leave. Text piped in is added after a blank line.",
            "只问这一句，打印回答后退出。从管道读入的文字接在后面，中间空一行。",
            names=("-p", "--prompt"),
            kind=str,
            metavar="TEXT",
        ),
        Flag(
            "raw",
            "Continue this text; control literals in it are control tokens. Read from the pipe when left out.",
            "续写这段文字；其中的控制标记按控制 token 处理。不写则从管道读入。",
            names=("-p", "--prompt"),
            kind=str,
            metavar="TEXT",
        ),
        Flag(
            "image",
            "Send this picture with the first message: a path or a URL; may be given several times.",
            "随第一条消息发送这张图片：路径或网址；可写多次。",
            kind=list[str],
            metavar="PATH|URL",
        ),
        Flag(
            "replay",
            "Hold one conversation from a file: each line is a user message. - reads the pipe.",
            "按文件进行一场对话：每行一条用户消息。- 表示从管道读入。",
            kind=str,
            metavar="FILE",
        ),
        Flag("json", "Print events as JSON lines.", "以 JSON 行打印事件。", kind=bool, names=("--json",)),
        Flag(
            "config",
            "Read this file instead of the user's duihua.toml.",
            "读这个文件，不读用户的 duihua.toml。",
            kind=Path,
            metavar="FILE",
        ),
        Flag("terminal.system", "The system prompt.", "系统提示词。", metavar="TEXT"),
        Flag("terminal.history_turns", "Keep at most so many exchanges.", "最多保留这么多轮对话。", metavar="N"),
        Flag(
            "terminal.overlong",
            "Where to cut a message that alone is too long; without it such a message is refused.",
            "单条消息过长时从哪里截短；不写则拒绝这样的消息。",
        ),
        Flag(
            "terminal.preview",
            "How to draw a picture that is given, at the keyboard; auto: if the terminal is known to do it.",
            "键盘对话中如何显示所给的图片；auto：已知终端支持时才显示。",
        ),
        Flag("terminal.language", "Language of the interface.", "界面语言。", names=("--lang",)),
        Flag("terminal.color", "When to use colour.", "何时使用颜色。"),
        Flag(
            "model.engine",
            "What runs the model: auto, transformers or vllm.",
            "运行模型的引擎：auto、transformers 或 vllm。",
        ),
        Flag(
            "model.base",
            "Base model of an adapter, where it is not the one that the adapter names.",
            "适配器的基座模型；不写则用适配器里记录的。",
            metavar="MODEL",
        ),
        Flag(
            "model.adapters",
            "Load this LoRA adapter under a name; may be given several times.",
            "以某个名字加载 LoRA 适配器；可写多次。",
            names=("--adapter",),
            metavar="NAME=DIR",
            is_table=True,
        ),
        Flag("engine.max_sequences", "Answers generated at once.", "同时生成的回答数。", metavar="N"),
        Flag(
            "engine.kv_capacity",
            "Tokens whose keys and values are held, over all conversations.",
            "所有对话合计缓存键值的 token 数。",
            metavar="N",
        ),
        Flag(
            "engine.max_images",
            "Pictures in one prompt at most, of a model that sees; 0 takes none.",
            "一次提示中最多的图片数（视觉模型）；0 表示不接受图片。",
            metavar="N",
        ),
        Flag("engine.threads", "CPU threads (transformers).", "CPU 线程数（transformers）。", metavar="N"),
        Flag(
            "engine.max_adapters",
            "LoRA adapters that may be loaded at once; on vLLM this must be said to load them later.",
            "可同时加载的 LoRA 适配器数；在 vLLM 上，要在运行中加载就必须写明。",
            metavar="N",
        ),
        Flag("engine.max_adapter_rank", "Highest rank of an adapter.", "适配器的最高秩。", metavar="N"),
        Flag(
            "engine.gpu_memory_share",
            "vLLM: share of each GPU's memory to use, such as 0.9.",
            "vLLM：每块 GPU 使用的显存比例，如 0.9。",
            metavar="SHARE",
        ),
        Flag(
            "engine.tensor_parallel_size", "vLLM: GPUs that share each layer.", "vLLM：张量并行的 GPU 数。", metavar="N"
        ),
        Flag(
            "engine.pipeline_parallel_size",
            "vLLM: groups of GPUs that hold some of the layers each.",
            "vLLM：流水线并行的组数。",
            metavar="N",
        ),
        Flag("engine.data_parallel_size", "vLLM: copies of the model.", "vLLM：模型的副本数。", metavar="N"),
        Flag(
            "engine.distributed_executor_backend",
            "vLLM: how several GPUs are run.",
            "vLLM：多 GPU 的运行方式。",
        ),
        Flag(
            "engine.quantization",
            "vLLM: quantise while loading (fp8, bitsandbytes, ...).",
            "vLLM：加载时量化（fp8、bitsandbytes 等）。",
            metavar="METHOD",
        ),
        Flag(
            "engine.eager",
            "vLLM: no CUDA graphs and no compilation; starts sooner, runs slower.",
            "vLLM：不用 CUDA 图与编译；启动更快，运行更慢。",
        ),
        Flag("engine.prefix_caching", "vLLM: keep the KV of shared prefixes.", "vLLM：缓存相同前缀的键值。"),
        Flag("engine.chunked_prefill", "vLLM: compute long prompts in pieces.", "vLLM：分块计算长提示。"),
        Flag(
            "engine.gather_ms",
            "vLLM: how long a token may wait for the next ones while many answers run; 0: never.",
            "vLLM：许多回答同时生成时，一个词元最多等待后续词元多久；0 为从不等待。",
            metavar="MILLISECONDS",
        ),
        Flag(
            "engine.kv_cache_dtype",
            "vLLM: number format of keys and values (auto, fp8, ...).",
            "vLLM：键值的数值格式（auto、fp8 等）。",
            metavar="DTYPE",
        ),
        Flag(
            "engine.speculative_config",
            "vLLM: speculative decoding, as JSON.",
            "vLLM：推测解码，写成 JSON。",
            kind=str,
            read=_object,
            metavar="JSON",
        ),
        Flag(
            "engine.engine_args",
            "vLLM: any other engine argument; may be given several times.",
            "vLLM：其他任意引擎参数；可写多次。",
            names=("--engine-arg",),
            metavar="NAME=VALUE",
            is_table=True,
            read=_any_value,
        ),
        Flag("model.device", "auto, cpu, cuda, cuda:0, mps.", "auto、cpu、cuda、cuda:0、mps。"),
        Flag("model.dtype", "auto, float32, bfloat16, float16.", "auto、float32、bfloat16、float16。"),
        Flag(
            "model.context_window",
            "Tokens of prompt and answer together; at most the model's own.",
            "提示与回答合计的 token 数；不超过模型自身的上限。",
            metavar="N",
        ),
        Flag("model.tokenizer", "Use the tokenizer of this directory.", "使用这个目录里的分词器。", metavar="DIR"),
        Flag("model.revision", "Branch, tag or commit of a hub model.", "模型库中的分支、标签或提交。"),
        Flag("model.cache_dir", "Where downloads are kept.", "下载内容的存放目录。", metavar="DIR"),
        Flag(
            "model.trust_remote_code",
            "Run Python code that comes with the checkpoint.",
            "允许运行检查点自带的 Python 代码。",
        ),
        Flag(
            "model.allow_pickle",
            "Read pickled weights, which can run code too.",
            "允许读取 pickle 权重（同样可能执行代码）。",
        ),
        *FRONT_FLAGS,
        *TOOL_FLAGS,
        Flag("sampling.temperature", "0 is greedy.", "0 为贪心解码。"),
        Flag("sampling.top_p", "Sample from the likeliest tokens of this total probability.", "只在累计概率内采样。"),
        Flag(
            "sampling.top_k", "Sample from so many likeliest tokens; -1 for all.", "只在最可能的 k 个中采样；-1 不限。"
        ),
        Flag(
            "sampling.min_p",
            "Leave out tokens below this share of the likeliest one.",
            "去掉低于最高概率此比例的 token。",
        ),
        Flag("sampling.repetition_penalty", "1 is none.", "1 为无惩罚。"),
        Flag("sampling.presence_penalty", "-2 to 2; 0 is none.", "-2 到 2；0 为无惩罚。"),
        Flag("sampling.frequency_penalty", "-2 to 2; 0 is none.", "-2 到 2；0 为无惩罚。"),
        Flag("sampling.max_tokens", "Longest answer, in tokens.", "回答最多的 token 数。", metavar="N"),
        Flag(
            "sampling.stop",
            "End the answer before this text; may be given several times.",
            "遇到这段文字就结束回答；可写多次。",
            kind=list[str],
            metavar="TEXT",
        ),
        Flag("sampling.seed", "Makes sampling repeatable.", "使采样可重复。", metavar="N"),
    )
}
ENGINE: Final = tuple(key for key in _FLAGS if key.startswith("engine."))
SERVE: Final = tuple(key for key in _FLAGS if key.startswith("serve."))
WEB: Final = tuple(key for key in _FLAGS if key.startswith("web."))
_ALWAYS: Final = ("config", "terminal.language", "terminal.color")


def taking(body: Body, language: Language) -> Callable[..., None]:
    """A function whose signature Typer can read, and which puts the settings together for `body`.

    Raises, when called:
        ConfigError: settings that cannot be.
    """
    flags = [_FLAGS[key] for key in (*body.flags, *_ALWAYS)]

    def run(**values: Any) -> None:
        said = {flag.key: _plain(values[flag.name], flag) for flag in flags}
        settings = read_settings({key: said.pop(key) for key in keys() if key in said}, file=said.pop("config"))
        body.run(settings=settings, **said)

    parameters = [flag.parameter(language, required=flag.key in body.required) for flag in flags]
    run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]  Typer reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _plain(value: Any, flag: Flag) -> Any:
    read = flag.read or str
    if flag.is_table and value:
        return {name: read(text) for name, text in (_parted(item, flag) for item in value)}
    if flag.read is not None and isinstance(value, str):
        return flag.read(value)
    return (tuple(value) or None) if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]


def _parted(item: str, flag: Flag) -> tuple[str, str]:
    """NAME=VALUE taken apart."""
    name, separator, value = item.partition("=")
    if not separator or not name.strip() or not value.strip():
        raise ConfigError(f"{flag.names[0]} {item!r} is not possible: write {flag.metavar}")
    return name.strip(), value.strip()
