"""Trading accounts on DynamoDB; ``items`` shows the table."""
