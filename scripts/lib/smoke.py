"""smoke.py HOST:PORT BROKER_PID HANDLER_PID INDEX_HTML

Talks through a running chat: two clients in one room and one in another, over MessagePack and JSON. Stops the handler
in between to show that it is the handler who answers. Exits 0 if all was as it should be.
"""
import json
import os
import signal
import sys
import time
import urllib.request

import msgpack
from websockets.sync.client import connect

WAIT_S = 10
SILENCE_S = 0.7


class Talker:
    def __init__(self, address, room, name, packed=False):
        self.packed = packed
        subprotocol = "sluice.v1.msgpack" if packed else "sluice.v1.json"
        self.ws = connect(f"ws://{address}/ws", subprotocols=[subprotocol], proxy=None, legacy=True)
        assert self.receive(WAIT_S)["e"] == "@welcome", "the broker's first message is no @welcome"
        self.send({"e": "chat:join", "i": 1, "p": {"room": room, "name": name}})
        while (answer := self.receive(WAIT_S)).get("i") != 1:
            pass
        assert answer["e"] == "chat:join", f"joining was answered with {answer}"

    def send(self, message):
        self.ws.send(msgpack.packb(message) if self.packed else json.dumps(message))

    def say(self, text):
        self.send({"e": "chat:say", "p": {"text": text}})

    def receive(self, timeout):
        data = self.ws.recv(timeout)
        return msgpack.unpackb(data) if self.packed else json.loads(data)

    def texts(self, seconds, until=None):
        """What is said in the room, for so many seconds or until somebody says this."""
        heard, end = [], time.monotonic() + seconds
        while until not in heard and (left := end - time.monotonic()) > 0:
            try:
                message = self.receive(left)
            except TimeoutError:
                break
            if message["e"] == "chat:message":
                heard.append(message["p"]["text"])
            elif message["e"] == "batch_chat:message":
                heard += [payload["text"] for payload in message["p"]["d"]]
        return heard


def expect(what, condition):
    if not condition:
        sys.exit(f"smoke: FAILED: {what}")
    print(f"smoke: {what}")


def page_of(address):
    """The page, as soon as somebody serves it."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=WAIT_S) as answer:
                return answer.status, answer.read()
        except OSError as error:
            if time.monotonic() > end or not is_running(broker):
                return 0, str(error).encode()
            time.sleep(0.05)


def is_running(pid):
    """Neither gone nor a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_for_handler(address):
    """The handler connects in its own time: ask until it answers."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            Talker(address, "warm-up", "probe").ws.close()
            return True
        except AssertionError:
            if time.monotonic() > end or not is_running(handler):
                return False
            time.sleep(0.05)


address, broker, handler = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(sys.argv[4], "rb") as file:
    page = file.read()

status, served = page_of(address)
expect(f"the broker serves the page at http://{address}/", status == 200 and served == page and b"<script" in page)
expect("the handler answers", wait_for_handler(address))

ann = Talker(address, "lobby", "Ann")
bob = Talker(address, "lobby", "Bob", packed=True)
eve = Talker(address, "cellar", "Eve")
ann.say("hello, lobby")
expect("Bob hears what Ann says", bob.texts(WAIT_S, "hello, lobby") == ["hello, lobby"])
expect("Ann hears herself", ann.texts(WAIT_S, "hello, lobby") == ["hello, lobby"])
expect("Eve, in another room, does not", eve.texts(SILENCE_S) == [])

os.kill(handler, signal.SIGSTOP)
ann.say("anybody?")
silent = bob.texts(SILENCE_S) == []
os.kill(handler, signal.SIGCONT)
expect("while the handler is stopped, nobody hears anything", silent)
expect("when it goes on, Bob hears it", bob.texts(WAIT_S, "anybody?") == ["anybody?"])
for talker in ann, bob, eve:
    talker.ws.close()
expect("broker and handler are still running", is_running(broker) and is_running(handler))
