"""``Idempotency-Key``: a repeated request gets the first answer again, and nothing is done twice."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import AfterValidator, BaseModel, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from purser.decimals import plain
from purser.errors import IdempotencyKeyReused, RequestInFlight, Unavailable
from purser.http import wire
from purser.http.caller import Caller
from purser.settings import settings

KEPT_SECONDS = 25 * 3600
LONGEST_KEY = 128

M = TypeVar("M", bound=BaseModel)


def _key(value: str) -> str:
    if not 0 < len(value) <= LONGEST_KEY or not value.isprintable() or not value.isascii():
        raise PydanticCustomError("rule_key", "must be 1 to 128 printable characters")
    return value


IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key"),
    AfterValidator(_key),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]*$"}),
]
"""A route parameter: the optional header ``Idempotency-Key``. Its default must be None."""


def new_id(caller: Caller, route: str, key: str | None) -> str:
    """Return the id for what a request creates: random, or with an Idempotency-Key the same on every attempt.

    An attempt after a crash between the write and the answer thus finds what was written.
    """
    if key is None:
        return str(uuid.uuid4())
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"purser:{caller.user_id}:{route}:{key}"))


def once(caller: Caller, route: str, key: str | None, request: BaseModel, act: Callable[[], M], model: type[M]) -> M:
    """Call ``act`` once for each caller, route and key, and return its first result.

    A failed attempt does not use up the key. Results are kept for at least 24 hours.

    Raises:
        IdempotencyKeyReused: the key was used with another request.
        RequestInFlight: the first request is still running.
        Unavailable: the record cannot be read or written.
    """
    if key is None:
        return act()
    from aws_lambda_powertools.utilities.idempotency import (
        DynamoDBPersistenceLayer,
        IdempotencyConfig,
        idempotent_function,
    )
    from aws_lambda_powertools.utilities.idempotency import exceptions as refused
    from aws_lambda_powertools.utilities.idempotency.serialization.custom_dict import CustomDictSerializer

    from purser.aws.clients import client

    config = IdempotencyConfig(
        event_key_jmespath="key",
        payload_validation_jmespath="request",
        raise_on_no_idempotency_key=True,
        expires_after_seconds=KEPT_SECONDS,
        hash_function="sha256",
    )
    # An attempt whose process died counts as in flight for as long as it could have lived.
    config.register_lambda_context(BaseRouter.lambda_context)
    store = DynamoDBPersistenceLayer(settings().require("idempotency_table"), boto3_client=client("dynamodb"))
    kept = CustomDictSerializer(
        to_dict=lambda answer: {"json": wire.dump(answer.model_dump())},
        from_dict=lambda data: model.model_validate(wire.load(data["json"])),
    )

    decorate: Any = idempotent_function(
        data_keyword_argument="call", config=config, persistence_store=store, output_serializer=kept
    )

    def only_once(*, call: dict[str, str]) -> M:  # noqa: ARG001 - what Powertools keys the record by
        return act()

    try:
        answered: M = decorate(only_once)(call={"key": f"{caller.user_id}:{route}:{key}", "request": _digest(request)})
        return answered
    except refused.IdempotencyValidationError:
        raise IdempotencyKeyReused from None
    except (refused.IdempotencyAlreadyInProgressError, refused.IdempotencyInconsistentStateError):
        raise RequestInFlight from None
    except refused.IdempotencyPersistenceLayerError as error:
        raise Unavailable from error


def _digest(request: BaseModel) -> str:
    """Return a digest of a request that ignores how its numbers were written."""
    canonical = json.dumps(request.model_dump(), default=_canonical, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return plain(value) if isinstance(value, Decimal) else str(value)
