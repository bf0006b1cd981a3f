"""Backups by pg_dump, restores that are checked against them, and restore drills."""
