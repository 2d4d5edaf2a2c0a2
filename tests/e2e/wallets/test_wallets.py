"""Wallets and the ledger, over HTTP: what is done, what is refused and in which words, and exact amounts."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.support.desk_client import Wallet, parsed
from tests.support.samples import CUSTOMER, WALLETS
from tests.support.wallet_client import WalletClient, movement, transfer

INVALID, FORBIDDEN, NO_ROLE, REUSED = (400, -140001), (403, -140003), (403, -190403), (400, -190409)
SHORT, FROZEN, CLOSED, TOO_MUCH = (400, -140004), (400, -140009), (400, -140008), (400, -140010)
EXACT = "12345678901234567890.1234567891"  # 30 digits


def name(wallet: Wallet) -> dict[str, str]:
    return {"walletId": wallet.walletId}


def unknown(id: str) -> tuple[int, int, str]:
    return (404, -140002, f"Wallet not found: {id}")


def test_a_wallet_is_what_was_asked_for(user: WalletClient) -> None:
    plain = user.create()
    assert (plain.walletType, plain.status, plain.allowNegative, plain.metadata) == ("CLIENT", "ACTIVE", False, {})
    assert plain.createdAt == plain.updatedAt
    named = user.create(nickname="Trading Wallet", metadata={"desk": "7"})
    assert named.metadata == {"nickname": "Trading Wallet", "desk": "7"}
    assert user.get(named) == named
    assert user.list(f"{WALLETS}/list") == [named, plain]

    key = str(uuid4())
    once = user.create(key, nickname="Once")
    assert user.create(key, nickname="Once") == once
    assert user.refuses("create", {"nickname": "Twice"}, key)[:2] == REUSED
    assert len(user.list(f"{WALLETS}/list")) == 3


def test_what_only_an_admin_chooses(user: WalletClient, admin: WalletClient) -> None:
    asked: list[dict[str, Any]] = [{"walletType": kind} for kind in ("DEALER", "EXCHANGE", "ACCOUNTING")]
    asked += [{"allowNegative": True}, {"userId": "somebody-else"}]
    for body in asked:
        assert user.refuses("create", body)[:2] == NO_ROLE
    # Asking for what is so anyway needs no role.
    assert user.create(walletType="CLIENT", userId=user.id, allowNegative=False).walletType == "CLIENT"
    for kind in ("DEALER", "EXCHANGE", "ACCOUNTING", "CLIENT"):
        made = admin.create(walletType=kind, userId=user.id, allowNegative=True)
        assert (made.walletType, made.allowNegative) == (kind, True)
        assert user.get(made) == made
        assert user.list(f"{WALLETS}/list", walletType=kind)[0] == made


NO_WALLETS: list[dict[str, Any]] = [
    {"walletType": "SAVINGS"},
    {"nickname": ""},
    {"nickname": "x" * 65},
    {"metadata": {"a": 1}},
    {"metadata": ["a"]},
    {"metadata": {str(n): "" for n in range(51)}},
    {"accountID": "1"},
    {"accountID": str(uuid4())},
    {"allowNegative": "yes"},
]


def test_wallets_that_are_none(user: WalletClient) -> None:
    for body in NO_WALLETS:
        assert user.refuses("create", body)[:2] == INVALID, body
    assert user.list(f"{WALLETS}/list") == []


def test_a_wallet_of_a_customer_s_account(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    made = requests.post(f"{user.url}/accounts", json=CUSTOMER, headers=user.headers, timeout=60).json()
    account = {"accountID": made["accountID"]}
    assert other.refuses("create", account)[:2] == INVALID
    wallet = user.create(**account)
    admin.done("deposit", movement(wallet, "1"))
    address = f"{user.url}/accounts/{made['accountID']}"
    assert requests.delete(address, headers=user.headers, timeout=60).status_code == 409
    user.done("withdraw", movement(wallet, "1"))
    assert requests.delete(address, headers=user.headers, timeout=60).status_code == 204
    assert user.refuses("create", account)[:2] == INVALID


def test_whose_wallet_it_is(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    mine, nowhere = user.create(), str(uuid4())
    assert admin.get(mine) == mine
    for what in ("get", "entry/list", "transaction/list"):
        assert other.refuses_to_show(what, **name(mine))[:2] == FORBIDDEN
        assert user.refuses_to_show(what, walletId=nowhere) == unknown(nowhere)
        assert user.refuses_to_show(what)[:2] == INVALID
        assert user.refuses_to_show(what, walletId="1")[:2] == INVALID
    assert other.list(f"{WALLETS}/list") == []


def test_deposits_and_withdrawals(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    mine, ref = user.create(), str(uuid4())
    made = admin.done("deposit", movement(mine, "12.50", ref=ref))
    assert (made.type, made.externalRef, made.reverses, made.reason) == ("DEPOSIT", ref, None, None)
    assert sorted(entry.amount for entry in made.entries) == ["-12.5", "12.5"]
    for same in ("12.5", "12.500", "0012.5"):
        assert admin.done("deposit", movement(mine, same, ref=ref)) == made
    assert admin.refuses("deposit", movement(mine, "12.51", ref=ref))[:2] == INVALID
    assert admin.refuses("deposit", movement(mine, "12.5", "BTC", ref=ref))[:2] == INVALID
    assert user.balances(mine) == {"USDT": "12.5"}

    # A reference is for one wallet and one direction.
    out = user.done("withdraw", movement(mine, "2.5", ref=ref))
    assert (out.type, user.done("withdraw", movement(mine, "2.5", ref=ref))) == ("WITHDRAWAL", out)
    assert admin.done("withdraw", movement(mine, "4")).type == "WITHDRAWAL"
    assert user.balances(mine) == {"USDT": "6"}

    assert user.refuses("deposit", movement(mine, "1"))[:2] == NO_ROLE
    assert other.refuses("withdraw", movement(mine, "1"))[:2] == FORBIDDEN
    short = "Insufficient available balance: 6 USDT < 6.000000000000000001 USDT"
    assert user.refuses("withdraw", movement(mine, "6.000000000000000001")) == (*SHORT, short)
    nowhere = movement(mine, "1") | {"walletId": str(uuid4())}
    for act in ("deposit", "withdraw"):
        assert admin.refuses(act, nowhere) == unknown(nowhere["walletId"])
    assert user.balances(mine) == {"USDT": "6"}


NO_MOVEMENTS: list[dict[str, Any]] = [
    {"amount": "0"},
    {"amount": "-1"},
    {"amount": "1e3"},
    {"amount": "NaN"},
    {"amount": ""},
    {"amount": "0.0000000000000000001"},
    {"amount": None},
    {"amount": True},
    {"asset": "usdt"},
    {"asset": "U"},
    {"asset": "U" * 21},
    {"externalRef": ""},
    {"externalRef": "x" * 129},
    {"walletId": 1},
]


def test_movements_that_are_none(user: WalletClient, admin: WalletClient) -> None:
    mine, second = user.create(), user.create()
    for wrong in NO_MOVEMENTS:
        for act in ("deposit", "withdraw"):
            assert admin.refuses(act, movement(mine, "1") | wrong)[:2] == INVALID, (act, wrong)
        if wrong.keys() & {"amount", "asset"}:
            assert user.refuses("transfer", transfer(mine, second, "1") | wrong)[:2] == INVALID, wrong
    assert user.balances(mine) == {}


def test_transfers(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    mine, theirs = user.create(), other.create()
    admin.done("deposit", movement(mine, "3000"))
    assert user.refuses("transfer", transfer(mine, theirs, "5000")) == (
        *SHORT,
        "Insufficient available balance: 3000 USDT < 5000 USDT",
    )
    btc = user.refuses("transfer", transfer(mine, theirs, "1.50", "BTC"))
    assert btc == (*SHORT, "Insufficient available balance: 0 BTC < 1.5 BTC")
    assert other.refuses("transfer", transfer(mine, theirs, "1"))[:2] == FORBIDDEN
    assert user.refuses("transfer", transfer(mine, mine, "1"))[:2] == INVALID
    nowhere = theirs.model_copy(update={"walletId": str(uuid4())})
    for body in (transfer(mine, nowhere, "1"), transfer(nowhere, mine, "1")):
        assert user.refuses("transfer", body) == unknown(nowhere.walletId)

    made = user.transferred(transfer(mine, theirs, "1000"))
    assert {entry.walletId: entry.amount for entry in made.entries} == {
        mine.walletId: "-1000",
        theirs.walletId: "1000",
    }
    assert {entry.transactionId for entry in made.entries} == {made.transactionId}
    assert admin.transferred(transfer(theirs, mine, "400")).type == "TRANSFER"
    assert (user.balances(mine), other.balances(theirs)) == ({"USDT": "2400"}, {"USDT": "600"})

    dealer = admin.create(walletType="DEALER", userId=other.id, allowNegative=True)
    other.transferred(transfer(dealer, mine, "0.25"))
    assert admin.balances(dealer) == {"USDT": "-0.25"}
    assert user.balances(mine) == {"USDT": "2400.25"}


def test_thirty_digits_arrive_as_they_were_sent(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    mine, theirs = user.create(), other.create()
    admin.done("deposit", movement(mine, EXACT))
    assert user.balances(mine) == {"USDT": EXACT}
    # A JSON number, too.
    sent = user.transfer_number(transfer(mine, theirs, "1"), EXACT)
    assert {entry.amount for entry in sent.entries} == {EXACT, f"-{EXACT}"}
    assert (user.balances(mine), other.balances(theirs)) == ({}, {"USDT": EXACT})
    (entry,) = other.list(f"{WALLETS}/entry/list", **name(theirs))
    assert entry.amount == EXACT
    short = other.refuses("withdraw", movement(theirs, EXACT + "1"))[2]
    assert short == f"Insufficient available balance: {EXACT} USDT < {EXACT}1 USDT"
    assert admin.refuses("deposit", movement(theirs, "9" * 20))[:2] == TOO_MUCH
    assert admin.refuses("deposit", movement(mine, "1" + "0" * 20))[:2] == TOO_MUCH
    other.done("withdraw", movement(theirs, EXACT + "00000000"))
    assert other.balances(theirs) == {}


def test_one_amount_in_any_notation_is_one_request(
    user: WalletClient, other: WalletClient, admin: WalletClient
) -> None:
    mine, theirs, key = user.create(), other.create(), str(uuid4())
    admin.done("deposit", movement(mine, "5"))
    made = user.transferred(transfer(mine, theirs, "1"), key)
    for amount in ("1.0", "1.00", "01", 1):
        assert user.transferred(transfer(mine, theirs, amount), key) == made
    for amount in ("1.0", "1.00"):
        assert user.transfer_number(transfer(mine, theirs, "1"), amount, key) == made
    assert user.refuses("transfer", transfer(mine, theirs, "1.01"), key)[:2] == REUSED
    assert user.balances(mine) == {"USDT": "4"}


def test_idempotency_keys(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    mine, theirs, key = user.create(), other.create(), "k" * 128
    assert user.refuses("transfer", transfer(mine, theirs, "2"), key)[:2] == SHORT
    admin.done("deposit", movement(mine, "5"), key)
    # What failed did not burn the key, which is the user's and the route's alone.
    made = user.transferred(transfer(mine, theirs, "2"), key)
    assert other.transferred(transfer(theirs, mine, "1"), key) != made
    out = user.done("withdraw", movement(mine, "1", ref="r"), key)
    assert user.done("withdraw", movement(mine, "1", ref="r"), key) == out
    assert user.refuses("withdraw", movement(mine, "1", ref="s"), key)[:2] == REUSED
    assert user.transferred(transfer(mine, theirs, "2"), key) == made
    assert user.balances(mine) == {"USDT": "3"}
    assert user.refuses("transfer", transfer(mine, theirs, "1"), "k" * 129)[:2] == INVALID


def test_freezing(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    mine, theirs = user.create(), other.create()
    for wallet in (mine, theirs):
        admin.done("deposit", movement(wallet, "10"))
    assert admin.refuses("unfreeze", name(mine)) == (400, -140006, "Wallet is not frozen")
    frozen = admin.done("freeze", name(mine))
    assert (frozen.status, frozen.updatedAt >= mine.updatedAt) == ("FROZEN", True)
    assert user.get(mine) == frozen
    assert admin.refuses("freeze", name(mine)) == (400, -140005, "Wallet is already frozen")
    for sender, act, body in (
        (user, "transfer", transfer(mine, theirs, "1")),
        (other, "transfer", transfer(theirs, mine, "1")),
        (user, "withdraw", movement(mine, "1")),
        (admin, "withdraw", movement(mine, "1")),
        (admin, "deposit", movement(mine, "1")),
    ):
        assert sender.refuses(act, body) == (*FROZEN, "Wallet is frozen")
    for act in ("freeze", "unfreeze", "close"):
        assert user.refuses(act, name(mine))[:2] == NO_ROLE
    assert user.balances(mine) == {"USDT": "10"}
    assert admin.done("unfreeze", name(mine)).status == "ACTIVE"
    user.transferred(transfer(mine, theirs, "1"))


@pytest.mark.parametrize("frozen", [False, True])
def test_closing(user: WalletClient, other: WalletClient, admin: WalletClient, *, frozen: bool) -> None:
    mine, theirs = user.create(), other.create()
    deposit = admin.done("deposit", movement(mine, "10"))
    sent = user.transferred(transfer(mine, theirs, "7"))
    not_empty = (400, -140007, "Cannot close wallet with non-zero balance")
    assert admin.refuses("close", name(mine)) == not_empty
    user.done("withdraw", movement(mine, "3"))
    if frozen:
        admin.done("freeze", name(mine))
    assert admin.done("close", name(mine)).status == "CLOSED"
    for act in ("close", "freeze", "unfreeze"):
        assert admin.refuses(act, name(mine))[:2] == CLOSED
    for sender, act, body in (
        (user, "transfer", transfer(mine, theirs, "1")),
        (other, "transfer", transfer(theirs, mine, "1")),
        (user, "withdraw", movement(mine, "1")),
        (admin, "deposit", movement(mine, "1")),
    ):
        assert sender.refuses(act, body)[:2] == CLOSED

    # The history stays; a reversal comes back, and leaves by one withdrawal of all of it.
    reversal = {"transactionId": sent.transactionId, "reason": "sent by mistake"}
    admin.done("transaction/reverse", reversal)
    assert user.balances(mine) == {"USDT": "7"}
    for part in ("6", "8"):
        assert user.refuses("withdraw", movement(mine, part))[:2] == CLOSED
    user.done("withdraw", movement(mine, "7"))
    assert user.balances(mine) == {}
    assert user.get(mine).status == "CLOSED"
    kinds = [made.type for made in user.list(f"{WALLETS}/transaction/list", **name(mine))]
    assert kinds == ["WITHDRAWAL", "REVERSAL", "WITHDRAWAL", "TRANSFER", "DEPOSIT"]
    assert user.list(f"{WALLETS}/transaction/list", **name(mine))[-1] == deposit


def test_reversals(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    mine, theirs, key = user.create(), other.create(), str(uuid4())
    admin.done("deposit", movement(mine, "5"))
    sent = user.transferred(transfer(mine, theirs, "5"))
    body = {"transactionId": sent.transactionId, "reason": "sent by mistake"}
    assert user.refuses("transaction/reverse", body)[:2] == NO_ROLE
    assert admin.refuses("transaction/reverse", body | {"reason": ""})[:2] == INVALID
    spent = other.done("withdraw", movement(theirs, "1"))
    short = "Insufficient available balance: 4 USDT < 5 USDT"
    assert admin.refuses("transaction/reverse", body, key) == (*SHORT, short)
    admin.done("transaction/reverse", {"transactionId": spent.transactionId, "reason": "so that it is there"})

    made = admin.done("transaction/reverse", body, key)
    assert (made.type, made.reverses, made.reason) == ("REVERSAL", sent.transactionId, "sent by mistake")
    assert sorted((e.walletId, e.amount) for e in made.entries) == sorted(
        [(mine.walletId, "5"), (theirs.walletId, "-5")]
    )
    assert admin.done("transaction/reverse", body, key) == made
    again = (400, -140001, f"Transaction is already reversed: {sent.transactionId}")
    assert admin.refuses("transaction/reverse", body) == again
    nothing = body | {"transactionId": str(uuid4())}
    not_found = (404, -140002, f"Transaction not found: {nothing['transactionId']}")
    assert admin.refuses("transaction/reverse", nothing) == not_found
    assert (user.balances(mine), other.balances(theirs)) == ({"USDT": "5"}, {})


def test_bodies_that_are_none(user: WalletClient) -> None:
    for text, kind in (
        ("[]", "application/json"),
        ("{", "application/json"),
        ("a=1", "application/x-www-form-urlencoded"),
    ):
        headers = user.headers | {"Content-Type": kind}
        answer = requests.post(f"{user.url}{WALLETS}/create", data=text, headers=headers, timeout=60)
        refused = parsed(f"{WALLETS}/create", answer.status_code, answer.text)
        assert (answer.status_code, refused.errno) == (400, -190001)
