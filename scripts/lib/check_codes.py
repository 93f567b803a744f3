"""check_codes.py ROOT: whatever a stranger may meet on the wire is in the docs, and a test meets it first.

- each error code (client-lib/wire/codes.h) and each operation (broker/core/ops.c): in docs/protocol-*.md and in a test;
- each close code that the broker sends: in docs/protocol-websocket.md and in an integration test;
- each filter and update operator: in docs/protocol-handlers.md and in a test;
- each way around a library's fault (WORKAROUND(name)): switched off by a test;
- each setting of sluiced (broker/app/settings.c): in docs/configuration.md and in a test.

Prints what is missing; exits 1 if something is.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])


def text_of(*patterns):
    return "\n".join(path.read_text(errors="replace") for pattern in patterns for path in sorted(ROOT.glob(pattern)))


DOCS = text_of("docs/protocol-*.md")
CLIENT_DOCS = text_of("docs/protocol-websocket.md")
CONFIG_DOCS = text_of("docs/configuration.md")
HANDLER_DOCS = text_of("docs/protocol-handlers.md")
INTEGRATION = text_of("tests/integration/*.py", "tests/integration/*/*.py", "tests/integration/*/*.c")
TESTS = INTEGRATION + text_of("tests/unit/*/*.c", "tests/unit/*/*.h", "tests/fuzz/*.c")


def codes():
    """(name, text) of each row of the table."""
    return re.findall(r'^\s*X\((\w+), "(\w+)"', text_of("client-lib/wire/codes.h"), re.MULTILINE)


def operations():
    return re.findall(r'\{"(\w+)", (?:true|false), (?:true|false), ARGS_', text_of("broker/core/ops.c"))


def close_codes():
    """Those of the edge's table, those in calls that close with a number, and 1002, which libwebsockets sends."""
    found = {"1002"}
    found |= set(re.findall(r"CLOSE_\w+ = (\d{4})", text_of("broker/ws/*.h")))
    found |= set(re.findall(r"(?:_close|close_with)\([^;]*?\b(1\d{3}|3\d{3})\b", text_of("broker/core/*.c", "broker/app/*.c")))
    return sorted(found)


def operators():
    return sorted(set(re.findall(r'"(\$[a-zA-Z]+)"', text_of("broker/core/filter*.c", "broker/core/update*.c"))))


def settings():
    return re.findall(r'^\s*\{\w+, "(\w+)", SETTING_', text_of("broker/app/settings.c"), re.MULTILINE)


def workarounds():
    return sorted(set(re.findall(r"\bWORKAROUND\((\w+)\)", text_of("broker/*/*.[ch]", "client-lib/*.c"))) - {"name"})


def missing():
    for name, text in codes():
        if text == "ok":
            continue
        if f"`{text}`" not in DOCS:
            yield f"docs/protocol-*.md lack the error code `{text}`"
        if not re.search(rf'"{text}"|\bCODE_{name}\b', TESTS):
            yield f"no test meets the error code {text}"
    for op in operations():
        if f"`{op}`" not in HANDLER_DOCS:
            yield f"docs/protocol-handlers.md lacks the operation `{op}`"
        if not re.search(rf'calls(\.refused)?\("{op}"|"op": "{op}"', INTEGRATION):
            yield f"no integration test uses the operation {op}"
    for code in close_codes():
        if not re.search(rf"\b{code}\b", CLIENT_DOCS):
            yield f"docs/protocol-websocket.md lacks the close code {code}"
        if not re.search(rf"\b{code}\b", INTEGRATION):
            yield f"no integration test sees the close code {code}"
    for operator in operators():
        if f"`{operator}`" not in HANDLER_DOCS:
            yield f"docs/protocol-handlers.md lacks the operator `{operator}`"
        if operator not in TESTS:
            yield f"no test uses the operator {operator}"
    for name in workarounds():
        if not re.search(rf'[("]{name}[ ",]', TESTS + text_of("tests/**/*.cmake", "tests/**/CMakeLists.txt")):
            yield f"no test switches the way around {name} off"
    for key in settings():
        if key not in CONFIG_DOCS and key.replace("_", "-") not in CONFIG_DOCS:
            yield f"docs/configuration.md lacks the setting {key}"
        if not re.search(rf"\b{key}\b|--{key.replace('_', '-')}\b", TESTS):
            yield f"no test uses the setting {key}"


def main():
    for table in codes, operations, close_codes, operators, settings, workarounds:
        assert len(table()) > 5, f"the table of {table.__name__} has moved"
    faults = list(missing())
    print("\n".join(faults))
    return 1 if faults else 0


sys.exit(main())
