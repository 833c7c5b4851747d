"""Every text of the page, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

__all__ = ["TEXTS", "Language", "Say"]

Language = Literal["en", "zh"]

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    # In the terminal
    "open": ("open {url} in a browser · Ctrl-C ends it", "请用浏览器打开 {url} · 按 Ctrl-C 结束"),
    # Around the conversation
    "engine": (
        "{engine} on {device} · context window {window:,} tokens",
        "引擎 {engine}，设备 {device} · 上下文窗口 {window:,} token",
    ),
    "template_is_ours": (
        "the checkpoint has no chat template: the one known for its family is used",
        "检查点没有对话模板：使用该系列模型通用的模板",
    ),
    "input_label": ("Message", "消息"),
    "input_hint": ("Enter sends, Shift-Enter begins a new line", "Enter 发送，Shift-Enter 换行"),
    "chat_label": ("Conversation", "对话"),
    "send": ("Send", "发送"),
    "stop": ("Stop", "停止"),
    "retry": ("Retry", "重试"),
    "clear": ("New conversation", "新对话"),
    "thinking": ("Thinking", "思考"),
    "called": ("Tool: {name}", "工具：{name}"),
    # The panel
    "panel": ("Settings", "设置"),
    "panel_hint": ("They count from the next message on.", "从下一条消息起生效。"),
    "system": ("System prompt", "系统提示词"),
    "adapter": ("Adapter", "适配器"),
    "base_model": ("the base model", "基座模型"),
    "history_turns": ("Exchanges kept", "保留的轮数"),
    "as_many_as_fit": ("as many as fit", "能放下多少就多少"),
    "temperature": ("Temperature", "温度"),
    "top_p": ("Top p", "Top p"),
    "repetition_penalty": ("Repetition penalty", "重复惩罚"),
    "max_tokens": ("Longest answer, in tokens", "回答最多的 token 数"),
    "seed": ("Seed", "随机种子"),
    "as_much_as_fits": ("as much as there is room for", "有多少空间就多少"),
    "drawn_anew": ("drawn anew each time", "每次随机"),
    # Under an answer
    "tokens": ("{count:,} token{s}", "{count:,} token"),
    "speed": ("{speed:,.1f} tok/s", "{speed:,.1f} token/秒"),
    "context": ("context {used:,}/{window:,}", "上下文 {used:,}/{window:,}"),
    "dropped": ("{count} oldest turn{s} dropped, {tokens:,} tokens", "已丢弃最早的 {count} 轮，{tokens:,} token"),
    "shortened": (
        "your message was too long: shortened from {before:,} tokens",
        "消息过长：已从 {before:,} token 截短",
    ),
    "cut_by_max_tokens": ("the answer was cut at {limit:,} tokens", "回答在 {limit:,} token 处被截断"),
    "cut_by_window": (
        "the answer was cut: the context window is full",
        "回答被截断：上下文窗口已满",
    ),
    "stopped": ("stopped; what was said is kept", "已停止；已说出的部分会保留"),
    "returned": ("stopped before the first word; your text is back in the box", "在第一个字之前停止；文字已放回输入框"),
    "error": ("error: {message}", "出错：{message}"),
    "unexpected": ("unexpected {message}", "意外错误 {message}"),
    "engine_starts_again": (
        "the conversation is kept, and the next message starts the engine again",
        "对话已保留；下一条消息会重新启动引擎",
    ),
    "failed": ("Cut by an error; not in the conversation", "因出错中断；不计入对话"),
}


class Say:
    """Says a text by its name in one language: `say("dropped", count=3, ...)`.

    `{s}` in an English text is the plural's ending for `count`.
    """

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __call__(self, name: str, /, **values: object) -> str:
        """The text with its values filled in; KeyError for a name that is none of `TEXTS`."""
        text = TEXTS[name][self.language == "zh"]
        return text.format(s="" if values.get("count") == 1 else "s", **values)
