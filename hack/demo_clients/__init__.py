"""The demo's programs, run in pods: `python -m demo_clients.producer`, `.consumer` and `.rate`."""
