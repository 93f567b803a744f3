"""test_program.py SLUICE SLUICED: the program `sluice` against a real broker."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sluice, sluiced = sys.argv[1:3]
folder = tempfile.mkdtemp(prefix="sluice-program-")
address = f"ipc://{folder}/calls"
environment = {**os.environ, "SLUICE_BROKER": address}


def run(*arguments, text=None, env=None):
    done = subprocess.run([sluice, *arguments], input=text, capture_output=True, text=True, timeout=60, env=env or environment)
    return done.returncode, done.stdout, done.stderr


def expect(what, condition, seen=""):
    if not condition:
        raise SystemExit(f"test_program: FAILED: {what}: {seen}")
    print(f"test_program: {what}")


def check_call():
    code, out, err = run("call", '{"op": "count", "filter": {}}')
    expect("an operation gives its result", (code, json.loads(out)) == (0, {"ok": True, "count": 0}), out + err)
    code, out, err = run("--broker", address, "call", '[{"op": "count"}, {"op": "stats"}]', env={})
    results = json.loads(out)
    expect("a list gives a list, --broker names the broker", code == 0 and [r["ok"] for r in results] == [True, True], out + err)
    code, out, err = run("call", "-", text='{"op": "count",\n "filter": {"room": "lobby"}}\n')
    expect("- reads the standard input", (code, json.loads(out)["count"]) == (0, 0), out + err)
    large = json.dumps([{"op": "send", "filter": {"n": i}, "event": "x"} for i in range(1000)])
    code, out, err = run("call", "-", text=" " * 100000 + large)
    expect("a long input is read to its end", code == 0 and len(json.loads(out)) == 1000, err)
    code, out, err = run("call", "[]")
    expect("an empty list is fine", (code, out) == (0, "[]\n"), out + err)
    number = 9007199254740993
    code, out, err = run("call", json.dumps({"op": "find", "filter": {"n": number}}))
    expect("64-bit numbers stay exact", (code, json.loads(out)["sessions"]) == (0, []), out + err)


def check_refusals():
    code, out, err = run("call", '{"op": "cuont"}')
    result = json.loads(out)
    expect("a refusal is printed and exits 1", (code, result["code"], result["at"]) == (1, "unknown_op", "ops[0].op"), out + err)
    code, out, err = run("call", '[{"op": "count"}, {"op": "count", "filter": {"a": null}}]')
    expect("one refusal of many exits 1", code == 1 and json.loads(out)[1]["code"] == "bad_filter", out + err)
    for text in "{", "", "{'op': 1}", "7", '{"op": 7} x', "[[]]":
        code, out, err = run("call", text)
        expect(f"{text!r} is told and exits 1", code == 1 and (err.startswith("sluice: ") or '"ok":false' in out), out + err)
    code, out, err = run("--broker", f"ipc://{folder}/nobody", "--timeout", "200", "call", '{"op": "count"}')
    expect("no broker is told and exits 1", code == 1 and "no broker at" in err and not out, err)
    code, out, err = run("--broker", "nowhere", "call", '{"op": "count"}')
    expect("no address is told and exits 1", code == 1 and "an address is" in err, err)


def check_usage():
    for arguments in [], ["call"], ["cal", "{}"], ["stats", "x"], ["--colour"], ["--timeout", "soon", "stats"], ["watch"], ["inspect"], ["dead", "a", "b"]:
        code, out, err = run(*arguments)
        expect(f"{arguments} exits 2", code == 2 and err and not out, out + err)
    code, out, err = run("--help")
    expect("--help has examples", code == 0 and "sluice call '{" in out and not err)
    code, out, err = run("--version")
    expect("--version", (code, out) == (0, "sluice 0.1.0\n"), out)


def check_stats():
    code, out, err = run("stats")
    lines = dict(line.split() for line in out.splitlines())
    expect("stats is a table", code == 0 and lines["connections"] == "0" and int(lines["requests"]) > 0, out + err)
    code, out, err = run("watch", "a*")
    expect("a bad pattern is told", code == 1 and "a*" in err, err)


def check_watch():
    watcher = subprocess.Popen([sluice, "watch", "@*"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        event = json.loads(watcher.stdout.readline())
        expect("watch prints events", event["event"] == "@alive", event)
        watcher.send_signal(signal.SIGINT)
        expect("watch stops on Ctrl-C", watcher.wait(10) == 0)
    finally:
        watcher.kill()


def listens_at():
    with open(f"{folder}/log", encoding="utf-8") as lines:
        text = lines.read()
    return int(re.search(r"listen=127\.0\.0\.1:(\d+)", text).group(1))


def open_websocket():
    ws = socket.create_connection(("127.0.0.1", listens_at()), timeout=20)
    ws.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    expect("the broker takes a WebSocket", b" 101 " in ws.recv(4096))
    return ws


def say(ws, text):
    ws.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode())


def until(what, condition):
    limit = time.monotonic() + 20
    while not condition():
        expect(what, time.monotonic() < limit, "not within 20 s")
        time.sleep(0.05)


def check_groups():
    echo = subprocess.Popen([os.environ["ECHO"], "--broker", address, "--group", "echo", "--events", "*"])
    bad = subprocess.Popen([os.environ["ECHO"], "--broker", address, "--group", "bad", "--events", "@connect"])
    try:
        until("stats shows two members", lambda: run("stats")[1].count("sluice-echo") == 2)
        code, out, err = run("stats")
        expect("stats shows groups", code == 0 and "group echo, full: no" in out and f" {echo.pid} " in out and "events @connect" in out, out + err)
        code, out, err = run("inspect", "echo")
        expect("an idle group has no events", code == 0 and len(out.splitlines()) == 1 and out.startswith("seq"), out + err)
        for command in "inspect", "dead":
            code, out, err = run(command, "nobody")
            expect(f"{command} of no group is told", code == 1 and not out and "no such group" in err, out + err)
        echo.send_signal(signal.SIGSTOP)
        ws = open_websocket()
        for text in '{"e":"first"}', '{"e":"second"}':
            say(ws, text)
        until("inspect shows what is held and what waits",
              lambda: len(run("inspect", "echo")[1].splitlines()) == 3 and " held " in run("inspect", "echo")[1])
        head, first, second = run("inspect", "echo")[1].splitlines()
        expect("and by whom", "first" in first and ", lease " in first and "second" in second and "waiting" in second, first + second)
        until("dead shows what was given up, and why", lambda: "bad_argument" in run("dead", "bad")[1])
        head, event = run("dead", "bad")[1].splitlines()[:2]
        expect("with what it was", head.startswith("seq") and "@connect" in event, event)
        echo.send_signal(signal.SIGCONT)
        until("and nothing once it is handled", lambda: len(run("inspect", "echo")[1].splitlines()) == 1)
        ws.close()
    finally:
        for process in echo, bad:
            process.kill()
            process.wait()


log = open(f"{folder}/log", "w+", encoding="utf-8")
broker = subprocess.Popen([sluiced, "--listen", "127.0.0.1:0", "--calls", address, "--events", f"ipc://{folder}/events",
                           "--alive-ms", "100"], stdout=log, stderr=log)
try:
    for check in check_call, check_refusals, check_usage, check_stats, check_watch, check_groups:
        check()
finally:
    broker.terminate()
    broker.wait(20)
    shutil.rmtree(folder)
