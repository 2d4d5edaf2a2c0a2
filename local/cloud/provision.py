"""Create the template's resources, under names that are the same at each start."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from moto.cognitoidp.models import CognitoIdpUserPoolClient

from local.cloud.account import ACCOUNT, REGION, client
from local.cloud.aws import backend
from local.cloud.identity import Identity
from local.cloud.template import Properties, Template
from local.cloud.users import UserPool
from local.errors import CannotStart

TABLE_PROPERTIES = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
INDEX_PATIENCE_S = 60
EVENTS_QUEUE = "local-events"
"""A queue of this machine alone, subscribed to every event. ``local.system.event_log`` shows them to a person."""
QUEUE_PROPERTIES = ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "RedrivePolicy")
GROUP_PROPERTIES = ("Description", "RoleArn", "Precedence")


def names_of(types: Mapping[str, str], identity: Identity, aws_url: str) -> dict[str, dict[str, str]]:
    """Return what references to the template's resources resolve to: ``{logical id: {attribute: value}}``."""
    makers: dict[str, Callable[[str], dict[str, str]]] = {
        "AWS::DynamoDB::Table": _table_names,
        "AWS::Events::EventBus": lambda name: {
            "Ref": name,
            "Arn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{name}",
        },
        "AWS::SQS::Queue": lambda name: {
            "Ref": f"{aws_url}/{ACCOUNT}/{name}",
            "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}",
            "QueueName": name,
        },
        "AWS::KMS::Key": lambda name: _key_names(identity.id_of(name, "AWS::KMS::Key")),
        "AWS::Cognito::UserPool": lambda name: _pool_names(identity.id_of(name, "AWS::Cognito::UserPool")),
        "AWS::Cognito::UserPoolClient": lambda name: {"Ref": identity.id_of(name, "AWS::Cognito::UserPoolClient")},
        "AWS::SecretsManager::Secret": lambda name: {"Ref": name, "SecretString": identity.secret_of(name)},
    }
    return {name: makers[kind](name) for name, kind in types.items() if kind in makers}


def _table_names(name: str) -> dict[str, str]:
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"
    return {"Ref": name, "Arn": arn, "StreamArn": f"{arn}/stream/local"}


def _key_names(key_id: str) -> dict[str, str]:
    return {"Ref": key_id, "Arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key_id}"}


def _pool_names(pool_id: str) -> dict[str, str]:
    return {"Ref": pool_id, "Arn": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{pool_id}"}


def make_tables(template: Template, dynamodb_url: str) -> None:
    """Create the tables and indexes that are missing, and switch on the tables' expiry.

    Raises:
        CannotStart: a table or an index is there with another key.
    """
    dynamodb = client("dynamodb", dynamodb_url)
    existing = set(dynamodb.list_tables()["TableNames"])
    for name, properties in template.resources("AWS::DynamoDB::Table").items():
        if name in existing:
            _add_indexes(dynamodb, name, properties)
            _add_stream(dynamodb, name, properties)
            continue
        given = {key: properties[key] for key in TABLE_PROPERTIES if key in properties}
        dynamodb.create_table(TableName=name, **given)
        _add_stream(dynamodb, name, properties)
        if "TimeToLiveSpecification" in properties:
            expiry = properties["TimeToLiveSpecification"]
            dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)


def _add_indexes(dynamodb: Any, name: str, wanted: Properties) -> None:
    table = dynamodb.describe_table(TableName=name)["Table"]
    existing = {index["IndexName"]: index["KeySchema"] for index in table.get("GlobalSecondaryIndexes", [])}
    indexes = wanted.get("GlobalSecondaryIndexes") or []
    keys = {index["IndexName"]: index["KeySchema"] for index in indexes}
    if table["KeySchema"] != wanted["KeySchema"] or any(
        keys.get(each, existing[each]) != existing[each] for each in existing
    ):
        raise CannotStart(f"{name} was stored with another key than the template has now; `make clean` starts afresh.")
    for index in indexes:
        if index["IndexName"] not in existing:
            dynamodb.update_table(
                TableName=name,
                AttributeDefinitions=wanted["AttributeDefinitions"],
                GlobalSecondaryIndexUpdates=[{"Create": index}],
            )
            _wait_for_indexes(dynamodb, name)


def _wait_for_indexes(dynamodb: Any, name: str) -> None:
    # Only one index can be made at a time, and the table is active long before it.
    until = time.monotonic() + INDEX_PATIENCE_S
    while time.monotonic() < until:
        table = dynamodb.describe_table(TableName=name)["Table"]
        if all(index["IndexStatus"] == "ACTIVE" for index in table.get("GlobalSecondaryIndexes", [])):
            return
        time.sleep(0.05)
    raise CannotStart(f"an index of {name} was not made within {INDEX_PATIENCE_S} s; `make clean` starts afresh.")


def _add_stream(dynamodb: Any, name: str, wanted: Properties) -> None:
    if "StreamSpecification" not in wanted:
        return
    if "LatestStreamArn" not in dynamodb.describe_table(TableName=name)["Table"]:
        stream = {"StreamEnabled": True, **wanted["StreamSpecification"]}
        dynamodb.update_table(TableName=name, StreamSpecification=stream)


def make_buses(template: Template, aws_url: str) -> None:
    """Create the event buses and their rules, and subscribe the queue that shows events to each bus."""
    buses = template.resources("AWS::Events::EventBus")
    if not buses:
        return
    events = client("events", aws_url)
    backend("sqs").create_queue(EVENTS_QUEUE, None)
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{EVENTS_QUEUE}"
    for name in buses:
        events.create_event_bus(Name=name)
        pattern = json.dumps({"source": [{"prefix": ""}]})
        events.put_rule(Name=EVENTS_QUEUE, EventBusName=name, EventPattern=pattern)
        events.put_targets(Rule=EVENTS_QUEUE, EventBusName=name, Targets=[{"Id": EVENTS_QUEUE, "Arn": queue}])
    for name, rule in template.resources("AWS::Events::Rule").items():
        bus = rule["EventBusName"]
        events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(rule["EventPattern"]))
        events.put_targets(Rule=name, EventBusName=bus, Targets=rule["Targets"])


def make_queues(template: Template) -> None:
    """Create the queues. Dead-letter queues come first, because the others name them."""
    queues = template.resources("AWS::SQS::Queue")
    for name in sorted(queues, key=lambda each: "RedrivePolicy" in queues[each]):
        given = {key: queues[name][key] for key in QUEUE_PROPERTIES if key in queues[name]}
        if "RedrivePolicy" in given:
            given["RedrivePolicy"] = json.dumps(given["RedrivePolicy"])
        backend("sqs").create_queue(name, None, **{key: str(value) for key, value in given.items()})


def make_keys(template: Template, identity: Identity) -> None:
    """Create the KMS keys with their stored material, and their aliases."""
    kms = backend("kms")
    for name, properties in template.resources("AWS::KMS::Key").items():
        policy = json.dumps(properties["KeyPolicy"])
        key = kms.create_key(policy, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", properties.get("Description", ""), None)
        del kms.keys[key.id]
        key.id = identity.id_of(name, "AWS::KMS::Key")
        key.arn = _key_names(key.id)["Arn"]
        key.key_material = identity.material_of(name)
        key.key_rotation_status = bool(properties.get("EnableKeyRotation"))
        kms.keys[key.id] = key
    for properties in template.resources("AWS::KMS::Alias").values():
        kms.create_alias(properties["TargetKeyId"], properties["AliasName"])


def put_secret(name: str, content: Mapping[str, str], aws_url: str) -> None:
    """Store a secret of several values in Secrets Manager, as JSON."""
    client("secretsmanager", aws_url).create_secret(Name=name, SecretString=json.dumps(content))


def make_user_pool(template: Template, identity: Identity) -> UserPool:
    """Create the user pool with its groups, scopes, clients and users."""
    cognito = backend("cognito-idp")
    ((logical_id, properties),) = template.resources("AWS::Cognito::UserPool").items()
    config = {key: value for key, value in properties.items() if key not in ("UserPoolName", "EnabledMfas")}
    pool = UserPool(identity.id_of(logical_id, "AWS::Cognito::UserPool"), properties.get("UserPoolName", ""), config)
    cognito.user_pools[pool.id] = pool
    if "SOFTWARE_TOKEN_MFA" in properties.get("EnabledMfas", []):
        cognito.set_user_pool_mfa_config(pool.id, None, {"Enabled": True}, properties.get("MfaConfiguration", "OFF"))
    for group in template.resources("AWS::Cognito::UserPoolGroup").values():
        cognito.create_group(pool.id, group["GroupName"], *(group.get(key) for key in GROUP_PROPERTIES))
    for server in template.resources("AWS::Cognito::UserPoolResourceServer").values():
        cognito.create_resource_server(pool.id, server["Identifier"], server["Name"], server.get("Scopes", []))
    for name, properties in template.resources("AWS::Cognito::UserPoolClient").items():
        _make_client(pool, name, properties, identity)
    pool.restore_users(identity.users)
    return pool


def _make_client(pool: UserPool, name: str, properties: Properties, identity: Identity) -> None:
    config = {key: value for key, value in properties.items() if key not in ("UserPoolId", "GenerateSecret")}
    client = CognitoIdpUserPoolClient(pool.id, properties.get("GenerateSecret", False), config)
    client.id = identity.id_of(name, "AWS::Cognito::UserPoolClient")
    client.secret = identity.secret_of(name)
    pool.clients[client.id] = client
