"""Trading accounts, credentials and operations on DynamoDB; ``items`` shows the table."""
