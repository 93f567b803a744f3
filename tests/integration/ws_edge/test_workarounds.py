"""Each way around a fault of libwebsockets is there for a reason: without it, its test fails.

Needs a build with SLUICE_TEST_SWITCHES. With a libwebsockets that has no such fault any more, a row fails here: then the way around may go.
"""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent

NEVER = (99,)  # no version is known to do without
TABLE = [  # name, a test that fails without, the version of libwebsockets that does without
    ("lobby", "test_handshake.py::test_long_heads_get_431", NEVER),
    ("lobby", "test_handshake.py::test_bad_handshakes_are_told_why", NEVER),
    ("lobby", "test_handshake.py::test_h2c_is_refused", NEVER),
    ("lobby", "test_handshake.py::test_connect_is_refused", NEVER),
    ("own_head", "test_handshake.py::test_any_other_header_is_overlooked", NEVER),
    ("reserve_descriptor", "test_handshake.py::test_no_descriptors_left", NEVER),
    ("breach_code", "test_closing.py::test_long_control_frame", NEVER),
    ("kernel_silence", "test_closing.py::test_any_byte_keeps_alive", NEVER),
    ("wait_for_partial", "test_closing.py::test_slow_consumer_by_a_full_queue", NEVER),
    ("send_buffer", "test_closing.py::test_client_that_reads_nothing_any_more_costs_little_in_the_kernel", NEVER),
    ("look_at_paused", "test_pausing.py::test_reset_is_seen", NEVER),
    ("own_close_frame", "test_closing.py::test_broker_closes", (4, 3)),
]


@pytest.mark.parametrize("name, test, unneeded_from", TABLE)
def test_is_needed(echo, name, test, unneeded_from):
    server = echo()
    if not server.has_switches:
        pytest.skip("not a build with SLUICE_TEST_SWITCHES")
    if server.library >= unneeded_from:
        pytest.skip(f"libwebsockets {server.library} does without")
    environment = {**os.environ, "SLUICE_WITHOUT": name}
    command = [sys.executable, "-m", "pytest", "-x", "-c", str(HERE.parent / "pytest.ini"), "--rootdir", str(HERE.parent),
               "--confcutdir", str(HERE), "-p", "no:xdist", str(HERE / test)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=80)
    assert run.returncode == 1, f"{test} passes without {name}:\n{run.stdout[-2000:]}"
