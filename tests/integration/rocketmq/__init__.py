"""The operator as a process, against a real API server, node and controllers and real servers of RocketMQ with ACLs.

A package, so that the operator and the servers that its conftest starts end with it.
"""
