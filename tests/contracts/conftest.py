"""Each contract is held against a store on DynamoDB Local and against the fake that stands for it in other tests."""

from __future__ import annotations

import pytest

from tests.support.aws import Aws


@pytest.fixture(params=["fake", pytest.param("DynamoDB", marks=pytest.mark.services)])
def tables(request: pytest.FixtureRequest) -> dict[str, str] | None:
    """The tables of the store by their environment variables; None for the fake."""
    if request.param == "fake":
        return None
    aws: Aws = request.getfixturevalue("aws")
    return aws.tables
