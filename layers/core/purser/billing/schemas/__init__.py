"""Request and answer models of plans, subscriptions and what is paid for them."""
