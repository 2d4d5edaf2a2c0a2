"""The entry point of a function's process: it runs Lambda's runtime client, and dies with the emulator.

The emulator takes events from anybody on this machine, pages in a browser included. So each event must carry the key
of the process in its client context, which the function does not see.
"""

import ctypes
import hmac
import os
import runpy
import signal
import sys
from collections.abc import Callable
from typing import Any

PR_SET_PDEATHSIG = 1

ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
# As in Lambda, the function's own folder comes first, and this file's folder is not in the path.
sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
key = os.environ.pop("LOCAL_INVOCATION_KEY")

from awslambdaric import bootstrap  # type: ignore[import-untyped]  # noqa: E402 - it is found in the function's path

load: Callable[[str], Callable[[Any, Any], Any]] = bootstrap._get_handler  # noqa: SLF001 - the client has no hook


def guarded(name: str) -> Callable[[Any, Any], Any]:
    """Load a handler as Lambda does, and let it see events with the key only."""
    handler = load(name)

    def invoke(event: Any, context: Any) -> Any:
        sent = context.client_context.custom if context.client_context else None
        if not hmac.compare_digest(str((sent or {}).get("key")).encode(), key.encode()):
            raise PermissionError("the event does not come from the local system")
        context.client_context = None
        return handler(event, context)

    return invoke


bootstrap._get_handler = guarded  # noqa: SLF001 - the client has no hook
runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
