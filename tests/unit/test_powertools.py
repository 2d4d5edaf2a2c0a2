"""Pins the private names of Powertools that ``purser.http._powertools`` builds on."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, api_gateway
from aws_lambda_powertools.event_handler.middlewares import openapi_validation

CHECKED = "3.37.0"
"""The version whose private names were reviewed last."""


def test_the_version_is_the_one_that_was_reviewed() -> None:
    assert version("aws-lambda-powertools") == CHECKED, (
        f"Powertools is no longer {CHECKED}: read its changes to what purser/http/_powertools.py overrides, "
        "then change CHECKED here"
    )


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (api_gateway, "_DEPENDS_CACHE_KEY"),
        (openapi_validation.OpenAPIRequestValidationMiddleware, "_get_body"),
        (openapi_validation.OpenAPIResponseValidationMiddleware, "_serialize_response_with_validation"),
        (APIGatewayRestResolver(enable_validation=True), "_request_validation_middleware"),
        (APIGatewayRestResolver(enable_validation=True), "_response_validation_middleware"),
        (APIGatewayRestResolver(), "_static_routes"),
        (APIGatewayRestResolver(), "_dynamic_routes"),
        (APIGatewayRestResolver(), "_compile_regex"),
    ],
)
def test_a_private_name_exists(owner: Any, name: str) -> None:
    assert hasattr(owner, name), f"Powertools has no {name} any more: purser/http/_powertools.py builds on it"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (openapi_validation.OpenAPIRequestValidationMiddleware.handler, "_get_body"),
        (openapi_validation.OpenAPIResponseValidationMiddleware, "_serialize_response_with_validation("),
        (api_gateway.Route, "app._request_validation_middleware"),
        (api_gateway.Route, "app._response_validation_middleware"),
        (api_gateway.ApiGatewayResolver, '"_route"'),
        (api_gateway.ApiGatewayResolver.route, "self._compile_regex(rule"),
        (api_gateway._registered_api_adapter, "_DEPENDS_CACHE_KEY"),
    ],
)
def test_powertools_uses_a_private_name(function: Any, name: str) -> None:
    assert name in inspect.getsource(function), f"Powertools does not use {name} any more: an override has no effect"
