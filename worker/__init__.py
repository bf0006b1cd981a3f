"""The background process: what is due is done, nothing is answered. Open `tasks.py` for what, `run.py` for how."""
