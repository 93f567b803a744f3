"""scripts/quickstart: its smoke test passes with all parts and fails without any of them."""
import os
import shutil
import signal
import subprocess
import time
import urllib.request

import pytest

from kit.broker import BUILD, ROOT, wait_until

QUICKSTART = str(ROOT / "scripts" / "quickstart")
PAGE = ROOT / "examples" / "chat" / "public"


def smoke(programs, page=PAGE):
    done = subprocess.run(
        [QUICKSTART, "--smoke", "--bin", str(programs), "--page", str(page)],
        capture_output=True, text=True, timeout=80, stdin=subprocess.DEVNULL,
    )
    print(done.stdout, done.stderr)
    return done


@pytest.fixture
def programs(tmp_path):
    """A folder with broker and handler, in which a test may replace one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in "sluiced", "sluice-chat":
        (folder / name).symlink_to(BUILD / name)

    def replace(name, script):
        (folder / name).unlink()
        if script is not None:
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)

    folder_and_replace = folder, replace
    return folder_and_replace


def test_smoke(programs):
    done = smoke(programs[0])
    assert done.returncode == 0 and "smoke: Bob hears what Ann says" in done.stdout


@pytest.mark.parametrize("name", ["sluiced", "sluice-chat"])
@pytest.mark.parametrize("script", [None, "exit 1", "exec sleep 60"], ids=["missing", "ends", "does nothing"])
def test_smoke_fails_without_a_part(programs, name, script):
    folder, replace = programs
    replace(name, script)
    assert smoke(folder).returncode != 0


def test_smoke_fails_without_the_page(programs, tmp_path):
    assert smoke(programs[0], tmp_path).returncode != 0
    other = tmp_path / "other"
    shutil.copytree(PAGE, other)
    (other / "index.html").write_text("<h1>some other page</h1>")
    assert smoke(programs[0], other).returncode != 0


def test_ctrl_c_stops_both_and_says_nothing_bad(tmp_path):
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [QUICKSTART, "--bin", str(BUILD), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore it, and bash keeps that
    )
    wait_until((tmp_path / "sluice" / "sluice" / "calls").exists, "the broker to start")
    line = next(line for line in process.stdout if "Open http://" in line)
    address = line[line.index("http://") :].split()[0]
    with urllib.request.urlopen(address, timeout=20) as page:
        assert page.status == 200
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130 and time.monotonic() - begin < 10
    assert "killed" not in out.lower() and "error" not in out.lower(), out
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=5)
    assert not (tmp_path / "sluice" / "sluice" / "calls").exists()
