"""Migrations: one Up/Down script a change, one folder a database, one ledger in the database itself."""
