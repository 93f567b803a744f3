"""cppcheck_project.py BUILD OUT: write BUILD's compile_commands.json for cppcheck to the folder OUT: without the tests, and with
the headers whose macros cppcheck must see (uthash, sys/queue) in a folder of their own, since it knows no system folders.
"""
import json
import pathlib
import shutil
import subprocess
import sys

MACROS = ["uthash.h", "utlist.h", "sys/queue.h"]

build, out = map(pathlib.Path, sys.argv[1:])
include = out / "include"
for header in MACROS:
    rule = subprocess.run(
        ["cc", "-M", "-x", "c", "-"], input=f"#include <{header}>\n", capture_output=True, text=True, check=True
    ).stdout
    path = next(word for word in rule.split() if word.endswith(f"/{header}"))
    (include / header).parent.mkdir(parents=True, exist_ok=True)
    (include / header).unlink(missing_ok=True)
    shutil.copy(path, include / header)

commands = json.loads((build / "compile_commands.json").read_text())
commands = [command for command in commands if "/tests/" not in command["file"]]
for command in commands:
    command["command"] = command["command"].replace(" -c ", f" -I{include} -c ")
(out / "project.json").write_text(json.dumps(commands))
