"""The page in a real browser: `duihua web` on the bundled demo, and on the scripted engine where answers must be known.

Needs Chromium (`apt-get install chromium`, or `playwright install chromium`); without one these tests are skipped.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from terminal.person import environment
from web.stage import served

pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),  # as in tests/web/test_page.py
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]
PATIENCE_MS = 30_000
Visit = Callable[..., Page]
# Notes what the process connects to and looks up. Python runs a module of this name when it starts.
WITNESS = """
import sys
def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        with open({file!r}, "a") as file:
            print(event, arguments[1] if event == "socket.connect" else arguments[0], file=file)
sys.addaudithook(note)
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome")
        path = next((found for name in names if (found := shutil.which(name))), playwright.chromium.executable_path)
        if not Path(path).exists():
            pytest.skip("there is no Chromium")
        is_root = os.name == "posix" and os.geteuid() == 0  # Chromium's sandbox refuses root
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if is_root else [])
        yield started
        started.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the page over the demo, and the file of what its server connected to.

    Answers go on to max_tokens, so that there is something to stop; most tests ask for a few tokens.
    """
    home = tmp_path_factory.mktemp("home")
    contacts = home / "contacts"
    contacts.touch()
    (home / "sitecustomize.py").write_text(WITNESS.format(file=str(contacts)), "utf-8")
    flags = ["--port", "0", "--temperature", "0", "--max-tokens", "1500"]
    env = environment(home, PATH=os.defpath, PYTHONPATH=str(home), DUIHUA_IGNORE_EOS="1")
    command = [sys.executable, "-m", "duihua", "web", *flags]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        told = next(found[0] for line in server.stderr if (found := re.search(r"http://\S+", line)))
        yield told, contacts
        server.terminate()
        server.stderr.read()
    assert server.returncode == 128 + 15


@pytest.fixture
def visit(browser: Browser, demo: tuple[str, Path]) -> Iterator[Visit]:
    """Opens the demo's page as somebody new; nothing on it may go elsewhere or break."""
    contexts, elsewhere, errors = list[BrowserContext](), list[str](), list[str]()

    def opened(width: int = 1280) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: None if request.url.startswith(demo[0]) else elsewhere.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(demo[0])
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in elsewhere if not url.startswith(("data:", "blob:"))] == []
    assert errors == []


expect.set_options(timeout=PATIENCE_MS)


def say(page: Page, text: str, *, max_tokens: int | None = None) -> None:
    if max_tokens is not None:
        page.locator("#max_tokens").get_by_role("textbox").fill(str(max_tokens))
    box(page).fill(text)
    box(page).press("Enter")


def box(page: Page) -> Locator:
    return page.locator("#box textarea")


def test_a_conversation_streams_and_is_remembered(visit: Visit) -> None:
    page = visit()
    expect(page.get_by_role("heading", name="demo")).to_be_visible()
    say(page, "My name is Kim.", max_tokens=12)
    expect(page.locator("#status")).to_contain_text("12 tokens")
    expect(box(page)).to_have_value("")
    say(page, "What is my name?")
    expect(page.locator("#chat .bot").nth(1)).to_contain_text("Kim")
    expect(page.locator("#status")).to_contain_text("the answer was cut at 12 tokens")
    assert page.locator("#chat .user").all_inner_texts()[0].strip() == "My name is Kim."


def test_an_answer_is_stopped_kept_and_the_next_one_given(visit: Visit) -> None:
    page = visit()
    say(page, "hello")
    answer = page.locator("#chat .bot").first
    expect(answer).to_contain_text(re.compile(r"\w{2}"))  # it streams: there is text, and it can be stopped
    box(page).fill("typed meanwhile")
    box(page).press("Enter")  # waits in the box
    page.locator("#stop").click()
    expect(page.locator("#status")).to_contain_text("stopped; what was said is kept")
    expect(page.locator("#send")).to_be_visible()
    expect(box(page)).to_have_value("typed meanwhile")
    kept = answer.inner_text()
    say(page, "again", max_tokens=3)
    expect(page.locator("#status")).to_contain_text("3 tokens")
    assert answer.inner_text() == kept


def test_a_new_conversation_is_empty(visit: Visit) -> None:
    page = visit()
    say(page, "My name is Kim.", max_tokens=12)
    expect(page.locator("#status")).to_contain_text("12 tokens")
    page.locator("#clear").click()
    expect(page.locator("#chat .user")).to_have_count(0)
    say(page, "What is my name?")
    expect(page.locator("#status")).to_contain_text("12 tokens")
    assert "Kim" not in page.locator("#chat").inner_text()


def test_an_answer_is_tried_again_in_its_place(visit: Visit) -> None:
    page = visit()
    say(page, "hello", max_tokens=3)
    expect(page.locator("#status")).to_contain_text("3 tokens")
    page.locator("#max_tokens").get_by_role("textbox").fill("5")
    page.locator("#retry").click()
    expect(page.locator("#status")).to_contain_text("5 tokens")
    expect(page.locator("#chat .user")).to_have_count(1)


def test_visitors_do_not_share_a_conversation(visit: Visit) -> None:
    first, second = visit(), visit()
    say(first, "My name is Kim.", max_tokens=12)
    say(second, "What is my name?", max_tokens=12)
    for page in (first, second):
        expect(page.locator("#status")).to_contain_text("12 tokens")
    assert "Kim" not in second.locator("#chat").inner_text()
    say(first, "What is my name?")
    expect(first.locator("#chat .bot").nth(1)).to_contain_text("Kim")


def test_a_refused_message_comes_back_before_what_was_typed_meanwhile(visit: Visit) -> None:
    page = visit()
    long = "long " * 3000
    say(page, long)
    expect(page.locator("#status .error")).to_contain_text("the prompt has")
    expect(box(page)).to_have_value(long)
    say(page, "short", max_tokens=3)
    expect(page.locator("#status")).to_contain_text("3 tokens")
    expect(page.locator("#chat .user")).to_have_count(1)


def test_an_input_method_s_enter_does_not_send(visit: Visit) -> None:
    page = visit()
    box(page).fill("ni")
    box(page).evaluate(
        """box => box.dispatchEvent(
            new KeyboardEvent("keydown", {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))"""
    )
    box(page).press("Shift+Enter")
    box(page).press_sequentially("hao")
    expect(box(page)).to_have_value("ni\nhao")
    expect(page.locator("#chat .user")).to_have_count(0)


def test_a_narrow_screen_begins_with_the_conversation(visit: Visit) -> None:
    page = visit(400)
    box(page).fill("hello")
    page.locator("#send").click()  # the panel does not cover it
    expect(page.locator("#chat .bot").first).to_contain_text(re.compile(r"\w{2}"))
    page.locator("#stop").click()


def test_the_server_asked_nobody(visit: Visit, demo: tuple[str, Path]) -> None:
    page = visit()
    say(page, "hello", max_tokens=3)
    expect(page.locator("#status")).to_contain_text("3 tokens")
    contacts = demo[1].read_text("utf-8").splitlines()
    assert contacts, "the witness saw nothing: the server looks its own address up at least"
    assert [line for line in contacts if "127.0.0.1" not in line] == []


MINE = "<b>mine</b> *plain* <|user|>\n# not a title"
HOSTILE = """**bold** <script>window.ran = 1</script> <img src=x onerror="window.ran = 2">

![seen](https://example.org/pixel.png) [go](javascript:window.ran=3) `<b>code</b>`

<iframe src="https://example.org/"></iframe><a href="https://example.org" onmouseover="window.ran=4">over</a>

```html
<i>kept</i>
```
"""


@pytest.fixture
def hostile() -> Iterator[str]:
    """The address of a page whose model says HOSTILE; it runs in a thread, for the browser's API holds this one."""
    addresses, is_up, is_over = list[str](), Event(), Event()

    async def serve() -> None:
        async with served(HOSTILE) as stage:
            addresses.append(stage.url)
            is_up.set()
            await asyncio.to_thread(is_over.wait)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert is_up.wait(60)
    yield addresses[0]
    is_over.set()
    thread.join()


def test_an_answer_s_html_is_text_and_runs_nothing(browser: Browser, hostile: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        reached = list[str]()
        page.on("response", lambda response: reached.append(response.url))
        page.goto(hostile)
        say(page, MINE)
        expect(page.locator("#status")).to_contain_text("tokens")
        answer = page.locator("#chat .bot").first
        text = answer.inner_text()
        assert "<script>window.ran = 1</script>" in text
        assert '<img src=x onerror="window.ran = 2">' in text
        assert "<b>code</b>" in text
        assert "<i>kept</i>" in text
        assert "**" not in text
        expect(answer.locator("strong").first).to_have_text("bold")
        assert answer.locator("script, iframe, [onerror], [onmouseover], a[href^='javascript']").count() == 0
        assert page.locator("#chat .user").first.inner_text().strip() == MINE
        assert page.evaluate("window.ran") is None
        assert [url for url in reached if "example.org" in url] == []
