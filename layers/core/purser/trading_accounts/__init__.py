"""Trading accounts: connections of users to venues. Under ``/v1`` they are called exchange keys."""
