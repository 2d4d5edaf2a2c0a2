"""Test the accounts API with its handler, DynamoDB Local and KMS (moto)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import boto3
import pytest

from purser.aws.tables import Table
from purser.bootstrap.people import customers
from purser.clock import now_ms
from purser.customers.schemas.requests import AccountChange, Circumstances, NewAccount
from purser.customers.service import NewCustomer
from purser.errors import AccountError
from purser.settings import settings
from tests.support.aws import Aws
from tests.support.aws_requests import aws_requests
from tests.support.events import Answered, LambdaContext, answered, claims, proxy_event
from tests.support.functions import forget_process, load_function, setting

SCOPES = ("accounts.read", "accounts.write", "profile.read", "profile.write", "profile.disconnect")
ADDRESS = {
    "addressLine1": "123 Main Street",
    "city": "Boulder",
    "stateOrProvince": "CO",
    "postalCode": "80301",
    "country": "US",
}
SECRETS = ("123-45-6789", "12-3456789")


@dataclass
class Client:
    """A user or machine client that calls the function."""

    function: ModuleType
    id: str
    caller_claims: dict[str, Any] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, **given: Any) -> Answered:
        event = proxy_event(method, path, body, caller=claims(self.id, **self.caller_claims), **given)
        return answered(self.function.handler(event, LambdaContext()))

    def create(self, body: dict[str, Any], **given: Any) -> Answered:
        return self.call("POST", "/accounts", body, **given)

    def add(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.create(body)
        assert answer.status == 200, answer.text
        account: dict[str, Any] = answer.body
        return account

    def list(self, **query: str) -> list[str]:
        answer = self.call("GET", "/accounts", query=query)
        assert answer.status == 200, answer.text
        return [account["accountID"] for account in answer.body]


def individual(first: str = "Jordan", last: str = "Lee", *, more: dict[str, Any] | None = None, **given: Any) -> Any:
    profile = {"name": {"firstName": first, "lastName": last}, **(more or {})}
    return {"accountType": "individual", "profile": {"individual": profile}, **given}


def business(name: str = "Whole Body Fitness LLC", *, more: dict[str, Any] | None = None, **given: Any) -> Any:
    return {
        "accountType": "business",
        "profile": {"business": {"legalBusinessName": name, **(more or {})}},
        **given,
    }


def path_of(account: dict[str, Any]) -> str:
    return f"/accounts/{account['accountID']}"


@pytest.fixture(scope="module")
def function(aws: Aws) -> Iterator[ModuleType]:
    forget_process()
    yield load_function("customer")
    forget_process()


@pytest.fixture
def someone(function: ModuleType) -> Callable[..., Client]:
    return lambda **caller_claims: Client(function, str(uuid4()), caller_claims)


@pytest.fixture
def user(someone: Callable[..., Client]) -> Client:
    return someone()


@pytest.fixture
def machine(function: ModuleType) -> Callable[..., Client]:
    def make(*scopes: str, client_id: str | None = None) -> Client:
        client_id = client_id or uuid4().hex
        scope = " ".join(f"accounts/{name}" for name in scopes)
        return Client(function, client_id, {"client_id": client_id, "scope": scope})

    return make


def kept() -> str:
    """Return the content of the tables as text."""
    client = boto3.client("dynamodb")
    return "".join(repr(client.scan(TableName=table)["Items"]) for table in ("AccountsTable", "IdempotencyTable"))


def test_an_individual_is_created_read_changed_and_disconnected(user: Client) -> None:
    more = {
        "phone": {"number": "8185551212", "countryCode": "1"},
        "email": "jordan.lee@classbooker.dev",
        "address": ADDRESS,
        "birthDate": {"day": 10, "month": 11, "year": 1989},
        "governmentID": {"ssn": {"full": SECRETS[0], "lastFour": "6789"}},
    }
    account = user.add(individual(more=more, foreignID="4528aba-b9a1", metadata={"color": "blue"}))
    assert account == {
        "accountID": account["accountID"],
        "mode": "production",
        "accountType": "individual",
        "displayName": "Jordan Lee",
        "profile": {
            "individual": {
                "name": {"firstName": "Jordan", "lastName": "Lee"},
                "phone": more["phone"],
                "email": more["email"],
                "address": ADDRESS,
                "birthDateProvided": True,
                "governmentIDProvided": True,
            }
        },
        "verification": {"status": "unverified"},
        "metadata": {"color": "blue"},
        "foreignID": "4528aba-b9a1",
        "createdOn": account["createdOn"],
        "updatedOn": account["createdOn"],
    }
    assert account["createdOn"].endswith("Z")
    assert len(account["createdOn"]) == len("2026-01-31T08:57:17.388Z")
    one = path_of(account)
    assert user.call("GET", one).body == account

    changed = user.call("PATCH", one, {"profile": {"individual": {"name": {"middleName": "Reese"}}}})
    assert changed.status == 200
    assert changed.body["profile"]["individual"]["name"] == {
        "firstName": "Jordan",
        "middleName": "Reese",
        "lastName": "Lee",
    }
    assert changed.body["profile"]["individual"]["email"] == more["email"]

    gone = user.call("DELETE", one)
    assert (gone.status, gone.text) == (204, "")
    last = user.call("GET", one)
    assert last.body == changed.body | {"updatedOn": last.body["updatedOn"], "disconnectedOn": last.body["updatedOn"]}
    assert user.call("DELETE", one).body == {"error": "account is disconnected"}
    refused = user.call("PATCH", one, {"metadata": {"color": "red"}})
    assert (refused.status, refused.body) == (409, {"error": "account is disconnected"})
    assert user.list() == []
    assert user.list(includeDisconnected="true") == [account["accountID"]]


def test_a_business_has_all_its_fields(user: Client) -> None:
    more = {
        "doingBusinessAs": "Whole Body Fitness",
        "businessType": "llc",
        "address": ADDRESS | {"addressLine2": "Apt 302"},
        "phone": {"number": "8185551212", "countryCode": "1"},
        "email": "amanda@classbooker.dev",
        "website": "https://wbfllc.com",
        "description": "Local fitness gym paying out instructors",
        "industryCodes": {"naics": "713940", "sic": "7991", "mcc": "7997"},
        "industry": "fitness-sports-clubs",
        "primaryRegulator": "OCC",
    }
    account = user.add(
        business(
            more=more | {"taxID": {"ein": {"number": SECRETS[1]}}},
            mode="sandbox",
            settings={"cardPayment": {"statementDescriptor": "Gym"}, "achPayment": {"companyName": "WholeBody"}},
            customerSupport={"phone": more["phone"], "email": "help@wbf.dev", "address": ADDRESS, "website": "wbf.dev"},
            capabilities=["transfers", "wallet", "transfers"],
            termsOfService={
                "manual": {
                    "acceptedDate": "2026-07-27T10:57:17.388+02:00",
                    "acceptedIP": "2001:db8::1",
                    "acceptedUserAgent": "Mozilla/5.0",
                    "acceptedDomain": "https://rundown-depot.org/",
                }
            },
        )
    )
    assert account["profile"]["business"] == more | {
        "legalBusinessName": "Whole Body Fitness LLC",
        "taxIDProvided": True,
        "ownersProvided": False,
    }
    assert account["mode"] == "sandbox"
    assert account["displayName"] == "Whole Body Fitness LLC"
    assert account["capabilities"] == [
        {"capability": "transfers", "status": "pending"},
        {"capability": "wallet", "status": "pending"},
    ]
    assert account["termsOfService"] == {"acceptedDate": "2026-07-27T08:57:17.388Z", "acceptedIP": "2001:db8::1"}
    owned = user.call("PATCH", path_of(account), {"profile": {"business": {"ownersProvided": True}}})
    assert owned.body["profile"]["business"]["ownersProvided"] is True


def test_identifiers_are_in_no_table_and_no_answer(user: Client) -> None:
    secret = {"birthDate": {"day": 10, "month": 11, "year": 1989}, "governmentID": {"ssn": {"full": SECRETS[0]}}}
    account = user.add(individual(more=secret))
    company = user.create(
        business(more={"taxID": {"ein": {"number": SECRETS[1]}}}), headers={"Idempotency-Key": str(uuid4())}
    )
    user.call(
        "PATCH", path_of(account), {"profile": {"individual": {"governmentID": {"itin": {"full": "912-34-5678"}}}}}
    )
    everything = kept() + json.dumps(user.call("GET", "/accounts").body) + company.text
    for number in (*SECRETS, "912-34-5678"):
        assert number not in everything
    for year in ("'1989'", '"1989"', ": 1989", ":1989", "1989-11"):  # Without context it may be part of an id.
        assert year not in everything


def test_identifiers_can_be_replaced_and_removed(user: Client) -> None:
    account = user.add(individual(more={"governmentID": {"ssn": {"lastFour": "6789"}}}))
    assert account["profile"]["individual"]["governmentIDProvided"] is True
    changes: list[tuple[Any, bool]] = [
        ({}, True), ({"ssn": {}}, True), (None, False), ({"itin": {"lastFour": "6789"}}, True),
    ]  # fmt: skip
    for sent, provided in changes:
        body = {"profile": {"individual": {"governmentID": sent}}}
        answer = user.call("PATCH", path_of(account), body)
        assert answer.body["profile"]["individual"]["governmentIDProvided"] is provided, sent


def test_identifiers_are_encrypted_for_their_owner_account_and_name(user: Client) -> None:
    account = user.add(individual(more={"governmentID": {"ssn": {"lastFour": "6789"}}}))
    key = {"PK": {"S": f"CUSTOMER#{account['accountID']}"}, "SK": {"S": "CUSTOMER"}}
    item = boto3.client("dynamodb").get_item(TableName="AccountsTable", Key=key)["Item"]
    ciphertext = item["identifiers"]["M"]["governmentID"]["B"]
    context = {"userId": user.id, "accountId": account["accountID"], "identifier": "governmentID"}
    kms = boto3.client("kms")
    plain = kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=context)["Plaintext"]
    assert json.loads(plain) == {"ssn": {"lastFour": "6789"}}
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=context | {"accountId": str(uuid4())})


def test_the_list_is_filtered_and_paged(user: Client) -> None:
    gym = user.add(business(foreignID="gym", more={"doingBusinessAs": "Sweat & Tears", "email": "gym@x.dev"}))
    jules = user.add(individual("Jules", "Jackson", foreignID="jules", capabilities=["wallet"]))
    ana = user.add(individual("Ana", "Ödön", more={"email": "Ana@x.dev"}))
    ids = [account["accountID"] for account in (ana, jules, gym)]
    user.add(individual("Gone", "Away"))
    user.call("DELETE", f"/accounts/{user.list(name='gone')[0]}")

    assert user.list() == ids
    assert user.list(count="1") == ids[:1]
    assert user.list(skip="1", count="1") == ids[1:2]
    assert user.list(skip="3") == []
    assert user.list(type="individual") == ids[:2]
    assert user.list(type="business", name="TEARS") == ids[2:]
    assert user.list(name="jules jack") == ids[1:2]
    assert user.list(name="ödön") == ids[:1]
    assert user.list(email="ana@X.dev") == ids[:1]
    assert user.list(email="x.dev") == []
    assert user.list(foreignID="gym") == ids[2:]
    assert user.list(foreignID="gym", type="individual") == []
    assert user.list(foreignID="gym", skip="1") == []
    assert user.list(foreignID="nobody") == []
    assert user.list(capability="wallet") == ids[1:2]
    assert user.list(capability="wallet", capabilityStatus="enabled") == []
    assert user.list(capabilityStatus="pending") == ids[1:2]
    assert len(user.list(includeDisconnected="true")) == 4


def test_the_list_shows_changes(user: Client) -> None:
    account = user.add(individual("Jules", "Jackson", foreignID="first"))
    one = [account["accountID"]]
    change = {"profile": {"individual": {"name": {"lastName": "Smith"}, "email": "s@x.dev"}}, "foreignID": "second"}
    assert user.call("PATCH", path_of(account), change).body["displayName"] == "Jules Smith"
    assert user.list(name="smith") == user.list(email="s@x.dev") == user.list(foreignID="second") == one
    assert user.list(name="jackson") == user.list(foreignID="first") == []


def test_a_foreign_id_is_unique_for_its_owner(user: Client, someone: Callable[..., Client]) -> None:
    taken = {"error": "an account with this foreignID already exists"}
    first = user.add(individual(foreignID="same"))
    again = user.create(business(foreignID="same"))
    assert (again.status, again.body) == (409, taken)
    assert someone().create(individual(foreignID="same")).status == 200

    second = user.add(individual())
    moved = user.call("PATCH", path_of(second), {"foreignID": "same"})
    assert (moved.status, moved.body) == (409, taken)
    assert user.call("PATCH", path_of(first), {"foreignID": "same"}).status == 200
    assert "foreignID" not in user.call("PATCH", path_of(first), {"foreignID": None}).body
    assert user.call("PATCH", path_of(second), {"foreignID": "same"}).body["foreignID"] == "same"
    assert user.call("DELETE", path_of(second)).status == 204
    assert user.create(individual(foreignID="same")).status == 200


def at_once(*calls: Callable[[], object]) -> list[int]:
    """Make service calls at the same time, and return 200 or 409 for each.

    The handler serves one request at a time, as Powertools relies on it, so it must not run in threads.
    """

    def status(call: Callable[[], object]) -> int:
        try:
            call()
        except AccountError:
            return 409
        return 200

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(status, calls))


def creating(user: Client, body: dict[str, Any]) -> Callable[[], object]:
    given = NewAccount.model_validate(body)
    details = given.document(Circumstances(now_ms(), "192.0.2.1"))
    most = settings().accounts_per_user
    return lambda: customers().create(NewCustomer(str(uuid4()), user.id, given.accountType, details), most=most)


def changing(user: Client, account: dict[str, Any], body: dict[str, Any]) -> Callable[[], object]:
    change = AccountChange.model_validate(body).document(Circumstances(now_ms(), "192.0.2.1"))
    return lambda: customers().update(user.id, account["accountID"], change)


def ending(user: Client, account: dict[str, Any]) -> Callable[[], object]:
    return lambda: customers().disconnect(user.id, account["accountID"])


def test_of_concurrent_creates_with_one_foreign_id_one_succeeds(user: Client) -> None:
    statuses = at_once(*[creating(user, individual(foreignID="race"))] * 8)
    assert sorted(statuses) == [200] + [409] * 7
    assert len(user.list()) == 1


def test_concurrent_changes_lose_no_field(user: Client) -> None:
    account = user.add(business(metadata={"start": "0"}))
    changes = [changing(user, account, {"metadata": {f"key{i}": str(i)}}) for i in range(16)]
    assert at_once(*changes) == [200] * 16
    found = user.call("GET", path_of(account)).body["metadata"]
    assert found == {"start": "0"} | {f"key{i}": str(i) for i in range(16)}


def test_concurrent_changes_and_disconnects_keep_exactly_the_accepted_changes(user: Client) -> None:
    account = user.add(business())
    changes = [changing(user, account, {"metadata": {f"k{i}": "v"}}) for i in range(4)]
    calls = [call for pair in zip([ending(user, account)] * 4, changes, strict=True) for call in pair]
    statuses = at_once(*calls)
    assert sorted(statuses[::2]) == [200, 409, 409, 409]
    last = user.call("GET", path_of(account)).body
    accepted = {f"k{i}" for i, status in enumerate(statuses[1::2]) if status == 200}
    assert set(last.get("metadata", {})) == accepted
    assert last["disconnectedOn"] == last["updatedOn"]


def test_a_change_removes_fields_that_are_null(user: Client) -> None:
    account = user.add(
        individual(
            more={"email": "a@b.dev", "address": ADDRESS},
            metadata={"a": "1", "b": "2"},
            customerSupport={"email": "x@y.z"},
        )
    )
    change = {
        "profile": {"individual": {"email": None, "address": None}},
        "metadata": {"a": None},
        "customerSupport": None,
    }
    body = user.call("PATCH", path_of(account), change).body
    assert body["profile"]["individual"].keys() == {"name", "birthDateProvided", "governmentIDProvided"}
    assert body["metadata"] == {"b": "2"}
    assert "customerSupport" not in body
    assert "metadata" not in user.call("PATCH", path_of(account), {"metadata": None}).body
    assert user.call("PATCH", path_of(account), {}).status == 200


LONG = "x" * 300


@pytest.mark.parametrize(
    ("body", "tree"),
    [
        ({}, {"accountType": "must be provided", "profile": {}}),
        ({"accountType": "guest", "profile": {}}, {"accountType": "must be one of individual, business"}),
        (
            {"accountType": "individual"},
            {"profile": {"individual": {"name": {"firstName": "must be provided", "lastName": "must be provided"}}}},
        ),
        (
            {"accountType": "business", "profile": {"business": {}}},
            {"profile": {"business": {"legalBusinessName": "must be provided"}}},
        ),
        (
            individual(
                "", LONG, more={"email": "nobody", "phone": {"number": "call me"}, "address": {"country": "XX"}}
            ),
            {
                "profile": {
                    "individual": {
                        "name": {"firstName": "must not be empty", "lastName": "length must be less than 65"},
                        "email": "must be valid email",
                        "phone": {"number": "must be valid phone number"},
                        "address": {
                            "addressLine1": "must be provided",
                            "city": "must be provided",
                            "stateOrProvince": "must be provided",
                            "postalCode": "must be provided",
                            "country": "must be valid country",
                        },
                    }
                }
            },
        ),
        (
            individual(
                more={
                    "birthDate": {"day": 31, "month": 2, "year": 2000},
                    "governmentID": {"ssn": {"full": "123", "lastFour": "12345"}},
                }
            ),
            {
                "profile": {
                    "individual": {
                        "birthDate": {"day": "must be a day in the past"},
                        "governmentID": {"ssn": {"full": "must be 9 digits", "lastFour": "must be 4 digits"}},
                    }
                }
            },
        ),
        (
            individual(
                more={
                    "birthDate": {"day": "1", "month": 0},
                    "governmentID": {"ssn": {"full": "123456789", "lastFour": "0000"}},
                }
            ),
            {
                "profile": {
                    "individual": {
                        "birthDate": {
                            "year": "must be provided",
                            "month": "must be at least 1",
                            "day": "must be integer",
                        },
                        "governmentID": {"ssn": {"lastFour": "must be the end of full"}},
                    }
                }
            },
        ),
        (
            business(
                more={
                    "businessType": "gang",
                    "taxID": {},
                    "industryCodes": {"mcc": "1"},
                    "primaryRegulator": "KGB",
                    "website": "no site",
                    "ownersProvided": "yes",
                }
            ),
            {
                "profile": {
                    "business": {
                        "businessType": "must be one of soleProprietorship, unincorporatedAssociation, trust, "
                        "publicCorporation, privateCorporation, llc, partnership, unincorporatedNonProfit, "
                        "incorporatedNonProfit, governmentEntity",
                        "taxID": {"ein": {"number": "must be provided"}},
                        "ownersProvided": "must be boolean",
                        "industryCodes": {"mcc": "must be 4 digits"},
                        "primaryRegulator": "must be one of OCC, FDIC, NCUA, FRB, state-cu-regulator",
                        "website": "must be valid website",
                    }
                }
            },
        ),
        (
            individual(
                profile={
                    "individual": {"name": {"firstName": "A", "lastName": "B"}},
                    "business": {"legalBusinessName": "C"},
                }
            ),
            {"profile": {"business": {"legalBusinessName": "is not allowed in an account of type individual"}}},
        ),
        (
            individual(
                foreignID="",
                metadata={"k": 1},
                mode="test",
                capabilities=["fly"],
                settings={"achPayment": {}},
                customerSupport={"address": {"city": "x"}},
                termsOfService={"manual": {"acceptedDate": "yesterday", "acceptedIP": "1.2.3"}},
            ),
            None,
        ),
        (individual(metadata={str(i): "" for i in range(51)}), {"metadata": "must have at most 50 entries"}),
        (individual(metadata={"": "x"}), {"metadata": "keys must have 1 to 64 characters"}),
        (individual(metadata={"x": "y" * 501}), {"metadata": "values must have at most 500 characters"}),
        (individual(metadata={str(i): "y" * 500 for i in range(9)}), {"metadata": "must take at most 4096 bytes"}),
        (individual(metadata=[]), {"metadata": "must be object"}),
        (individual("a\x00b"), {"profile": {"individual": {"name": {"firstName": "has invalid characters"}}}}),
        (
            individual(more={"address": "x", "phone": 1}),
            {"profile": {"individual": {"address": "must be object", "phone": "must be object"}}},
        ),
        ({"accountType": "individual", "profile": "x"}, {"profile": "must be object"}),
        ({"accountType": ["individual"], "profile": {}}, {"accountType": "must be one of individual, business"}),
    ],
)
def test_field_errors_have_the_structure_of_the_request(
    user: Client, body: dict[str, Any], tree: dict[str, Any] | None
) -> None:
    answer = user.create(body)
    assert answer.status == 422, answer.text
    if tree is not None:
        assert answer.body == {k: v for k, v in tree.items() if v != {}}
    else:
        assert answer.body.keys() == {
            "foreignID", "metadata", "mode", "capabilities", "settings", "customerSupport", "termsOfService"
        }  # fmt: skip
        assert answer.body["capabilities"]["0"].startswith("must be one of transfers, ")
        assert answer.body["settings"] == {"achPayment": {"companyName": "must be provided"}}
        assert answer.body["termsOfService"]["manual"] == {
            "acceptedDate": "must be valid date and time, eg. 2026-01-31T08:57:17Z",
            "acceptedIP": "must be valid IP address",
            "acceptedUserAgent": "must be provided",
            "acceptedDomain": "must be provided",
        }
    assert user.list() == []


def test_a_change_must_leave_a_valid_account(user: Client) -> None:
    account = user.add(individual())
    missing = dict.fromkeys(("addressLine1", "stateOrProvince", "postalCode", "country"), "must be provided")
    for change, tree in (
        ({"profile": {"individual": {"address": {"city": "x"}}}}, {"profile": {"individual": {"address": missing}}}),
        ({"customerSupport": {"address": {"city": "x"}}}, {"customerSupport": {"address": missing}}),
        (
            {"profile": {"individual": {"name": {"firstName": None}}}},
            {"profile": {"individual": {"name": {"firstName": "must be provided"}}}},
        ),
        (
            {"profile": None},
            {"profile": {"individual": {"name": {"firstName": "must be provided", "lastName": "must be provided"}}}},
        ),
        (
            {"profile": {"business": {"taxID": {"ein": {"number": "123456789"}}}}},
            {
                "profile": {
                    "business": {"taxID": {"ein": {"number": "is not allowed in an account of type individual"}}}
                }
            },
        ),
        ({"accountType": "business"}, {"accountType": "cannot be changed"}),
        (
            {"profile": {"individual": {"birthDate": {"day": 1}}}},
            {"profile": {"individual": {"birthDate": {"year": "must be provided", "month": "must be provided"}}}},
        ),
    ):
        answer = user.call("PATCH", path_of(account), change)
        assert (answer.status, answer.body) == (422, tree)
    assert user.call("GET", path_of(account)).body == account
    assert (
        user.call("PATCH", path_of(account), {"accountType": "individual", "mode": "sandbox"}).body["mode"] == "sandbox"
    )


def test_a_change_cannot_exceed_the_limit_of_metadata(user: Client) -> None:
    account = user.add(individual(metadata={str(i): "" for i in range(50)}))
    answer = user.call("PATCH", path_of(account), {"metadata": {"one more": ""}})
    assert (answer.status, answer.body) == (422, {"metadata": "must have at most 50 entries"})


@pytest.mark.parametrize(
    "query",
    [
        {"count": "201"}, {"count": "0"}, {"count": "x"}, {"skip": "-1"}, {"skip": "1e99"}, {"type": "guest"},
        {"includeDisconnected": "perhaps"}, {"name": ""}, {"email": LONG}, {"capability": "fly"}, {"skip": "9" * 30},
    ],
)  # fmt: skip
def test_invalid_queries_are_refused(user: Client, query: dict[str, str]) -> None:
    answer = user.call("GET", "/accounts", query=query)
    assert answer.status == 422
    assert answer.body.keys() == query.keys()


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '"x"', "null", b"\xff", '{"a": NaN}', "{" * 100_000, r'{"a": "\ud800"}']
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_malformed_bodies_are_refused(user: Client, method: str, body: Any) -> None:
    account = user.add(individual())
    path = "/accounts" if method == "POST" else path_of(account)
    answer = user.call(method, path, body)
    if body or method == "PATCH":
        assert (answer.status, answer.body.keys()) == (400, {"error"}), answer.text
    else:
        assert answer.status == 422, answer.text


def test_other_content_types_are_refused(user: Client) -> None:
    answer = user.create(individual(), headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.body) == (400, {"error": "content type must be application/json"})


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("v2024.01.00", 200), ("v2026.07.00", 200), ("v2025.10.99", 200), ("dev", 200), (None, 200),
        ("2024.01.00", 400), ("v2024.1.0", 400), ("v2024.13.00", 400), ("v2024.02.00", 400), ("latest", 400),
        ("v2024.01.00 ", 400), ("", 400), ("v\u0662\u0660\u0662\u0664.01.00", 400),
    ],
)  # fmt: skip
def test_the_version_header_must_be_a_version_or_missing(user: Client, version: str | None, status: int) -> None:
    headers = {} if version is None else {"x-moov-version": version}
    answer = user.call("GET", "/accounts", headers=headers)
    assert answer.status == status
    assert status == 200 or answer.body == {"error": "X-Moov-Version must be vYYYY.QQ.BB or dev"}


def calls(account: dict[str, Any]) -> dict[str, tuple[str, str, Any]]:
    """Return a request to each endpoint, by the scope that a machine client needs for it."""
    return {
        "accounts.write": ("POST", "/accounts", individual()),
        "accounts.read": ("GET", "/accounts", None),
        "profile.read": ("GET", path_of(account), None),
        "profile.write": ("PATCH", path_of(account), {"metadata": {"a": "b"}}),
        "profile.disconnect": ("DELETE", path_of(account), None),
    }


def test_other_users_get_403_and_unknown_ids_404(user: Client, someone: Callable[..., Client]) -> None:
    account = user.add(individual())
    other, admin = someone(), someone(groups=["admin"])
    for method, path, body in list(calls(account).values())[2:]:
        answer = other.call(method, path, body)
        assert (answer.status, answer.text) == (403, "")
        for unknown in (str(uuid4()), "nonsense", "%20", "1"):
            answer = other.call(method, f"/accounts/{unknown}", body)
            if method == "DELETE" and len(unknown) < 36:
                assert (answer.status, answer.body) == (400, {"error": "accountID must be UUID"})
            else:
                assert (answer.status, answer.text) == (404, "")
    assert other.list() == []
    assert admin.call("GET", path_of(account)).body == account
    assert admin.call("PATCH", path_of(account), {}).status == 403
    assert admin.call("DELETE", path_of(account)).status == 403
    assert admin.list() == []


def test_an_id_may_be_in_upper_case(user: Client) -> None:
    account = user.add(individual())
    assert user.call("GET", f"/accounts/{account['accountID'].upper()}").body == account


def test_a_machine_client_needs_the_scope_of_a_call(user: Client, machine: Callable[..., Client]) -> None:
    account = machine(*SCOPES, client_id="desk").add(individual())
    for scope, (method, path, body) in calls(account).items():
        without = machine(*(name for name in SCOPES if name != scope), client_id="desk")
        answer = without.call(method, path, body)
        assert (answer.status, answer.text) == (403, ""), scope
        answer = machine(scope, client_id="desk").call(method, path, body)
        assert answer.status in (200, 204), scope
    assert machine(*SCOPES).call("GET", path_of(account)).status == 403
    assert user.call("GET", path_of(account)).status == 403


def test_requests_without_an_owner_are_refused(function: ModuleType) -> None:
    for method, path, body in calls({"accountID": str(uuid4())}).values():
        answer = answered(function.handler(proxy_event(method, path, body), LambdaContext()))
        assert (answer.status, answer.text) == (401, "")


def test_an_idempotency_key_creates_one_account(user: Client, someone: Callable[..., Client]) -> None:
    key = {"Idempotency-Key": "order 66"}
    first = user.create(individual(foreignID="x"), headers=key)
    again = user.create(individual(foreignID="x"), headers=key)
    assert (again.status, again.body) == (first.status, first.body)
    other = user.create(individual("Else"), headers=key)
    assert (other.status, other.body) == (409, {"error": "was used with another request"})
    assert len(user.list()) == 1
    assert someone().create(individual(), headers=key).status == 200


def test_a_request_with_another_identifier_is_another_request(user: Client) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    bodies = [individual(more={"governmentID": {"ssn": {"full": number}}}) for number in ("123456789", "123456780")]
    assert [user.create(body, headers=key).status for body in bodies] == [200, 409]


def test_a_retry_after_a_crash_finds_the_account_that_was_created(user: Client, function: ModuleType) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    body = individual(foreignID="cut")

    with patch.object(function, "account_answer", side_effect=RuntimeError):
        assert user.create(body, headers=key).status == 500
    assert user.create(body, headers=key).body["accountID"] == user.list()[0]
    assert len(user.list()) == 1


def test_invalid_idempotency_keys_are_refused(user: Client) -> None:
    for key in ("", "k" * 129, "é"):
        answer = user.create(individual(), headers={"Idempotency-Key": key})
        assert answer.status == 422
        assert list(answer.body.values()) == ["must be 1 to 128 printable characters"]


def test_terms_accepted_by_token_have_time_and_ip_of_the_request(user: Client) -> None:
    account = user.add(individual(termsOfService={"token": "kgT1uxoMAk7QKuyJ"}))
    assert account["termsOfService"]["acceptedIP"] == "192.0.2.1"
    assert account["termsOfService"]["acceptedDate"][:10] == account["createdOn"][:10]


def test_a_page_of_the_largest_accounts_fits_into_an_answer(user: Client) -> None:
    wide = "\U0001f642"
    more = {
        "doingBusinessAs": wide * 100,
        "address": dict.fromkeys(ADDRESS, wide * 64) | {"country": "US"},
        "email": f"a@b.{'c' * 251}",
        "website": f"b.{'c' * 253}",
        "description": wide * 500,
        "industry": wide * 100,
    }
    support = {"email": more["email"], "website": more["website"], "address": more["address"]}
    metadata = {str(i): wide * 125 for i in range(8)}
    user.add(business(wide * 100, more=more, customerSupport=support, metadata=metadata, foreignID=wide * 128))
    answer = user.call("GET", "/accounts")
    assert len(json.dumps({"body": answer.text}, ensure_ascii=False).encode()) * 200 < 6_000_000


def test_a_list_longer_than_one_read_is_complete(user: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from purser.customers import store

    monkeypatch.setattr(store, "ROWS_A_REQUEST", 3)
    ids = [user.add(individual(f"Number {i}", foreignID=f"f{i}"))["accountID"] for i in range(7)][::-1]
    assert user.list() == ids
    assert user.list(skip="2", count="3") == ids[2:5]
    assert user.list(name="number 0") == ids[6:]
    user.call("DELETE", f"/accounts/{ids[3]}")
    assert user.list() == ids[:3] + ids[4:]


def test_a_list_has_200_accounts_newest_first(user: Client) -> None:
    accounts = [user.add(individual(f"Number {i}")) for i in range(205)]
    newest_first = sorted(accounts, key=lambda account: (account["createdOn"], account["accountID"]), reverse=True)
    ids = [account["accountID"] for account in newest_first]
    assert user.list() == ids[:200]
    assert user.list(skip="200") == ids[200:]


def test_a_search_beyond_its_limit_is_refused(user: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from purser.customers import service

    monkeypatch.setattr(service, "SEARCHED", 2)
    for i in range(3):
        user.add(individual(f"Number {i}", foreignID=f"f{i}"))
    answer = user.call("GET", "/accounts", query={"name": "number 0"})
    assert (answer.status, answer.body) == (
        422,
        {"skip": "reaches beyond the newest 2 accounts; search by foreignID"},
    )
    assert len(user.list(foreignID="f0")) == 1


def test_each_call_makes_a_fixed_number_of_database_requests(user: Client, aws: Aws) -> None:
    account = user.add(individual(foreignID="x"))
    for (method, path, body), expected in (
        (("GET", path_of(account), None), ["GetItem"]),
        (("GET", "/accounts", None), ["Query", "BatchGetItem"]),
        (("PATCH", path_of(account), {"metadata": {"a": "b"}}), ["GetItem", "PutItem"]),
        (("PATCH", path_of(account), {"foreignID": "y"}), ["GetItem", "TransactWriteItems"]),
        (("GET", "/accounts/nonsense", None), []),
        (("POST", "/accounts", {}), []),
        (("POST", "/accounts", individual()), ["TransactWriteItems"]),
        (("DELETE", path_of(account), None), ["GetItem", "GetItem", "Query", "TransactWriteItems"]),
    ):
        with aws_requests("dynamodb") as sent:
            user.call(method, path, body)
        assert sent == [f"dynamodb.{operation}" for operation in expected], (method, path)


def test_names_and_foreign_ids_are_the_same_in_every_unicode_form(user: Client) -> None:
    account = user.add(individual("Zoe\u0308", "O\u2019Neill", foreignID="cafe\u0301"))
    assert account["displayName"] == "Zo\u00eb O\u2019Neill"
    assert user.create(individual(foreignID="caf\u00e9")).status == 409
    for query in ({"name": "ZOE\u0308"}, {"name": "zo\u00eb"}, {"foreignID": "cafe\u0301"}, {"foreignID": "caf\u00e9"}):
        assert user.list(**query) == [account["accountID"]]
    key = {"Idempotency-Key": str(uuid4())}
    first, again = (user.create(individual(name), headers=key) for name in ("Zoe\u0308", "Zo\u00eb"))
    assert (first.status, again.body) == (200, first.body)


def test_names_may_have_any_script_but_no_control_characters(user: Client) -> None:
    account = user.add(individual("क्\u200dष", "Ana\u00a0María"))
    assert account["profile"]["individual"]["name"] == {"firstName": "क्\u200dष", "lastName": "Ana\u00a0María"}
    refused = user.create(individual("a\u202eb"))
    assert (refused.status, refused.body) == (
        422,
        {"profile": {"individual": {"name": {"firstName": "has invalid characters"}}}},
    )
    for metadata in ({"a": "a\0b"}, {"a\u202eb": "c"}, {" ": "c"}):
        assert list(user.create(individual(metadata=metadata)).body) == ["metadata"]
    text = {"cafe\u0301": "e\u0301" * 500}
    assert user.add(individual(metadata=text))["metadata"] == {"caf\u00e9": "\u00e9" * 500}


def test_a_foreign_id_is_free_once_its_account_is_disconnected(user: Client) -> None:
    first = user.add(individual(foreignID="4528"))
    assert user.call("DELETE", path_of(first)).status == 204
    assert user.list(foreignID="4528") == []
    second = user.add(individual(foreignID="4528"))
    assert user.list(foreignID="4528") == [second["accountID"]]
    both = {first["accountID"], second["accountID"]}
    assert set(user.list(foreignID="4528", includeDisconnected="true")) == both
    assert user.call("GET", path_of(first)).body["foreignID"] == "4528"


@pytest.mark.parametrize("mode", ["sandbox", "production"])
def test_no_change_removes_the_mode_of_an_account(user: Client, mode: str) -> None:
    account = user.add(individual(mode=mode))
    refused = user.call("PATCH", path_of(account), {"mode": None})
    assert (refused.status, list(refused.body)) == (422, ["mode"])
    assert user.call("PATCH", path_of(account), {"metadata": {"a": "b"}}).body["mode"] == mode


@pytest.fixture
def two_accounts_per_user() -> Iterator[None]:
    with setting(accounts_per_user=2):
        yield


@pytest.mark.usefixtures("two_accounts_per_user")
def test_the_quota_of_active_accounts_holds_for_users(user: Client) -> None:
    account = user.add(individual())
    assert sorted(at_once(*[creating(user, individual()) for _ in range(3)])) == [200, 409, 409]
    refused = user.create(individual())
    assert (refused.status, refused.body) == (409, {"error": "too many accounts"})
    assert user.call("DELETE", path_of(account)).status == 204
    user.add(individual())
    assert user.create(individual()).status == 409


@pytest.mark.usefixtures("two_accounts_per_user")
@pytest.mark.parametrize("ends", [False, True])
def test_accounts_from_before_the_counter_are_counted(user: Client, ends: bool) -> None:
    account = user.add(individual())
    Table("AccountsTable").delete(f"OWNER#{user.id}", "COUNT")
    if ends:
        assert user.call("DELETE", path_of(account)).status == 204
    statuses = sorted(at_once(*[creating(user, individual()) for _ in range(4)]))
    assert statuses == ([200, 200, 409, 409] if ends else [200, 409, 409, 409])
