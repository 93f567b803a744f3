"""What becomes a connection, and what the others are told."""
import http.client
import json
import time

import pytest
from websockets.exceptions import InvalidStatus


def test_subprotocol_is_the_first_known_one(echo):
    server = echo()
    for offered, chosen in [(None, None), (["sluice.v1.json"], "sluice.v1.json"),
                            (["new", "sluice.v1.msgpack", "sluice.v1.json"], "sluice.v1.msgpack")]:
        with server.socket() as client:
            status, lines = client.request(Sec_WebSocket_Protocol=", ".join(offered) if offered else None).response()
            assert status == 101
            named = [line for line in lines if line.startswith("sec-websocket-protocol")]
            assert named == ([f"sec-websocket-protocol: {chosen}"] if chosen else [])


class Recorder:
    """Keeps what would be sent."""

    data = b""

    def sendall(self, data):
        self.data += data


def opening(client):
    """What ws_echo tells of the opening."""
    assert client.response()[0] == 101
    return json.loads(client.frame()[1])["p"]


def test_opening_carries_query_remote_and_headers(echo):
    server = echo()
    with server.socket() as client:
        client.request("GET /ws?room=a%26b&name=J%C3%BCrgen+M&x HTTP/1.1", ["X-Test: caf\xe9", "Cookie: a=1; b=2"])
        told = opening(client)
    assert told["path"] == "/ws" and told["remote"] == "127.0.0.1"
    assert told["query"] == "room=a%26b&name=J%C3%BCrgen+M&x"
    assert told["headers"] == {"x-test": "café", "cookie": "a=1; b=2"}


@pytest.mark.parametrize("query, told", [
    ("", ""), ("?", ""), ("?a%3db=c%3Dd", "a%3db=c%3Dd"), ("?a=b?c&&;=%00%ff&=", "a=b?c&&;=%00%ff&="), ("?%zz+%", "%zz+%"),
    ("?/../x//y/./z", "/../x//y/./z"), ("?\xc3\xbc\xff", "%C3%BC%FF"), ("?" + "q=1&" * 1500, "q=1&" * 1500),
])
def test_query_is_as_it_came(echo, query, told):
    with echo().socket() as client:
        assert opening(client.request(f"GET /ws{query} HTTP/1.1"))["query"] == told


def test_path_may_be_encoded(echo):
    with echo().socket() as client:
        assert opening(client.request("GET /%77%73?a HTTP/1.1"))["path"] == "/ws"


def test_headers_that_come_several_times_are_one_list(echo):
    with echo().socket() as client:
        client.request(Connection=None, Cookie="a=1", headers=[
            "x-TEST:  one\t", "Connection: keep-alive", "COOKIE: b=2", "connection: upgrade", "X-Test:two",
            "Sec-WebSocket-Protocol: other", "Sec-WebSocket-Protocol: sluice.v1.json", "User-Agent:"])
        told = opening(client)
    assert told["subprotocol"] == "sluice.v1.json"
    assert told["headers"] == {"x-test": "one, two", "cookie": "a=1; b=2", "user-agent": ""}


@pytest.mark.parametrize("name", ["X-Auth", "X-Real", "X-F", "X-A", "A", "Sec", "Accept-L", "Sec-WebSocket-Key1", "Content-Length",
                                  "Sec-WebSocket-Extensions", "Expect", "Transfer-Encoding"])
@pytest.mark.parametrize("is_last", [True, False])
def test_any_other_header_is_overlooked(echo, name, is_last):
    with echo(HANDSHAKE_MS=2000).socket() as client:
        line = f"{name}: 7"
        if is_last:
            client.request(headers=[line])
        else:
            client.request(f"GET /ws HTTP/1.1\r\n{line}")
        assert opening(client)["query"] == ""
        client.send_frame(1, '{"e":"x"}')
        assert client.frame() == (1, b'{"e":"x"}')


def test_long_list_of_subprotocols(echo):
    with echo().socket() as client:
        client.request(Sec_WebSocket_Protocol="x" * 3000 + ",,sluice.v1.msgpack , sluice.v1.json")
        status, lines = client.response()
        assert status == 101 and "sec-websocket-protocol: sluice.v1.msgpack" in lines


@pytest.mark.parametrize("status, line, changes", [
    (404, "GET /other HTTP/1.1", {}),
    (404, "GET /ws/ HTTP/1.1", {}),
    (405, "POST /ws HTTP/1.1", {}),
    (400, "GET /ws HTTP/1.0", {}),
    (400, None, {"Host": None}),
    (400, None, {"Connection": None}),
    (400, None, {"Connection": "keep-alive"}),
    (426, None, {"Sec-WebSocket-Version": None}),
    (426, None, {"Sec-WebSocket-Version": "99"}),
    (400, None, {"Sec-WebSocket-Key": None}),
    (400, None, {"Sec-WebSocket-Key": "c2hvcnQ="}),
    (400, None, {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ"}),
    (400, None, {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR=="}),
    (400, None, {"Sec-WebSocket-Protocol": "chat, v2"}),
    (400, None, {"Sec-WebSocket-Protocol": "sluice.v1.json; q=1"}),
    (400, None, {"Sec-WebSocket-Protocol": "x" * 200}),
])
def test_bad_handshakes_are_told_why(echo, status, line, changes):
    server = echo()
    with server.socket() as client:
        client.request(line or "GET /ws HTTP/1.1", **changes)
        got, lines = client.response()
        assert got == status
        assert "connection: close" in lines
        if status == 426:
            assert "sec-websocket-version: 13" in lines
        text = client.read_all().decode()
        assert text.strip() and text.count("\n") == 1
    assert server.stats()["connections_refused"] == 1


def test_header_names_and_lists_are_read_leniently(echo):
    server = echo()
    with server.socket() as client:
        client.request(Connection="keep-alive, UPGRADE", Upgrade="WebSocket")
        assert client.response()[0] == 101


@pytest.mark.parametrize("upgrade", ["h2c", "websocket, h2c", "h2c, websocket"])
def test_h2c_is_refused(echo, upgrade):
    with echo().socket() as client:
        client.request("GET / HTTP/1.1", Upgrade=upgrade, Connection="Upgrade, HTTP2-Settings",
                       HTTP2_Settings="AAMAAABkAARAAAAAAAIAAAAA")
        assert client.response()[0] == 400
        client.read_all()


def test_http_2_is_refused(echo):
    with echo().socket() as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.response()[0] == 400


def test_connect_is_refused(echo):
    server = echo()
    with server.socket() as client:
        client.send(b"CONNECT example.org:80 HTTP/1.1\r\nHost: example.org:80\r\n\r\n")
        client.tcp.settimeout(3)
        assert b" 405 " in client.read_all()
    server.wait_count(0)


def test_plain_requests(echo):
    server = echo()
    for method, path, status in [("GET", "/ws", 426), ("POST", "/ws", 426), ("GET", "/", 404), ("POST", "/", 405),
                                 ("DELETE", "/x", 405)]:
        link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        link.request(method, path, b"body" if method == "POST" else None)
        assert link.getresponse().status == status, (method, path)
        link.close()
    server.wait_count(0)


def test_long_heads_get_431(echo):
    server = echo()
    with server.socket() as client:
        client.request(Cookie="a" * 7000)
        assert client.response()[0] == 101
    for size in (8200, 30000):
        with server.socket() as client:
            client.request(Cookie="a" * size)
            assert client.response()[0] == 431
            client.read_all()


@pytest.mark.parametrize("garbage", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET /%zz HTTP/1.1\r\n\r\n",
    b"GET  /ws HTTP/1.1\r\n\r\n", b"GET /ws\r\n\r\n", b"GET /ws HTTP/1.1 \r\n\r\n", b"GET /\x01 HTTP/1.1\r\n\r\n",
    b"GET ws HTTP/1.1\r\n\r\n", b"GET /a%00 HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nnothing\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nX : y\r\n\r\n", b"GET / HTTP/1.1\r\nX: y\r\n z\r\n\r\n", b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", b"GET / HTTP/3.0\r\n\r\n", b"{\"e\":\"x\"}", b"\r\n\r\n\x80",
])
def test_what_is_no_request_gets_400(echo, garbage):
    server = echo(HANDSHAKE_MS=5000)
    begin = time.monotonic()
    with server.socket() as client:
        client.send(garbage)
        status, lines = client.response()
        assert status == 400 and "connection: close" in lines
        text = client.read_all().decode()
        assert text.strip() and text.count("\n") == 1 and "<" not in text
    server.wait_count(0)
    assert time.monotonic() - begin < 3
    assert server.stats()["connections_refused"] == 1


def test_empty_lines_before_a_request_are_overlooked(echo):
    with echo().socket() as client:
        client.send(b"\r\n\n\r\n")
        assert client.request().response()[0] == 101


def test_empty_lines_alone_run_out_of_time(echo):
    server = echo(HANDSHAKE_MS=400)
    with server.socket() as client:
        client.send(b"\r\n" * 100)
        assert client.read_all() == b""
    server.wait_count(0)


def test_answer_is_not_lost_when_the_client_goes_on_sending(echo):
    server = echo()
    for _ in range(20):
        with server.socket() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
            time.sleep(0.002)
            client.send(b"x" * 50000)
            time.sleep(0.002)
            client.send(b"x" * 50000)
            assert client.response()[0] == 405
            assert client.read_all() == b"files are only read\n"


def test_refused_client_that_stays_is_hung_up_on(echo):
    server = echo()
    with server.socket() as client:
        client.send(b"nonsense\r\n\r\n")
        assert client.response()[0] == 400
        for _ in range(200):
            try:
                client.send(b"more")
            except OSError:
                break
            time.sleep(0.02)
        else:
            raise AssertionError("it is still read")
    server.wait_count(0)


def test_handshake_has_a_time_limit(echo):
    server = echo(HANDSHAKE_MS=400)
    begin = time.monotonic()
    with server.socket() as silent, server.socket() as slow:
        slow.send(b"GET /ws HTTP/1.1\r\n")
        for _ in range(3):
            time.sleep(0.1)
            slow.send(b"X-A: b\r\n")
        assert silent.read_all() == b""
        slow.read_all()
        assert time.monotonic() - begin < 2
    stats = server.stats()
    assert stats["connections_refused"] == 2 and stats["count"] == 1


def test_handshake_in_single_bytes(echo):
    with echo().socket() as client:
        head = ("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        for char in head:
            client.send(char.encode())
        status, lines = client.response()
        assert status == 101 and "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in lines


def test_frames_behind_the_request_are_read(echo):
    with echo().socket() as client:
        head = ("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        body = b'{"e":"early"}'
        client.send(head.encode() + bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body)
        assert client.response()[0] == 101
        assert client.frame()[0] == 1
        assert client.frame() == (1, b'{"e":"early"}')


@pytest.mark.parametrize("size", [10, 3000, 60000])
def test_many_bytes_behind_the_request_are_read(echo, size):
    with echo().socket() as client:
        bodies = [b'{"e":"x","p":"%s"}' % (b"%d" % i * size)[:size] for i in range(3)]
        sent, client.tcp = client.tcp, Recorder()
        client.request()
        for body in bodies:
            client.send_frame(1, body)
        data, client.tcp = client.tcp.data, sent
        client.send(data)
        assert client.response()[0] == 101
        client.frame()
        assert [client.frame() for _ in bodies] == [(1, body) for body in bodies]


def test_too_many_connections_of_one_address(echo):
    server = echo(MAX_PER_ADDRESS=2)
    with server.connect(), server.connect():
        with pytest.raises(InvalidStatus, match="429"):
            server.connect()
    assert [server.closed()[0], server.closed()[0]] == [1000, 1000]
    server.wait_count(0)


def test_too_many_connections(echo):
    server = echo(MAX_CONNECTIONS=2)
    with server.connect(), server.connect():
        with pytest.raises(InvalidStatus, match="503"):
            server.connect()


def test_no_descriptors_left(echo):
    server = echo(DESCRIPTORS=40)
    held = []
    refused = 0
    for _ in range(60):
        client = server.socket()
        client.request()
        try:
            status = client.response()[0]
        except (EOFError, ConnectionResetError):
            status = 503
        if status == 101:
            held.append(client)
        else:
            refused += 1
            client.tcp.close()
    assert len(held) > 5 and refused > 20
    busy = server.cpu_seconds()
    time.sleep(1)
    assert server.cpu_seconds() - busy < 0.3, "the accept loop spins"
    for client in held:
        client.tcp.close()
    server.output = b""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            server.connect().ws.close()
            break
        except Exception:
            time.sleep(0.05)
    else:
        raise AssertionError("it does not accept any more")


def test_refused_by_the_core_is_1013(echo):
    server = echo()
    with server.connect() as client:
        client.send("refuse_next")
        assert client.ask("x") is None
        with server.socket() as other:
            assert other.request().response()[0] == 101
            assert other.close_frame() == (1013, "refused")
    assert server.closed()[0] == 1000
    assert server.is_quiet()


def test_files(echo, tmp_path):
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("<p>front")
    (tmp_path / "www" / "a.js").write_text("let a" + " " * 300000)
    (tmp_path / "www" / "s.css").write_text("p {}")
    (tmp_path / "secret").write_text("secret")
    server = echo(STATIC=tmp_path / "www")
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for path, kind, size in [("/", "text/html", 8), ("/index.html", "text/html", 8), ("/a.js", "text/javascript", 300005),
                             ("/s.css", "text/css", 4)]:
        link.request("GET", path)  # over one connection, as browsers do
        response = link.getresponse()
        assert response.status == 200 and response.headers["Content-Type"] == kind
        assert len(response.read()) == size
    link.close()
    for path in ["/none", "/../secret", "/%2e%2e/secret", "/..%2fsecret", "/a/../../secret", "//../secret",
                 "/index.html/../../secret", "/.", "/%2e%2e%2fsecret",
                 "/x/%2e./%2e%2e/secret", "/..%5csecret"]:
        with server.socket() as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert b"secret" not in client.read_all(), path
    with server.socket() as client:  # one request a connection: a second one would get past the checks
        client.send(b"GET /s.css HTTP/1.1\r\nX-F: y\r\nHost: x\r\n\r\n" * 2)
        assert client.read_all().count(b"HTTP/1.") == 1
    with server.socket() as client:
        client.send(b"HEAD /s.css HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in client.read_all().split(b"\r\n")[0]
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    link.request("GET", "/s.css")
    tag = link.getresponse().headers["ETag"]
    link.close()
    link.request("GET", "/s.css", headers={"If-None-Match": tag})
    assert link.getresponse().status == 304
    link.close()
    link.request("GET", "/ws")
    assert link.getresponse().status == 426
    with server.connect() as client:
        assert client.ask("x", 1) == 1
