"""The chat page in Chromium: real windows, a real broker, the real handler."""
import os
import shutil
import signal
import subprocess

import pytest

from kit.broker import BUILD, ROOT, wait_until
from kit.member import is_listening
from kit.node import NODE_ENV, SCRIPTS

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium here"),
    pytest.mark.options(static=str(ROOT / "examples" / "chat" / "public")),
    pytest.mark.timeout(120),
]


@pytest.fixture
def chat(broker, calls, open_things):
    """The chat handler's process."""
    process = subprocess.Popen([str(BUILD / "sluice-chat"), "--broker", broker.calls])

    def stop():
        process.kill()
        process.wait()

    open_things.append(stop)
    wait_until(lambda: is_listening(calls, "chat"), "the handler to join")
    return process


def use_page(broker, scenario, step_ms=20000):
    return subprocess.Popen(
        ["node", str(SCRIPTS / "chat_page.js"), f"http://127.0.0.1:{broker.port}/", scenario],
        env={**NODE_ENV, "CHROMIUM": CHROMIUM or "/usr/bin/chromium", "STEP_MS": str(step_ms)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )


def outcome(process, text=""):
    out, _ = process.communicate(text, timeout=100)
    print(out)
    return process.returncode, out


def test_two_windows_talk_and_one_closes(broker, chat):
    code, out = outcome(use_page(broker, "talk"))
    assert code == 0, out
    assert "ok: Bob hears Ann" in out and "ok: Bob closes his window and the count goes down" in out


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_its_handler_the_same_test_fails(broker, chat, number):
    chat.send_signal(number)
    code, out = outcome(use_page(broker, "talk", step_ms=2000))
    assert code == 1 and "FAILED" in out and "ok: Bob hears Ann" not in out


def test_the_page_finds_its_way_back_after_a_restart(broker, chat):
    process = use_page(broker, "restart", step_ms=40000)
    while (line := process.stdout.readline()) and "restart now" not in line:
        print(line)
    assert line, "the page was not ready"
    broker.restart()
    code, out = outcome(process, "done\n")
    assert code == 0, out
