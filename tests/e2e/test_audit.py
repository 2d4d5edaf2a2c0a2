"""Test over HTTP that what an admin does to a user, and reads of them, is in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import requests

from tests.support.local_system import subject_of
from tests.support.samples import PLAN, WALLETS

AUDIT, USERS = "/v1/admin/audit", "/v1/admin/account/user"


def test_what_an_admin_does_to_a_user_is_listed_newest_first(
    base_url: str, tokens: Mapping[str, str], new_user: Callable[[str], str]
) -> None:
    user, admin = new_user(""), tokens["admin"]
    user_id, admin_id = subject_of(user), subject_of(admin)

    def send(method: str, path: str, token: str = admin, **given: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{base_url}{path}", headers=headers, timeout=60, **given)

    def done(method: str, path: str, token: str = admin, **given: Any) -> requests.Response:
        answer = send(method, path, token, **given)
        answer.raise_for_status()
        return answer

    wallet = done("POST", f"{WALLETS}/create", user, json={}).json()["data"]["walletId"]
    amount = {"walletId": wallet, "asset": "USDT", "amount": "10", "externalRef": str(uuid4())}
    deposited = done("POST", f"{WALLETS}/deposit", json=amount)
    acts = [
        deposited,
        done("POST", f"{WALLETS}/freeze", json={"walletId": wallet}),
        done("PUT", f"{USERS}/{user_id}/subscription", json={"subscriptionId": PLAN}),
        done("GET", f"{USERS}/overview/{user_id}"),
    ]
    done("POST", f"{WALLETS}/deposit", json=amount)  # a repetition
    done("GET", f"{WALLETS}/get", user, params={"walletId": wallet})

    of_both = {"actor": admin_id, "userId": user_id}
    items = done("GET", AUDIT, params=of_both).json()["items"]
    assert [(item["actor"], item["action"], item["target"], item["requestId"]) for item in items[::-1]] == [
        (admin_id, action, target, answer.headers["x-request-id"])
        for (action, target), answer in zip(
            (
                ("DEPOSIT", f"transaction/{deposited.json()['data']['transactionId']}"),
                ("WALLET_FREEZE", f"wallet/{wallet}"),
                ("PLAN_GRANT", f"user/{user_id}"),
                ("USER_READ", f"user/{user_id}"),
            ),
            acts,
            strict=True,
        )
    ]
    first = done("GET", AUDIT, params=of_both | {"limit": 3}).json()
    second = done("GET", AUDIT, params=of_both | {"limit": 3, "nextToken": first["nextToken"]}).json()
    assert (first["items"] + second["items"], second["nextToken"]) == (items, None)

    newest, oldest = items[0]["at"], items[-1]["at"]
    assert done("GET", AUDIT, params=of_both | {"from": oldest, "to": newest}).json()["items"] == items
    reversed_span = {"from": "2100-01-01T00:00:00Z", "to": "2000-01-01T00:00:00Z"}
    assert done("GET", AUDIT, params=of_both | reversed_span).json() == {"items": [], "nextToken": None}

    assert (send("GET", AUDIT, user).status_code, send("GET", AUDIT, "nonsense").status_code) == (403, 401)
    assert send("GET", AUDIT, user).json() == {"message": "Forbidden"}
