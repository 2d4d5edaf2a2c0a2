"""Customer: the accounts API, for the individuals and businesses that a user or machine client manages."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AfterValidator, StringConstraints

from purser import errors as e
from purser.bootstrap.people import customers
from purser.clock import now_ms
from purser.customers.model import AccountType, Capability, CapabilityStatus, Search
from purser.customers.schemas.answers import AccountAnswer, account_answer
from purser.customers.schemas.requests import AccountChange, Circumstances, NewAccount, fingerprint
from purser.customers.service import NewCustomer
from purser.http.accounts import accounts_app
from purser.http.app import entry_point
from purser.http.caller import Caller, scoped
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.wire import FREE_TEXT
from purser.settings import settings

app = accounts_app()

CREATE = "POST /accounts"
LONGEST_LIST = 200

MayCreate = Annotated[Caller, scoped("accounts/accounts.write")]
MayList = Annotated[Caller, scoped("accounts/accounts.read")]
MayRead = Annotated[Caller, scoped("accounts/profile.read")]
MayWrite = Annotated[Caller, scoped("accounts/profile.write")]
MayDisconnect = Annotated[Caller, scoped("accounts/profile.disconnect")]


def _known(account_id: str) -> str:
    try:
        return str(UUID(account_id))
    except ValueError:
        # Anything but a UUID is a 404, because the reference lists no 400 or 422 for a read.
        raise e.NotFound from None


def _well_formed(account_id: str) -> str:
    try:
        return str(UUID(account_id))
    except ValueError:
        raise e.MalformedRequest("accountID must be UUID") from None


AccountId = Annotated[str, AfterValidator(_known), Path()]
EndingId = Annotated[str, AfterValidator(_well_formed), Path()]
Phrase = Annotated[Annotated[str, StringConstraints(min_length=1, max_length=255), FREE_TEXT] | None, Query()]
"""The text that a list is searched for."""


@app.post("/accounts", refuses=(e.ForeignIdTaken, e.TooManyAccounts))
def create_account(body: NewAccount, caller: MayCreate, idempotency_key: IdempotencyKey = None) -> AccountAnswer:
    """Create an account."""

    def create() -> AccountAnswer:
        new = NewCustomer(
            id=new_id(caller, CREATE, idempotency_key),
            owner_id=caller.user_id,
            account_type=body.accountType,
            details=body.document(_circumstances()),
        )
        most = caller.quota(settings().accounts_per_user)
        return account_answer(customers().create(new, most=most))

    return once(caller, CREATE, idempotency_key, fingerprint(body, idempotency_key), create, AccountAnswer)


@app.get("/accounts")
def list_accounts(
    caller: MayList,
    name: Phrase = None,
    email: Phrase = None,
    type: Annotated[AccountType | None, Query()] = None,
    foreignID: Phrase = None,
    capability: Annotated[Capability | None, Query()] = None,
    capabilityStatus: Annotated[CapabilityStatus | None, Query()] = None,
    includeDisconnected: Annotated[bool, Query()] = False,
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    count: Annotated[int, Query(ge=1, le=LONGEST_LIST)] = LONGEST_LIST,
) -> list[AccountAnswer]:
    """List the caller's accounts, newest first."""
    search = Search(
        name=name,
        email=email,
        account_type=type,
        foreign_id=foreignID,
        capability=capability,
        capability_status=capabilityStatus,
        include_disconnected=includeDisconnected,
    )
    return [account_answer(c) for c in customers().find(caller.user_id, search, skip=skip, count=count)]


@app.get("/accounts/<accountID>")
def get_account(accountID: AccountId, caller: MayRead) -> AccountAnswer:
    """Return an account, also a disconnected one. An admin can read any account."""
    return account_answer(customers().get(caller.actor, accountID))


@app.patch("/accounts/<accountID>", refuses=(e.ForeignIdTaken, e.AccountDisconnected))
def update_account(accountID: AccountId, body: AccountChange, caller: MayWrite) -> AccountAnswer:
    """Merge the sent fields into an account."""
    return account_answer(customers().update(caller.user_id, accountID, body.document(_circumstances())))


@app.delete(
    "/accounts/<accountID>", status_code=204, refuses=(e.MalformedRequest, e.AccountDisconnected, e.AccountInUse)
)
def disconnect_account(accountID: EndingId, caller: MayDisconnect) -> Response[Any]:
    """Disconnect an account for good."""
    customers().disconnect(caller.user_id, accountID)
    return Response(status_code=204, body="")


def _circumstances() -> Circumstances:
    return Circumstances(now_ms(), app.current_event.request_context.identity.source_ip)


handler = entry_point(app)
