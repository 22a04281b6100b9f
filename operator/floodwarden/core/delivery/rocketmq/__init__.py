"""What a DeliveryPolicy comes to on RocketMQ. Pure.

``judging`` compares all that was ``found``, by what each broker ``needs`` and how its ``topics`` and groups are; ``explained``
says what each setting is for.
"""
