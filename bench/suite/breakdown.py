"""Where the time of an echo goes: stacks that perf took, sorted by what they are for."""

import re

from .processes import Failed

NNG = "nng, as we call it"
NNG_THREADS = "nng's own threads"
KERNEL = "kernel: switching, and what else it does"
OTHER = "other"

# The innermost frame that one of these names decides; what has none is "other". A rule is a thing, and functions or
# a library that are it.
BROKER = (
    ("TCP: send", "__sys_sendto|__x64_sys_sendto|__send"),
    ("TCP: receive", "__sys_recvfrom|__x64_sys_recvfrom|__libc_recv"),
    (NNG, "ipc_publish|events_publish|ipc_reply|calls_.*"),
    ("waiting, epoll", "do_epoll_wait|do_epoll_ctl|__x64_sys_epoll_ctl|epoll_wait|uv__io_poll"),
    ("JSON to MessagePack", "envelope_read.*|json_.*"),
    ("MessagePack to JSON, frames", "frame_of|mp_to_json"),
    ("requests: the check of all bytes", "mp_check"),
    ("requests: operations, entries, turns", "core_request"),
    ("events: queued and published", "core_conn_message|core_flush|groups_.*|publisher_.*"),
    ("queues of what is written", "writer_.*|outqueue_.*|ws_deliver|ws_conn_.*|write_.*"),
    ("the loop", "on_wake|on_turn_end|on_loop_end|ipc_drain|wiring_.*|on_message|on_request"),
)
HANDLER = (
    (NNG, "link_.*"),
    ("waiting", "waker_.*"),
    ("events read", "event_parse|event_fill|group_take|take_event|chain|open_packet"),
    ("the function, its effect written", "on_event|sluice_.*_event|sluice_send.*"),
    ("requests written", "turn_write|outbox_build|verdict_.*|turn_collect"),
    ("replies read", "reply_.*|turn_reply_.*|turn_heard|outbox_.*"),
    ("events kept and freed", "event_new|event_free|event_close|group_.*|held_.*|call_function"),
    ("the loop", "sluice_poll|sluice_run|client_.*|turn_.*|member_.*"),
)
LIBRARIES = (("libwebsockets and libuv", "libwebsockets|libuv"), (NNG, "libnng"))

HEAD = re.compile(r"^(\S.*?)\s*$")
FRAME = re.compile(r"^\s+[0-9a-f]+\s+(.+?)\s+\((.*)\)$")


def samples(text):
    """Each sample of `perf script -F comm,ip,sym,dso`: the thread's name, and its frames (function, library), innermost
    first."""
    comm, frames = None, []
    for line in text.splitlines() + [""]:
        frame = FRAME.match(line)
        if frame:
            frames.append((frame.group(1).split("+")[0], frame.group(2)))
        elif line.strip():
            comm = HEAD.match(line).group(1)
        elif comm is not None:
            if frames:
                yield comm, frames
            comm, frames = None, []


def compiled(rules):
    return [(thing, re.compile("(?:%s)" % names)) for thing, names in rules]


def thing_of(comm, frames, rules, libraries):
    if comm.startswith("nng:"):
        return NNG_THREADS
    for function, library in frames:
        for thing, names in rules:
            if names.fullmatch(function):
                return thing
        for thing, names in libraries:
            if names.search(library):
                return thing
    return KERNEL if "kernel" in frames[0][1] else OTHER


def shares(text, rules):
    """The part of the samples for each thing."""
    counts, rules, libraries = {}, compiled(rules), compiled(LIBRARIES)
    for comm, frames in samples(text):
        thing = thing_of(comm, frames, rules, libraries)
        counts[thing] = counts.get(thing, 0) + 1
    if not counts:
        raise Failed("perf saw nothing")
    return {thing: count / sum(counts.values()) for thing, count in counts.items()}


def lines(of, us_per_echo, title):
    """Rows of a table: thing, ns for each echo, percent; most first."""
    ordered = sorted(of.items(), key=lambda item: -item[1])
    rows = [[thing, "%.0f" % (1000 * us_per_echo * share), "%.1f %%" % (100 * share)] for thing, share in ordered]
    return [[title, "%.0f" % (1000 * us_per_echo), ""]] + rows
