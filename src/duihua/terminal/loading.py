"""The first words on the screen, how far loading is, and the banner when the model is ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from duihua.terminal.output import Output
from duihua.terminal.texts import TEXTS, Say

if TYPE_CHECKING:  # it brings the tokenizer library, and the first line shows before that
    from duihua.chat.protocol import ModelInfo

__all__ = ["LoadingLine", "banner", "model_lines", "stage_words", "template_note"]

_PATIENCE_S: Final = 3  # before the seconds are counted on the screen
_ENGINES: Final[Mapping[str, str]] = {"transformers": "Transformers", "vllm": "vLLM"}


def stage_words(say: Say, stage: str, fraction: float) -> str:
    """How far a stage of loading is; no more than its name where the fraction is below 0, that is unknown."""
    name = f"stage_{stage}"
    words = say(name) if name in TEXTS else stage
    return words if fraction < 0 else f"{words} {fraction:.0%}"


class LoadingLine:
    """One line, while inside it: what is loaded, how far that is, and for how long it has been going on.

    A thread of its own keeps the seconds going: loading holds the event loop at times.

    Args:
        text: what is loaded; stands there at once.
        clock: seconds.
        tick_s: how often to look at it.
    """

    def __init__(
        self,
        output: Output,
        say: Say,
        text: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        tick_s: float = 0.5,
    ) -> None:
        self._output, self._say, self._text = output, say, text
        self._clock, self._tick_s = clock, tick_s
        self._started = clock()
        self._words = self._shown = ""
        self._lock = threading.RLock()  # a signal's handler may come while its own thread draws
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._output.progress(self._text)
        if self._output.notes.is_terminal:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def on_progress(self, stage: str, fraction: float) -> None:
        """Take in how far a stage is; from any thread, and without effect once the line is gone."""
        self._words = f" · {stage_words(self._say, stage, fraction)}"
        self._draw()

    def stop(self) -> None:
        """Take the line away for good. Safe to call twice."""
        self._ended.set()
        with self._lock:
            self._output.end_progress()

    def _tick(self) -> None:
        while not self._ended.wait(self._tick_s):
            self._draw()

    def _draw(self) -> None:
        seconds = int(self._clock() - self._started)
        since = f" · {self._say('seconds', seconds=seconds)}" if seconds >= _PATIENCE_S else ""
        with self._lock:
            if (tail := self._words + since) != self._shown and not self._ended.is_set():
                self._shown = tail
                self._output.progress(self._text, tail)


def banner(output: Output, say: Say, info: ModelInfo, adapters: Iterable[str] = ()) -> None:
    """What is talked to, on what, and how to leave.

    Args:
        adapters: names of those that are loaded.
    """
    model_lines(output, say, info, adapters)
    if info.max_images:
        output.note(say("sees"))
    output.note(say("keys"))
    output.note("")


def model_lines(output: Output, say: Say, info: ModelInfo, adapters: Iterable[str] = ()) -> None:
    """What is talked to, and on what."""
    origin = say(f"origin_{info.origin}") if f"origin_{info.origin}" in TEXTS else info.origin
    name = info.name if info.adapter is None else say("lora_on", adapter=info.adapter, base=info.name)
    output.note(say("model", name=name, title=info.title, origin=origin), "bold")
    _engine_lines(output, say, info)
    if others := ", ".join(adapter for adapter in adapters if adapter != info.adapter):
        output.note(say("lora_ready", names=others))
    template_note(output, say, info)


def _engine_lines(output: Output, say: Say, info: ModelInfo) -> None:
    engine, window, reason = info.engine, info.context_window, f"reason_{info.engine_reason}"
    if reason in TEXTS:
        name = _ENGINES.get(engine.name, engine.name)
        output.note(say("engine_chosen", engine=name, device=engine.device, reason=say(reason)))
        output.note(say("engine_size", dtype=engine.dtype, window=window))
    else:
        output.note(say("engine", engine=engine.name, device=engine.device, dtype=engine.dtype, window=window))
    for note in engine.notes:
        output.note(note)


def template_note(output: Output, say: Say, info: ModelInfo) -> None:
    """Say so where the checkpoint ships no template and another stands in."""
    if info.template_is_ours:
        output.note(say("template_is_ours"), "warning")
