"""Operations: the audit trail of trading accounts and credentials."""
