"""Prompts that are too long by far: what is told of them, and what is dropped or shortened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from duihua.errors import ContextOverflow
from duihua.messages import Message, ToolCall
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.template import ChatTemplate
from duihua.prompt.window import WindowPolicy
from prompt import traits
from prompt.test_window import DROP, ERROR, OPTIONS, long_chat, window

FAR = "the weather is nice today, " * 20_000


@pytest.mark.parametrize(
    ("messages", "part"),
    [
        ([Message("user", FAR)], "the last turn"),
        ([Message("system", FAR), Message("user", "hi")], "system messages"),
        ([Message("user", FAR), Message("assistant", "hi"), Message("user", "hi")], "earlier turns"),
    ],
)
def test_what_is_far_too_long_is_refused_without_being_counted_to_its_end(messages: list[Message], part: str) -> None:
    with pytest.raises(ContextOverflow, match=f"more than 199 tokens and at most 199 fit .* in {part}") as raised:
        window(200).fit(messages, ERROR, options=OPTIONS)
    assert raised.value.is_least
    assert (raised.value.prompt_tokens, raised.value.limit, raised.value.context_window) == (200, 199, 200)


def test_what_is_somewhat_too_long_is_counted_exactly() -> None:
    messages = [Message("user", "hello " * 1000)]
    with pytest.raises(ContextOverflow) as raised:
        window(200).fit(messages, ERROR, options=OPTIONS)
    assert not raised.value.is_least
    whole = PromptEncoder(traits.tokenizer(), ChatTemplate(traits.CHATML)).encode(messages, OPTIONS)
    assert raised.value.prompt_tokens == len(whole.token_ids)


def test_many_characters_in_few_tokens_are_no_reason_to_refuse() -> None:
    """A control token counts as one, however many letters its literal has."""
    template = "{% for m in messages %}" + 4 * "<|start_header_id|><|end_header_id|>" + "{{ m.content }}{% endfor %}"
    messages = [Message("user", f"{number}") for number in range(3000)]
    whole = PromptEncoder(traits.tokenizer(), ChatTemplate(template)).encode(messages, OPTIONS)
    size = len(whole.token_ids) + 1
    assert len(whole.text) > 65_536 + 8 * size
    assert window(size, template).fit(messages, ERROR, options=OPTIONS).prompt == whole


@pytest.mark.parametrize("place", range(6))
def test_an_exchange_that_is_far_too_long_goes_and_the_others_are_cut_as_ever(place: int) -> None:
    """Whatever it holds, it is dropped as one that is only just too long for any window."""
    messages = long_chat(12)
    at = 1 + 2 * place + place % 2  # a user's and an assistant's in turn

    def cut(text: str) -> tuple[int, int]:
        long = replace(messages[at], content=text)
        report = window(600).fit([*messages[:at], long, *messages[at + 1 :]], DROP, options=OPTIONS).report
        return report.first_kept, report.dropped_exchanges

    assert cut(FAR) == cut("hello " * 900)
    assert cut(FAR)[0] > at


@pytest.mark.parametrize("overlong", ["head", "tail", "middle"])
def test_a_user_text_that_is_far_too_long_is_shortened_as_asked_and_counted(overlong: str) -> None:
    text = "first " + FAR + " last"
    policy = WindowPolicy(overlong=overlong)  # pyright: ignore[reportArgumentType]  parametrized
    fitted = window(400).fit([Message("user", text)], policy, options=OPTIONS)
    assert 200 < fitted.report.prompt_tokens <= fitted.report.limit
    assert ("first" in fitted.prompt.text, "last" in fitted.prompt.text) == {
        "head": (False, True), "tail": (True, False), "middle": (True, True)
    }[overlong]  # fmt: skip
    whole = traits.tokenizer().encode(text, add_special_tokens=False)
    assert fitted.report.shortened_from == len(whole.ids)


def test_shortening_a_text_does_not_help_where_others_are_far_too_long() -> None:
    call = ToolCall("c", "look", "{}")
    messages = [
        Message("user", "hi"), Message("assistant", "", tool_calls=(call,)), Message("tool", FAR, tool_call_id="c")
    ]  # fmt: skip
    with pytest.raises(ContextOverflow, match="in the last turn"):
        window(400).fit(messages, WindowPolicy(overlong="tail"), options=OPTIONS)


def test_a_lead_that_leaves_no_room_is_told_as_more_than_fits() -> None:
    lead = [Message("system", "hello " * 20), Message("user", "hi")]
    tokens = window(4096).fit(lead, ERROR, options=OPTIONS).prompt
    fixed = len(tokens.token_ids) - tokens.tokens_of(1)
    policy = WindowPolicy(max_prompt_tokens=fixed)
    with pytest.raises(ContextOverflow, match=f"more than {fixed} tokens and at most {fixed} fit"):
        window(4096).fit(lead, policy, options=OPTIONS)
