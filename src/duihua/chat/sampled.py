"""What an engine sampled, as the next prompt will repeat it."""

from __future__ import annotations

from duihua.messages import SampledRun
from duihua.prompt.detokenizer import Detokenizer
from duihua.prompt.opening import Opening
from duihua.prompt.vocabulary import Vocabulary

__all__ = ["Sampled"]


class Sampled:
    """The ids between control tokens, each stretch with the text that stands for it in a prompt.

    Args:
        opening: how the prompt ended: the first stretch may have begun there.
        is_read: whether the answer's own text is that text, so that it need not be read again. It is not where
            special tokens show: they are no part of a stretch, nor are spaces beside them.
    """

    def __init__(self, opening: Opening, vocabulary: Vocabulary, *, is_read: bool) -> None:
        self._control_ids = vocabulary.control_ids
        self._reader: Detokenizer | None = None
        if not is_read:
            self._reader = Detokenizer(
                vocabulary, skip_special_tokens=True, spaces_between_special_tokens=False, begun=opening.begun
            )
        self._runs: list[SampledRun] = []
        self._opener = opening.opener
        self._ids = list(opening.tail_ids)
        self._texts = [opening.tail]

    def add(self, token_id: int, text: str) -> None:
        """One more ordinary id, and the text of the answer that it made certain."""
        self._ids.append(token_id)
        self._texts.append(text if self._reader is None else self._reader.read(token_id) or "")

    def add_control(self, token_id: int, text: str) -> None:
        """A control token ends a stretch; the text is what had been held before it."""
        if self._reader is not None:
            text = "".join(piece.text for piece in self._reader.push(token_id) if piece.control is None)
        self._end(text)
        self._opener = self._control_ids[token_id]

    def add_held(self, text: str) -> None:
        """What had been held shows at the answer's end."""
        if self._reader is None:
            self._texts.append(text)

    def runs(self) -> tuple[SampledRun, ...]:
        """The stretches, at the answer's end."""
        held = () if self._reader is None else self._reader.flush()
        self._end("".join(piece.text for piece in held))
        return tuple(run for run in self._runs if run.token_ids)

    def _end(self, text: str) -> None:
        self._runs.append(SampledRun(self._opener, "".join((*self._texts, text)), tuple(self._ids)))
        self._ids, self._texts = [], []
