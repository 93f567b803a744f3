"""What is measured, running: the limits, and Sluice with its handlers, of one version or another."""

import json
import os
import subprocess
import tempfile
import time

from .load import Load
from .processes import Failed, Skipped, cpu_seconds, free_port

TOOLS = ("wsload", "limit_echo", "limit_bridge", "bench_seed")  # of the world; the rest is of the version measured
CONNECTIONS_BESIDE = 1200  # descriptors that a broker or load generator wants for itself


class Side:
    """Processes that together serve a WebSocket address."""

    def __init__(self, processes, port, servers, calls=None):
        self.processes = processes
        self.port = port
        self.servers = servers  # the first one holds the connections
        self.calls = calls      # Sluice: where requests go

    @property
    def url(self):
        return "ws://127.0.0.1:%d/ws" % self.port

    @property
    def broker(self):
        return self.servers[0]

    def cpu_seconds(self):
        return sum(map(cpu_seconds, self.servers))

    def check_alive(self):
        for server in self.servers:
            self.processes.check_alive(server)

    def stop(self):
        for server in reversed(self.servers):
            self.processes.stop(server)


class Version:
    """The programs of one build."""

    def __init__(self, name, build):
        self.name = name
        self.build = build
        self.sides = {}  # running ones, by name
        self._help = {}

    def program(self, name):
        path = os.path.join(self.build, name)
        if self.name and not os.path.exists(path):
            raise Skipped("%s cannot be built in %s" % (name, self.name))
        return path

    def knows(self, name, option):
        """Whether the program says so in its help."""
        if name not in self._help:
            try:
                done = subprocess.run([self.program(name), "--help"], capture_output=True, text=True, timeout=10,
                                      check=False, stdin=subprocess.DEVNULL)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Failed("cannot start %s: %s" % (name, error)) from error
            self._help[name] = done.stdout + done.stderr
        return option in self._help[name]


class World:
    """What rows measure with: processes, times, the version that is measured, and sides that keep running."""

    def __init__(self, processes, version, seconds, is_quick):
        self.processes = processes
        self.version = version
        self.seconds = seconds
        self.is_quick = is_quick
        self.limits = {}

    def tool(self, name):
        path = os.path.join(self.version.build, name)
        if name not in TOOLS:
            raise Failed("%s is no tool" % name)
        return path

    def load(self, side, options):
        """The load generator, connected to `side`."""
        return Load(self.processes, [self.tool("wsload"), *map(str, options), side.url])

    def seed(self, side, room="lobby"):
        """Give every connection of a Sluice that has no session one of three fields."""
        status, _, said = self.processes.run("bench_seed", [self.tool("bench_seed"), side.calls, room], 60)
        if status != 0:
            raise Failed("bench_seed: %s" % said)

    # Limits.

    def limit(self, name):
        """A side that keeps running: `echo`, `cast`, `turns` or `events`."""
        if name not in self.limits:
            self.limits[name] = self.start_bridge(name) if name in ("turns", "events") else self.start_limit(name)
        return self.limits[name]

    def start_limit(self, name):
        port = free_port()
        command = [self.tool("limit_echo"), "--port", str(port)] + (["--cast"] if name == "cast" else [])
        process = self.processes.start("limit_" + name, command)
        self.processes.wait_port(process, port)
        return Side(self.processes, port, [process])

    def start_bridge(self, form):
        port, directory = free_port(), tempfile.mkdtemp(dir=self.processes.directory)
        name = "limit_bridge-" + form
        broker = self.processes.start(name, [self.tool("limit_bridge"), "broker", form, str(port), directory])
        self.processes.wait_port(broker, port)
        handler = self.processes.start(name + "-handler", [self.tool("limit_bridge"), "handler", form, directory])
        side = Side(self.processes, port, [broker, handler])
        self.wait_answers(side)
        return side

    # Sluice.

    def start_sluice(self, version, name, handlers, options=(), config=None, env=None):
        """A broker of its own with `handlers`, each a program's name and arguments, of which CALLS becomes the address."""
        directory = tempfile.mkdtemp(dir=self.processes.directory)
        calls, port = "ipc://%s/calls" % directory, free_port()
        command = [version.program("sluiced"), "--listen", "127.0.0.1:%d" % port, "--calls", calls,
                   "--events", "ipc://%s/events" % directory, *options]
        if config is not None:
            path = os.path.join(directory, "sluice.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(config, file)
            command += ["--config", path]
        programs = [(version.program(program), arguments) for program, *arguments in handlers]
        side = Side(self.processes, port, [self.processes.start("sluiced-" + name, command, env=env)], calls)
        try:
            self.processes.wait_port(side.broker, port)
            for number, (program, arguments) in enumerate(programs):
                command = [program] + [calls if argument == "CALLS" else argument for argument in arguments]
                log = "%s-%s-%d" % (os.path.basename(program), name, number)
                side.servers.append(self.processes.start(log, command))
        except Failed:
            side.stop()
            raise
        return side

    def keep(self, version, name, start, check):
        """A side of `version` that keeps running: what `start` gives, once `check` has passed."""
        if name not in version.sides:
            side = start()
            try:
                check(side)
            except Failed:
                side.stop()
                raise
            version.sides[name] = side
        return version.sides[name]

    def wait_answers(self, side, event="echo", tries=50):
        """Until a handler has announced itself and answers."""
        report = None
        for _ in range(tries):
            report = self.answers(side, 0.05, event)
            if report["received"] > 0:
                return
            time.sleep(0.1)
        raise Failed("no handler answers: %s" % report["first_problem"])

    def answers(self, side, seconds=0.2, event="echo"):
        """One message after the other, for a short time. Returns the report."""
        load = self.load(side, ["-w", 0, "-d", seconds, "--drain", 0.3, "-e", event])
        load.run(seconds)
        report = load.end()
        side.check_alive()
        return report
