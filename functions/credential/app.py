"""Credential: exchange credentials of users."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from purser import errors as e
from purser.bootstrap.trading_accounts import credentials
from purser.credentials.model import CredentialStatus, CredentialType
from purser.credentials.schemas.answers import CredentialAnswer
from purser.credentials.schemas.requests import CredentialBody, CredentialName, Named, Rotation
from purser.credentials.schemas.verified import VerifiedAnswer, verified_answer
from purser.credentials.service import NewCredential
from purser.exchanges.model import ApiCredential
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.desk import Envelope, ListEnvelope, desk_app, sliced
from purser.http.idempotency import IdempotencyKey, new_id, once
from purser.http.paging import Limit, Offset
from purser.http.wire import Uuid
from purser.settings import settings

app = desk_app()

BASE = "/api/v3/credential"

CREDENTIAL = (e.CredentialNotFound, e.Forbidden)
ROTATION = (*CREDENTIAL, e.CredentialRevoked, *e.KEY_CHECK, e.AlreadyConnected)


@app.post(f"{BASE}/create", refuses=(e.TooManyCredentials, e.TooManyRequests))
def create(
    body: CredentialBody, caller: SignedIn, idempotency_key: IdempotencyKey = None
) -> Envelope[CredentialAnswer]:
    """Store a credential, encrypted. The exchange is asked later: by verify, or when an account is connected."""

    def new_credential() -> CredentialAnswer:
        new = NewCredential(
            id=new_id(caller, "credential/create", idempotency_key),
            user_id=caller.user_id,
            venue=body.venue,
            type=body.credentialType,
            nickname=body.nickname or body.venue.value,
            api_key=body.apiKey,
            secret=body.apiSecret.get_secret_value(),
        )
        most = caller.quota(settings().credentials_per_user)
        return CredentialAnswer.model_validate(credentials().create(new, most=most))

    return Envelope(data=once(caller, "credential/create", idempotency_key, body, new_credential, CredentialAnswer))


@app.post(f"{BASE}/verify", refuses=(*CREDENTIAL, e.TooManyRequests))
def verify(body: Named, caller: SignedIn) -> Envelope[list[VerifiedAnswer]]:
    """Ask the exchange which accounts each credential can access."""
    return Envelope(data=[verified_answer(each) for each in credentials().verify(caller.user_id, body.credentialIds)])


@app.post(f"{BASE}/rotate", refuses=ROTATION)
def rotate(body: Rotation, caller: SignedIn, idempotency_key: IdempotencyKey = None) -> Envelope[CredentialAnswer]:
    """Replace the API key and secret of a credential. Its trading accounts stay connected."""

    def rotated() -> CredentialAnswer:
        key = ApiCredential(body.apiKey, body.apiSecret.get_secret_value(), caller.user_id)
        return CredentialAnswer.model_validate(
            credentials().rotate(caller.user_id, body.credentialId, key, caller.actor)
        )

    return Envelope(data=once(caller, "credential/rotate", idempotency_key, body, rotated, CredentialAnswer))


@app.post(f"{BASE}/revoke", refuses=(*CREDENTIAL, e.CredentialRevoked))
def revoke(body: CredentialName, caller: SignedIn) -> Envelope[CredentialAnswer]:
    """Destroy the secret of a credential for good, and disconnect the trading accounts that use it."""
    return Envelope(
        data=CredentialAnswer.model_validate(credentials().revoke(caller.user_id, body.credentialId, caller.actor))
    )


@app.get(f"{BASE}/list")
def list_credentials(
    caller: SignedIn,
    credentialType: Annotated[CredentialType | None, Query()] = None,
    credentialStatus: Annotated[CredentialStatus | None, Query()] = None,
    credentialIds: Annotated[list[Uuid] | None, Query(max_length=100)] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> ListEnvelope[CredentialAnswer]:
    """List the caller's credentials, oldest first, revoked ones included."""
    ids = frozenset(credentialIds) if credentialIds else None
    found = credentials().find(caller.user_id, kind=credentialType, status=credentialStatus, ids=ids)
    return sliced([CredentialAnswer.model_validate(credential) for credential in found], limit, offset)


handler = entry_point(app)
