"""Work that is due and must be done, whatever crashes, is lost or comes twice."""
