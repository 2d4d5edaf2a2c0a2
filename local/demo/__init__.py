"""The demo users and their data, written from outside as anybody could."""
