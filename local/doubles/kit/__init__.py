"""What every double is made of: stored state, faults, loopback, pages, private files. It knows no double."""
