"""Events, and the endpoints that receive them."""

from __future__ import annotations

from fnmatch import fnmatchcase

from local.doubles.stripe import shapes
from local.doubles.stripe.account import Object, new_id
from local.doubles.stripe.routing import CREATED, PAGING, Call, Router
from local.doubles.stripe.wire import StripeError

router = Router()


@router.endpoint("GET", "/v1/events/{id}")
def retrieve(call: Call) -> Object:
    return call.account.get("event", call.id)


@router.endpoint("GET", "/v1/events", f"{PAGING} {CREATED} type types.*")
def list_all(call: Call) -> Object:
    kinds = [call.params.text("type") or "*"] if "type" in call.params else call.params.texts("types") or ["*"]
    every = (each for each in call.account.all("event") if any(fnmatchcase(each["type"], kind) for kind in kinds))
    return call.page(call.created(every))


@router.endpoint("POST", "/v1/webhook_endpoints", "url enabled_events.* description metadata")
def create_endpoint(call: Call) -> Object:
    """Create an endpoint. Only this answer has its secret."""
    params = call.params
    url, events = params.required("url"), params.texts("enabled_events")
    if not url.startswith(("http://", "https://")):
        raise StripeError("Invalid URL: an explicit scheme (such as https) must be provided.", "url_invalid", "url")
    if not events:
        raise StripeError("Missing required param: enabled_events.", "parameter_missing", "enabled_events")
    endpoint = shapes.webhook_endpoint(call.account.now, url, events, new_id("whsec", 32))
    endpoint |= {"description": params.text("description"), "metadata": params.metadata()}
    call.account.add(endpoint)
    return endpoint | {"secret": endpoint["_secret"]}


@router.endpoint("POST", "/v1/webhook_endpoints/{id}", "url enabled_events.* description metadata disabled")
def update_endpoint(call: Call) -> Object:
    endpoint, params = call.account.get("webhook_endpoint", call.id), call.params
    metadata, disabled = (
        params.metadata(endpoint["metadata"]),
        params.flag("disabled", endpoint["status"] == "disabled"),
    )
    with call.account.changing(endpoint):
        endpoint |= {"metadata": metadata, "status": "disabled" if disabled else "enabled"}
        endpoint["url"] = params.text("url") or endpoint["url"]
        endpoint["enabled_events"] = params.texts("enabled_events") or endpoint["enabled_events"]
    return endpoint


@router.endpoint("DELETE", "/v1/webhook_endpoints/{id}")
def delete_endpoint(call: Call) -> Object:
    endpoint = call.account.get("webhook_endpoint", call.id)
    call.account.remove(endpoint)
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


@router.endpoint("GET", "/v1/webhook_endpoints/{id}")
def retrieve_endpoint(call: Call) -> Object:
    return call.account.get("webhook_endpoint", call.id)


@router.endpoint("GET", "/v1/webhook_endpoints", PAGING)
def list_endpoints(call: Call) -> Object:
    return call.page(call.account.all("webhook_endpoint"))
