"""The custom resources: pydantic models are the one source of CRDs, the chart's copy, the reference page and parsing.

One module per resource (``messagebroker``, ``backlogpolicy``) over shared parts (``durations``, ``rules``, ``shared``,
``resource``); ``schema``, ``crd``, ``reference`` and ``generate`` turn the models into committed files.
"""
