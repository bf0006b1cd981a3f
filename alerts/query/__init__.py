"""Rules to SQL and SQL to condition results: open `compiler.py` for the statement, `runner.py` for a pass."""
