"""The value of a balance, for any assets and prices."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from purser.exchanges.model import AccountBalance, AssetBalance, Prices, TradeType
from purser.exchanges.valuation import Valuation, value_usd

ASSETS = ["USDC", "USDT", "BTC", "ETH", "BNB", "ARB", "XYZ"]
MARKETS = [base + quote for base in ASSETS for quote in ("USDT", "USDC", "BTC") if base != quote]
ROUNDING = Fraction(1, 2 * 10**8)


def decimals(low: str, high: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(low, high, places=18, allow_nan=False, allow_infinity=False)


AMOUNTS = decimals("-1000000000000", "1000000000000")
PRICES = st.dictionaries(st.sampled_from(MARKETS), decimals("0", "1000000"), max_size=len(MARKETS)).map(Prices)
USDC = decimals("0.5", "1.5")
HOLDINGS = st.lists(st.tuples(st.sampled_from(ASSETS), AMOUNTS), max_size=10)


Holdings = list[tuple[str, Decimal]]


def account(holdings: Holdings) -> AccountBalance:
    zero = Decimal(0)
    return AccountBalance(TradeType.FUTURES, tuple(AssetBalance(asset, zero, zero, total) for asset, total in holdings))


@given(HOLDINGS, PRICES, USDC)
def test_a_valuation_is_a_decimal_with_eight_places(holdings: Holdings, prices: Prices, usdc: Decimal) -> None:
    total = value_usd(account(holdings), prices, usdc).total_usd
    assert type(total) is Decimal
    assert total.is_finite()
    assert total.as_tuple().exponent == -8


@given(HOLDINGS.flatmap(lambda h: st.tuples(st.just(h), st.permutations(h))), PRICES, USDC)
def test_the_order_of_assets_does_not_matter(pair: tuple[Holdings, Holdings], prices: Prices, usdc: Decimal) -> None:
    one, other = pair
    assert value_usd(account(one), prices, usdc) == value_usd(account(other), prices, usdc)


@given(HOLDINGS, HOLDINGS, PRICES, USDC)
def test_the_value_of_two_accounts_is_the_value_of_both_together(
    one: Holdings, other: Holdings, prices: Prices, usdc: Decimal
) -> None:
    apart = [Fraction(value_usd(account(h), prices, usdc).total_usd) for h in (one, other)]
    together = Fraction(value_usd(account(one + other), prices, usdc).total_usd)
    assert abs(together - sum(apart)) <= 3 * ROUNDING


@given(HOLDINGS, st.sampled_from(ASSETS), decimals("0", "1000000"), PRICES, USDC)
def test_adding_an_asset_never_lowers_the_value(
    holdings: Holdings, asset: str, more: Decimal, prices: Prices, usdc: Decimal
) -> None:
    before = value_usd(account(holdings), prices, usdc).total_usd
    assert value_usd(account([*holdings, (asset, more)]), prices, usdc).total_usd >= before


@given(HOLDINGS, PRICES, USDC)
def test_unpriced_assets_add_nothing_and_are_reported(holdings: Holdings, prices: Prices, usdc: Decimal) -> None:
    strange = [("NOBODYKNOWS", Decimal("1E+30"))]
    known = value_usd(account(holdings), prices, usdc)
    valuation = value_usd(account(holdings + strange), prices, usdc)
    assert valuation.total_usd == known.total_usd
    assert set(valuation.unpriced) == {*known.unpriced, "NOBODYKNOWS"}


@given(HOLDINGS, PRICES, USDC)
def test_every_asset_is_counted_or_reported(holdings: Holdings, prices: Prices, usdc: Decimal) -> None:
    unpriced = value_usd(account(holdings), prices, usdc).unpriced
    priced = [(asset, total) for asset, total in holdings if asset not in unpriced]
    total = value_usd(account(holdings), prices, usdc).total_usd
    assert value_usd(account(priced), prices, usdc) == Valuation(total, ())
    assert set(unpriced) <= {asset for asset, total in holdings if total}


@given(AMOUNTS, USDC)
def test_usdc_alone_is_exact(amount: Decimal, usdc: Decimal) -> None:
    total = value_usd(account([("USDC", amount)]), Prices({}), usdc).total_usd
    assert abs(Fraction(total) - Fraction(amount) * Fraction(usdc)) <= ROUNDING


@given(st.integers(-(10**29), 10**29), decimals("0.000000000000000001", "1000"))
def test_amounts_keep_thirty_digits(units: int, price: Decimal) -> None:
    amount = Decimal(f"{units}E-12")
    prices = Prices({"USDCUSDT": Decimal(1), "ETHUSDT": price})
    total = value_usd(account([("ETH", amount)]), prices).total_usd
    assert abs(Fraction(total) - Fraction(amount) * Fraction(price)) <= ROUNDING
