"""Each of many conversations finds its own last prompt again, and what is kept has a bound."""

from __future__ import annotations

from duihua.messages import Message
from duihua.prompt.built import Built
from duihua.prompt.layout import Layout
from duihua.prompt.literals import Guard, Literals
from duihua.prompt.remembered import RememberedPrompts

GUARD = Guard(Literals(()))


def built(*contents: str, length: int = 10) -> Built:
    """A prompt of so many characters; user and assistant in turn."""
    turns = [Message(("user", "assistant")[i % 2], content) for i, content in enumerate(contents)]
    text = "x" * length
    return Built(tuple(turns), None, GUARD, Layout(text, text, (), None), (), (), None, ())


def keep(kept: RememberedPrompts, prompt: Built) -> None:
    kept.keep(prompt.messages[0], prompt)


def nearest(kept: RememberedPrompts, prompt: Built) -> Built | None:
    return kept.nearest(prompt.messages[0], prompt.messages)


def test_each_of_many_conversations_finds_its_own() -> None:
    kept = RememberedPrompts()
    said = [(f"question {i}", "answer", "and then?") for i in range(500)]
    prompts = [built(*contents) for contents in said]
    for prompt in prompts:
        keep(kept, prompt)
    for prompt, contents in zip(prompts, said, strict=True):
        assert nearest(kept, built(*contents, "so", "more")) is prompt


def test_conversations_that_open_alike_are_told_apart_by_what_follows() -> None:
    kept = RememberedPrompts()
    first, second = built("hi", "hello", "one"), built("hi", "hey", "two")
    keep(kept, first)
    keep(kept, second)
    assert nearest(kept, built("hi", "hello", "one", "1", "more")) is first
    assert nearest(kept, built("hi", "hey", "two", "2", "more")) is second


def test_a_longer_prompt_takes_the_place_of_the_one_it_goes_on_with() -> None:
    kept = RememberedPrompts()
    for turns in (1, 3, 5, 7):
        keep(kept, built(*map(str, range(turns))))
    assert len(kept) == 1
    keep(kept, built("0", "another answer", "2"))
    assert len(kept) == 2


def test_prompts_of_another_opening_are_not_built_on() -> None:
    kept = RememberedPrompts()
    kept.keep("with tools", built("hi"))
    assert kept.nearest("without", built("hi").messages) is None


def test_of_too_many_that_open_alike_the_oldest_goes() -> None:
    kept = RememberedPrompts()
    prompts = [built("hi", f"answer {i}", "so") for i in range(9)]
    for prompt in prompts:
        keep(kept, prompt)
    assert len(kept) == 8
    assert nearest(kept, prompts[8]) is prompts[8]
    assert nearest(kept, prompts[0]) is not prompts[0]


def test_what_is_kept_has_at_most_so_many_characters_and_what_was_used_last_stays() -> None:
    kept = RememberedPrompts(characters=30)
    first, second, third = (built(name) for name in "abc")
    for prompt in (first, second, third, first, built("d")):
        keep(kept, prompt)
    assert len(kept) == 3
    assert nearest(kept, first) is first
    assert nearest(kept, second) is None
    keep(kept, built("long", length=31))
    assert len(kept) == 0
    keep(kept, built("short", length=30))
    assert len(kept) == 1
