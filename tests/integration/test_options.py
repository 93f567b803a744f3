"""The command line and the config file of sluiced."""
import contextlib
import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from kit.broker import BUILD, wait_until

SLUICED = str(BUILD / "sluiced")


def run(*arguments):
    done = subprocess.run([SLUICED, *arguments], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def test_version_and_help():
    code, out, _ = run("--version")
    assert code == 0 and re.search(r"\d+\.\d+\.\d+", out)
    code, out, _ = run("--help")
    assert code == 0
    for option in "listen", "name", "calls", "events", "config", "check", "log-level", "static", "insecure", "version", "help":
        assert f"--{option}" in out, option


@pytest.mark.parametrize("arguments", [["--lisen", "x"], ["--listen"], ["stray"], ["--log-level", "loud"], ["--ping-ms", "soon"]])
def test_a_wrong_command_line(arguments):
    code, _, err = run(*arguments)
    assert code == 2 and "sluiced" in err
    if arguments[0] == "--lisen":
        assert "--listen" in err, "the nearest known option is named"


@pytest.mark.parametrize(
    "text, place, says",
    [
        ('{"ping_ms": 1000,}', "1:", ""),
        ('{\n  // a comment\n  "pingms": 5\n}', "3:3", "ping_ms"),
        ('{\n "listen": 8080\n}', "2:", "listen"),
        ('{"ping_ms": 1}', "1:", "ping_ms"),
        ('{"batches": [{"event": "x"}]}', "1:", "interval_ms"),
        ("[]", "1:1", ""),
    ],
    ids=lambda value: value[:20],
)
def test_a_wrong_config_file_is_told_with_line_and_column(tmp_path, text, place, says):
    file = tmp_path / "config.json"
    file.write_text(text)
    code, _, err = run("--check", "--config", str(file))
    assert code == 1 and f"{file}:{place}" in err and says in err, err


def test_check_accepts_what_is_right_and_starts_nothing(tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{\n  /* all fine */\n  "listen": "127.0.0.1:0", // any\n  "ping_ms": 20000\n}')
    assert run("--check", "--config", str(file))[0] == 0


def test_other_machines_are_refused_without_insecure(tmp_path):
    code, _, err = run("--check", "--calls", "tcp://0.0.0.0:5555")
    assert code != 0 and "--insecure" in err
    assert run("--check", "--insecure", "--calls", "tcp://0.0.0.0:5555")[0] == 0
    assert run("--check", "--calls", "tcp://127.0.0.1:5555")[0] == 0


def test_a_port_in_use_is_an_error_for_people(broker, tmp_path):
    code, out, err = run(
        "--listen", f"127.0.0.1:{broker.port}", "--calls", f"ipc://{tmp_path}/c", "--events", f"ipc://{tmp_path}/e"
    )
    assert code == 1 and str(broker.port) in out + err and "in use" in out + err


def test_the_default_addresses_are_private(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen([SLUICED, "--listen", "127.0.0.1:0", "--name", "mine"], stdout=file, stderr=file)
    try:
        wait_until(lambda: '"ready"' in log.read_text(), "the broker to be ready")
        assert all((tmp_path / "sluice" / "mine" / name).exists() for name in ("calls", "events"))
        assert (tmp_path / "sluice").stat().st_mode & 0o777 == 0o700
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_runtime_folder_that_others_may_enter_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "sluice").mkdir()
    (tmp_path / "sluice").chmod(0o777)
    code, _, err = run("--listen", "127.0.0.1:0")
    assert code == 1 and str(tmp_path / "sluice") in err


def test_static_files_are_served_and_nothing_else(start_broker, tmp_path):
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<h1>hello</h1>")
    (page / "app.js").write_text("1")
    (tmp_path / "secret").write_text("secret")
    broker = start_broker(static=str(page))

    def get(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{broker.port}{path}", timeout=20) as answer:
                return answer.status, answer.read(), answer.headers.get_content_type()
        except urllib.error.HTTPError as error:
            return error.code, error.read(), None

    assert get("/") == (200, b"<h1>hello</h1>", "text/html")
    assert get("/app.js")[::2] == (200, "text/javascript") or get("/app.js")[2] == "application/javascript"
    assert get("/missing.html")[0] == 404
    for path in "/../secret", "/%2e%2e/secret", "/..%2fsecret", "//../secret":
        status, body, _ = get(path)
        assert status in (400, 403, 404) and b"secret" not in body, path


def test_without_static_there_are_no_pages(broker):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"http://127.0.0.1:{broker.port}/", timeout=20)
    assert refusal.value.code == 404


def test_the_log_shows_no_payloads(start_broker):
    from kit.client import Client

    broker = start_broker("--log-level", "info")
    ann = Client(broker.url)
    ann.send("x", "a very secret payload")
    ann.send("not a name", "a very secret payload")
    ann.sync()
    ann.close()
    broker.stop()
    assert "secret" not in broker.log()
    lines = broker.log().splitlines()
    assert lines and all(re.match(r"\d{4}-\d\d-\d\dT\S+Z? \S*(error|warn|info)", line) for line in lines), lines


@pytest.mark.options(max_connections=2)
def test_connections_beyond_the_limit_are_refused(broker, ws, raw):
    ws(), ws()
    with pytest.raises((AssertionError, OSError)):
        assert raw().status == 101
    assert broker.is_running()


@pytest.mark.options(max_per_address=1)
def test_connections_of_one_address_beyond_the_limit_are_refused(ws, raw):
    ws()
    with pytest.raises((AssertionError, OSError)):
        assert raw().status == 101


@pytest.mark.options(batch_items=2, batch_bytes=4096, batches=[{"event": "x", "interval_ms": 60000}])
def test_batches_of_the_config_and_their_defaults(ws, calls):
    ann = ws()
    for n in range(2):
        calls("send", conn=ann.conn, event="x", payload=n)
    assert ann.expect("batch_x") == {"d": [0, 1]}
    for n in range(2):
        calls("send", conn=ann.conn, event="x", payload="y" * 3000)
    assert len(ann.expect("batch_x")["d"]) == 1


@pytest.mark.options(max_session_bytes=1024)
def test_the_session_limit_is_configurable(ws, calls):
    ann = ws()
    assert calls.refused("update", conn=ann.conn, update={"$set": {"x": "y" * 1100}})["code"] == "session_too_large"


@pytest.mark.options(max_clients=2, stored_replies=1)
def test_stored_replies_have_their_limits(ws, new_calls):
    ann = ws()
    step = {"op": "update", "conn": ann.conn, "update": {"$inc": {"n": 1}}}
    one = new_calls()
    one.request(step, id=1)
    one.request(step, id=2)
    assert one.request(step, id=1)["code"] == "id_too_old"
    assert one.request(step, id=2)["results"][0]["ok"]
    assert one.session(ann.conn) == {"n": 2}


@pytest.mark.options(handshake_ms=200)
def test_a_handshake_has_its_time(broker, ws):
    with socket.create_connection(broker.address, timeout=20) as half:
        half.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
        begin = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            while half.recv(4096):
                pass
        assert 0.1 < time.monotonic() - begin < 10
    ws().sync()


@pytest.mark.options(queue_items=8, queue_bytes=2**24, stall_ms=600000)
def test_a_queue_holds_so_many_messages(raw, calls):
    slow = raw(receive_buffer=4096)
    conn = slow.receive()["p"]["conn"]
    begin = calls("stats")["counters"]
    sent = 0
    while calls("send", conn=conn, event="x", payload="y" * 40000) == {"ok": True, "matched": 1, "refused": 0}:
        sent += 1
    wait_until(lambda: calls.counter("closed_slow") == 1, "the connection to be closed")
    assert calls.counter("deliveries_refused") - begin["deliveries_refused"] == 1
    assert sent * 40000 < 2**23, "eight messages and what the kernel took"


@pytest.mark.options(max_publish_bytes=2048)
def test_a_publication_has_a_size_and_a_larger_event_goes_alone(raw, events):
    client = raw()
    frames = [{"e": "x", "p": "y" * size} for size in [300] * 20 + [5000] + [300] * 5]
    client.send_frames([json.dumps(frame).encode() for frame in frames])
    sizes, seen = [], 0
    while seen < len(frames):
        topic, message = events.message()
        if topic == "x":
            seen += len(message["events"])
            sizes.append([len(event["payload"]) for event in message["events"]])
    assert [5000] in sizes and max(map(len, sizes)) > 1, sizes
    assert all(sum(size) <= 2048 for size in sizes if size != [5000]), sizes
