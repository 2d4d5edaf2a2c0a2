"""AccountAdmin: administrators look up users, grant them plans and read the audit trail."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from purser.audit.model import AuditFilter
from purser.audit.schemas import AuditEntryAnswer, AuditPage
from purser.billing.model import Subscription
from purser.billing.schemas.subscriptions import SubscriptionAnswer
from purser.bootstrap.adapters import audit
from purser.bootstrap.people import users
from purser.http.app import entry_point
from purser.http.caller import Admin
from purser.http.customer import customer_app
from purser.http.paging import ANY_POSITION, LONGEST_TOKEN, TIME_POSITION, Limit, NextToken, page_position, page_token
from purser.http.wire import Moment, Uuid
from purser.users.schemas import Grant, OverviewAnswer, UserAnswer, UserList

app = customer_app()

USERS = "users"

UserId = Annotated[Uuid, Path()]

PersonId = Annotated[str | None, Query(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_-]*$")]
"""The id of a user or machine client, or ``system``."""


@app.get("/v1/admin/account/user/list")
def list_users(
    caller: Admin,
    limit: Limit = 50,
    nextToken: Annotated[str | None, Query(max_length=LONGEST_TOKEN)] = None,
) -> UserList:
    """List the users, in the order of the user pool."""
    page = users().page(caller.actor, limit, page_position(USERS, nextToken, ANY_POSITION))
    return UserList(
        items=[UserAnswer.model_validate(user) for user in page.users],
        nextToken=page_token(USERS, page.position) if page.position else None,
    )


@app.get("/v1/admin/account/user/overview/<id>")
def overview(id: UserId, caller: Admin) -> OverviewAnswer:
    """Return a user with their subscription and exchange keys."""
    return OverviewAnswer.model_validate(users().overview(caller.actor, id))


@app.put("/v1/admin/account/user/<id>/subscription")
def grant_subscription(id: UserId, body: Grant, caller: Admin) -> SubscriptionAnswer | None:
    """Grant a user a plan without payment, or withdraw the grant."""
    subscription: Subscription | None = users().grant(caller.actor, id, body.subscriptionId)
    return SubscriptionAnswer.model_validate(subscription) if subscription else None


@app.get("/v1/admin/audit")
def list_audit_entries(
    caller: Admin,
    actor: PersonId = None,
    userId: PersonId = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    limit: Limit = 50,
    nextToken: NextToken = None,
) -> AuditPage:
    """List who did what, newest first: of one actor, concerning one user, between two instants (both inclusive)."""
    listed = f"audit:{actor}:{userId}:{since}:{until}"
    page = audit().page(
        AuditFilter(actor, userId, since, until), limit, page_position(listed, nextToken, TIME_POSITION)
    )
    return AuditPage(
        items=[AuditEntryAnswer.model_validate(entry) for entry in page.rows],
        nextToken=page_token(listed, page.position) if page.position else None,
    )


handler = entry_point(app)
