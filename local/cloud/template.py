"""The built template, read by SAM CLI's own providers, with every reference resolved for this machine."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samcli.commands._utils.template import get_template_data
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.provider import Api
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

from local.cloud.account import REGION

DEFAULT_MEMORY, DEFAULT_TIMEOUT = 128, 3  # Lambda's own

DYNAMIC_REFERENCE = re.compile(r"\{\{resolve:secretsmanager:(\w+)\}\}")

Properties = dict[str, Any]


@dataclass(frozen=True)
class Function:
    """The properties that a function needs to run."""

    name: str
    code: Path
    layers: tuple[Path, ...]
    handler: str
    memory: int
    timeout: int
    variables: Mapping[str, str]
    log_format: str
    log_level: str | None
    properties: Properties = field(repr=False)

    def events(self, kind: str) -> Iterator[tuple[str, Properties]]:
        """Return the names and properties of the events of a type."""
        for name, event in (self.properties.get("Events") or {}).items():
            if event["Type"] == kind:
                yield name, event.get("Properties") or {}


class Template:
    """A built template. ``names`` has the machine's names of resources, and ``parameters`` override the defaults."""

    def __init__(self, path: Path, names: Mapping[str, Mapping[str, str]], parameters: Mapping[str, str]) -> None:
        # SAM CLI warns about each Cognito authorizer, because it does not emulate them.
        logging.getLogger("samcli").setLevel(logging.ERROR)
        self.folder = path.resolve().parent
        self.names = names
        self._stacks, _ = SamLocalStackProvider.get_stacks(
            template_file=str(path.resolve()),
            parameter_overrides={**parameters, **names},
            global_parameter_overrides={"AWS::Region": REGION, "AWS::StackName": "purser-local"},
        )
        self._resources: dict[str, Any] = self._stacks[0].resources

    def resources(self, kind: str) -> dict[str, Properties]:
        """Return the properties of all resources of a type by logical id, in the template's order."""
        every = self._resources.items()
        return {_logical_id(key, each): _properties(each) for key, each in every if each["Type"] == kind}

    @property
    def people_client(self) -> str:
        """Return the id of the client that people sign in with: the first one without a secret."""
        clients = self.resources("AWS::Cognito::UserPoolClient")
        return next(self.names[name]["Ref"] for name in clients if not clients[name].get("GenerateSecret"))

    def api(self) -> Api:
        """Return all routes, as SAM CLI reads them."""
        return ApiProvider(self._stacks, cwd=str(self.folder)).api

    def functions(self) -> dict[str, Function]:
        """Return all functions by logical id."""
        return {each.name: self._function(each) for each in SamFunctionProvider(self._stacks).get_all()}

    def _function(self, given: Any) -> Function:
        variables = (given.environment or {}).get("Variables") or {}
        logging_config = given.logging_config or {}
        return Function(
            name=given.name,
            code=(self.folder / given.codeuri).resolve(),
            layers=tuple((self.folder / layer.codeuri).resolve() for layer in given.layers),
            handler=given.handler,
            memory=given.memory or DEFAULT_MEMORY,
            timeout=given.timeout or DEFAULT_TIMEOUT,
            variables={name: self._resolved(str(value)) for name, value in variables.items()},
            log_format=logging_config.get("LogFormat", "Text"),
            log_level=logging_config.get("ApplicationLogLevel"),
            properties=self._resources[given.name]["Properties"],
        )

    def _resolved(self, value: str) -> str:
        """Return a variable with its dynamic references to secrets of the template resolved, as CloudFormation does."""
        return DYNAMIC_REFERENCE.sub(lambda found: self.names[found[1]]["SecretString"], value)


def resource_types(path: Path) -> dict[str, str]:
    """Return the types of a template's resources by logical id, before anything is resolved."""
    return {name: resource["Type"] for name, resource in get_template_data(str(path))["Resources"].items()}


def layer_sources(path: Path) -> dict[str, Path]:
    """Return the folders that a template's layers are built from, by logical id."""
    resources = get_template_data(str(path))["Resources"].items()
    kind = "AWS::Serverless::LayerVersion"
    return {name: path.parent / each["Properties"]["ContentUri"] for name, each in resources if each["Type"] == kind}


def _logical_id(key: str, resource: Mapping[str, Any]) -> str:
    # SAM CLI replaces the logical id with what a reference resolves to.
    return str((resource.get("Metadata") or {}).get("SamResourceId", key))


def _properties(resource: Mapping[str, Any]) -> Properties:
    return {name: value for name, value in (resource.get("Properties") or {}).items() if name != "Metadata"}
