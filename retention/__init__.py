"""How long data is kept: plans, changes with a grace, legal holds, growth. Everything is read from the database."""
