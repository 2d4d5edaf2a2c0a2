"""The users that every local system has. Their passwords are public, which is safe on loopback only."""

from __future__ import annotations

PASSWORDS = {
    "demo": "Paper-Trades-4-Demo",
    "other": "Paper-Trades-4-Other",
    "admin": "Paper-Trades-4-Admin",
}
ROLES = {
    "demo": "plan PROFESSIONAL, one spot and one futures key",
    "other": "no plan yet",
    "admin": "administrator",
}
"""A description of each user for the terminal, true once the demo data are there."""


def email_of(name: str) -> str:
    """Return the address that a demo user signs in with."""
    return f"{name}@purser.test"
