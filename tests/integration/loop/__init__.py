"""The operator as a process, against a real API server, node and controllers and three real Kafka nodes.

Everything is asserted from outside: by kubectl, by Kafka's own tools, by /metrics. A package, so that the operator that its
conftest starts ends with it.
"""
