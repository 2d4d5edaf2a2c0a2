"""Test parts of the local system: schedules, throttles, gateway responses, passwords, files, disk space."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.cloud.passwords import PasswordHash
from local.doubles.kit import files
from local.errors import CannotStart
from local.functions import schedules
from local.gateway.apis import Api, Throttle
from local.system.machine import check_disk


@pytest.mark.parametrize(
    ("expression", "after", "fires"),
    [
        ("rate(5 minutes)", "2025-01-01T00:00:30", "2025-01-01T00:05:30"),
        ("rate(1 hour)", "2025-01-01T23:10:00", "2025-01-02T00:10:00"),
        ("cron(5 0 * * ? *)", "2025-01-01T00:04:59", "2025-01-01T00:05:00"),
        ("cron(5 0 * * ? *)", "2025-01-01T00:05:00", "2025-01-02T00:05:00"),
        ("cron(0/15 9-10 ? * MON-FRI *)", "2025-01-03T10:45:00", "2025-01-06T09:00:00"),
        ("cron(0 12 ? * SUN,3 *)", "2025-01-05T12:00:00", "2025-01-07T12:00:00"),
        ("cron(0 0 29 FEB ? *)", "2024-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("cron(30 6 1 1 ? 2026)", "2025-01-01T00:00:00", "2026-01-01T06:30:00"),
        ("cron(30 6 1 1 ? 2024)", "2025-01-01T00:00:00", None),
    ],
)
def test_a_schedule_fires_next_at_the_right_time(expression: str, after: str, fires: str | None) -> None:
    instant = datetime.fromisoformat(after).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(fires).replace(tzinfo=UTC) if fires else None
    assert schedules.parse(expression)(instant) == expected


def test_a_schedule_fires_in_its_time_zone() -> None:
    fires = schedules.parse("cron(0 9 * * ? *)", "America/New_York")(datetime(2025, 7, 1, tzinfo=UTC))
    assert fires == datetime(2025, 7, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression", ["cron(5 0 * * ?)", "cron(60 0 * * ? *)", "cron(0 0 L * ? *)", "rate(5)", "at(x)"]
)
def test_an_unsupported_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        schedules.parse(expression)


def test_a_rate_fires_immediately_and_a_cron_schedule_does_not() -> None:
    assert schedules.fires_at_once("rate(5 minutes)")
    assert not schedules.fires_at_once("cron(5 0 * * ? *)")


def test_a_throttle_admits_its_burst() -> None:
    throttle = Throttle(rate=0.001, burst=3)
    assert [throttle.admits() for _ in range(5)] == [True, True, True, False, False]


def test_a_gateway_response_falls_back_to_the_default_of_its_class() -> None:
    headers = {"ResponseParameters": {"Headers": {"x-request-id": "context.requestId", "x-fixed": "'1'"}}}
    api = Api("A", "dev", {"GatewayResponses": {"DEFAULT_4XX": headers | {"ResponseTemplates": {"text/plain": "no"}}}})
    answer = api.gateway_response("UNAUTHORIZED", "id-1")
    assert (answer.status, answer.body) == (401, "no")
    assert answer.headers == {"Content-Type": "text/plain", "x-request-id": "id-1", "x-fixed": "1"}


def test_passwords_are_stored_as_salted_hashes() -> None:
    password = PasswordHash.of("secret")
    again = PasswordHash.restored(password.saved())
    assert again == "secret"
    assert again != "Secret"
    assert again != None  # noqa: E711 - as moto compares
    assert "secret" not in str(password.saved())
    assert password.saved() != PasswordHash.of("secret").saved()


def test_a_private_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "folder/file.json"
    assert files.read(path) is None
    contents = [{"n": n, "filler": "x" * 10_000} for n in range(20)]
    files.write_private(path, contents[0])

    def write() -> None:
        for content in contents:
            files.write_private(path, content)

    writing = threading.Thread(target=write)
    writing.start()
    while writing.is_alive():
        assert files.read(path) in contents
    writing.join()
    assert files.read(path) == contents[-1]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_the_system_does_not_start_on_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 5 * 2**20}))
    with pytest.raises(CannotStart, match="no disk space: 5 MiB are free"):
        check_disk(tmp_path)
