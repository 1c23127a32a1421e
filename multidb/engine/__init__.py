"""The only room that knows APSW: connections, sessions, transactions, the pool, and what went wrong."""
