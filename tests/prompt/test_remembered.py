"""Each of many conversations finds its own last prompt again, and what is kept has a bound."""

from __future__ import annotations

from duihua.messages import Message
from duihua.prompt.built import Built
from duihua.prompt.layout import Layout
from duihua.prompt.literals import Guard, Literals
from duihua.prompt.remembered import RememberedPrompts

GUARD = Guard(Literals(()))
SYSTEM = Message("system", "be kind")


def built(*contents: str, key: str = "", length: int = 10) -> Built:
    """A prompt of so many characters; system message first, then user and assistant in turn."""
    turns = [Message(("user", "assistant")[i % 2], content) for i, content in enumerate(contents)]
    text = "x" * length
    return Built((SYSTEM, *turns), key, GUARD, Layout(text, text, (), None), (), (), None, ())


def test_each_of_many_conversations_finds_its_own() -> None:
    kept = RememberedPrompts()
    prompts = [built(f"question {i}", "answer", "and then?") for i in range(500)]
    for prompt in prompts:
        kept.keep(prompt)
    for prompt in prompts:
        assert kept.nearest("", [*prompt.messages, Message("assistant", "so")]) is prompt


def test_conversations_that_open_alike_are_told_apart_by_what_follows() -> None:
    kept = RememberedPrompts()
    first, second = built("hi", "hello", "one"), built("hi", "hey", "two")
    kept.keep(first)
    kept.keep(second)
    assert kept.nearest("", built("hi", "hello", "one", "1", "more").messages) is first
    assert kept.nearest("", built("hi", "hey", "two", "2", "more").messages) is second


def test_a_longer_prompt_takes_the_place_of_the_one_it_goes_on_with() -> None:
    kept = RememberedPrompts()
    for turns in (1, 3, 5, 7):
        kept.keep(built(*map(str, range(turns))))
    assert len(kept) == 1
    kept.keep(built("0", "another answer", "2"))
    assert len(kept) == 2


def test_prompts_of_another_template_call_are_not_built_on() -> None:
    kept = RememberedPrompts()
    kept.keep(built("hi", key="with tools"))
    assert kept.nearest("without", built("hi", key="without").messages) is None


def test_of_too_many_that_open_alike_the_oldest_goes() -> None:
    kept = RememberedPrompts()
    prompts = [built("hi", f"answer {i}", "so") for i in range(9)]
    for prompt in prompts:
        kept.keep(prompt)
    assert len(kept) == 8
    assert kept.nearest("", prompts[8].messages) is prompts[8]
    assert kept.nearest("", prompts[0].messages) is not prompts[0]


def test_what_is_kept_has_at_most_so_many_characters_and_what_was_used_last_stays() -> None:
    kept = RememberedPrompts(characters=30)
    first, second, third = (built(name) for name in "abc")
    for prompt in (first, second, third, first, built("d")):
        kept.keep(prompt)
    assert len(kept) == 3
    assert kept.nearest("", first.messages) is first
    assert kept.nearest("", second.messages) is None
    kept.keep(built("long", length=31))
    assert len(kept) == 0
    kept.keep(built("short", length=30))
    assert len(kept) == 1
