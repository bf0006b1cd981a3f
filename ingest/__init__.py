"""An upload comes in, committed rows go out. In order: `upload` → `body` → `decode` → `group_commit` → `writer`."""
