"""The local system's own pages on the gateway's port: the home page, and the pages after a checkout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from local.demo.people import PASSWORDS, ROLES, email_of
from local.doubles.kit import html

PAID, NOT_PAID = "/checkout/success", "/checkout/cancel"
"""The pages to which the double of Stripe leads after a payment, and after leaving the checkout."""


@dataclass(frozen=True)
class Place:
    """An address that a person may want to open."""

    name: str
    url: str
    about: str


def places(url: str, paper_url: str, stripe_url: str) -> list[Place]:
    """Return the running parts with their addresses. Doubles without a URL are left out."""
    every = [
        Place("Purser", url, "the three APIs: /v1, /api/v3 and /accounts"),
        Place("API reference", f"{url}/v1/docs", "for tools: /v1/docs/openapi.json"),
        Place("Paper exchange", paper_url, "its page lists how to move prices, issue keys and arm faults"),
        Place("Stripe double", stripe_url, "its page lists how to advance time and to arm faults"),
    ]
    return [place for place in every if place.url]


def home(where: Iterable[Place], demo_data: str) -> str:
    """Return the home page. ``demo_data`` is the progress of the demo data, empty without any."""
    rows = ((place.name, html.link(place.url), place.about) for place in where)
    people = ((email_of(name), f"<code>{word}</code>", ROLES[name]) for name, word in PASSWORDS.items())
    return html.page(
        "Purser on this machine",
        f"""<p>Everything runs here, on loopback. Nothing that happens costs money.</p>
{html.table(("What", "Where", ""), rows)}
{html.table(("User", "Password", ""), people)}
{f"<p id=demo-data>Demo data: {demo_data}.</p>" if demo_data else ""}
<p>README.md has a session to paste: a first order, a first subscription. docs/local.md says the rest.</p>
<p class=note>A page of the local system. It is not part of what deploys.</p>""",
    )


def paid() -> str:
    """Return the page after a payment."""
    return html.page(
        "Paid",
        """<p>The double of Stripe has taken your payment. Its webhook switches the plan on within a second or two:
<code>GET /v1/priv/account/subscription</code> shows it.</p>
<p>In production this is a page of your own: the parameter <code>CheckoutSuccessUrl</code> names it.</p>
<p><a href="/">What runs here</a></p>""",
    )


def not_paid() -> str:
    """Return the page after leaving the checkout without paying."""
    return html.page(
        "Not paid",
        """<p>You left the checkout. Nothing was charged, and its page can still be used.</p>
<p>In production this is a page of your own: the parameter <code>CheckoutCancelUrl</code> names it.</p>
<p><a href="/">What runs here</a></p>""",
    )
