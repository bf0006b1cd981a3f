"""The command `rts-agents`: one file for each command; what they do is in the other folders. Open `main.py` first."""
