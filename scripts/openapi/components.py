"""The parts that all operations share: security schemes, headers, and the shapes of errors."""

from __future__ import annotations

from typing import Any

from purser.http import accounts, recaptcha

Json = dict[str, Any]

SIGNED_IN, MACHINE, TELEGRAM = "signedIn", "machine", "telegram"
SECURITY_SCHEMES: Json = {
    SIGNED_IN: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A Cognito access token, such as POST /api/v3/auth/login gives.",
    },
    MACHINE: {
        "type": "oauth2",
        "description": "An access token of a machine client; its token endpoint is on the user pool's domain.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": "/oauth2/token",
                "scopes": {
                    "accounts/accounts.read": "List accounts.",
                    "accounts/accounts.write": "Create accounts.",
                    "accounts/profile.read": "Read an account.",
                    "accounts/profile.write": "Change an account.",
                    "accounts/profile.disconnect": "Disconnect an account.",
                },
            }
        },
    },
    TELEGRAM: {
        "type": "apiKey",
        "in": "header",
        "name": "x-telegram-bot-api-secret-token",
        "description": "The secret token that the bot's webhook was set with.",
    },
}

HEADERS: Json = {
    "RequestId": {
        "required": True,
        "description": "The request's id, which is also in the logs.",
        "schema": {"type": "string", "minLength": 1},
    },
    "RetryAfter": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}},
}

TEXT: Json = {"type": "string"}
SCHEMAS: Json = {
    "Failure": {
        "type": "object",
        "description": "Why a request was not carried out.",
        "properties": {"message": TEXT},
        "required": ["message"],
    },
    "FieldErrors": {
        "type": "object",
        "description": "All field errors of a request.",
        "properties": {
            "errors": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/FieldError"}}
        },
        "required": ["errors"],
    },
    "FieldError": {
        "type": "object",
        "description": "A rule that a field breaks; ``value`` is what was sent, as far as it may be repeated.",
        "properties": {
            "value": {"type": ["string", "number", "boolean", "null"]},
            "msg": TEXT,
            "param": TEXT,
            "location": {"enum": ["body", "query", "params", "headers"]},
        },
        "required": ["value", "msg", "param", "location"],
    },
    "Refusal": {
        "type": "object",
        "description": "Why a request was not carried out, in the envelope.",
        "properties": {
            "data": {"type": "null"},
            "success": {"const": False},
            "errno": {"type": "integer", "maximum": -1},
            "error": TEXT,
        },
        "required": ["data", "success", "errno", "error"],
    },
    "FieldErrorTree": {
        "type": "object",
        "description": "Mirrors the request's tree, with a text at each faulty leaf.",
        "minProperties": 1,
        "additionalProperties": {"anyOf": [TEXT, {"$ref": "#/components/schemas/FieldErrorTree"}]},
    },
    "ErrorText": {
        "type": "object",
        "description": "Why a request was not carried out.",
        "properties": {"error": TEXT},
        "required": ["error"],
    },
}

RECAPTCHA = {
    "name": recaptcha.HEADER,
    "in": "header",
    "required": False,
    "description": "A reCAPTCHA v3 token. Where reCAPTCHA is configured it is required, else the answer is 403.",
    "schema": {"type": "string", "maxLength": recaptcha.LONGEST_TOKEN},
}
VERSION = {
    "name": "X-Moov-Version",
    "in": "header",
    "required": False,
    "description": "The version of the description that a client was written for.",
    "schema": {"type": "string", "pattern": f"^({accounts.VERSION.pattern.replace(chr(92) + 'd', '[0-9]')})$"},
}
