"""Who is calling: passwords, tokens, and what the contract says they may do."""
