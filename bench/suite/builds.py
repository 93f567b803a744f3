"""Building: this checkout, and another version of it with this one's benchmarks."""

import os
import shutil
import subprocess
import tarfile

from .conditions import output_of
from .processes import Failed

REQUIRED = ("wsload", "limit_echo", "limit_bridge", "alloc_count", "bench_cast", "bench_seed", "bench_transcode",
            "bench_sessions", "sluiced", "sluice-echo")


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise Failed("%s\n%s" % (" ".join(command), done.stdout))


def configure(source_dir, build_dir, *more):
    command = ["cmake", "-S", source_dir, "-B", build_dir, "-DCMAKE_BUILD_TYPE=Release", "-DSLUICE_TESTS=OFF",
               "-DSLUICE_BENCH=ON", *more]
    if shutil.which("ninja") and not os.path.exists(os.path.join(build_dir, "CMakeCache.txt")):
        command += ["-G", "Ninja"]
    run(command)


def compile_targets(build_dir, targets, *more):
    run(["cmake", "--build", build_dir, "-j", str(len(os.sched_getaffinity(0))), "--target", *targets, *more])


def build(source_dir, build_dir):
    configure(source_dir, build_dir)
    compile_targets(build_dir, REQUIRED)


def export(source_dir, commit, tree):
    """The files of `commit`, wholly or not at all."""
    part = tree + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    with subprocess.Popen(["git", "archive", commit], cwd=source_dir, stdout=subprocess.PIPE) as archive:
        with tarfile.open(fileobj=archive.stdout, mode="r|") as files:
            files.extractall(part)
    if archive.returncode != 0:
        raise Failed("git archive %s failed" % commit)
    os.rename(part, tree)


def build_revision(source_dir, revision, parent_dir):
    """Export `revision`, put our bench/ into it, so that both versions are measured with the same programs, and build.
    Programs of ours that do not build there are left out: their rows are skipped. Returns its short name and
    build directory."""
    commit = output_of("git", "rev-parse", "--verify", revision + "^{commit}", cwd=source_dir)
    if not commit:
        raise Failed("no revision '%s'" % revision)
    directory = os.path.join(parent_dir, commit[:12])
    tree, build_dir = os.path.join(directory, "source"), os.path.join(directory, "build")
    if not os.path.exists(tree):
        export(source_dir, commit, tree)
    shutil.rmtree(os.path.join(tree, "bench"), ignore_errors=True)
    shutil.copytree(os.path.join(source_dir, "bench"), os.path.join(tree, "bench"))
    configure(tree, build_dir)
    compile_targets(build_dir, ("sluiced", "sluice-echo"))
    for program in ("bench_cast", "bench_transcode"):
        try:
            compile_targets(build_dir, (program,))
        except Failed:
            pass
    return commit[:12], build_dir
