"""test_docs.py CC INCLUDE FILE...: every piece of C in docs/c-library.md and the example in sluice.h compiles without a warning."""
import pathlib
import re
import subprocess
import sys
import tempfile

compiler, include, *files = sys.argv[1:]
HEADERS = """#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sluice/sluice.h>
"""
INSIDE = """int piece(sluice_event *event, const char *conn, const char *room, int level, %s);
int piece(sluice_event *event, const char *conn, const char *room, int level, %s)
{
    int rc = 0;
%s
    return rc;
}
"""
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused-but-set-variable", "-Wno-unused-variable",
         "-Wno-unused-function", "-Wno-unused-value", "-Wno-unused-parameter", "-Wno-misleading-indentation", "-fsyntax-only"]


def pieces(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return re.findall(r"```c\n(.*?)```", text, flags=re.S)
    comment = text[text.index("/* libsluice"):text.index("What holds everywhere")]
    return ["\n".join(line[7:] for line in comment.splitlines()[1:])]


def as_file(code):
    if re.search(r"^(static |int main|#include)", code, flags=re.M):
        return HEADERS + code
    client = "int unused" if "sluice_client *client" in code else "sluice_client *client"
    return HEADERS + INSIDE % (client, client, code)


count = 0
with tempfile.TemporaryDirectory() as folder:
    for path in files:
        for code in pieces(path):
            source = pathlib.Path(folder, "piece.c")
            source.write_text(as_file(code), encoding="utf-8")
            done = subprocess.run([compiler, *FLAGS, f"-I{include}", str(source)], capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{path}:\n{code}\n{done.stderr}")
            count += 1
if count < 8:
    sys.exit(f"only {count} pieces of C found: is this script still right?")
print(f"{count} pieces compile")
