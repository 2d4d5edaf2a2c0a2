"""Books: the results of the trades that strategies have made for their followers."""
