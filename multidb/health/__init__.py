"""The truth about a database, told without touching it."""
