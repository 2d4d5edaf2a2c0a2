"""Test the data side of the template: tables, streams, queues, schedules, alarms and the user pool."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.functions.stream_records import matches
from purser.aws.integrity import ALARMING
from purser.bootstrap.events import readings
from purser.exchanges.ccxt_gateway import PAST_BALANCES, PAST_BALANCES_WEIGHT_PER_MINUTE
from purser.work.sweeper import SWEEP_INTERVAL_MS
from tests.support.permissions import many
from tests.support.template import functions, resources, template

TABLES = resources("AWS::DynamoDB::Table")
QUEUES = resources("AWS::SQS::Queue")
FUNCTIONS = functions()
ALARMS = resources("AWS::CloudWatch::Alarm")
SHARED = template()["Globals"]["Function"]
DEAD_LETTERS = [name for name in QUEUES if name.endswith("DeadLetterQueue")]
WORK = [name for name in QUEUES if name not in DEAD_LETTERS]

each_table = pytest.mark.parametrize("name", TABLES)


@each_table
def test_a_table_is_protected_from_deletion_and_has_backups(name: str) -> None:
    resource, table = template()["Resources"][name], TABLES[name]
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
    assert table["DeletionProtectionEnabled"] is True
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@each_table
def test_a_table_is_encrypted_with_the_data_key_and_billed_on_demand(name: str) -> None:
    assert TABLES[name]["SSESpecification"] == {
        "SSEEnabled": True,
        "SSEType": "KMS",
        "KMSMasterKeyId": {"Fn::GetAtt": ["DataKey", "Arn"]},
    }
    assert TABLES[name]["BillingMode"] == "PAY_PER_REQUEST"


def keys(schema: list[dict[str, str]]) -> list[str]:
    return [f"{part['AttributeName']} {part['KeyType']}" for part in schema]


def test_tables_have_the_keys_that_the_stores_use() -> None:
    assert {name: keys(table["KeySchema"]) for name, table in TABLES.items()} == {
        "AccountsTable": ["PK HASH", "SK RANGE"],
        "KeysTable": ["PK HASH", "SK RANGE"],
        "SnapshotsTable": ["PK HASH", "SK RANGE"],
        "StrategiesTable": ["PK HASH", "SK RANGE"],
        "OrdersTable": ["PK HASH", "SK RANGE"],
        "WalletsTable": ["PK HASH", "SK RANGE"],
        "IdempotencyTable": ["id HASH"],
        "AuditTable": ["PK HASH", "SK RANGE"],
        "VenuesTable": ["PK HASH", "SK RANGE"],
    }


def test_only_accounts_keys_and_wallets_have_indexes() -> None:
    indexed = {n for n, table in TABLES.items() if "GlobalSecondaryIndexes" in table}
    assert indexed == {"AccountsTable", "KeysTable", "WalletsTable"}
    running, due = TABLES["AccountsTable"]["GlobalSecondaryIndexes"]
    assert (running["IndexName"], due["IndexName"]) == ("RunningIndex", "DueIndex")
    assert keys(running["KeySchema"]) == ["runningShard HASH", "subscribedAt RANGE"]
    assert keys(due["KeySchema"]) == ["dueShard HASH", "dueAt RANGE"]
    assert due["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["customerId"]}
    active, trading_account, credential, followers = TABLES["KeysTable"]["GlobalSecondaryIndexes"]
    assert active["IndexName"] == "ActiveIndex"
    assert keys(active["KeySchema"]) == ["activeShard HASH", "tradingAccountId RANGE"]
    assert active["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["userId"]}
    assert trading_account["IndexName"] == "TradingAccountIndex"
    assert keys(trading_account["KeySchema"]) == ["tradingAccountId HASH"]
    assert credential["IndexName"] == "CredentialIndex"
    assert keys(credential["KeySchema"]) == ["credentialId HASH"]
    assert followers["IndexName"] == "FollowersIndex"
    assert keys(followers["KeySchema"]) == ["followedBy HASH", "followId RANGE"]
    assert followers["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["followerId"]}


def test_exactly_these_tables_have_a_ttl() -> None:
    expiring = {
        n: t["TimeToLiveSpecification"]["AttributeName"] for n, t in TABLES.items() if "TimeToLiveSpecification" in t
    }
    assert expiring == {
        "KeysTable": "expiresAt",
        "SnapshotsTable": "expiresAt",
        "IdempotencyTable": "expiration",
        "OrdersTable": "expiresAt",
        "WalletsTable": "expiresAt",
        "AuditTable": "expiresAt",
        "VenuesTable": "expiresAt",
        "StrategiesTable": "expiresAt",
    }
    variables = FUNCTIONS["JobSweeper"]["Environment"]["Variables"].items()
    swept = {value["Ref"] for name, value in variables if name.endswith("_TABLE")}
    assert swept <= expiring.keys(), "dead work items go away by themselves"


STREAMS = {
    mapping["Properties"]["Stream"]["Fn::GetAtt"][0]: mapping["Properties"]
    for mapping in FUNCTIONS["EventPublisher"]["Events"].values()
}
each_stream = pytest.mark.parametrize("name", STREAMS)


def test_exactly_the_tables_with_published_states_have_streams() -> None:
    streaming = {name: t["StreamSpecification"] for name, t in TABLES.items() if "StreamSpecification" in t}
    assert streaming.keys() == STREAMS.keys() == {"KeysTable", "WalletsTable", "AccountsTable", "StrategiesTable"}
    assert all(stream == {"StreamViewType": "NEW_AND_OLD_IMAGES"} for stream in streaming.values())


@each_stream
def test_a_stream_record_is_retried_for_23_hours_and_then_kept_as_a_dead_letter(name: str) -> None:
    mapping = STREAMS[name]
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] == -1
    # A stream keeps its records for 24 hours.
    assert mapping["MaximumRecordAgeInSeconds"] == 23 * 3600
    put_aside = {"Type": "SQS", "Destination": {"Fn::GetAtt": ["EventDeadLetterQueue", "Arn"]}}
    assert mapping["DestinationConfig"] == {"OnFailure": put_aside}
    # With parallel batches, changes of one item could overtake each other.
    assert "ParallelizationFactor" not in mapping


def test_waiting_stream_records_raise_an_alarm_long_before_they_expire() -> None:
    (alarm,) = [a for a in ALARMS.values() if a["MetricName"] == "IteratorAge"]
    assert watched(alarm) == {"FunctionName": {"Ref": "EventPublisher"}}
    assert alarm["Threshold"] <= 3_600_000


@each_stream
def test_stream_filters_pass_exactly_the_items_that_have_events(name: str) -> None:
    (rule,) = STREAMS[name]["FilterCriteria"]["Filters"]
    pattern = json.loads(rule["Pattern"])

    def passes(sk: str) -> bool:
        return matches(pattern, {"dynamodb": {"Keys": {"PK": {"S": "any"}, "SK": {"S": sk}}}})

    published = {
        "KeysTable": ("KEY#1", "CREDENTIAL#1"),
        "WalletsTable": ("WALLET", "TRANSACTION"),
        "AccountsTable": ("CUSTOMER",),
        "StrategiesTable": ("SIGNAL#1", "STATE", "MODE"),
    }
    assert {sk.partition("#")[0] for sks in published.values() for sk in sks} == {sk for _, sk in readings()}
    assert all(map(passes, published[name]))
    assert not any(map(passes, ("USER", "CLAIM", "OWN", "CANCELLING#SPOT", "FOLLOW#1", "CUSTOMER#17#1", "ENDED#1")))


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted(name: str) -> None:
    assert QUEUES[name]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("name", WORK)
def test_a_message_goes_to_the_dead_letter_queue_after_five_receives(name: str) -> None:
    redrive = QUEUES[name]["RedrivePolicy"]
    dead_letters = f"{name.removesuffix('Queue')}DeadLetterQueue"
    assert redrive == {"deadLetterTargetArn": {"Fn::GetAtt": [dead_letters, "Arn"]}, "maxReceiveCount": 5}


@pytest.mark.parametrize("name", DEAD_LETTERS)
def test_dead_letters_are_kept_for_14_days_and_raise_an_alarm(name: str) -> None:
    assert QUEUES[name]["MessageRetentionPeriod"] == 14 * 24 * 3600
    (alarm,) = [a for a in ALARMS.values() if watched(a) == {"QueueName": {"Fn::GetAtt": [name, "QueueName"]}}]
    assert (alarm["MetricName"], alarm["Threshold"]) == ("ApproximateNumberOfMessagesVisible", 0)


def watched(alarm: dict[str, Any]) -> dict[str, Any]:
    return {dimension["Name"]: dimension["Value"] for dimension in alarm.get("Dimensions", [])}


def consumers() -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        trigger["Properties"]["Queue"]["Fn::GetAtt"][0]: (name, trigger["Properties"])
        for name, function in FUNCTIONS.items()
        for trigger in function["Events"].values()
        if trigger["Type"] == "SQS"
    }


@pytest.mark.parametrize("name", WORK)
def test_a_visibility_timeout_is_at_least_six_times_the_time_limit_of_its_worker(name: str) -> None:
    worker, _ = consumers()[name]
    assert QUEUES[name]["VisibilityTimeout"] >= 6 * FUNCTIONS[worker]["Timeout"]


@pytest.mark.parametrize("name", WORK)
def test_a_worker_reports_single_failures_and_has_a_maximum_concurrency(name: str) -> None:
    _, trigger = consumers()[name]
    assert trigger["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert trigger["ScalingConfig"]["MaximumConcurrency"]


@pytest.mark.parametrize("name", WORK)
def test_old_messages_raise_an_alarm(name: str) -> None:
    ages = [a for a in ALARMS.values() if a["MetricName"] == "ApproximateAgeOfOldestMessage"]
    assert {"QueueName": {"Fn::GetAtt": [name, "QueueName"]}} in [watched(alarm) for alarm in ages]


def test_exactly_the_functions_without_a_caller_raise_an_alarm_when_they_fail() -> None:
    background = {n for n, f in FUNCTIONS.items() if any(t["Type"] != "Api" for t in f["Events"].values())}
    errors = [watched(a)["FunctionName"]["Ref"] for a in ALARMS.values() if a["MetricName"] == "Errors"]
    assert set(errors) == background


def test_every_api_raises_an_alarm_on_server_errors() -> None:
    failing = [watched(a)["ApiName"] for a in ALARMS.values() if a["MetricName"] == "5XXError"]
    assert failing == [api["Name"] for api in resources("AWS::Serverless::Api").values()]


def test_every_alarm_notifies_the_topic_and_missing_data_is_no_alarm() -> None:
    action = {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    assert all(alarm["AlarmActions"] == action for alarm in ALARMS.values())
    assert all(alarm["TreatMissingData"] == "notBreaching" for alarm in ALARMS.values())


def test_a_parameter_schedules_the_daily_snapshots() -> None:
    (schedule,) = FUNCTIONS["BalanceSnapshotPlanner"]["Events"].values()
    properties = schedule["Properties"]
    assert schedule["Type"] == "ScheduleV2"
    assert properties["ScheduleExpression"] == {"Ref": "SnapshotSchedule"}
    assert properties["ScheduleExpressionTimezone"] == "UTC"
    assert template()["Parameters"]["SnapshotSchedule"]["Default"] == "cron(5 0 * * ? *)"
    assert properties["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["ScheduleDeadLetterQueue", "Arn"]}}


def test_subscriptions_are_reconciled_daily_and_due_ones_every_15_minutes() -> None:
    daily, often = (event["Properties"] for event in FUNCTIONS["BillingReconciler"]["Events"].values())
    assert daily["ScheduleExpression"] == "cron(35 1 * * ? *)"
    assert daily["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["ScheduleDeadLetterQueue", "Arn"]}}
    assert json.loads(daily["Input"])["detail"] == {}
    assert often["ScheduleExpression"] == "rate(15 minutes)"
    assert json.loads(often["Input"])["detail"] == {"only": "due"}
    # Without Stripe there is nothing to reconcile with.
    assert daily["State"] == often["State"] == {"Fn::If": ["HasStripe", "ENABLED", "DISABLED"]}


def test_billing_problems_raise_an_alarm() -> None:
    counted = {a["MetricName"]: watched(a) for a in ALARMS.values() if a["Namespace"] == "Purser"}
    metrics = {
        "DuplicateSubscriptions",
        "UnknownStripeCustomers",
        "SubscriptionsWithoutPlan",
        "SubscriptionsDrifted",
        "RefundsRefused",
        "UnknownToStripe",
        "ComparisonsStopped",
    }
    # Powertools adds the name of the service as a dimension.
    service = SHARED["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    assert {name: counted.get(name) for name in metrics} == {name: {"service": service} for name in metrics}


@pytest.mark.parametrize("name", ["BalanceSnapshotPlanner", "JobSweeper"])
def test_a_schedule_is_named_after_its_stack(name: str) -> None:
    (schedule,) = FUNCTIONS[name]["Events"].values()
    assert schedule["Properties"]["Name"]["Fn::Sub"].startswith("${AWS::StackName}-")


@pytest.mark.parametrize("name", ["BalanceSnapshotPlanner", "JobSweeper"])
def test_the_input_of_a_schedule_has_its_time_and_an_empty_detail(name: str) -> None:
    (schedule,) = FUNCTIONS[name]["Events"].values()
    assert json.loads(schedule["Properties"]["Input"]) == {"time": "<aws.scheduler.scheduled-time>", "detail": {}}


def test_snapshot_workers_together_use_half_of_the_weight_of_the_venue() -> None:
    default = {
        name: parameter["Default"] for name, parameter in template()["Parameters"].items() if "Default" in parameter
    }
    workers = default["SnapshotWorkerConcurrency"]
    assert workers * default["SnapshotWeightPerMinuteSpot"] == 6000 // 2
    assert workers * default["SnapshotWeightPerMinuteFutures"] == 2400 // 2
    _, trigger = consumers()["SnapshotQueue"]
    assert trigger["ScalingConfig"]["MaximumConcurrency"] == {"Ref": "SnapshotWorkerConcurrency"}


def test_the_snapshot_worker_knows_the_receive_limit_of_its_queue() -> None:
    known = FUNCTIONS["BalanceSnapshotWorker"]["Environment"]["Variables"]["SNAPSHOT_MAX_RECEIVES"]
    assert int(known) == QUEUES["SnapshotQueue"]["RedrivePolicy"]["maxReceiveCount"]


def test_backfills_use_at_most_half_of_the_weight_for_past_balances() -> None:
    share = template()["Parameters"]["BackfillWeightPerMinute"]
    # The least is one request a minute, the most half of what the venue allows.
    assert share["MinValue"] == PAST_BALANCES.weight
    assert share["MinValue"] <= share["Default"] <= share["MaxValue"] <= PAST_BALANCES_WEIGHT_PER_MINUTE // 2
    _, trigger = consumers()["BackfillQueue"]
    # Two is the minimum of an event source. Each worker has one trading account at a time.
    assert (trigger["ScalingConfig"]["MaximumConcurrency"], trigger["BatchSize"]) == (2, 1)


def test_the_backfill_worker_and_the_sweeper_have_the_same_weight_for_backfills() -> None:
    for name in ("BalanceBackfillWorker", "JobSweeper"):
        variables = FUNCTIONS[name]["Environment"]["Variables"]
        assert variables["BACKFILL_WEIGHT_PER_MINUTE"] == {"Ref": "BackfillWeightPerMinute"}
    (schedule,) = FUNCTIONS["JobSweeper"]["Events"].values()
    assert schedule["Properties"]["ScheduleExpression"] == f"rate({SWEEP_INTERVAL_MS // 60_000} minutes)"


def test_the_backfill_worker_knows_the_receive_limit_of_its_queue() -> None:
    known = FUNCTIONS["BalanceBackfillWorker"]["Environment"]["Variables"]["BACKFILL_MAX_RECEIVES"]
    assert int(known) == QUEUES["BackfillQueue"]["RedrivePolicy"]["maxReceiveCount"]


def test_functions_that_connect_trading_accounts_can_enqueue_backfills() -> None:
    connecting = allowing("kms:Encrypt", "keyId")
    assert "AccountExchangeRole" in connecting
    for role in connecting:
        variables = FUNCTIONS[role.removesuffix("Role")]["Environment"]["Variables"]
        assert variables["BACKFILL_QUEUE_URL"] == {"Ref": "BackfillQueue"}


def allowing(action: str, context: str) -> set[str]:
    """Return the roles that may use the credential key for an action with a name in the encryption context."""
    statements = resources("AWS::KMS::Key")["CredentialKey"]["KeyPolicy"]["Statement"]
    bound = [s for s in statements if s["Action"] == action and context in str(s["Condition"])]
    return {p["Fn::GetAtt"][0] for s in bound for p in many(s["Principal"]["AWS"])}


def test_users_choose_strong_passwords_and_may_add_a_second_factor() -> None:
    (pool,) = resources("AWS::Cognito::UserPool").values()
    policy = pool["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] >= 12
    assert all(policy[f"Require{kind}"] for kind in ("Lowercase", "Uppercase", "Numbers", "Symbols"))
    assert (pool["MfaConfiguration"], pool["EnabledMfas"]) == ("OPTIONAL", ["SOFTWARE_TOKEN_MFA"])
    assert pool["UsernameAttributes"] == ["email"]
    assert pool["DeletionProtection"] == "ACTIVE"
    assert template()["Resources"]["UserPool"]["DeletionPolicy"] == "Retain"


def test_user_pool_clients_do_not_reveal_who_has_an_account() -> None:
    clients = resources("AWS::Cognito::UserPoolClient")
    assert all(client["PreventUserExistenceErrors"] == "ENABLED" for client in clients.values())


def test_people_sign_in_with_a_password_and_access_tokens_last_15_minutes() -> None:
    client = resources("AWS::Cognito::UserPoolClient")["UserPoolClient"]
    assert client["GenerateSecret"] is False
    # Cognito takes no ALLOW_REFRESH_TOKEN_AUTH with rotation.
    assert client["ExplicitAuthFlows"] == ["ALLOW_USER_PASSWORD_AUTH"]
    assert client["RefreshTokenRotation"] == {"Feature": "ENABLED", "RetryGracePeriodSeconds": 30}
    assert resources("AWS::Cognito::UserPool")["UserPool"]["UserPoolTier"] == "ESSENTIALS"
    assert (client["AccessTokenValidity"], client["TokenValidityUnits"]["AccessToken"]) == (15, "minutes")


def test_a_token_of_a_user_writes_no_attribute_that_purser_uses() -> None:
    client = resources("AWS::Cognito::UserPoolClient")["UserPoolClient"]
    assert client["WriteAttributes"] == ["locale"]


def test_machine_clients_sign_in_with_client_credentials() -> None:
    client = resources("AWS::Cognito::UserPoolClient")["MachineClient"]
    assert client["GenerateSecret"] is True
    assert client["AllowedOAuthFlows"] == ["client_credentials"]


def test_admins_are_the_only_group() -> None:
    assert [group["GroupName"] for group in resources("AWS::Cognito::UserPoolGroup").values()] == ["admin"]


def test_alarms_watch_the_metrics_that_functions_count() -> None:
    variables = SHARED["Environment"]["Variables"]
    named = [{"Name": "service", "Value": variables["POWERTOOLS_SERVICE_NAME"]}]
    filters = [each["MetricTransformations"][0]["MetricName"] for each in resources("AWS::Logs::MetricFilter").values()]
    namespace = variables["POWERTOOLS_METRICS_NAMESPACE"]
    own = [a for a in ALARMS.values() if a["Namespace"] == namespace and a["MetricName"] not in filters]
    assert own
    assert all(alarm["Dimensions"] == named for alarm in own)


def test_refused_stored_data_raises_an_alarm() -> None:
    (rule,) = resources("AWS::Logs::MetricFilter").values()
    assert rule["LogGroupName"] == SHARED["LoggingConfig"]["LogGroup"]
    assert rule["FilterPattern"] == f'{{ $.message = "{ALARMING}" }}'
    (counted,) = rule["MetricTransformations"]
    (alarm,) = [each for each in ALARMS.values() if each["MetricName"] == counted["MetricName"]]
    assert (alarm["Namespace"], alarm["Threshold"]) == (counted["MetricNamespace"], 0)
