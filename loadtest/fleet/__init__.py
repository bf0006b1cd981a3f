"""The simulated fleet: devices, their calls and their time slots."""
