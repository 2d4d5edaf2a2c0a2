"""Test credentials at the desk with DynamoDB Local, KMS (moto), ccxt and the paper exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from purser import errors
from purser.actor import Actor
from purser.aws.tables import Table
from purser.bootstrap.trading_accounts import credentials, trading_accounts
from purser.credentials.model import CredentialType, sealing_context
from purser.credentials.service import NewCredential
from purser.disconnecting.store.cancellations import DynamoCancellationStore
from purser.exchanges import ccxt_gateway
from purser.exchanges.model import ApiCredential, TradeType, Venue
from purser.exchanges.store import address_pk
from purser.keys_table import credential_sk
from purser.trading_accounts.key_status import CONFIRMING_MS
from tests.integration.test_trading_account import (
    ACCOUNTS,
    BASIC,
    CREDENTIALS,
    User,
    connection,
    credential_body,
    handlers,
    rest_order,
    someone,
    user,
)
from tests.support.aws import Aws
from tests.support.effort import scaled
from tests.support.events import call, claims
from tests.support.functions import load_function, new_process, setting
from tests.support.paper import Paper

__all__ = ["handlers", "someone", "user"]


def kept(user: User, key: dict[str, str], **given: Any) -> str:
    """Create a credential, and return its id."""
    id: str = user.post(f"{CREDENTIALS}/create", **credential_body(key, **given))["credentialId"]
    return id


def with_kept(user: User, credential: str, **given: Any) -> Any:
    """Connect a trading account with a stored credential."""
    return user.post(f"{ACCOUNTS}/connect", venue="BINANCE", credentialIds=[credential], **given)


def status(user: User, credential: str) -> str:
    (found,) = user.list(f"{CREDENTIALS}/list", credentialIds=credential)
    operation: str = found["status"]
    return operation


def rotation(credential: str, key: dict[str, str]) -> dict[str, str]:
    return {"credentialId": credential, "apiKey": key["apiKey"], "apiSecret": key["secret"]}


def item(user: User, credential: str) -> Any:
    return Table("KeysTable").get(f"USER#{user.id}", f"CREDENTIAL#{credential}")


def refused_earlier(user: User, account: Any) -> None:
    """Make the first ambiguous refusal of an account's key older than it takes to count the second."""
    pk, sk = f"USER#{user.id}", f"KEY#{account['tradingAccountId']}"
    Table("KeysTable").update(pk, sk, "SET refusedAt = refusedAt - :wait", {":wait": CONFIRMING_MS})


def works(user: User, account: Any) -> bool:
    return user.v1("GET", f"/v1/priv/account/exchange/key/{account['tradingAccountId']}/balance").status == 200


def test_a_new_credential_is_encrypted_and_the_exchange_is_not_asked(user: User, paper: Paper) -> None:
    paper.clear_requests()
    key = paper.key()
    created = user.post(f"{CREDENTIALS}/create", **credential_body(key, nickname="Mine"))
    assert (created["status"], created["credentialType"], created["nickname"]) == ("CREATED", "HMAC", "Mine")
    assert paper.requests() == []
    stored = item(user, created["credentialId"])
    assert key["secret"].encode() not in stored["ciphertext"]
    from purser.bootstrap.adapters import vault

    assert vault().decrypt(stored["ciphertext"], sealing_context(user.id, created["credentialId"])) == key["secret"]
    assert user.list(f"{CREDENTIALS}/list") == [created]
    assert user.operations() == []


def test_two_accounts_share_a_credential_and_the_last_one_removes_it(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDC": "1000"}, futures={"USDT": "10"})
    credential = kept(user, key)
    spot, futures = with_kept(user, credential), with_kept(user, credential, accountType="MARGIN")

    assert [c["credentialId"] for c in futures["credentials"]] == [credential]
    assert status(user, credential) == "ACTIVE"
    assert works(user, spot)
    assert works(user, futures)
    rest_order(paper, key)
    user.act("disconnect", spot)
    assert paper.open_orders(key["apiKey"]) == []
    assert status(user, credential) == "ACTIVE"
    assert works(user, futures)
    again = with_kept(user, credential)
    user.act("disconnect", futures)
    assert works(user, again)
    user.act("disconnect", again)
    assert user.list(f"{CREDENTIALS}/list") == []
    assert item(user, credential) is None


def test_only_own_usable_credentials_can_be_connected_with(someone: Callable[..., User], paper: Paper) -> None:
    user, other = someone(), someone()
    stored = kept(user, paper.key())
    connect = f"{ACCOUNTS}/connect"
    assert other.refused(connect, venue="BINANCE", credentialIds=[stored]) == (403, -190403)
    assert other.refused(connect, venue="BINANCE", credentialIds=[str(uuid4())]) == (404, -130002)
    user.post(f"{CREDENTIALS}/revoke", credentialId=stored)
    assert user.refused(connect, venue="BINANCE", credentialIds=[stored]) == (400, -130001)
    wrong = kept(user, paper.key() | {"secret": "wrong"})
    assert user.refused(connect, venue="BINANCE", credentialIds=[wrong]) == (502, -120005)
    assert status(user, wrong) == "CREATED"


def test_an_idempotency_key_creates_one_credential(user: User, paper: Paper) -> None:
    key, asked = paper.key(), {"headers": {"Idempotency-Key": "once"}}
    first = user.ask("POST", f"{CREDENTIALS}/create", credential_body(key), **asked)
    again = user.ask("POST", f"{CREDENTIALS}/create", credential_body(key), **asked)
    assert (first.status, again.body) == (200, first.body)
    assert len(user.list(f"{CREDENTIALS}/list")) == 1
    other = user.ask("POST", f"{CREDENTIALS}/create", credential_body(paper.key()), **asked)
    assert (other.status, other.body["errno"]) == (400, -190409)


def test_a_repeated_create_with_the_same_id_returns_the_first_credential(user: User, paper: Paper) -> None:
    new = NewCredential(str(uuid4()), user.id, Venue.BINANCE, CredentialType.API_KEY, "x", "key", "secret")
    first = credentials().create(new)
    assert credentials().create(new) == first
    other = NewCredential(new.id, user.id, Venue.BINANCE, CredentialType.API_KEY, "x", "another key", "secret")
    with pytest.raises(errors.IdempotencyKeyReused):
        credentials().create(other)


@pytest.fixture
def two_credentials_per_user() -> Iterator[None]:
    with setting(credentials_per_user=2):
        yield


@pytest.mark.usefixtures("two_credentials_per_user")
def test_the_quota_of_credentials_holds_for_users_and_not_for_admins(
    someone: Callable[..., User], paper: Paper
) -> None:
    user, admin = someone(), someone(admin=True)
    account = user.connect(paper.key())
    stored = kept(user, paper.key())
    refused = user.ask("POST", f"{CREDENTIALS}/create", credential_body(paper.key()))
    assert (refused.status, refused.body["errno"]) == (403, -130003)
    assert refused.body["error"] == "Too many credentials"
    user.post(f"{CREDENTIALS}/revoke", credentialId=stored)
    kept(user, paper.key())
    user.connect(paper.key())
    assert user.refused(f"{CREDENTIALS}/create", **credential_body(paper.key())) == (403, -130003)
    user.act("disconnect", account)
    assert user.refused(f"{CREDENTIALS}/create", **credential_body(paper.key())) == (403, -130003)
    for _ in range(3):
        kept(admin, paper.key())


@pytest.mark.usefixtures("two_credentials_per_user")
def test_a_retry_returns_the_last_credential_within_the_quota(user: User, paper: Paper) -> None:
    kept(user, paper.key())
    body, headers = credential_body(paper.key()), {"Idempotency-Key": "last"}
    first, again = (user.ask("POST", f"{CREDENTIALS}/create", body, headers=headers) for _ in range(2))
    assert (first.status, again.body) == (200, first.body)


def test_concurrent_credentials_do_not_exceed_the_quota(user: User, handlers: dict[str, Any]) -> None:
    def create(_: int) -> bool:
        new = NewCredential(str(uuid4()), user.id, Venue.BINANCE, CredentialType.HMAC, "x", uuid4().hex, "secret")
        try:
            return bool(credentials().create(new, most=3))
        except errors.TooManyCredentials:
            return False

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(create, range(6))) == 3
    assert len(user.list(f"{CREDENTIALS}/list")) == 3


def test_credentials_are_filtered_and_paged(user: User, paper: Paper) -> None:
    hmac, plain = kept(user, paper.key()), kept(user, paper.key(), credentialType="API_KEY")
    with_kept(user, plain)
    listing = f"{CREDENTIALS}/list"

    def ids(**query: Any) -> list[str]:
        return [each["credentialId"] for each in user.list(listing, **query)]

    assert ids() == [hmac, plain]
    assert ids(credentialType="HMAC") == [hmac]
    assert ids(credentialStatus="ACTIVE") == [plain]
    assert ids(credentialIds=[hmac, str(uuid4())]) == [hmac]
    assert ids(limit="1") == [hmac]
    assert ids(limit="1", offset="1") == [plain]
    for query in ({"credentialType": "X"}, {"credentialStatus": "X"}, {"credentialIds": "1"}, {"limit": "0"}):
        assert user.not_listed(listing, **query) == (400, -190001)


def verified(user: User, *credential_ids: str) -> list[tuple[str, str, str]]:
    """Return credential, external id and status of each verified account, without those that have an error."""
    answers = user.post(f"{CREDENTIALS}/verify", credentialIds=credential_ids)
    return [
        (answer["credentials"][0]["credentialId"], answer["externalTradingAccountId"], answer["status"])
        for answer in answers
        if answer["error"] is None
    ]


def test_verifying_lists_the_accounts_that_a_credential_reaches(user: User, paper: Paper) -> None:
    everything, spot = kept(user, paper.key()), kept(user, paper.key(may_trade_futures=False))
    dead_key = paper.key()
    dead, revoked = kept(user, dead_key), kept(user, paper.key())
    paper.change_key(dead_key["apiKey"], revoked=True)
    user.post(f"{CREDENTIALS}/revoke", credentialId=revoked)
    assert verified(user, everything, spot, dead, revoked, everything) == [
        (everything, "SPOT", "NEW"),
        (everything, "FUTURES", "NEW"),
        (spot, "SPOT", "NEW"),
    ]
    assert status(user, dead) == "EXPIRED"
    paper.change_key(dead_key["apiKey"], revoked=False)
    assert verified(user, dead) == [(dead, "SPOT", "NEW"), (dead, "FUTURES", "NEW")]
    assert status(user, dead) == "CREATED"


def test_a_verified_account_has_the_same_ids_until_it_is_connected(user: User, paper: Paper) -> None:
    credential = kept(user, paper.key())
    first, again = (user.post(f"{CREDENTIALS}/verify", credentialIds=[credential]) for _ in range(2))
    ids = [each["tradingAccountId"] for each in first]
    assert [each["tradingAccountId"] for each in again] == ids
    assert len(set(ids)) == 2
    account = with_kept(user, credential, externalTradingAccountId=first[1]["externalTradingAccountId"])
    assert account["externalTradingAccountId"] == account["externalAccountType"] == "FUTURES"
    spot, futures = user.post(f"{CREDENTIALS}/verify", credentialIds=[credential])
    assert (spot["status"], futures["status"]) == ("NEW", "ACTIVE")
    assert futures["tradingAccountId"] == account["tradingAccountId"]


def test_an_outage_while_verifying_affects_one_account_only(user: User, paper: Paper) -> None:
    key, other = paper.key(), paper.key()
    down, fine = kept(user, key), kept(user, other)
    paper.fault("/api/v3/account", "http_503", apiKey=key["apiKey"])
    answers = user.post(f"{CREDENTIALS}/verify", credentialIds=[down, fine])
    assert [answer["status"] for answer in answers] == ["UNAVAILABLE", "NEW", "NEW", "NEW"]
    assert [answer["error"] and answer["error"]["errno"] for answer in answers] == [-120005, None, None, None]
    assert status(user, down) == "CREATED"


def test_verifying_updates_the_accounts_that_use_the_credential(user: User, paper: Paper) -> None:
    key = paper.key()
    credential = kept(user, key)
    spot, futures = with_kept(user, credential), with_kept(user, credential, accountType="MARGIN")
    paper.change_key(key["apiKey"], futures=False)
    assert verified(user, credential) == [(credential, "SPOT", "ACTIVE"), (credential, "FUTURES", "UNAVAILABLE")]
    assert (user.get(spot)["status"], user.get(futures)["status"]) == ("ACTIVE", "ACTIVE")
    refused_earlier(user, futures)
    user.post(f"{CREDENTIALS}/verify", credentialIds=[credential])
    assert (user.get(spot)["status"], user.get(futures)["status"]) == ("ACTIVE", "UNAVAILABLE")
    paper.change_key(key["apiKey"], revoked=True)
    assert verified(user, credential) == [(credential, "SPOT", "UNAVAILABLE"), (credential, "FUTURES", "UNAVAILABLE")]
    assert (status(user, credential), user.get(spot)["status"]) == ("EXPIRED", "UNAVAILABLE")
    paper.change_key(key["apiKey"], revoked=False, futures=True)
    assert verified(user, credential) == [(credential, "SPOT", "ACTIVE"), (credential, "FUTURES", "ACTIVE")]
    assert status(user, credential) == "ACTIVE"
    assert (user.get(spot)["status"], user.get(futures)["status"]) == ("ACTIVE", "ACTIVE")


def test_during_a_ban_of_the_address_no_credential_expires_and_no_account_is_unavailable(
    user: User, paper: Paper
) -> None:
    used, unused = kept(user, paper.key()), kept(user, paper.key())
    account = with_kept(user, used)
    before = [status(user, credential) for credential in (used, unused)]
    paper.ban(60)
    answers = user.post(f"{CREDENTIALS}/verify", credentialIds=[used, unused])
    assert [answer["error"]["errno"] for answer in answers] == [-120005] * 4
    assert [status(user, credential) for credential in (used, unused)] == before
    assert user.get(account)["status"] == "ACTIVE"
    paper.ban(0)
    assert [each[2] for each in verified(user, used, unused)] == ["ACTIVE", "NEW", "NEW", "NEW"]
    assert works(user, account)


def test_concurrent_refusals_of_all_its_accounts_expire_a_credential(user: User, paper: Paper) -> None:
    for _ in range(scaled(10)):
        key = paper.key()
        credential = kept(user, key)
        both = [with_kept(user, credential), with_kept(user, credential, accountType="MARGIN")]
        paper.change_key(key["apiKey"], revoked=True)

        def ask(account: Any) -> None:
            with pytest.raises(errors.ExchangeAuthorizationFailed):
                trading_accounts().balance(user.id, account["tradingAccountId"])

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(ask, both))
        assert status(user, credential) == "EXPIRED"
        user.post(f"{CREDENTIALS}/revoke", credentialId=credential)


def test_rotating_keeps_the_connected_accounts_working(user: User, paper: Paper) -> None:
    old, new = paper.key(spot={"USDT": "1"}), paper.key(spot={"USDT": "2"})
    credential = kept(user, old)
    both = [with_kept(user, credential), with_kept(user, credential, accountType="MARGIN")]
    rotated = user.post(f"{CREDENTIALS}/rotate", **rotation(credential, new))
    assert (rotated["credentialId"], rotated["status"]) == (credential, "ACTIVE")
    paper.change_key(old["apiKey"], revoked=True)
    assert all(works(user, account) for account in both)
    keys = {each["apiKey"] for each in user.v1("GET", "/v1/priv/account/exchange/key/list").body["items"]}
    assert keys == {new["apiKey"]}
    assert [kind for kind, _ in user.operations()][:2] == ["CREDENTIAL_ROTATE"] * 2
    from purser.bootstrap.adapters import vault

    opened = vault().decrypt(item(user, credential)["ciphertext"], sealing_context(user.id, credential))
    assert opened == new["secret"]


def test_rotating_moves_the_claims_to_the_new_api_key(someone: Callable[..., User], paper: Paper) -> None:
    user, other = someone(), someone()
    old, new, taken = paper.key(), paper.key(), paper.key()
    credential = kept(user, old)
    with_kept(user, credential)
    other.connect(taken)
    assert user.refused(f"{CREDENTIALS}/rotate", **rotation(credential, taken)) == (409, -120006)
    assert other.refused(f"{ACCOUNTS}/connect", **connection(old)) == (409, -120006)
    user.post(f"{CREDENTIALS}/rotate", **rotation(credential, new))
    assert other.refused(f"{ACCOUNTS}/connect", **connection(new)) == (409, -120006)
    other.connect(old)
    user.post(f"{CREDENTIALS}/rotate", **rotation(credential, new))
    user.connect(new, accountType="MARGIN")
    anew = paper.key()
    user.post(f"{CREDENTIALS}/rotate", **rotation(credential, anew))
    assert other.refused(f"{ACCOUNTS}/connect", **connection(new)) == (409, -120006), (
        "the claim of one account type is still there"
    )


def test_rotating_checks_the_new_key_as_connecting_does(someone: Callable[..., User], paper: Paper) -> None:
    user = someone(plan=BASIC.id)
    key = paper.key(spot={"USDT": "1"})
    credential = kept(user, key)
    account = with_kept(user, credential)
    rotate = f"{CREDENTIALS}/rotate"
    before = item(user, credential)
    assert user.refused(rotate, **rotation(credential, paper.key() | {"secret": "wrong"})) == (502, -120005)
    assert user.refused(rotate, **rotation(credential, paper.key(withdrawals=True))) == (502, -120005)
    assert user.refused(rotate, **rotation(credential, paper.key(spot={"USDT": "9999999"}))) == (403, -120007)
    down = paper.key()
    paper.fault("/api/v3/account", "http_503", apiKey=down["apiKey"])
    assert user.refused(rotate, **rotation(credential, down)) == (503, -120005)
    assert item(user, credential) == before
    assert works(user, account)


def test_rotating_an_expired_credential_makes_it_active(user: User, paper: Paper) -> None:
    key = paper.key()
    account = user.connect(key)
    paper.change_key(key["apiKey"], revoked=True)
    assert not works(user, account)
    credential = account["tradingAccountId"]
    assert status(user, credential) == "EXPIRED"
    user.post(f"{CREDENTIALS}/rotate", **rotation(credential, paper.key()))
    assert (status(user, credential), user.get(account)["status"]) == ("ACTIVE", "INACTIVE")
    assert user.act("enable", account)["status"] == "ACTIVE"


def test_an_unused_credential_can_be_rotated(user: User, paper: Paper) -> None:
    credential = kept(user, paper.key())
    new = paper.key()
    assert user.post(f"{CREDENTIALS}/rotate", **rotation(credential, new))["status"] == "CREATED"
    (operation,) = user.list(f"{ACCOUNTS}/operation/list")
    assert (operation["operationType"], operation["tradingAccountId"]) == ("CREDENTIAL_ROTATE", credential)
    with_kept(user, credential)


def test_concurrent_rotating_and_disconnecting_leave_no_credential_cancellation_or_claim(
    user: User, paper: Paper
) -> None:
    for n in range(scaled(14)):
        old, new = paper.key(spot={"USDC": "1000"}), paper.key(spot={"USDC": "1000"})
        credential = kept(user, old)
        account = with_kept(user, credential)

        def rotate(credential: str = credential, new: dict[str, str] = new) -> None:
            try:
                key = ApiCredential(new["apiKey"], new["secret"])
                credentials().rotate(user.id, credential, key, Actor(user.id))
            except (errors.CredentialNotFound, errors.Contended):
                return

        def end(id: str = account["tradingAccountId"]) -> None:
            trading_accounts().disconnect(user.id, id)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda act: act(), (rotate, end) if n % 2 else (end, rotate)))
        assert user.list() == user.list(f"{CREDENTIALS}/list") == []
        assert DynamoCancellationStore(Table("KeysTable")).get(account["tradingAccountId"]) is None
        for key in (old, new):
            user.act("disconnect", user.connect(key))


@pytest.mark.parametrize("nth", [0, 1])
def test_disconnecting_while_the_credential_is_revoked_leaves_no_cancellation(
    user: User, paper: Paper, nth: int
) -> None:
    credential = kept(user, paper.key(spot={"USDC": "1000"}))
    account = with_kept(user, credential)["tradingAccountId"]
    valuations = 0

    def get(table: Table, pk: str, sk: str) -> Any:
        nonlocal valuations
        if sk == credential_sk(credential):
            valuations += 1
            if valuations == nth + 1:
                patch.undo()
                credentials().revoke(user.id, credential, Actor(user.id))
        return read(table, pk, sk)

    with pytest.MonkeyPatch.context() as patch:
        read = Table.get
        patch.setattr(Table, "get", get)
        with suppress(errors.NotFound):
            trading_accounts().disconnect(user.id, account)
    assert valuations == nth + 1
    assert user.list() == []
    assert status(user, credential) == "REVOKED"
    assert DynamoCancellationStore(Table("KeysTable")).get(account) is None


def test_revoking_disconnects_all_accounts_and_cancels_their_orders(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDC": "1000"}, futures={"USDT": "10"})
    credential = kept(user, key)
    both = [with_kept(user, credential), with_kept(user, credential, accountType="MARGIN")]
    rest_order(paper, key)
    revoked = user.post(f"{CREDENTIALS}/revoke", credentialId=credential)
    assert revoked["status"] == "REVOKED"
    assert revoked["revokedAt"] == revoked["updatedAt"]
    assert paper.open_orders(key["apiKey"]) == []
    assert "ciphertext" not in item(user, credential)
    assert user.list() == []
    assert [user.get(account)["status"] for account in both] == ["DISCONNECTED"] * 2
    # Orders of futures are cancelled again later, in case a request was just placing some.
    assert sorted(user.operations()) == [
        *[(kind, "SUCCESS") for kind in ("CONNECT", "CREDENTIAL_REVOKE") for _ in both],
        ("DISCONNECT", "PENDING"),
        ("DISCONNECT", "SUCCESS"),
    ]
    assert user.refused(f"{CREDENTIALS}/revoke", credentialId=credential) == (400, -130001)
    assert user.refused(f"{CREDENTIALS}/rotate", **rotation(credential, key)) == (400, -130001)
    assert user.list(f"{CREDENTIALS}/list", credentialStatus="REVOKED") == [revoked]
    user.connect(key)


def test_revoking_while_the_exchange_is_down_cancels_the_orders_later(user: User, paper: Paper) -> None:
    key = paper.key(spot={"USDC": "1000"})
    credential = kept(user, key)
    account = with_kept(user, credential)
    rest_order(paper, key)
    paper.fault("/api/v3/openOrders", "http_503", apiKey=key["apiKey"])
    assert user.post(f"{CREDENTIALS}/revoke", credentialId=credential)["status"] == "REVOKED"
    assert "ciphertext" not in item(user, credential)
    assert user.operations(operationType="DISCONNECT") == [("DISCONNECT", "PENDING")]
    from purser.bootstrap.trading_accounts import cancellations

    cancellations().resume(account["tradingAccountId"])
    assert paper.open_orders(key["apiKey"]) == []
    assert user.operations(operationType="DISCONNECT") == [("DISCONNECT", "SUCCESS")]


def test_concurrent_revoking_and_connecting_leave_no_connected_account(user: User, paper: Paper) -> None:
    for n in range(6):
        credential = kept(user, paper.key())

        def connect(credential: str = credential) -> None:
            answer = user_connects(user, credential)
            assert answer is None or isinstance(answer, (errors.CredentialRevoked, errors.Contended)), answer

        def revoke(credential: str = credential) -> None:
            credentials().revoke(user.id, credential, Actor(user.id))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda act: act(), (connect, revoke) if n % 2 else (revoke, connect)))
        assert status(user, credential) == "REVOKED"
        assert trading_accounts().of(user.id) == ()


def user_connects(user: User, credential: str) -> Exception | None:
    from purser.bootstrap.trading_accounts import desk
    from purser.exchanges.model import TradeType, Venue
    from purser.trading_accounts.model import StrategyType
    from purser.trading_accounts.service import NewConnection

    asked = NewConnection(str(uuid4()), user.id, Venue.BINANCE, TradeType.SPOT, StrategyType.MANUAL, "x", "", "")
    try:
        desk().connect(asked, Actor(user.id), credential_id=credential)
    except errors.PurserError as error:
        return error
    return None


def test_a_credential_of_another_user_is_forbidden_for_users_and_admins(
    someone: Callable[..., User], paper: Paper
) -> None:
    user, other, admin = someone(), someone(), someone(admin=True)
    credential = kept(user, paper.key())
    for caller in (other, admin):
        assert caller.refused(f"{CREDENTIALS}/verify", credentialIds=[credential]) == (403, -190403)
        assert caller.refused(f"{CREDENTIALS}/rotate", **rotation(credential, paper.key())) == (403, -190403)
        assert caller.refused(f"{CREDENTIALS}/revoke", credentialId=credential) == (403, -190403)
        assert caller.list(f"{CREDENTIALS}/list", credentialIds=credential) == []
        assert caller.refused(f"{CREDENTIALS}/revoke", credentialId=str(uuid4())) == (404, -130002)
    assert status(user, credential) == "CREATED"


@pytest.mark.parametrize(
    ("act", "body"),
    [
        ("create", {}),
        ("create", {"venue": "KRAKEN"}),
        ("create", {"credentialType": "RSA"}),
        ("create", {"apiKey": ""}),
        ("create", {"apiSecret": "a b"}),
        ("create", {"apiSecret": ["x"]}),
        ("create", {"apiPassphrase": ""}),
        ("create", {"nickname": "x" * 65}),
        ("verify", {}),
        ("verify", {"credentialIds": []}),
        ("verify", {"credentialIds": ["1"]}),
        ("verify", {"credentialIds": [str(uuid4())] * 11}),
        ("rotate", {}),
        ("rotate", {"credentialId": str(uuid4()), "apiKey": "x"}),
        ("revoke", {}),
        ("revoke", {"credentialId": "1"}),
    ],
)
def test_invalid_input_is_refused(user: User, aws: Aws, act: str, body: dict[str, Any]) -> None:
    whole = {"venue": "BINANCE", "credentialType": "HMAC", "apiKey": "a", "apiSecret": "b"}
    sent = whole | body if act == "create" and body else body
    assert user.refused(f"{CREDENTIALS}/{act}", **sent) == (400, -190001)
    assert user.list(f"{CREDENTIALS}/list") == []


def test_a_user_without_a_plan_creates_and_verifies_ten_credentials_an_hour(
    someone: Callable[..., User], paper: Paper
) -> None:
    stranger, key = someone(plan=""), paper.key()
    created = [kept(stranger, key) for _ in range(10)]
    assert stranger.refused(f"{CREDENTIALS}/create", **credential_body(key)) == (429, -190429)
    stranger.post(f"{CREDENTIALS}/verify", credentialIds=created[:9])
    paper.clear_requests()
    refused = stranger.ask("POST", f"{CREDENTIALS}/verify", {"credentialIds": created[:2]})
    assert (refused.status, refused.body["errno"]) == (429, -190429)
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert paper.requests() == []
    stranger.post(f"{CREDENTIALS}/verify", credentialIds=created[:1])
    assert stranger.refused(f"{CREDENTIALS}/verify", credentialIds=created[:1]) == (429, -190429)


def test_invented_keys_of_one_user_leave_weight_for_the_closings_and_reads_of_others(
    someone: Callable[..., User], paper: Paper
) -> None:
    owner, attacker = someone(), someone()
    key = paper.key(futures={"USDT": "1000"})
    account = owner.connect(key, accountType="MARGIN")
    invented = [kept(attacker, {"apiKey": uuid4().hex * 2, "secret": uuid4().hex * 2}) for _ in range(10)]
    own_address = address_pk(Venue.BINANCE, str(uuid4()))
    with new_process() as patch:
        # Other tests have spent the weight of the lane.
        patch.setattr("purser.exchanges.store.address_pk", lambda *_: own_address)
        patch.setattr("purser.exchanges.pacing.BURST", 60.0)  # The test does not wait for the pacer.
        patch.setattr(ccxt_gateway, "VENUE_WEIGHT_PER_MINUTE", {TradeType.SPOT: 600, TradeType.FUTURES: 240})
        paper.limits(spot=600, futures=240)
        paper.clear_requests()
        exchange = load_function("exchange").handler
        for _ in range(8):
            answered = attacker.post(f"{CREDENTIALS}/verify", credentialIds=invented)
            assert all(each["status"] == "UNAVAILABLE" for each in answered)
        path, body = f"/v1/priv/exchange/position/{account['tradingAccountId']}", {"symbol": "BTC/USDT"}
        assert call(exchange, "GET", path, query=body, caller=claims(owner.id)).status == 200
        assert call(exchange, "DELETE", path, body, caller=claims(owner.id)).status == 204
    statuses = [request["status"] for request in paper.requests()]
    assert not {418, 429}.intersection(statuses)
