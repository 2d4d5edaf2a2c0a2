"""Plans and subscriptions: what a user pays for is what the user may do."""
