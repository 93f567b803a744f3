"""Each way to end, once told, with the right code."""
import json
import socket
import struct
import time

import pytest


def test_client_closes_with_code(echo):
    server = echo()
    with server.connect() as client:
        client.ws.close(4321, "enough é")
        assert client.ws.protocol.close_rcvd.code == 4321
    assert server.closed() == (4321, "enough é")
    assert server.is_quiet()


def test_client_closes_without_code(echo):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        client.send_frame(8)
        assert client.close_frame() == (1005, "")
        assert client.read_all() == b""
    assert server.closed() == (1005, "")
    assert server.is_quiet()


@pytest.mark.parametrize("code, seen", [(1000, 1000), (1001, 1001), (1011, 1011), (3000, 3000), (4999, 4999), (999, 1002),
                                        (1004, 1002), (1005, 1002), (1006, 1002), (1015, 1002), (2999, 1002)])
def test_close_codes_of_clients(echo, code, seen):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        client.send_frame(8, struct.pack(">H", code) + b"why")
        assert client.close_frame()[0] == seen
    assert server.closed() == (seen, "why")


@pytest.mark.parametrize("payload", [b"\x03", b"\x13\x88", b"\xff\xffwhy"])
def test_close_frames_without_a_code_that_can_be(echo, payload):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        client.send_frame(8, payload)
        assert client.close_frame()[0] == 1002
    assert server.closed()[0] == 1002
    assert server.is_quiet()


def test_close_reason_that_is_no_utf8(echo):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        client.send_frame(8, b"\x03\xe8why \xc3")
        assert client.close_frame()[0] == 1007
    assert server.closed()[0] == 1007
    assert server.is_quiet()


def test_fin_and_reset(echo):
    server = echo()
    with server.socket() as client:
        client.upgrade()
    assert server.closed() == (1006, "")
    client = server.socket().upgrade()
    client.reset()
    assert server.closed() == (1006, "")
    with server.socket() as client:
        client.upgrade()
        client.tcp.shutdown(socket.SHUT_WR)
        client.read_all()
    assert server.closed() == (1006, "")
    assert server.is_quiet()
    server.wait_count(0)


def test_fin_within_a_frame(echo):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        client.send(b"\x81\xfe\x10")
    assert server.closed() == (1006, "")


def test_silence(echo):
    server = echo(PING_MS=100, TIMEOUT_MS=600)
    with server.socket() as client:
        client.upgrade()
        begin = time.monotonic()
        opcode, payload = client.frame()
        assert opcode == 9  # a ping that this client does not answer
        assert client.close_frame() == (3010, "nothing came for 600 ms")
        assert 0.4 < time.monotonic() - begin < 2
    assert server.closed()[0] == 3010
    assert server.stats()["closed_timeout"] == 1


def test_answered_pings_keep_alive(echo):
    server = echo(PING_MS=100, TIMEOUT_MS=600)
    with server.connect() as client:  # websockets answers pings by itself
        time.sleep(1.5)
        assert client.ask("x", 1) == 1
    assert server.closed()[0] == 1000


@pytest.mark.parametrize("kind", ["pings", "empty pongs", "half a frame"])
def test_any_byte_keeps_alive(echo, kind):
    server = echo(PING_MS=0, TIMEOUT_MS=600)
    with server.socket() as client:
        client.upgrade()
        if kind == "half a frame":
            client.send(b"\x81\xfe\x01\x00\x00\x00\x00\x00")
        for _ in range(12):
            time.sleep(0.1)
            client.send_frame(9, b"") if kind == "pings" else client.send_frame(10, b"") if kind == "empty pongs" \
                else client.send(b" ")
        assert server.is_quiet(0.1)
        assert kind == "pings" or client.is_silent(0)
    assert server.closed()[0] == 1006


def test_message_too_big(echo):
    server = echo(MAX_MESSAGE=1000)
    with server.connect() as client:
        whole = json.dumps({"e": "x", "p": ""})
        client.ws.send(json.dumps({"e": "x", "p": "y" * (1000 - len(whole))}))
        assert client.read()["e"] == "x"
        client.ws.send("z" * 1001)
        assert client.closing()[1] == (1009, "messages have at most 1000 bytes")
    assert server.closed() == (1009, "messages have at most 1000 bytes")


def test_message_too_big_in_fragments(echo):
    server = echo(MAX_MESSAGE=1000)
    with server.socket() as client:
        client.upgrade()
        client.send_frame(1, b"y" * 600, fin=False)
        client.send_frame(0, b"y" * 600, fin=False)
        assert client.close_frame()[0] == 1009
        client.send_frame(8, struct.pack(">H", 1009))
        assert client.read_all() == b""
    assert server.closed()[0] == 1009
    assert server.is_quiet()


def test_message_declared_too_big(echo):
    server = echo(MAX_MESSAGE=1000)
    with server.socket() as client:
        client.upgrade()
        client.send_frame(2, b"y", length=1 << 40)
        assert client.close_frame()[0] == 1009
    assert server.closed()[0] == 1009


def test_megabytes_behind_the_limit_are_read_and_ignored(echo):
    server = echo(MAX_MESSAGE=1000)
    with server.connect() as client:
        client.ws.send("z" * 5_000_000)
        assert client.closing()[1][0] == 1009
    assert server.closed()[0] == 1009


@pytest.mark.parametrize("pieces", [[b"\xff"], [b"ok \xc3"], [b"\xc3", b"\x28"], [b"\xed\xa0\x80"], [b"\xf4\x90\x80\x80"],
                                    [b"\xc0\x80"], [b"abc", b"\xe2\x82", b"\xe2"], [b"a\xe2\x82"]])
def test_bad_utf8(echo, pieces):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        for index, piece in enumerate(pieces):
            client.send_frame(1 if index == 0 else 0, piece, fin=index == len(pieces) - 1)
        assert client.close_frame()[0] == 1007
    assert server.closed()[0] == 1007
    assert server.is_quiet()


def test_bad_utf8_cut_before_an_empty_fragment(echo):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        client.send_frame(1, b'{"e":"\xc3', fin=False)
        client.send_frame(0, b"")
        assert client.close_frame()[0] == 1007
    assert server.closed()[0] == 1007


def test_utf8_split_between_fragments_is_fine(echo):
    with echo().socket() as client:
        client.upgrade()
        client.send_frame(1, b'{"e":"\xe2', fin=False)
        client.send_frame(9, b"x")
        client.send_frame(0, b"\x82", fin=False)
        client.send_frame(0, b'\xac"}')
        frames = [client.frame(), client.frame()]
        assert (1, '{"e":"€"}'.encode()) in frames


@pytest.mark.parametrize("frames", [
    [(0, b"x", True, 0)], [(1, b"x", False, 0), (1, b"y", True, 0)], [(3, b"", True, 0)], [(11, b"", True, 0)],
    [(9, b"x", False, 0)], [(1, b"x", True, 0x40)], [(1, b"x", True, 0x10)],
])
def test_protocol_errors(echo, frames):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        for opcode, payload, fin, flags in frames:
            client.send_frame(opcode, payload, fin=fin, flags=flags)
        assert client.close_frame()[0] == 1002
    assert server.closed()[0] == 1002
    assert server.is_quiet()


@pytest.mark.parametrize("opcode", [8, 9, 10])
@pytest.mark.parametrize("size", [126, 65536])
def test_long_control_frame(echo, opcode, size):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        client.send_frame(opcode, b"\x03\xe8" + b"x" * (size - 2))
        assert client.close_frame()[0] == 1002
    assert server.closed()[0] == 1002
    assert server.is_quiet()


def test_broker_closes(echo):
    server = echo()
    with server.connect() as client:
        client.send("close:4001", "bye é")
        assert client.closing() == ([], (4001, "bye é"))
    assert server.is_quiet()
    server.wait_count(0)


def test_reason_is_cut_at_a_character(echo):
    with echo().connect() as client:
        client.send("close:4001", "é" * 100)
        assert client.closing()[1] == (4001, "é" * 61)


def test_broker_closes_behind_a_full_queue(echo):
    server = echo()
    with server.connect() as client:
        client.send("flood_close:900", "all")
        time.sleep(0.3)
        messages, end = client.closing()
        assert [m["p"][0] for m in messages] == list(range(900))
        assert end == (4000, "all")
    assert server.is_quiet()


def test_broker_closes_behind_a_queue_that_the_socket_does_not_take(echo):
    server = echo(QUEUE_BYTES=50_000_000, QUEUE_ITEMS=100000)
    with server.socket(receive_buffer=8192) as client:
        client.upgrade()
        client.send_frame(1, '{"e":"flood_close:3000","p":"all"}')
        time.sleep(0.5)
        numbers = []
        while True:
            opcode, payload = client.frame()
            if opcode == 8:
                break
            numbers.append(json.loads(payload)["p"][0])
        assert numbers == list(range(3000))
        assert payload == struct.pack(">H", 4000) + b"all"
        client.send_frame(8, payload)
        assert client.read_all() == b""
    server.wait_count(0)


@pytest.mark.parametrize("flood", [0, 900])
def test_broker_closes_with_a_ping_under_way(echo, flood):
    server = echo()
    for _ in range(20):
        with server.socket() as client:
            client.upgrade()
            ping = b"\x89\x85\x00\x00\x00\x00hello"
            command = b'{"e":"flood_close:%d","p":"all"}' % flood
            frame = bytes([0x81, 0x80 | len(command), 0, 0, 0, 0]) + command
            client.send(ping + frame + ping + ping)
            assert client.close_frame() == (4000, "all")
            client.send_frame(8, struct.pack(">H", 4000))
            client.read_all()


def test_both_close_at_once(echo):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        command = b'{"e":"close:4001","p":"us"}'
        client.send(bytes([0x81, 0x80 | len(command), 0, 0, 0, 0]) + command + b"\x88\x82\x00\x00\x00\x00\x0f\xa2")
        assert client.close_frame()[0] in (4001, 4002)
        client.read_all()
    assert server.is_quiet()
    server.wait_count(0)


def test_closing_ignores_messages(echo):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        client.send_frame(1, '{"e":"close:4001"}')
        assert client.close_frame()[0] == 4001
        client.send_frame(1, '{"e":"x"}')
        client.send_frame(9, b"p")
        client.send_frame(8, struct.pack(">H", 4001))
        assert all(byte != 0x81 for byte in client.read_all()[:1])
    assert server.is_quiet()


@pytest.mark.slow
def test_peer_that_does_not_answer_a_close(echo):
    server = echo()
    with server.socket() as client:
        client.upgrade()
        client.send_frame(1, '{"e":"close:4001"}')
        assert client.close_frame()[0] == 4001
        begin = time.monotonic()
        assert client.read_all() == b""
        assert 3 < time.monotonic() - begin < 8
    server.wait_count(0)


@pytest.mark.slow
def test_peer_that_does_not_read_a_close(echo):
    server = echo(QUEUE_BYTES=50_000_000, QUEUE_ITEMS=100000)
    with server.socket(receive_buffer=8192) as client:
        client.upgrade()
        client.send_frame(1, '{"e":"flood_close:20000"}')
        time.sleep(8)
        server.wait_count(0)
    assert server.is_quiet()


def test_slow_consumer_by_a_full_queue(echo):
    server = echo(QUEUE_BYTES=300_000)
    with server.socket(receive_buffer=8192) as client:
        client.upgrade()
        for _ in range(100):  # 10 MB, unless it ends before
            client.send_frame(1, '{"e":"flood:100"}')
            if not server.is_quiet(0.02):
                break
        assert server.closed(1) == (3012, "slow consumer")
        assert client.close_frame() == (3012, "slow consumer")
    stats = server.stats()
    assert stats["closed_slow"] == 1 and stats["messages_dropped"] > 0


def test_slow_consumer_by_no_progress(echo):
    server = echo(STALL_MS=500, QUEUE_BYTES=50_000_000, QUEUE_ITEMS=100000)
    with server.socket(receive_buffer=8192) as client:
        client.upgrade()
        client.send_frame(1, '{"e":"flood:2000"}')
        assert server.closed(5) == (3012, "slow consumer")
        assert client.close_frame() == (3012, "slow consumer")


def test_slow_but_steady_consumer_stays(echo):
    server = echo(STALL_MS=500, QUEUE_BYTES=50_000_000, QUEUE_ITEMS=100000)
    with server.socket(receive_buffer=8192) as client:
        client.upgrade()
        client.send_frame(1, '{"e":"flood:1500"}')
        end = time.monotonic() + 3
        while time.monotonic() < end:  # 100 kB/s
            client.read(5000)
            time.sleep(0.05)
        assert server.is_quiet(0)


def test_client_that_reads_nothing_any_more_costs_little_in_the_kernel(echo):
    """A connection that was fast gets up to 4 MB of it, unless told otherwise."""
    server = echo(QUEUE_BYTES=10_000_000, QUEUE_ITEMS=100000)
    with server.socket(receive_buffer=65536) as client:
        client.upgrade()
        eaten = 0
        for _ in range(12):
            client.send_frame(1, '{"e":"flood:4000"}')
            end = eaten + 4_000_000
            while eaten < end:
                eaten += len(client.tcp.recv(1 << 20))
        for _ in range(100):
            client.send_frame(1, '{"e":"flood:1000"}')
            if not server.is_quiet(0.02):
                break
        assert server.closed()[0] == 3012
    assert server.stats()["bytes_out"] - eaten < 1_500_000


def test_stop_with_open_connections(echo):
    server = echo()
    with server.socket() as idle, server.socket(receive_buffer=8192) as full, server.socket() as half:
        idle.upgrade()
        full.upgrade()
        full.send_frame(1, '{"e":"flood:900"}')
        half.send(b"GET /ws HTTP/1.1\r\n")
        time.sleep(0.2)
        server.stop()
        assert idle.read_all() == b""
