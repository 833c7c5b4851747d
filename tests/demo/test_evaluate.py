"""What went wrong can be read."""

from demo.evaluate import failures
from demo.exams.case import Case, Held, Reply, Step, has


def test_a_conversation_that_went_wrong_can_be_read():
    case = Case("s", "e", "en", (Step("What is my name?", has("Anna")),))
    right, wrong = Held(case, [Reply("Anna!")]), Held(case, [Reply("Bob!")])
    assert [row["turns"] for row in failures([right, wrong])] == [[["What is my name?", "Bob!"]]]
