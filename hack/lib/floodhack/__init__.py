"""What the scripts of hack/ share: instances and their ports, background processes, progress, tools of the machine.

Standard library only, because these scripts run before any virtual environment exists. One concern per module.
"""
