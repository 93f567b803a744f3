"""check_coverage.py HEADER TEST: every function of the public header is called in the test, which runs all of it before and
after a restart of the broker. Prints what is missing and exits 1."""
import re
import sys

header, test = (open(path, encoding="utf-8").read() for path in sys.argv[1:3])
code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
functions = set(re.findall(r"\b(sluice_\w+)\s*\(", "".join(re.findall(r"SLUICE_API[^;]*;", code))))
called = set(re.findall(r"\b(sluice_\w+)\s*\(", re.sub(r"/\*.*?\*/", "", test, flags=re.S)))
# Called for every test by fixture.c.
called |= {"sluice_client_new", "sluice_client_free", "sluice_connect", "sluice_on_error"}
missing = sorted(functions - called)
if len(functions) < 60:
    sys.exit(f"only {len(functions)} functions found in the header: is this script still right?")
if missing:
    sys.exit("not called: " + ", ".join(missing))
print(f"all {len(functions)} functions are called")
