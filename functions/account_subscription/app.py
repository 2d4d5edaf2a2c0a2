"""AccountSubscription: a user's subscription."""

from __future__ import annotations

from purser.billing.model import Subscription
from purser.billing.schemas.subscriptions import SubscriptionAnswer
from purser.bootstrap.billing import subscriptions
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app

app = customer_app()


@app.get("/v1/priv/account/subscription")
def get_subscription(caller: SignedIn) -> SubscriptionAnswer | None:
    """Return the caller's subscription, or null if there is none."""
    subscription: Subscription | None = subscriptions().of(caller.user_id)
    return SubscriptionAnswer.model_validate(subscription) if subscription else None


handler = entry_point(app)
