"""What stands on the page, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import gradio as gr
from gradio.themes import Default

from duihua.chat.protocol import ModelInfo
from duihua.web.texts import Say
from duihua.web.visit import Wishes

__all__ = ["CSS", "HEAD", "SAMPLED", "Parts", "lay_out", "theme"]

SAMPLED: Final = ("temperature", "top_p", "repetition_penalty", "max_tokens", "seed")
_LATEX: Final = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]
CSS: Final = """
#box textarea { min-height: 3.6em; } /* two lines; were they Gradio's, Enter would not send */
#status { min-height: 1.6em; }
#status span { font-size: 0.85em; color: var(--body-text-color-subdued); }
#status span.error { color: var(--error-text-color); }
#heading h1 { margin: 0; font-size: 1.4em; }
#heading p { margin: 0; font-size: 0.85em; color: var(--body-text-color-subdued); }
"""
# An input method's Enter picks a word; Gradio would send the message.
HEAD: Final = """<script>
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.isComposing || event.keyCode === 229)) event.stopPropagation();
}, true);
</script>"""

Component = Any
"""One of Gradio's; it makes the methods of their events while running, where no type checker sees them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything on the page that changes, or that something is read from."""

    visit: Component  # a visitor's `Visit`, on our side only
    view: Component
    status: Component
    box: Component
    order: Component  # hidden: tells the box what to do with what was typed
    send: Component
    stop: Component
    retry: Component
    clear: Component
    side: Component  # holds the panel
    panel: tuple[Component, ...]  # system prompt, adapter, exchanges kept, and one for each of `SAMPLED`


def theme() -> Default:
    """Gradio's own look with the fonts of the visitor's system."""
    return Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def lay_out(say: Say, info: ModelInfo, adapters: Iterable[str], wishes: Wishes, title: str) -> Parts:
    """Put everything on the page that is open.

    Args:
        adapters: names of those that are loaded.
        wishes: what the panel starts with.
    """
    gr.HTML(_heading(say, info, title), elem_id="heading")
    view = gr.Chatbot(
        label=say("chat_label"),
        elem_id="chat",
        height="calc(100dvh - 22rem)",
        min_height=200,
        scale=1,
        buttons=["copy"],
        latex_delimiters=_LATEX,
        feedback_options=None,
    )
    status = gr.HTML(elem_id="status")
    box = gr.Textbox(
        label=say("input_label"), placeholder=say("input_hint"), elem_id="box", max_lines=12, autofocus=True
    )
    with gr.Row():
        send = gr.Button(say("send"), variant="primary", elem_id="send")
        stop = gr.Button(say("stop"), variant="stop", elem_id="stop", visible=False)
        retry = gr.Button(say("retry"), elem_id="retry")
        clear = gr.Button(say("clear"), elem_id="clear")
    with gr.Sidebar(label=say("panel"), position="right") as side:
        panel = _panel(say, info, list(adapters), wishes)
    return Parts(
        visit=gr.State(),
        view=view,
        status=status,
        box=box,
        order=gr.Textbox(visible="hidden", elem_id="order"),
        send=send,
        stop=stop,
        retry=retry,
        clear=clear,
        side=side,
        panel=panel,
    )


def _heading(say: Say, info: ModelInfo, title: str) -> str:
    engine = say("engine", engine=info.engine.name, device=info.engine.device, window=info.context_window)
    lines = [" · ".join([info.title, engine])]
    if info.template_is_ours:
        lines.append(say("template_is_ours"))
    return f"<h1>{escape(title)}</h1>" + "".join(f"<p>{escape(line)}</p>" for line in lines)


def _panel(say: Say, info: ModelInfo, adapters: list[str], wishes: Wishes) -> tuple[Component, ...]:
    gr.Markdown(f"### {say('panel')}\n{say('panel_hint')}")
    system = gr.Textbox(wishes.system, label=say("system"), lines=3, max_lines=12, elem_id="system")
    adapter = gr.Dropdown(
        [(say("base_model"), ""), *((name, name) for name in adapters)],
        value=info.adapter_of(wishes.adapter) or "",
        label=say("adapter"),
        visible=bool(adapters),
        elem_id="adapter",
    )
    unsaid = {"max_tokens": say("as_much_as_fits"), "seed": say("drawn_anew")}
    numbers = [_number(say, "history_turns", wishes.window.max_exchanges, say("as_many_as_fit"))]
    for name in SAMPLED:
        default = getattr(info.defaults, name)
        hint = unsaid.get(name, "") if default is None else str(default)
        numbers.append(_number(say, name, getattr(wishes.sampling, name), hint))
    return system, adapter, *numbers


def _number(say: Say, name: str, value: float | None, hint: str) -> Component:
    """A box that may be empty and then shows what counts; Gradio's own for numbers has a 0 for nothing."""
    text = None if value is None else str(value)
    return gr.Textbox(text, label=say(name), placeholder=hint, max_lines=1, elem_id=name)
