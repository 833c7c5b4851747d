"""What the model gets to see: the conversation, cut to its context window at whole exchanges.

An exchange is a user turn with all that answered it. What leads the conversation (system messages, tools, the
template's preamble) and pinned exchanges are fixed; of the others the oldest go first, deeply and seldom, so that
the prompt's beginning stays the same for many turns (see `duihua.prompt.replay`).

An exchange's cost is measured by rendering it alone, followed by another user message: as it will stand once it is
history. So it depends on the exchange only, is measured once, and the cut is a pure function of the messages.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from duihua.errors import InvalidParameter
from duihua.events import WindowReport
from duihua.messages import Message
from duihua.prompt.continuing import check_continuable
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.exchanges import Exchange, Parted
from duihua.prompt.layout import RenderOptions
from duihua.prompt.memo import Memo, characters_of
from duihua.prompt.overflow import far_overflow, fixed_overflow, overflow
from duihua.prompt.prompt import FarTooLong, Prompt
from duihua.prompt.replay import HIGH_PERCENT, Bounds, GenerationPoint, first_kept
from duihua.prompt.shorten import ends, shorten

__all__ = ["DEFAULT_RESERVE", "Fitted", "Window", "WindowPolicy"]

DEFAULT_RESERVE: Final = 1024  # tokens kept for the answer when max_tokens is not given
_SENTINEL: Final = Message("user", "x")  # the next user turn, whatever it will be
_REMEMBERED: Final = 20_000  # exchanges


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPolicy:
    """What to do when a conversation outgrows the context window.

    Raises:
        InvalidParameter: a value that is none of those named here.
    """

    overflow: Literal["drop", "error"] = "drop"
    max_exchanges: int | None = None  # keep at most so many; when passed, cut to 60 % of it
    overlong: Literal["head", "tail", "middle"] | None = None  # where to cut a user text that alone is too long
    max_prompt_tokens: int | None = None  # a bound of the prompt alone, where it is less than the window's own

    def __post_init__(self) -> None:
        if self.overflow not in ("drop", "error"):
            raise InvalidParameter("overflow", self.overflow, "give 'drop' or 'error'")
        if self.overlong not in (None, "head", "tail", "middle"):
            raise InvalidParameter("overlong", self.overlong, "give 'head', 'tail' or 'middle'")
        if self.max_prompt_tokens is not None and self.max_prompt_tokens < 1:
            raise InvalidParameter("max_prompt_tokens", self.max_prompt_tokens, "give at least 1, or None for no bound")
        if self.max_exchanges is not None and self.max_exchanges < 1:
            raise InvalidParameter("max_exchanges", self.max_exchanges, "keep at least 1; the last one is always kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A prompt that fits, and what was done to make it fit."""

    prompt: Prompt
    indices: tuple[int, ...]  # of the messages in the prompt, among the caller's
    report: WindowReport


@dataclass(frozen=True, slots=True)
class _Cost:
    """Tokens of each message of an exchange: once it is history, and while it is being answered; and its pictures."""

    settled: tuple[int, ...]
    live: tuple[int, ...]
    images: tuple[int, ...]


class Window:
    """Fits conversations into one model's context window.

    Args:
        context_window: tokens of prompt and answer together.
        max_input_tokens: a bound of the prompt alone, where the checkpoint states one.
        max_images: pictures that a prompt may hold; None: any number. Exchanges go for them as for tokens; whether
            the last one alone has too many is for the caller to see.
    """

    def __init__(
        self,
        encoder: PromptEncoder,
        *,
        context_window: int,
        max_input_tokens: int | None = None,
        max_images: int | None = None,
    ) -> None:
        self._encoder = encoder
        self._max_images = max_images
        self._size = context_window
        self._max_input = min(max_input_tokens or context_window, context_window - 1)
        self._costs = Memo[tuple[object, tuple[Hashable, ...]], _Cost](_REMEMBERED, 2**26)
        self._fixed_costs = Memo[object, int](_REMEMBERED)

    def apart(self, encoder: PromptEncoder) -> Window:
        """Another window of the same size over another encoder: nothing that changes is shared."""
        return Window(encoder, context_window=self._size, max_input_tokens=self._max_input, max_images=self._max_images)

    def fit(
        self,
        messages: Sequence[Message],
        policy: WindowPolicy,
        *,
        max_tokens: int | None = None,
        options: RenderOptions = RenderOptions(),
    ) -> Fitted:
        """The prompt for these messages, within the limit.

        Args:
            max_tokens: room asked for the answer; more than there is is clamped and reported, and never costs
                history beyond a quarter of the window.

        Raises:
            ContextOverflow: the fixed part or the last exchange alone is too long, or anything would have to be
                dropped and the policy is "error".
            InvalidMessages, UnsupportedFeature: see `PromptEncoder.encode`.
        """
        if options.continue_final:
            check_continuable(messages)  # by the caller's index
        reserve = min(max_tokens or DEFAULT_RESERVE, self._size // 4)
        limit = self._limit(policy, reserve)
        parted = Parted(messages)
        shortened = None
        try:
            first, prompt = self._fit(parted, policy, options, limit)
            if prompt is None or prompt.length > limit:
                if policy.overlong is not None:  # what is cut is cut so that there is room for the answer
                    limit = min(limit, self._size - reserve)
                prompt, shortened = self._shorten(parted, first, prompt, policy, options, limit)
        except FarTooLong as error:
            wider = _wider(policy, limit)
            raise far_overflow(parted, options.tools, limit=limit, size=self._size, wider=wider) from error
        room = self._size - prompt.length
        dropped = [exchange for exchange in parted.exchanges[:first] if not exchange.is_pinned] if first else []
        report = WindowReport(
            context_window=self._size,
            limit=limit,
            reserve=reserve,
            prompt_tokens=prompt.length,
            kept_exchanges=parted.exchange_count - len(dropped),
            dropped_exchanges=len(dropped),
            dropped_tokens=sum(sum(self._cost(parted, exchange, options).settled) for exchange in dropped),
            first_kept=parted.exchanges[first].start if first else len(parted.lead),
            max_tokens=min(max_tokens or room, room),
            clamped_from=max_tokens if max_tokens and max_tokens > room else None,
            shortened_from=shortened,
        )
        return Fitted(prompt=prompt, indices=parted.kept(first), report=report)

    def _limit(self, policy: WindowPolicy, reserve: int) -> int:
        """Most tokens that a prompt may have."""
        most = min(self._max_input, policy.max_prompt_tokens or self._max_input)
        return most if policy.overflow == "error" else min(self._size - reserve, most)

    def _fit(
        self, parted: Parted, policy: WindowPolicy, options: RenderOptions, limit: int
    ) -> tuple[int, Prompt | None]:
        """The first exchange that is kept, by number, and the prompt; it is too long where no more may go."""
        if policy.max_exchanges is None:
            if policy.overflow == "error":
                return 0, self._encoded(parted, 0, options, limit)
            whole = self._whole_if_small(parted, options, limit)
            if whole is not None:
                return 0, whole
        first = self._first_kept(parted, policy, options, limit if policy.overflow == "drop" else self._size * 1000)
        while True:  # where what is kept is more than its parts were, further exchanges go
            prompt = self._encoded(parted, first, options, limit)
            fits = prompt is not None and prompt.length <= limit
            if fits or first >= len(parted.exchanges) - 1 or policy.overflow == "error":
                return first, prompt
            first += 1

    def _whole_if_small(self, parted: Parted, options: RenderOptions, limit: int) -> Prompt | None:
        """The prompt of all messages, if no turn so far can have been cut.

        That is so where all together stays under the high mark, unless thinking, which goes when an exchange is
        history, may have filled the window earlier. It saves measuring every exchange of a short conversation.
        """
        if any(message.reasoning for message in parted.messages):
            return None
        if self._max_images is not None and parted.image_count > self._max_images:
            return None
        if self._costs:  # some conversation was too long: do not render this one whole if it is known to be
            key = _key(options)
            # The last exchange may be cut short (`continue_final`), so its cost says nothing here.
            costs = [self._costs.get((key, parted.known(exchange))) for exchange in parted.exchanges[:-1]]
            if sum(sum(cost.settled) for cost in costs if cost is not None) * 100 > limit * HIGH_PERCENT:
                return None
        whole = self._encoded(parted, 0, options, limit)
        return whole if whole and whole.length * 100 <= limit * HIGH_PERCENT else None

    def _first_kept(self, parted: Parted, policy: WindowPolicy, options: RenderOptions, limit: int) -> int:
        """The number of the first exchange that is kept."""
        last = len(parted.exchanges) - 1
        if self._fixed(parted, options) >= limit:
            prompt = self._encoder.measure((*parted.lead, _SENTINEL), _without_answer(options), most=limit)
            wider = _wider(policy, limit)
            raise fixed_overflow(len(parted.lead), prompt, limit=limit, size=self._size, wider=wider)
        # Counted as when an answer is asked for, so that the cut stands where it stood then.
        room = max(1, limit - self._fixed(parted, replace(options, generation_prompt=True, continue_final=False)))
        loose: list[int] = []  # tokens that go with each exchange when it is dropped: none of a pinned one
        points: list[GenerationPoint] = []
        images: list[int] = []  # pictures that go with it, likewise
        pinned, pinned_images = 0, 0  # of pinned exchanges so far, which every later prompt holds
        for number, exchange in enumerate(parted.exchanges):
            cost = self._cost(parted, exchange, options)
            points += _points(number, exchange, cost, (pinned, pinned_images), is_last=number == last)
            total, shown = sum(cost.settled), sum(cost.images)
            if exchange.is_pinned:
                pinned, pinned_images, total, shown = pinned + total, pinned_images + shown, 0, 0
            loose.append(total)
            images.append(shown)
        most_images = self._max_images if policy.overflow == "drop" else None
        return first_kept(loose, points, Bounds(room, policy.max_exchanges, most_images), images)

    def _encoded(self, parted: Parted, first: int, options: RenderOptions, limit: int) -> Prompt | None:
        """The prompt from an exchange on; None where it is longer than the limit by far."""
        try:
            return self._encoder.encode([parted.messages[i] for i in parted.kept(first)], options, most=limit)
        except FarTooLong:
            return None

    def _shorten(
        self,
        parted: Parted,
        first: int,
        prompt: Prompt | None,
        policy: WindowPolicy,
        options: RenderOptions,
        limit: int,
    ) -> tuple[Prompt, int]:
        """Shorten the words of the last user message until the prompt fits, where the policy allows it.

        Raises:
            FarTooLong: the prompt is not known, and all that may be shortened does not help.
        """
        indices = parted.kept(first)
        cut, whole = policy.overlong, len(parted.messages)
        if cut is not None:
            kept = [parted.messages[i] for i in indices]
            place = max(i for i, message in enumerate(kept) if message.role == "user")
            user = kept[place]
            near = user if prompt else ends(user.content, limit, cut, self._encoder.length).of(user)
            offsets = self._encoder.offsets(near.content)
            whole = keep = len(offsets)
            excess = (prompt.length if prompt else keep) - limit
            while 0 < excess < keep:
                keep -= excess
                kept[place] = shorten(near.content, offsets, keep, cut).of(near)
                prompt = self._encoder.measure(kept, options, most=limit)
                excess = prompt.length - limit
            if near is not user:
                whole = self._encoder.length(user.content)
        if prompt is None:
            raise FarTooLong
        if prompt.length > limit:
            raise overflow(parted, indices, prompt, limit=limit, size=self._size, wider=_wider(policy, limit))
        return prompt, whole

    def _cost(self, parted: Parted, exchange: Exchange, options: RenderOptions) -> _Cost:
        key = (_key(options), parted.known(exchange))
        cost = self._costs.get(key)
        if cost is None:
            cost = self._measure(exchange.messages, options)
            self._costs.keep(key, cost, sum(map(characters_of, exchange.messages)))
        return cost

    def _measure(self, messages: tuple[Message, ...], options: RenderOptions) -> _Cost:
        alone = replace(options, tools=(), generation_prompt=False, continue_final=False)
        images = tuple(len(message.images) for message in messages)
        try:
            later = self._encoder.measure((*messages, _SENTINEL), alone, most=self._size)
        except FarTooLong:  # it can stay nowhere, however long it is
            tokens = (2 * self._size, *(0 for _ in messages[1:]))
            return _Cost(tokens, tokens, images)
        settled = _tokens_by_message(later, len(messages))
        if not any(message.reasoning for message in messages):
            return _Cost(settled, settled, images)
        return _Cost(settled, _tokens_by_message(self._encoder.measure(messages, alone), len(messages)), images)

    def _fixed(self, parted: Parted, options: RenderOptions) -> int:
        """Tokens of what leads the conversation, and of the template's own parts."""
        options = _without_answer(options)
        tools = json.dumps(options.tools, sort_keys=True)
        key = (parted.lead, _key(options), tools, options.now, options.opens_answer)
        if key not in self._fixed_costs:
            prompt = self._encoder.measure((*parted.lead, _SENTINEL), options, most=self._size)
            tokens = prompt.length - prompt.tokens_of(len(parted.lead))
            self._fixed_costs.keep(key, tokens, sum(map(characters_of, parted.lead)) + len(tools))
            return tokens
        return self._fixed_costs[key]


def _wider(policy: WindowPolicy, limit: int) -> str:
    return "raise max_prompt_tokens" if policy.max_prompt_tokens == limit else "use a larger context window"


def _points(
    number: int, exchange: Exchange, cost: _Cost, pinned: tuple[int, int], *, is_last: bool
) -> list[GenerationPoint]:
    """Where answers began in an exchange; the last one is about to be answered at its end.

    Args:
        pinned: tokens and pictures of pinned exchanges before it.
    """
    points: list[GenerationPoint] = []
    settled, images = pinned
    live = settled
    parts = zip(exchange.messages, cost.settled, cost.live, cost.images, strict=True)
    for message, settled_tokens, live_tokens, shown in parts:
        if message.role == "assistant":
            points.append(GenerationPoint(number, settled, live, images))
        settled += settled_tokens
        live += live_tokens
        images += shown
    if is_last:
        points.append(GenerationPoint(number, settled, live, images))
    return points


def _tokens_by_message(prompt: Prompt, count: int) -> tuple[int, ...]:
    tokens = [0] * count
    for span in prompt.spans:
        if isinstance(span.owner, int) and span.owner < count:
            tokens[span.owner] += prompt.tokens_in(span)
    return tuple(tokens)


def _without_answer(options: RenderOptions) -> RenderOptions:
    """The same where there is no answer to go on with."""
    return replace(options, generation_prompt=options.opens_answer, continue_final=False)


def _key(options: RenderOptions) -> object:
    return json.dumps(options.variables, sort_keys=True) if options.variables else ""
