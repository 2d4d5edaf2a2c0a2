"""The entry point of a function's process: it runs Lambda's runtime client, and dies with the emulator."""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1

ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
# As in Lambda, the function's own folder comes first, and this file's folder is not in the path.
sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
