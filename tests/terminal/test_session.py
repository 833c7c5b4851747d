import io

import pytest

from chat.talk import chat, engine
from duihua.chat.conversation import Conversation
from duihua.errors import EngineBusy
from duihua.image import Image
from duihua.messages import Message
from duihua.sampling import OUR_DEFAULTS, Sampling
from duihua.terminal.output import Output, screen_of
from duihua.terminal.session import Session
from duihua.terminal.texts import Say


def test_what_was_set_stands_over_the_model_s_own() -> None:
    screen = screen_of(None, color=False)
    conversation = Conversation(chat(engine()), sampling=Sampling(temperature=0.1))
    session = Session(conversation=conversation, output=Output(screen, screen), say=Say("en"))
    assert session.info is conversation.chat.info
    assert session.sampling.temperature == 0.1
    assert session.sampling.top_p == OUR_DEFAULTS.top_p


def test_staged_pictures_stand_before_the_words_of_a_message() -> None:
    screen = screen_of(None, color=False)
    session = Session(conversation=Conversation(chat(engine())), output=Output(screen, screen), say=Say("en"))
    assert session.message("hello") == Message("user", "hello")
    cat, dog = Image(b"cat", 1, 1), Image(b"dog", 1, 1)
    session.stage([cat, dog])
    assert session.message("which?").parts == (cat, dog, "which?")
    assert session.pictures == [cat, dog]
    session.stage([])
    assert session.pictures == []


@pytest.mark.parametrize("is_debugging", [False, True])
def test_an_error_is_told_and_its_trace_only_where_it_is_unexpected_and_asked_for(
    capsys: pytest.CaptureFixture[str], *, is_debugging: bool
) -> None:
    stream = io.StringIO()
    screen = screen_of(stream, color=False)
    session = Session(
        conversation=Conversation(chat(engine())),
        output=Output(screen, screen),
        say=Say("en"),
        is_debugging=is_debugging,
    )
    session.tell(EngineBusy("the queue is full"))
    assert capsys.readouterr().err == ""
    session.tell(KeyError("x"))
    assert stream.getvalue().splitlines()[0] == "error: the queue is full"
    assert stream.getvalue().splitlines()[1].startswith("unexpected KeyError: 'x'")
    assert ("KeyError" in capsys.readouterr().err) is is_debugging
