"""Products and prices. The plans of Purser always exist."""

from __future__ import annotations

from local.doubles.stripe import shapes
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.routing import CREATED, PAGING, Call, Router
from local.doubles.stripe.wire import Params, StripeError

router = Router()

INTERVALS = ("day", "week", "month", "year")
PLANS = {"BASIC": 2000, "ADVANCED": 4000, "PROFESSIONAL": 6000}
"""Cents a month."""


def seed(account: Account) -> None:
    """Create the missing products and prices of the plans."""
    for name, cents in PLANS.items():
        product, price = f"prod_purser_{name.lower()}", f"price_purser_{name.lower()}"
        if account.find(product) is None:
            entity = account.add(shapes.product(account.now, f"Purser {name}", product))
            entity["metadata"]["plan"] = name
        if account.find(price) is None:
            entity = account.add(
                shapes.price(account.now, product, cents, {"interval": "month", "interval_count": 1}, price)
            )
            entity |= {"lookup_key": name.lower(), "metadata": {"plan": name}}


@router.endpoint("POST", "/v1/products", "id name description metadata active")
def create_product(call: Call) -> Object:
    params = call.params
    id = params.text("id")
    if id and call.account.find(id, "product"):
        raise StripeError("Product already exists.", "resource_already_exists", "id")
    entity = shapes.product(call.account.now, params.required("name"), id)
    entity |= {
        "metadata": params.metadata(),
        "description": params.text("description"),
        "active": params.flag("active", True),
    }
    return call.account.add(entity, "product.created")


@router.endpoint("POST", "/v1/products/{id}", "name description metadata active default_price")
def update_product(call: Call) -> Object:
    product, params = call.account.get("product", call.id), call.params
    texts = {name: params.text(name) for name in ("description", "default_price") if name in params}
    name, metadata = params.text("name") or product["name"], params.metadata(product["metadata"])
    active = params.flag("active", product["active"])
    with call.account.changing(product, "product.updated"):
        product |= {**texts, "name": name, "metadata": metadata, "active": active, "updated": call.account.now}
    return product


@router.endpoint("GET", "/v1/products/{id}")
def retrieve_product(call: Call) -> Object:
    return call.account.get("product", call.id)


@router.endpoint("GET", "/v1/products", f"{PAGING} {CREATED} active ids.*")
def list_products(call: Call) -> Object:
    ids = call.params.texts("ids")
    every = [each for each in call.account.all("product") if not ids or each["id"] in ids]
    return call.page(call.created(_active(call, every)))


@router.endpoint(
    "POST", "/v1/prices",
    "product unit_amount currency nickname lookup_key metadata active recurring.interval recurring.interval_count "
    "billing_scheme tiers_mode tiers.*.up_to tiers.*.unit_amount",
)  # fmt: skip
def create_price(call: Call) -> Object:
    params = call.params
    if params.required("currency") != shapes.CURRENCY:
        raise StripeError("This account sells in USD alone.", param="currency")
    product = call.account.get("product", params.required("product"), "product")
    tiers = _tiers(params)
    if not tiers:
        params.required("unit_amount")
    recurring = None
    if "recurring" in params:
        group = params.group("recurring")
        group.required("interval")
        interval = group.choice("interval", INTERVALS)
        recurring = {"interval": interval, "interval_count": group.integer("interval_count", 1, 1)}
    entity = shapes.price(call.account.now, product["id"], params.integer("unit_amount", 0, 0) or 0, recurring)
    entity |= {
        "nickname": params.text("nickname"),
        "metadata": params.metadata(),
        "active": params.flag("active", True),
    }
    if tiers:
        entity |= {"billing_scheme": "tiered", "tiers_mode": "volume", "unit_amount": None, "_tiers": tiers}
        entity["unit_amount_decimal"] = None
    entity["lookup_key"] = _free_lookup_key(call)
    return call.account.add(entity, "price.created")


def _tiers(params: Params) -> list[Object]:
    """The tiers of a price that depends on the quantity. It has no ``unit_amount``.

    Source: https://docs.stripe.com/api/prices/object#price_object-unit_amount.
    """
    if params.choice("billing_scheme", ("per_unit", "tiered")) != "tiered":
        return []
    if params.required("tiers_mode") != "volume":
        raise StripeError("This double prices by volume alone.", param="tiers_mode")
    return [
        {
            "up_to": None if each.text("up_to") == "inf" else each.integer("up_to"),
            "unit_amount": each.integer("unit_amount"),
        }
        for each in params.groups("tiers")
    ]


@router.endpoint("POST", "/v1/prices/{id}", "nickname lookup_key metadata active")
def update_price(call: Call) -> Object:
    price, params = call.account.get("price", call.id), call.params
    metadata, active = params.metadata(price["metadata"]), params.flag("active", price["active"])
    key = _free_lookup_key(call, price) if "lookup_key" in params else price["lookup_key"]
    with call.account.changing(price, "price.updated"):
        price |= {"metadata": metadata, "active": active, "lookup_key": key}
        price |= {"nickname": params.text("nickname")} if "nickname" in params else {}
    return price


def _free_lookup_key(call: Call, own: Object | None = None) -> str | None:
    key = call.params.text("lookup_key")
    if key and any(each is not own for each in call.account.where("price", lookup_key=key)):
        raise StripeError("A price already uses this lookup key.", param="lookup_key")
    return key


@router.endpoint("GET", "/v1/prices/{id}")
def retrieve_price(call: Call) -> Object:
    return call.account.get("price", call.id)


@router.endpoint("GET", "/v1/prices", f"{PAGING} {CREATED} active product type lookup_keys.*")
def list_prices(call: Call) -> Object:
    keys = call.params.texts("lookup_keys")
    every = [each for each in call.account.all("price") if not keys or each["lookup_key"] in keys]
    return call.page(call.created(_active(call, call.matching(every, "product", "type"))))


def _active(call: Call, objects: list[Object]) -> list[Object]:
    if "active" not in call.params:
        return objects
    wanted = call.params.flag("active")
    return [each for each in objects if each["active"] == wanted]
