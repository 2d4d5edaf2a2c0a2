"""One execution environment of a function: Lambda's Runtime Interface Emulator, and Python under it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from local import processes
from local.doubles.kit import files
from local.errors import LocalError
from local.places import ROOT, RUNTIME

if TYPE_CHECKING:
    from local.cloud.template import Function

LAUNCHER = ROOT / "local/functions/lambda_process.py"
INVOKE = "/2015-03-31/functions/function/invocations"
START_TRIES, START_SECONDS = 3, 10
GRACE_SECONDS = 10
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class WorkerFailed(LocalError):
    """The environment could not be started, or is gone."""


@dataclass(frozen=True)
class Result:
    """The result of an invocation: its output, or the failure that ``error`` names."""

    output: str
    error: str = ""


def emulator(folder: Path) -> Path:
    """Return a copy of the emulator that is executable, because a wheel does not keep the mode."""
    import samcli

    machine = ARCHITECTURES[platform.machine()]
    packaged = Path(samcli.__file__).parent / f"local/rapid/aws-lambda-rie-{machine}"
    copy = folder / packaged.name
    if not copy.exists() or copy.stat().st_size != packaged.stat().st_size:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = copy.with_suffix(f".{os.getpid()}")
        shutil.copyfile(packaged, fresh)
        fresh.chmod(0o755)
        fresh.replace(copy)
    return copy


class Worker:
    """A running environment. It serves one invocation at a time, which its owner ensures."""

    def __init__(self, function: Function, emulator_path: Path, aws: dict[str, str], log: Path) -> None:
        self._timeout = function.timeout
        self.idle_since = time.monotonic()
        self._key = secrets.token_urlsafe(32)
        environment = environment_of(function, aws) | {"LOCAL_INVOCATION_KEY": self._key}
        files.set_aside(log)
        for _ in range(START_TRIES):
            with log.open("ab") as output:
                if self._start(function, emulator_path, environment, output):
                    return
        raise WorkerFailed(f"{function.name} could not be started; see {log}.")

    def _start(self, function: Function, emulator_path: Path, environment: dict[str, str], log: IO[bytes]) -> bool:
        self._ports = tuple(_reserved_port() for _ in range(2))
        self._port, runtime_port = (each.getsockname()[1] for each in self._ports)
        command: list[str | Path] = [
            emulator_path,
            *("--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
            *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
            *("--log-level", "error"),
            *(interpreter(), "-S", LAUNCHER, function.handler),
        ]
        self._process = processes.spawn(
            command, env=environment, cwd=function.code, stdout=log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                time.sleep(0.005)
            else:
                return True
        self.stop()
        return False

    @property
    def is_alive(self) -> bool:
        """Return whether its process is still there."""
        return self._process.poll() is None

    def invoke(self, event: bytes) -> Result:
        """Run the function once.

        Raises:
            WorkerFailed: the environment is gone; it cannot be used again.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout + GRACE_SECONDS)
        try:
            context = base64.b64encode(json.dumps({"custom": {"key": self._key}}).encode()).decode()
            headers = {"Content-Type": "application/json", "X-Amz-Client-Context": context}
            connection.request("POST", INVOKE, event, headers)
            answer = connection.getresponse()
            return _result(answer.read().decode())
        except (OSError, http.client.HTTPException) as error:
            raise WorkerFailed(f"the execution environment is gone ({type(error).__name__})") from None
        finally:
            connection.close()
            self.idle_since = time.monotonic()

    def stop(self) -> None:
        """End the process. As in Lambda, nothing may rely on an orderly end."""
        processes.stop(self._process, 0)
        for port in self._ports:
            port.close()


def _result(output: str) -> Result:
    if output.startswith("Task timed out after "):
        return Result(json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": output}), "Sandbox.Timedout")
    try:
        answer = json.loads(output)
    except ValueError:
        return Result(output, "Runtime.MalformedResponse")
    # The emulator has no other sign of an error.
    failed = isinstance(answer, dict) and {"errorType", "errorMessage"} <= answer.keys()
    return Result(output, str(answer["errorType"]) if failed else "")


def interpreter() -> Path:
    """Return the Python that both environments were made from, without their packages."""
    return Path(sys.base_prefix) / "bin" / "python{}.{}".format(*sys.version_info)


def environment_of(function: Function, aws: dict[str, str]) -> dict[str, str]:
    """Return the environment that Lambda gives a process, without this machine's own."""
    # As in Lambda, layers come before the runtime's own libraries, and a later layer before an earlier one.
    libraries = [*(layer / "python" for layer in reversed(function.layers)), RUNTIME]
    # Lambda filters logs by level in the format JSON only, and then at INFO unless told otherwise.
    log_level = {"AWS_LAMBDA_LOG_LEVEL": function.log_level or "INFO"} if function.log_format == "JSON" else {}
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": os.pathsep.join(map(str, libraries)),
        "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's folders are read-only.
        "LAMBDA_TASK_ROOT": str(function.code),
        "LAMBDA_RUNTIME_DIR": str(RUNTIME),
        "_HANDLER": function.handler,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python{}.{}".format(*sys.version_info),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": function.log_format,
        **log_level,
        **aws,
        **function.variables,
    }


def _reserved_port() -> socket.socket:
    """Bind a free port that nobody else is given while the socket is open. Only a process that is told it can listen.

    The emulator shares the port because both sockets reuse addresses and this one never listens.
    """
    port = socket.socket()
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port.bind(("127.0.0.1", 0))
    return port
