"""The pages in a browser: a checkout, an invoice, and the double's home page."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import parse_qs

from local.doubles.kit import html
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.checkout_routes import CARDS, complete
from local.doubles.stripe.control import CALLS
from local.doubles.stripe.messages import Answer
from local.doubles.stripe.periods import day_of
from local.doubles.stripe.prices import cost
from local.doubles.stripe.subscriptions import name_of
from local.doubles.stripe.world import World

CHECKOUT = re.compile(r"/c/pay/(cs_test_\w+)")
INVOICE = re.compile(r"/i/(in_\w+?)(/pdf)?")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem; color: #1a1f36 }
button { display: block; width: 100%; margin: .6rem 0; padding: .8rem; font: inherit; border-radius: .4rem;
  border: 1px solid #c1c9d2; background: #fff; cursor: pointer }
#pay { background: #0a5bd8; border-color: #0a5bd8; color: #fff }
.note { color: #697386; font-size: .85rem } .amount { font-size: 2rem; margin: 0 }
[role=alert] { color: #b3093c }
"""
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
            action = parse_qs(body).get("action", [""])[0] if method == "POST" else ""
            return _click(double.account, session, action) if action else _checkout(double.account, session)
        found = double.account.find(invoice[1], "invoice") if invoice else None
        if found and found["number"]:
            return _invoice(found)
    return _page(404, "Not found", "<p>There is nothing here.</p>")


def _click(account: Account, session: Object, action: str) -> Answer:
    if session["status"] != "open" or action not in ("cancel", *CARDS):
        return _checkout(account, session)
    if action == "cancel":
        return _redirect(session["cancel_url"] or session["success_url"])
    if not complete(account, session, CARDS[action]):
        return _checkout(account, session, "Your card was declined.")
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
    trial = "" if session["amount_total"] else "<p class=note>Free trial first.</p>"
    cancel = "<button id=cancel name=action value=cancel>Cancel</button>" if session["cancel_url"] else ""
    return _page(
        200,
        name,
        f"""<p class=amount>${cents / 100:.2f} <small>per {each}</small></p>{trial}
<p role=alert>{alert}</p>
<form method=post>
<button id=pay name=action value=pay>Pay</button>
<button id=pay-declined-later name=action value=pay_declined_later>Pay with a card that is declined at renewal</button>
<button id=pay-declined name=action value=pay_declined>Pay with a card that is declined</button>
{cancel}
</form>
<p class=note>A double of Stripe's checkout on this machine. No money moves.</p>""",
    )


def _invoice(invoice: Object) -> Answer:
    rows = "".join(
        f"<li>{escape(line['description'])}: ${line['amount'] / 100:.2f}</li>" for line in invoice["lines"]["data"]
    )
    total = f"<p class=amount>${invoice['total'] / 100:.2f}</p><p>{invoice['status']}, {day_of(invoice['created'])}</p>"
    return _page(200, f"Invoice {escape(invoice['number'])}", f"{total}<ul>{rows}</ul>")


def _page(status: int, title: str, content: str) -> Answer:
    return Answer(status, html.page(title, content, STYLE), dict(html.HEADERS))
