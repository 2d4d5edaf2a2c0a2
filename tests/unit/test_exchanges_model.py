"""Valuing balances, and the types of the exchange port."""

from dataclasses import FrozenInstanceError
from decimal import Decimal, localcontext

import pytest

from purser.exchanges.model import AccountBalance, ApiCredential, AssetBalance, Prices, TradeType, is_symbol
from purser.exchanges.valuation import Valuation, value_usd

PRICES = Prices(
    {
        "USDCUSDT": Decimal("1.0002"),
        "BTCUSDT": Decimal("19191.90"),
        "ETHUSDT": Decimal("1300.5"),
        "ARBUSDC": Decimal("0.5"),
        "OLDBTC": Decimal("0.00000002"),
        "HALTEDUSDT": Decimal("0.00000000"),
    }
)


def spot(**totals: str) -> AccountBalance:
    return AccountBalance(
        TradeType.SPOT,
        tuple(AssetBalance(asset, Decimal(total), Decimal(0), Decimal(total)) for asset, total in totals.items()),
    )


def worth(usdc_usd: str = "1", **totals: str) -> Decimal:
    return value_usd(spot(**totals), PRICES, Decimal(usdc_usd)).total_usd


def test_usdc_is_valued_by_the_parameter() -> None:
    assert worth(USDC="12.5") == Decimal("12.5")
    assert worth("0.99", USDC="100") == 99


def test_usdt_is_valued_by_the_price_of_usdc() -> None:
    assert worth(USDT="1.0002") == 1
    assert worth("0.5", USDT="1.0002") == Decimal("0.5")


def test_other_assets_are_valued_in_their_usdt_usdc_or_btc_market() -> None:
    assert worth(ETH="10.002") == 10 * Decimal("1300.5")
    assert worth(ARB="3") == Decimal("1.5")
    assert worth(OLD="100020000") == Decimal("0.00000002") * Decimal("19191.90") * 100_000_000
    assert worth(BTC="1.0002") == Decimal("19191.90")


def test_the_first_of_these_markets_decides() -> None:
    prices = Prices(
        {**PRICES.by_market, "XUSDC": Decimal(5), "XBTC": Decimal(7), "USDCUSDT": Decimal(2), "XUSDT": Decimal(6)}
    )
    assert value_usd(spot(X="1"), prices).total_usd == 3


def test_an_asset_without_a_price_is_left_out_and_reported() -> None:
    valuation = value_usd(spot(USDC="1", ZZZ="5", NOPE="0.1", HALTED="3", LDUSDT="0"), PRICES)
    assert valuation.total_usd == 1
    assert valuation.unpriced == ("HALTED", "NOPE", "ZZZ")


def test_without_a_usdc_price_usdt_markets_are_not_used() -> None:
    prices = Prices({"BTCUSDT": Decimal(20000), "BTCUSDC": Decimal(30000), "ETHUSDT": Decimal(1)})
    valuation = value_usd(spot(USDT="5", BTC="1", ETH="1"), prices)
    assert valuation.total_usd == 30000
    assert valuation.unpriced == ("ETH", "USDT")


def test_an_asset_that_is_only_the_quote_of_markets_counts_at_the_inverse() -> None:
    prices = Prices({"USDCUSDT": Decimal(1), "USDTTRY": Decimal(40), "BTCUSDC": Decimal(50000), "BTCZAR": Decimal(100)})
    assert value_usd(spot(TRY="42100"), prices).total_usd == Decimal("1052.5")
    assert value_usd(spot(ZAR="1"), prices).total_usd == 500
    direct = Prices({**prices.by_market, "TRYUSDT": Decimal("0.02")})
    assert value_usd(spot(TRY="100"), direct).total_usd == 2


def test_an_asset_in_earn_counts_as_its_underlying() -> None:
    assert worth(LDUSDT="1.0002", LDUSDC="2", LDBTC="1.0002") == 3 + Decimal("19191.90")
    prices = Prices({**PRICES.by_market, "LDOUSDT": Decimal(2)})
    assert value_usd(spot(LDO="1.0002"), prices).total_usd == 2
    assert value_usd(spot(LD="1", LDNOPE="1"), PRICES).unpriced == ("LD", "LDNOPE")


def test_futures_credits_count_as_dollars_and_may_be_a_debt() -> None:
    assert worth(USDC="500", BNFCR="695") == 1195
    assert worth("0.5", USDC="1000", BNFCR="-400") == 100


def test_the_total_of_the_venue_precedes() -> None:
    balance = AccountBalance(TradeType.FUTURES, spot(USDC="500", ZZZ="3").balances, Decimal("1195.123456785"))
    assert value_usd(balance, PRICES) == Valuation(Decimal("1195.12345678"), ())


def test_a_negative_margin_balance_is_subtracted() -> None:
    assert worth(USDC="10", USDT="-1.0002") == 9


def test_the_total_is_rounded_once_half_to_even() -> None:
    assert worth(USDC="0.000000005") == 0
    assert worth(USDC="0.000000015") == Decimal("0.00000002")
    assert worth(A="0", USDC="12345678901234567890123456.123456785") == Decimal("12345678901234567890123456.12345678")


def test_valuation_ignores_the_decimal_context() -> None:
    with localcontext(prec=3):
        assert str(worth(USDC="2383.52587258")) == "2383.52587258"


def test_a_market_that_never_traded_has_no_price() -> None:
    assert PRICES.last("HALTED", "USDT") is None
    assert PRICES.last("NO", "SUCH") is None
    assert PRICES.last("BTC", "USDT") == Decimal("19191.90")


def test_a_credential_is_immutable_and_does_not_show_its_secret() -> None:
    credential = ApiCredential("key", "hush")
    assert "hush" not in f"{credential!r} {credential}"
    with pytest.raises(FrozenInstanceError):
        credential.secret = "other"  # type: ignore[misc]


@pytest.mark.parametrize("bad", ["", " ", "a b", "ключ", "a\nb", "a\x00", "\ud800", "-----BEGIN PRIVATE KEY-----"])
def test_a_credential_that_cannot_be_sent_is_malformed(bad: str) -> None:
    assert not ApiCredential(bad, "secret").is_well_formed
    assert not ApiCredential("key", bad).is_well_formed
    assert ApiCredential("k" * 64, "s" * 64).is_well_formed


@pytest.mark.parametrize("text", ["BTC/USDT", "1000SATS/USDT", "币安人生/USDT", "Ж/É", "A" * 20 + "/" + "1" * 20])
def test_a_symbol_has_two_assets_of_any_script(text: str) -> None:
    assert is_symbol(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "BTCUSDT",
            "btc/usdt",
            "BTC/",
            "/USDT",
            "BTC/USDT/X",
            "BTC/USDT:USDT",
            "BTC /USDT",
            "BTC/US_D",
            "BTC-USDT",
            "",
        ),
        *("BTC/\u202eUSDT", "BTC/USDT\n", "B\0C/USDT", "A" * 21 + "/USDT", "\u200d/USDT", "😀/USDT"),
    ],
)
def test_other_text_is_no_symbol(text: str) -> None:
    assert not is_symbol(text)
