from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from chat.talk import Turnstile, chat, collect, engine, ids
from duihua.chat.protocol import TurnOptions
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import (
    ContextOverflow,
    EngineDead,
    GenerationFailed,
    InvalidMessages,
    InvalidParameter,
    UnsupportedFeature,
)
from duihua.events import Chunk, Event, Finished, ReasoningDelta, TextDelta, TurnFinished, TurnStarted
from duihua.messages import Message, ToolCall
from duihua.prompt.window import WindowPolicy
from duihua.request import GenerationRequest
from duihua.sampling import Sampling
from prompt import traits

ASK = [Message("user", "hello")]
BEGUN = [*ASK, Message("assistant", "the wea")]
GO_ON = TurnOptions(continue_final=True)
THINK = ("<think>", "</think>")


def answer(over: ScriptedEngine, template: str = traits.CHATML, **sampling: Any) -> list[Event]:
    return asyncio.run(collect(chat(over, template, reasoning=THINK).stream(ASK, Sampling(**sampling))))


def text_of(events: list[Event], choice: int = 0) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta) and event.choice == choice)


def finished(events: list[Event], choice: int = 0) -> Finished:
    return next(event for event in events if isinstance(event, Finished) and event.choice == choice)


def test_a_turn_begins_tells_and_ends_once() -> None:
    events = answer(engine("hello world"))
    assert isinstance(events[0], TurnStarted)
    assert [type(event) for event in events[-2:]] == [Finished, TurnFinished]
    assert text_of(events) == "hello world"
    assert sum(isinstance(event, TurnStarted | Finished | TurnFinished) for event in events) == 3


def test_the_stop_token_never_shows_and_is_counted() -> None:
    events = answer(engine("hello"), skip_special_tokens=False)
    assert text_of(events) == "hello"
    done = finished(events)
    assert (done.reason, done.stopped_by) == ("stop", ids("<|im_end|>")[0])
    assert done.usage.completion_tokens == len(ids("hello")) + 1
    assert done.usage.prompt_tokens == len(ids("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"))


def test_an_answer_cut_by_max_tokens_says_length() -> None:
    events = answer(engine("hello world the weather"), max_tokens=2)
    assert finished(events).reason == "length"
    assert finished(events).usage.completion_tokens == 2


def test_ignore_eos_lifts_the_model_s_stops_but_not_the_caller_s() -> None:
    over = engine("a<|im_end|>b<|eot_id|>c")
    events = answer(over, ignore_eos=True, stop_token_ids=ids("<|eot_id|>"))
    assert text_of(events) == "ab"
    assert over.requests[0].decoding.stop_token_ids == tuple(ids("<|eot_id|>"))


@pytest.mark.parametrize(("include", "shown"), [(False, "one "), (True, "one two")])
def test_a_stop_string_ends_the_answer_and_frees_the_engine(include: bool, shown: str) -> None:
    over = engine("one two three")
    events = answer(over, stop="two", include_stop_str_in_output=include)
    assert text_of(events) == shown
    assert (finished(events).reason, finished(events).stopped_by) == ("stop", "two")
    assert over.closed == [over.requests[0].request_id]


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.sampled_from("abc你🙂 "), max_size=30),
    stop=st.text(st.sampled_from("abc你"), min_size=1, max_size=4),
)
def test_whatever_the_stop_string_nothing_of_it_leaks(text: str, stop: str) -> None:
    shown = text_of(answer(engine(text), stop=stop))
    assert shown == text.split(stop)[0]


def test_a_stop_string_may_be_a_control_token() -> None:
    events = answer(engine("a<tool_call>b"), stop="<tool_call>")
    assert (text_of(events), finished(events).stopped_by) == ("a", "<tool_call>")


def test_min_tokens_hold_stop_strings_back_too() -> None:
    assert text_of(answer(engine("aaaa"), stop="a", min_tokens=2)) == "aa"


def test_thinking_comes_as_reasoning_and_is_counted() -> None:
    events = answer(engine("<think>\nhm\n</think>\n\nyes"))
    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == "hm"
    assert text_of(events) == "yes"
    assert 0 < finished(events).usage.reasoning_tokens < finished(events).usage.completion_tokens


def test_white_space_that_the_template_owes_is_no_part_of_the_answer() -> None:
    assert text_of(answer(engine("\nhello"), traits.GLM)) == "hello"
    assert text_of(answer(engine("hello"), traits.GLM)) == "hello"
    assert text_of(answer(engine("\n\nhello"), traits.GLM)) == "\nhello"


def test_sampled_ids_make_the_next_prompt_continue_the_last_one() -> None:
    letters = [traits.tokenizer().get_vocab()[letter] for letter in "hello"]
    for template, before in ((traits.CHATML, []), (traits.GLM, ids("\n"))):
        over = ScriptedEngine([before + letters, ids("ok")])
        talk = chat(over, template)
        events = asyncio.run(collect(talk.stream(ASK)))
        reply = Message("assistant", text_of(events), sampled=finished(events).sampled)
        asyncio.run(collect(talk.stream([*ASK, reply, Message("user", "more")])))
        first, second = (request.token_ids for request in over.requests)
        assert second[: len(first) + len(before) + 5] == (*first, *before, *letters)


def test_several_answers_have_seeds_of_their_own() -> None:
    over = engine("one", "two", "three")
    events = answer(over, n=3, seed=7)
    assert sorted(text_of(events, choice) for choice in range(3)) == ["one", "three", "two"]
    assert sorted(request.decoding.seed or 0 for request in over.requests) == [7, 8, 9]
    total = events[-1]
    assert isinstance(total, TurnFinished)
    assert total.usage.completion_tokens == sum(finished(events, i).usage.completion_tokens for i in range(3))
    assert sum(isinstance(event, TurnStarted) for event in events) == 1


@pytest.mark.parametrize("best_of", [2, 3])
def test_what_a_turn_itself_put_into_the_cache_is_not_told_as_cached(best_of: int) -> None:
    class Backwards(ScriptedEngine):
        """Answers the first request last, as an engine may that makes its form ready meanwhile."""

        waits = True

        async def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
            if self.waits:
                self.waits = False
                await asyncio.sleep(0.01)
            async for chunk in super().generate(request):
                yield chunk

    events = answer(Backwards([ids("hello"), ids("hi"), ids("hey")]), n=2, best_of=best_of)
    started, ended = events[0], events[-1]
    assert isinstance(started, TurnStarted)
    assert isinstance(ended, TurnFinished)
    assert started.cached_tokens == ended.usage.cached_tokens == 0
    assert max(event.usage.cached_tokens for event in events if isinstance(event, Finished)) > 0


def test_best_of_generates_more_than_it_returns() -> None:
    over = engine("one", "two", "three")
    events = answer(over, n=1, best_of=3)
    assert len(over.requests) == 3
    assert {event.choice for event in events if isinstance(event, TextDelta | Finished)} == {0}
    assert not any(event.logprobs for event in events if isinstance(event, TextDelta))


def test_logprobs_come_with_the_text() -> None:
    events = answer(engine("hello world"), logprobs=0)
    counted = sum(len(event.logprobs) for event in events if isinstance(event, TextDelta))
    assert counted == len(ids("hello world"))


@pytest.mark.parametrize(
    ("sampling", "name"),
    [
        ({"use_beam_search": True}, "use_beam_search"),
        ({"length_penalty": 2.0}, "length_penalty"),
        ({"early_stopping": True}, "early_stopping"),
    ],
)
def test_beam_search_is_refused_by_name(sampling: dict[str, Any], name: str) -> None:
    with pytest.raises(UnsupportedFeature, match=name):
        answer(engine("a"), **sampling)


def test_values_that_ask_for_nothing_are_accepted() -> None:
    assert text_of(answer(engine("a"), best_of=1, top_k=-1, use_beam_search=False, length_penalty=1.0)) == "a"


@pytest.mark.parametrize("sampling", [{"n": 2, "best_of": 1}, {"stop_token_ids": [10**9]}, {"logit_bias": {10**9: 1}}])
def test_values_that_cannot_be_are_refused_before_anything_runs(sampling: dict[str, Any]) -> None:
    over = engine("a")
    with pytest.raises(InvalidParameter):
        answer(over, **sampling)
    assert not over.requests


def test_messages_that_are_no_conversation_are_refused() -> None:
    talk = chat(engine("a"))
    for messages in ([], [Message("system", "x")]):
        with pytest.raises(InvalidMessages):
            asyncio.run(collect(talk.stream(messages)))


def test_a_prompt_that_is_too_long_is_refused_before_the_first_event() -> None:
    over = engine("a", size=64)
    long = [Message("user", "hello " * 100)]
    with pytest.raises(ContextOverflow):
        asyncio.run(collect(chat(over).stream(long, options=TurnOptions(window=WindowPolicy(overflow="error")))))
    assert not over.requests


def test_a_listener_who_leaves_cancels_every_answer() -> None:
    async def leave_early() -> list[str]:
        over = engine("one two three", "one two three", gate=Turnstile(3))
        events = chat(over).stream(ASK, Sampling(n=2))
        async for event in events:
            if isinstance(event, TextDelta):
                break
        await events.aclose()
        assert sorted(over.closed) == sorted(request.request_id for request in over.requests)
        return over.closed

    assert len(asyncio.run(leave_early())) == 2


@pytest.mark.parametrize("error", [GenerationFailed("lost"), EngineDead("gone")])
@pytest.mark.parametrize("n", [1, 3])
def test_an_engine_s_error_reaches_the_listener(error: GenerationFailed | EngineDead, n: int) -> None:
    with pytest.raises(type(error)):
        answer(engine("hello world", "a", "b", failure=(2, error)), n=n)


def test_raw_text_is_continued_with_its_control_tokens() -> None:
    over = engine("more")
    events = asyncio.run(collect(chat(over, None).complete("<|user|>hi")))
    assert over.requests[0].token_ids == tuple(ids("<|user|>hi"))
    assert text_of(events) == "more"
    with pytest.raises(InvalidMessages):
        asyncio.run(collect(chat(over, None).complete("")))
    with pytest.raises(ContextOverflow):
        asyncio.run(collect(chat(engine("a", size=16), None).complete("hello " * 40)))


def test_an_explanation_gives_each_owner_its_tokens() -> None:
    explained = chat(engine()).explain([Message("system", "Be kind."), *ASK])
    assert [(part.owner, part.role) for part in explained.parts] == [
        ("message 0", "system"),
        ("message 1", "user"),
        ("template", None),
    ]
    assert sum(part.tokens for part in explained.parts) == len(explained.token_ids)
    assert "".join(part.text for part in explained.parts) == explained.text
    assert chat(engine()).count(ASK) == len(chat(engine()).explain(ASK).token_ids)


def test_a_prompt_may_end_without_opening_an_answer() -> None:
    over, ended = engine("\nhello"), TurnOptions(generation_prompt=False)
    talk = chat(over, traits.GLM)
    events = asyncio.run(collect(talk.stream(ASK, options=ended)))
    prompt = tuple(ids("[gMASK]<sop><|user|>\nhello"))
    assert over.requests[0].token_ids == prompt == talk.explain(ASK, options=ended).token_ids
    assert talk.count(ASK, ended) == len(prompt) == finished(events).usage.prompt_tokens
    assert text_of(events) == "\nhello"  # no answer was opened, so nothing is owed to it


@pytest.mark.parametrize("generation_prompt", [True, False])
def test_the_model_goes_on_inside_the_last_message(generation_prompt: bool) -> None:
    over, options = engine("ther is nice<|im_end|>"), replace(GO_ON, generation_prompt=generation_prompt)
    talk = chat(over)
    events = asyncio.run(collect(talk.stream(BEGUN, options=options)))
    prompt = tuple(ids("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nthe wea"))
    assert over.requests[0].token_ids == prompt
    assert text_of(events) == "ther is nice"
    assert finished(events).usage.prompt_tokens == talk.count(BEGUN, options) == len(prompt)
    explained = talk.explain(BEGUN, options=options)
    assert explained.token_ids == prompt
    assert [(part.owner, part.role) for part in explained.parts] == [("message 0", "user"), ("message 1", "assistant")]


def test_nothing_is_owed_to_an_answer_that_goes_on() -> None:
    over = engine("\nhello")
    events = asyncio.run(collect(chat(over, traits.GLM).stream(BEGUN, options=GO_ON)))
    assert over.requests[0].token_ids == tuple(ids("[gMASK]<sop><|user|>\nhello<|assistant|>\nthe wea"))
    assert text_of(events) == "\nhello"


def test_an_answer_that_goes_on_is_not_thinking_whatever_tags_are_written_in_it() -> None:
    opens = traits.CHATML.replace("assistant\n{% endif %}", "assistant\n<think>{% endif %}")
    for content, reasoning in (("<think>hm", ""), ("the", "hm")):
        messages = [*ASK, Message("assistant", content, reasoning=reasoning)]
        for template in (opens, traits.THINKING):
            talk = chat(engine("so <think>\nyes</think>no"), template, reasoning=THINK)
            events = asyncio.run(collect(talk.stream(messages, options=GO_ON)))
            assert text_of(events) == "so no"
            assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == "yes"


@pytest.mark.parametrize("begun", ["the wea", "the <|assistant|>\nwea", ""])
def test_what_was_gone_on_with_is_sampled_text_to_the_next_prompt(begun: str) -> None:
    letters = [traits.tokenizer().get_vocab()[letter] for letter in "ther"]
    over = ScriptedEngine([letters, ids("ok")])
    talk = chat(over, traits.GLM)
    events = asyncio.run(collect(talk.stream([*ASK, Message("assistant", begun)], options=GO_ON)))
    (run,) = finished(events).sampled
    assert (run.opener, run.text) == ("<|assistant|>", f"\n{begun}ther")
    reply = Message("assistant", begun + text_of(events), sampled=(run,))
    asyncio.run(collect(talk.stream([*ASK, reply, Message("user", "more")])))
    first, second = (request.token_ids for request in over.requests)
    if "<|assistant|>" not in begun:  # a text with a control literal in it is always read anew
        assert second[: len(first) + 4] == (*first, *letters)


@pytest.mark.parametrize("shown", [True, False])
def test_a_word_s_space_shows_where_an_answer_goes_on(shown: bool) -> None:
    letters = {letter: number for number, letter in enumerate("▁abcdelhorstuwUSERAINT:\n?")}
    tokenizer = Tokenizer(models.BPE(vocab=letters, merges=[], unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    tokenizer.add_special_tokens([AddedToken("<|im_end|>", special=True, normalized=False)])
    for begun, text in (("hello", " world"), ("", "world")):
        over = ScriptedEngine([tokenizer.encode("▁world", add_special_tokens=False).ids])
        stream = chat(over, traits.PLAIN, tokenizer=tokenizer).stream(
            [*ASK, Message("assistant", begun)], Sampling(skip_special_tokens=shown), GO_ON
        )
        events = asyncio.run(collect(stream))
        assert text_of(events) == finished(events).sampled[0].text == text


def test_a_message_that_cannot_go_on_is_refused_before_anything_runs() -> None:
    call = Message("assistant", "b", tool_calls=(ToolCall("1", "f", "{}"),))
    for messages in (ASK, [*ASK, call]):
        over = engine("a")
        talk = chat(over)
        with pytest.raises(InvalidMessages, match="continue_final") as caught:
            asyncio.run(collect(talk.stream(messages, options=GO_ON)))
        assert caught.value.index == len(messages) - 1
        with pytest.raises(InvalidMessages, match="continue_final"):
            talk.explain(messages, options=GO_ON)
        with pytest.raises(InvalidMessages, match="continue_final"):
            talk.count(messages, GO_ON)
        assert not over.requests


def test_a_turn_may_bound_its_prompt() -> None:
    over = engine("fine")
    history = [message for i in range(20) for message in (Message("user", f"{i} hello"), Message("assistant", "world"))]
    options = TurnOptions(window=WindowPolicy(max_prompt_tokens=120))
    events = asyncio.run(collect(chat(over).stream([*history, *ASK], options=options)))
    assert isinstance(events[0], TurnStarted)
    assert events[0].window.dropped_exchanges > 0
    assert len(over.requests[0].token_ids) <= events[0].window.limit == 120
