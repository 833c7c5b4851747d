import asyncio
import io

from chat.talk import chat, engine
from duihua.chat.conversation import Conversation
from duihua.chat.protocol import Explanation, Part
from duihua.events import WindowReport
from duihua.image import Image
from duihua.messages import Message
from duihua.terminal.context import context_rows, raw_pieces, show_context
from duihua.terminal.output import Output, screen_of
from duihua.terminal.session import Session
from duihua.terminal.texts import Say
from prompt.dialogues import seeing

WINDOW = WindowReport(context_window=120, limit=100, reserve=20, prompt_tokens=60, kept_exchanges=1)


def explanation(*parts: Part, text: str | None = None) -> Explanation:
    whole = "".join(part.text for part in parts) if text is None else text
    return Explanation(parts=parts, token_ids=(1,) * sum(part.tokens for part in parts), text=whole, window=WINDOW)


def test_each_owner_is_a_row_with_its_tokens_and_words() -> None:
    parts = (
        Part("template", None, 2, "[gMASK]<sop>"),
        Part("message 0", "system", 10, "<|system|>\nBe brief."),
        Part("message 1", "user", 50, "<|user|>\nhello\nyou"),
        Part("template", None, 1, "<|assistant|>"),
    )
    assert list(context_rows(Say("en"), explanation(*parts), ["Be brief.", "hello\nyou"])) == [
        ["system", "10", "##..................", "Be brief."],
        ["you", "50", "##########..........", "hello you"],
        ["template", "3", "#...................", "[gMASK]<sop><|assistant|>"],
    ]


def test_a_bar_never_leaves_its_column() -> None:
    [row] = context_rows(Say("zh"), explanation(Part("message 0", "user", 500, "x")), ["x"])
    assert row[:3] == ["你", "500", "#" * 20]


def test_the_raw_prompt_sets_off_what_the_template_wrote() -> None:
    parts = (Part("template", None, 1, "<|user|>"), Part("message 0", "user", 1, "hi"))
    assert list(raw_pieces(explanation(*parts))) == [("<|user|>", "mark"), ("hi", "plain")]
    assert list(raw_pieces(explanation(*parts, text="<|user|> hi"))) == [("<|user|> hi", "plain")]


def test_a_message_s_pictures_are_named_among_its_words() -> None:
    stream = io.StringIO()
    screen = screen_of(stream, color=False)
    said = Message.of("user", [Image(b"x", 64, 48, name="cat.png"), "what is it?"])
    conversation = Conversation(chat(engine(max_images=1), encoder=seeing("chatml")), history=[said])
    asyncio.run(show_context(Session(conversation=conversation, output=Output(screen, screen), say=Say("en")), ""))
    assert "[cat.png 64x48] what is it?" in stream.getvalue()


def test_it_is_shown_for_a_conversation_and_not_without_one() -> None:
    stream = io.StringIO()
    screen = screen_of(stream, color=False)
    conversation = Conversation(chat(engine("fine")), system="Be brief.")
    session = Session(conversation=conversation, output=Output(screen, screen), say=Say("en"))

    async def talk() -> None:
        await show_context(session, "")
        async for _ in conversation.send("hello"):
            pass
        await show_context(session, "")
        await show_context(session, "raw")
        await show_context(session, "rwa")

    asyncio.run(talk())
    shown = stream.getvalue()
    assert shown.startswith("nothing was said yet\n")
    assert f"{len(conversation.explain().token_ids):,} of 3,072 tokens" in shown
    assert conversation.explain().text in shown
    assert shown.endswith("write /context or /context raw\n")


def test_dropped_turns_are_told() -> None:
    stream = io.StringIO()
    screen = screen_of(stream, color=False)
    conversation = Conversation(chat(engine("one", "two", "three", size=120)))
    session = Session(conversation=conversation, output=Output(screen, screen), say=Say("en"))

    async def talk() -> None:
        for number in range(3):
            async for _ in conversation.send(f"message {number}, long enough to fill a small window quickly"):
                pass
        await show_context(session, "")

    asyncio.run(talk())
    assert "not sent any more" in stream.getvalue()
    assert "message 0" not in stream.getvalue()
