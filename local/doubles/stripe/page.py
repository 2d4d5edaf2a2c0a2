"""The pages in a browser: a checkout, an invoice, and the double's home page."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import parse_qs

from local.doubles.kit import html
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.checkout_routes import CARDS, complete, enter_code, needs_card
from local.doubles.stripe.control import CALLS
from local.doubles.stripe.messages import Answer
from local.doubles.stripe.periods import day_of
from local.doubles.stripe.prices import cost, name_of
from local.doubles.stripe.wire import StripeError
from local.doubles.stripe.world import World

CHECKOUT = re.compile(r"/c/pay/(cs_test_\w+)")
INVOICE = re.compile(r"/i/(in_\w+?)(/pdf)?")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem; color: #1a1f36 }
button, input { display: block; width: 100%; margin: .6rem 0; padding: .8rem; font: inherit; border-radius: .4rem;
  border: 1px solid #c1c9d2; background: #fff; cursor: pointer }
input { box-sizing: border-box; cursor: text }
#pay { background: #0a5bd8; border-color: #0a5bd8; color: #fff }
.note { color: #697386; font-size: .85rem } .amount { font-size: 2rem; margin: 0 }
[role=alert] { color: #b3093c }
"""
CODE_FIELD = """<input id=code name=promotion_code placeholder="Promotion code">
<button id=apply name=action value=apply>Apply</button>"""
OTHER_CARDS = """<button id=pay-declined-later name=action value=pay_declined_later>Pay with a card that is declined
at renewal</button>
<button id=pay-declined name=action value=pay_declined>Pay with a card that is declined</button>"""
HOME = html.page(
    "Stripe double",
    f"""<p>A double of the parts of Stripe that sell subscriptions, on this machine: checkout pages, invoices, signed
webhooks, and a clock that can be put forward. No money moves.</p>
<p>Stripe's own API is below <code>/v1</code>, for whoever has the secret key (<code>.local/stripe/keys.json</code>).
The control API takes and answers JSON and needs no sign-in:</p>
{html.control_table(CALLS)}""",
)
"""The page at the double's address."""


def show(double: World, method: str, path: str, body: str) -> Answer:
    """Return the page of a path. A POST is a click on one of its buttons."""
    if (method, path) == ("GET", "/"):
        return Answer(200, HOME, dict(html.HEADERS))
    checkout, invoice = CHECKOUT.fullmatch(path), INVOICE.fullmatch(path)
    with double.turn():
        session = double.account.find(checkout[1], "checkout.session") if checkout else None
        if session:
            form = {name: values[0] for name, values in parse_qs(body).items()} if method == "POST" else {}
            return _click(double.account, session, form) if form else _checkout(double.account, session)
        found = double.account.find(invoice[1], "invoice") if invoice else None
        if found and found["number"]:
            return _invoice(found)
    return _page(404, "Not found", "<p>There is nothing here.</p>")


def _click(account: Account, session: Object, form: dict[str, str]) -> Answer:
    action, code = form.get("action", ""), form.get("promotion_code")
    if session["status"] != "open" or action not in ("cancel", "apply", *CARDS):
        return _checkout(account, session)
    if action == "cancel":
        return _redirect(session["cancel_url"] or session["success_url"])
    try:
        if code:
            enter_code(account, session, code)
        if action == "apply":
            return _checkout(account, session)
        if not complete(account, session, CARDS[action]):
            return _checkout(account, session, "Your card was declined.")
    except StripeError as refused:
        return _checkout(account, session, escape(str(refused)))
    return _redirect(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))


def _redirect(url: str) -> Answer:
    return Answer(303, "", html.HEADERS | {"Location": url})


def _checkout(account: Account, session: Object, alert: str = "") -> Answer:
    price = account.get("price", session["_price"])
    name = escape(name_of(account, price))
    if session["status"] != "open":
        text = "You are all done here." if session["status"] == "complete" else "This checkout page has expired."
        return _page(200, name, f"<p id=closed>{text}</p>")
    cents, each = cost(price, session["_quantity"]), price["recurring"]["interval"]
    trial = "" if session["amount_subtotal"] else "<p class=note>Free trial first.</p>"
    less = session["total_details"]["amount_discount"]
    discount = f"<p class=note>Discount: ${less / 100:.2f}. Due today: ${session['amount_total'] / 100:.2f}</p>"
    cancel = "<button id=cancel name=action value=cancel>Cancel</button>" if session["cancel_url"] else ""
    return _page(
        200,
        name,
        f"""<p class=amount>${cents / 100:.2f} <small>per {each}</small></p>{trial}{discount if less else ""}
<p role=alert>{alert}</p>
<form method=post>
{CODE_FIELD if session["allow_promotion_codes"] else ""}
<button id=pay name=action value=pay>{"Pay" if needs_card(session) else "Subscribe"}</button>
{OTHER_CARDS if needs_card(session) else ""}
{cancel}
</form>
<p class=note>A double of Stripe's checkout on this machine. No money moves.</p>""",
    )


def _invoice(invoice: Object) -> Answer:
    amounts = [(escape(line["description"]), line["amount"]) for line in invoice["lines"]["data"]]
    amounts += [("Discount", -each["amount"]) for each in invoice["total_discount_amounts"]]
    rows = "".join(f"<li>{what}: ${cents / 100:.2f}</li>" for what, cents in amounts)
    total = f"<p class=amount>${invoice['total'] / 100:.2f}</p><p>{invoice['status']}, {day_of(invoice['created'])}</p>"
    return _page(200, f"Invoice {escape(invoice['number'])}", f"{total}<ul>{rows}</ul>")


def _page(status: int, title: str, content: str) -> Answer:
    return Answer(status, html.page(title, content, STYLE), dict(html.HEADERS))
