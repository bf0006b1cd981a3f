"""The live channel: sockets that wake agents and show portals what changes; the truth stays in the tables.

In: `plain.py` (JSON over a WebSocket at /ws) and `socketio.py` (Socket.IO at /agent-ws), both through `handlers.py`.
Out: `wakes.py` hears that something was committed, `look.py` reads what, `hub.py` knows who wants it. Open `hub.py`
first.
"""
