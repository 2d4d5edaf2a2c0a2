"""The whole system: start its parts, and stop them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local.cloud import dynamodb, provision
from local.cloud.account import REGION, client, environment
from local.cloud.aws import Aws
from local.cloud.identity import Identity
from local.cloud.template import Function, Template, layer_sources, resource_types
from local.cloud.users import UserPool
from local.demo.people import PASSWORDS, email_of
from local.demo.writer import DemoWriter
from local.doubles.binance.client import PaperControl
from local.doubles.kit import files
from local.doubles.stripe.keys import keys_of
from local.errors import CannotStart
from local.functions.pool import MAX_WORKERS, Functions
from local.functions.reload import Sources
from local.functions.streams import StreamTrigger
from local.functions.token_trigger import TokenTrigger
from local.functions.triggers import Asynchronous, QueueTrigger, ScheduleTrigger
from local.functions.worker import Worker, emulator
from local.gateway.apis import Apis
from local.gateway.server import Gateway
from local.places import ROOT, STATE
from local.processes import Server, is_running, python_environment, start_server, stop
from local.system import home, machine
from local.system.console import Console
from local.system.control import Control
from local.system.event_log import EventLog

WATCH_SECONDS = 0.5
STRIPE_KEYS = "purser/stripe"
EGRESS_LANES = ", ".join(f"{name}=127.0.0.{number} from 127.0.0.{number}" for number, name in enumerate("abcde", 2))
"""Five source addresses, between which the paper exchange distinguishes."""

STRIPE_PRICES = {plan: f"price_purser_{plan.lower()}" for plan in ("BASIC", "ADVANCED", "PROFESSIONAL")}

BACKFILL_WEIGHT = 1_200_000
"""The weight a minute. It is practically no limit, because a person waits for the past balances."""


class Part(Protocol):
    """A part that runs in threads of this process."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Options:
    """The options of the system.

    Port 0 means free ports. ``bare`` leaves out the paper exchange, the double of Stripe and the demo data. With
    ``until``, the system stops when the process of that number has ended. The demo strategies have results for each
    of the latest ``demo_days``. With ``in_memory``, the tables are gone when the system has ended.
    Each function has at most that many ``processes``.
    """

    port: int = 3000
    state: Path = STATE
    template: Path = STATE / "build/template.yaml"
    source: Path = ROOT / "template.yaml"
    bare: bool = False
    until: int | None = None
    demo_days: int = 365
    in_memory: bool = False
    processes: int = MAX_WORKERS


class Stack:
    """The running system. ``url``, ``paper_url`` and ``stripe_url`` are known once it has started."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options = options
        self._console = console
        self._demo: DemoWriter | None = None
        self._to_stop = ExitStack()
        self._servers: list[Server] = []
        self._logs = options.state / "logs"
        self.url = self.paper_url = self.stripe_url = ""

    def start(self) -> None:
        """Start everything but the demo data, and print the progress.

        Raises:
            CannotStart: something is missing, in use or broken. The text says what.
        """
        options = self._options
        machine.check_built(options.template)
        self._logs.mkdir(parents=True, exist_ok=True)
        machine.check_disk(options.state)
        self._to_stop.enter_context(machine.lock(options.state))
        port = options.port or machine.free_ports()
        machine.check_ports(port)
        doubles = "" if options.bare else ", the paper exchange and the Stripe double"
        self._console.step(f"starting the database, the AWS services{doubles}")
        with ThreadPoolExecutor(3) as pool:
            database = self._serve(pool, lambda: dynamodb.start(None if options.in_memory else options.state / "data"))
            if not options.bare:
                self.paper_url = f"http://127.0.0.1:{port + 1}"
                self.stripe_url = f"http://127.0.0.1:{port + 2}"
                self._stripe_keys = keys_of(options.state / "stripe")
                paper = self._serve(pool, lambda: start_paper(options.state / "paper", port + 1))
                stripe = self._serve(pool, lambda: start_stripe(options.state / "stripe", port))
            aws, template, users = self._start_aws(port)
            database_url = database.result().url
            self._console.step("making the tables")
            provision.make_tables(template, database_url)
            functions = self._functions(template, environment(aws.url, database_url))
            self._console.step("starting the gateway and what triggers functions")
            self._start_gateway(template, users, functions, port)
            self._start_triggers(template, functions, aws, database_url)
            set_token_trigger(template, functions, users)
            if not options.bare:
                paper.result()
                stripe.result()
                PaperControl(self.paper_url).limits(snapshots=BACKFILL_WEIGHT)
        self._describe(template, users, {"awsUrl": aws.url, "dynamodbUrl": database_url})

    def write_demo_data(self) -> None:
        """Start to write the missing demo data. The system can be used meanwhile."""
        if self._demo:
            self._run(self._demo)

    def wait(self) -> None:
        """Wait for the end that the options name, or for that of a process that should not end.

        Raises:
            CannotStart: a process has ended that should not.
        """
        while self._options.until is None or is_running(self._options.until):
            for server in self._servers:
                if server.process.poll() is not None:
                    raise CannotStart(
                        f"{server.name} has ended, so Purser stops. What was written in its last moment may be lost."
                    )
            time.sleep(WATCH_SECONDS)

    def close(self) -> None:
        """Stop everything."""
        self._to_stop.close()
        for server in self._servers:
            stop(server.process)

    def _serve(self, pool: ThreadPoolExecutor, start: Callable[[], Server]) -> Future[Server]:
        def started() -> Server:
            server = start()
            self._servers.append(server)
            self._console.say(f"{server.name} answers")
            return server

        return pool.submit(started)

    def _start_aws(self, port: int) -> tuple[Aws, Template, UserPool]:
        options = self._options
        identity = Identity(options.state / "identity.json")
        aws = Aws()
        self._run(aws)
        names = provision.names_of(resource_types(options.template), identity, aws.url)
        template = Template(options.template, names, self._parameters(f"http://127.0.0.1:{port}"))
        if not options.bare:
            provision.put_secret(STRIPE_KEYS, self._stripe_keys.secret, aws.url)
        provision.make_queues(template)
        provision.make_buses(template, aws.url)
        provision.make_keys(template, identity)
        users = provision.make_user_pool(template, identity)
        for name, password in PASSWORDS.items():
            users.ensure_user(email_of(name), password, group=name)
        identity.save(users.saved_users())
        aws.on_users_changed = lambda: identity.save(users.saved_users())
        self._console.say("AWS services answer")
        return aws, template, users

    def _parameters(self, url: str) -> dict[str, str]:
        """Return the template's parameters on this machine."""
        return {
            "ExchangeEndpoint": self.paper_url,
            "StripeEndpoint": self.stripe_url,
            "StripeSecretId": STRIPE_KEYS if self.stripe_url else "",
            "StripePrices": ",".join(f"{plan}={price}" for plan, price in STRIPE_PRICES.items()),
            "CheckoutSuccessUrl": url + home.PAID,
            "CheckoutCancelUrl": url + home.NOT_PAID,
            "EgressLanes": EGRESS_LANES,
            "BackfillWeightPerMinute": str(BACKFILL_WEIGHT),
            # The demo admin signs in with a password alone.
            "AdminMfa": "optional",
        }

    def _functions(self, template: Template, aws: dict[str, str]) -> Functions:
        rapid = emulator(self._options.state / "bin")

        def make(function: Function) -> Worker:
            return Worker(function, rapid, aws, self._logs / f"{function.name}.log")

        functions = Functions(template.functions(), make, self._logs, self._options.processes)
        sources = Sources(layer_sources(self._options.source), template.functions(), functions.recycle)
        functions.refresh = sources.refresh
        self._to_stop.callback(functions.close)
        return functions

    def _start_gateway(self, template: Template, users: UserPool, functions: Functions, port: int) -> None:
        if not self._options.bare:
            self._demo = DemoWriter(
                self._options.state, self._options.demo_days, self._logs / "demo.log", self._console.say
            )
        pages = {"/": self._home, home.PAID: home.paid, home.NOT_PAID: home.not_paid}
        gateway = Gateway(template.api(), Apis(template), functions, users, port, pages)
        self._control = Control(functions, users, template.people_client)
        self._run(gateway)
        self._run(self._control)
        self.url = gateway.url

    def _home(self) -> str:
        where = home.places(self.url, self.paper_url, self.stripe_url)
        return home.home(where, self._demo.progress if self._demo else "")

    def _start_triggers(self, template: Template, functions: Functions, aws: Aws, database_url: str) -> None:
        sqs = client("sqs", aws.url)
        clients = {name: client(name, database_url) for name in ("dynamodb", "dynamodbstreams")} | {"sqs": sqs}
        if template.resources("AWS::Events::EventBus"):
            self._run(EventLog(sqs, aws.sent, self._options.state / "events.jsonl"))
        asynchronous = Asynchronous(sqs, functions)
        self._to_stop.callback(asynchronous.stop)
        for function in template.functions().values():
            for _, mapping in function.events("SQS"):
                self._run(QueueTrigger(sqs, aws.sent, functions, function.name, mapping))
            for name, mapping in function.events("DynamoDB"):
                checkpoint = self._options.state / f"streams/{function.name}-{name}.json"
                self._run(StreamTrigger(clients, functions, function.name, mapping, checkpoint))
            for _, schedule in function.events("ScheduleV2"):
                if schedule.get("State") != "DISABLED":
                    self._run(ScheduleTrigger(asynchronous, function, schedule))
        sweeper = template.functions().get("JobSweeper")
        if sweeper:
            # The queues of the last run are gone: what waits in the tables must not wait for a message's time-out.
            asynchronous.invoke(sweeper, {"detail": {"queueIsEmpty": True}})

    def _run(self, part: Part) -> None:
        part.start()
        self._to_stop.callback(part.stop)

    def _describe(self, template: Template, users: UserPool, endpoints: dict[str, str]) -> None:
        """Write the file that tools and tests read."""
        machines = (client for client in users.clients.values() if client.generate_secret)
        described = self._options.state / "stack.json"
        content = {
            "pid": os.getpid(),
            "url": self.url,
            "paperUrl": self.paper_url,
            "stripeUrl": self.stripe_url,
            "controlUrl": self._control.url,
            "controlKey": self._control.key,
            **endpoints,
            "region": REGION,
            "users": {name: {"email": email_of(name), "sub": users.sub(email_of(name))} for name in PASSWORDS},
            "machineClients": [{"id": client.id, "secret": client.secret} for client in machines],
            "issuer": users.issuer,
            "resources": template.names,
        }
        files.write_private(described, content)
        self._to_stop.callback(described.unlink, missing_ok=True)


def set_token_trigger(template: Template, functions: Functions, users: UserPool) -> None:
    """Let the function that the user pool names decide the groups in tokens."""
    for function in template.functions().values():
        for _, trigger in function.events("Cognito"):
            if trigger["Trigger"] == "PreTokenGeneration":
                users.groups_in_token = TokenTrigger(functions, function.name, users.id).groups


def start_paper(state: Path, port: int) -> Server:
    """Start the paper exchange.

    Raises:
        CannotStart: it could not; the text has what it said.
    """
    command: list[str | Path] = [sys.executable, "-m", "local.doubles.binance", "--port", str(port), "--state", state]
    return start_server("paper exchange", command, python_environment(), ROOT, "paper exchange at ")


def start_stripe(state: Path, port: int) -> Server:
    """Start the double of Stripe two ports above the gateway's, which it sends its events to.

    Raises:
        CannotStart: it could not; the text has what it said.
    """
    webhook = f"http://127.0.0.1:{port}/v1/pub/webhook/stripe"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "local.doubles.stripe",
        "--port",
        str(port + 2),
        "--state",
        state,
        "--webhook",
        webhook,
    ]
    return start_server("stripe double", command, python_environment(), ROOT, "stripe double at ")
