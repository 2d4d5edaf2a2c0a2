"""Request and answer models of strategies, their results and risk profiles."""
