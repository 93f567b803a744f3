"""JSON to MessagePack and back, beside cJSON and msgpack-c, on six documents of which the slowest counts."""

import json

from .processes import Failed
from .rows import Measure, Row, at_least

PROGRAM = "bench_transcode"
DIRECTIONS = {"to_mp": "to MessagePack", "to_json": "to JSON"}
DOCUMENTS = ("short strings", "escapes", "numbers", "deep", "chat message", "varied texts")


class Transcode(Row):
    """MB/s of JSON text. Each document has an aim of its own, so that the slowest one decides."""

    family = "transcode"
    beside = "cJSON, msgpack-c"

    def __init__(self):
        super().__init__("transcode", [Measure("%s %s, MB/s" % (document, DIRECTIONS[direction]), at_least(3))
                                       for document in DOCUMENTS for direction in DIRECTIONS])

    def measure(self, world, version):
        seconds = world.seconds / 40
        status, output, said = world.processes.run(PROGRAM, [version.program(PROGRAM), str(seconds)], 60 + 40 * seconds)
        if status != 0:
            raise Failed("%s: %s" % (PROGRAM, said))
        found = json.loads(output)
        return tuple({"%s %s, MB/s" % (document, name): found[document][direction + side]
                      for document in DOCUMENTS for direction, name in DIRECTIONS.items()} for side in ("", "_beside"))

    def measure_limit(self, world):
        return None


ROWS = [Transcode()]
