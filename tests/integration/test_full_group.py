"""bench/full_group.py: those who feed a full group are held as long as it takes, and then nothing was lost."""
import json
import subprocess
import sys

import pytest

from kit.broker import BUILD, ROOT


def test_clients_of_a_full_group_are_held_and_lose_nothing(tmp_path):
    if not (BUILD / "wsload").exists():
        pytest.skip("a build without benchmarks")
    command = [sys.executable, str(ROOT / "bench" / "full_group.py"), "--no-build", "--build", str(BUILD), "--rounds", "0",
               "--minutes", "0.03", "--clients", "10", "--seconds", "0.5", "--json", str(tmp_path / "results.json")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stdout + run.stderr
    held = json.loads((tmp_path / "results.json").read_text())["held"]
    assert held["messages"] > 100_000, "less than the backlog takes"
