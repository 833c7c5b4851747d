import io
from itertools import pairwise

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.terminal.output import Output, Screen, fitted, harmless, screen_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def pipes() -> tuple[Output, io.StringIO, io.StringIO]:
    answers, notes = io.StringIO(), io.StringIO()
    return Output(screen_of(answers, color=False), screen_of(notes, color=False)), answers, notes


def one_screen(*, color: bool = False) -> tuple[Output, Terminal]:
    stream = Terminal()
    screen = screen_of(stream, color=color)
    return Output(screen, screen), stream


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 你好\tand\nlines", "plain 你好\tand\nlines"),
        ("\x1b[2J", "␛[2J"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("a\rb", "ab"),
        ("a\r\nb", "a\nb"),
        ("a\x08b\x7f", "a␈b␡"),
        ("\x9b2J\x85", "\ufffd2J\ufffd"),
        ("left \u202e right \u2066x", "left \ufffd right \ufffdx"),
    ],
)
def test_nothing_in_an_answer_is_obeyed(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(st.text(), st.data())
def test_a_sequence_cut_in_two_is_disarmed_as_well(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    assert harmless(text[:cut]) + harmless(text[cut:]) == harmless(text)
    assert not any((ord(c) < 0x20 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in harmless(text))


@given(st.text(st.sampled_from("\x1b\x9b[]0123;HJKmA\x07\x08\r\x0e\x0f#c>(B")))
def test_a_terminal_only_ever_moves_right(text: str) -> None:
    screen = pyte.Screen(400, 4)
    stream = pyte.Stream(screen)
    positions: list[int] = []
    for character in harmless(text[:300]):
        stream.feed(character)
        positions.append(screen.cursor.x)
    assert screen.title == ""
    assert all(after == before + 1 for before, after in pairwise(positions))


def test_a_pipe_gets_the_answer_as_it_is_and_nothing_else() -> None:
    output, answers, notes = pipes()
    output.progress("loading")
    output.note("a note")
    output.thought("hm")
    output.answer("\x1b[1mraw")
    output.answer("\r\ntext")
    output.end_line()
    output.note("the end", "error")
    assert answers.getvalue() == "\x1b[1mraw\r\ntext\n"
    assert notes.getvalue() == "a note\nhm\nthe end\n"


def test_an_exact_output_adds_no_line_break_to_a_pipe() -> None:
    answers, notes = io.StringIO(), io.StringIO()
    output = Output(screen_of(answers, color=False), screen_of(notes, color=False), exact=True)
    output.answer("text")
    output.end_line()
    output.note("note")
    assert (answers.getvalue(), notes.getvalue()) == ("text", "note\n")


def test_a_note_begins_a_new_line_on_a_shared_screen() -> None:
    output, stream = one_screen()
    output.answer("half")
    output.note("note")
    output.answer("whole\n")
    output.note("note")
    assert stream.getvalue() == "half\nnote\nwhole\nnote\n"


def test_two_terminals_are_one_screen() -> None:
    answers, notes = Terminal(), Terminal()
    output = Output(screen_of(answers, color=False), screen_of(notes, color=False))
    output.answer("half")
    output.note("note")
    assert notes.getvalue() == "\nnote\n"


def test_styles_are_for_screens_with_colour() -> None:
    output, stream = one_screen(color=True)
    output.note("dim")
    output.note("bad", "error")
    output.marked([("plain ", "plain"), ("mark", "mark")])
    assert stream.getvalue() == "\x1b[2mdim\x1b[0m\n\x1b[31mbad\x1b[0m\nplain \x1b[36mmark\x1b[0m\n"
    output, stream = one_screen(color=False)
    output.note("bad", "error")
    assert stream.getvalue() == "bad\n"


def test_our_own_notes_cannot_carry_a_foreign_sequence() -> None:
    output, stream = one_screen(color=True)
    output.note("no model \x1b[31m")
    assert "␛[31m" in stream.getvalue()


def test_progress_takes_the_place_of_progress() -> None:
    shown = pyte.Screen(60, 10)
    output, stream = one_screen()
    output.progress("loading · reading weights 10 %")
    output.progress("loading 100 %")
    output.note("ready")
    pyte.Stream(shown).feed(stream.getvalue().replace("\n", "\r\n"))
    assert [line.rstrip() for line in shown.display[:2]] == ["ready", ""]


def test_progress_stays_on_one_line_however_long_it_is() -> None:
    shown = pyte.Screen(80, 10)
    output, stream = one_screen()
    for percent in range(3):
        output.progress(f"正在加载 /a/very/long/path{'/一二三四五' * 12} · {percent} %")
    output.end_progress()
    output.note("ready")
    pyte.Stream(shown).feed(stream.getvalue().replace("\n", "\r\n"))
    assert [line.rstrip() for line in shown.display[:3]] == ["ready", "", ""]


def test_a_table_is_set_by_the_width_of_its_characters() -> None:
    output, stream = one_screen()
    output.table([["你", "1", "一二三"], ["model", "1,200", "\x1b[2J x"]], right=(1,), wrap=False)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("你         1  一二三")
    assert lines[1].startswith("model  1,200  ␛[2J x")


def test_a_last_column_that_is_too_long_is_cut_and_the_others_are_not() -> None:
    output, stream = one_screen()
    output.table([["model", "1,200", "一二三四五" * 30], ["you", "5", "x"]], right=(1,), wrap=False)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("model  1,200  一二三")
    assert lines[0].rstrip().endswith("…")


def test_a_table_without_colour_has_no_styles() -> None:
    for color in (True, False):
        output, stream = one_screen(color=color)
        output.table([["a", "b"]])
        assert ("\x1b[" in stream.getvalue()) is color


def test_a_program_without_streams_writes_nowhere() -> None:
    screen = screen_of(None, color=True)
    screen.write("text", "error")
    assert screen == Screen(screen.stream, is_terminal=False, color=False)


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("pirate", 6, "pirate"),
        ("pirate", 5, "pira…"),
        ("海盗船", 6, "海盗船"),
        ("海盗船", 5, "海盗…"),
        ("海盗船", 4, "海…"),
    ],
)
def test_a_line_is_fitted_by_the_width_of_its_characters(text: str, columns: int, shown: str) -> None:
    assert fitted(text, columns) == shown


def test_the_tail_of_progress_stands_however_long_the_rest_is() -> None:
    output, stream = one_screen()
    output.progress("loading " + "x" * 200, " · 5 s")
    assert stream.getvalue().endswith("x… · 5 s")
    assert len(stream.getvalue()) == len("\r\x1b[K") + 79
