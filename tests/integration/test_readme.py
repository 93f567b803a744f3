"""The programs in README.md and docs/protocol-*.md: taken out of the text, compiled where they are C, and run.

A fenced block of c, python or js whose first line is a comment with a file's name is a program.
"""
import os
import re
import shutil
import subprocess
import sys

import pytest

from kit.broker import BUILD, ROOT, wait_until
from kit.node import NODE_ENV

FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("protocol-*.md"))]
BLOCK = re.compile(r"```(?:c|python|js)\n((?://|#|/\*) (\S+\.(?:c|py|js)).*?)```\n", re.DOTALL)


def programs():
    """{name: text}"""
    return {name: text for file in FILES for text, name in BLOCK.findall(file.read_text())}


@pytest.fixture
def folder(tmp_path):
    """All programs as files."""
    for name, text in programs().items():
        (tmp_path / name).write_text(text)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    return tmp_path


@pytest.fixture
def run(broker, calls, open_things):
    """run(argument, ...) starts a handler and returns when the broker sees its subscription, or that it is a member."""

    def start(*arguments):
        links = calls.counter("subscriber_links")

        def is_there():
            members = [member for group in calls("stats")["groups"] for member in group["members"]]
            return members or calls.counter("subscriber_links") > links

        process = subprocess.Popen(arguments, env={**os.environ, "SLUICE_BROKER": broker.calls})

        def end():
            process.kill()
            process.wait()

        open_things.append(end)
        wait_until(lambda: is_there() or process.poll() is not None, "its subscription, or membership")
        assert process.poll() is None, "it ended by itself"
        return process

    return start


@pytest.fixture
def echo(broker, folder, run):
    return run(sys.executable, str(folder / "echo.py"), broker.calls)


def chat(ws):
    """What the chat handlers of README.md do: whoever speaks in a room hears what is said there."""
    ann, bob, eve = ws(), ws(), ws()
    eve.send("chat:say", {"room": "cellar", "text": "?"})
    eve.expect("chat:message", {"room": "cellar", "text": "?"})
    for client, text in (ann, "hi"), (bob, "ho"):
        client.send("chat:say", {"room": "lobby", "text": text})
        client.expect("chat:message", {"room": "lobby", "text": text})
    ann.expect("chat:message", {"room": "lobby", "text": "ho"})
    eve.nothing()


def cached(key):
    """What CMake was told, or found, for this build."""
    found = re.search(rf"^{key}:\w+=(.+)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    return found[1] if found else None


def test_the_handler_in_c(folder, run, ws):
    sanitizers = cached("SLUICE_SANITIZE")  # a sanitized library needs a program that is sanitized too
    subprocess.run(
        [cached("CMAKE_C_COMPILER"), *([f"-fsanitize={sanitizers}"] if sanitizers else []), "-std=c11", "-Wall",
         "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT}/include", str(folder / "chat.c"), "-o", str(folder / "chat"),
         f"-L{BUILD}", "-lsluice", f"-Wl,-rpath,{BUILD}"],
        check=True,
    )  # fmt: skip
    run(str(folder / "chat"))
    chat(ws)


def test_the_handler_in_python(broker, folder, run, ws):
    run(sys.executable, str(folder / "chat.py"), broker.calls)
    chat(ws)


def test_the_two_handlers_are_as_short_as_the_text_says():
    lines = {name: len([line for line in text.splitlines() if line.strip()]) for name, text in programs().items()}
    assert lines["chat.c"] <= 21 and lines["echo.py"] <= 26 and lines["chat.py"] <= 27, lines


def test_the_handler_in_python_joins_a_new_broker(broker, calls, folder, run, ws):
    run(sys.executable, str(folder / "chat.py"), broker.calls)
    broker.restart()
    wait_until(lambda: calls("stats")["groups"], "it to join again", 10)
    chat(ws)


@pytest.mark.options(alive_ms=100, question_ms=500)
def test_the_echo_in_python_answers_and_announces(broker, echo, ws):
    ann = ws()
    assert ann.ask("echo", {"n": 2**53 + 1}, i="x") == {"e": "echo", "p": {"n": 2**53 + 1}, "i": "x"}
    wait_until(lambda: ann.ask("other")["p"]["code"] == "no_handler", "its announcement", 10)
    broker.restart()
    bob = ws()
    wait_until(lambda: bob.ask("echo", 1)["e"] == "echo", "it to find the broker again", 10)


def test_sp_written_by_hand(broker, start_broker, folder, ws):
    ws(), ws()
    assert subprocess.check_output([sys.executable, str(folder / "count.py"), broker.calls]) == b"2\n"
    other = start_broker("--calls", "tcp://127.0.0.1:0")
    address = re.search(r"endpoint=calls address=(tcp\S+)", other.log())[1]
    assert subprocess.check_output([sys.executable, str(folder / "count.py"), address]) == b"0\n"


def dumped(start):
    """[(who, bytes)] of the hex dump in the handlers' protocol that begins so: `>` is sent, `<` comes back."""
    text = (ROOT / "docs" / "protocol-handlers.md").read_text()
    parts = []
    for line in re.search(rf"```text\n({re.escape(start)}.*?)```", text, re.DOTALL)[1].splitlines():
        data = bytes.fromhex(re.match(r"[<>]((?: [0-9a-f]{2})+)(?: {2,}|$)", line)[1])
        if not parts or parts[-1][0] != line[0]:
            parts.append((line[0], b""))
        parts[-1] = (line[0], parts[-1][1] + data)
    return parts


def test_the_bytes_of_sp_in_the_docs_are_those_of_the_wire(broker):
    """What `>` shows is sent, and what `<` shows comes back but for the epoch."""
    import socket

    parts = dumped("> 00 53 50 00")
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(broker.calls.removeprefix("ipc://"))
        for who, data in parts:
            if who == ">":
                link.sendall(data)
                continue
            came = b""
            while len(came) < len(data):
                came += link.recv(len(data) - len(came))
            epoch = came.find(b"\xa5epoch")
            if epoch >= 0:
                came = came[: epoch + 7] + data[epoch + 7 : epoch + 19] + came[epoch + 19 :]
            assert came == data


def test_the_bytes_of_two_turns_are_those_of_the_wire(broker, calls, ws):
    ann = ws()
    epoch = calls("hello")["epoch"].encode()
    time_ms = re.compile(rb"(?<=\xa7time_ms)\xcf.{8}", re.DOTALL)
    requests = 0
    for who, data in dumped("> 84 "):
        data = data.replace(b"k3v9x0q2apw4", epoch)
        if who == ">":
            calls.socket.send(data)
            came = calls.socket.recv()
            requests += 1
            if requests == 1:
                ann.send("shop:buy", {"item": 7}, i=1)
        else:
            assert time_ms.sub(b"", came) == time_ms.sub(b"", data)
    assert requests == 3
    ann.expect("shop:buy", {"thanks": True}, i=1)


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_the_client_in_javascript(broker, echo, calls, folder, open_things):
    page = folder / "page.js"
    page.write_text(page.read_text().replace("ws://127.0.0.1:8080/ws", broker.url))
    (folder / "main.cjs").write_text("globalThis.WebSocket = require('ws'); import('./page.js');\n")
    said = folder / "said"
    with open(said, "w") as out:
        node = subprocess.Popen(["node", str(folder / "main.cjs")], env=NODE_ENV, stdout=out, stderr=out)
    open_things.append(lambda: (node.kill(), node.wait()))

    def heard(text, count):
        wait_until(lambda: said.read_text().count(text) >= count, f"{text}, {count} times: {said.read_text()}")

    heard("hello", 1)
    broker.restart()
    heard("@welcome", 2)
    calls("batch", event="tick", interval_ms=10)
    calls("send", filter={}, event="tick", payload="tock")
    heard("tick tock", 1)
    calls("close", filter={}, code=4499)
    heard("@welcome", 3)
    calls("close", filter={}, code=4500, reason="enough")
    heard("enough", 1)
    assert node.wait(20) == 0, "it does not connect again, so nothing keeps it"
    assert said.read_text().count("@welcome") == 3
