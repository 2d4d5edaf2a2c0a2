"""The parts that every double shares: stored state, faults, loopback, pages, private files. It imports no double."""
