"""Floodwarden: keeps messages from being lost and backlogs from flooding.

Imports go one way: ``__main__ → cli → handlers → sweep → (api | brokers | cluster) → core``.
"""
