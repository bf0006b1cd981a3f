"""What is installed on a device: software, end-of-life rules, service settings. Open `software.py` first."""
