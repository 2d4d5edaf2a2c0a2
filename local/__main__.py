"""`python -m local`: the command line of the local system."""

from __future__ import annotations

from local.cli.commands import main

if __name__ == "__main__":
    raise SystemExit(main())
