"""What a figure depends on beside the code: kept with the results."""

import os
import platform
import subprocess
import time

PACKAGES = ("libwebsockets-dev", "libnng-dev", "libmsgpack-dev", "libmsgpack-c-dev", "libuv1-dev", "libcjson-dev",
            "libc6")


def output_of(*command, cwd=None):
    """What a command prints, or "" where it is not there or fails."""
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        for line in cpuinfo:
            if line.startswith(("model name", "Hardware")):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def versions():
    """Package and version, of those that are installed."""
    found = {}
    for package in PACKAGES:
        line = output_of("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}", package)
        if line.startswith("installed "):
            found[package] = line.split()[2]
    return found


def compiler(build_dir):
    with open(os.path.join(build_dir, "CMakeCache.txt"), encoding="utf-8") as cache:
        for line in cache:
            if line.startswith("CMAKE_C_COMPILER:"):
                return output_of(line.split("=", 1)[1].strip(), "--version").split("\n", 1)[0]
    return ""


def collect(source_dir, build_dir):
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
        "commit": output_of("git", "rev-parse", "HEAD", cwd=source_dir),
        "changed_files": len(output_of("git", "status", "--porcelain", cwd=source_dir).splitlines()),
        "compiler": compiler(build_dir),
        "versions": versions(),
    }
