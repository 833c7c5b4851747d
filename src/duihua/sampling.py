"""How the next token is chosen: `Sampling` is what a caller asks for, `Decoding` what an engine is told."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from duihua.errors import InvalidParameter, UnsupportedFeature

__all__ = ["OUR_DEFAULTS", "Decoding", "Sampling"]

_MAX_CHOICES: Final = 32  # no more than an engine queues
_MAX_LOGPROBS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Everything a caller may say about sampling; `None` means "not said".

    What was not said is taken from the checkpoint's generation_config.json, then from `OUR_DEFAULTS`.
    Values out of range raise `InvalidParameter` here, before anything is encoded.
    """

    n: int | None = None  # answers to return
    best_of: int | None = None  # answers to generate; the n with the highest mean log-probability are returned
    presence_penalty: float | None = None  # -2..2, subtracted once from the logit of each token already sampled
    frequency_penalty: float | None = None  # -2..2, subtracted for each time it was sampled
    repetition_penalty: float | None = None  # 0.01..100, divides (multiplies) logits above (below) 0; prompt included
    temperature: float | None = None  # 0 is greedy
    top_p: float | None = None  # (0, 1]
    top_k: int | None = None  # -1 or 0: all
    min_p: float | None = None  # 0..1, of the likeliest token's probability
    use_beam_search: bool | None = None
    length_penalty: float | None = None  # of beam search
    early_stopping: bool | None = None  # of beam search
    stop: Sequence[str] | str | None = None
    stop_token_ids: Sequence[int] | None = None  # added to the model's own
    include_stop_str_in_output: bool | None = None
    ignore_eos: bool | None = None  # lifts every stop token of the model; what the caller names still stops
    max_tokens: int | None = None
    min_tokens: int | None = None  # no stop before so many tokens
    logprobs: int | None = None  # alternatives per sampled token; 0: the sampled one only
    prompt_logprobs: int | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    seed: int | None = None
    logit_bias: Mapping[int, float] | None = None  # token id -> -100..100, added to its logit

    def __post_init__(self) -> None:
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        for name, (low, high, sentence) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and low <= value <= high):
                raise InvalidParameter(name, value, sentence)
        for name in _WHOLE:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise InvalidParameter(name, value, "give a whole number")
        for name in _YES_OR_NO:
            value = getattr(self, name)
            if value is not None and not isinstance(value, bool):
                raise InvalidParameter(name, value, "give true or false, not as text")
        self._check_zero_and_order()
        self._check_collections()

    def _check_zero_and_order(self) -> None:
        if self.top_p == 0:
            raise InvalidParameter("top_p", self.top_p, "it must be above 0; for greedy decoding use temperature=0")
        if self.min_tokens is not None and self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise InvalidParameter("min_tokens", self.min_tokens, f"it is above max_tokens={self.max_tokens}")

    def _check_collections(self) -> None:
        stop: Any = self.stop
        if stop is not None and not (_is_list(stop) and all(isinstance(text, str) and text for text in stop)):
            raise InvalidParameter("stop", stop, "give a string or a list of strings, none of them empty")
        ids: Any = self.stop_token_ids
        if ids is not None and not (_is_list(ids) and all(map(_is_token_id, ids))):
            raise InvalidParameter("stop_token_ids", ids, "give a list of token ids, whole numbers from 0")
        biases: Any = self.logit_bias
        if biases is not None and not isinstance(biases, Mapping):
            raise InvalidParameter("logit_bias", biases, _BIASES)
        for token, bias in (self.logit_bias or {}).items():
            if not _is_token_id(token) or not _is_number(bias) or not -100 <= bias <= 100:
                raise InvalidParameter("logit_bias", {token: bias}, _BIASES)

    def over(self, defaults: Sampling) -> Sampling:
        """These values where they were said, else those of `defaults`.

        Raises:
            InvalidParameter: values that were right apart do not go together.
        """
        merged = object.__new__(Sampling)  # each value was checked before: every request comes by here twice
        for name in _NAMES:
            value = getattr(self, name)
            object.__setattr__(merged, name, getattr(defaults, name) if value is None else value)
        merged._check_zero_and_order()
        return merged

    def refuse_beams(self) -> None:
        """Refuse beam search and what belongs to it, and a `best_of` that leaves too few answers.

        Raises:
            UnsupportedFeature: `use_beam_search`, or a `length_penalty` or `early_stopping` that would need it.
            InvalidParameter: `best_of` below `n`.
        """
        if self.use_beam_search:
            raise UnsupportedFeature("use_beam_search", "no engine streams beams; best_of ranks whole answers instead")
        if self.length_penalty not in (None, 1.0):
            raise UnsupportedFeature("length_penalty", "it belongs to beam search, which is not offered")
        if self.early_stopping:
            raise UnsupportedFeature("early_stopping", "it belongs to beam search, which is not offered")
        if self.best_of is not None and self.best_of < (self.n or 1):
            raise InvalidParameter("best_of", self.best_of, f"it must be at least n={self.n or 1}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """What an engine does at each step: every value decided, nothing about text."""

    max_tokens: int
    min_tokens: int = 0  # stop tokens have probability 0 before
    temperature: float = 0.0  # 0 is greedy
    top_p: float = 1.0
    top_k: int = 0  # 0: all
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    stop_token_ids: tuple[int, ...] = ()  # complete: the model's own are in
    seed: int | None = None  # None: fresh for each request
    logprobs: int | None = None
    prompt_logprobs: int | None = None


def _is_number(value: object) -> bool:
    """A number that a float can hold; not NaN, not infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_token_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


_NAMES: Final = tuple(field.name for field in fields(Sampling))
_BIASES: Final = "map token ids, whole numbers from 0, to numbers from -100 to 100"
_INF: Final = float("inf")
_WHOLE: Final = ("n", "best_of", "top_k", "max_tokens", "min_tokens", "logprobs", "prompt_logprobs", "seed")
_YES_OR_NO: Final = (
    "use_beam_search",
    "early_stopping",
    "include_stop_str_in_output",
    "ignore_eos",
    "skip_special_tokens",
    "spaces_between_special_tokens",
)
_RANGES: Final[dict[str, tuple[float, float, str]]] = {
    "n": (1, _MAX_CHOICES, f"give 1 to {_MAX_CHOICES}"),
    "best_of": (1, _MAX_CHOICES, f"give 1 to {_MAX_CHOICES}"),
    "presence_penalty": (-2, 2, "give -2 to 2"),
    "frequency_penalty": (-2, 2, "give -2 to 2"),
    "repetition_penalty": (0.01, 100, "give 0.01 to 100; 1 means none"),
    "temperature": (0, _INF, "give a number from 0; 0 is greedy"),
    "top_p": (0, 1, "give a number above 0 and up to 1"),
    "top_k": (-1, _INF, "give a whole number from 1, or -1 or 0 for all"),
    "min_p": (0, 1, "give 0 to 1"),
    "max_tokens": (1, _INF, "give a whole number from 1"),
    "min_tokens": (0, _INF, "give a whole number from 0"),
    "logprobs": (0, _MAX_LOGPROBS, f"give 0 to {_MAX_LOGPROBS}"),
    "prompt_logprobs": (0, _MAX_LOGPROBS, f"give 0 to {_MAX_LOGPROBS}"),
    "seed": (-(2**63), 2**64 - 1, "give a whole number of 64 bits"),
}

# Last, for it is checked against the table above.
OUR_DEFAULTS: Final = Sampling(
    n=1,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    repetition_penalty=1.0,
    temperature=0.6,
    top_p=0.8,
    top_k=0,
    min_p=0.0,
    stop=(),
    stop_token_ids=(),
    include_stop_str_in_output=False,
    ignore_eos=False,
    min_tokens=0,
    skip_special_tokens=True,
    spaces_between_special_tokens=False,
)
