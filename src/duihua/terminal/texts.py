"""Every text of the interface, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from duihua.terminal.settings import Language

__all__ = ["TEXTS", "Say"]

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    # While a model is loaded
    "loading": ("duihua {version} · loading {model}", "duihua {version} · 正在加载 {model}"),
    "default_model": ("the demo", "演示模型"),
    "stage_download": ("downloading", "下载"),
    "stage_weights": ("reading weights", "读取权重"),
    "stage_device": ("moving to the device", "移到设备"),
    "stage_adapter": ("loading adapters", "加载适配器"),
    "stage_import": ("importing the engine", "导入引擎"),
    "stage_process": ("starting the engine's process", "启动引擎进程"),
    "stage_kv": ("sizing the KV cache", "规划 KV 缓存"),
    "stage_warmup": ("warming up", "预热"),
    "seconds": ("{seconds:,} s", "{seconds:,} 秒"),
    "serving": ("serving at {url}/v1 (docs at {url}/docs)", "服务地址：{url}/v1（文档：{url}/docs）"),
    # The banner
    "model": ("{name} · {title} · {origin}", "{name} · {title} · {origin}"),
    "origin_directory": ("a directory", "目录"),
    "origin_alias": ("an alias of yours", "自定义别名"),
    "origin_bundled": ("bundled with duihua", "随 duihua 内置"),
    "origin_huggingface": ("from Hugging Face", "来自 Hugging Face"),
    "origin_modelscope": ("from ModelScope", "来自 ModelScope"),
    "engine": (
        "{engine} on {device}, {dtype} · context window {window:,} tokens",
        "引擎 {engine}，设备 {device}，{dtype} · 上下文窗口 {window:,} token",
    ),
    "lora_on": ("{adapter} · LoRA on {base}", "{adapter} · {base} 的 LoRA"),
    "lora_ready": ("loaded beside it: {names} · /lora use NAME", "另已加载 {names} · 可用 /lora use 名称"),
    "engine_chosen": ("{engine} on {device}: {reason}", "{engine}，设备 {device}：{reason}"),
    "engine_size": (
        "{dtype} · context window {window:,} tokens",
        "{dtype} · 上下文窗口 {window:,} token",
    ),
    "reason_vllm_is_fastest": ("vLLM is installed and there is a GPU", "已安装 vLLM，且有 GPU"),
    "reason_vllm_is_missing": ("vLLM is not installed", "没有安装 vLLM"),
    "reason_no_gpu": (
        "vLLM is chosen only on a GPU (device cuda)",
        "只有在 GPU（设备 cuda）上才自动选用 vLLM",
    ),
    "template_is_ours": (
        "the checkpoint has no chat template: the one known for its family is used",
        "检查点没有对话模板：使用该系列模型通用的模板",
    ),
    "sees": (
        "it sees pictures: /image PATH or URL, /image paste, or drop a file on the line",
        "能看图片：/image 路径或网址、/image 粘贴，或把文件拖到输入行",
    ),
    "keys": (
        "/help for commands · Ctrl-C stops an answer · Ctrl-D or exit leaves",
        "/help 查看命令 · Ctrl-C 停止回答 · Ctrl-D 或 exit 离开",
    ),
    # After an answer
    "tokens": ("{count:,} token{s}", "{count:,} token"),
    "thinking_tokens": ("{count:,} of them thinking", "其中思考 {count:,}"),
    "speed": ("{speed:,.1f} tok/s", "{speed:,.1f} token/秒"),
    "first_token": ("first token {seconds:.2f} s", "首个 token {seconds:.2f} 秒"),
    "context": ("context {used:,}/{window:,}", "上下文 {used:,}/{window:,}"),
    "cached": ("cached {percent} %", "缓存 {percent} %"),
    "dropped": (
        "dropped {count} oldest exchange{s} ({tokens:,} tokens) · {kept:,}/{limit:,} kept · {total} dropped in all",
        "已丢弃最早的 {count} 轮（{tokens:,} token）· 保留 {kept:,}/{limit:,} · 累计丢弃 {total} 轮",
    ),
    "shortened": (
        "your message was too long: shortened from {before:,} tokens (overlong={overlong})",
        "消息过长：已从 {before:,} token 截短（overlong={overlong}）",
    ),
    "clamped": (
        "max_tokens {asked:,} is more than there is room for: {room:,} are left",
        "max_tokens {asked:,} 超出剩余空间：只剩 {room:,}",
    ),
    "cut_by_max_tokens": (
        "the answer was cut at max_tokens {limit}: {cure}",
        "回答在 max_tokens {limit} 处被截断：{cure}",
    ),
    "cut_by_window": (
        "the answer was cut: the context window of {window:,} tokens is full",
        "回答被截断：{window:,} token 的上下文窗口已满",
    ),
    "stopped": ("stopped; what was said is kept", "已停止；已说出的部分会保留"),
    "returned": (
        "stopped before the first word; your text is back in the line",
        "在第一个字之前停止；文字已放回输入行",
    ),
    "returned_pictures": (
        "stopped before the first word; your text and its pictures are back",
        "在第一个字之前停止；文字与图片均已放回",
    ),
    "cut_by_calls": (
        "the answer ended with calls that were not run: the turn's rounds or time were used up",
        "回答以未运行的调用结束：本轮的次数或时间已用完",
    ),
    "cut_by_results": (
        "the results no longer fit the context window of {window:,} tokens: the turn ended there",
        "结果超出 {window:,} token 的上下文窗口：本轮到此为止",
    ),
    "thinking": ("thinking:", "思考："),
    "thinking_now": ("thinking", "思考中"),
    "thought_for": ("thought for {seconds:.1f} s", "思考了 {seconds:.1f} 秒"),
    "answer": ("answer:", "回答："),
    # Tools
    "call_seconds": ("{seconds:.1f} s", "{seconds:.1f} 秒"),
    "call_no_words": ("(no words)", "（无文字）"),
    "call_open": ("(no result)", "（没有结果）"),
    "picture_unseen": ("{picture} · the model does not see it", "{picture} · 模型看不到它"),
    "allow_question": ("may it run? y yes · n no · a always: ", "可以运行吗？y 是 · n 否 · a 总是："),
    "allow_nobody": (
        "{name} was not run: it asks first, and nobody is here; --allow-tool {name} lets it run",
        "没有运行 {name}：它需要先询问，而此处无人应答；--allow-tool {name} 可放行",
    ),
    "approval_always": ("runs", "可运行"),
    "approval_ask": ("asks", "先询问"),
    "approval_never": ("never", "不运行"),
    "tools_opening": ("starting the tools", "正在启动工具"),
    "tools_none": (
        "there are no tools: start with --tools calculator,clock",
        "没有工具：可用 --tools calculator,clock 启动",
    ),
    "tools_unknown": (
        "the chat template of this model does not tell it of tools",
        "这个模型的对话模板不支持工具",
    ),
    "tools_left_out": (
        "the chat template of {name} does not tell it of tools: those of the settings are left out",
        "{name} 的对话模板不支持工具：未使用设置中的工具",
    ),
    "think_as_it_is": ("thinking is as the model has it", "是否思考由模型决定"),
    "think_on": ("the model thinks", "模型会思考"),
    "think_off": ("the model does not think", "模型不思考"),
    "think_shown": ("thinking is shown", "显示思考"),
    "think_hidden": ("thinking is hidden", "隐藏思考"),
    "think_usage": ("write /think on, off, show or hide", "写法：/think 开、关、显示、隐藏"),
    # At the prompt
    "how_to_leave": ("Ctrl-D or exit leaves", "按 Ctrl-D 或输入 exit 离开"),
    "error": ("error: {message}", "出错：{message}"),
    "unexpected": (
        "unexpected {message} (start with DUIHUA_DEBUG=1 to see where)",
        "意外错误 {message}（以 DUIHUA_DEBUG=1 启动可查看位置）",
    ),
    "engine_starts_again": (
        "the conversation is kept, and the next message starts the engine again",
        "对话已保留；下一条消息会重新启动引擎",
    ),
    "unknown_command": (
        "there is no command {name}{guess}; nothing was sent (a text that begins with / goes through after a space)",
        "没有命令 {name}{guess}；没有发送（以 / 开头的文字请在前面加一个空格）",
    ),
    "did_you_mean": (": did you mean {name}?", "：是否想输入 {name}？"),
    "no_argument": ("{name} takes nothing after it", "{name} 后面不接内容"),
    # Commands
    "help_keys": (
        'Enter sends · Ctrl-J or Alt-Enter: a new line · """ ... """ for several lines · arrow up: earlier input',
        'Enter 发送 · Ctrl-J 或 Alt-Enter 换行 · """ ... """ 输入多行 · 上箭头取回以前的输入',
    ),
    "cleared": ("forgotten; the system prompt and the settings stay", "已清空；系统提示词与设置不变"),
    "system_is": ("the system prompt is: {text}", "系统提示词：{text}"),
    "system_none": ("there is no system prompt", "没有系统提示词"),
    "system_set": ("from the next message on the system prompt is: {text}", "从下一条消息起，系统提示词为：{text}"),
    "system_removed": ("the system prompt is gone from the next message on", "从下一条消息起不再使用系统提示词"),
    "by_default": ("by default", "默认"),
    "set_unknown": ("there is no parameter {name}{guess}", "没有参数 {name}{guess}"),
    "set_wrong": ("{name} = {value} is not possible: give {expected}", "{name} = {value} 不行：请给出 {expected}"),
    "set_usage": (
        "write /set NAME VALUE; /set NAME default takes it back",
        "写法：/set 名称 值；/set 名称 default 恢复默认",
    ),
    "none": ("none", "无"),
    "picture": ("picture", "图片"),
    "picture_is": ("{name} {width}x{height}", "{name} {width}x{height}"),
    "picture_staged": ("with your message: {pictures}", "随消息发送：{pictures}"),
    "picture_none": (
        "no picture is staged: /image PATH or URL, /image paste",
        "没有待发送的图片：/image 路径或网址、/image 粘贴",
    ),
    "picture_cleared": ("no picture goes with your next message", "下一条消息不带图片"),
    "picture_reading": ("reading {name}", "正在读取 {name}"),
    "picture_stopped": ("stopped; that picture is not staged", "已停止；没有加入该图片"),
    "clipboard": ("clipboard", "剪贴板"),
    "base_model": ("the base model", "基座模型"),
    "lora_none": ("no adapter is loaded: /lora load DIR loads one", "没有加载适配器：用 /lora load 目录 加载"),
    "lora_rank": ("rank {rank}", "秩 {rank}"),
    "lora_in_use": ("in use", "使用中"),
    "lora_base_answers": (
        "the base model answers: /lora use NAME changes that",
        "由基座模型回答：可用 /lora use 名称 更换",
    ),
    "lora_loading": ("loading {name}", "正在加载 {name}"),
    "lora_loaded": (
        "{name} (rank {rank}) answers from the next message on; /lora off goes back",
        "从下一条消息起由 {name}（秩 {rank}）回答；/lora off 可改回",
    ),
    "lora_loaded_again": (
        "{name} (rank {rank}) takes the old one's place and answers from the next message on; /lora off goes back",
        "{name}（秩 {rank}）已替换原先同名的，从下一条消息起由它回答；/lora off 可改回",
    ),
    "lora_stopped": ("stopped; {name} is not used", "已停止；没有使用 {name}"),
    "lora_used": ("{name} answers from the next message on", "从下一条消息起由 {name} 回答"),
    "lora_off": ("the base model answers from the next message on", "从下一条消息起由基座模型回答"),
    "lora_unloaded": ("{name} is unloaded", "已卸载 {name}"),
    "lora_unknown": ("no adapter is called {name}{guess}", "没有适配器 {name}{guess}"),
    "lora_there_are": (": {names} can be used", "：可用 {names}"),
    "lora_usage": (
        "after /lora: load DIR [NAME], use NAME, off, unload NAME, or nothing for a list",
        "/lora 之后：load 目录 [名称]、use 名称、off、unload 名称；不写则列出",
    ),
    "compare_none": (
        "there is no adapter to compare with: /lora load DIR loads one",
        "没有可比较的适配器：用 /lora load 目录 加载",
    ),
    "compare_usage": (
        "there is no message yet to compare answers to: write /compare TEXT",
        "还没有可比较的消息：请写 /compare 文字",
    ),
    "compare_done": (
        "none of this is in the conversation's context: it goes on as it was",
        "以上内容不进入对话的上下文；对话照旧",
    ),
    "compare_stopped": ("stopped; the conversation's context is as it was", "已停止；对话的上下文不变"),
    "context_empty": ("nothing was said yet", "还没有对话"),
    "context_total": (
        "{used:,} of {limit:,} tokens · window {window:,}, of which {reserve:,} are kept for the answer",
        "{used:,}/{limit:,} token · 窗口 {window:,}，其中为回答预留 {reserve:,}",
    ),
    "context_dropped": (
        "{count} older exchange{s} not sent any more ({tokens:,} tokens)",
        "更早的 {count} 轮不再发送（{tokens:,} token）",
    ),
    "context_usage": ("write /context or /context raw", "写法：/context 或 /context raw"),
    "role_system": ("system", "系统"),
    "role_user": ("you", "你"),
    "role_assistant": ("model", "模型"),
    "role_tool": ("tool", "工具"),
    "owner_template": ("template", "模板"),
    "owner_tools": ("tools", "工具"),
}


class Say:
    """Says a text by its name in one language: `say("dropped", count=3, ...)`.

    `{s}` in an English text is the plural's ending for `count`.
    """

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __call__(self, name: str, /, **values: object) -> str:
        """The text with its values filled in; KeyError for a name that is none of `TEXTS`."""
        return self.choose(*TEXTS[name]).format(s="" if values.get("count") == 1 else "s", **values)

    def choose(self, en: str, zh: str) -> str:
        """The one of two texts that is in this language."""
        return zh if self.language == "zh" else en
