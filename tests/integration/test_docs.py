"""Runs every JSON example of docs/protocol-*.md against a real broker.

How to write examples: a fenced block whose first line says ```json and a role. The blocks between two headings are one
scenario, played in their order on a fresh broker:

    json config           the broker's config file, before all others of the scenario. Alone, it is checked with --check.
    json client [NAME]    the client NAME sends exactly this text. Clients connect when they are first named (JSON, with a
                          subprotocol), all before the first block runs; without a name it is the client `a`.
    json broker [NAME]    the next message that the broker sends to that client. Its @welcome is skipped where not shown.
    json closes [NAME]    the broker closes that connection: {"code", "reason"}.
    json leaves [NAME]    the client closes it: {"code", "reason"}.
    json request          a handler sends this request (as MessagePack, as it stands).
    json reply            the reply to it.
    json op               a handler sends this operation in a request of its own.
    json result           the result of it.
    json publication      the next nng message that a subscriber to everything gets for this event name, after the zero byte.
    json event            the next event of this name in such a message.
    json filter           a filter: `count` takes it.
    json update           an update: `update` takes it for the client `a`.
    json data             anything else; it must be valid JSON, and is not run.

In what the broker sends, a map may have more keys than are shown, a list that ends with "..." more elements, and "..."
stands for any value. Numbers of the keys time_ms, dead_ms, duration_ms, uptime_ms and connected_ms may be any. Ids of connections
(k3v9x0q2ap.17) and epochs may be invented: the first time that one is shown for something real it stands for that,
and from then on for nothing else. An id that is first shown in what a handler sends stands for the first client that
has none yet; an epoch that is, stands for itself. A block of JSON without a role fails.

Subscribers exist only in scenarios with `event` or `publication`, and announce nothing: in the others a client gets no_handler unless
an operation `subscribe` was shown before.
"""
import json
import re
import subprocess

import msgpack
import pytest

from kit.broker import BUILD, ROOT, WAIT_S
from kit.calls import Calls, Events
from kit.client import Client

FILES = sorted((ROOT / "docs").glob("protocol-*.md"))
ROLES = (
    "config client broker closes leaves request reply op result publication event filter update data".split()
)
CONN = re.compile(r"[a-z0-9]{8,16}\.m?[0-9]+")  # and of members
ANY_NUMBER = ("time_ms", "dead_ms", "duration_ms", "uptime_ms", "connected_ms")


class Block:
    def __init__(self, line, info, text):
        self.line, self.text = line, text
        words = info.split()[1:]
        self.role = words[0] if words else None
        self.name = words[1] if len(words) > 1 else "a"

    def json(self):
        return json.loads(self.text)


def scenarios(file):
    """(title, blocks) for each heading with examples below it."""
    title, blocks, info, lines, begin = file.stem, [], None, [], 0
    for number, line in enumerate(file.read_text().splitlines(), 1):
        fence = line.strip()
        if info is not None:
            if fence == "```":
                if info.split()[:1] == ["json"]:
                    blocks.append(Block(begin, info, "\n".join(lines)))
                info = None
            else:
                lines.append(line)
        elif fence.startswith("```"):
            info, lines, begin = fence[3:], [], number
        elif line.startswith("#"):
            if blocks:
                yield title, blocks
            title, blocks = line.strip("# "), []
    if blocks:
        yield title, blocks


class Play:
    """One scenario under way."""

    def __init__(self, start_broker, closing, blocks):
        config = blocks[0].json() if blocks[0].role == "config" else {}
        self.broker = start_broker(**config)
        self.calls = Calls(self.broker.calls)
        closing.append(self.calls.close)
        self.epoch = self.calls("hello")["epoch"]
        self.events = None
        if {"event", "publication"} & {block.role for block in blocks}:
            self.events = Events(self.broker.events, self.calls)
            closing.append(self.events.close)
        self.bound = {}  # what the docs invented -> what it is
        self.clients = {}
        for block in blocks:
            if block.role in ("client", "broker", "closes", "leaves") and block.name not in self.clients:
                self.open(block.name, closing)
        self.closing = closing
        self.reply = None

    def open(self, name, closing):
        client = Client(self.broker.url)
        client.kept.append({"e": "@welcome", "p": client.welcome})
        closing.append(client.close)
        self.clients[name] = client

    # names

    def real(self, text):
        """What an invented id stands for; one not shown before stands for the first client without."""
        if text not in self.bound:
            taken = set(self.bound.values())
            free = [client.conn for client in self.clients.values() if client.conn not in taken]
            if not free:
                self.open(f"#{len(self.clients)}", self.closing)
                free = [list(self.clients.values())[-1].conn]
            self.bind(text, free[0])
        return self.bound[text]

    def bind(self, invented, value):
        self.bound.setdefault(invented, value)
        if CONN.fullmatch(invented):
            self.bound.setdefault(invented.split(".")[0], self.epoch)
        return self.bound[invented] == value

    def filled(self, value, key=None):
        if isinstance(value, dict):
            return {name: self.filled(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [self.filled(part, key) for part in value]
        if isinstance(value, str) and CONN.fullmatch(value):
            return self.real(value)
        return self.bound.get(value, value) if key == "epoch" else value

    def check(self, shown, real, at=""):
        where = f"at {at or 'the top'}: shown {shown!r}, really {real!r}"
        if shown == "...":
            return
        if isinstance(shown, dict):
            assert isinstance(real, dict), where
            for key, part in shown.items():
                assert key in real, f"{key} is missing {where}"
                if not (key in ANY_NUMBER and isinstance(real[key], int)):
                    self.check(part, real[key], f"{at}.{key}")
        elif isinstance(shown, list):
            assert isinstance(real, list), where
            more = shown[-1:] == ["..."]
            shown = shown[:-1] if more else shown
            assert len(real) >= len(shown) if more else len(real) == len(shown), where
            for index, (part, value) in enumerate(zip(shown, real)):
                self.check(part, value, f"{at}[{index}]")
        elif isinstance(shown, str) and (CONN.fullmatch(shown) or at.endswith(".epoch")):
            assert self.bind(shown, real), where
        else:
            assert shown == real and isinstance(shown, bool) == isinstance(real, bool), where

    # blocks

    def play_config(self, block):
        """The broker was started with it."""

    def play_client(self, block):
        text = CONN.sub(lambda found: self.bound.get(found[0], found[0]), block.text)
        client = self.clients[block.name]
        client.send_raw(text)
        client.ws.ping().wait(WAIT_S)  # its pong comes when the broker has read the text: what is shown next comes later

    def play_broker(self, block):
        shown, client = block.json(), self.clients[block.name]
        real = client.receive()
        if real["e"] == "@welcome" and shown["e"] != "@welcome":
            real = client.receive()
        self.check(shown, real)

    def play_closes(self, block):
        code, reason = self.clients[block.name].closed()
        self.check(block.json(), {"code": code, "reason": reason})

    def play_leaves(self, block):
        how = block.json()
        self.clients[block.name].close(how["code"], how.get("reason", ""))

    def play_request(self, block):
        self.reply = self.calls.raw(msgpack.packb(self.filled(block.json())))

    def play_reply(self, block):
        self.check(block.json(), self.reply)

    def play_op(self, block):
        self.reply = self.calls.request(self.filled(block.json()))

    def play_result(self, block):
        assert "results" in self.reply, self.reply
        self.check(block.json(), self.reply["results"][0])

    def play_event(self, block):
        shown = block.json()
        self.check(shown, self.events.next(shown["event"]))

    def play_publication(self, block):
        shown = block.json()
        name = shown["events"][0]["event"]
        while (message := self.events.message())[0] != name:
            pass
        self.check(shown, message[1])

    def play_filter(self, block):
        self.calls("count", filter=self.filled(block.json()))

    def play_update(self, block):
        if "a" not in self.clients:
            self.open("a", self.closing)
        self.calls("update", conn=self.clients["a"].conn, update=block.json())

    def play_data(self, block):
        block.json()


ALL = [
    pytest.param(file, title, blocks, id=f"{file.stem}:{blocks[0].line}")
    for file in FILES
    for title, blocks in scenarios(file)
]


@pytest.mark.parametrize("file, title, blocks", ALL)
def test_examples(start_broker, open_things, tmp_path, file, title, blocks):
    for block in blocks:
        assert block.role in ROLES, f"{file.name}:{block.line}: a block of JSON needs one of these roles: {ROLES}"
    if {block.role for block in blocks} == {"config"}:
        for block in blocks:
            check_config(file, block, tmp_path / "config.json")
        return
    play = Play(start_broker, open_things, blocks)
    for block in blocks:
        try:
            getattr(play, f"play_{block.role}")(block)
        except Exception as error:
            raise AssertionError(f"{file.name}:{block.line} ({title}), `json {block.role}`: {error}") from error


def check_config(file, block, config):
    config.write_text(block.text)
    done = subprocess.run(
        [str(BUILD / "sluiced"), "--check", "--config", str(config)], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, f"{file.name}:{block.line}: {done.stderr}"


@pytest.mark.parametrize("name", ["protocol-websocket.md", "protocol-handlers.md"])
def test_the_docs_have_examples(name):
    blocks = [block for file in FILES if file.name == name for _, blocks in scenarios(file) for block in blocks]
    assert len(blocks) >= 5
