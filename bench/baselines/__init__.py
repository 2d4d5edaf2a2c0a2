"""What Purser is measured against."""
