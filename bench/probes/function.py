"""Import a function's handler as Lambda does, pass it events, and measure the process after each.

Read ``{"events": [...], "seconds": time limit}`` from standard input. Print one line of JSON as the last line.
"""

import time

BEGAN = time.perf_counter()


def main() -> None:
    """Measure, and exit without cleaning up, because Lambda never does."""
    import app

    readings = [reading(None)]
    import json
    import os
    import sys

    given = json.load(sys.stdin)
    for event in given["events"]:
        began = time.monotonic()
        answer = app.handler(event, Context(began + given["seconds"]))
        readings.append(reading(answer))
    print(json.dumps(readings), flush=True)
    os._exit(0)


class Context:
    """Lambda's context of an invocation."""

    function_name = "bench"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench"
    aws_request_id = "6a6dd4ef-0f34-4c12-8ee0-0a3d1bd9e9d0"

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Return the time limit."""
        return int((self._deadline - time.monotonic()) * 1000)


def reading(answer: object) -> dict[str, object]:
    """Return CPU seconds (user and system), seconds since the start, and peak memory (bytes) of this process."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    # Not ru_maxrss, which includes the process that this one was forked from.
    with open("/proc/self/status") as status:  # noqa: PTH123 - pathlib is not loaded, and would be measured
        peak = next(line for line in status if line.startswith("VmHWM"))
    return {
        "cpu": used.ru_utime + used.ru_stime,
        "wall": time.perf_counter() - BEGAN,
        "rss": int(peak.split()[1]) * 1024,
        "answer": answer,
    }


if __name__ == "__main__":
    main()
