"""Notifications: their settings, and the chats that receive them."""
