"""Test Wallet and WalletTransaction with their handlers and DynamoDB Local."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from purser import pages
from purser.actor import Actor
from purser.aws.tables import Table
from purser.bootstrap.ledger import wallets
from purser.errors import TooManyWallets
from purser.http import wire
from purser.ledger import service as ledger_service
from purser.ledger.model import ACCOUNTING_WALLET_ID, EntryFilter
from purser.ledger.wallets import NewWallet
from purser.settings import settings
from tests.support.aws import Aws, put_items
from tests.support.events import OTHER_ID, USER_ID, Answered, call, claims
from tests.support.functions import forget_process, load_routes, setting
from tests.support.ledger import ADMIN as ADMIN_ACTOR
from tests.support.ledger import audit_table, bed, check_books, new_table, recorded
from tests.support.user_pool import UserPool

BASE = "/api/v3/fermata/wallet"
USER, OTHER, ADMIN = claims(USER_ID), claims(OTHER_ID), claims("admin-id", groups=["admin"])
BIG = "12345678901234567890.1234567891"  # 30 digits, with the longest integer part of a balance.

Send = Callable[..., Answered]


@pytest.fixture(scope="module")
def pool(aws: Aws) -> UserPool:
    return UserPool()


@pytest.fixture(scope="module")
def table(aws: Aws, pool: UserPool) -> Iterator[Table]:
    forget_process()
    created = new_table()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WALLETS_TABLE", created.name)
        patch.setenv("AUDIT_TABLE", audit_table(created).name)
        patch.setenv("USER_POOL_ID", pool.id)
        yield created
    forget_process()


@pytest.fixture(scope="module")
def send(table: Table) -> Iterator[Send]:
    handler = load_routes("wallet", "wallet_transaction")

    def send(method: str, path: str, body: Any = None, *, caller: Any = USER, **more: Any) -> Answered:
        return call(handler, method, f"{BASE}/{path}", body, caller=caller, **more)

    yield send
    check_books(table)


@pytest.fixture
def wallet(send: Send) -> Callable[..., str]:
    """Return a function that creates a wallet with these balances and returns its id."""

    def wallet(caller: Any = USER, **holding: str) -> str:
        created = send("POST", "create", {}, caller=caller)
        assert created.status == 200
        for asset, amount in holding.items():
            assert deposit(send, created.body["data"]["walletId"], asset, amount).status == 200
        return str(created.body["data"]["walletId"])

    return wallet


def deposit(send: Send, wallet_id: str, asset: str, amount: Any, ref: str | None = None, **more: Any) -> Answered:
    body = {"walletId": wallet_id, "asset": asset, "amount": amount, "externalRef": ref or str(uuid.uuid4())}
    return send("POST", "deposit", body, caller=ADMIN, **more)


def withdraw(send: Send, wallet_id: str, asset: str, amount: Any, caller: Any = USER) -> Answered:
    body = {"walletId": wallet_id, "asset": asset, "amount": amount, "externalRef": str(uuid.uuid4())}
    return send("POST", "withdraw", body, caller=caller)


def transfer(send: Send, source: str, destination: str, asset: str, amount: Any, **more: Any) -> Answered:
    body = {"sourceWalletId": source, "destWalletId": destination, "asset": asset, "amount": amount}
    return send("POST", "transfer", body, **more)


def refusal(answer: Answered) -> tuple[int, int, str]:
    assert answer.body["data"] is None
    assert answer.body["success"] is False
    return answer.status, answer.body["errno"], answer.body["error"]


def test_a_wallet_is_shown_as_documented(send: Send) -> None:
    created = send("POST", "create", {"nickname": "Trading Wallet", "metadata": {"desk": "A"}})
    data = created.body["data"]
    assert (created.status, created.body["success"], created.body["errno"], created.body["error"]) == (
        200,
        True,
        0,
        None,
    )
    assert data["walletType"] == "CLIENT"
    assert data["status"] == "ACTIVE"
    assert data["allowNegative"] is False
    assert data["metadata"] == {"nickname": "Trading Wallet", "desk": "A"}
    assert data["createdAtDateTime"].endswith("Z")
    assert isinstance(data["createdAt"], int)
    fetched = send("GET", "get", query={"walletId": data["walletId"]})
    assert fetched.body["data"] == data


def test_an_unknown_wallet_answers_404_and_a_wallet_of_another_user_403(send: Send, wallet: Callable[..., str]) -> None:
    unknown = str(uuid.uuid4())
    assert refusal(send("GET", "get", query={"walletId": unknown})) == (404, -140002, f"Wallet not found: {unknown}")
    own_wallet = wallet()
    assert refusal(send("GET", "get", query={"walletId": own_wallet}, caller=OTHER))[:2] == (403, -140003)
    assert send("GET", "get", query={"walletId": own_wallet}, caller=ADMIN).status == 200
    assert refusal(send("GET", "get"))[:2] == (400, -140001)
    assert refusal(send("GET", "get", query={"walletId": "1"}))[:2] == (400, -140001)


UNKNOWN_WALLET = {"walletId": str(uuid.uuid4())}
CALLS = [
    ("POST", "create", {}),
    ("GET", "get", UNKNOWN_WALLET),
    ("GET", "list", {}),
    ("POST", "freeze", UNKNOWN_WALLET),
    ("POST", "unfreeze", UNKNOWN_WALLET),
    ("POST", "close", UNKNOWN_WALLET),
    ("POST", "deposit", {}),
    ("POST", "withdraw", {}),
    ("POST", "transfer", {}),
    ("POST", "transaction/reverse", {}),
    ("GET", "transaction/list", UNKNOWN_WALLET),
    ("GET", "entry/list", UNKNOWN_WALLET),
]


@pytest.mark.parametrize(("method", "path", "given"), CALLS)
def test_without_a_token_every_route_answers_401(send: Send, method: str, path: str, given: dict[str, str]) -> None:
    sent = {"query": given} if method == "GET" else {"body": given}
    assert refusal(send(method, path, caller=None, **sent))[:2] == (401, -190401)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("freeze", {"walletId": str(uuid.uuid4())}),
        ("unfreeze", {"walletId": str(uuid.uuid4())}),
        ("close", {"walletId": str(uuid.uuid4())}),
        ("deposit", {"walletId": str(uuid.uuid4()), "asset": "USDT", "amount": "1", "externalRef": "r"}),
        ("transaction/reverse", {"transactionId": str(uuid.uuid4()), "reason": "r"}),
        ("create", {"walletType": "DEALER"}),
        ("create", {"allowNegative": True}),
    ],
)
def test_admin_routes_and_fields_need_the_role(send: Send, path: str, body: Any) -> None:
    assert refusal(send("POST", path, body))[:2] == (403, -190403)
    assert send("POST", path, body, caller=ADMIN).status in (200, 404)


def test_only_the_owner_or_an_admin_moves_balances(send: Send, wallet: Callable[..., str]) -> None:
    own_wallet, other_wallet = wallet(USDT="10"), wallet(OTHER)
    assert refusal(transfer(send, own_wallet, other_wallet, "USDT", "1", caller=OTHER))[:2] == (403, -140003)
    assert refusal(withdraw(send, own_wallet, "USDT", "1", OTHER))[:2] == (403, -140003)
    assert transfer(send, own_wallet, other_wallet, "USDT", "1").status == 200
    assert transfer(send, own_wallet, other_wallet, "USDT", "1", caller=ADMIN).status == 200
    assert withdraw(send, own_wallet, "USDT", "8").status == 200
    for path in ("entry/list", "transaction/list"):
        assert refusal(send("GET", path, query={"walletId": own_wallet}, caller=OTHER))[:2] == (403, -140003)


def test_a_transfer_answers_with_its_transaction(send: Send, wallet: Callable[..., str]) -> None:
    source, destination = wallet(USDT="3000"), wallet(OTHER)
    created = transfer(send, source, destination, "USDT", 1000.50)
    assert created.body["data"] == "ok"
    amounts = {entry["walletId"]: entry["amount"] for entry in created.body["details"]["entries"]}
    assert amounts == {source: "-1000.5", destination: "1000.5"}
    assert created.body["details"]["type"] == "TRANSFER"
    short = refusal(transfer(send, source, destination, "USDT", "5000"))
    assert short == (400, -140004, "Insufficient available balance: 1999.5 USDT < 5000 USDT")
    assert (
        refusal(transfer(send, source, destination, "BTC", "1"))[2] == "Insufficient available balance: 0 BTC < 1 BTC"
    )
    assert refusal(transfer(send, source, str(uuid.uuid4()), "USDT", "1"))[:2] == (404, -140002)
    assert refusal(transfer(send, source, source, "USDT", "1"))[:2] == (400, -140001)


@pytest.mark.parametrize(
    "amount",
    [
        *["0", "0.0", "-1", "+1", "1e3", "1.", ".5", " 1", "1 ", "1\n", "", "NaN", "Infinity", "٣", "1,5", "0x1"],
        *["1" * 65, "0." + "0" * 18 + "1", "1." + "0" * 19],
        *[0, -1, 1e-19, True, None, [], {}],
    ],
)
def test_invalid_amounts_are_refused(send: Send, wallet: Callable[..., str], amount: Any) -> None:
    assert refusal(deposit(send, wallet(), "USDT", amount))[:2] == (400, -140001)


def test_amounts_beyond_the_range_of_a_balance_are_refused(send: Send, wallet: Callable[..., str]) -> None:
    own_wallet = wallet(USDT="99999999999999999999.999999999999999999")
    assert refusal(deposit(send, own_wallet, "USDT", "0.000000000000000001"))[:2] == (400, -140010)
    assert refusal(deposit(send, own_wallet, "BTC", "100000000000000000000"))[:2] == (400, -140010)
    assert refusal(deposit(send, own_wallet, "BTC", "1" * 60))[:2] == (400, -140010)
    assert deposit(send, own_wallet, "BTC", "99999999999999999999.999999999999999999").status == 200
    # The ACCOUNTING wallet has a shard for each counterparty, so another wallet may have as much.
    assert wallet(OTHER, USDT="99999999999999999999.999999999999999999")


@pytest.mark.parametrize("asset", ["usdt", "U", "U" * 21, "US DT", "US-DT", "ÜSDT", "", None, 1])
def test_invalid_assets_are_refused(send: Send, wallet: Callable[..., str], asset: Any) -> None:
    assert refusal(deposit(send, wallet(), asset, "1"))[:2] == (400, -140001)


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "null", "{", '{"amount": NaN}', b"\xff"])
def test_malformed_bodies_are_refused(send: Send, body: Any) -> None:
    assert refusal(send("POST", "transfer", body))[:2] == (400, -190001)


def test_amounts_with_thirty_digits_stay_exact(send: Send, wallet: Callable[..., str]) -> None:
    own_wallet, other_wallet = wallet(USDT=BIG), wallet(OTHER)
    assert transfer(send, own_wallet, other_wallet, "USDT", BIG).status == 200
    entries = send("GET", "entry/list", query={"walletId": other_wallet}, caller=OTHER).body["data"]
    assert [entry["amount"] for entry in entries] == [BIG]
    short = refusal(transfer(send, other_wallet, own_wallet, "USDT", BIG + "1", caller=OTHER))
    assert short[2] == f"Insufficient available balance: {BIG} USDT < {BIG}1 USDT"


def test_notations_of_one_amount_are_one_request(send: Send, wallet: Callable[..., str]) -> None:
    own_wallet = wallet()
    answers = [deposit(send, own_wallet, "USDT", amount, "ref").body for amount in ("1", "1.0", "1.00", 1, 1.0)]
    assert [answer["data"] for answer in answers] == [answers[0]["data"]] * 5
    assert refusal(deposit(send, own_wallet, "USDT", "2", "ref"))[:2] == (400, -140001)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    other = wallet(OTHER)
    sent = [transfer(send, own_wallet, other, "USDT", amount, headers=key).body for amount in ("0.5", "0.50", 0.5)]
    assert [answer["details"] for answer in sent] == [sent[0]["details"]] * 3


def test_an_idempotency_key_belongs_to_one_request_of_a_user(send: Send, wallet: Callable[..., str]) -> None:
    own_wallet, other_wallet = wallet(USDT="10"), wallet(OTHER)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    refused = refusal(transfer(send, own_wallet, other_wallet, "USDT", "11", headers=key))
    assert refused[1] == -140004  # This does not use up the key.
    first = transfer(send, own_wallet, other_wallet, "USDT", "10", headers=key)
    assert transfer(send, own_wallet, other_wallet, "USDT", "10", headers=key).body == first.body
    assert refusal(transfer(send, own_wallet, other_wallet, "USDT", "1", headers=key))[:2] == (400, -190409)
    # The same key of another user or for another route is another key.
    assert transfer(send, other_wallet, own_wallet, "USDT", "10", headers=key, caller=OTHER).status == 200
    ref = str(uuid.uuid4())
    created = deposit(send, own_wallet, "USDT", "1", ref, headers=key)
    assert deposit(send, own_wallet, "USDT", "1", ref, headers=key).body == created.body
    assert refusal(deposit(send, own_wallet, "USDT", "1", ref + "b", headers=key))[:2] == (400, -190409)
    assert refusal(deposit(send, own_wallet, "USDT", "2", ref, headers=key))[:2] == (400, -190409)
    second = {"Idempotency-Key": str(uuid.uuid4())}
    assert deposit(send, own_wallet, "USDT", "1", ref, headers=second).body == created.body
    assert refusal(deposit(send, own_wallet, "USDT", "1", ref + "c", headers=second))[:2] == (400, -190409)
    created = send("POST", "create", {"nickname": "a"}, headers=key)
    assert send("POST", "create", {"nickname": "a"}, headers=key).body == created.body
    assert refusal(send("POST", "create", {"nickname": "b"}, headers=key))[:2] == (400, -190409)


def test_a_transaction_is_reversed_once_and_never_overdraws(send: Send, wallet: Callable[..., str]) -> None:
    own_wallet, other_wallet = wallet(USDT="10"), wallet(OTHER)
    created = transfer(send, own_wallet, other_wallet, "USDT", "10").body["details"]["transactionId"]
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"transactionId": created, "reason": "mistake"}
    undone = send("POST", "transaction/reverse", body, caller=ADMIN, headers=key)
    assert undone.body["data"]["type"] == "REVERSAL"
    assert undone.body["data"]["reverses"] == created
    assert {e["walletId"]: e["amount"] for e in undone.body["data"]["entries"]} == {
        own_wallet: "10",
        other_wallet: "-10",
    }
    assert send("POST", "transaction/reverse", body, caller=ADMIN, headers=key).body == undone.body
    assert refusal(send("POST", "transaction/reverse", body, caller=ADMIN))[:2] == (400, -140001)
    unknown = {"transactionId": str(uuid.uuid4()), "reason": "mistake"}
    assert refusal(send("POST", "transaction/reverse", unknown, caller=ADMIN))[:2] == (404, -140002)
    again = transfer(send, own_wallet, other_wallet, "USDT", "10").body["details"]["transactionId"]
    assert transfer(send, other_wallet, own_wallet, "USDT", "1", caller=OTHER).status == 200
    short = send("POST", "transaction/reverse", {"transactionId": again, "reason": "x"}, caller=ADMIN)
    assert refusal(short)[1] == -140004


def test_a_frozen_wallet_refuses_all_movements_until_it_is_unfrozen(send: Send, wallet: Callable[..., str]) -> None:
    own_wallet, other_wallet = wallet(USDT="10"), wallet(OTHER, USDT="10")
    name = {"walletId": own_wallet}
    assert refusal(send("POST", "unfreeze", name, caller=ADMIN))[:2] == (400, -140006)
    frozen = send("POST", "freeze", name, caller=ADMIN).body["data"]
    assert frozen["status"] == "FROZEN"
    assert frozen["updatedAt"] >= frozen["createdAt"]
    assert refusal(send("POST", "freeze", name, caller=ADMIN))[:2] == (400, -140005)
    for refused in (
        transfer(send, own_wallet, other_wallet, "USDT", "1"),
        transfer(send, other_wallet, own_wallet, "USDT", "1", caller=OTHER),
        withdraw(send, own_wallet, "USDT", "1"),
        deposit(send, own_wallet, "USDT", "1"),
    ):
        assert refusal(refused)[:2] == (400, -140009)
    assert send("POST", "unfreeze", name, caller=ADMIN).body["data"]["status"] == "ACTIVE"
    assert transfer(send, own_wallet, other_wallet, "USDT", "1").status == 200


@pytest.mark.parametrize("dealer", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_closed_wallet_only_pays_out_what_a_reversal_returns(
    send: Send, wallet: Callable[..., str], pool: UserPool, *, dealer: bool, frozen: bool
) -> None:
    owner = claims(pool.add()["id"])
    body = {"userId": owner["sub"], "allowNegative": dealer}
    own_wallet = send("POST", "create", body, caller=ADMIN).body["data"]["walletId"]
    other_wallet = wallet(OTHER, USDT="10")
    sent = transfer(send, other_wallet, own_wallet, "USDT", "7", caller=OTHER).body["details"]["transactionId"]
    name = {"walletId": own_wallet}
    not_empty = (400, -140007, "Cannot close wallet with non-zero balance")
    assert refusal(send("POST", "close", name, caller=ADMIN)) == not_empty
    assert transfer(send, own_wallet, other_wallet, "USDT", "7", caller=owner).status == 200
    if frozen:
        assert send("POST", "freeze", name, caller=ADMIN).status == 200
    closed = send("POST", "close", name, caller=ADMIN)
    assert closed.body["data"]["status"] == "CLOSED"
    assert send("GET", "get", query=name, caller=owner).body["data"]["status"] == "CLOSED"
    for path in ("close", "freeze", "unfreeze"):
        assert refusal(send("POST", path, name, caller=ADMIN))[:2] == (400, -140008)
    for refused in (
        transfer(send, own_wallet, other_wallet, "USDT", "1", caller=owner),
        transfer(send, other_wallet, own_wallet, "USDT", "1", caller=OTHER),
        withdraw(send, own_wallet, "USDT", "1", owner),
        deposit(send, own_wallet, "USDT", "1"),
    ):
        assert refusal(refused)[:2] == (400, -140008)
    # A reversal brings an amount back, and one withdrawal must take all of it.
    sent_back = send("GET", "transaction/list", query=name, caller=owner).body["data"][0]["transactionId"]
    assert sent_back != sent
    body = {"transactionId": sent_back, "reason": "mistake"}
    assert send("POST", "transaction/reverse", body, caller=ADMIN).status == 200
    for amount in ("6.9", "7.1"):
        assert refusal(withdraw(send, own_wallet, "USDT", amount, owner))[:2] == (400, -140008)
    assert withdraw(send, own_wallet, "USDT", "7", owner).status == 200
    assert refusal(withdraw(send, own_wallet, "USDT", "7", owner))[:2] == (400, -140008)


def test_the_accounting_wallet_cannot_be_closed(send: Send, wallet: Callable[..., str]) -> None:
    created = deposit(send, wallet(), "USDT", "1").body["data"]
    (accounting,) = (entry["walletId"] for entry in created["entries"] if entry["amount"] == "-1")
    fetched = send("GET", "get", query={"walletId": accounting}, caller=ADMIN).body["data"]
    assert (fetched["walletType"], fetched["allowNegative"]) == ("ACCOUNTING", True)
    assert refusal(send("POST", "close", {"walletId": accounting}, caller=ADMIN))[:2] == (400, -140001)


def test_entries_are_paged_newest_first_and_filtered(send: Send, wallet: Callable[..., str]) -> None:
    own_wallet = wallet()
    sent = [
        deposit(send, own_wallet, asset, str(i)).body["data"] for i, asset in enumerate(["BTC", "USDT"] * 6, start=1)
    ]
    pages, cursor = [], None
    while True:
        query = {"walletId": own_wallet, "limit": "5"} | ({"cursor": cursor} if cursor else {})
        page = send("GET", "entry/list", query=query).body
        pages.append([entry["amount"] for entry in page["data"]])
        cursor = page["pagination"]["cursor"]
        assert page["pagination"]["hasNext"] is (cursor is not None)
        if cursor is None:
            break
    assert pages == [["12", "11", "10", "9", "8"], ["7", "6", "5", "4", "3"], ["2", "1"]]
    query = {"walletId": own_wallet, "asset": "BTC", "limit": "2"}
    btc = send("GET", "entry/list", query=query).body
    assert [entry["amount"] for entry in btc["data"]] == ["11", "9"]
    foreign = {"walletId": own_wallet, "cursor": btc["pagination"]["cursor"]}
    assert refusal(send("GET", "entry/list", query=foreign))[:2] == (400, -140001)
    assert refusal(send("GET", "entry/list", query={"walletId": own_wallet, "cursor": "x"}))[:2] == (400, -140001)
    at = str(sent[5]["createdAt"])
    since = send("GET", "entry/list", query={"walletId": own_wallet, "startTime": at}).body["data"]
    until = send("GET", "entry/list", query={"walletId": own_wallet, "endTime": at}).body["data"]
    assert len(since) + len(until) == 12 + sum(created["createdAt"] == sent[5]["createdAt"] for created in sent)
    none = {"walletId": own_wallet, "startTime": "2", "endTime": "1"}
    assert send("GET", "entry/list", query=none).body["data"] == []
    created = send("GET", "transaction/list", query={"walletId": own_wallet, "limit": "12"}).body
    assert created["data"] == sent[::-1]
    assert created["pagination"] == {"offset": 0, "limit": 12, "total": None, "cursor": None, "hasNext": False}


@pytest.mark.usefixtures("aws")
def test_a_page_makes_the_same_requests_whatever_the_length_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_service, "FILTERED_PAGE_SIZE", 250)
    monkeypatch.setattr(pages, "MOST_PASSED_OVER", 500)
    it = bed(new_table())
    own_wallet = it.wallet()
    put_items(
        it.table.name,
        (
            {
                "PK": f"ENTRIES#{own_wallet.id}#00",
                "SK": f"{i:013d}.000000#{uuid.uuid4()}#0",
                "asset": asset,
                "amount": 1,
            }
            for i, asset in ((i, "USDT" if i % 4 else "BTC") for i in range(2_000))
        ),
    )
    every = EntryFilter()
    asked_for = [
        (every, None),
        (EntryFilter("BTC"), None),
        (EntryFilter(None, 100, 1900), None),
        (every, "0000000001000"),
    ]
    for filters, before in asked_for:
        with recorded() as asked:
            page = it.ledger.entries(ADMIN_ACTOR, own_wallet.id, filters, limit=50, before=before)
        assert len(page.rows) == 50
        assert [name for name, _ in asked] == ["get_item", "transact_write_items", "query"]
        assert asked[2][1]["Limit"] <= 250
    with recorded() as asked:
        none = it.ledger.entries(ADMIN_ACTOR, own_wallet.id, EntryFilter("NONE"), limit=50)
    assert none.rows == ()
    assert none.position is not None
    assert len(asked) <= 5


def test_each_call_makes_a_fixed_number_of_database_requests(send: Send, wallet: Callable[..., str]) -> None:
    own_wallet, other_wallet = wallet(USDT="10"), wallet(OTHER)
    assert transfer(send, own_wallet, other_wallet, "USDT", "1").status == 200
    with recorded() as asked:
        assert send("GET", "get", query={"walletId": own_wallet}).status == 200
        assert transfer(send, own_wallet, other_wallet, "USDT", "1").status == 200
        assert deposit(send, own_wallet, "USDT", "1").status == 200
    assert [name for name, _ in asked] == ["get_item", "transact_write_items", "transact_write_items"]
    assert [len(request.get("TransactItems", ())) for _, request in asked] == [0, 9, 8]


def test_wallets_are_paged_and_filtered(send: Send) -> None:
    me = claims(str(uuid.uuid4()))
    assert send("POST", "create", {}).status == 200  # A wallet of another user.
    ids = [send("POST", "create", {}, caller=me).body["data"]["walletId"] for _ in range(5)][::-1]
    assert send("POST", "freeze", {"walletId": ids[1]}, caller=ADMIN).status == 200

    def listed(caller: Any = me, **query: str) -> tuple[list[str], dict[str, Any]]:
        body = send("GET", "list", query=query, caller=caller).body
        return [row["walletId"] for row in body["data"]], body["pagination"]

    rows, pagination = listed()
    assert sorted(rows) == sorted(ids)
    assert pagination == {"offset": 0, "limit": 50, "total": 5, "cursor": None, "hasNext": False}
    first, pagination = listed(limit="2")
    second, last = listed(limit="3", cursor=pagination["cursor"])
    assert (first + second, last["hasNext"], last["total"]) == (rows, False, None)
    assert listed(limit="2", offset="2")[0] == rows[2:4]
    assert listed(status="FROZEN")[0] == [ids[1]]
    assert listed(walletType="DEALER")[0] == []
    assert listed(caller=USER, limit="1000")[0] != rows
    everybody, _ = listed(caller=ADMIN, limit="1000")
    assert set(ids) < set(everybody)
    assert [i for i in everybody if i in ids] == rows
    assert refusal(send("GET", "list", query={"cursor": pagination["cursor"]}, caller=ADMIN))[:2] == (400, -140001)
    for bad in ({"limit": "0"}, {"limit": "1001"}, {"offset": "-1"}, {"status": "OPEN"}, {"walletType": "x"}):
        assert refusal(send("GET", "list", query=bad, caller=me))[:2] == (400, -140001)


def test_a_page_of_wallets_with_much_metadata_ends_early(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    me = claims(str(uuid.uuid4()))
    much = {"metadata": {str(i): "x" * 500 for i in range(6)}}
    ids = [send("POST", "create", much, caller=me).body["data"]["walletId"] for _ in range(5)][::-1]
    monkeypatch.setattr("purser.pages.MOST_BYTES", 6000)

    def pages(following: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[list[str]]:
        query, has_next = {"limit": "4"}, True
        while has_next:
            body = send("GET", "list", query=query, caller=me).body
            assert body["pagination"]["limit"] == len(body["data"]) if body["pagination"]["hasNext"] else 4
            yield [wallet["walletId"] for wallet in body["data"]]
            query, has_next = query | following(body["pagination"]), body["pagination"]["hasNext"]

    expected = [ids[:2], ids[2:4], ids[4:]]
    assert list(pages(lambda page: {"cursor": page["cursor"]})) == expected
    assert list(pages(lambda page: {"offset": str(page["offset"] + page["limit"])})) == expected


def test_no_route_that_names_two_wallets_takes_the_same_one_twice(send: Send, wallet: Callable[..., str]) -> None:
    assert deposit(send, wallet(), "USDT", "1").status == 200  # creates the ACCOUNTING wallet
    twice = (400, -140001, "Source and destination must be different wallets")
    assert refusal(deposit(send, ACCOUNTING_WALLET_ID, "USDT", "1")) == twice
    assert refusal(withdraw(send, ACCOUNTING_WALLET_ID, "USDT", "1", ADMIN)) == twice
    same = transfer(send, ACCOUNTING_WALLET_ID, ACCOUNTING_WALLET_ID.upper(), "USDT", "1", caller=ADMIN)
    assert refusal(same)[:2] == (400, -140001)


def test_the_accounting_wallet_cannot_be_frozen(send: Send, wallet: Callable[..., str]) -> None:
    assert deposit(send, wallet(), "USDT", "1").status == 200  # creates the ACCOUNTING wallet
    frozen = send("POST", "freeze", {"walletId": ACCOUNTING_WALLET_ID}, caller=ADMIN)
    assert refusal(frozen) == (400, -140001, "The platform's ACCOUNTING wallet cannot be frozen")
    assert deposit(send, wallet(), "USDT", "1").status == 200


def test_a_closed_wallet_never_owes_anything(send: Send) -> None:
    """A reversal that would leave a debt is refused, since nothing could settle it."""
    dealer = {"walletType": "DEALER", "allowNegative": True}
    created = send("POST", "create", dealer, caller=ADMIN)
    wallet_id = created.body["data"]["walletId"]
    deposited = deposit(send, wallet_id, "USDT", "10").body["data"]["transactionId"]
    withdrawn = withdraw(send, wallet_id, "USDT", "10", ADMIN).body["data"]["transactionId"]
    assert send("POST", "close", {"walletId": wallet_id}, caller=ADMIN).status == 200

    def reverse(transaction_id: str) -> Answered:
        body = {"transactionId": transaction_id, "reason": "mistake"}
        return send("POST", "transaction/reverse", body, caller=ADMIN)

    assert refusal(reverse(deposited)) == (400, -140004, "Insufficient available balance: 0 USDT < 10 USDT")
    assert reverse(withdrawn).status == 200
    assert reverse(deposited).status == 200


ACCENTED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_a_deposit_that_is_retried_with_its_reference_in_another_unicode_form_books_once(
    send: Send, wallet: Callable[..., str]
) -> None:
    own_wallet = wallet()
    first = deposit(send, own_wallet, "USDT", "1", ACCENTED)
    assert deposit(send, own_wallet, "USDT", "1", DECOMPOSED).body == first.body
    key = {"headers": {"Idempotency-Key": str(uuid.uuid4())}}
    third = deposit(send, own_wallet, "USDT", "1", f"{DECOMPOSED} 2", **key)
    assert deposit(send, own_wallet, "USDT", "1", f"{ACCENTED} 2", **key).body == third.body
    assert len(send("GET", "entry/list", query={"walletId": own_wallet}).body["data"]) == 2


@pytest.mark.parametrize(
    "given",
    [
        *({"nickname": name} for name in (" ", "\u00a0", "\u200c", "a\nb", "a\u202eb")),
        *({"metadata": metadata} for metadata in ({"a": "a\0b"}, {"a\u202eb": "c"}, {" ": "c"})),
    ],
)
def test_text_with_control_characters_or_no_visible_ones_is_refused(send: Send, given: dict[str, Any]) -> None:
    assert refusal(send("POST", "create", given))[:2] == (400, -140001)


def test_a_wallet_has_a_name_in_any_script(send: Send) -> None:
    created = send("POST", "create", {"nickname": " क्\u200dष ", "metadata": {DECOMPOSED: DECOMPOSED, "empty": ""}})
    assert created.body["data"]["metadata"] == {"nickname": "क्\u200dष", ACCENTED: ACCENTED, "empty": ""}


def test_an_admin_creates_wallets_for_existing_users_only(send: Send, pool: UserPool) -> None:
    user_id = pool.add()["id"]
    assert refusal(send("POST", "create", {"userId": user_id}))[:2] == (403, -190403)
    created = send("POST", "create", {"userId": user_id}, caller=ADMIN)
    wallet_id = created.body["data"]["walletId"]
    assert send("GET", "get", query={"walletId": wallet_id}, caller=claims(user_id)).status == 200
    for unknown in (str(uuid.uuid4()), "platform", "ADMIN"):
        refused = refusal(send("POST", "create", {"userId": unknown}, caller=ADMIN))
        assert refused == (400, -140001, "userId must be an existing user")
    assert send("POST", "create", {"userId": ADMIN["sub"]}, caller=ADMIN).status == 200


@pytest.fixture
def two_wallets_per_user() -> Iterator[None]:
    with setting(wallets_per_user=2):
        yield


def created_at_once(user_id: str) -> int:
    """Create four wallets at the same time, and return how many there was room for.

    The handler serves one request at a time, so this calls the service.
    """

    def create(_: int) -> bool:
        try:
            new = NewWallet(str(uuid.uuid4()), user_id)
            return bool(wallets().create(Actor(user_id), new, most=settings().wallets_per_user))
        except TooManyWallets:
            return False

    with ThreadPoolExecutor(4) as threads:
        return sum(threads.map(create, range(4)))


@pytest.mark.usefixtures("two_wallets_per_user")
def test_the_quota_of_open_wallets_holds_for_users_and_not_for_admins(send: Send, pool: UserPool) -> None:
    me = claims(pool.add()["id"])

    def create(caller: Any = me, **given: Any) -> Answered:
        return send("POST", "create", given, caller=caller)

    assert created_at_once(me["sub"]) == 2
    assert refusal(create()) == (403, -140011, "Too many wallets")
    assert create(ADMIN, userId=me["sub"]).status == 200
    for _ in range(2):
        assert refusal(create())[:2] == (403, -140011)
        open_wallets = send("GET", "list", query={"status": "ACTIVE"}, caller=me).body["data"]
        assert send("POST", "close", {"walletId": open_wallets[0]["walletId"]}, caller=ADMIN).status == 200
    assert create().status == 200
    assert create().status == 403


@pytest.mark.usefixtures("two_wallets_per_user")
def test_wallets_from_before_the_counter_are_counted(send: Send, table: Table) -> None:
    for closes in (False, True):
        me = claims(str(uuid.uuid4()))
        first = send("POST", "create", {}, caller=me).body["data"]["walletId"]
        table.delete(f"OWNER#{me['sub']}", "COUNT")
        if closes:
            assert send("POST", "close", {"walletId": first}, caller=ADMIN).status == 200
        assert created_at_once(me["sub"]) == (2 if closes else 1)


def test_a_retried_creation_counts_once(send: Send, two_wallets_per_user: None) -> None:
    me, key = claims(str(uuid.uuid4())), {"Idempotency-Key": "same"}
    answers = [send("POST", "create", {}, caller=me, headers=key) for _ in range(3)]
    assert len({answer.body["data"]["walletId"] for answer in answers}) == 1
    assert send("POST", "create", {}, caller=me).status == 200


def test_metadata_takes_at_most_four_kibibytes(send: Send) -> None:
    values = {str(i): "\u00e9" * 250 for i in range(8)}
    assert len(wire.dump(values).encode()) < 4096
    assert send("POST", "create", {"metadata": values}).status == 200
    assert refusal(send("POST", "create", {"metadata": values | {"more": "x" * 100}}))[:2] == (400, -140001)
