"""``python -m local``: ``run`` the whole system, and, while it runs, make a ``token`` or ``invoke`` a function."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.client import Running
from local.errors import LocalError
from local.people import PASSWORDS, email_of
from local.places import STATE

if TYPE_CHECKING:
    from local.stack import Stack

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """The command line. 1 with one sentence on stderr when a command cannot be done."""
    options = _parser().parse_args()
    try:
        code: int = options.command(options)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return code


def run(options: argparse.Namespace) -> int:
    """Runs the system until Ctrl-C, or until it is told to end."""
    # Before the import: moto would let any web page that is open in a browser call it.
    os.environ |= {"SAM_CLI_TELEMETRY": "0", "MOTO_DISABLE_GLOBAL_CORS": "true"}
    from local.stack import Options, Stack

    for number in STOPPING:
        signal.signal(number, _interrupt)
    chosen = {name: getattr(options, name) for name in ("template", "source") if getattr(options, name)}
    stack = Stack(Options(options.port, options.state, bare=options.bare, until=options.until, **chosen))
    code = 1
    try:
        stack.start()
        print(_welcome(stack), flush=True)
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
    stack.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that wait for functions that are gone would keep it waiting


def token(options: argparse.Namespace) -> int:
    """Prints an access token and nothing else."""
    print(Running(options.state).token(options.user))
    return 0


def invoke(options: argparse.Namespace) -> int:
    """Invokes a function and prints its answer; 1 when it failed."""
    try:
        event = json.loads(options.event.read_text()) if options.event else {}
    except (OSError, ValueError) as error:
        raise LocalError(f"{options.event} cannot be read: {error}") from None
    result = Running(options.state).invoke(options.function, event)
    print(result["output"])
    if result["error"]:
        print(f"{options.function} failed: {result['error']}", file=sys.stderr)
    return 1 if result["error"] else 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _welcome(stack: Stack) -> str:
    url = stack.url
    people = "\n".join(f"  {email_of(name):20} {password}" for name, password in PASSWORDS.items())
    sign_in = json.dumps({"email": email_of("demo"), "password": PASSWORDS["demo"]})
    pick = 'import json, sys; print(json.load(sys.stdin)["data"]["accessToken"])'
    return f"""
Purser is ready at {url}

{people}

  TOKEN=$(curl -s {url}/api/v3/auth/login -H 'Content-Type: application/json' -d '{sign_in}' | python3 -c '{pick}')
  curl '{url}/v1/pub/exchange/ticker?symbol=BTC/USDT'
  curl {url}/v1/priv/account/exchange/key/list -H "Authorization: Bearer $TOKEN"

{_doubles(stack)}Ctrl-C stops everything.
"""


def _doubles(stack: Stack) -> str:
    if not stack.paper_url:
        return ""
    return f"The paper exchange is at {stack.paper_url}, the double of Stripe at {stack.stripe_url}. "


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run", help="start the whole system and keep it running")
    command.add_argument(
        "--port", type=int, default=3000, help="of the APIs; paper exchange and Stripe have the next ones"
    )
    command.add_argument("--template", type=Path, help="the built template")
    command.add_argument("--source", type=Path, help="the template that it was built from")
    command.add_argument("--bare", action="store_true", help="without paper exchange, Stripe and demo data")
    command.add_argument("--until", type=int, metavar="PID", help="stop when this process has ended")
    command.set_defaults(command=run)
    command = commands.add_parser("token", help="print an access token")
    command.add_argument("--user", default="demo", help=", ".join(PASSWORDS) + ", or an e-mail address")
    command.set_defaults(command=token)
    command = commands.add_parser("invoke", help="invoke a function")
    command.add_argument("--function", required=True)
    command.add_argument("--event", type=Path, help="a JSON file; {} without one")
    command.set_defaults(command=invoke)
    for each in commands.choices.values():
        each.add_argument("--state", type=Path, default=STATE, help="the folder of what the system keeps")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
