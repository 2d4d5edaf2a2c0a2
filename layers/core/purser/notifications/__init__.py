"""Notifications: what users want to hear of, and the chats they hear it in."""
