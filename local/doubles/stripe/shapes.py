"""New objects, with every field of the pinned API version that is not optional.

Fields and their meanings: https://docs.stripe.com/api, and the types of the pinned client library.
"""

from __future__ import annotations

from typing import Any

from local.doubles.stripe.account import Object, new_id, public

CURRENCY = "usd"


def _object(kind: str, id: str, created: int, **fields: Any) -> Object:
    return {"id": id, "object": kind, "created": created, "livemode": False, **fields}


def listed(data: list[Object], url: str, has_more: bool = False) -> Object:
    """Return a list in its wire format."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def customer(now: int) -> Object:
    """Return a customer without details."""
    id = new_id("cus", 14)
    return _object(
        "customer", id, now,
        address=None, balance=0, currency=None, default_source=None, delinquent=False, description=None, discount=None,
        email=None, invoice_prefix=id[-8:].upper(), name=None, next_invoice_sequence=1, phone=None,
        invoice_settings={
            "custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None,
        },
        metadata={}, preferred_locales=[], shipping=None, tax_exempt="none", test_clock=None,
    )  # fmt: skip


def balance_transaction(now: int, customer: Object, amount: int, type: str, invoice: str | None = None) -> Object:
    """A change of a customer's balance that has been made: cents, negative for credit."""
    return _object(
        "customer_balance_transaction", new_id("cbtxn"), now,
        amount=amount, checkout_session=None, credit_note=None, currency=CURRENCY, customer=customer["id"],
        customer_account=None, description=None, ending_balance=customer["balance"], invoice=invoice, metadata={},
        type=type,
    )  # fmt: skip


def schedule(now: int, subscription: Object) -> Object:
    """A schedule that manages a subscription as it is."""
    start, until = (subscription["items"]["data"][0][f"current_period_{name}"] for name in ("start", "end"))
    return _object(
        "subscription_schedule", new_id("sub_sched"), now,
        application=None, billing_mode=subscription["billing_mode"], canceled_at=None, completed_at=None,
        current_phase={"start_date": start, "end_date": until}, customer=subscription["customer"],
        customer_account=None, default_settings={}, end_behavior="release", metadata={}, phases=[], released_at=None,
        released_subscription=None, status="active", subscription=subscription["id"], test_clock=None,
    )  # fmt: skip


def product(now: int, name: str, id: str | None = None) -> Object:
    """Return a service that is for sale."""
    return _object(
        "product", id or new_id("prod", 14), now,
        active=True, default_price=None, description=None, images=[], marketing_features=[], metadata={}, name=name,
        package_dimensions=None, shippable=None, statement_descriptor=None, tax_code=None, type="service",
        unit_label=None, updated=now, url=None,
    )  # fmt: skip


def price(now: int, product: str, unit_amount: int, recurring: Object | None, id: str | None = None) -> Object:
    """Return a price, in cents. ``recurring`` has ``interval`` and ``interval_count``."""
    filled = recurring and {"meter": None, "trial_period_days": None, "usage_type": "licensed", **recurring}
    return _object(
        "price", id or new_id("price"), now,
        active=True, billing_scheme="per_unit", currency=CURRENCY, custom_unit_amount=None, lookup_key=None,
        metadata={}, nickname=None, product=product, recurring=filled, tax_behavior="unspecified", tiers_mode=None,
        transform_quantity=None, type="recurring" if recurring else "one_time", unit_amount=unit_amount,
        unit_amount_decimal=str(unit_amount),
    )  # fmt: skip


def plan(price: Object) -> Object:
    """Return a recurring price in its older format, which subscription items still have too."""
    recurring = price["recurring"]
    return {
        "id": price["id"], "object": "plan", "active": price["active"], "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"], "billing_scheme": price["billing_scheme"],
        "created": price["created"], "currency": price["currency"], "interval": recurring["interval"],
        "interval_count": recurring["interval_count"], "livemode": False, "metadata": price["metadata"],
        "meter": None, "nickname": price["nickname"], "product": price["product"], "tiers_mode": None,
        "transform_usage": None, "trial_period_days": None, "usage_type": "licensed",
    }  # fmt: skip


def coupon(now: int, id: str | None, **fields: Any) -> Object:
    """Return a coupon. It takes off a percentage or an amount in cents."""
    return _object("coupon", id or new_id("")[1:9], now, redeem_by=None, times_redeemed=0, valid=True) | fields


def promotion_code(now: int, coupon: str, code: str | None, **fields: Any) -> Object:
    """Return a code that redeems a coupon."""
    return _object(
        "promotion_code", new_id("promo"), now,
        active=True, code=code or new_id("")[1:9].upper(), customer_account=None,
        promotion={"coupon": coupon, "type": "coupon"}, times_redeemed=0, _enabled=True,
    ) | fields  # fmt: skip


def discount(
    now: int, coupon: str, code: str | None, customer: str, subscription: str | None, end: int | None
) -> Object:
    """Return a redeemed coupon, which lasts until its end if it has one."""
    return {
        "id": new_id("di"), "object": "discount", "checkout_session": None, "customer": customer,
        "customer_account": None, "end": end, "invoice": None, "invoice_item": None, "promotion_code": code,
        "source": {"coupon": coupon, "type": "coupon"}, "start": now, "subscription": subscription,
        "subscription_item": None, "_over": False,
    }  # fmt: skip


def card(now: int, customer: str, declines: str) -> Object:
    """Return a card. ``declines`` says when it is declined: "never", "later" (at renewals) or "always"."""
    last4 = {"never": "4242", "later": "0341", "always": "0002"}[declines]
    empty = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
    return _object(
        "payment_method", new_id("pm"), now,
        allow_redisplay="limited", customer=customer, metadata={}, type="card",
        billing_details={"address": empty, "email": None, "name": None, "phone": None, "tax_id": None},
        card={
            "brand": "visa", "checks": None, "country": "US", "display_brand": "visa", "exp_month": 12,
            "exp_year": 2040, "fingerprint": new_id("fp")[3:19], "funding": "credit", "generated_from": None,
            "last4": last4, "networks": {"available": ["visa"], "preferred": None}, "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True}, "wallet": None,
        },
        _declines=declines,
    )  # fmt: skip


def subscription_item(now: int, subscription: str, price: Object, quantity: int, start: int, end: int) -> Object:
    """Return the item of a subscription, with the paid period."""
    return {
        "id": new_id("si", 14), "object": "subscription_item", "billed_until": end, "billing_thresholds": None,
        "created": now, "current_period_end": end, "current_period_start": start, "discounts": [], "metadata": {},
        "plan": plan(price), "price": public(price), "quantity": quantity, "subscription": subscription,
        "tax_rates": [],
    }  # fmt: skip


def subscription(now: int, customer: str, payment_method: str | None, metadata: dict[str, str]) -> Object:
    """Return a subscription without items."""
    id = new_id("sub")
    return _object(
        "subscription", id, now,
        application=None, application_fee_percent=None,
        automatic_tax={"disabled_reason": None, "enabled": False, "liability": None},
        billing_cycle_anchor=now, billing_cycle_anchor_config=None,
        billing_mode={"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": now},
        billing_schedules=[], billing_thresholds=None, cancel_at=None, cancel_at_period_end=False, canceled_at=None,
        cancellation_details={"comment": None, "feedback": None, "feedback_option": None, "reason": None},
        collection_method="charge_automatically", currency=CURRENCY, customer=customer, customer_account=None,
        days_until_due=None, default_payment_method=payment_method, default_source=None, default_tax_rates=[],
        description=None, discounts=[], ended_at=None,
        invoice_settings={
            "account_tax_ids": None, "custom_fields": None, "description": None, "footer": None,
            "issuer": {"type": "self"},
        },
        items=listed([], f"/v1/subscription_items?subscription={id}") | {"total_count": 1},
        latest_invoice=None, managed_payments=None, metadata=metadata, next_pending_invoice_item_invoice=None,
        on_behalf_of=None, pause_collection=None,
        payment_settings={
            "payment_method_options": None, "payment_method_types": None, "save_default_payment_method": "off",
        },
        pending_invoice_item_interval=None, pending_setup_intent=None, pending_update=None, schedule=None,
        start_date=now, status="incomplete", status_details=None, test_clock=None, transfer_data=None, trial_end=None,
        trial_settings={"end_behavior": {"missing_payment_method": "create_invoice"}}, trial_start=None,
        _trial_end_told=False,
    )  # fmt: skip


def invoice(now: int, customer: Object, subscription: Object, reason: str) -> Object:
    """Return a draft without lines."""
    id = new_id("in")
    return _object(
        "invoice", id, now,
        account_country="US", account_name="Purser", account_tax_ids=None, amount_due=0, amount_overpaid=0,
        amount_paid=0, amount_paid_off_stripe=0, amount_remaining=0, amount_shipping=0, application=None,
        attempt_count=0, attempted=False, auto_advance=True,
        automatic_tax={
            "disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None,
        },
        automatically_finalizes_at=None, billing_reason=reason, collection_method="charge_automatically",
        currency=CURRENCY, custom_fields=None, customer=customer["id"], customer_account=None, customer_address=None,
        customer_email=customer["email"], customer_name=customer["name"], customer_phone=None, customer_shipping=None,
        customer_tax_exempt="none", customer_tax_ids=[],
        default_payment_method=None, default_source=None, default_tax_rates=[], description=None, discounts=[],
        due_date=None, effective_at=None, ending_balance=None, footer=None, from_invoice=None, hosted_invoice_url=None,
        invoice_pdf=None, issuer={"type": "self"}, last_finalization_error=None, latest_revision=None,
        lines=listed([], f"/v1/invoices/{id}/lines") | {"total_count": 0},
        metadata={}, next_payment_attempt=None, number=None, on_behalf_of=None,
        parent={
            "quote_details": None, "type": "subscription_details",
            "subscription_details": {"metadata": dict(subscription["metadata"]), "subscription": subscription["id"]},
        },
        payment_settings={
            "default_mandate": None, "payment_method_options": None, "payment_method_types": None,
        },
        payments=None, period_end=now, period_start=now, post_payment_credit_notes_amount=0,
        pre_payment_credit_notes_amount=0, receipt_number=None, rendering=None, shipping_cost=None,
        shipping_details=None, starting_balance=0, statement_descriptor=None, status="draft", status_details=None,
        status_transitions={
            "finalized_at": None, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None,
        },
        subtotal=0, subtotal_excluding_tax=0, test_clock=None, total=0, total_discount_amounts=[],
        total_excluding_tax=0, total_pretax_credit_amounts=[], total_taxes=[], webhooks_delivered_at=now,
    )  # fmt: skip


def invoice_line(
    item: Object, amount: int, description: str, period: tuple[int, int], price: Object, proration: Object | None = None
) -> Object:
    """Return the line of an invoice, in cents. ``proration`` is its invoice item."""
    return {
        "id": new_id("il"), "object": "line_item", "amount": amount, "currency": CURRENCY, "description": description,
        "discount_amounts": [], "discountable": proration is None, "discounts": [], "invoice": None,
        "livemode": False, "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": proration and proration["id"], "proration": proration is not None,
                "proration_details": proration and {"credited_items": None}, "subscription": item["subscription"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"start": period[0], "end": period[1]}, "pretax_credit_amounts": [], "pricing": priced(price),
        "quantity": item["quantity"], "quantity_decimal": str(item["quantity"]), "subscription": item["subscription"],
        "subtotal": amount, "taxes": [],
    }  # fmt: skip


def priced(price: Object) -> Object:
    """Return the pricing of a line or item."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]}, "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }  # fmt: skip


def invoice_item(
    now: int, customer: str, item: Object, price: Object, amount: int, description: str, period: tuple[int, int]
) -> Object:
    """Return a proration that waits for an invoice, in cents. Negative amounts are credit."""
    return {
        "id": new_id("ii"), "object": "invoiceitem", "amount": amount, "currency": CURRENCY, "customer": customer,
        "customer_account": None, "date": now, "description": description, "discountable": False, "discounts": [],
        "frozen_fields": None, "invoice": None, "invoicing_rules": None, "livemode": False, "metadata": {},
        "net_amount": amount,
        "parent": {
            "subscription_details": {"subscription": item["subscription"], "subscription_item": item["id"]},
            "type": "subscription_details",
        },
        "period": {"start": period[0], "end": period[1]}, "pricing": priced(price), "proration": True,
        "proration_details": {"credited_items": None, "discount_amounts": []}, "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]), "tax_rates": [], "test_clock": None,
    }  # fmt: skip


def invoice_payment(now: int, invoice: Object, payment_intent: str) -> Object:
    """Return the link from an invoice to its payment intent."""
    return _object(
        "invoice_payment", new_id("inpay"), now,
        amount_paid=None, amount_requested=invoice["amount_due"], currency=CURRENCY, invoice=invoice["id"],
        is_default=True, payment={"payment_intent": payment_intent, "type": "payment_intent"}, status="open",
        status_transitions={"canceled_at": None, "paid_at": None},
    )  # fmt: skip


def payment_intent(now: int, invoice: Object, description: str) -> Object:
    """Return a payment intent for an amount in cents."""
    id = new_id("pi")
    return _object(
        "payment_intent", id, now,
        allowed_payment_method_types=None, amount=invoice["amount_due"], amount_capturable=0, amount_received=0,
        application=None, application_fee_amount=None, automatic_payment_methods=None, canceled_at=None,
        cancellation_reason=None, capture_method="automatic", client_secret=f"{id}_secret_{new_id('')[1:]}",
        confirmation_method="automatic", currency=CURRENCY, customer=invoice["customer"], customer_account=None,
        description=description, excluded_payment_method_types=None, last_payment_error=None, latest_charge=None,
        managed_payments=None, metadata={}, next_action=None, on_behalf_of=None, payment_method=None,
        payment_method_configuration_details=None, payment_method_options=None, payment_method_types=["card"],
        processing=None, receipt_email=None, review=None, setup_future_usage="off_session", shipping=None,
        source=None, statement_descriptor=None, statement_descriptor_suffix=None, status="requires_payment_method",
        transfer_data=None, transfer_group=None,
    )  # fmt: skip


def charge(now: int, intent: Object, card: Object, succeeded: bool) -> Object:
    """Return one attempt to charge a card."""
    id = new_id("ch")
    code = None if succeeded else "card_declined"
    return _object(
        "charge", id, now,
        amount=intent["amount"], amount_captured=intent["amount"] if succeeded else 0, amount_refunded=0,
        application=None, application_fee=None, application_fee_amount=None, authorization_code=None,
        balance_transaction=None, billing_details=card["billing_details"], calculated_statement_descriptor="PURSER",
        captured=succeeded, currency=CURRENCY, customer=intent["customer"], description=intent["description"],
        disputed=False, failure_balance_transaction=None, failure_code=code,
        failure_message=None if succeeded else "Your card was declined.", fraud_details={}, metadata={},
        on_behalf_of=None,
        outcome={
            "advice_code": None if succeeded else "try_again_later", "network_advice_code": None,
            "network_decline_code": None if succeeded else "05",
            "network_status": "approved_by_network" if succeeded else "declined_by_network",
            "reason": None if succeeded else "generic_decline", "risk_level": "normal",
            "seller_message": "Payment complete." if succeeded else "The bank did not return any further details.",
            "type": "authorized" if succeeded else "issuer_declined",
        },
        paid=succeeded, payment_intent=intent["id"], payment_method=card["id"],
        payment_method_details={"card": _charged_card(card["card"], intent), "type": "card"}, radar_options={},
        receipt_email=None,
        receipt_number=None, receipt_url=None, refunded=False, review=None, shipping=None, source=None,
        source_transfer=None, statement_descriptor=None, statement_descriptor_suffix=None,
        status="succeeded" if succeeded else "failed", transfer_data=None, transfer_group=None,
    )  # fmt: skip


def _charged_card(card: Object, intent: Object) -> Object:
    shown = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {
        **{name: card[name] for name in shown}, "amount_authorized": intent["amount"], "authorization_code": None,
        "checks": None, "installments": None, "mandate": None, "network": "visa", "network_token": None,
        "network_transaction_id": None, "regulated_status": "unregulated", "three_d_secure": None, "wallet": None,
    }  # fmt: skip


def refund(now: int, charge: Object, amount: int, reason: str | None, metadata: dict[str, str]) -> Object:
    """Return a refund to a card, in cents."""
    return {
        "id": new_id("re"), "object": "refund", "created": now, "amount": amount,
        "balance_transaction": None, "charge": charge["id"], "currency": CURRENCY,
        "customer": charge["customer"], "customer_account": None,
        "destination_details": {
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
            "type": "card",
        },
        "metadata": metadata, "payment_intent": charge["payment_intent"], "payment_method": charge["payment_method"],
        "reason": reason, "receipt_number": None, "source_transfer_reversal": None, "status": "succeeded",
        "transfer_reversal": None,
    }  # fmt: skip


def webhook_endpoint(now: int, url: str, enabled_events: list[str], secret: str, id: str | None = None) -> Object:
    """Return a webhook endpoint with its signing secret."""
    return _object(
        "webhook_endpoint", id or new_id("we"), now,
        api_version=None, application=None, description=None, enabled_events=enabled_events, metadata={},
        status="enabled", url=url, _secret=secret,
    )  # fmt: skip


def checkout_session(now: int, url: str, **fields: Any) -> Object:
    """Return an open checkout of a subscription. ``url`` is its page's, with {id} in it."""
    id = new_id("cs_test", 58)
    entity = _object(
        "checkout.session", id, now,
        adaptive_pricing=None, after_expiration=None, allow_promotion_codes=None, amount_subtotal=0, amount_total=0,
        automatic_tax={"enabled": False, "liability": None, "provider": None, "status": None},
        billing_address_collection=None, cancel_url=None, client_reference_id=None, client_secret=None,
        collected_information=None, consent=None, consent_collection=None, currency=CURRENCY, currency_conversion=None,
        custom_fields=[],
        custom_text={
            "after_submit": None, "shipping_address": None, "submit": None, "terms_of_service_acceptance": None,
        },
        customer=None, customer_account=None, customer_creation=None, customer_details=None, customer_email=None,
        discounts=[], integration_identifier=None, invoice=None, invoice_creation=None, locale=None,
        managed_payments=None, metadata={}, mode="subscription", origin_context=None, payment_intent=None,
        payment_link=None, payment_method_collection="always", payment_method_configuration_details=None,
        payment_method_options={}, payment_method_types=["card"], payment_status="unpaid", permissions=None,
        phone_number_collection={"enabled": False}, recovered_from=None, saved_payment_method_options=None,
        setup_intent=None, shipping_address_collection=None, shipping_cost=None, shipping_options=[], status="open",
        submit_type=None, subscription=None,
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0}, ui_mode="hosted_page",
        url=url.format(id=id), wallet_options=None,
    )  # fmt: skip
    return entity | fields
