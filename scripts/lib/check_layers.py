"""check_layers.py ROOT [BUILD]: which folder may include what, and (with a build folder) which target may link what.

Prints each breach; exits 1 if there is one.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

# Folder: the roots and files of this project that it may include, and the libraries beyond the system's.
LAYERS = {
    "client-lib/wire": (["wire/"], []),
    "client-lib": (["", "wire/", "sluice/"], ["uthash.h"]),
    "client-lib/cli": (["", "wire/", "sluice/"], []),
    "include/sluice": (["sluice/"], []),
    "examples": (["sluice/"], ["msgpack.h"]),
    "broker/core": (["core/", "wire/"], ["uthash.h", "utlist.h"]),
    "broker/admin": (["admin/", "wire/"], []),
    "broker/ws": (
        ["ws/", "admin/log.h", "core/counters.h", "core/message.h", "core/timers.h", "core/uthash_nomem.h", "wire/"],
        ["libwebsockets.h", "uv.h"],
    ),
    "broker/ipc": (["ipc/", "admin/log.h", "core/counters.h", "core/uthash_nomem.h", "wire/"], ["nng/"]),
    "broker/app": (
        ["app/", "admin/", "core/", "ipc/ipc.h", "ws/ws.h", "wire/"],
        ["cjson/", "uv.h"],
    ),
    "broker": (["app/"], []),
    # It sees the core as an edge does.
    "tests/simulation": (["", "core/core.h", "wire/", "support/random.h"], []),
    "bench": (["bench/", "core/", "sluice/", "wire/"], []),
}

# Single files that may have more: the one place for a library inside its folder.
EXCEPTIONS = {
    "client-lib/link.c": ["nng/"],
    "client-lib/dial.h": ["nng/"],
    "client-lib/dial.c": ["nng/"],
    "client-lib/value_walk.c": ["msgpack.h"],
    "bench/limit_bridge.c": ["nng/"],
    "bench/bridge_broker.c": ["libwebsockets.h", "nng/", "uv.h"],
    "bench/bridge_handler.c": ["nng/"],
    "bench/bench_transcode.c": ["cjson/", "msgpack.h"],
}

# All that is a library to us. What is in none of these belongs to the system.
LIBRARIES = ["libwebsockets", "uv.h", "nng/", "msgpack", "cjson/", "cJSON", "uthash.h", "utlist.h", "utarray.h"]

# Target: what it may link, directly.
LINKS = {
    "sluice_wire_objects": set(),
    "sluice_wire": {"sluice_wire_objects", "m"},
    "sluice_core": {"sluice_wire"},
    "sluice_admin": {"sluice_wire"},
    "sluice_ws": {"sluice_core", "sluice_admin", "LWS", "UV"},
    "sluice_ipc": {"sluice_core", "sluice_admin", "nng", "Threads"},
    "sluice_app": {"sluice_core", "sluice_ws", "sluice_ipc", "sluice_admin", "CJSON", "UV"},
    "sluiced": {"sluice_app"},
    "sluice_client_objects": {"nng"},
    "sluice_static": {"sluice_client_objects", "sluice_wire", "nng", "Threads"},
    "sluice_shared": {"sluice_client_objects", "sluice_wire_objects", "nng", "Threads", "m"},
    "sluice": {"sluice_static"},
    "sluice-echo": {"sluice_static"},
    "sluice-chat": {"sluice_static"},
    "sluice_bench": {"sluice_wire"},
    "wsload": {"sluice_bench"},
    "limit_echo": {"sluice_bench"},
    "simulation": {"sluice_core"},
    "bench_sessions": {"sluice_core", "sluice_bench"},
    "limit_bridge": {"sluice_bench", "LWS", "UV", "nng", "Threads"},
    "bench_transcode": {"sluice_bench", "CJSON", "MSGPACK"},
    "bench_cast": {"sluice_static"},
    "bench_seed": {"sluice_static"},
}


def layer_of(path):
    """The folder of LAYERS that the file is in, the longest one."""
    return max((folder for folder in LAYERS if path.startswith(folder + "/")), key=len, default=None)


def allows(patterns, name):
    return any(name.startswith(p) if p.endswith("/") else "/" not in name if p == "" else name == p for p in patterns)


def include_breaches(root):
    files = subprocess.run(
        ["git", "-C", str(root), "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True
    ).stdout.split()
    for path in files:
        layer = layer_of(path)
        if layer is None and path.startswith("tests/"):
            continue
        if layer is None:
            yield f"{path}: in no folder that scripts/lib/check_layers.py knows"
            continue
        ours, libraries = LAYERS[layer]
        libraries = libraries + EXCEPTIONS.get(path, [])
        for number, line in enumerate((root / path).read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not found:
                continue
            kind, name = found.groups()
            if ".." in name.split("/"):
                yield f"{path}:{number}: {name} does not start at a root"
            elif kind == '"' or name.startswith("sluice/"):
                if not allows(ours, name):
                    yield f"{path}:{number}: {layer} may not include {name}"
            elif any(name.startswith(library) for library in LIBRARIES) and not any(
                name.startswith(library) for library in libraries
            ):
                yield f"{path}:{number}: {layer} may not include the library {name}"


def link_breaches(root, build):
    with tempfile.TemporaryDirectory() as folder:
        graph = pathlib.Path(folder) / "graph.dot"
        subprocess.run(
            ["cmake", f"--graphviz={graph}", "-S", str(root), "-B", str(build)], check=True, capture_output=True
        )
        text = graph.read_text()
    names = {
        node: label.split("\\n")[0] for node, label in re.findall(r'"(node\d+)" \[ label = "([^"]+)"', text)
    }
    for source, target in re.findall(r'"(node\d+)" -> "(node\d+)"', text):
        source, target = names[source], names[target]
        plain = target.removeprefix("PkgConfig::").split("::")[0]
        if source in LINKS and plain not in LINKS[source]:
            yield f"the target {source} may not link {target}"
    for target in sorted(set(names.values())):
        if target.startswith("sluice") and target not in LINKS:
            yield f"the target {target} is not in scripts/lib/check_layers.py"


def main():
    root = pathlib.Path(sys.argv[1])
    breaches = list(include_breaches(root))
    if len(sys.argv) > 2:
        breaches += link_breaches(root, pathlib.Path(sys.argv[2]))
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


sys.exit(main())
