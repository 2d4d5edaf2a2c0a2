"""Wallets and the books on DynamoDB; ``items`` shows the table."""
