"""Test the gateway in the template: routes, authorization, throttles, and the gateway's own responses."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.events import SECURITY_HEADERS, call
from tests.support.functions import load_function, new_process
from tests.support.template import functions, resources, template

FUNCTIONS = functions()
APIS = resources("AWS::Serverless::Api")
SHARED = template()["Globals"]["Api"]
PEOPLE = "aws.cognito.signin.user.admin"
OPEN = {
    ("CustomerApi", "GET", "/v1/docs"),
    ("CustomerApi", "GET", "/v1/docs/openapi.json"),
    ("CustomerApi", "GET", "/v1/pub/exchange/ticker"),
    ("CustomerApi", "GET", "/v1/pub/subscription/list"),
    ("CustomerApi", "GET", "/v1/pub/strategy/profile/list"),
    ("CustomerApi", "GET", "/v1/pub/strategy/list"),
    ("CustomerApi", "GET", "/v1/pub/strategy/{id}/history"),
    ("CustomerApi", "GET", "/v1/pub/strategy/{id}/performance"),
    ("CustomerApi", "POST", "/v1/pub/webhook/signal/{strategyId}"),
    ("CustomerApi", "POST", "/v1/pub/webhook/telegram"),
    ("CustomerApi", "POST", "/v1/pub/webhook/stripe"),
    ("DeskApi", "GET", "/api/v3"),
    ("DeskApi", "GET", "/api/v3/health"),
    ("DeskApi", "POST", "/api/v3/auth/login"),
    ("DeskApi", "POST", "/api/v3/auth/challenge"),
    ("DeskApi", "POST", "/api/v3/auth/token/refresh"),
}
SIGNED_IN = {
    ("CustomerApi", "GET", "/v1/priv/account/exchange/whitelist/ip"),
    ("CustomerApi", "GET", "/v1/priv/account/exchange/balance"),
    ("CustomerApi", "GET", "/v1/priv/account/exchange/key/list"),
    ("CustomerApi", "POST", "/v1/priv/account/exchange/key"),
    ("CustomerApi", "PUT", "/v1/priv/account/exchange/key/{id}"),
    ("CustomerApi", "DELETE", "/v1/priv/account/exchange/key/{id}"),
    ("CustomerApi", "GET", "/v1/priv/account/exchange/key/{id}/balance"),
    ("CustomerApi", "GET", "/v1/priv/account/exchange/key/{id}/balance/history"),
    ("CustomerApi", "GET", "/v1/priv/account/profile"),
    ("CustomerApi", "PUT", "/v1/priv/account/profile"),
    ("CustomerApi", "GET", "/v1/priv/account/notification/method"),
    ("CustomerApi", "GET", "/v1/priv/account/notification"),
    ("CustomerApi", "PUT", "/v1/priv/account/notification"),
    ("CustomerApi", "GET", "/v1/priv/account/subscription"),
    ("CustomerApi", "GET", "/v1/priv/account/subscription/stripe"),
    ("CustomerApi", "PUT", "/v1/priv/account/subscription/stripe"),
    ("CustomerApi", "POST", "/v1/priv/account/subscription/stripe/checkout"),
    ("CustomerApi", "GET", "/v1/priv/account/subscription/stripe/billing/history"),
    ("CustomerApi", "GET", "/v1/priv/strategy/follow/exchange/key/{id}"),
    ("CustomerApi", "POST", "/v1/priv/strategy/follow/exchange/key/{id}"),
    ("CustomerApi", "PUT", "/v1/priv/strategy/follow/{id}"),
    ("CustomerApi", "DELETE", "/v1/priv/strategy/follow/{id}"),
    ("CustomerApi", "GET", "/v1/priv/strategy/follow/{id}/execution/list"),
    ("CustomerApi", "POST", "/v1/admin/strategy"),
    ("CustomerApi", "PUT", "/v1/admin/strategy/{id}"),
    ("CustomerApi", "POST", "/v1/admin/strategy/{id}/result"),
    ("CustomerApi", "POST", "/v1/admin/strategy/{id}/signal"),
    ("CustomerApi", "GET", "/v1/admin/strategy/{id}/signal/list"),
    ("CustomerApi", "POST", "/v1/admin/strategy/{id}/secret"),
    ("CustomerApi", "PUT", "/v1/admin/strategy/{id}/mode"),
    ("CustomerApi", "PUT", "/v1/admin/trading/mode"),
    ("CustomerApi", "POST", "/v1/admin/strategy/profile"),
    ("CustomerApi", "PUT", "/v1/admin/strategy/profile/{id}"),
    ("CustomerApi", "GET", "/v1/priv/account/trade/manual/history"),
    ("CustomerApi", "GET", "/v1/priv/account/trade/strategy/history"),
    ("CustomerApi", "GET", "/v1/priv/exchange/order/{id}/list"),
    ("CustomerApi", "GET", "/v1/priv/exchange/order/{id}/history"),
    ("CustomerApi", "GET", "/v1/priv/exchange/trade/{id}/history"),
    ("CustomerApi", "GET", "/v1/priv/exchange/position/{id}"),
    ("CustomerApi", "DELETE", "/v1/priv/exchange/position/{id}"),
    ("CustomerApi", "POST", "/v1/priv/exchange/order/{id}"),
    ("CustomerApi", "PUT", "/v1/priv/exchange/order/{id}/leverage"),
    ("CustomerApi", "PUT", "/v1/priv/exchange/order/{id}/margin"),
    ("CustomerApi", "GET", "/v1/admin/account/user/list"),
    ("CustomerApi", "GET", "/v1/admin/account/user/overview/{id}"),
    ("CustomerApi", "PUT", "/v1/admin/account/user/{id}/subscription"),
    ("CustomerApi", "GET", "/v1/admin/audit"),
    ("DeskApi", "POST", "/api/v3/auth/logout"),
    ("DeskApi", "GET", "/api/v3/auth/user"),
    ("DeskApi", "POST", "/api/v3/fermata/wallet/create"),
    ("DeskApi", "GET", "/api/v3/fermata/wallet/get"),
    ("DeskApi", "GET", "/api/v3/fermata/wallet/list"),
    ("DeskApi", "POST", "/api/v3/fermata/wallet/freeze"),
    ("DeskApi", "POST", "/api/v3/fermata/wallet/unfreeze"),
    ("DeskApi", "POST", "/api/v3/fermata/wallet/close"),
    ("DeskApi", "POST", "/api/v3/fermata/wallet/deposit"),
    ("DeskApi", "POST", "/api/v3/fermata/wallet/withdraw"),
    ("DeskApi", "POST", "/api/v3/fermata/wallet/transfer"),
    ("DeskApi", "POST", "/api/v3/fermata/wallet/transaction/reverse"),
    ("DeskApi", "GET", "/api/v3/fermata/wallet/transaction/list"),
    ("DeskApi", "GET", "/api/v3/fermata/wallet/entry/list"),
    ("DeskApi", "GET", "/api/v3/tradingAccount/portfolio/list"),
    ("DeskApi", "POST", "/api/v3/tradingAccount/connect"),
    ("DeskApi", "GET", "/api/v3/tradingAccount/list"),
    ("DeskApi", "POST", "/api/v3/tradingAccount/update"),
    ("DeskApi", "POST", "/api/v3/tradingAccount/enable"),
    ("DeskApi", "POST", "/api/v3/tradingAccount/disable"),
    ("DeskApi", "POST", "/api/v3/tradingAccount/disconnect"),
    ("DeskApi", "GET", "/api/v3/tradingAccount/operation/list"),
    ("DeskApi", "POST", "/api/v3/credential/create"),
    ("DeskApi", "POST", "/api/v3/credential/verify"),
    ("DeskApi", "POST", "/api/v3/credential/rotate"),
    ("DeskApi", "POST", "/api/v3/credential/revoke"),
    ("DeskApi", "GET", "/api/v3/credential/list"),
    ("AccountsApi", "POST", "/accounts"),
    ("AccountsApi", "GET", "/accounts"),
    ("AccountsApi", "GET", "/accounts/{accountID}"),
    ("AccountsApi", "PATCH", "/accounts/{accountID}"),
    ("AccountsApi", "DELETE", "/accounts/{accountID}"),
}
NOWHERE = {
    ("CustomerApi", "ANY", "/"),
    ("CustomerApi", "ANY", "/{proxy+}"),
    ("DeskApi", "ANY", "/api/v3/{proxy+}"),
    ("AccountsApi", "ANY", "/accounts"),
    # Not {proxy+}, as API Gateway allows one variable at a position.
    ("AccountsApi", "ANY", "/accounts/{accountID}"),
    ("AccountsApi", "ANY", "/accounts/{accountID}/{proxy+}"),
}
STATUSES: dict[str, int | None] = {
    "ACCESS_DENIED": 403,
    "API_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_FAILURE": 500,
    "BAD_REQUEST_BODY": 400,
    "BAD_REQUEST_PARAMETERS": 400,
    "DEFAULT_4XX": None,
    "DEFAULT_5XX": None,
    "EXPIRED_TOKEN": 401,
    "INTEGRATION_FAILURE": 502,
    "INTEGRATION_TIMEOUT": 504,
    "INVALID_API_KEY": 403,
    "INVALID_SIGNATURE": 404,
    "MISSING_AUTHENTICATION_TOKEN": 404,
    "QUOTA_EXCEEDED": 429,
    "REQUEST_TOO_LARGE": 413,
    "RESOURCE_NOT_FOUND": 404,
    "THROTTLED": 429,
    "UNAUTHORIZED": 401,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "WAF_FILTERED": 403,
}
DESK_ERRNOS: dict[int | None, int] = {
    401: -190401,
    403: -190403,
    404: -190404,
    413: -190413,
    429: -190429,
    500: -190500,
    502: -190500,
    504: -190500,
}

each_type = pytest.mark.parametrize("kind", STATUSES)


def triggers(function: str) -> list[dict[str, Any]]:
    return [e["Properties"] for e in FUNCTIONS[function]["Events"].values() if e["Type"] == "Api"]


def route(trigger: dict[str, Any]) -> tuple[str, str, str]:
    return trigger["RestApiId"]["Ref"], trigger["Method"], trigger["Path"]


def test_exactly_the_routes_that_the_contract_opens_need_no_token() -> None:
    routes = {route(t): t.get("Auth") for name in FUNCTIONS for t in triggers(name)}
    assert {r for r, auth in routes.items() if auth == {"Authorizer": "NONE"}} == OPEN | NOWHERE
    assert {r for r, auth in routes.items() if auth is None} == SIGNED_IN


def test_unknown_paths_of_every_api_reach_the_same_function() -> None:
    assert {route(t) for t in triggers("RouteNotFound")} == NOWHERE


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if triggers(n) and n != "RouteNotFound"])
def test_a_function_has_exactly_the_routes_that_the_gateway_sends_to_it(name: str) -> None:
    with new_process() as patch:
        for variable in FUNCTIONS[name]["Environment"]["Variables"]:
            patch.delenv(variable, raising=False)
        app = load_function(re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()).app
    answered = {(r.method, re.sub(r"<(\w+)>", r"{\1}", r.path)) for r in [*app._static_routes, *app._dynamic_routes]}
    assert answered == {(t["Method"], t["Path"]) for t in triggers(name)}


@pytest.mark.parametrize("name", APIS)
def test_the_cognito_authorizer_is_the_default_and_takes_access_tokens(name: str) -> None:
    auth = APIS[name]["Auth"]
    assert auth["DefaultAuthorizer"] == "Cognito"
    assert auth["AddDefaultAuthorizerToCorsPreflight"] is False
    authorizer = auth["Authorizers"]["Cognito"]
    assert authorizer["UserPoolArn"] == {"Fn::GetAtt": ["UserPool", "Arn"]}
    assert PEOPLE in authorizer["AuthorizationScopes"]


def test_machine_clients_reach_only_the_accounts_api() -> None:
    (server,) = resources("AWS::Cognito::UserPoolResourceServer").values()
    machine = {f"{server['Identifier']}/{scope['ScopeName']}" for scope in server["Scopes"]}
    scopes = {name: set(api["Auth"]["Authorizers"]["Cognito"]["AuthorizationScopes"]) for name, api in APIS.items()}
    assert scopes == {"CustomerApi": {PEOPLE}, "DeskApi": {PEOPLE}, "AccountsApi": {PEOPLE} | machine}
    assert set(resources("AWS::Cognito::UserPoolClient")["MachineClient"]["AllowedOAuthScopes"]) == machine


def body(api: str, kind: str) -> str:
    templates = APIS[api]["GatewayResponses"][kind]["ResponseTemplates"]
    assert templates.keys() == {"application/json"}
    return str(templates["application/json"])


@pytest.mark.parametrize("kind", ["INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN", "RESOURCE_NOT_FOUND"])
@pytest.mark.parametrize(
    ("api", "path"), [("CustomerApi", "/v1/nowhere"), ("DeskApi", "/api/v3/nowhere"), ("AccountsApi", "/accounts/1/x")]
)
def test_the_gateway_answers_an_unknown_route_as_the_function_does(api: str, path: str, kind: str) -> None:
    answer = call(load_function("route_not_found").handler, "GET", path)
    assert (answer.status, answer.text) == (STATUSES[kind], body(api, kind))


@each_type
@pytest.mark.parametrize("api", APIS)
def test_no_gateway_response_repeats_the_request(api: str, kind: str) -> None:
    assert "$" not in body(api, kind)


@each_type
def test_gateway_responses_of_the_customer_api_have_its_error_format(kind: str) -> None:
    assert json.loads(body("CustomerApi", kind)).keys() == {"message"}


@each_type
def test_gateway_responses_of_the_desk_api_have_its_error_format(kind: str) -> None:
    answer = json.loads(body("DeskApi", kind))
    assert answer.keys() == {"data", "success", "errno", "error"}
    assert (answer["data"], answer["success"]) == (None, False)
    default = {"DEFAULT_4XX": -190001, "DEFAULT_5XX": -190500}.get(kind, -190001)
    assert answer["errno"] == DESK_ERRNOS.get(STATUSES[kind], default)


@each_type
def test_gateway_responses_of_the_accounts_api_have_no_body(kind: str) -> None:
    assert body("AccountsApi", kind) == ""


@each_type
def test_every_gateway_response_has_its_status_and_headers(kind: str) -> None:
    shared = SHARED["GatewayResponses"][kind]
    assert shared.get("StatusCode") == STATUSES[kind]
    headers = shared["ResponseParameters"]["Headers"]
    assert headers["x-request-id"] == "context.requestId"
    added = {name.lower(): value for name, value in headers.items()}
    assert added.items() >= {name: f"'{value}'" for name, value in SECURITY_HEADERS.items()}.items()
    assert added["cache-control"] == "'no-store'"
    assert headers["Access-Control-Allow-Origin"] == SHARED["Cors"]["AllowOrigin"]


def test_every_api_defines_every_gateway_response() -> None:
    assert SHARED["GatewayResponses"].keys() == STATUSES.keys()
    assert all(api["GatewayResponses"].keys() == STATUSES.keys() for api in APIS.values())


def test_cors_allows_the_headers_that_the_functions_read() -> None:
    from purser.http.app import ALLOWED_HEADERS

    assert SHARED["Cors"]["AllowHeaders"] == f"'{','.join(ALLOWED_HEADERS)}'"


@pytest.mark.parametrize("name", APIS)
def test_apis_are_regional_traced_logged_and_throttled_without_data_traces(name: str) -> None:
    assert SHARED["EndpointConfiguration"] == {"Type": "REGIONAL"}
    assert SHARED["TracingEnabled"] is True
    assert APIS[name]["AccessLogSetting"]["DestinationArn"] == {"Fn::GetAtt": [f"{name}Log", "Arn"]}
    (everything,) = [s for s in SHARED["MethodSettings"] if (s["HttpMethod"], s["ResourcePath"]) == ("*", "/*")]
    assert everything["ThrottlingRateLimit"] > 0
    assert "DataTraceEnabled" not in everything  # it would log tokens and secrets


def test_the_public_ticker_and_webhooks_are_throttled_below_the_rest() -> None:
    throttled = {s["ResourcePath"].replace("~1", "/"): s for s in APIS["CustomerApi"]["MethodSettings"]}
    assert throttled.keys() == {
        "//v1/pub/exchange/ticker",
        "//v1/pub/webhook/stripe",
        "//v1/pub/webhook/signal/{strategyId}",
    }
    everything = SHARED["MethodSettings"][0]
    assert all(s["ThrottlingRateLimit"] < everything["ThrottlingRateLimit"] for s in throttled.values())


def test_routes_that_check_passwords_or_codes_are_throttled_below_the_rest() -> None:
    throttled = {s["ResourcePath"].replace("~1", "/"): s for s in APIS["DeskApi"]["MethodSettings"]}
    assert throttled.keys() == {f"//api/v3/auth/{path}" for path in ("login", "challenge", "token/refresh")}
    everything = SHARED["MethodSettings"][0]
    assert all(s["ThrottlingRateLimit"] < everything["ThrottlingRateLimit"] for s in throttled.values())


def test_access_logs_have_the_caller_and_no_query_body_header_or_token() -> None:
    caller = {"sub": "context.authorizer.claims.sub", "clientId": "context.authorizer.claims.client_id"}
    for api in APIS.values():
        logged = {name: text.removeprefix("$") for name, text in json.loads(api["AccessLogSetting"]["Format"]).items()}
        assert logged.items() >= caller.items()
        others = [field for name, field in logged.items() if name not in caller]
        assert not [field for field in others if re.search("query|header|authorizer|token|body", field, re.IGNORECASE)]


def test_a_custom_domain_keeps_the_full_paths_of_each_api() -> None:
    (distribution,) = resources("AWS::CloudFront::Distribution").values()
    config = distribution["DistributionConfig"]
    behaviors = {b["PathPattern"]: b["TargetOriginId"] for b in config["CacheBehaviors"]}
    assert behaviors == {
        "/v1/*": "CustomerApi",
        "/api/v3": "DeskApi",
        "/api/v3/*": "DeskApi",
        "/accounts": "AccountsApi",
        "/accounts/*": "AccountsApi",
    }
    assert {origin["OriginPath"]["Fn::Sub"] for origin in config["Origins"]} == {"/${Stage}"}
