"""The demo users and their data, which the public APIs write where they can."""
