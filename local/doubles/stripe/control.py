"""The control API, by which tests and developers set the state of the double.

It takes and answers JSON without sign-in, from loopback callers only.

Every refusal is a 400 ``{"error", "field"}``; an unknown path 404.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local.doubles.stripe import discounts
from local.doubles.stripe.collecting import ENDED
from local.doubles.stripe.faults import KINDS, Fault
from local.doubles.stripe.messages import Answer
from local.doubles.stripe.subscriptions import cancel_in_portal
from local.doubles.stripe.webhooks import ACTIONS, KIND, Rule
from local.doubles.stripe.world import World

Body = dict[str, Any]
DECLINES = ("never", "later", "always")
AFTER_RETRIES = ("cancel", "unpaid", "past_due")
DELETED_CUSTOMERS = ("listed", "refused")
LONGEST_JUMP_MS = 10 * 366 * 86_400_000


class Refused(Exception):
    """A field is invalid."""

    def __init__(self, field: str, text: str):
        self.field = field
        super().__init__(text)


def control(double: World, method: str, path: str, text: str) -> Answer:
    """Answer one control request."""
    call = CALLS.get((method, path))
    if call is None:
        return Answer(404, {"error": f"there is no {method} {path}", "field": ""})
    try:
        answer = call(double, _body(text))
    except Refused as refused:
        return Answer(400, {"error": str(refused), "field": refused.field})
    return answer if isinstance(answer, Answer) else Answer(200, answer)


def _body(text: str) -> Body:
    try:
        body = json.loads(text or "{}")
    except ValueError as error:
        raise Refused("", f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refused("", "the body is no JSON object")
    return body


def _number(body: Body, name: str, default: int | None = None, most: int = LONGEST_JUMP_MS) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise Refused(name, f"must be a whole number from 0 to {most}")
    return value


def _word(body: Body, name: str, words: tuple[str, ...]) -> str:
    value = body.get(name)
    if value not in words:
        raise Refused(name, f"must be one of {', '.join(words)}")
    return str(value)


def _text(body: Body, name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise Refused(name, "must be a text")
    return value


def _time(now: int) -> Body:
    return {"now": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"), "nowMs": now * 1000}


def _clock(double: World, body: Body) -> Body:
    """Put the clock forward: `advanceMs`, or `to` as milliseconds or ISO 8601. It never goes back.

    Renewals, invoices and retries on the way happen in their order before the answer.
    """
    if "to" not in body:
        return _time(double.advance(_number(body, "advanceMs") // 1000))
    to = body["to"]
    try:
        moment = to // 1000 if isinstance(to, int) else int(datetime.fromisoformat(str(to)).timestamp())
    except ValueError:
        raise Refused("to", "must be milliseconds or an ISO 8601 time") from None
    with double.lock, double.turn() as now:
        if not 0 <= moment - now <= LONGEST_JUMP_MS // 1000:
            raise Refused("to", "must lie ahead, at most ten years")
        return _time(double.advance(moment - now))


def _show_time(double: World, _: Body) -> Body:
    """Tell the time of the double."""
    with double.turn() as now:
        return _time(now)


def _add_fault(double: World, body: Body) -> Body:
    """Arm a fault for the next `times` (1) requests below `path` (`/v1`), after letting `skip` (0) of them pass.

    `kind` is `http_500` (with `kept`, also the answer to its idempotency key from then on), `http_500_after` (the work
    is done, and the idempotency key keeps the 500), `rate_limit`, `timeout_before`, `timeout_after` (dropped before or
    after the work is done) or `slow`. `method` narrows it down, `delayMs` waits.
    """
    fault = Fault(
        _word(body, "kind", KINDS),
        _text(body, "path", "/v1"),
        body.get("method"),
        _number(body, "times", 1) or 1,
        _number(body, "skip", 0),
        _number(body, "delayMs", 0, 600_000),
        bool(body.get("kept")),
    )
    with double.lock:
        double.faults.arm(fault)
    return vars(fault)


def _show_faults(double: World, _: Body) -> list[Body]:
    """List the armed faults."""
    with double.lock:
        return [dict(vars(fault)) for fault in double.faults.armed]


def _clear_faults(double: World, _: Body) -> Body:
    """Disarm every fault."""
    with double.lock:
        double.faults.clear()
    return {}


def _outage(double: World, body: Body) -> Answer:
    """Refuse all connections for `ms` from this answer on, those to the control API too."""
    return Answer(200, {}, then=double.go_away(_number(body, "ms", most=600_000) / 1000))


def _show_state(double: World, _: Body) -> Body:
    """Show every customer, subscription, invoice, charge, refund and checkout, and the time."""
    return double.state()


def _reset(double: World, _: Body) -> Body:
    """Forget everything but the prices, Purser's webhook endpoint and the time. Faults and rules go too."""
    double.reset()
    return {}


def _show_requests(double: World, _: Body) -> list[Body]:
    """List the latest 10,000 requests with their parameters and answers' statuses, oldest first."""
    with double.lock:
        return list(double.requests)


def _clear_requests(double: World, _: Body) -> Body:
    """Forget the requests."""
    with double.lock:
        double.requests.clear()
    return {}


def _settings(double: World, body: Body) -> Body:
    """Change how unpaid invoices are retried, and how lists treat deleted customers.

    `retryDays` is a list of days after which they are; `afterRetries`, what becomes of the subscription then: `cancel`,
    `unpaid` or `past_due`. With `deletedCustomers` `refused` instead of `listed`, lists of a deleted customer's objects
    are refused.
    """
    changed: Body = {}
    if "retryDays" in body:
        days = body["retryDays"]
        if not isinstance(days, list) or not all(isinstance(day, int) and day > 0 for day in days):
            raise Refused("retryDays", "must be a list of whole numbers of days")
        changed["retryDays"] = days
    if "afterRetries" in body:
        changed["afterRetries"] = _word(body, "afterRetries", AFTER_RETRIES)
    if "deletedCustomers" in body:
        changed["deletedCustomers"] = _word(body, "deletedCustomers", DELETED_CUSTOMERS)
    with double.turn():
        double.account.change_settings(**changed)
        return dict(double.account.settings)


def _cards(double: World, body: Body) -> Body:
    """Have a `customer`'s cards declined from now on: `declines` is `never`, `later` (at renewals) or `always`."""
    customer, declines = _text(body, "customer"), _word(body, "declines", DECLINES)
    with double.turn():
        cards = list(double.account.where("payment_method", customer=customer))
        if not cards:
            raise Refused("customer", "has no card")
        for card in cards:
            card["_declines"] = declines
            double.account.save(card)
        return {"cards": [card["id"] for card in cards]}


def _dispute(double: World, body: Body) -> Body:
    """Have the bank of a `charge` dispute it. A disputed charge cannot be refunded."""
    with double.turn():
        charge = double.account.find(_text(body, "charge"), "charge")
        if charge is None or not charge["paid"]:
            raise Refused("charge", "must be the id of a successful charge")
        with double.account.changing(charge, "charge.updated"):
            charge["disputed"] = True
    return {}


def _discount(double: World, body: Body) -> Body:
    """Give a `customer` a `coupon` for all invoices, as the dashboard does. Stripe's API has no parameter for it."""
    with double.turn():
        customer = double.account.find(_text(body, "customer"), "customer")
        coupon = double.account.find(_text(body, "coupon"), "coupon")
        if customer is None or customer.get("_deleted"):
            raise Refused("customer", "must be the id of a customer")
        if coupon is None or not discounts.is_valid(double.account, coupon):
            raise Refused("coupon", "must be the id of a valid coupon")
        discounts.give(double.account, customer, coupon)
    return {}


def _portal(double: World, body: Body) -> Body:
    """Have a customer cancel a `subscription` in Stripe's portal.

    It ends with its period, by `cancel_at` and not by `cancel_at_period_end`.
    """
    with double.turn():
        subscription = double.account.find(_text(body, "subscription"), "subscription")
        if subscription is None or subscription["status"] in ENDED:
            raise Refused("subscription", "must be the id of a subscription that has not ended")
        cancel_in_portal(double.account, subscription)
    return {}


def _show_webhooks(double: World, _: Body) -> Body:
    """List the events that were sent, those that wait for another try, and those that are held."""
    with double.lock:
        waiting = double.account.all(KIND)
        held = [{"event": event["id"], "type": event["type"]} for event in double.webhooks.held]
        return {"sent": list(double.webhooks.sent), "waiting": [dict(each) for each in waiting], "held": held}


def _add_rule(double: World, body: Body) -> Body:
    """Mistreat the next `times` (1) events of a `type` (`*`; `customer.subscription.*` means several).

    `action` is `drop`, `repeat`, `delay` (by `delayMs`) or `hold`.
    """
    rule = Rule(
        _word(body, "action", ACTIONS),
        _text(body, "type", "*"),
        _number(body, "times", 1) or 1,
        _number(body, "delayMs", 0, 600_000),
    )
    with double.lock:
        double.webhooks.rules.append(rule)
    return vars(rule)


def _clear_rules(double: World, _: Body) -> Body:
    """Remove every rule about events. Events that are held stay held."""
    with double.lock:
        double.webhooks.rules.clear()
    return {}


def _release(double: World, body: Body) -> Body:
    """Send the held events, in the `order` of a list of event ids or as they came."""
    order = body.get("order")
    if order is not None and not (isinstance(order, list) and all(isinstance(each, str) for each in order)):
        raise Refused("order", "must be a list of event ids")
    return {"sent": double.webhooks.release(order)}


def _resend(double: World, body: Body) -> Body:
    """Send an `event` again, by its id, also if it was delivered."""
    with double.turn():
        event = double.account.find(_text(body, "event"), "event")
        if event is None:
            raise Refused("event", "there is none")
        double.webhooks.post(event)
    return {}


def _flush(double: World, body: Body) -> Body:
    """Try at once what waits for another try.

    Answers when all is taken, or after `timeoutMs` (10000): `{"delivered": true}` or false.
    """
    double.webhooks.retry_now()
    return {"delivered": double.webhooks.wait(_number(body, "timeoutMs", 10_000, 600_000) / 1000)}


CALLS: dict[tuple[str, str], Callable[[World, Body], Any]] = {
    ("GET", "/_clock"): _show_time,
    ("POST", "/_clock"): _clock,
    ("GET", "/_faults"): _show_faults,
    ("POST", "/_faults"): _add_fault,
    ("DELETE", "/_faults"): _clear_faults,
    ("POST", "/_outage"): _outage,
    ("GET", "/_state"): _show_state,
    ("DELETE", "/_state"): _reset,
    ("GET", "/_requests"): _show_requests,
    ("DELETE", "/_requests"): _clear_requests,
    ("PATCH", "/_settings"): _settings,
    ("PATCH", "/_cards"): _cards,
    ("POST", "/_disputes"): _dispute,
    ("POST", "/_discounts"): _discount,
    ("POST", "/_portal"): _portal,
    ("GET", "/_webhooks"): _show_webhooks,
    ("POST", "/_webhooks"): _add_rule,
    ("DELETE", "/_webhooks"): _clear_rules,
    ("POST", "/_webhooks/release"): _release,
    ("POST", "/_webhooks/resend"): _resend,
    ("POST", "/_webhooks/flush"): _flush,
}
