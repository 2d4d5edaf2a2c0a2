"""Test every function in the template: code, role, sample event, variables, layers, network, limits and logs."""

from __future__ import annotations

import json
import logging
import re

import pytest

from purser.exchanges.ccxt_gateway import ACCOUNT, PRICES, VENUE_WEIGHT_PER_MINUTE
from purser.orders.intents import LEASE_AFTER_MS, ORDER_TIME_MS
from purser.orders.reconciling import ENDING_MS, RUN_INTERVAL_S
from purser.settings import Settings
from tests.support.template import ROOT, broken_rules, functions, resources, template

FUNCTIONS = functions()
# Powertools reads these itself.
POWERTOOLS = {"LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}

VARIABLE_ENDINGS = {
    "AWS::DynamoDB::Table": "",
    "AWS::SQS::Queue": "_URL",
    "AWS::Events::EventBus": "_NAME",
    "AWS::KMS::Key": "_ID",
    "AWS::Cognito::UserPool": "_ID",
    "AWS::Cognito::UserPoolClient": "_ID",
}

each_function = pytest.mark.parametrize("name", FUNCTIONS)


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def environment(name: str) -> dict[str, object]:
    variables: dict[str, object] = FUNCTIONS[name]["Environment"]["Variables"]
    return variables


def test_every_folder_with_an_app_is_a_function_and_every_function_has_one() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert folders == {snake(name) for name in FUNCTIONS}


@each_function
def test_a_function_has_its_own_code_and_role(name: str) -> None:
    function = FUNCTIONS[name]
    assert function["CodeUri"] == f"functions/{snake(name)}"
    assert function["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
    assert template()["Resources"][name]["Metadata"] == {"SkipBuild": True}


@each_function
def test_a_function_has_a_sample_event_of_its_trigger(name: str) -> None:
    event = json.loads((ROOT / "events" / f"{snake(name)}.json").read_text())
    sources = {trigger["Type"] for trigger in FUNCTIONS[name]["Events"].values()}
    if sources == {"Api"}:
        assert event["requestContext"]["requestId"]
        routes = {(e["Properties"]["Path"], e["Properties"]["Method"]) for e in FUNCTIONS[name]["Events"].values()}
        assert {(event["resource"], event["httpMethod"]), (event["resource"], "ANY")} & routes
    elif sources == {"SQS"}:
        assert event["Records"]
        assert all(json.loads(record["body"]) for record in event["Records"])
    elif sources == {"DynamoDB"}:
        assert event["Records"]
        assert all(record["dynamodb"]["Keys"] for record in event["Records"])
    elif sources == {"Cognito"}:
        assert event["request"]["groupConfiguration"]
    else:
        # Without a time the event means today, whenever it is sent.
        assert event.keys() == {"detail"}


def test_every_sample_event_belongs_to_a_function() -> None:
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == {snake(name) for name in FUNCTIONS}


def test_one_parameter_sets_the_runtime_and_one_the_architecture() -> None:
    for function in FUNCTIONS.values():
        assert function["Runtime"] == {"Ref": "PythonRuntime"}
        assert function["Architectures"] == [{"Ref": "Arch"}]
    for layer in resources("AWS::Serverless::LayerVersion").values():
        assert layer["CompatibleRuntimes"] == [{"Ref": "PythonRuntime"}]
        assert layer["CompatibleArchitectures"] == [{"Ref": "Arch"}]
    assert template()["Parameters"]["PythonRuntime"]["Default"] == "python3.13"
    assert template()["Parameters"]["Arch"]["Default"] == "arm64"


@each_function
def test_a_function_has_only_variables_that_the_settings_know(name: str) -> None:
    known = {field.upper() for field in Settings.model_fields} | POWERTOOLS
    assert environment(name).keys() <= known


@each_function
def test_a_variable_has_the_name_of_its_resource(name: str) -> None:
    kinds = {resource: each["Type"] for resource, each in template()["Resources"].items()}
    for variable, value in environment(name).items():
        if isinstance(value, dict) and (resource := value.get("Ref", "")) in kinds:
            assert variable == snake(resource).upper() + VARIABLE_ENDINGS[kinds[resource]]


@each_function
def test_exactly_the_api_functions_have_the_allowed_origins(name: str) -> None:
    answers = any(trigger["Type"] == "Api" for trigger in FUNCTIONS[name]["Events"].values())
    assert ("ALLOWED_ORIGINS" in environment(name)) == answers


@each_function
def test_exactly_the_functions_that_call_an_exchange_have_its_layer(name: str) -> None:
    has_layer = {"Ref": "ExchangeLayer"} in FUNCTIONS[name]["Layers"]
    # Session only checks that the exchange answers, without ccxt.
    assert has_layer == ("EXCHANGE_ENDPOINT" in environment(name) and name != "Session")
    assert {"Ref": "CoreLayer"} in FUNCTIONS[name]["Layers"]


def test_intents_are_leased_for_as_long_as_their_functions_may_run() -> None:
    request, reconciler = (FUNCTIONS[name]["Timeout"] * 1000 for name in ("Exchange", "OrderReconciler"))
    assert ORDER_TIME_MS < request <= ORDER_TIME_MS + LEASE_AFTER_MS <= request + 2_000
    assert reconciler - ENDING_MS + LEASE_AFTER_MS < RUN_INTERVAL_S * 1000, "the next run finds no lease of this one"


@each_function
def test_an_api_function_times_out_before_the_gateway(name: str) -> None:
    if any(trigger["Type"] == "Api" for trigger in FUNCTIONS[name]["Events"].values()):
        assert FUNCTIONS[name]["Timeout"] < 29


@each_function
def test_lambda_and_the_code_log_at_the_same_level(name: str) -> None:
    config = FUNCTIONS[name]["LoggingConfig"]
    level = {"Ref": "LogLevel"}
    assert (config["LogFormat"], config["ApplicationLogLevel"]) == ("JSON", level)
    assert environment(name)["LOG_LEVEL"] == level


def test_the_allowed_log_levels_are_known_to_lambda_and_python() -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    known = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"} & logging.getLevelNamesMapping().keys()
    assert set(template()["Parameters"]["LogLevel"]["AllowedValues"]) == known - {"FATAL"}


@each_function
def test_exactly_the_functions_that_sign_exchange_requests_run_in_the_network(name: str) -> None:
    network = {"SubnetIds": {"Ref": "SubnetIds"}, "SecurityGroupIds": {"Ref": "SecurityGroupIds"}}
    expected = {"Fn::If": ["HasFixedEgress", network, {"Ref": "AWS::NoValue"}]}
    uses_keys = {"EXCHANGE_ENDPOINT", "CREDENTIAL_KEY_ID"} <= environment(name).keys() and name != "Session"
    assert FUNCTIONS[name].get("VpcConfig") == (expected if uses_keys else None)


NETWORK = {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
PAGES = {"CheckoutSuccessUrl": "https://app.test/paid", "CheckoutCancelUrl": "https://app.test/plans"}


def test_egress_lanes_need_a_network() -> None:
    shown = {"EgressLanes": "a=203.0.113.7"}
    assert broken_rules({}) == []
    assert broken_rules(NETWORK) == []
    assert broken_rules(shown | NETWORK) == []
    for missing in NETWORK:
        assert broken_rules(shown | NETWORK | {missing: ""}) == ["LanesAreFixed"]


def test_a_stage_with_stripe_needs_both_checkout_pages() -> None:
    sells = {"StripeSecretId": "purser/stripe"}
    assert broken_rules(PAGES) == []
    assert broken_rules(sells | PAGES) == []
    for page, address in PAGES.items():
        assert broken_rules(sells | {page: address}) == ["PayersAreLedBack"]


def test_snapshots_use_at_most_half_of_the_weight_of_the_exchange() -> None:
    parameters = template()["Parameters"]
    for kind, limit in VENUE_WEIGHT_PER_MINUTE.items():
        share = parameters[f"SnapshotWeightPerMinute{kind.value.capitalize()}"]
        assert share["Default"] * parameters["SnapshotWorkerConcurrency"]["Default"] <= limit / 2
        assert share["MinValue"] >= 5 * max(ACCOUNT[kind].weight, PRICES.weight)


def test_a_cancellation_has_at_least_a_minute() -> None:
    worker = FUNCTIONS["OrderCancellationWorker"]
    assert worker["Timeout"] / worker["Events"]["Jobs"]["Properties"]["BatchSize"] >= 60


@each_function
def test_lambda_traces_every_function(name: str) -> None:
    assert FUNCTIONS[name]["Tracing"] == "Active"


@each_function
def test_all_functions_log_into_one_group(name: str) -> None:
    assert FUNCTIONS[name]["LoggingConfig"]["LogGroup"] == {"Ref": "FunctionLog"}


def test_the_function_log_outlives_the_stack() -> None:
    log = template()["Resources"]["FunctionLog"]
    assert (log["DeletionPolicy"], log["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    # CloudFormation could not create a stack again whose retained group has a fixed name.
    assert "LogGroupName" not in log["Properties"]


def test_every_log_has_a_retention() -> None:
    groups = resources("AWS::Logs::LogGroup").values()
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups)
