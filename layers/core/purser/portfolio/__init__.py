"""Portfolio: the current contents of trading accounts and wallets, in one list."""
