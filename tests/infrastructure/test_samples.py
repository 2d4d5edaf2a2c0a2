"""Test that every route has a sample request, so that tests and benchmarks of all routes leave none out."""

from __future__ import annotations

from tests.support.samples import NO_SAMPLE, ROUTES, routes


def test_each_route_has_a_sample_or_a_reason_for_none() -> None:
    assert ROUTES.keys() | NO_SAMPLE.keys() == routes()
    assert not ROUTES.keys() & NO_SAMPLE.keys()
