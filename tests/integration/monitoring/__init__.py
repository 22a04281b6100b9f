"""A real Prometheus that scrapes a real operator: the chart's alerts and dashboard against what it really tells."""
