"""Test wallets and the ledger over HTTP: operations, errors with their texts, and exact amounts."""

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


def test_a_wallet_is_created_as_requested_and_once_for_each_idempotency_key(user: WalletClient) -> None:
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


def test_only_admins_may_set_wallet_type_owner_and_negative_balances(user: WalletClient, admin: WalletClient) -> None:
    asked: list[dict[str, Any]] = [{"walletType": kind} for kind in ("DEALER", "EXCHANGE", "ACCOUNTING")]
    asked += [{"allowNegative": True}, {"userId": "somebody-else"}]
    for body in asked:
        assert user.refuses("create", body)[:2] == NO_ROLE
    # The default values need no role.
    assert user.create(walletType="CLIENT", userId=user.id, allowNegative=False).walletType == "CLIENT"
    for kind in ("DEALER", "EXCHANGE", "ACCOUNTING", "CLIENT"):
        created = admin.create(walletType=kind, userId=user.id, allowNegative=True)
        assert (created.walletType, created.allowNegative) == (kind, True)
        assert user.get(created) == created
        assert user.list(f"{WALLETS}/list", walletType=kind)[0] == created


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


def test_invalid_wallets_are_refused(user: WalletClient) -> None:
    for body in NO_WALLETS:
        assert user.refuses("create", body)[:2] == INVALID, body
    assert user.list(f"{WALLETS}/list") == []


def test_a_customer_with_a_balance_in_its_wallet_cannot_be_disconnected(
    user: WalletClient, other: WalletClient, admin: WalletClient
) -> None:
    created = requests.post(f"{user.url}/accounts", json=CUSTOMER, headers=user.headers, timeout=60).json()
    account = {"accountID": created["accountID"]}
    assert other.refuses("create", account)[:2] == INVALID
    wallet = user.create(**account)
    admin.done("deposit", movement(wallet, "1"))
    address = f"{user.url}/accounts/{created['accountID']}"
    assert requests.delete(address, headers=user.headers, timeout=60).status_code == 409
    user.done("withdraw", movement(wallet, "1"))
    assert requests.delete(address, headers=user.headers, timeout=60).status_code == 204
    assert user.refuses("create", account)[:2] == INVALID


def test_only_owners_and_admins_access_a_wallet(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    own_wallet, nowhere = user.create(), str(uuid4())
    assert admin.get(own_wallet) == own_wallet
    for what in ("get", "entry/list", "transaction/list"):
        assert other.refuses_to_show(what, **name(own_wallet))[:2] == FORBIDDEN
        assert user.refuses_to_show(what, walletId=nowhere) == unknown(nowhere)
        assert user.refuses_to_show(what)[:2] == INVALID
        assert user.refuses_to_show(what, walletId="1")[:2] == INVALID
    assert other.list(f"{WALLETS}/list") == []


def test_deposits_and_withdrawals_happen_once_for_each_reference_and_never_overdraw(
    user: WalletClient, other: WalletClient, admin: WalletClient
) -> None:
    own_wallet, ref = user.create(), str(uuid4())
    created = admin.done("deposit", movement(own_wallet, "12.50", ref=ref))
    assert (created.type, created.externalRef, created.reverses, created.reason) == ("DEPOSIT", ref, None, None)
    assert sorted(entry.amount for entry in created.entries) == ["-12.5", "12.5"]
    for same in ("12.5", "12.500", "0012.5"):
        assert admin.done("deposit", movement(own_wallet, same, ref=ref)) == created
    assert admin.refuses("deposit", movement(own_wallet, "12.51", ref=ref))[:2] == INVALID
    assert admin.refuses("deposit", movement(own_wallet, "12.5", "BTC", ref=ref))[:2] == INVALID
    assert user.balances(own_wallet) == {"USDT": "12.5"}

    # A reference belongs to one wallet and one direction.
    out = user.done("withdraw", movement(own_wallet, "2.5", ref=ref))
    assert (out.type, user.done("withdraw", movement(own_wallet, "2.5", ref=ref))) == ("WITHDRAWAL", out)
    assert admin.done("withdraw", movement(own_wallet, "4")).type == "WITHDRAWAL"
    assert user.balances(own_wallet) == {"USDT": "6"}

    assert user.refuses("deposit", movement(own_wallet, "1"))[:2] == NO_ROLE
    assert other.refuses("withdraw", movement(own_wallet, "1"))[:2] == FORBIDDEN
    short = "Insufficient available balance: 6 USDT < 6.000000000000000001 USDT"
    assert user.refuses("withdraw", movement(own_wallet, "6.000000000000000001")) == (*SHORT, short)
    nowhere = movement(own_wallet, "1") | {"walletId": str(uuid4())}
    for act in ("deposit", "withdraw"):
        assert admin.refuses(act, nowhere) == unknown(nowhere["walletId"])
    assert user.balances(own_wallet) == {"USDT": "6"}


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


def test_invalid_deposits_withdrawals_and_transfers_are_refused(user: WalletClient, admin: WalletClient) -> None:
    own_wallet, second = user.create(), user.create()
    for wrong in NO_MOVEMENTS:
        for act in ("deposit", "withdraw"):
            assert admin.refuses(act, movement(own_wallet, "1") | wrong)[:2] == INVALID, (act, wrong)
        if wrong.keys() & {"amount", "asset"}:
            assert user.refuses("transfer", transfer(own_wallet, second, "1") | wrong)[:2] == INVALID, wrong
    assert user.balances(own_wallet) == {}


def test_transfers_move_what_is_available_between_existing_wallets(
    user: WalletClient, other: WalletClient, admin: WalletClient
) -> None:
    own_wallet, other_wallet = user.create(), other.create()
    admin.done("deposit", movement(own_wallet, "3000"))
    assert user.refuses("transfer", transfer(own_wallet, other_wallet, "5000")) == (
        *SHORT,
        "Insufficient available balance: 3000 USDT < 5000 USDT",
    )
    btc = user.refuses("transfer", transfer(own_wallet, other_wallet, "1.50", "BTC"))
    assert btc == (*SHORT, "Insufficient available balance: 0 BTC < 1.5 BTC")
    assert other.refuses("transfer", transfer(own_wallet, other_wallet, "1"))[:2] == FORBIDDEN
    assert user.refuses("transfer", transfer(own_wallet, own_wallet, "1"))[:2] == INVALID
    nowhere = other_wallet.model_copy(update={"walletId": str(uuid4())})
    for body in (transfer(own_wallet, nowhere, "1"), transfer(nowhere, own_wallet, "1")):
        assert user.refuses("transfer", body) == unknown(nowhere.walletId)

    created = user.transferred(transfer(own_wallet, other_wallet, "1000"))
    assert {entry.walletId: entry.amount for entry in created.entries} == {
        own_wallet.walletId: "-1000",
        other_wallet.walletId: "1000",
    }
    assert {entry.transactionId for entry in created.entries} == {created.transactionId}
    assert admin.transferred(transfer(other_wallet, own_wallet, "400")).type == "TRANSFER"
    assert (user.balances(own_wallet), other.balances(other_wallet)) == ({"USDT": "2400"}, {"USDT": "600"})

    dealer = admin.create(walletType="DEALER", userId=other.id, allowNegative=True)
    other.transferred(transfer(dealer, own_wallet, "0.25"))
    assert admin.balances(dealer) == {"USDT": "-0.25"}
    assert user.balances(own_wallet) == {"USDT": "2400.25"}


def test_amounts_with_thirty_digits_stay_exact(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    own_wallet, other_wallet = user.create(), other.create()
    admin.done("deposit", movement(own_wallet, EXACT))
    assert user.balances(own_wallet) == {"USDT": EXACT}
    # A JSON number stays exact, too.
    sent = user.transfer_number(transfer(own_wallet, other_wallet, "1"), EXACT)
    assert {entry.amount for entry in sent.entries} == {EXACT, f"-{EXACT}"}
    assert (user.balances(own_wallet), other.balances(other_wallet)) == ({}, {"USDT": EXACT})
    (entry,) = other.list(f"{WALLETS}/entry/list", **name(other_wallet))
    assert entry.amount == EXACT
    short = other.refuses("withdraw", movement(other_wallet, EXACT + "1"))[2]
    assert short == f"Insufficient available balance: {EXACT} USDT < {EXACT}1 USDT"
    assert admin.refuses("deposit", movement(other_wallet, "9" * 20))[:2] == TOO_MUCH
    assert admin.refuses("deposit", movement(own_wallet, "1" + "0" * 20))[:2] == TOO_MUCH
    other.done("withdraw", movement(other_wallet, EXACT + "00000000"))
    assert other.balances(other_wallet) == {}


def test_notations_of_one_amount_are_one_request(user: WalletClient, other: WalletClient, admin: WalletClient) -> None:
    own_wallet, other_wallet, key = user.create(), other.create(), str(uuid4())
    admin.done("deposit", movement(own_wallet, "5"))
    created = user.transferred(transfer(own_wallet, other_wallet, "1"), key)
    for amount in ("1.0", "1.00", "01", 1):
        assert user.transferred(transfer(own_wallet, other_wallet, amount), key) == created
    for amount in ("1.0", "1.00"):
        assert user.transfer_number(transfer(own_wallet, other_wallet, "1"), amount, key) == created
    assert user.refuses("transfer", transfer(own_wallet, other_wallet, "1.01"), key)[:2] == REUSED
    assert user.balances(own_wallet) == {"USDT": "4"}


def test_an_idempotency_key_belongs_to_user_and_route_and_survives_a_refusal(
    user: WalletClient, other: WalletClient, admin: WalletClient
) -> None:
    own_wallet, other_wallet, key = user.create(), other.create(), "k" * 128
    assert user.refuses("transfer", transfer(own_wallet, other_wallet, "2"), key)[:2] == SHORT
    admin.done("deposit", movement(own_wallet, "5"), key)
    # The failed request did not use up the key, which belongs to the user and the route.
    created = user.transferred(transfer(own_wallet, other_wallet, "2"), key)
    assert other.transferred(transfer(other_wallet, own_wallet, "1"), key) != created
    out = user.done("withdraw", movement(own_wallet, "1", ref="r"), key)
    assert user.done("withdraw", movement(own_wallet, "1", ref="r"), key) == out
    assert user.refuses("withdraw", movement(own_wallet, "1", ref="s"), key)[:2] == REUSED
    assert user.transferred(transfer(own_wallet, other_wallet, "2"), key) == created
    assert user.balances(own_wallet) == {"USDT": "3"}
    assert user.refuses("transfer", transfer(own_wallet, other_wallet, "1"), "k" * 129)[:2] == INVALID


def test_a_frozen_wallet_refuses_all_movements_until_it_is_unfrozen(
    user: WalletClient, other: WalletClient, admin: WalletClient
) -> None:
    own_wallet, other_wallet = user.create(), other.create()
    for wallet in (own_wallet, other_wallet):
        admin.done("deposit", movement(wallet, "10"))
    assert admin.refuses("unfreeze", name(own_wallet)) == (400, -140006, "Wallet is not frozen")
    frozen = admin.done("freeze", name(own_wallet))
    assert (frozen.status, frozen.updatedAt >= own_wallet.updatedAt) == ("FROZEN", True)
    assert user.get(own_wallet) == frozen
    assert admin.refuses("freeze", name(own_wallet)) == (400, -140005, "Wallet is already frozen")
    for sender, act, body in (
        (user, "transfer", transfer(own_wallet, other_wallet, "1")),
        (other, "transfer", transfer(other_wallet, own_wallet, "1")),
        (user, "withdraw", movement(own_wallet, "1")),
        (admin, "withdraw", movement(own_wallet, "1")),
        (admin, "deposit", movement(own_wallet, "1")),
    ):
        assert sender.refuses(act, body) == (*FROZEN, "Wallet is frozen")
    for act in ("freeze", "unfreeze", "close"):
        assert user.refuses(act, name(own_wallet))[:2] == NO_ROLE
    assert user.balances(own_wallet) == {"USDT": "10"}
    assert admin.done("unfreeze", name(own_wallet)).status == "ACTIVE"
    user.transferred(transfer(own_wallet, other_wallet, "1"))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_closed_wallet_only_pays_out_what_a_reversal_returns(
    user: WalletClient, other: WalletClient, admin: WalletClient, *, frozen: bool
) -> None:
    own_wallet, other_wallet = user.create(), other.create()
    deposit = admin.done("deposit", movement(own_wallet, "10"))
    sent = user.transferred(transfer(own_wallet, other_wallet, "7"))
    not_empty = (400, -140007, "Cannot close wallet with non-zero balance")
    assert admin.refuses("close", name(own_wallet)) == not_empty
    user.done("withdraw", movement(own_wallet, "3"))
    if frozen:
        admin.done("freeze", name(own_wallet))
    assert admin.done("close", name(own_wallet)).status == "CLOSED"
    for act in ("close", "freeze", "unfreeze"):
        assert admin.refuses(act, name(own_wallet))[:2] == CLOSED
    for sender, act, body in (
        (user, "transfer", transfer(own_wallet, other_wallet, "1")),
        (other, "transfer", transfer(other_wallet, own_wallet, "1")),
        (user, "withdraw", movement(own_wallet, "1")),
        (admin, "deposit", movement(own_wallet, "1")),
    ):
        assert sender.refuses(act, body)[:2] == CLOSED

    # The history stays. A reversal brings an amount back, and one withdrawal must take all of it.
    reversal = {"transactionId": sent.transactionId, "reason": "sent by mistake"}
    admin.done("transaction/reverse", reversal)
    assert user.balances(own_wallet) == {"USDT": "7"}
    for part in ("6", "8"):
        assert user.refuses("withdraw", movement(own_wallet, part))[:2] == CLOSED
    user.done("withdraw", movement(own_wallet, "7"))
    assert user.balances(own_wallet) == {}
    assert user.get(own_wallet).status == "CLOSED"
    kinds = [created.type for created in user.list(f"{WALLETS}/transaction/list", **name(own_wallet))]
    assert kinds == ["WITHDRAWAL", "REVERSAL", "WITHDRAWAL", "TRANSFER", "DEPOSIT"]
    assert user.list(f"{WALLETS}/transaction/list", **name(own_wallet))[-1] == deposit


def test_a_transaction_is_reversed_once_and_never_overdraws(
    user: WalletClient, other: WalletClient, admin: WalletClient
) -> None:
    own_wallet, other_wallet, key = user.create(), other.create(), str(uuid4())
    admin.done("deposit", movement(own_wallet, "5"))
    sent = user.transferred(transfer(own_wallet, other_wallet, "5"))
    body = {"transactionId": sent.transactionId, "reason": "sent by mistake"}
    assert user.refuses("transaction/reverse", body)[:2] == NO_ROLE
    assert admin.refuses("transaction/reverse", body | {"reason": ""})[:2] == INVALID
    spent = other.done("withdraw", movement(other_wallet, "1"))
    short = "Insufficient available balance: 4 USDT < 5 USDT"
    assert admin.refuses("transaction/reverse", body, key) == (*SHORT, short)
    admin.done("transaction/reverse", {"transactionId": spent.transactionId, "reason": "to have the balance again"})

    created = admin.done("transaction/reverse", body, key)
    assert (created.type, created.reverses, created.reason) == ("REVERSAL", sent.transactionId, "sent by mistake")
    assert sorted((e.walletId, e.amount) for e in created.entries) == sorted(
        [(own_wallet.walletId, "5"), (other_wallet.walletId, "-5")]
    )
    assert admin.done("transaction/reverse", body, key) == created
    again = (400, -140001, f"Transaction is already reversed: {sent.transactionId}")
    assert admin.refuses("transaction/reverse", body) == again
    nothing = body | {"transactionId": str(uuid4())}
    not_found = (404, -140002, f"Transaction not found: {nothing['transactionId']}")
    assert admin.refuses("transaction/reverse", nothing) == not_found
    assert (user.balances(own_wallet), other.balances(other_wallet)) == ({"USDT": "5"}, {})


def test_malformed_bodies_are_refused(user: WalletClient) -> None:
    for text, kind in (
        ("[]", "application/json"),
        ("{", "application/json"),
        ("a=1", "application/x-www-form-urlencoded"),
    ):
        headers = user.headers | {"Content-Type": kind}
        answer = requests.post(f"{user.url}{WALLETS}/create", data=text, headers=headers, timeout=60)
        refused = parsed(f"{WALLETS}/create", answer.status_code, answer.text)
        assert (answer.status_code, refused.errno) == (400, -190001)
