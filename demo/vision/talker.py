"""Holds many conversations with the checkpoint at once, on plain transformers; no torchvision is needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import AutoTokenizer, Glm4vForConditionalGeneration
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil

from demo.exams.case import Case, Held, Reply
from demo.tokenizer import USER
from demo.vision.drawing import draw
from demo.vision.exams import ShownStep
from demo.vision.geometry import IMAGE
from demo.vision.picture import Picture
from demo.vision.plots import PLACE


@dataclass(slots=True)
class _Talk:
    """One conversation under way."""

    held: Held
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    pictures: list[Picture] = field(default_factory=list[Picture])

    @property
    def over(self) -> bool:
        """Whether every step has its reply."""
        return len(self.held.replies) == len(self.held.case.steps)

    def ask(self) -> None:
        """The user's next line."""
        step = self.held.case.steps[len(self.held.replies)]
        self.pictures += step.pictures if isinstance(step, ShownStep) else ()
        self.messages.append({"role": "user", "content": _parts(step.user)})

    def take(self, raw: str) -> None:
        """What the model wrote, up to and with the control token that ended it."""
        answer = raw.removesuffix(USER).removeprefix("\n")
        self.held.ended &= raw.startswith("\n") and raw.endswith(USER)
        self.held.replies.append(Reply(answer))
        self.messages.append({"role": "assistant", "content": answer})


def _parts(line: str) -> list[dict[str, str]]:
    """The line as the chat template wants it."""
    first, *rest = line.split(PLACE)
    parts: list[dict[str, str]] = [{"type": "text", "text": first}]
    for text in rest:
        parts += [{"type": "image"}, {"type": "text", "text": text}]
    return parts


class Talker:
    """Answers conversations side by side, each from its whole history.

    Args:
        folder: the checkpoint.
        device: "cpu" or "cuda".
        dtype: of weights and arithmetic.
        greedy: take the likeliest token instead of the checkpoint's own sampling.
        together: conversations of one batch.
    """

    def __init__(
        self, folder: Path, device: str, *, dtype: torch.dtype, greedy: bool = False, together: int = 256
    ) -> None:
        self._tokenizer = cast("Any", AutoTokenizer).from_pretrained(folder)
        self._processor = cast("Any", Glm4vImageProcessorPil).from_pretrained(folder)
        self._model = cast("Any", Glm4vForConditionalGeneration).from_pretrained(folder).to(device, dtype).eval()
        self._greedy = greedy
        self._together = together
        self._device = device

    def hold(self, cases: Sequence[Case]) -> list[Held]:
        """Hold every case's conversation to its end."""
        talks = [_Talk(Held(case)) for case in cases]
        while waiting := [talk for talk in talks if not talk.over]:
            for talk in waiting:
                talk.ask()
            for batch in self._batches(waiting):
                self._answer(batch)
        return [talk.held for talk in talks]

    def _batches(self, talks: Sequence[_Talk]) -> Iterator[Sequence[_Talk]]:
        """Conversations of about one length."""
        order = sorted(talks, key=lambda talk: (len(talk.pictures), len(str(talk.messages))))
        return (order[at : at + self._together] for at in range(0, len(order), self._together))

    @torch.no_grad()
    def _answer(self, talks: Sequence[_Talk]) -> None:
        pictures = [picture for talk in talks for picture in talk.pictures]
        seen = self._processor([draw(picture) for picture in pictures], return_tensors="pt") if pictures else {}
        tokens = (seen["image_grid_thw"].prod(-1) // self._processor.merge_size**2).tolist() if pictures else []
        sizes = iter(tokens)
        batch = self._tokenizer(
            [self._prompt(talk, [next(sizes) for _ in talk.pictures]) for talk in talks],
            padding=True,
            add_special_tokens=False,
            return_tensors="pt",
        )
        if pictures:
            batch["mm_token_type_ids"] = (batch["input_ids"] == self._model.config.image_token_id).int()
        inputs = {name: tensor.to(self._device) for name, tensor in {**batch, **seen}.items()}
        longest = max(talk.held.case.longest for talk in talks)
        found: Tensor = self._model.generate(**inputs, max_new_tokens=longest, do_sample=not self._greedy)
        for talk, row in zip(talks, found[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
            talk.take(self._tokenizer.decode(self._ended(row)))

    def _prompt(self, talk: _Talk, tokens: Sequence[int]) -> str:
        """The conversation as the chat template renders it, each picture's placeholder as often as it has tokens."""
        text: str = self._tokenizer.apply_chat_template(talk.messages, tokenize=False, add_generation_prompt=True)
        first, *rest = text.split(IMAGE)
        return first + "".join(IMAGE * count + part for count, part in zip(tokens, rest, strict=True))

    def _ended(self, row: list[int]) -> list[int]:
        """The ids up to and with the first control token that ends an answer; padding stands behind it."""
        stops = set(self._model.generation_config.eos_token_id)
        return row[: next((at for at, token in enumerate(row) if token in stops), len(row) - 1) + 1]
