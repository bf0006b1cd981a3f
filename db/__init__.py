"""Pools, named SQL, transactions, migrations, backups; it imports only `core` and `embedded`. Open `pools.py` first."""
