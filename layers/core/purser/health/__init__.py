"""Whether Purser and what it depends on are well."""
