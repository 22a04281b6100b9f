"""The operator as a process, against a real API server, node and controllers and three real nodes of RabbitMQ.

A package, so that the operator and the nodes that its conftest starts end with it.
"""
