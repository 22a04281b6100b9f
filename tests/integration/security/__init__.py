"""What a tenant must not be able to do, tried with a real API server, real brokers and the operator as a process.

Binding to a MessageBroker which does not allow the policy's namespace is tested in ``tests.integration.loop.test_bindings``; the
rights of the chart's account in ``tests.e2e.test_chart``.
"""
