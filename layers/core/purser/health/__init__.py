"""The health of Purser and its dependencies."""
