"""Runs every recipe of docs/sessions.md against a real broker, as JSON and as C, beside those who must get nothing.

The fenced blocks between two headings are one recipe. They are played in their order on a fresh broker:

    json sessions         who is connected, by names, and with what in the session. Begins the recipe.
    json op, json ops     a handler sends this operation, these operations in one request. "<ann>" is ann's connection.
    json result           what the last of these resulted in; a map may have more keys than are shown.
    json soon             the last operation is repeated until it results in this.
    json gets NAME...     the next message that each of them gets, exactly.
    json closes NAME...   the broker closes their connections: {"code", "reason"}. They got nothing else before.
    json now              the sessions as they are now, exactly. `json now c`: only where the lines in C were run.
    c [KEY=VALUE]...      the same as the op before it, as lines of a handler function. Each KEY is a string there.
    text prints           what these lines print.

At the end nobody may have got anything that is not shown, and somebody must have got nothing at all. A recipe with
blocks of C is run once more, with them in place of the operations that they stand for: ann sends the event that the
function is called with.
"""
import json
import re
import subprocess
import time

import pytest
from websockets.exceptions import ConnectionClosed

from kit.broker import BUILD, ROOT, wait_until
from kit.client import Client
from test_readme import cached

FILE = ROOT / "docs" / "sessions.md"
ROLES = {
    "json": "sessions op ops result soon gets closes now".split(),
    "text": ["prints"],
}
PLACEHOLDER = re.compile(r"<(\w+)>")


class Block:
    def __init__(self, line, info, text):
        self.line, self.text = line, text
        self.language, *words = info.split()
        if self.language == "c":
            self.role, self.names = "c", []
            self.variables = dict(word.split("=", 1) for word in words)
        else:
            self.role, self.names = words[0] if words else None, words[1:]
            assert self.role in ROLES.get(self.language, ()), f"{FILE.name}:{line}: not a role: {info}"

    def is_op(self):
        return self.role in ("op", "ops")


def recipes():
    """(title, blocks) for each heading with blocks below it."""
    title, blocks, info, lines, begin = FILE.stem, [], None, [], 0
    for number, line in enumerate(FILE.read_text().splitlines(), 1):
        if info is not None:
            if line == "```":
                blocks.append(Block(begin, info, "\n".join(lines)))
                info = None
            else:
                lines.append(line)
        elif line.startswith("```"):
            info, lines, begin = line[3:], [], number
        elif line.startswith("#"):
            if blocks:
                yield title, blocks
            title, blocks = line.strip("# "), []
    if blocks:
        yield title, blocks


RECIPES = dict(recipes())


def with_c(blocks):
    """The recipe with each block of C in the place of the op before it, whose result the function does not show."""
    played = []
    for block in blocks:
        if block.role == "c":
            place = max(at for at, before in enumerate(played) if before.is_op())
            played[place:] = [before for before in played[place + 1 :] if before.role != "result"]
        played.append(block)
    return played


def in_json(blocks):
    return [block for block in blocks if block.role not in ("c", "prints") and block.names != ["c"]]


def check(shown, real, at="result"):
    where = f"at {at}: shown {shown!r}, really {real!r}"
    if isinstance(shown, dict):
        assert isinstance(real, dict), where
        for key, part in shown.items():
            assert key in real, where
            check(part, real[key], f"{at}.{key}")
        assert "after" in shown or "after" not in real, where
    elif isinstance(shown, list):
        assert isinstance(real, list) and len(real) == len(shown), where
        for index, (part, value) in enumerate(zip(shown, real)):
            check(part, value, f"{at}[{index}]")
    else:
        assert shown == real and isinstance(shown, bool) == isinstance(real, bool), where


class Kitchen:
    """One recipe under way."""

    def __init__(self, broker, calls, open_things, tmp_path):
        self.broker, self.calls, self.open_things, self.folder = broker, calls, open_things, tmp_path
        self.clients, self.idle, self.closed = {}, set(), set()
        self.ops = self.results = self.program = self.printed = None
        self.steps = 0

    def cook(self, blocks):
        self.prepare_c([block for block in blocks if block.role == "c"])
        for block in blocks:
            try:
                getattr(self, f"play_{block.role}")(block)
            except Exception as error:
                raise AssertionError(f"{FILE.name}:{block.line}: {error}") from error
        if any('"batch_' in block.text for block in blocks):
            time.sleep(0.2)  # for one that should not come
        for name, client in self.clients.items():
            if name not in self.closed:
                client.sync()
                assert not client.kept, f"{name} got what is not shown: {client.kept}"
        assert self.idle, "somebody must be connected who gets nothing"

    def json(self, block):
        return json.loads(PLACEHOLDER.sub(lambda found: self.clients[found[1]].conn, block.text))

    def play_sessions(self, block):
        for name, session in self.json(block).items():
            client = self.clients[name] = Client(self.broker.url)
            self.open_things.append(client.close)
            self.idle.add(name)
            if session:
                self.calls.set(client.conn, **session)

    def play_op(self, block):
        self.ops = [self.json(block)]
        self.results = self.calls.results(*self.ops)[0]

    def play_ops(self, block):
        self.ops = self.json(block)
        self.results = self.calls.results(*self.ops)

    def play_result(self, block):
        check(self.json(block), self.results)

    def play_soon(self, block):
        def is_so():
            try:
                check(self.json(block), self.calls.results(*self.ops)[0])
            except AssertionError:
                return False
            return True

        assert not is_so(), "it is so already"
        wait_until(is_so, "the result that comes soon", 5)

    def play_gets(self, block):
        assert block.names
        for name in block.names:
            self.idle.discard(name)
            assert self.clients[name].receive() == self.json(block), name

    def play_closes(self, block):
        assert block.names
        for name in block.names:
            self.idle.discard(name)
            self.closed.add(name)
            with pytest.raises(ConnectionClosed) as end:
                message = self.clients[name].receive()
                raise AssertionError(f"{name} got {message}")
            check(self.json(block), {"code": end.value.rcvd.code, "reason": end.value.rcvd.reason})

    def play_now(self, block):
        shown = self.json(block)
        assert shown == {name: self.calls.session(self.clients[name].conn) for name in shown}

    # C

    def prepare_c(self, blocks):
        if not blocks:
            return
        source, program = self.folder / "recipe.c", self.folder / "recipe"
        source.write_text(program_text(blocks))
        compile_c(source, program)
        links = self.calls.counter("subscriber_links")
        self.printed = self.folder / "printed"
        with open(self.printed, "a") as out:
            self.program = subprocess.Popen([str(program), self.broker.calls], stdout=out)
        self.open_things.append(self.end_c)
        wait_until(lambda: self.calls.counter("subscriber_links") > links, "the program in C to subscribe")

    def end_c(self):
        self.program.kill()
        self.program.wait()

    def play_c(self, block):
        variables = {
            key: PLACEHOLDER.sub(lambda found: self.clients[found[1]].conn, value)
            for key, value in block.variables.items()
        }
        answer = self.clients["ann"].ask(f"recipe:{self.steps}", variables)
        assert answer["e"] == f"recipe:{self.steps}", answer
        self.steps += 1

    def play_prints(self, block):
        assert self.printed.read_text() == block.text + "\n"
        self.printed.write_text("")


def compile_c(source, program):
    sanitizers = cached("SLUICE_SANITIZE")  # a sanitized library needs a program that is sanitized too
    subprocess.run(
        [cached("CMAKE_C_COMPILER"), *([f"-fsanitize={sanitizers}"] if sanitizers else []), "-std=c11", "-Wall",
         "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused-variable", f"-I{ROOT}/include", str(source), "-o",
         str(program), f"-L{BUILD}", "-lsluice", f"-Wl,-rpath,{BUILD}"],
        check=True,
    )  # fmt: skip


def program_text(blocks):
    """A handler with one function for each block, which answers when it is done."""
    lines = ["#include <stdio.h>", "#include <sluice/sluice.h>"]
    for number, block in enumerate(blocks):
        lines += [
            f"static int step_{number}(sluice_event *event, void *arg)",
            "{",
            "    (void)arg;",
            *(["    uint64_t count;"] if "&count" in block.text else []),
            *(
                f'    const char *{key} = sluice_get_str(sluice_event_payload(event), "{key}", NULL);'
                for key in block.variables
            ),
            f'#line {block.line + 1} "{FILE.name}"',
            block.text,
            "    fflush(stdout);",
            "    return sluice_answer(event, NULL, NULL);",
            "}",
        ]
    lines += [
        "int main(int argc, char **argv)",
        "{",
        '    sluice_client *client = sluice_client_new("recipe", NULL);',
        "    sluice_connect(client, argv[argc - 1]);",
        *(f'    sluice_subscribe(client, "recipe:{n}", step_{n}, NULL, NULL);' for n in range(len(blocks))),
        "    return sluice_run(client);",
        "}",
        "",
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("title", RECIPES)
def test_recipe(broker, calls, open_things, tmp_path, title):
    Kitchen(broker, calls, open_things, tmp_path).cook(in_json(RECIPES[title]))


@pytest.mark.parametrize("title", [title for title, blocks in RECIPES.items() if with_c(blocks) != blocks])
def test_recipe_in_c(broker, calls, open_things, tmp_path, title):
    Kitchen(broker, calls, open_things, tmp_path).cook(with_c(RECIPES[title]))


def test_the_guide_has_the_recipes_that_it_lists():
    listed = re.findall(r"\]\(#([\w-]+)\)", FILE.read_text())
    titles = re.findall(r"^#+ (.+)$", FILE.read_text(), re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(listed) <= slugs
    assert len(RECIPES) >= 14


@pytest.mark.parametrize("wrong", ["result", "gets", "idle", "extra"])
def test_a_recipe_that_is_wrong_fails(broker, calls, open_things, tmp_path, wrong):
    """The one who runs the recipes would see a wrong count, a wrong message, and a wrong recipient."""
    everybody = '{"op": "send", "filter": {}, "event": "x"}'
    lobby = '{"op": "send", "filter": {"room": "lobby"}, "event": "x"}'
    blocks = [
        Block(1, "json sessions", '{"ann": {"room": "lobby"}, "eve": {"room": "cellar"}}'),
        Block(2, "json op", everybody if wrong in ("idle", "extra") else lobby),
        Block(3, "json result", json.dumps({"matched": 2 if wrong in ("result", "idle", "extra") else 1})),
        Block(4, f"json gets ann {'eve' * (wrong == 'idle')}", json.dumps({"e": "y" if wrong == "gets" else "x"})),
    ]
    said = {"result": "matched", "gets": "'e': 'x'", "idle": "gets nothing", "extra": "not shown"}[wrong]
    with pytest.raises(AssertionError, match=said):
        Kitchen(broker, calls, open_things, tmp_path).cook(blocks)
