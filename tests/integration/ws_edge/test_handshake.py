"""What becomes a connection, and what the others are told."""
import http.client
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


def test_opening_carries_query_remote_and_headers(echo):
    server = echo()
    with server.socket() as client:
        client.request("GET /ws?room=a%26b&name=J%C3%BCrgen+M&x HTTP/1.1", ["X-Test: caf\xe9", "Cookie: a=1; b=2"])
        assert client.response()[0] == 101
        welcome = client.frame()[1].decode()
    assert '"query":"room=a%26b&name=J%C3%BCrgen%20M&x"' in welcome
    assert '"remote":"127.0.0.1"' in welcome
    assert '"headers":{"x-test":"café","cookie":"a=1; b=2"}' in welcome


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
        assert client.response()[0] in (400, 403)
        client.read_all()


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


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"hello\r\n\r\n",
                                     b"GET\r\n\r\n", b"GET /%zz HTTP/1.1\r\n\r\n", b"\r\n" * 100])
def test_garbage_ends(echo, garbage):
    server = echo(HANDSHAKE_MS=700)
    with server.socket() as client:
        client.send(garbage)
        assert b"HTTP/1.1 1" not in client.read_all()
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
                 "/index.html/../../secret", "/."]:
        with server.socket() as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert b"secret" not in client.read_all(), path
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    link.request("GET", "/ws")
    assert link.getresponse().status == 426
    with server.connect() as client:
        assert client.ask("x", 1) == 1
