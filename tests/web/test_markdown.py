import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from duihua.web.markdown import of_answer, of_person

# CommonMark with tables, strikethrough, and GFM's line breaks: what the page reads.
READER = MarkdownIt("commonmark", {"breaks": True, "html": True}).enable(["table", "strikethrough"])


def shown(markdown: str) -> str:
    """The text that a reader of Markdown shows, where it shows one paragraph of plain text."""
    tokens = READER.parse(markdown)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"], tokens
    parts = tokens[1].children or []
    assert {part.type for part in parts} <= {"text", "softbreak", "hardbreak"}, parts
    return "".join(part.content or "\n" for part in parts)


@pytest.mark.parametrize(
    "text",
    [
        "What is 2 + 3?",
        "a*b*c and __init__ and `code` and ~~no~~",
        "<b>bold</b> <script>alert(1)</script> <|user|> &lt; &amp;",
        "# no title",
        "1. no list",
        "2) no list",
        "- no list\n+ neither\n* nor this",
        "no title\n===\nno rule\n---",
        "as indented:\n    no code\n\tnor this",
        "> no quotation",
        "[no](link) ![no](picture) [no]: reference",
        "a | b\n--- | ---\n1 | 2",
        "```\nno fence\n```",
        "back\\slash \\* \\\\",
        "$$x$$",
        "你好，*世界*",
    ],
)
def test_what_a_person_typed_is_shown_letter_by_letter(text: str) -> None:
    assert shown(of_person(text)).replace("\N{NO-BREAK SPACE}", " ") == text.replace("\t", "    ")


def test_ordinary_words_are_left_as_they_are() -> None:
    text = "Well - that's it: 3.5 (or so), isn't it?\n第二行。"
    assert of_person(text) == text


@given(st.text(st.sampled_from("ab1 .)#>-+=*_`~<|&[]\\$!:/")).map(lambda text: f"x{text}x"))
def test_whatever_is_typed_in_a_line_is_shown_so(text: str) -> None:
    assert shown(of_person(text)) == text


@pytest.mark.parametrize(
    ("answer", "markdown"),
    [
        ("plain **bold** text", "plain **bold** text"),
        ("<b>x</b>", "&lt;b>x&lt;/b>"),
        ("2 < 3", "2 &lt; 3"),
        ("in `<b>` code", "in `<b>` code"),
        ("in ``<`b>`` code <i>", "in ``<`b>`` code &lt;i>"),
        ("an open ` and <b>", "an open ` and &lt;b>"),
        ("``<a>`", "``&lt;a>`"),
        ("\\`<a>`", "\\`&lt;a>`"),
        ("\\\\`<a>`", "\\\\`<a>`"),
        ("```html\n<b>\n```\n<i>", "```html\n<b>\n```\n&lt;i>"),
        ("~~~\n<b>\n```\n<b>\n~~~\n<i>", "~~~\n<b>\n```\n<b>\n~~~\n&lt;i>"),
        ("````\n```\n<b>\n````\n<i>", "````\n```\n<b>\n````\n&lt;i>"),
        ("still open\n```\n<b>", "still open\n```\n<b>"),
        ("`open\n```\n<b>`\n```", "`open\n```\n<b>`\n```"),
        ("<|user|>", "&lt;|user|>"),
        ("    two\n  spaces", "    two\n  spaces"),
    ],
)
def test_tags_of_an_answer_are_letters_but_in_code(answer: str, markdown: str) -> None:
    assert of_answer(answer) == markdown


@given(st.text(st.sampled_from("ab <>/`~\n*#-\\")))
def test_no_answer_holds_html_that_a_reader_would_run(answer: str) -> None:
    found = [token.type for token in READER.parse(of_answer(answer))]
    inline = [part.type for token in READER.parse(of_answer(answer)) for part in token.children or ()]
    assert "html_block" not in found
    assert "html_inline" not in inline
