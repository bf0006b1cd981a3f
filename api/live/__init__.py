"""The live channel: sockets that notify agents and portals of changes; the tables are the source of truth.

In: `plain.py` (JSON over a WebSocket at /ws) and `socketio.py` (Socket.IO at /agent-ws), both through `handlers.py`.
Out: `notifications.py` receives a notification of a commit, `changes.py` reads the changes, `hub.py` has the
subscriptions. Open `hub.py` first.
"""
