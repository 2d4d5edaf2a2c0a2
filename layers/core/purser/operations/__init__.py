"""Operations: what was done to trading accounts and credentials."""
