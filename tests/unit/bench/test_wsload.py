#!/usr/bin/env python3
"""wsload against servers that lie: each lie must be counted as what it is, and end the run with status 1.

Usage: test_wsload.py BUILD_DIR   (where wsload and limit_echo are)
"""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
import unittest

BUILD = sys.argv.pop(1) if len(sys.argv) > 1 else "build"


def frame(payload, opcode=1, final=True):
    size = len(payload)
    head = bytes([opcode | (0x80 if final else 0)])
    if size < 126:
        return head + bytes([size]) + payload
    return head + bytes([126]) + struct.pack(">H", size) + payload


def read_frame(stream):
    head = stream.read(2)
    if len(head) < 2:
        raise EOFError
    size = head[1] & 0x7F
    if size == 126:
        size = struct.unpack(">H", stream.read(2))[0]
    key = stream.read(4)
    payload = bytes(byte ^ key[at % 4] for at, byte in enumerate(stream.read(size)))
    return head[0] & 0x0F, payload, key


class Server:
    """Accepts WebSockets on a free port; `answer(payload, count)` gives the bytes to send back."""

    def __init__(self, answer, handshake=True, greeting=b"", on_open=None):
        server = self
        self.keys = []

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self):
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += self.rfile.readline()
                if handshake is None:
                    time.sleep(2)
                    return
                if handshake is False:
                    self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                    return
                key = re.search(rb"Sec-WebSocket-Key: (\S+)", request).group(1)
                if on_open:
                    on_open(self.wfile)
                digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
                self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: "
                                 + base64.b64encode(digest) + b"\r\n\r\n" + greeting)
                try:
                    self.echo()
                except (EOFError, OSError):
                    pass

            def echo(self):
                count = 0
                while True:
                    opcode, payload, key = read_frame(self.rfile)
                    server.keys.append(key)
                    if opcode == 8:
                        return
                    if opcode == 1:
                        count += 1
                        for piece in answer(payload, count):
                            self.wfile.write(piece)

        self.tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.tcp.daemon_threads = True
        self.url = "ws://127.0.0.1:%d/ws" % self.tcp.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.tcp.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.tcp.shutdown()
        self.tcp.server_close()


def wsload(url, *options):
    done = subprocess.run([os.path.join(BUILD, "wsload"), "-w", "0", "-d", "0.2", "--drain", "0.2", "--json", "-",
                           *options, url], capture_output=True, text=True, timeout=20)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


class Lies(unittest.TestCase):
    def expect(self, answer, *options, greeting=b"", **counts):
        with Server(answer, greeting=greeting) as server:
            status, result, _ = wsload(server.url, *options)
        failures = result["failures"]
        for name, count in counts.items():
            self.assertEqual(failures[name] > 0, count > 0, (name, result))
        for name in set(failures) - set(counts):
            self.assertEqual(failures[name], 0, (name, result))
        self.assertEqual(status, 1 if any(counts.values()) else 0)
        self.assertEqual(result["first_problem"] != "", any(counts.values()))
        return result

    def test_honest_echo_passes(self):
        result = self.expect(lambda p, n: [frame(p)])
        self.assertGreater(result["received"], 10)
        self.assertEqual(result["received"], result["sent"])

    def test_changed_byte_is_wrong(self):
        self.expect(lambda p, n: [frame(p[:-3] + b"y" + p[-2:] if n == 10 else p)], wrong=1, missing=1)

    def test_binary_echo_is_wrong(self):
        self.expect(lambda p, n: [frame(p, opcode=2)], wrong=1, missing=1)

    def test_two_swapped_are_out_of_order(self):
        held = []

        def answer(payload, count):
            held.append(frame(payload))
            if len(held) < 2:
                return []
            swapped = held[::-1]
            held.clear()
            return swapped
        self.expect(answer, "-n", "2", misordered=1, missing=0)

    def test_second_echo_is_unexpected(self):
        self.expect(lambda p, n: [frame(p)] * (2 if n == 5 else 1), "-n", "4", unexpected=1)

    def test_lost_message_is_missing(self):
        self.expect(lambda p, n: [] if n == 7 else [frame(p)], "-n", "4", missing=1)

    def test_error_is_counted_and_shown(self):
        error = b'{"e":"@error","p":{"code":"no_handler"}}'
        result = self.expect(lambda p, n: [frame(error)], errors=1, missing=1)
        self.assertIn("no_handler", result["first_problem"])
        self.assertEqual(result["received"], 0)

    def test_close_code_is_shown(self):
        close = frame(struct.pack(">H", 3012) + b"slow", opcode=8)
        result = self.expect(lambda p, n: [close] if n == 5 else [frame(p)], lost=1, missing=1)
        self.assertIn("3012 slow", result["first_problem"])

    def test_masked_frame_loses_the_connection(self):
        self.expect(lambda p, n: [b"\x81\x80abcd"], lost=1, missing=1)

    def test_bad_opcode_loses_the_connection(self):
        self.expect(lambda p, n: [b"\x83\x00"], lost=1, missing=1)

    def test_continuation_of_nothing_loses_the_connection(self):
        self.expect(lambda p, n: [frame(p, opcode=0)], lost=1, missing=1)

    def test_welcome_is_passed_over(self):
        self.expect(lambda p, n: [frame(p)], greeting=frame(b'{"e":"@welcome","p":{"conn":"a.1"}}'))

    def test_fragments_with_pings_between_arrive_byte_by_byte(self):
        def answer(payload, count):
            parts = frame(payload[:9], final=False) + frame(b"hi", opcode=9)
            parts += frame(payload[9:40], opcode=0, final=False) + frame(b"", opcode=0, final=False)
            parts += frame(payload[40:], opcode=0)
            return [parts[at:at + 1] for at in range(len(parts))]
        result = self.expect(answer, "-n", "3")
        self.assertGreater(result["received"], 3)

    def test_masking_keys_differ_from_frame_to_frame(self):
        with Server(lambda p, n: [frame(p)]) as server:
            wsload(server.url, "-n", "16")
        self.assertGreater(len(server.keys), 50)
        self.assertGreater(len(set(server.keys)), 0.99 * len(server.keys))


class Casts(unittest.TestCase):
    """A cast: what the first connection sends, all must get, in order and once."""

    def expect(self, deliver, *options, **counts):
        """`deliver(payload, count)`: for each of all connections, by their order of coming, the bytes that it gets."""
        streams, lock = [], threading.Lock()

        def answer(payload, count):
            with lock:
                for stream, pieces in zip(streams, deliver(payload, count, len(streams))):
                    for piece in pieces:
                        stream.write(piece)
            return []
        with Server(answer, on_open=streams.append) as server:
            status, result, _ = wsload(server.url, "--cast", "-c", "3", *options)
        self.assertEqual({name for name, count in result["failures"].items() if count}, set(counts), result)
        self.assertEqual(status, 1 if counts else 0)
        return result

    def test_honest_cast_passes(self):
        result = self.expect(lambda p, n, all: [[frame(p)]] * all, "-n", "4")
        self.assertGreater(result["sent"], 10)
        self.assertEqual(result["received"], 3 * result["sent"])

    def test_batches_pass(self):
        held = []

        def deliver(payload, count, all):
            held.append(payload[payload.index(b'"p":') + 4:-1])
            if len(held) < 4:
                return []
            batch = frame(b'{"e":"batch_echo","p":{"d":[' + b",".join(held) + b"]}}")
            held.clear()
            return [[batch]] * all
        result = self.expect(deliver, "-n", "4", "--messages", "40", "--drain", "5")
        self.assertEqual((result["sent"], result["received"]), (40, 120))

    def test_connection_that_gets_nothing_is_missed(self):
        self.expect(lambda p, n, all: [[frame(p)]] * (all - 1), missing=1)

    def test_second_delivery_is_out_of_order(self):
        # Both in one piece: the second must come while the others still wait for the first, or it is one of no message.
        self.expect(lambda p, n, all: [[frame(p) * (2 if n == 5 else 1)]] + [[frame(p)]] * (all - 1), "-n", "2",
                    misordered=1)

    def test_delivery_in_another_order_is_seen(self):
        held = []

        def deliver(payload, count, all):
            held.append(frame(payload))
            if len(held) < 2:
                return []
            two = list(held)
            held.clear()
            return [two] * (all - 1) + [two[::-1]]
        self.expect(deliver, "-n", "2", misordered=1, missing=1)

    def test_changed_byte_is_wrong(self):
        self.expect(lambda p, n, all: [[frame(p)]] * (all - 1) + [[frame(p[:-3] + b"y" + p[-2:])]], wrong=1, missing=1)


class Steps(unittest.TestCase):
    """--stepwise: led by lines."""

    def lead(self, *options):
        process = subprocess.Popen([os.path.join(BUILD, "wsload"), "--stepwise", "--json", "-", *options],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for end in (process.stdout.close, process.stdin.close, process.wait, process.kill):
            self.addCleanup(end)
        return process

    @staticmethod
    def say(process, line):
        process.stdin.write(line)
        process.stdin.flush()

    def test_each_go_sends_as_many_messages(self):
        with Server(lambda p, n: [frame(p)]) as server:
            process = self.lead("-c", "3", "--messages", "5", server.url)
            self.assertEqual(process.stdout.readline(), "connected\n")
            for _ in range(2):
                self.assertEqual(len(server.keys), 15 * _)
                self.say(process, "go\n")
                self.assertEqual(process.stdout.readline(), "finished\n")
            self.say(process, "end\n")
            result = json.loads(process.stdout.read())
            self.assertEqual(process.wait(10), 0)
        self.assertEqual((result["sent"], result["received"], result["measured"]), (30, 30, 30))

    def test_end_of_the_input_is_the_end(self):
        with Server(lambda p, n: [frame(p)]) as server:
            process = self.lead(server.url)
            self.assertEqual(process.stdout.readline(), "connected\n")
            process.stdin.close()
            self.assertEqual(json.loads(process.stdout.read())["sent"], 0)
            self.assertEqual(process.wait(10), 0)

    def test_open_loop_goes_on_where_it_was(self):
        with Server(lambda p, n: [frame(p)]) as server:
            process = self.lead("-c", "3", "--rate", "100", "-w", "0", "-d", "0.2", server.url)
            for said in ("connected\n", "finished\n"):
                self.assertEqual(process.stdout.readline(), said)
                self.say(process, "go\n")
            self.assertEqual(process.stdout.readline(), "finished\n")
            self.say(process, "end\n")
            result = json.loads(process.stdout.read())
            self.assertEqual(process.wait(10), 0)
        self.assertEqual(result["received"], 40, result)
        self.assertLess(result["latency_us"]["p50"], 50e3, result)

    def test_messages_that_the_time_does_not_suffice_for_are_missing(self):
        with Server(lambda p, n: [frame(p)] if n < 5 else []) as server:
            status, result, _ = wsload(server.url, "--messages", "10")
        self.assertEqual((status, result["received"], result["failures"]["missing"]), (1, 4, 6))


class Time(unittest.TestCase):
    def test_open_loop_counts_from_the_intended_time(self):
        """A server that stalls once for 100 ms: a closed loop has one slow message, an open loop at 500/s fifty."""
        def answer(payload, count):
            if count == 5:
                time.sleep(0.1)
            return [frame(payload)]
        with Server(answer) as server:
            _, result, _ = wsload(server.url, "--rate", "500", "-d", "0.4", "-n", "4")
        self.assertEqual(result["received"], 200, result)
        self.assertGreater(result["latency_us"]["p90"], 25e3, result)
        self.assertLess(result["latency_us"]["p50"], 25e3, result)
        self.assertGreater(result["sent_late_us"]["max"], 50e3, result)

        with Server(answer) as server:
            _, result, _ = wsload(server.url, "-d", "0.4")
        self.assertLess(result["latency_us"]["p90"], 25e3, result)
        self.assertGreater(result["latency_us"]["max"], 90e3, result)

    def test_open_loop_keeps_its_rate(self):
        with Server(lambda p, n: [frame(p)]) as server:
            status, result, _ = wsload(server.url, "--rate", "300", "-d", "1", "-c", "7")
        self.assertEqual((status, result["received"]), (0, 300), result)

    def test_no_answer_ends_in_time(self):
        began = time.monotonic()
        with Server(lambda p, n: []) as server:
            status, result, _ = wsload(server.url, "-n", "3", "-c", "2")
        self.assertEqual((status, result["failures"]["missing"], result["received"]), (1, 6, 0))
        self.assertLess(time.monotonic() - began, 5)


class NoConnection(unittest.TestCase):
    def expect(self, url, text, *options):
        status, result, said = wsload(url, *options)
        self.assertEqual((status, result), (3, None))
        self.assertIn(text, said)

    def test_nobody_there(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.expect("ws://127.0.0.1:%d/ws" % unused.getsockname()[1], "Connection refused")

    def test_refused_upgrade(self):
        with Server(None, handshake=False) as server:
            self.expect(server.url, "403 Forbidden")

    def test_silent_server(self):
        with Server(None, handshake=None) as server:
            self.expect(server.url, "only 0 of 3", "-c", "3", "--connect-timeout", "0.3")

    def test_subprotocol_not_taken(self):
        with Server(None) as server:
            self.expect(server.url, "subprotocol", "-s", "sluice.v1.json")

    def test_bad_options(self):
        for options in (["--rate", "x"], ["-c", "0"], ["-n", "1.5"], ["-p", "10"], ["--nonsense"], ["-e", "a b"],
                        ["--cast", "--rate", "5"], ["--messages", "5", "--rate", "5"], ["--sources", "0"]):
            status, _, said = wsload("ws://127.0.0.1:1/", *options)
            self.assertEqual(status, 2, options)
            self.assertIn("--help", said)
        for url in ("http://127.0.0.1:1/", "ws://127.0.0.1/", "ws://:1/"):
            self.assertEqual(wsload(url)[0], 2)


class Limit(unittest.TestCase):
    """wsload and limit_echo together, also where every read and write is cut at any byte."""

    options = ()

    def setUp(self):
        self.server = subprocess.Popen([os.path.join(BUILD, "limit_echo"), *self.options], stdout=subprocess.PIPE, text=True)
        self.url = "ws://" + self.server.stdout.readline().split()[-1]

    def tearDown(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.stdout.close()
        self.assertEqual(self.server.wait(10), 0)

    def test_echoes(self):
        for options in (["-c", "50", "-n", "16"], ["-n", "16", "-q", "-s", "sluice.v1.json"],
                        ["-p", "130", "-t", "mixed"], ["-p", "200000", "-n", "4", "--drain", "5"],
                        ["-c", "5", "--rate", "1000"]):
            status, result, _ = wsload(self.url, *options)
            self.assertEqual(status, 0, result)
            self.assertGreater(result["received"], 10)

    def test_frames_cut_at_any_byte(self):
        for chop, payload in ((1, 33), (1, 130), (3, 64), (13, 300), (5000, 70000)):
            status, result, _ = wsload(self.url, "-c", "4", "-n", "3", "--chop", str(chop), "-p", str(payload),
                                       "-t", "mixed", "--drain", "10")
            self.assertEqual(status, 0, result)
            self.assertGreater(result["received"], 11, (chop, payload))

    def test_bad_peers_are_hung_up_on_and_others_served(self):
        host, port = self.url[5:].split(":")
        upgrade = (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        for bytes_sent in (b"GET / HTTP/1.1\r\n\r\n", b"x" * 5000, upgrade + b"\x81\x00", upgrade + b"\xc1\x80abcd",
                           upgrade + b"\x81\xff" + b"\x7f" * 12, upgrade + b"\x88\x80abcd"):
            with socket.create_connection((host, int(port)), timeout=5) as peer:
                peer.sendall(bytes_sent)
                try:
                    while peer.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
        self.assertEqual(wsload(self.url)[0], 0)

    def test_peer_that_reads_nothing_is_not_read_from(self):
        """limit_echo keeps what one recv brought, no more: the sender is slowed by TCP."""
        host, port = self.url[5:].split(":")
        with socket.create_connection((host, int(port)), timeout=5) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            peer.settimeout(0.5)
            one = b"\x82\xfe\x40\x00abcd" + bytes(0x4000)
            with self.assertRaises(socket.timeout):
                for _ in range(8192):  # 128 MiB
                    peer.sendall(one)
            self.assertEqual(wsload(self.url)[0], 0)
            with open("/proc/%d/status" % self.server.pid, encoding="ascii") as status:
                kib = int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))
            if "san" not in BUILD:  # the address sanitizer keeps freed memory
                self.assertLess(kib, 20000)


class LimitCast(Limit):
    """limit_echo --cast: with one connection it is an echo, too."""

    options = ("--cast",)

    def test_echoes(self):
        status, result, _ = wsload(self.url, "-n", "16")
        self.assertEqual(status, 0, result)

    test_frames_cut_at_any_byte = None

    def test_all_get_what_one_sends(self):
        for options in (["-n", "16"], ["-p", "70000", "--drain", "10"], ["--sources", "5"],
                        ["--chop", "20", "--drain", "10"]):
            status, result, _ = wsload(self.url, "--cast", "-c", "20", *options)
            self.assertEqual(status, 0, result)
            self.assertGreater(result["sent"], 2)
            self.assertEqual(result["received"], 20 * result["sent"])


if __name__ == "__main__":
    unittest.main()
