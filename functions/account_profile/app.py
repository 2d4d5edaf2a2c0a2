"""AccountProfile: a user's profile."""

from __future__ import annotations

from purser.bootstrap.people import profiles
from purser.http.app import entry_point
from purser.http.caller import SignedIn
from purser.http.customer import customer_app
from purser.profiles.model import Profile
from purser.profiles.schemas import ProfileAnswer, ProfileChange

app = customer_app()


@app.get("/v1/priv/account/profile")
def get_profile(caller: SignedIn) -> ProfileAnswer | None:
    """Return the caller's profile, or null if there is none."""
    profile: Profile | None = profiles().of(caller.user_id)
    return ProfileAnswer.model_validate(profile) if profile else None


@app.put("/v1/priv/account/profile")
def put_profile(body: ProfileChange, caller: SignedIn) -> ProfileAnswer:
    """Create the caller's profile, or change the fields that are sent."""
    return ProfileAnswer.model_validate(profiles().change(caller.user_id, body.model_dump(exclude_unset=True)))


handler = entry_point(app)
