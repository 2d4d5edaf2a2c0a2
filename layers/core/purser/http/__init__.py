"""Everything that is HTTP: the app factory, the error table of each surface, who calls, paging tokens."""
