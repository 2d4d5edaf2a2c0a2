"""``python -m local``: ``run`` the whole system, and, while it runs, make a ``token`` or ``invoke`` a function."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from local.cli.welcome import welcome
from local.client import Running
from local.demo.people import PASSWORDS
from local.errors import LocalError
from local.places import STATE
from local.system.console import Console
from local.system.machine import port_of

if TYPE_CHECKING:
    from local.system.stack import Stack

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the command line. Return 1, with one sentence on stderr, if a command fails."""
    options = _parser().parse_args()
    try:
        code: int = options.command(options)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return code


def run(options: argparse.Namespace) -> int:
    """Run the system until Ctrl-C, or until another command stops it."""
    # Before the import, because moto would let any web page that is open in a browser call it.
    os.environ |= {"SAM_CLI_TELEMETRY": "0", "MOTO_DISABLE_GLOBAL_CORS": "true"}
    for number in STOPPING:
        signal.signal(number, _interrupt)
    console = Console()
    stack: Stack | None = None
    code = 1
    try:
        with console.signs_of_life():
            stack = _new_stack(options, console)
            stack.start()
        print(welcome(stack.url, stack.paper_url, stack.stripe_url), flush=True)
        stack.write_demo_data()
        stack.wait()
        code = 0
    except KeyboardInterrupt:
        print("stopping …", flush=True)
        code = 0
    except LocalError as error:
        print(error, file=sys.stderr)
    except Exception:
        traceback.print_exc()
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    if stack:
        stack.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Threads that wait for functions that are gone would delay the exit.


def _new_stack(options: argparse.Namespace, console: Console) -> Stack:
    port = port_of(options.port)
    console.step("loading")
    from local.system.stack import Options, Stack

    names = ("template", "source", "bare", "until", "demo_days", "in_memory", "processes")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name)}
    return Stack(Options(port, options.state, **chosen), console)


def token(options: argparse.Namespace) -> int:
    """Print an access token and nothing else."""
    print(Running(options.state).token(options.user))
    return 0


def invoke(options: argparse.Namespace) -> int:
    """Invoke a function and print its answer. Return 1 if it failed."""
    try:
        event = json.loads(options.event.read_text()) if options.event else {}
    except (OSError, ValueError) as error:
        raise LocalError(f"{options.event} cannot be read: {error}") from None
    result = Running(options.state).invoke(options.function, event)
    print(result["output"])
    if result["error"]:
        print(f"{options.function} failed: {result['error']}", file=sys.stderr)
    return 1 if result["error"] else 0


def send_signal(options: argparse.Namespace) -> int:
    """Send a signal as an administrator, and print what became of it."""
    body = {"action": "EXIT"} if options.side == "EXIT" else {"action": "ENTER", "side": options.side}
    body |= {"stop": options.stop} if options.stop else {}
    running = Running(options.state)
    print(json.dumps(running.post("admin", f"/v1/admin/strategy/{options.strategy}/signal", body)))
    return 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


class _Parser(argparse.ArgumentParser):
    """A parser that reports an error in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, without the usage."""
        self.exit(2, f"{message[:1].upper()}{message[1:]}; `{self.prog} --help` says what there is.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run", help="start the whole system and keep it running")
    command.add_argument(
        "--port", default="3000", help="of the APIs; the next four are the paper exchange's, Stripe's, and reserved"
    )
    command.add_argument("--template", type=Path, help="the built template")
    command.add_argument("--source", type=Path, help="the template that it was built from")
    command.add_argument("--bare", action="store_true", help="without paper exchange, Stripe and demo data")
    command.add_argument("--demo-days", type=int, help="the days for which the demo strategies get results; a year")
    command.add_argument("--in-memory", action="store_true", help="forget the tables at the end, which is faster")
    command.add_argument("--processes", type=int, help="the most that each function may have; 8")
    command.add_argument("--until", type=int, metavar="PID", help="stop when this process has ended")
    command.set_defaults(command=run)
    command = commands.add_parser("token", help="print an access token")
    command.add_argument("--user", default="demo", help=", ".join(PASSWORDS) + ", or an e-mail address")
    command.set_defaults(command=token)
    command = commands.add_parser("invoke", help="invoke a function")
    command.add_argument("--function", required=True)
    command.add_argument("--event", type=Path, nargs="?", help="a JSON file; {} without one")
    command.set_defaults(command=invoke)
    command = commands.add_parser("signal", help="send a signal of a strategy")
    command.add_argument("--strategy", required=True, help="its id")
    command.add_argument("--side", required=True, choices=("LONG", "SHORT", "EXIT"))
    command.add_argument("--stop", help="the price of the stop; without it, the default of the strategy")
    command.set_defaults(command=send_signal)
    for each in commands.choices.values():
        each.add_argument("--state", type=Path, default=STATE, help="the folder of what the system keeps")
    return parser
