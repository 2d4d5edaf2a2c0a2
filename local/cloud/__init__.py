"""The AWS account on this machine: the template's resources, DynamoDB, user pools, and what moto emulates."""
