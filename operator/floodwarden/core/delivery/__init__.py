"""What keeps messages from being lost, declared and found: the pure half of a DeliveryPolicy.

``survey`` is what an adapter found and ``wishes`` what a policy asks for; ``audit`` compares the two for topics, ``nodes`` for
brokers, and ``lint`` judges the policy itself. ``violations`` are what comes out, ``story`` tells them as conditions and Events,
and ``settings`` explains each setting to people.
"""
