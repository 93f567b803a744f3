"""Fixtures: a broker for the test alone, and clients, requests, subscribers and handlers that end with it.

    def test_something(broker, ws, calls, handler):
        handler({"on": "chat:*", "ops": [...]})
        ann, bob = ws(), ws(MSGPACK)

Options for the broker: @pytest.mark.options(question_ms=100).
"""
import json

import pytest

from kit.broker import BUILD, Broker, wait_until
from kit.calls import Calls, Events
from kit.client import JSON, Client, RawClient
from kit.handler import Handler
from kit.member import Member, Process
from kit.node import NodeClient

collect_ignore = ["client"]  # programs that ctest runs


def pytest_configure(config):
    config.addinivalue_line("markers", "options(**options): keys of the broker's config file")
    if not (BUILD / "sluiced").exists():
        raise pytest.UsageError(f"{BUILD}/sluiced is missing: build it, or set SLUICE_BUILD")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, f"report_{report.when}", report)


@pytest.fixture
def start_broker(request):
    """start_broker(option=...) starts a broker; at the end each must stop with 0 and without a report."""
    brokers = []

    def start(*arguments, **options):
        broker = Broker(*arguments, **options)
        brokers.append(broker)
        return broker

    yield start
    faults = []
    for broker in brokers:
        try:
            if not broker.ended_well:
                broker.stop()
        except AssertionError as error:
            faults.append(str(error))
    failed = getattr(getattr(request.node, "report_call", None), "failed", True)
    for broker in brokers:
        if failed or faults:
            print(f"--- log of {broker.folder} ---\n{broker.log()[-20000:]}")
        broker.clean()
    assert not faults, faults


@pytest.fixture
def open_things(start_broker):
    """What must be closed when the test is over, the last first, and all before the brokers end."""
    things = []
    yield things
    for thing in reversed(things):
        try:
            thing()
        except Exception as error:  # noqa: BLE001 - the test itself has already said what was wrong
            print(f"while closing: {error!r}")


@pytest.fixture
def broker(request, start_broker):
    marker = request.node.get_closest_marker("options")
    return start_broker(**(marker.kwargs if marker else {}))


@pytest.fixture
def ws(broker, open_things):
    """ws() opens a connection with JSON, ws(MSGPACK) with MessagePack, ws(None) without a subprotocol."""

    def open_client(subprotocol=JSON, **options):
        client = Client(broker.url, subprotocol, **options)
        open_things.append(client.close)
        return client

    return open_client


@pytest.fixture
def raw(broker, open_things):
    """raw() opens a connection that does nothing by itself."""

    def open_raw(*arguments, **options):
        client = RawClient(broker.address, *arguments, **options)
        open_things.append(client.close)
        return client

    return open_raw


@pytest.fixture
def node_ws(broker, open_things):
    """node_ws() opens a connection of the npm package `ws`, in a process of its own."""

    def open_node(**options):
        client = NodeClient(broker.url, **options)
        open_things.append(client.end)
        return client

    return open_node


@pytest.fixture
def new_calls(broker, open_things):
    """new_calls() is one more handler's link to `calls`."""

    def open_calls(address=None, **options):
        opened = Calls(address or broker.calls, **options)
        open_things.append(opened.close)
        return opened

    return open_calls


@pytest.fixture
def calls(new_calls):
    return new_calls()


@pytest.fixture
def new_events(broker, calls, open_things):
    """new_events(topics) is one more subscriber."""

    def open_events(topics=(b"",), address=None):
        opened = Events(address or broker.events, calls, topics)
        open_things.append(opened.close)
        return opened

    return open_events


@pytest.fixture
def events(new_events):
    """A subscriber to everything."""
    return new_events()


@pytest.fixture
def handler(broker, calls, open_things):
    """handler(rule, ...) starts a handler process; it listens when this returns."""

    def start(*rules):
        links = calls.counter("subscriber_links")
        started = Handler(broker.calls, *rules)
        open_things.append(started.stop)
        wait_until(lambda: calls.counter("subscriber_links") > links, "the broker to see the handler")
        return started

    return start


@pytest.fixture
def member(broker, open_things):
    """member("group", ["chat:*"], per_conn=2) joins; its turns are made by hand."""

    def join(group="g", events=("*",), address=None, **arguments):
        joined = Member(address or broker.calls, group, events, **arguments)
        open_things.append(joined.close)
        return joined

    return join


@pytest.fixture
def process(broker, open_things):
    """process("group", sleep_ms=5) starts member.py; it has joined when this returns."""

    def start(group="g", address=None, **options):
        started = Process(address or broker.calls, group, json.dumps(options))
        open_things.append(started.close)
        return started

    return start


@pytest.fixture
def room(ws, calls):
    """Three connections: ann and bob in the lobby, eve in the cellar; levels 1, 2, 3."""
    clients = {}
    for level, (name, where) in enumerate([("ann", "lobby"), ("bob", "lobby"), ("eve", "cellar")], 1):
        clients[name] = ws()
        calls.set(clients[name].conn, name=name, room=where, level=level)
    return clients
