"""Profiles: the personal details that users enter."""
