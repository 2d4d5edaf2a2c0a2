"""Request and answer models of plans, subscriptions and payments."""
