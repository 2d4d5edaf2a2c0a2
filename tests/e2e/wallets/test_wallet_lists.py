"""Test the lists of wallets, transactions and entries over HTTP, page by page."""

from __future__ import annotations

from tests.support.samples import WALLETS
from tests.support.wallet_client import WalletClient, movement, transfer

INVALID = (400, -140001)


def test_entries_and_transactions_are_paged_newest_first(user: WalletClient, admin: WalletClient) -> None:
    own_wallet, other_wallet = user.create(), user.create()
    created = [
        admin.done("deposit", movement(own_wallet, str(n), asset)) for n, asset in enumerate(("USDT", "BTC") * 3, 1)
    ]
    created.append(user.transferred(transfer(own_wallet, other_wallet, "2")))
    by_wallet, newest_first = {"walletId": own_wallet.walletId}, created[::-1]

    pages = list(user.pages("transaction/list", **by_wallet, limit=3))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [row for page in pages for row in page] == newest_first

    walk = user.pages("entry/list", **by_wallet, limit=4)
    first = next(walk)
    # A new entry is newer than the page at hand, so the next pages do not show it.
    admin.done("deposit", movement(own_wallet, "9"))
    rows = [*first, *(row for page in walk for row in page)]
    assert [row.transactionId for row in rows] == [each.transactionId for each in newest_first]
    assert [row.amount for row in rows] == ["-2", "6", "5", "4", "3", "2", "1"]
    assert len({row.entryId for row in rows}) == 7

    assert [row.amount for row in user.list(f"{WALLETS}/entry/list", **by_wallet, asset="BTC")] == ["6", "4", "2"]
    since, until = created[2].createdAt, created[4].createdAt
    among = user.list(f"{WALLETS}/entry/list", **by_wallet, startTime=since, endTime=until)
    assert [row.amount for row in among] == [row.amount for row in rows if since <= row.createdAt <= until]
    assert {"3", "4", "5"} <= {row.amount for row in among}
    assert user.list(f"{WALLETS}/transaction/list", **by_wallet, startTime=until + 3_600_000) == []


def test_a_cursor_belongs_to_one_list(user: WalletClient, admin: WalletClient) -> None:
    own_wallet, second = user.create(), user.create()
    for wallet in (own_wallet, own_wallet, second, second):
        admin.done("deposit", movement(wallet, "1"))
    query = {"walletId": own_wallet.walletId, "limit": 1}
    _, answer = user.send("GET", f"{WALLETS}/entry/list", params=query)
    cursor = answer.pagination.cursor
    assert user.list(f"{WALLETS}/entry/list", **query, cursor=cursor)
    for what, more in (
        ("transaction/list", query),
        ("entry/list", {"walletId": second.walletId}),
        ("entry/list", query | {"asset": "BTC"}),
        ("list", {}),
    ):
        assert user.refuses_to_show(what, **more | {"cursor": cursor})[:2] == INVALID
    for forged in (cursor[:-2], cursor[::-1], "x", "x" * 1025):
        assert user.refuses_to_show("entry/list", **query, cursor=forged)[:2] == INVALID


def test_invalid_limits_are_refused(user: WalletClient) -> None:
    by_wallet = {"walletId": user.create().walletId}
    for limit in ("0", "-1", "1001", "x", "1.5"):
        assert user.refuses_to_show("list", limit=limit)[:2] == INVALID, limit
        for what in ("entry/list", "transaction/list"):
            assert user.refuses_to_show(what, **by_wallet, limit=limit)[:2] == INVALID, limit


def test_wallets_are_paged_newest_first_and_filtered(
    user: WalletClient, other: WalletClient, admin: WalletClient
) -> None:
    created = [user.create(nickname=str(n)) for n in range(5)]
    other.create()
    created[1] = admin.done("freeze", {"walletId": created[1].walletId})
    created[3] = admin.done("close", {"walletId": created[3].walletId})
    newest_first = created[::-1]
    pages = list(user.pages("list", limit=2))
    assert [row for page in pages for row in page] == newest_first
    status, answer = user.send("GET", f"{WALLETS}/list", params={"limit": 2, "offset": 3})
    assert (status, answer.data) == (200, newest_first[3:])
    assert (answer.pagination.offset, answer.pagination.total, answer.pagination.hasNext) == (3, 5, False)
    for state, row in (("FROZEN", created[1]), ("CLOSED", created[3])):
        assert user.list(f"{WALLETS}/list", status=state) == [row]
    assert user.list(f"{WALLETS}/list", walletType="DEALER") == []
    assert user.refuses_to_show("list", status="GONE")[:2] == INVALID
    listed = admin.list(f"{WALLETS}/list", limit=1000)
    assert {wallet.walletId for wallet in created} <= {wallet.walletId for wallet in listed}
