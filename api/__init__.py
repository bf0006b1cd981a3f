"""HTTP in, HTTP out: composition, who may do what, and one router for each subject. Open `app.py` first."""
