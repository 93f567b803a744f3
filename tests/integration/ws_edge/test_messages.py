"""Messages in and out, whole and in pieces."""
import json
import resource
import subprocess
import time

import msgpack
import pytest


def test_echo_keeps_payload_and_id(echo):
    with echo().connect() as client:
        for payload in [None, 0, -1, 9007199254740993, 18446744073709551615, 1.5, "é\u0000😀", [], {"a": [{}]}]:
            assert client.ask("x", payload) == payload
        client.send("x", 1, i="a" * 64)
        assert client.read() == {"e": "x", "p": 1, "i": "a" * 64}


@pytest.mark.parametrize("size", [0, 100, 125, 126, 127, 2000, 2048, 2049, 4096, 60000, 65500])
def test_sizes(echo, size):
    with echo().connect() as client:
        assert client.ask("x", "y" * size) == "y" * size


def test_messagepack(echo):
    with echo().socket() as client:
        client.upgrade(Sec_WebSocket_Protocol="sluice.v1.msgpack")
        message = {"e": "x", "p": {"b": b"\x00\xff", "n": 2**63}, "i": 7, "other": [None]}
        client.send_frame(2, msgpack.packb(message))
        opcode, payload = client.frame()
        assert opcode == 2 and msgpack.unpackb(payload) == {"e": "x", "p": message["p"], "i": 7}
        for bad, code in [(msgpack.packb({"e": 1}), "bad_message"), (b"\xc1", "bad_message"),
                          (msgpack.packb({"e": "x", 1: 2}, strict_types=False), "bad_message"),
                          (msgpack.packb({"e": "x", "p": msgpack.ExtType(1, b"")}), "bad_message"),
                          (msgpack.packb({"e": "x", "p": float("nan")}), "bad_message"),
                          (msgpack.packb({"e": "x"}) + b"\x00", "bad_message"),
                          (msgpack.packb({"e": "x", "i": -1}), "bad_id"), (b"\xdf\xff\xff\xff\xff", "bad_message")]:
            client.send_frame(2, bad)
            answer = msgpack.unpackb(client.frame()[1])
            assert answer["e"] == "@error" and answer["p"]["code"] == code
        client.send_frame(1, '{"e": "x"}')
        assert "text" in msgpack.unpackb(client.frame()[1])["p"]["message"]
        client.send_frame(2, msgpack.packb({"e": "still here"}))
        assert msgpack.unpackb(client.frame()[1]) == {"e": "still here"}


@pytest.mark.parametrize("text, code, part", [
    ('', "bad_message", "byte 0"), ('{', "bad_message", "byte 1"), ('[1]', "bad_message", "object"), ('{}', "bad_message", "`e`"),
    ('{"e": 7}', "bad_message", "`e`"), ('{"p": 1}', "bad_message", "`e`"), ('{"e": "x", "p": 01}', "bad_message", "byte 16"),
    ('{"e": "x"} y', "bad_message", "byte 11"), ('{"e": "x", "i": 1.0}', "bad_id", "`i`"),
    ('{"e": "x", "i": ""}', "bad_id", "1 to 64"), ('{"e": "x", "i": 9007199254740992}', "bad_id", "2^53"),
    ('{"e": "x", "i": null}', "bad_id", "nil"), ('{"e": "x", "z": nul}', "bad_message", "byte 16"),
])
def test_unreadable_messages_are_told_why_and_the_connection_stays(echo, text, code, part):
    with echo().connect() as client:
        client.ws.send(text)
        answer = client.read()
        assert answer["e"] == "@error" and answer["p"]["code"] == code
        assert part in answer["p"]["message"]
        assert client.ask("x", 1) == 1


def test_error_names_what_was_readable(echo):
    with echo().connect() as client:
        client.ws.send('{"e": "chat", "i": 5, "p": tru}')
        answer = client.read()
        assert answer["i"] == 5 and answer["p"]["event"] == "chat"


def test_binary_on_a_json_connection(echo):
    with echo().connect() as client:
        client.ws.send(b'{"e":"x"}')
        answer = client.read()
        assert answer["p"]["code"] == "bad_message" and "binary" in answer["p"]["message"]
        assert client.ask("x", 1) == 1


def test_fragments_with_control_frames_between(echo):
    with echo().socket() as client:
        client.upgrade()
        body = json.dumps({"e": "x", "p": "é" * 3000}, ensure_ascii=False).encode()
        client.send_frame(1, body[:1], fin=False)
        client.send_frame(9, b"ping")
        client.send_frame(10, b"pong nobody asked for")
        client.send_frame(0, b"", fin=False)
        client.send_frame(0, body[1:3001], fin=False)
        client.send_frame(9, b"again")
        client.send_frame(0, body[3001:], fin=False)
        client.send_frame(0, b"")
        frames = []
        while {opcode for opcode, _ in frames} < {1, 10}:  # in any order: one read may have brought all
            frames.append(client.frame())
        assert (10, b"ping") in frames
        assert [json.loads(body) for opcode, body in frames if opcode == 1] == [{"e": "x", "p": "é" * 3000}]


def test_many_messages_in_one_segment_keep_their_order(echo):
    with echo().socket() as client:
        client.upgrade()
        body = b"".join(bytes([0x81, 0x80 | len(m), 0, 0, 0, 0]) + m for m in
                        (b'{"e":"x","p":%d}' % n for n in range(1000)))
        client.send(body)
        assert [json.loads(client.frame()[1])["p"] for _ in range(1000)] == list(range(1000))


def test_broadcast_reaches_all(echo):
    server = echo()
    clients = [server.connect() for _ in range(5)]
    clients[0].send("all", {"x": 1})
    for client in clients:
        assert client.read() == {"e": "all", "p": {"x": 1}}
        client.ws.close()


def test_thousand_connections(echo):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    server = echo()
    clients = [server.socket() for _ in range(1000)]
    for client in clients:
        client.request()
    for client in clients:
        assert client.response()[0] == 101
        client.frame()
    with server.connect() as one:
        one.send("all", "hello")
        for client in clients:
            assert client.frame() == (1, b'{"e":"all","p":"hello"}')
        for client in clients:
            client.send_frame(1, '{"e":"x","p":1}')
        for client in clients:
            assert client.frame() == (1, b'{"e":"x","p":1}')
        for index, client in enumerate(clients):
            client.reset() if index % 2 else client.tcp.close()
    codes = [server.closed()[0] for _ in range(1001)]
    assert sorted(codes) == [1000] + [1006] * 1000
    server.wait_count(0)


def test_npm_ws(echo):
    """The other well-known client; it needs its package (NODE_PATH)."""
    script = """
        const WebSocket = require('ws');
        const link = new WebSocket('ws://127.0.0.1:%d/ws', ['sluice.v1.json']);
        const got = [];
        link.on('open', () => { link.send('{"e":"x","p":"' + 'y'.repeat(5000) + '"}'); link.ping('z'); });
        link.on('pong', data => got.push('pong ' + data));
        link.on('message', data => {
            const message = JSON.parse(data);
            if (message.e === 'x') link.send('{"e":"flood_close:500","p":"done"}');
            got.push(message.e);
        });
        link.on('close', (code, reason) => console.log(JSON.stringify(
            [code, String(reason), got.filter(e => e === 'flood').length, got.includes('pong z')])));
    """
    probe = subprocess.run(["node", "-e", "require('ws')"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("the npm package ws is not there")
    server = echo()
    result = subprocess.run(["node", "-e", script % server.port], capture_output=True, timeout=30, check=True)
    assert json.loads(result.stdout) == [4000, "done", 500, True]


def test_idle_costs_no_time(echo):
    server = echo()
    with server.connect() as client:
        client.ask("x")
        before = server.cpu_seconds()
        time.sleep(1)
        assert server.cpu_seconds() - before < 0.1
