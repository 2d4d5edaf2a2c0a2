"""Paths of folders and files."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
RUNTIME = STATE / "runtime"  # what Lambda's own image contains
BYTECODE = STATE / "cache/bytecode"  # bytecode of all processes but functions
APP_PYTHON = ROOT / ".venv/app/bin/python"
LOCAL_PYTHON = ROOT / ".venv/local/bin/python"
