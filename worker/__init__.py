"""The background process, which runs periodic tasks. Open `tasks.py` for the tasks, `run.py` for the loop."""
