"""The page while things change beneath it, and people use it."""

import os
import signal

import msgspec
import pytest

from browser.chromium import ENTER, Browser
from browser.scenes import UI
from integration.daemon import RunningDaemon
from serve_daemon.wire.messages import Submit, ToEngine

COUNTING = '[models.m]\nsource = "fake:text=count,token_delay=0.02"\n'
ECHO = '[models.m]\nsource = "fake:"\n'
KEY = "sk-page-0123456789abcdef"
NAME = "<img/src=x/onerror=window.hacked=1>"
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


async def look(daemon: RunningDaemon, browser: Browser, models: str) -> None:
    """Open the page of a daemon with these models."""
    await daemon.started(UI + models)
    await browser.open(f"{daemon.url}/ui")
    await browser.until_shown("Live", "#connection")


async def say(browser: Browser, text: str) -> None:
    await browser.type("#chat-message", text + ENTER)


async def answer(browser: Browser, number: int) -> str:
    """The whole text of the answer of that number, once it has ended."""
    turns = "document.querySelectorAll('.turn.assistant')"
    await browser.until(
        f"{turns}.length === {number} && document.querySelector('#chat-stop').hidden"
    )
    text: str = await browser.value(f"{turns}[{number - 1}].innerText")
    return text


async def test_it_finds_the_next_gateway_and_the_next_daemon(
    daemon: RunningDaemon, browser: Browser
) -> None:
    """And says which it was; the state goes on."""
    await look(daemon, browser, ECHO)
    os.kill(daemon.status()["gateway"]["pid"], signal.SIGKILL)
    await browser.until_shown("The gateway was replaced.", "#notice")
    await browser.until_shown("Live", "#connection")
    await daemon.end()
    await browser.until_shown("Reconnecting", "#connection")
    assert await browser.value("document.querySelector('main').classList.contains('stale')")
    await daemon.start()
    await browser.until_shown("The daemon was restarted.", "#notice")
    await browser.until_shown("Live", "#connection")
    first = await browser.until("document.querySelector('#events li:last-child')?.innerText")
    assert "serve-daemon" in first  # the events are those of the new one alone
    await daemon.until_model("m", state="ready")
    await browser.until_shown("ready", "article .state")
    await say(browser, "still there?")
    assert "still there?" in await answer(browser, 1)


async def test_a_page_that_is_switched_off_says_so(daemon: RunningDaemon, browser: Browser) -> None:
    """And comes back by itself when it is switched on again."""
    await look(daemon, browser, ECHO)
    daemon.write(UI.replace("true", "false", 1) + ECHO)
    await daemon.ask("Reload", wait=True)
    await browser.until_shown("Switched off", "#connection")
    daemon.write(UI + ECHO)
    await daemon.ask("Reload", wait=True)
    await browser.until_shown("Live", "#connection")


async def test_a_reload_that_is_refused_is_told(daemon: RunningDaemon, browser: Browser) -> None:
    """With the position of the mistake, as servectl tells it."""
    await look(daemon, browser, ECHO)
    daemon.write(UI + ECHO + "max_requests = 0\n")
    daemon.signal(signal.SIGHUP)
    await browser.until_shown("refused", ".tile[data-tone=bad]")
    await browser.until_shown("models.m.max_requests", ".overview .notice")
    daemon.write(UI + ECHO)
    daemon.signal(signal.SIGHUP)
    await browser.until("document.querySelector('.overview .notice').hidden")


async def test_a_key_is_asked_for_and_kept_in_the_tab(
    daemon: RunningDaemon, browser: Browser
) -> None:
    """A wrong one is refused; the chat uses it; when it is forgotten, nothing is shown."""
    path = daemon.directory / "key"
    path.touch(mode=0o600)
    path.write_text(KEY)
    await daemon.started(f'{UI}{ECHO}[keys.page]\ncredential = "{path}"\n')
    await browser.open(f"{daemon.url}/ui")
    await browser.until_shown("This daemon asks for a key")
    assert not await browser.value("document.querySelector('main').checkVisibility()")
    await browser.type("#key", "sk-wrong-0123456789abcdef" + ENTER)
    await browser.until_shown("Incorrect API key provided", "#key-error")
    await browser.type("#key", KEY + ENTER)
    await browser.until_shown("ready", "article .state")
    await say(browser, "hello")
    assert "hello" in await answer(browser, 1)
    assert await browser.value("sessionStorage.length") == 1
    assert await browser.value("localStorage.length + document.cookie.length") == 0
    await browser.reload()
    await browser.until_shown("ready", "article .state")
    await browser.click("#forget-key")
    await browser.until_shown("This daemon asks for a key")
    assert await browser.value("sessionStorage.length") == 0


async def test_no_text_becomes_markup(daemon: RunningDaemon, browser: Browser) -> None:
    """Neither a model's name, nor what it says, nor what is said to it."""
    models = f'{ECHO}[models."{NAME}"]\nsource = "fake:"\naliases = ["<b>b</b>"]\n'
    await look(daemon, browser, models)
    await browser.until_shown(NAME, "#models")
    await browser.until_shown("<b>b</b>", "#models")
    await browser.until_shown(NAME, "#events")
    await browser.value("(document.querySelector('#chat-model').value = 'm')")
    await say(browser, HOSTILE)
    assert HOSTILE in await answer(browser, 1)
    assert (
        await browser.value("document.querySelectorAll('main img, main script, main b').length")
        == 0
    )
    assert await browser.value("window.hacked ?? null") is None
    with pytest.raises(AssertionError, match="TrustedHTML"):
        await browser.value("(document.body.innerHTML = '<b>x</b>')")


async def test_an_answer_can_be_stopped_and_gone_on_from(
    daemon: RunningDaemon, browser: Browser
) -> None:
    """What was said is kept in the conversation; a new chat forgets it."""
    await look(daemon, browser, COUNTING)
    await say(browser, "count")
    await browser.until_shown("1 2 3", ".turn.assistant .said")
    await browser.click("#chat-stop")
    assert "Stopped" in await answer(browser, 1)
    await daemon.until_true(lambda: daemon.model("m")["replicas"][0]["running"] == 0)
    await say(browser, "go on")
    await browser.until("document.querySelectorAll('.said')[3]?.textContent.includes('1 2 3')")
    await browser.click("#chat-stop")
    await answer(browser, 2)
    await browser.click("#chat-new")
    assert await browser.value("document.querySelectorAll('.turn').length") == 0
    focus = "document.activeElement.id"
    assert await browser.value(focus) == "chat-message"


async def test_what_is_set_for_the_chat_is_asked_for(
    daemon: RunningDaemon, browser: Browser
) -> None:
    """And nothing else, as the engine gets it."""
    record = daemon.directory / "record"
    await look(daemon, browser, f'[models.m]\nsource = "fake:temperature=0.7,record={record}"\n')
    await say(browser, "as it is")
    await answer(browser, 1)
    await browser.click(".options summary")
    await browser.type("#chat-temperature", "0.3")
    await browser.type("#chat-instructions", "Be brief.")
    await say(browser, "otherwise")
    assert "otherwise" in await answer(browser, 2)
    told = [msgspec.json.decode(line, type=ToEngine) for line in record.read_bytes().splitlines()]
    first, second = (each for each in told if isinstance(each, Submit))
    assert [first.sampling.temperature, second.sampling.temperature] == [0.7, 0.3]
    assert len(second.tokens) > 2 * len(first.tokens) + len("Be brief.")


async def test_what_goes_wrong_with_an_answer_is_said(
    daemon: RunningDaemon, browser: Browser
) -> None:
    """The question goes back to where it was typed, to be sent again."""
    await look(daemon, browser, '[models.m]\nsource = "fake:error_on=1"\n')
    await say(browser, "will it work?")
    await browser.until("document.querySelector(`.turn .error`)?.innerText.length > 9")
    await browser.until("document.querySelector('#chat-message').value === 'will it work?'")
    await browser.type("#chat-message", ENTER)
    assert "will it work?" in await answer(browser, 2)


async def test_it_can_be_used_with_keys_alone(daemon: RunningDaemon, browser: Browser) -> None:
    """Tab reaches every control in its order, and what has the focus is seen."""
    await look(daemon, browser, ECHO)
    reached = []
    for _ in range(12):
        await browser.press("\ue004")  # Tab
        reached.append(
            await browser.value("document.activeElement.id || document.activeElement.className")
        )
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert document_or(await browser.value(outline), reached[-1])
    wanted = ["skip", "chat-model", "chat-log", "chat-message", "chat-send", "events"]
    assert [each for each in reached if each in wanted][: len(wanted)] == wanted


def document_or(outline: str, focused: str) -> bool:
    """Whether it is seen; the page itself need not be."""
    return outline == "solid" or not focused


async def test_nothing_moves_for_those_who_want_it_so(
    daemon: RunningDaemon, browser: Browser
) -> None:
    """Though a model loads, which is shown by a motion otherwise."""
    loading = '[models.slow]\nsource = "fake:load=600"\n'
    daemon.write(UI + ECHO + loading)
    await daemon.start()
    await daemon.until_model("m", state="ready")
    await browser.open(f"{daemon.url}/ui")
    await browser.until("document.getAnimations().length > 0")
    await browser.prefer(reduced_motion="reduce")
    await browser.until("document.getAnimations().length === 0")
    assert await browser.value(
        "document.querySelector('article[aria-label=slow] .progress').checkVisibility()"
    )
