"""What must be survived: each fault is made with the real parts, and seen to do no harm, to be told, and to end by itself.

Outages of brokers, readings that are not what they seem, Secrets and targets are in ``tests.integration.loop``, beside which this
package has the faults that need an operator of their own. The whole matrix is in the README.
"""
