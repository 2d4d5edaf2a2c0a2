"""Test that each role has the permissions that its function needs, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from purser.credentials import model as credentials
from purser.customers import service as customers
from tests.support.permissions import allowed, kept, logical_id, many, needed
from tests.support.template import functions, resources, template

FUNCTIONS = functions()
ROLES = resources("AWS::IAM::Role")
MAY_DECRYPT = {
    "AccountExchangeRole",
    "BalanceSnapshotWorkerRole",
    "BalanceBackfillWorkerRole",
    "OrderCancellationWorkerRole",
    "ExchangeRole",
    "OrderReconcilerRole",
    "BookingWorkerRole",
    "ExecutionWorkerRole",
    "PortfolioRole",
    "TradingAccountRole",
    "CredentialRole",
}
REACHED_BY_NAME = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Events::EventBus")
# The write actions of X-Ray take no resource, and Lambda creates network interfaces as it needs them
# (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions).
EVERYWHERE = {
    "TelemetryPolicy": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
    "NetworkPolicy": {
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    },
}
IN_A_NETWORK = {"Fn::If": ["HasFixedEgress", {"Ref": "NetworkPolicy"}, {"Ref": "AWS::NoValue"}]}

each_function = pytest.mark.parametrize("name", FUNCTIONS)


def policies() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, role in ROLES.items():
        for policy in role.get("Policies", []):
            yield name, policy["PolicyDocument"]
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for name, policy in resources(kind).items():
            yield name, policy["PolicyDocument"]


STATEMENTS = [(name, statement) for name, document in policies() for statement in document["Statement"]]


def granted(role: str) -> list[tuple[set[str], str]]:
    """Return what a role may do: sets of actions, each with the logical id of the resource."""
    return [
        (set(many(statement["Action"])), logical_id(resource).split("/")[0])
        for owner, statement in STATEMENTS
        if owner == role
        for resource in many(statement["Resource"])
    ]


def test_no_policy_action_has_a_wildcard() -> None:
    assert not [action for _, statement in STATEMENTS for action in many(statement["Action"]) if "*" in action]


def test_no_role_may_query_every_index_of_a_table() -> None:
    places = [str(place) for _, statement in STATEMENTS for place in many(statement["Resource"])]
    assert not [place for place in places if "/index/*" in place]


def test_only_tracing_and_network_interfaces_are_allowed_on_all_resources() -> None:
    on_all = [(owner, set(many(s["Action"]))) for owner, s in STATEMENTS if "*" in many(s["Resource"])]
    assert sorted(owner for owner, _ in on_all) == sorted(EVERYWHERE)
    assert dict(on_all) == EVERYWHERE


def test_roles_have_no_managed_policies_but_those_of_the_template() -> None:
    own = {name: role["ManagedPolicyArns"] for name, role in ROLES.items() if name != "GatewayLoggingRole"}
    assert own.keys() == {f"{name}Role" for name in FUNCTIONS}
    for name, function in FUNCTIONS.items():
        network = [IN_A_NETWORK] if "VpcConfig" in function else []
        assert own[f"{name}Role"] == [{"Ref": "TelemetryPolicy"}, *network]
    assert not any("Policies" in function for function in FUNCTIONS.values())


def test_functions_write_to_their_log_group_and_no_other() -> None:
    writing = [s for _, s in STATEMENTS if any(action.startswith("logs:") for action in many(s["Action"]))]
    (statement,) = writing
    assert set(statement["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents"}
    assert statement["Resource"] == {"Fn::GetAtt": ["FunctionLog", "Arn"]}


def test_no_function_scans_a_table() -> None:
    assert not [owner for owner, statement in STATEMENTS if "dynamodb:Scan" in many(statement["Action"])]


def test_functions_only_add_audit_entries_and_one_reads_them() -> None:
    found = {owner: set(a) for owner in ROLES for a, resource in granted(owner) if resource == "AuditTable"}
    assert found.pop("AccountAdminRole") == {"dynamodb:PutItem", "dynamodb:Query"}
    assert found
    assert all(actions == {"dynamodb:PutItem"} for actions in found.values())


def test_no_function_deletes_a_snapshot() -> None:
    deleting = {resource for owner in ROLES for actions, resource in granted(owner) if "dynamodb:DeleteItem" in actions}
    assert "SnapshotsTable" not in deleting


@each_function
def test_a_role_reaches_exactly_the_tables_queues_and_buses_in_its_functions_variables(name: str) -> None:
    variables = FUNCTIONS[name]["Environment"]["Variables"].values()
    named = {value["Ref"] for value in variables if isinstance(value, dict) and "Ref" in value}
    known = {resource for kind in REACHED_BY_NAME for resource in resources(kind) if resource in named}
    failing_into = {"ScheduleDeadLetterQueue"} if "DeadLetterQueue" in FUNCTIONS[name] else set()
    reached = {resource for _, resource in granted(f"{name}Role")} - {"UserPool"}
    assert reached == known | failing_into | followed(name)


def followed(name: str) -> set[str]:
    """Return the tables whose streams trigger a function, and the queues for records that fail."""
    mappings = [e["Properties"] for e in FUNCTIONS[name]["Events"].values() if e["Type"] == "DynamoDB"]
    tables = {mapping["Stream"]["Fn::GetAtt"][0] for mapping in mappings}
    return tables | {mapping["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0] for mapping in mappings}


def test_stream_readers_have_no_table_access() -> None:
    reading = {"DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"}
    actions = {action for found, _ in granted("EventPublisherRole") for action in found}
    assert actions == {f"dynamodb:{action}" for action in reading} | {"events:PutEvents", "sqs:SendMessage"}


@each_function
def test_exactly_the_functions_with_the_user_pool_in_their_variables_reach_it(name: str) -> None:
    variables = FUNCTIONS[name]["Environment"]["Variables"]
    reached = {resource for _, resource in granted(f"{name}Role")}
    assert ("UserPool" in reached) == ("USER_POOL_ID" in variables)


def key_statements(key: str) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = resources("AWS::KMS::Key")[key]["KeyPolicy"]["Statement"]
    return statements


def allowing(key: str, action: str) -> list[dict[str, Any]]:
    return [statement for statement in key_statements(key) if action in many(statement["Action"])]


def roles_of(statement: dict[str, Any]) -> set[str]:
    return {principal["Fn::GetAtt"][0] for principal in many(statement["Principal"]["AWS"])}


def test_only_functions_that_call_the_exchange_may_decrypt_credentials() -> None:
    (statement,) = allowing("CredentialKey", "kms:Decrypt")
    assert roles_of(statement) == MAY_DECRYPT
    assert [roles_of(statement) for statement in allowing("CredentialKey", "kms:Encrypt")] == [
        {"AccountExchangeRole", "TradingAccountRole", "CredentialRole"},
        {"CustomerRole"},
    ]
    assert not [owner for owner, statement in STATEMENTS if "kms:" in str(statement["Action"])]


@pytest.mark.parametrize("action", ["kms:Encrypt", "kms:Decrypt"])
def test_the_credential_key_is_bound_to_user_and_key_id(action: str) -> None:
    statement = allowing("CredentialKey", action)[0]
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["userId", "keyId"]},
        "Null": {"kms:EncryptionContext:userId": "false", "kms:EncryptionContext:keyId": "false"},
    }


def test_a_role_may_use_the_credential_key_only_with_the_context_of_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIAL_KEY_ID", "the key")
    of_credentials = credentials.sealing_context("a user", "a key")
    of_identifiers = customers.sealing_context("an owner", "a customer", "an identifier")

    def may(name: str, operation: str, context: dict[str, str]) -> bool:
        call = {"KeyId": "the key", "EncryptionContext": context}
        return allowed(name).issuperset(needed("kms", operation, call))

    assert may("account_exchange", "Encrypt", of_credentials)
    assert may("account_exchange", "Decrypt", of_credentials)
    assert may("customer", "Encrypt", of_identifiers)
    assert not may("customer", "Decrypt", of_identifiers)
    assert not may("customer", "Encrypt", of_credentials)
    assert not may("account_exchange", "Encrypt", of_identifiers)
    assert not may("account_exchange", "Decrypt", {"userId": "a user"})
    assert not may("account_exchange", "Decrypt", {})


def test_a_role_may_make_the_condition_checks_of_its_transactions() -> None:
    assert ("dynamodb:ConditionCheckItem", "KeysTable") in allowed("account_exchange")


@pytest.mark.parametrize("key", ["CredentialKey", "DataKey"])
def test_administrators_of_a_key_may_not_use_it(key: str) -> None:
    root = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    (administration,) = [s for s in key_statements(key) if s["Principal"].get("AWS") == root]
    uses = ("Encrypt", "Decrypt", "GenerateDataKey", "ReEncrypt", "CreateGrant", "*")
    assert not [action for action in administration["Action"] if any(use in action for use in uses)]


def test_only_dynamodb_and_alarms_use_the_data_key() -> None:
    statements = allowing("DataKey", "kms:Decrypt")
    assert len(statements) == 2
    for statement in statements:
        if statement["Principal"] == {"AWS": "*"}:
            assert statement["Condition"]["StringEquals"].keys() == {"kms:CallerAccount", "kms:ViaService"}
        else:
            assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}


@pytest.mark.parametrize("key", resources("AWS::KMS::Key"))
def test_keys_rotate_and_outlive_the_stack(key: str) -> None:
    assert resources("AWS::KMS::Key")[key]["EnableKeyRotation"] is True
    assert template()["Resources"][key]["DeletionPolicy"] == "Retain"


def test_a_handler_that_goes_beyond_its_role_fails_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATEGIES_TABLE", "the table")
    client = boto3.client("dynamodb", region_name="eu-west-1")
    key = {"PK": {"S": "STRATEGIES"}, "SK": {"S": "1"}}

    def invoke(operation: str) -> None:
        with Stubber(client) as stub:
            stub.add_response(operation, {})
            handler = kept("public_strategy", lambda: getattr(client, operation)(TableName="the table", Key=key))
            handler()

    invoke("get_item")
    with pytest.raises(AssertionError, match=r"public_strategy does not allow .*DeleteItem.*StrategiesTable"):
        invoke("delete_item")


def test_a_call_is_charged_to_its_own_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two invocations at once, only the one whose thread pool made a call needs the permission for it."""
    monkeypatch.setenv("STRATEGIES_TABLE", "the table")
    client = boto3.client("dynamodb", region_name="eu-west-1")
    item = {"PK": {"S": "STRATEGIES"}, "SK": {"S": "1"}}
    both_run, written = Barrier(2, timeout=60), Event()

    def write() -> None:
        both_run.wait()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(client.put_item, TableName="the table", Item=item).result()
        written.set()

    def wait() -> None:
        both_run.wait()
        assert written.wait(60)

    with Stubber(client) as stub, ThreadPoolExecutor(2) as pool:
        stub.add_response("put_item", {})
        reader, writer = pool.submit(kept("public_strategy", wait)), pool.submit(kept("public_exchange", write))
        reader.result()
        with pytest.raises(AssertionError, match=r"public_exchange does not allow .*PutItem.*StrategiesTable"):
            writer.result()
