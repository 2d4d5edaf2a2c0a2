"""Paste the README's session into real shells, against the running system, and compare what comes back.

    readme_session.py [--state .local] [--shell bash] [--printed LOG]

The session is the section "A session" of README.md. Each block of ``sh`` is pasted into one interactive shell, in
order. The next block of ``json`` or ``text`` is the expected answer, where "…" stands for anything and white space does
not count. Without such a block, no answer is expected.

The session runs in bash, and again in zsh if that is installed. ``--shell`` names other shells, and may be repeated.
``--printed`` is the output of ``make run``, whose lines for pasting are pasted first. The system is the one that runs
with the state folder, on any port. Before each run, the second user's keys and subscription are removed, so that there
is a plan to buy.

The exit code is 1 if something differs. The script needs only the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from urllib.request import Request, urlopen

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from local.client import Running
from local.errors import LocalError

ROOT = Path(__file__).resolve().parent.parent
SHELLS = {"bash": ("bash", "--norc", "--noprofile", "-i"), "zsh": ("zsh", "-f", "-i")}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEMO_SECONDS, BLOCK_SECONDS, BILLING_SECONDS = 600, 120, 120
END = "end-of-block"
MOST_SAID = 2000
COMPLETE = "Demo data: complete"


class Differs(Exception):
    """The session did not go as the README says. The text says where."""


@dataclass(frozen=True)
class Step:
    """Text to paste, and the expected answer."""

    pasted: str
    answer: str


def main() -> int:
    """Run the session in each shell. Return 1 if it differs in one."""
    parser = argparse.ArgumentParser(prog="readme_session.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--state", type=Path, default=ROOT / ".local", help="the state folder of the running system")
    parser.add_argument("--shell", action="append", choices=SHELLS, help="bash, and zsh where it is installed")
    parser.add_argument("--printed", type=Path, metavar="LOG", help="what `make run` printed")
    options = parser.parse_args()
    steps = list(session((ROOT / "README.md").read_text(encoding="utf-8")))
    printed = lines_to_paste(options.printed.read_text(encoding="utf-8")) if options.printed else []
    try:
        running = Running(options.state)
        await_demo_data(running.stack["url"])
        port = int(running.stack["url"].rpartition(":")[2])
        for name in options.shell or filter(shutil.which, SHELLS):
            start_over(running)
            with Shell(name, port) as shell:
                for line in printed:
                    compare_printed(line, shell.paste(line))
                for step in steps:
                    compare(step, shell.paste(step.pasted))
            print(f"{name}: {len(printed)} printed lines and {len(steps)} blocks of the README went as they say")
    except (Differs, LocalError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def session(readme: str) -> Iterator[Step]:
    """Yield the steps of a README's session."""
    _, _, rest = readme.partition("\n## A session\n")
    blocks = BLOCK.findall(rest.partition("\n## ")[0])
    if not blocks:
        raise SystemExit('README.md has no blocks below "## A session".')
    for number, (kind, text) in enumerate(blocks):
        following = blocks[number + 1] if number + 1 < len(blocks) else ("", "")
        if kind == "sh":
            yield Step(text, following[1] if following[0] in ("json", "text") else "")


def lines_to_paste(printed: str) -> list[str]:
    """Return the lines that ``make run`` offers for pasting."""
    offered = printed.partition("\nTo paste:\n\n")[2].partition("\n\n")[0].splitlines()
    if not offered:
        raise SystemExit("`make run` has printed nothing to paste.")
    return [line.strip() for line in offered]


def compare(step: Step, came: str) -> None:
    """Raise ``Differs`` if the answer is not the one in the README."""
    printed, got = ("".join(text.split()) for text in (step.answer, came))
    pattern = ".*".join(map(re.escape, printed.split("…")))
    if not re.fullmatch(pattern, got, re.DOTALL):
        raise Differs(
            f"Pasted:\n\n{step.pasted}\nThe README says that this comes back:\n\n{step.answer}\nbut:\n\n{came}"
        )


def compare_printed(line: str, came: str) -> None:
    """Raise ``Differs`` if a line that ``make run`` printed fails."""
    if '"message"' in came or '"error"' in came:
        raise Differs(f"`make run` prints this line:\n\n{line}\n\nand this comes back:\n\n{came}")


class Shell:
    """An interactive shell. Its prompts are off, and its input is not a terminal."""

    def __init__(self, name: str, port: int) -> None:
        self._name = name
        # Prompts and the lines that a shell echoes go there too, since they are no answers.
        self._errors = TemporaryFile("w+")  # noqa: SIM115 - closed with the shell
        self._process = subprocess.Popen(
            SHELLS[name],
            cwd=ROOT,
            env={**os.environ, "PORT": str(port)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Shell:
        self.paste("PS1= PS2= RPS1=")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with suppress(BrokenPipeError), self._errors, self._process:
            pass

    def paste(self, text: str) -> str:
        """Paste lines, and return what comes back.

        Raises:
            Differs: the last of them failed, or took too long.
        """
        overdue = threading.Timer(BLOCK_SECONDS, self._process.kill)
        overdue.start()
        came, status = "", "none"
        with suppress(BrokenPipeError):
            came, status = self._exchange(f"{text.rstrip()}\nprintf '\\n{END} %s\\n' $?\n")
        overdue.cancel()
        if status != "0":
            self._errors.seek(0)
            printed = self._errors.read()[-MOST_SAID:]
            raise Differs(
                f"{self._name} failed, or took over {BLOCK_SECONDS} seconds, at:\n\n{text}\n\n{came}{printed}"
            )
        return came

    def _exchange(self, lines: str) -> tuple[str, str]:
        """Write lines, and return the output up to the end of the block, and the status."""
        if not self._process.stdin or not self._process.stdout:
            return "", "none"
        self._process.stdin.write(lines)
        self._process.stdin.flush()
        came: list[str] = []
        for line in self._process.stdout:
            if line.startswith(END):
                return "".join(came), line.split()[1]
            came.append(line)
        return "".join(came), "none"


def await_demo_data(url: str) -> None:
    """Wait until the system's own page says that the demo data are complete."""
    until = time.monotonic() + DEMO_SECONDS
    while COMPLETE not in fetch(f"{url}/"):
        if time.monotonic() > until:
            raise Differs(f"The demo data were not complete within {DEMO_SECONDS} seconds.")
        time.sleep(1)


def start_over(running: Running) -> None:
    """Remove the second user's keys and subscription, and wait until Purser knows."""
    other = Customer(running.stack["url"], running.token("other"))
    for key in other.ask("/account/exchange/key/list")["items"]:
        other.ask(f"/account/exchange/key/{key['id']}", "DELETE")
    stripe, user = running.stack["stripeUrl"], running.stack["users"]["other"]["sub"]
    secret = json.loads((running.folder / "stripe/keys.json").read_text())["apiKey"]
    for bought in json.loads(fetch(f"{stripe}/_state"))["subscription"]:
        if bought["metadata"].get("userId") == user and bought["status"] != "canceled":
            fetch(f"{stripe}/v1/subscriptions/{bought['id']}", "DELETE", secret)
    until = time.monotonic() + BILLING_SECONDS
    while other.ask("/account/subscription"):
        if time.monotonic() > until:
            raise Differs("The subscription of the last run has not ended.")
        time.sleep(0.5)


@dataclass(frozen=True)
class Customer:
    """The customer API, called with a token."""

    url: str
    token: str

    def ask(self, path: str, method: str = "GET") -> Any:
        """Return the JSON of an answer, or None for an empty answer."""
        text = fetch(f"{self.url}/v1/priv{path}", method, self.token)
        return json.loads(text) if text else None


def fetch(url: str, method: str = "GET", token: str = "") -> str:
    """Return the text of an answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urlopen(Request(url, None, headers, method=method), timeout=60) as answer:  # noqa: S310 - loopback
        text: str = answer.read().decode()
    return text


if __name__ == "__main__":
    raise SystemExit(main())
