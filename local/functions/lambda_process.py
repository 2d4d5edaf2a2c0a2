"""The start of a function's process: runs Lambda's runtime client, and dies with the emulator that started it."""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1

ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
# As in Lambda, the function's own folder comes first; this file's folder is none of its business.
sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
