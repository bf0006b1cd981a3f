"""Tokens and signing keys: agents' tokens, the platform's tokens for users and employees. Open `tokens.py` first."""
