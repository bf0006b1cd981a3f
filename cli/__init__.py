"""The command `rts-agents`: one file for each command; the other folders do the work. Open `main.py` first."""
