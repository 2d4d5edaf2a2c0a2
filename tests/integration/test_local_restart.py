"""Test that the local system loses nothing when it is killed, and that nothing of it is left running."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.cloud.account import client
from local.places import ROOT
from tests.support.local_system import (
    PATIENCE_S,
    LocalSystem,
    OwnSystem,
    alive,
    command,
    descendants,
    eventually,
    listening,
    shared,
    start,
)
from tests.support.small_system import SmallSystem, begin

PASSWORD = "Correct-Horse-9!"
NOT_RUNNING = "Purser is not running; start it with `make run`.\n"
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


@pytest.fixture
def small(tmp_path: Path) -> SmallSystem:
    return SmallSystem(tmp_path / "small").make()


@pytest.fixture
def system(small: SmallSystem) -> Iterator[OwnSystem]:
    started = small.start()
    yield started
    if started.process.poll() is None:
        started.stop()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """Return a running system that no test stops."""
    with shared(tmp_path_factory, "local-gateway", begin) as running:
        yield running


class People:
    """The user pool of a running system, used through the AWS SDK."""

    def __init__(self, system: LocalSystem) -> None:
        self._cognito = client("cognito-idp", system.running.stack["awsUrl"])
        self._pool = system.resource("UserPool")
        self._client = system.resource("UserPoolClient")

    def add(self, email: str) -> str:
        user = self._cognito.admin_create_user(UserPoolId=self._pool, Username=email, MessageAction="SUPPRESS")
        sub: str = user["User"]["Username"]
        self._cognito.admin_set_user_password(UserPoolId=self._pool, Username=email, Password=PASSWORD, Permanent=True)
        self._cognito.admin_add_user_to_group(UserPoolId=self._pool, Username=email, GroupName="admin")
        return sub

    def sign_in(self, email: str, password: str = PASSWORD) -> Any:
        return self._cognito.initiate_auth(
            ClientId=self._client,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )["AuthenticationResult"]

    @property
    def refusal(self) -> type[Exception]:
        refused: type[Exception] = self._cognito.exceptions.NotAuthorizedException
        return refused


def followed(small: SmallSystem) -> list[Any]:
    """Return the stream records that the function got."""
    path = small.notes / "followed"
    return [json.loads(line)["record"] for line in path.read_text().splitlines()] if path.exists() else []


def indexes(dynamodb: Any) -> set[str]:
    """Return the names of the indexes of the table."""
    table = dynamodb.describe_table(TableName="Things")["Table"]
    return {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])}


def remove_index(dynamodb: Any, name: str) -> None:
    """Delete an index of the table, and wait until it is gone."""
    dynamodb.update_table(TableName="Things", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}])
    eventually(lambda: name not in indexes(dynamodb), what="the end of an index")


def test_a_killed_system_keeps_everything_that_it_has_answered(small: SmallSystem, system: OwnSystem) -> None:
    stack = system.running.stack
    kms, dynamodb = client("kms", stack["awsUrl"]), client("dynamodb", stack["dynamodbUrl"])
    context = {"userId": "1"}
    sealed = kms.encrypt(KeyId=system.resource("Key"), Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
    dynamodb.put_item(TableName="Things", Item={"PK": {"S": "1"}, "kind": {"S": "kept"}})
    dynamodb.put_item(TableName="Things", Item={"PK": {"S": "matching-1"}})
    eventually(lambda: followed(small), what="the follower")
    (record,) = followed(small)
    checkpoint = small.folder / "state/streams/Follower-Things.json"
    number = record["dynamodb"]["SequenceNumber"]
    eventually(lambda: checkpoint.exists() and number in checkpoint.read_text(), what="the checkpoint")
    sub = People(system).add("new@example.com")
    for name in ("ByKind", "ByColour"):  # An older template had no such indexes.
        remove_index(dynamodb, name)
    processes = descendants(system.process.pid)
    system.kill()
    eventually(lambda: not alive(processes), what="the end of every process")
    assert refused("token", "--state", system.state) == NOT_RUNNING
    assert refused("invoke", "--function", "Echo", "--state", system.state) == NOT_RUNNING
    (small.notes / "swept-at-start").unlink(missing_ok=True)

    again = small.start()
    try:
        assert again.running.stack["users"] == stack["users"]
        assert again.running.stack["machineClients"] == stack["machineClients"]
        for name in ("Key", "UserPool", "UserPoolClient"):
            assert again.resource(name) == stack["resources"][name]["Ref"]
        kms, dynamodb = (
            client("kms", again.running.stack["awsUrl"]),
            client("dynamodb", again.running.stack["dynamodbUrl"]),
        )
        assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"] == b"x"
        with pytest.raises(kms.exceptions.InvalidCiphertextException):
            kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"userId": "2"})
        assert dynamodb.get_item(TableName="Things", Key={"PK": {"S": "1"}})["Item"]["kind"] == {"S": "kept"}
        assert indexes(dynamodb) == {"ByKind", "ByColour"}

        # The queues are empty after a restart, so a sweep enqueues stored work immediately.
        assert eventually((small.notes / "swept-at-start").exists, what="the sweep")

        # Records from before the restart do not arrive again.
        dynamodb.put_item(TableName="Things", Item={"PK": {"S": "matching-2"}})
        eventually(lambda: len(followed(small)) > 1, what="the follower")
        assert [record["dynamodb"]["Keys"]["PK"]["S"] for record in followed(small)] == ["matching-1", "matching-2"]

        people = People(again)
        token = people.sign_in("new@example.com")["AccessToken"]
        claims = again.call("GET", "/talk/mine/1", token).json()["event"]["requestContext"]["authorizer"]["claims"]
        assert (claims["sub"], claims["cognito:groups"]) == (sub, "admin")
        with pytest.raises(people.refusal):
            people.sign_in("new@example.com", "Wrong-Horse-9!")
        assert people.add("another@example.com") not in {sub, *(user["sub"] for user in stack["users"].values())}

        # Starting a system takes long, so this one also shows how a system stops.
        assert_stopping_ends_every_process_also_during_a_call(small, again)
    finally:
        if again.process.poll() is None:
            again.stop()


def assert_stopping_ends_every_process_also_during_a_call(small: SmallSystem, system: OwnSystem) -> None:
    """Stop the system while a function sleeps."""
    call = ["curl", "-s", f"{system.url}/talk/open?do=sleep&seconds=8"]
    calling = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually((small.notes / "asleep").exists, what="the call")
    processes = descendants(system.process.pid)
    assert len(processes) > 3
    system.process.terminate()
    assert system.process.wait(PATIENCE_S) == 0
    assert not alive(processes)
    assert not (system.state / "stack.json").exists()
    calling.wait(PATIENCE_S)


def test_resources_are_created_as_the_template_says(standing: LocalSystem) -> None:
    stack = standing.running.stack
    dynamodb, kms = client("dynamodb", stack["dynamodbUrl"]), client("kms", stack["awsUrl"])
    table = dynamodb.describe_table(TableName="Things")["Table"]
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {"ByKind", "ByColour"}
    expiry = dynamodb.describe_time_to_live(TableName="Things")["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "expiresAt")
    assert kms.describe_key(KeyId="alias/small")["KeyMetadata"]["KeyId"] == standing.resource("Key")
    assert kms.get_key_rotation_status(KeyId=standing.resource("Key"))["KeyRotationEnabled"]
    jobs = client("sqs", stack["awsUrl"]).get_queue_attributes(
        QueueUrl=standing.resource("Jobs"), AttributeNames=["All"]
    )["Attributes"]
    assert jobs["VisibilityTimeout"] == "2"
    assert json.loads(jobs["RedrivePolicy"])["deadLetterTargetArn"] == standing.resource("Failures", "Arn")
    cognito = client("cognito-idp", stack["awsUrl"])
    pool = cognito.describe_user_pool(UserPoolId=standing.resource("UserPool"))["UserPool"]
    assert (pool["Name"], pool["MfaConfiguration"]) == ("small", "OPTIONAL")
    server = cognito.describe_resource_server(UserPoolId=pool["Id"], Identifier="things")["ResourceServer"]
    assert {scope["ScopeName"] for scope in server["Scopes"]} == {"read", "write"}


def test_stored_state_is_private_and_contains_no_password(standing: LocalSystem) -> None:
    People(standing).add("new@example.com")
    for name in ("identity.json", "stack.json"):
        assert stat.S_IMODE((standing.state / name).stat().st_mode) == 0o600
    assert PASSWORD not in (standing.state / "identity.json").read_text()


def test_nothing_listens_beyond_loopback(standing: LocalSystem) -> None:
    standing.call("GET", "/talk/open")
    addresses = listening(descendants(standing.running.stack["pid"]))
    assert addresses
    assert addresses <= LOOPBACK


FOREIGN: list[dict[str, str]] = [{"Host": "evil.example"}, {"Host": "evil.example:3000"}]
FOREIGN_ORIGINS = [{"Origin": "https://evil.example"}, {"Origin": "null"}]


@pytest.mark.parametrize("headers", FOREIGN + FOREIGN_ORIGINS)
def test_aws_services_refuse_pages_of_foreign_origins(standing: LocalSystem, headers: dict[str, str]) -> None:
    stack = standing.running.stack
    form = {"Action": "ListQueues", "Version": "2012-11-05"}
    assert requests.post(stack["awsUrl"], data=form, timeout=60).status_code == 200
    assert requests.post(stack["awsUrl"], data=form, headers=headers, timeout=60).status_code == 403
    assert requests.get(f"{stack['awsUrl']}/moto-api/data.json", headers=headers, timeout=60).status_code == 403


def test_dynamodb_refuses_foreign_host_names_and_origins(standing: LocalSystem) -> None:
    url = standing.running.stack["dynamodbUrl"]
    target = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}
    target["Authorization"] = "AWS4-HMAC-SHA256 Credential=local/20250101/us-east-1/dynamodb/aws4_request"
    assert requests.post(url, data="{}", headers=target, timeout=60).status_code != 404
    for headers in FOREIGN:
        answer = requests.post(url, data="{}", headers=target | headers, timeout=60)
        assert (answer.status_code, "TableNames" in answer.text) == (404, False)
    # A browser asks first, because of the header that every call needs.
    for headers in FOREIGN_ORIGINS:
        wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-amz-target"}
        answer = requests.options(url, headers=headers | wanted, timeout=60)
        assert answer.headers.get("Access-Control-Allow-Origin") not in ("*", headers["Origin"])


def test_the_gateway_refuses_foreign_host_names_and_leaves_origins_to_cors(standing: LocalSystem) -> None:
    for path in ("/talk/open", "/", "/oauth2/token"):
        for headers in FOREIGN:
            answer = standing.call("GET", path, headers=headers)
            assert (answer.status_code, answer.json()) == (403, {"message": "loopback callers only"})
    for headers in FOREIGN_ORIGINS:
        assert standing.call("GET", "/talk/open", headers=headers).status_code == 200


def test_a_function_accepts_events_only_from_the_gateway(standing: LocalSystem) -> None:
    standing.call("GET", "/talk/open")
    ports = {
        found[1].decode()
        for pid in descendants(standing.running.stack["pid"])
        if (found := re.search(rb"--runtime-interface-emulator-address\x00127\.0\.0\.1:(\d+)", command_line(pid)))
    }
    assert ports
    for port in ports:
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        for key in ({}, {"X-Amz-Client-Context": "e30="}, {"X-Amz-Client-Context": "eyJjdXN0b20iOiB7ImtleSI6ICIifX0="}):
            headers = {"Content-Type": "text/plain", "Origin": "https://evil.example", **key}
            answer = requests.post(url, data="{}", headers=headers, timeout=60).json()
            # One of the small system's functions cannot be imported.
            assert answer["errorType"] in ("PermissionError", "Runtime.ImportModuleError")
    assert standing.call("GET", "/talk/open").status_code == 200
    assert "LOCAL_INVOCATION_KEY" not in standing.running.invoke("Echo", {})["output"]


def test_the_system_stops_with_a_message_when_its_database_ends(system: OwnSystem) -> None:
    database = next(pid for pid in descendants(system.process.pid) if b"local.cloud.dynamodb" in command_line(pid))
    os.kill(database, signal.SIGKILL)
    assert system.process.wait(PATIENCE_S) == 1
    # While the system stops, others may still say that they cannot reach the database.
    (told,) = [line for line in (system.state / "run.log").read_text().splitlines() if "has ended" in line]
    assert told.startswith("DynamoDB Local has ended")
    assert "may be lost" in told


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def refused(*arguments: str | Path) -> str:
    """Run a command that fails, and return its one line of error."""
    done = subprocess.run(
        command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def busy_port() -> socket.socket:
    """Occupy a port whose lower neighbour is free."""
    while True:
        busy = socket.create_server(("127.0.0.1", 0))
        try:
            socket.create_server(("127.0.0.1", busy.getsockname()[1] - 1)).close()
        except OSError:
            busy.close()
        else:
            return busy


def test_a_busy_port_is_reported(small: SmallSystem, tmp_path: Path) -> None:
    with busy_port() as busy:
        port = busy.getsockname()[1]
        template = ("--template", small.built / "template.yaml")
        for first in (port, port - 1, port - 4):
            message = refused("run", "--port", str(first), "--state", tmp_path / "state", "--bare", *template)
            found = re.fullmatch(
                r"Port (\d+) is in use. Purser uses 5 in a row; choose others, as in `make run PORT=4000`.\n", message
            )
            # Another process may use one of the lower ports.
            assert found, message
            assert int(found[1]) in range(first, port + 1)


def test_only_one_system_runs_with_a_state(small: SmallSystem, standing: LocalSystem) -> None:
    template = ("--template", small.built / "template.yaml")
    message = refused("run", "--port", "0", "--state", standing.state, "--bare", *template)
    assert message == f"Purser is already running with {standing.state} (process {standing.running.stack['pid']}).\n"
    assert standing.call("GET", "/talk/open").status_code == 200


def test_a_missing_build_is_reported(tmp_path: Path) -> None:
    message = refused("run", "--state", tmp_path / "state", "--template", tmp_path / "none.yaml")
    assert message == f"{tmp_path / 'none.yaml'} is missing; `make run` installs and builds what is needed.\n"


def test_commands_without_a_running_system_say_so(tmp_path: Path) -> None:
    assert refused("token", "--state", tmp_path / "elsewhere") == NOT_RUNNING


def test_the_system_ends_with_the_process_it_was_tied_to(small: SmallSystem, tmp_path: Path) -> None:
    waiting = subprocess.Popen(["sleep", "600"])
    options = ("--bare", "--template", small.built / "template.yaml", "--until", str(waiting.pid))
    system = start(tmp_path / "tied", *options)
    waiting.kill()
    waiting.wait()
    assert system.process.wait(PATIENCE_S) == 0
