"""What every double is made of: its stored state, faults, pages and private files. It knows no double."""
