"""Work that is due and must be done in spite of crashes, lost queues and duplicates."""
