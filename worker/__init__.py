"""The background process: what is due is done, nothing is answered. Open `duties.py` for what, `run.py` for how."""
