"""Credentials on DynamoDB."""
