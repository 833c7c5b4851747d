"""Holds many conversations with the checkpoint at once, on plain transformers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from demo.corpus import parts_of
from demo.exams.case import Case, Held, Reply
from demo.tokenizer import ASSISTANT, END, OBSERVATION, PREAMBLE, USER
from demo.turns import Dialogue

_NO_RESULT: Final = "{}"  # for a call that nothing was prepared for


@dataclass(slots=True)
class _Talk:
    """One conversation under way."""

    held: Held
    text: str  # everything so far, as rendered
    calls: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])  # of the turn under way

    @property
    def step(self) -> int:
        """Which step's answer is awaited."""
        return len(self.held.replies)

    @property
    def over(self) -> bool:
        """Whether every step has its reply."""
        return self.step == len(self.held.case.steps)

    def ask(self) -> None:
        """The user's next line."""
        self.text += f"{USER}\n{self.held.case.steps[self.step].user}"

    def take(self, raw: str) -> None:
        """What the model wrote, up to and with the control token that ended it."""
        body, end = next(((raw.removesuffix(e), e) for e in (USER, OBSERVATION, END) if raw.endswith(e)), (raw, ""))
        self.text += ASSISTANT + body
        self.held.ended &= bool(end)
        if end == OBSERVATION and len(self.calls) < 4:
            self._called(tuple(body.split(ASSISTANT)))
            return
        answer = body.removeprefix("\n")
        self.held.ended &= body.startswith("\n") and ASSISTANT not in body and end == USER
        self.held.replies.append(Reply(answer, tuple(self.calls)))
        self.calls = []
        if not self.over:
            self.ask()

    def _called(self, calls: tuple[str, ...]) -> None:
        prepared = self.held.case.steps[self.step].results
        results = prepared[len(self.calls)] if len(self.calls) < len(prepared) else (_NO_RESULT,) * len(calls)
        self.calls.append(calls)
        self.text += "".join(f"{OBSERVATION}\n{result}" for result in results)


class Talker:
    """Answers conversations side by side, each from its whole history.

    Args:
        folder: The checkpoint.
        device: "cpu" or "cuda".
        dtype: Of weights and arithmetic.
        greedy: Take the likeliest token instead of the checkpoint's own sampling.
        room: Tokens of one batch, padding and answers included.
        model: Another model with the folder's tokenizer, such as the base with an adapter.
    """

    def __init__(
        self,
        folder: Path,
        device: str,
        *,
        dtype: torch.dtype,
        greedy: bool = False,
        room: int = 3_000_000,
        model: Any = None,
    ) -> None:
        self._tokenizer = cast("Any", AutoTokenizer).from_pretrained(folder)
        loaded = model if model is not None else cast("Any", AutoModelForCausalLM).from_pretrained(folder)
        self._model = loaded.to(device, dtype).eval()
        self._greedy = greedy
        self._room = room
        self._device = torch.device(device)
        stops: list[int] = self._tokenizer.convert_tokens_to_ids([USER, OBSERVATION, END])
        self._stops = torch.tensor(stops, device=self._device)

    def hold(self, cases: Sequence[Case]) -> list[Held]:
        """Hold every case's conversation to its end."""
        talks = [_Talk(Held(case), _opening(case)) for case in cases]
        for talk in talks:
            talk.ask()
        while waiting := [talk for talk in talks if not talk.over]:
            for batch in self._batches(waiting):
                self._answer(batch)
        return [talk.held for talk in talks]

    def _batches(self, talks: Sequence[_Talk]) -> Iterator[tuple[_Talk, ...]]:
        """Conversations of one limit and about one length."""
        for longest in sorted({talk.held.case.longest for talk in talks}):
            order = sorted((t for t in talks if t.held.case.longest == longest), key=lambda t: -len(t.text))
            while order:
                size = max(1, self._room // (len(order[0].text) + longest))
                yield tuple(order[:size])
                order = order[size:]

    @torch.no_grad()
    def _answer(self, talks: Sequence[_Talk]) -> None:
        prompts = [talk.text + ASSISTANT for talk in talks]
        batch = self._tokenizer(prompts, padding=True, add_special_tokens=False, return_tensors="pt")
        longest = talks[0].held.case.longest
        ids = self._continue(batch["input_ids"].to(self._device), batch["attention_mask"].to(self._device), longest)
        for talk, row in zip(talks, ids, strict=True):
            talk.take(self._tokenizer.decode(row))

    def _continue(self, prompt: Tensor, mask: Tensor, longest: int) -> list[list[int]]:
        """New ids for each row up to a control token; rows that have ended leave the batch.

        Args:
            prompt: Ids (rows, tokens), padded on the left.
            mask: The same shape, 0 where padded.
            longest: The most new ids of a row.
        """
        found: list[list[int]] = [[] for _ in prompt]
        rows, cache = torch.arange(len(prompt), device=self._device), DynamicCache()
        going = torch.ones_like(rows, dtype=torch.bool)
        ids, places = prompt, (mask.cumsum(-1) - 1).clamp(min=0)
        for _ in range(longest):
            out = self._model(
                input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, logits_to_keep=1
            )
            ids = self._choose(out.logits[:, -1].float())
            for row, token in zip(rows.tolist(), ids[:, 0].tolist(), strict=True):
                found[row].append(token)
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=-1)
            places = places[:, -1:] + 1
            going = going & ~torch.isin(ids[:, 0], self._stops)
            if not going.any():
                break
            if going.sum() < 0.8 * len(rows):
                kept = going.nonzero()[:, 0]
                cache.batch_select_indices(kept)
                rows, ids, mask, places, going = rows[kept], ids[kept], mask[kept], places[kept], going[kept]
        return [self._ended(row) for row in found]

    def _choose(self, logits: Tensor) -> Tensor:
        """One id for each row (rows, 1), by the checkpoint's own temperature and top_p or greedily."""
        if self._greedy:
            return logits.argmax(-1, keepdim=True)
        config = self._model.generation_config
        shares, order = torch.softmax(logits / config.temperature, -1).sort(-1, descending=True)
        shares[shares.cumsum(-1) - shares >= config.top_p] = 0
        return order.gather(-1, torch.multinomial(shares, 1))

    def _ended(self, row: list[int]) -> list[int]:
        """The ids up to and with the first control token; a row that has ended may have run on with others."""
        stops = set(self._stops.tolist())
        return row[: next((at for at, token in enumerate(row) if token in stops), len(row) - 1) + 1]


def _opening(case: Case) -> str:
    """What the chat template writes before the first turn."""
    parts = parts_of(Dialogue(case.system, (), case.tools))
    return "".join(PREAMBLE) + "".join(part.role + part.text for part in parts)
