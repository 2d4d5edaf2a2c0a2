"""AccountAdmin: administrators look up users and grant them plans."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from purser.billing.model import Subscription
from purser.billing.schemas.subscriptions import SubscriptionAnswer
from purser.bootstrap.people import users
from purser.http.app import entry_point
from purser.http.caller import Admin
from purser.http.customer import customer_app
from purser.http.paging import ANY_POSITION, LONGEST_TOKEN, Limit, page_position, page_token
from purser.http.wire import Uuid
from purser.users.schemas import Grant, OverviewAnswer, UserAnswer, UserList

app = customer_app()

USERS = "users"

UserId = Annotated[Uuid, Path()]


@app.get("/v1/admin/account/user/list")
def list_users(
    caller: Admin,
    limit: Limit = 50,
    nextToken: Annotated[str | None, Query(max_length=LONGEST_TOKEN)] = None,
) -> UserList:
    """List the users, in the order of the user pool."""
    page = users().page(limit, page_position(USERS, nextToken, ANY_POSITION))
    return UserList(
        items=[UserAnswer.model_validate(user) for user in page.users],
        nextToken=page_token(USERS, page.position) if page.position else None,
    )


@app.get("/v1/admin/account/user/overview/<id>")
def overview(id: UserId, caller: Admin) -> OverviewAnswer:
    """Return a user with their subscription and exchange keys."""
    return OverviewAnswer.model_validate(users().overview(id))


@app.put("/v1/admin/account/user/<id>/subscription")
def grant_subscription(id: UserId, body: Grant, caller: Admin) -> SubscriptionAnswer | None:
    """Grant a user a plan without payment, or withdraw the grant."""
    subscription: Subscription | None = users().grant(id, body.subscriptionId)
    return SubscriptionAnswer.model_validate(subscription) if subscription else None


handler = entry_point(app)
