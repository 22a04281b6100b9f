"""``floodwarden check``: brokers audited from a laptop or a pipeline, with what the operator itself audits with.

``inputs`` and ``secrets`` turn files and the environment into what is to be checked, ``run`` asks the brokers and writes nothing,
``report`` says what that means; ``table``, ``as_json``, ``sarif`` and ``junit`` show it.
"""
