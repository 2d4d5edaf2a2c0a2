"""Check that the system can be started, before anything is installed or built.

    python -m scripts.check_ports PORT

It needs nothing but Python's own library.
"""

from __future__ import annotations

import sys

from local.errors import CannotStart
from local.system import machine
from scripts import locks


def main(port: str) -> None:
    """Check the given port and the ones after it.

    Raises:
        SystemExit: it is no port, one of them is in use, or the system is running already.
    """
    if locks.is_held(locks.SYSTEM):
        raise SystemExit("Purser is already running from this clone. Stop it first (Ctrl-C where it was started).")
    try:
        machine.check_ports(machine.port_of(port))
    except CannotStart as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main(sys.argv[1])
