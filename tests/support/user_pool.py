"""A Cognito user pool with the rules of the template, at moto."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import boto3

from tests.support.template import template

PASSWORD = "Correct-Horse-9!"


def _properties(logical_id: str, *names: str) -> dict[str, Any]:
    properties = template()["Resources"][logical_id]["Properties"]
    return {name: properties[name] for name in names if name in properties}


@dataclass
class UserPool:
    """A pool and its app client."""

    cognito: Any = field(default_factory=lambda: boto3.client("cognito-idp"))
    id: str = ""
    client_id: str = ""

    def __post_init__(self) -> None:
        rules = _properties(
            "UserPool", "UsernameAttributes", "UsernameConfiguration", "AutoVerifiedAttributes", "Policies"
        )
        self.id = self.cognito.create_user_pool(PoolName="test", **rules)["UserPool"]["Id"]
        self.client_id = self.add_client()
        self.cognito.create_group(UserPoolId=self.id, GroupName="admin")

    def add_client(self, **changed: Any) -> str:
        """Create a client as in the template, but for some properties, and return its id."""
        names = ("ExplicitAuthFlows", "PreventUserExistenceErrors", "RefreshTokenRotation", "WriteAttributes")
        properties = _properties("UserPoolClient", *names) | changed
        client = self.cognito.create_user_pool_client(UserPoolId=self.id, ClientName="test", **properties)
        client_id: str = client["UserPoolClient"]["ClientId"]
        return client_id

    def add(self, *, admin: bool = False, temporary: bool = False) -> dict[str, str]:
        """Create a user with the password ``PASSWORD``, and return ``id`` (the sub) and ``email``."""
        email = f"{uuid4().hex[:12]}@example.com"
        user = self.cognito.admin_create_user(
            UserPoolId=self.id,
            Username=email,
            UserAttributes=[{"Name": "email", "Value": email}],
            MessageAction="SUPPRESS",
        )["User"]
        self.cognito.admin_set_user_password(
            UserPoolId=self.id, Username=email, Password=PASSWORD, Permanent=not temporary
        )
        if admin:
            self.cognito.admin_add_user_to_group(UserPoolId=self.id, Username=email, GroupName="admin")
        known = {attribute["Name"]: attribute["Value"] for attribute in user["Attributes"]}
        return {"id": known["sub"], "email": email}

    def disable(self, email: str) -> None:
        """Disable a user."""
        self.cognito.admin_disable_user(UserPoolId=self.id, Username=email)

    def require_code(self, email: str) -> None:
        """Require the code of an authenticator app when a user signs in."""
        signed_in = self.cognito.initiate_auth(
            ClientId=self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
        )
        token = signed_in["AuthenticationResult"]["AccessToken"]
        self.cognito.associate_software_token(AccessToken=token)
        self.cognito.verify_software_token(AccessToken=token, UserCode="123456")
        self.cognito.set_user_mfa_preference(
            AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
        )
