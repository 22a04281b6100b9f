"""What a DeliveryPolicy comes to on RabbitMQ. Pure.

``judging`` compares all that was ``found``, by ``rules`` for one queue and for its ``clients``; ``routes`` tells whether dead
letters get anywhere, ``operator_policies`` has what is written, ``explained`` what is said of each setting.
"""
