"""The parts that all routes share: the app factory, the errors of each API, the caller, idempotency and paging."""
