"""Connections that are not read from for a while: nothing comes, nothing is lost, nobody is taken for dead."""
import json
import socket
import struct
import threading
import time


def text(event, payload=None, i=None):
    message = {"e": event, "p": payload}
    if i is not None:
        message["i"] = i
    return json.dumps(message)


def message(client):
    """The next message of a bare socket, past pings."""
    while True:
        opcode, payload = client.frame()
        if opcode == 1:
            return json.loads(payload)
        assert opcode == 9, (opcode, payload)


def frames(first, last):
    """Small messages in one piece, to be sent at once."""
    mask = b"\0\0\0\0"
    payloads = [text("n", number).encode() for number in range(first, last)]
    return b"".join(bytes([0x81, 0x80 | len(payload)]) + mask + payload for payload in payloads)


def expect_numbers(client, first, last):
    for number in range(first, last):
        assert message(client) == {"e": "n", "p": number}


def wait_paused(control, count):
    for _ in range(100):
        if control.ask("stats")["connections_paused"] == count:
            return
        time.sleep(0.02)
    raise AssertionError(f"not {count} paused connections")


def test_paused_connection_gets_nothing_up_and_then_all_in_order(echo):
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        client.send(frames(0, 5))
        expect_numbers(client, 0, 5)
        control.send("pause_others")
        wait_paused(control, 1)
        before = control.ask("stats")["messages_in"]
        client.send(frames(5, 200))
        assert client.is_silent(0.5)
        assert control.ask("stats")["messages_in"] == before + 1
        control.send("resume_others")
        expect_numbers(client, 5, 200)
        wait_paused(control, 0)
        client.send(frames(200, 300))
        expect_numbers(client, 200, 300)
    assert server.closed()[0] in (1000, 1006)


def test_messages_read_together_with_the_one_that_pauses_wait(echo):
    """They are in libwebsockets already, and nothing more comes from the socket that could wake it."""
    server = echo()
    with server.socket() as client:
        client.upgrade()
        pause = text("pause").encode()
        later = text("resume_after:500").encode()
        mask = b"\0\0\0\0"
        head = bytes([0x81, 0x80 | len(later)]) + mask + later + bytes([0x81, 0x80 | len(pause)]) + mask + pause
        begin = time.monotonic()
        client.send(frames(0, 3) + head + frames(3, 30))
        expect_numbers(client, 0, 3)
        assert client.is_silent(0.3)
        expect_numbers(client, 3, 30)
        assert 0.45 < time.monotonic() - begin < 3


def test_pausing_again_and_again_among_messages_read_together(echo):
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        pause = text("pause").encode()
        one = bytes([0x81, 0x80 | len(pause)]) + b"\0\0\0\0" + pause
        client.send(b"".join(frames(i, i + 3) + one for i in range(0, 30, 3)))
        for i in range(0, 30, 3):
            expect_numbers(client, i, i + 3)
            wait_paused(control, 1)
            assert client.is_silent(0.05)
            control.send("resume_others")


def test_messages_read_with_the_one_that_pauses_come_to_a_peer_that_takes_nothing(echo):
    """It does not become writable either."""
    server = echo(QUEUE_BYTES=50_000_000, QUEUE_ITEMS=100000, STALL_MS=0)
    with server.socket(receive_buffer=8192) as client, server.connect() as control:
        client.upgrade()
        client.send_frame(1, text("flood:3000"))
        for _ in range(100):  # until the kernel takes no more of it
            before = control.ask("stats")["bytes_out"]
            time.sleep(0.05)
            if control.ask("stats")["bytes_out"] - before < 5000:
                break
        mask = b"\0\0\0\0"
        head = b""
        for command in "resume_after:400", "pause":
            payload = text(command).encode()
            head += bytes([0x81, 0x80 | len(payload)]) + mask + payload
        before = control.ask("stats")["messages_in"]
        client.send(head + frames(0, 20))
        time.sleep(0.2)
        assert control.ask("stats")["messages_in"] == before + 3
        time.sleep(0.6)
        assert control.ask("stats")["messages_in"] == before + 24


def test_many_small_frames_wait_in_the_kernel(echo):
    """What fits its buffers, and more: the client has to wait with the rest, and then all come."""
    server = echo(QUEUE_ITEMS=100000, QUEUE_BYTES=50_000_000)
    count = 20_000
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        control.send("pause_others")
        wait_paused(control, 1)
        client.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        client.tcp.setblocking(False)
        data, sent = frames(0, count), 0
        assert len(data) > 65 * 1024
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                sent += client.tcp.send(data[sent:sent + 65536])
            except BlockingIOError:
                time.sleep(0.02)
        assert 65 * 1024 < sent < len(data), "the kernel took it all"
        client.tcp.settimeout(10)
        rest = threading.Thread(target=client.tcp.sendall, args=(data[sent:],))
        rest.start()
        control.send("resume_others")
        expect_numbers(client, 0, count)
        rest.join()


def test_paused_in_the_middle_of_a_message(echo):
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        whole = text("long", "x" * 30000).encode()
        client.send_frame(1, whole[:10000], fin=False)
        client.send_frame(0, whole[10000:20000], fin=False)
        time.sleep(0.1)
        control.send("pause_others")
        wait_paused(control, 1)
        client.send_frame(0, whole[20000:])
        assert client.is_silent(0.3)
        control.send("resume_others")
        assert message(client) == json.loads(whole)


def test_paused_while_it_opens(echo):
    server = echo()
    with server.connect() as control:
        control.send("pause_next")
        control.ask("stats")
        with server.socket() as client:
            client.request()
            client.send(frames(0, 10))  # right behind the handshake
            assert client.response()[0] == 101
            assert message(client)["e"] == "@welcome"
            assert client.is_silent(0.3)
            control.send("resume_others")
            expect_numbers(client, 0, 10)


def test_paused_connection_is_not_taken_for_dead(echo):
    server = echo(PING_MS=100, TIMEOUT_MS=500)
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        control.send("pause_others")
        wait_paused(control, 1)
        while not client.is_silent(0.2):  # pings that were on their way
            assert client.frame()[0] == 9
        assert client.is_silent(1.5)
        assert server.is_quiet(0)
        control.send("resume_others")
        resumed = time.monotonic()
        opcode, payload = client.frame()  # pings go on,
        assert (opcode, payload) == (9, b"")
        client.send_frame(10, payload)
        answered = time.monotonic()
        assert client.close_frame()[0] == 3010  # and so does the clock, from the beginning
        assert 0.4 < time.monotonic() - answered < 1.5
        assert answered - resumed < 0.4
    assert server.closed()[0] == 3010


def test_pings_of_a_paused_client_are_answered_later(echo):
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        control.send("pause_others")
        wait_paused(control, 1)
        client.send_frame(9, b"there?")
        assert client.is_silent(0.3)
        control.send("resume_others")
        assert client.frame() == (10, b"there?")


def test_reset_is_seen(echo):
    server = echo()
    with server.connect() as control:
        clients = [server.socket().upgrade() for _ in range(40)]
        control.send("pause_others")
        wait_paused(control, 40)
        for client in clients[:20]:
            client.send(frames(0, 5))
        begin = time.monotonic()
        for client in clients:
            client.reset()
        for _ in clients:
            assert server.closed() == (1006, "")
        assert time.monotonic() - begin < 2
        wait_paused(control, 0)
        assert control.ask("stats")["count"] == 1


def test_reset_loses_what_was_read_and_held(echo):
    """As it loses what is in the kernel."""
    server = echo()
    with server.connect() as control:
        client = server.socket().upgrade()
        pause = text("pause").encode()
        client.send(bytes([0x81, 0x80 | len(pause)]) + b"\0\0\0\0" + pause + frames(0, 5))
        wait_paused(control, 1)
        paused = control.ask("stats")["messages_in"]
        client.reset()
        assert server.closed() == (1006, "")
        assert control.ask("stats")["messages_in"] == paused + 1


def test_close_frame_read_together_with_the_one_that_pauses(echo):
    """It cannot wait. What was sent before it goes up before its end is told."""
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        pause = text("pause").encode()
        bye = text("all", "bye").encode()
        code = struct.pack(">H", 4001)
        client.send(bytes([0x81, 0x80 | len(pause)]) + b"\0\0\0\0" + pause +
                    bytes([0x81, 0x80 | len(bye)]) + b"\0\0\0\0" + bye +
                    bytes([0x88, 0x82]) + b"\0\0\0\0" + code)
        assert client.close_frame()[0] == 4001
        assert server.closed() == (4001, "")
        assert control.read()["p"] == "bye"
        wait_paused(control, 0)


def test_paused_for_no_time_at_all(echo):
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        both = b""
        for command in "pause_others", "resume_others":
            payload = text(command).encode()
            both += bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload
        with server.socket() as other:
            other.upgrade()
            for i in range(0, 200, 4):
                client.send(frames(i, i + 4))
                other.send(both)
            expect_numbers(client, 0, 200)
        wait_paused(control, 0)


def test_orderly_end_waits_for_its_messages(echo):
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        control.send("pause_others")
        wait_paused(control, 1)
        client.send(frames(0, 50))
        client.tcp.shutdown(socket.SHUT_WR)
        assert server.is_quiet(1.5)
        control.send("resume_others")
        expect_numbers(client, 0, 50)
        assert server.closed() == (1006, "")


def test_close_frame_waits_for_its_messages(echo):
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        control.send("pause_others")
        wait_paused(control, 1)
        client.send(frames(0, 50))
        client.send_frame(8, struct.pack(">H", 4000) + b"bye")
        assert server.is_quiet(1.5)
        before = control.ask("stats")["messages_in"]
        control.send("resume_others")
        assert client.close_frame() == (4000, "bye")  # their echoes may be behind it, so they do not come
        assert server.closed() == (4000, "bye")
        assert control.ask("stats")["messages_in"] == before + 52


def test_deliveries_go_out_while_paused(echo):
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        control.send("pause_others")
        wait_paused(control, 1)
        client.send(frames(0, 3))
        for number in range(500):
            control.send("all", [number, "x" * 1000])
            assert control.read()["p"][0] == number
            assert message(client) == {"e": "all", "p": [number, "x" * 1000]}
        assert client.is_silent(0.2)
        control.send("resume_others")
        expect_numbers(client, 0, 3)


def test_slow_consumer_is_closed_while_paused(echo):
    server = echo(STALL_MS=400, QUEUE_BYTES=50_000_000, QUEUE_ITEMS=100000)
    with server.connect() as control, server.socket(receive_buffer=8192) as client:
        client.upgrade()
        client.send_frame(1, text("flood:3000"))
        client.send_frame(1, text("pause"))
        assert server.closed(5)[0] == 3012
        wait_paused(control, 0)


def test_closed_while_paused(echo):
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        control.send("pause_others")
        wait_paused(control, 1)
        client.send(frames(0, 3))
        control.send("all", "last words")
        assert control.read()["p"] == "last words"
        control.send("close_others:4100")
        assert message(client) == {"e": "all", "p": "last words"}
        assert client.close_frame() == (4100, "")
        client.send_frame(8, struct.pack(">H", 4100))
        assert client.read_all() == b""  # the answer was read, so nobody had to hang up
        wait_paused(control, 0)
        assert server.is_quiet(0)
    server.wait_count(0)


def test_stop_with_paused_connections(echo):
    server = echo()
    with server.connect() as control, server.socket() as client:
        client.upgrade()
        client.send(frames(0, 3))
        expect_numbers(client, 0, 3)
        control.send("pause_others")
        wait_paused(control, 1)
        client.send(frames(3, 6))
        server.stop()


def test_paused_connections_cost_nothing(echo):
    """Each of them has messages in libwebsockets that wait."""
    server = echo()
    pause = text("pause").encode()
    head = bytes([0x81, 0x80 | len(pause)]) + b"\0\0\0\0" + pause
    with server.connect() as control:
        clients = [server.socket().upgrade() for _ in range(300)]
        for client in clients:
            client.send(head + frames(0, 20))
        wait_paused(control, 300)
        before = server.cpu_seconds()
        time.sleep(1)
        assert server.cpu_seconds() - before < 0.2
        control.send("resume_others")
        for client in clients:
            expect_numbers(client, 0, 20)
            client.tcp.close()
