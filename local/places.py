"""Where things are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
RUNTIME = STATE / "runtime"  # what Lambda's own image holds
BYTECODE = STATE / "cache/bytecode"  # what Python compiled, for all processes but those of functions
APP_PYTHON = ROOT / ".venv/app/bin/python"
LOCAL_PYTHON = ROOT / ".venv/local/bin/python"
