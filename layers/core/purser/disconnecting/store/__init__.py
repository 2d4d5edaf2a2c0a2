"""Cancellations on DynamoDB."""
