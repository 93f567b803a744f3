"""A burst through members that are killed, stopped and replaced: nothing is lost, nothing happens twice, all in order."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from kit.broker import BUILD, SANITIZED, wait_until
from kit.burst import Burst
from kit.client import Client
from kit.member import SCRIPT, group

pytestmark = [pytest.mark.timeout(600), *([] if SANITIZED else [pytest.mark.slow])]  # then they are short

SCALE = float(os.environ.get("SLUICE_BURST_SCALE", 0.1 if SANITIZED else 1))
CONNECTIONS = 200 if SCALE == 1 else 50


def scaled(count):
    return max(1, round(count * SCALE))


def c_member(address, options):
    values = {"lease_ms": 30000, "max": 64, "sleep_ms": 0, **options}
    return [str(BUILD / "test-member"), address, "g", *(str(value) for value in values.values())]


def python_member(address, options):
    return [sys.executable, str(SCRIPT), address, "g", json.dumps(options)]


class Crew:
    """Members of the group "g" in processes, of which `size` are always there."""

    def __init__(self, broker, calls, command, size, **options):
        self.address, self.calls, self.command, self.options = broker.calls, calls, command, options
        self.processes = {}  # by pid
        for _ in range(size):
            self.start()
        wait_until(lambda: len(self.members()) == size, "the members to join")

    def start(self, **options):
        process = subprocess.Popen(
            self.command(self.address, {**self.options, **options}), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self.processes[process.pid] = process
        return process

    def group(self):
        return group(self.calls, "g")

    def members(self):
        """{pid: what `stats` tells of it}"""
        told = self.group()
        return {shown["pid"]: shown for shown in told["members"] if shown["pid"] in self.processes} if told else {}

    def kill(self, pid):
        """Kill one and start another in its place."""
        process = self.processes.pop(pid)
        process.kill()
        process.wait()
        self.start()

    def roll(self, pid):
        """Ask one to end, wait until it has, and start another."""
        process = self.processes.pop(pid)
        process.terminate()
        assert process.wait(30) == 0
        self.start()
        wait_until(lambda: len(self.members()) == len(self.processes), "the new one to join")

    def kill_all(self):
        for pid in list(self.processes):
            self.kill(pid)

    def replace_dead(self):
        """Start others in place of those that have ended by themselves; how many."""
        dead = [pid for pid, process in self.processes.items() if process.poll() is not None]
        for pid in dead:
            assert self.processes.pop(pid).returncode == -signal.SIGKILL
            self.start()
        return len(dead)

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture(params=[c_member, python_member], ids=["c", "python"])
def crew(request, broker, calls, open_things):
    def start(size, **options):
        started = Crew(broker, calls, request.param, size, **options)
        open_things.append(started.close)
        return started

    return start


@pytest.fixture
def burst(broker, open_things):
    def start(*arguments, **options):
        started = Burst(broker.address, *arguments, **options)
        open_things.append(started.end)
        return started

    return start


@pytest.fixture
def observer(broker, calls, open_things):
    """Is told of every connection that has ended, by the effects of its last event."""
    client = Client(broker.url)
    open_things.append(client.close)
    calls.set(client.conn, role="observer")
    return client


class Havoc:
    """Kills and stops members that hold many events, until enough of it has happened."""

    def __init__(self, crew, kills, stops, redeliveries):
        self.crew = crew
        self.wanted = {"kills": kills, "stops": stops, "redeliveries": redeliveries}
        self.done = dict.fromkeys(self.wanted, 0)
        self.stopped = None  # pid
        self.starves = False  # nobody held enough when somebody was to be struck

    def part(self, what):
        return min(self.done[what] / self.wanted[what], 1)

    def share(self):
        """How much of all that is to happen has happened."""
        return min(map(self.part, self.wanted))

    def step(self):
        told = self.crew.group()
        self.done["redeliveries"] = told["redeliveries"]
        self.starves = False
        holders = {shown["pid"]: shown["held"] for shown in told["members"] if shown["pid"] in self.crew.processes}
        if self.stopped:
            if holders.get(self.stopped, 0) == 0:
                os.kill(self.stopped, signal.SIGCONT)
                self.done["stops"] += told["lease_expired"] > self.expired
                self.stopped = None
        elif self.part("stops") < 1 and (pid := self.victim(holders)):
            self.stopped, self.expired = pid, told["lease_expired"]
            os.kill(pid, signal.SIGSTOP)
            return
        # Kills keep step with the stops, and go on while redeliveries are wanting.
        if (self.part("kills") <= self.part("stops") or self.part("stops") == 1) and (pid := self.victim(holders)):
            self.crew.kill(pid)
            self.done["kills"] += 1

    def victim(self, holders):
        """The one that holds most, if that is many: never one that tries a suspect, alone."""
        others = [(held, pid) for pid, held in holders.items() if pid != self.stopped]
        held, pid = max(others, default=(0, None))
        self.starves = held < 8
        return None if self.starves else pid


def check_sessions(calls, burst):
    """Each message has changed its session once."""
    conns = [peer.conn for peer in burst.peers]
    for begin in range(0, len(conns), 100):
        results = calls.results(*({"op": "get", "conn": conn} for conn in conns[begin : begin + 100]))
        for peer, result in zip(burst.peers[begin:], results):
            assert result["session"] == {"connects": 1, "n": peer.n, "sum": peer.sum}, result


def check_ends(observer, burst, meanwhile=None):
    """Each connection has ended once, after all its messages, with all that they did."""
    burst.bye(meanwhile)
    ended = {}
    for _ in burst.peers:
        gone = observer.receive()
        assert gone["e"] == "gone" and gone["p"]["conn"] not in ended, gone
        ended[gone["p"]["conn"]] = gone["p"]["session"]
    assert ended == {peer.conn: {"connects": 1, "n": peer.n, "sum": peer.sum} for peer in burst.peers}
    observer.nothing()


def test_members_killed_and_hung_in_a_burst_lose_nothing_and_do_nothing_twice(calls, crew, burst, observer):
    kills, stops, redeliveries, each = scaled(50), scaled(20), scaled(2000), scaled(100000) // CONNECTIONS
    members = crew(4, lease_ms=500, max=256)
    load = burst(CONNECTIONS, 4 * each)
    havoc = Havoc(members, kills, stops, redeliveries)
    end = time.monotonic() + 300
    while havoc.share() < 1:
        load.check()
        assert time.monotonic() < end, havoc.done
        load.allow((0.05 + 0.9 * havoc.share()) * each)
        if havoc.starves and load.is_idle:
            load.allow(load.limit + 0.05 * each)
        havoc.step()
        time.sleep(0.002)
    if havoc.stopped:
        os.kill(havoc.stopped, signal.SIGCONT)
    load.finish(each)
    check_sessions(calls, load)
    check_ends(observer, load, meanwhile=members.kill_all)
    told = wait_until(lambda: (told := members.group())["backlog"] == 0 and told, "the group to be empty")
    print({key: value for key, value in told.items() if isinstance(value, int)}, havoc.done, load.attempts())
    assert told["redeliveries"] >= redeliveries and told["lease_expired"] >= stops
    assert told["dead"] == 0 and told["attempts"] == told["handled"] + told["redeliveries"]


def test_an_event_that_kills_each_member_is_dead_and_every_other_one_is_handled(calls, crew, burst, observer):
    """One in 10,000. No other one else has more than two attempts: what was beside it comes back alone, once."""
    each = scaled(100000) // CONNECTIONS
    poisons = [(10 + 7 * n, each // 2 + n) for n in range(max(1, scaled(100000) // 10000))]
    members = crew(4, max=256)
    load = burst(CONNECTIONS, each, poisons=poisons)
    load.allow(each)
    killed = []

    def is_done():
        killed.append(members.replace_dead())
        return all(peer.is_done() for peer in load.peers)

    load.wait(is_done, "answers", 120, 30)
    check_sessions(calls, load)
    dead = {event["conn"]: event for event in calls("dead", group="g")["events"]}
    assert {conn: event["payload"] for conn, event in dead.items()} == {load.peers[at].conn: {"k": k} for at, k in poisons}
    for event in dead.values():
        assert (event["event"], event["code"], event["attempts"]) == ("poison", "failed", 5)
    assert max(load.attempts()) <= 2, load.attempts()
    # At first two of them may be with the same member, which dies of one only.
    wait_until(lambda: killed.append(members.replace_dead()) or sum(killed) > 4 * len(poisons), "all deaths to be seen")
    assert sum(killed) <= 5 * len(poisons)
    assert members.group()["dead"] == len(poisons)
    check_ends(observer, load)


def test_the_others_take_the_share_of_a_slow_member(calls, crew, burst):
    members = crew(3)
    slow = members.start(sleep_ms=20).pid
    wait_until(lambda: len(members.members()) == 4, "the slow one to join")
    load = burst(CONNECTIONS, scaled(20000) // CONNECTIONS)
    load.finish()
    told = members.members()
    handled = {pid: shown["handled"] for pid, shown in told.items()}
    assert handled.pop(slow) < sum(handled.values()) / 5, (slow, told)
    assert list(load.attempts()) == [1]


def test_members_that_are_replaced_one_after_the_other_leave_no_trace(calls, crew, burst, observer):
    """Ten times all four, each while it holds something: every event is handled at its first attempt."""
    members = crew(4, sleep_ms=1)
    load = burst(CONNECTIONS, 2000)
    load.allow(2000)
    for _ in range(scaled(10)):
        for pid in list(members.processes):
            load.check()
            wait_until(lambda: members.members()[pid]["held"] > 0, "it to hold something")
            members.roll(pid)
    load.finish(0)
    check_sessions(calls, load)
    check_ends(observer, load)
    told = members.group()
    assert list(load.attempts()) == [1] and told["handled"] > 1000, f"{load.attempts()} {told}"
    assert told["redeliveries"] == told["dead"] == told["lease_expired"] == 0 and told["attempts"] == told["handled"]
