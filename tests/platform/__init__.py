"""The platform's database as test data: as it is today, as an older one has it, with its own agent tables, or ours."""
