from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.errors import ContextOverflow, InvalidMessages, InvalidParameter
from duihua.messages import Message, ToolCall
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.layout import RenderOptions
from duihua.prompt.template import ChatTemplate
from duihua.prompt.window import Window, WindowPolicy
from prompt import traits

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OPTIONS = RenderOptions(now=NOW)
GOES_ON = RenderOptions(now=NOW, continue_final=True)
DROP = WindowPolicy()
ERROR = WindowPolicy(overflow="error")
WORDS = ["hello", "world", "the", "weather", "is", "nice", "today", "你好", "今天", "天气", "不错"]


def window(size: int, template: str = traits.CHATML, **bounds: int) -> Window:
    return Window(PromptEncoder(traits.tokenizer(), ChatTemplate(template)), context_window=size, **bounds)


def exchange(number: int, words: int = 10) -> list[Message]:
    text = " ".join(WORDS[(number + i) % len(WORDS)] for i in range(words))
    return [Message("user", f"{number} {text}"), Message("assistant", text)]


def long_chat(count: int, words: int = 10) -> list[Message]:
    return [Message("system", "Be kind.")] + [m for i in range(count) for m in exchange(i, words)]


def pin_some(messages: list[Message], pins: set[int]) -> list[Message]:
    return [replace(message, pinned=i in pins and message.role == "user") for i, message in enumerate(messages)]


@st.composite
def chats(draw: st.DrawFn) -> list[Message]:
    messages = [Message("system", "Be kind.")] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 12))):
        words = st.integers(1, 12)
        messages.append(Message("user", " ".join(WORDS[: draw(words)])))
        if draw(st.integers(0, 3)) == 0:
            call = ToolCall(f"c{number}", "look", '{"at": "sky"}')
            thought = " ".join(WORDS[: draw(st.integers(0, 30))])
            messages.append(Message("assistant", "", reasoning=thought, tool_calls=(call,)))
            messages.append(Message("tool", " ".join(WORDS[: draw(words)]), tool_call_id=call.id))
        thought = " ".join(WORDS * draw(st.integers(0, 2)))
        messages.append(Message("assistant", " ".join(WORDS[: draw(words)]), reasoning=thought))
    return messages


ADDITIVE = [name for name in traits.ALL if name not in ("merged system", "plain")]


@pytest.mark.parametrize("name", traits.ALL)
@settings(max_examples=25, deadline=None)
@given(messages=chats(), size=st.integers(150, 900), max_tokens=st.none() | st.integers(1, 400))
def test_a_fitted_prompt_keeps_to_its_limit_and_whole_exchanges(
    name: str, messages: list[Message], size: int, max_tokens: int | None
) -> None:
    messages = [*messages, Message("user", "and now?")]
    try:
        fitted = window(size, traits.ALL[name]).fit(messages, DROP, max_tokens=max_tokens, options=OPTIONS)
    except ContextOverflow as error:
        assert error.prompt_tokens > error.limit
        return
    report, kept = fitted.report, [messages[i] for i in fitted.indices]
    assert report.limit == size - min(max_tokens or 1024, size // 4)
    assert len(fitted.prompt.token_ids) == report.prompt_tokens <= report.limit
    assert kept[0].role == messages[0].role == "system" or messages[0].role == "user"
    assert kept[-1] is messages[-1]
    asked = {call.id for message in kept for call in message.tool_calls}
    answered = {message.tool_call_id for message in kept if message.role == "tool"}
    assert asked == answered
    loose = [message for message in kept if message.role != "system"]
    assert loose[0].role == "user"
    assert report.max_tokens is not None
    assert report.max_tokens + report.prompt_tokens <= size
    assert report.kept_exchanges + report.dropped_exchanges == sum(m.role == "user" for m in messages)
    assert messages[report.first_kept] is loose[0]


@pytest.mark.parametrize("name", ADDITIVE)
@settings(max_examples=25, deadline=None)
@given(messages=chats(), size=st.integers(100, 700), pins=st.sets(st.integers(0, 40), max_size=3))
def test_appending_messages_never_moves_the_cut_back(
    name: str, messages: list[Message], size: int, pins: set[int]
) -> None:
    messages = pin_some(messages, pins)
    one, first = window(size, traits.ALL[name]), 0
    for end in range(1, len(messages) + 1):
        if messages[end - 1].role not in ("user", "tool"):
            continue
        try:
            report = one.fit(messages[:end], DROP, options=OPTIONS).report
        except (ContextOverflow, InvalidMessages):
            continue
        assert report.first_kept >= first
        first = report.first_kept
        fresh = window(size, traits.ALL[name]).fit(messages[:end], DROP, options=OPTIONS)
        assert fresh.report == report


def test_a_long_chat_is_cut_deeply_and_then_rests() -> None:
    one = window(1000)
    firsts: list[int] = []
    for count in range(1, 60):
        messages = [*long_chat(count), Message("user", "more")]
        firsts.append(one.fit(messages, DROP, max_tokens=100).report.first_kept)
    moves = [later - earlier for earlier, later in itertools.pairwise(firsts) if later != earlier]
    assert len(moves) <= 10
    assert min(moves) >= 6


def test_what_was_dropped_is_reported_in_numbers() -> None:
    messages = [*long_chat(30), Message("user", "more")]
    report = window(600).fit(messages, DROP, max_tokens=64).report
    assert report.eventful
    assert report.dropped_exchanges == (report.first_kept - 1) // 2
    alone = PromptEncoder(traits.tokenizer(), ChatTemplate(traits.CHATML))
    dropped = alone.encode(messages[1 : report.first_kept], RenderOptions(generation_prompt=False))
    assert report.dropped_tokens == len(dropped.token_ids)
    assert (report.reserve, report.limit, report.context_window) == (64, 536, 600)


def test_max_tokens_beyond_the_room_is_clamped_and_reported() -> None:
    report = window(400).fit([Message("user", "hello")], DROP, max_tokens=5000).report
    assert report.clamped_from == 5000
    assert report.max_tokens == 400 - report.prompt_tokens
    assert report.reserve == 100
    assert window(400).fit([Message("user", "hello")], DROP, max_tokens=300).report.clamped_from is None


def test_the_error_policy_drops_nothing_and_says_the_numbers() -> None:
    messages = [*long_chat(30), Message("user", "more")]
    with pytest.raises(ContextOverflow) as caught:
        window(600).fit(messages, ERROR)
    assert caught.value.limit == 599
    assert caught.value.prompt_tokens > 600
    assert caught.value.parts["earlier turns"] > 400


def test_a_prompt_that_fits_exactly_is_taken() -> None:
    messages = long_chat(3)[:-1]
    tokens = window(4000).fit(messages, ERROR).report.prompt_tokens
    assert window(tokens + 1).fit(messages, ERROR).report.max_tokens == 1
    with pytest.raises(ContextOverflow):
        window(tokens).fit(messages, ERROR)


def test_a_fixed_part_that_is_too_long_names_its_parts() -> None:
    messages = [Message("system", "hello " * 300), Message("user", "a")]
    with pytest.raises(ContextOverflow, match=r"system: \d+.*nothing of this can be dropped"):
        window(200).fit(messages, DROP)


def test_pinned_exchanges_stay() -> None:
    messages = [*long_chat(30), Message("user", "more")]
    messages[3] = Message("user", "remember this", pinned=True)
    fitted = window(600).fit(messages, DROP, max_tokens=64)
    assert fitted.indices[:3] == (0, 3, 4)
    assert fitted.indices[3] > 5
    assert fitted.report.dropped_exchanges == 30 + 1 - fitted.report.kept_exchanges


def test_at_most_so_many_exchanges_are_kept_and_the_cut_is_deep() -> None:
    one = window(100_000)
    kept = [
        one.fit([*long_chat(count), Message("user", "q")], WindowPolicy(max_exchanges=10)).report.kept_exchanges
        for count in range(30)
    ]
    assert max(kept) == 10
    assert kept[10] == 6


@pytest.mark.parametrize("cut", ["head", "tail", "middle"])
def test_a_text_that_alone_is_too_long_is_shortened_where_allowed(cut: str) -> None:
    text = " ".join(f"word{i}" for i in range(400)) + "，再见👋"
    policy = WindowPolicy(overlong=cut)  # type: ignore[arg-type]
    with pytest.raises(ContextOverflow, match="last turn"):
        window(500).fit([Message("user", text)], DROP)
    fitted = window(500).fit([Message("user", text)], policy)
    shown = fitted.prompt.text
    assert len(fitted.prompt.token_ids) <= fitted.report.limit
    assert len(fitted.prompt.token_ids) > fitted.report.limit - 40
    assert fitted.report.shortened_from is not None
    assert ("word0 " in shown) == (cut != "head")
    assert ("再见👋" in shown) == (cut != "tail")
    assert "…" in shown


def test_a_shortened_text_leaves_room_for_the_answer_where_nothing_may_be_dropped_either() -> None:
    policy = WindowPolicy(overflow="error", overlong="middle")
    report = window(500).fit([Message("user", "word " * 2000)], policy, max_tokens=100).report
    assert report.shortened_from is not None
    assert (report.max_tokens, report.clamped_from) == (100, None)
    whole = next(
        fitted.report
        for words in range(100, 600)
        if (fitted := window(500).fit([Message("user", "word " * words)], policy, max_tokens=100)).report.clamped_from
    )
    assert whole.shortened_from is None  # what fits as it is stays so, and the answer is clamped as ever


def test_thinking_of_finished_exchanges_costs_nothing() -> None:
    thought = "hello " * 60
    messages = [Message("user", "a"), Message("assistant", "b", reasoning=thought)] * 20
    report = window(600, traits.THINKING).fit([*messages, Message("user", "c")], DROP).report
    assert report.dropped_exchanges == 0


def test_an_input_bound_of_the_checkpoint_is_kept() -> None:
    messages = [*long_chat(30), Message("user", "more")]
    report = window(10_000, max_input_tokens=300).fit(messages, DROP).report
    assert report.limit == 300
    assert report.prompt_tokens <= 300


@pytest.mark.parametrize("size", [5000, 900])
def test_a_bound_of_the_prompt_is_kept_as_if_the_checkpoint_had_it(size: int) -> None:
    bounded, native = window(size), window(size, max_input_tokens=400)
    for count in range(1, 40):
        messages = [*long_chat(count), Message("user", "more")]
        fitted = bounded.fit(messages, WindowPolicy(max_prompt_tokens=400), max_tokens=50)
        assert fitted == native.fit(messages, DROP, max_tokens=50)
        assert fitted.report.prompt_tokens <= fitted.report.limit == 400
        assert fitted.report.max_tokens == 50


def test_a_bound_of_the_prompt_that_is_more_than_there_is_changes_nothing() -> None:
    messages = [*long_chat(30), Message("user", "more")]
    assert window(600).fit(messages, WindowPolicy(max_prompt_tokens=590)) == window(600).fit(messages, DROP)
    assert window(600, max_input_tokens=300).fit(messages, WindowPolicy(max_prompt_tokens=400)).report.limit == 300


def test_without_dropping_a_prompt_may_have_just_as_many_tokens_as_its_bound() -> None:
    messages = long_chat(3)[:-1]
    tokens = window(4000).fit(messages, ERROR).report.prompt_tokens
    exact = WindowPolicy(overflow="error", max_prompt_tokens=tokens)
    assert window(4000).fit(messages, exact).report.prompt_tokens == tokens
    with pytest.raises(ContextOverflow, match="raise max_prompt_tokens") as caught:
        window(4000).fit(messages, replace(exact, max_prompt_tokens=tokens - 1))
    assert (caught.value.limit, caught.value.prompt_tokens) == (tokens - 1, tokens)


def test_a_last_exchange_beyond_the_bound_of_the_prompt_is_refused_by_that_bound() -> None:
    messages = [Message("user", "hello " * 50)]
    for bound in (3, 30):
        with pytest.raises(ContextOverflow, match="raise max_prompt_tokens"):
            window(4000).fit(messages, WindowPolicy(max_prompt_tokens=bound))
    shorter = window(4000).fit(messages, WindowPolicy(max_prompt_tokens=30, overlong="tail"))
    assert shorter.report.prompt_tokens <= 30


@pytest.mark.parametrize("policy", [ERROR, DROP])
@pytest.mark.parametrize("name", traits.ALL)
def test_an_answer_that_goes_on_takes_its_room_to_the_token(name: str, policy: WindowPolicy) -> None:
    messages = [Message("user", "hello"), Message("assistant", "the weather is nice " * 10)]
    report = window(4000, traits.ALL[name]).fit(messages, policy, options=GOES_ON).report
    exact = window(report.prompt_tokens + 1, traits.ALL[name]).fit(messages, policy, max_tokens=1, options=GOES_ON)
    assert (exact.report.prompt_tokens, exact.report.max_tokens) == (report.prompt_tokens, 1)
    assert exact.indices == (0, 1)
    with pytest.raises(ContextOverflow, match="last turn") as caught:
        window(report.prompt_tokens, traits.ALL[name]).fit(messages, policy, max_tokens=1, options=GOES_ON)
    assert caught.value.prompt_tokens == report.prompt_tokens


def test_history_makes_room_for_an_answer_that_goes_on() -> None:
    one, kept = window(1000), set[int]()
    for words in range(1, 300, 20):
        messages = [*long_chat(20), Message("user", "q"), Message("assistant", "hello " * words)]
        fitted = one.fit(messages, DROP, max_tokens=100, options=GOES_ON)
        assert fitted.report.prompt_tokens <= fitted.report.limit == 900
        assert fitted.prompt.text.endswith("<|im_start|>assistant\n" + messages[-1].content)
        kept.add(fitted.report.kept_exchanges)
    assert len(kept) > 3


def test_a_user_text_is_shortened_for_an_answer_that_goes_on() -> None:
    messages = [Message("user", "hello " * 400), Message("assistant", "the weather")]
    fitted = window(500).fit(messages, WindowPolicy(overlong="middle"), options=GOES_ON)
    assert fitted.report.limit - 40 < fitted.report.prompt_tokens <= fitted.report.limit
    assert fitted.prompt.text.endswith("assistant\nthe weather")


@pytest.mark.parametrize("name", ADDITIVE)
@settings(max_examples=10, deadline=None)
@given(messages=chats(), size=st.integers(100, 700))
def test_going_on_with_an_answer_never_moves_the_cut_back(name: str, messages: list[Message], size: int) -> None:
    messages = [replace(message, reasoning="") for message in messages]
    one, first = window(size, traits.ALL[name]), 0
    for end in range(1, len(messages) + 1):
        options = GOES_ON if messages[end - 1].role == "assistant" else OPTIONS
        try:
            report = one.fit(messages[:end], DROP, options=options).report
        except (ContextOverflow, InvalidMessages):
            continue
        assert report.first_kept >= first
        first = report.first_kept
        assert window(size, traits.ALL[name]).fit(messages[:end], DROP, options=options).report == report


def test_what_cannot_go_on_is_refused_by_its_place_in_the_whole_conversation() -> None:
    messages = [*long_chat(30), Message("user", "more")]
    one = window(600)
    assert one.fit(messages, DROP).report.dropped_exchanges > 0
    with pytest.raises(InvalidMessages, match="continue_final") as caught:
        one.fit(messages, DROP, options=GOES_ON)
    assert caught.value.index == 61


def test_what_was_measured_before_does_not_cut_an_answer_that_goes_on() -> None:
    messages = long_chat(4)[1:]
    tokens = window(4000).fit(messages, DROP, options=GOES_ON).report.prompt_tokens
    just_under_the_mark = window(-(-tokens * 100 // 90) + 1)
    for policy in (DROP, WindowPolicy(max_exchanges=9), DROP):  # the second measures every exchange
        report = just_under_the_mark.fit(messages, policy, max_tokens=1, options=GOES_ON).report
        assert report.dropped_exchanges == 0 or policy is not DROP


@pytest.mark.parametrize(
    ("name", "value"), [("overflow", "cut"), ("overlong", "left"), ("max_exchanges", 0), ("max_prompt_tokens", 0)]
)
def test_a_policy_that_cannot_be_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidParameter, match=name):
        WindowPolicy(**{name: value})  # type: ignore[arg-type]
