"""Users as an administrator sees them."""
