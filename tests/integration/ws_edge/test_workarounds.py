"""Each way around a fault of libwebsockets is there for a reason: without it, its test fails.

Needs a build with SLUICE_TEST_SWITCHES. With a libwebsockets that has no such fault any more, a row fails here: then the way around may go.
"""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent

TABLE = [
    ("handshake_checks", "test_handshake.py::test_bad_handshakes_are_told_why"),
    ("refuse_h2c", "test_handshake.py::test_h2c_is_refused"),
    ("refuse_connect", "test_handshake.py::test_connect_is_refused"),
    ("lobby", "test_handshake.py::test_long_heads_get_431"),
    ("reserve_descriptor", "test_handshake.py::test_no_descriptors_left"),
    ("whole_utf8", "test_closing.py::test_bad_utf8_cut_before_an_empty_fragment"),
    ("kernel_silence", "test_closing.py::test_any_byte_keeps_alive"),
    ("wait_for_partial", "test_closing.py::test_slow_consumer_by_a_full_queue"),
    ("send_buffer", "test_closing.py::test_client_that_reads_nothing_any_more_costs_little_in_the_kernel"),
    ("own_close_frame", "test_closing.py::test_broker_closes"),
]


@pytest.mark.parametrize("name, test", TABLE)
def test_is_needed(echo, name, test):
    server = echo()
    if not server.has_switches:
        pytest.skip("not a build with SLUICE_TEST_SWITCHES")
    environment = {**os.environ, "SLUICE_WITHOUT": name}
    command = [sys.executable, "-m", "pytest", "-x", "-c", str(HERE.parent / "pytest.ini"), "--rootdir", str(HERE.parent),
               "--confcutdir", str(HERE), "-p", "no:xdist", str(HERE / test)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=80)
    assert run.returncode == 1, f"{test} passes without {name}:\n{run.stdout[-2000:]}"
