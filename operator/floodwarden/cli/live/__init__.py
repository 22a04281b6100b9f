"""What ``floodwarden top`` and ``floodwarden explain backlogpolicy/NAME`` are made of: ``cluster`` reads what the operator wrote,
``rows`` and ``story`` put it into words, pure.
"""
