"""Decodes uploads and commits their rows; no HTTP. In order: `decode` → `pending` → `group_commit` → `writer`."""
