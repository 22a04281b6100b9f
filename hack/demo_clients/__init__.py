"""The demo's programs, run in pods by `python -m demo_clients.…`.

`producer` and `consumer` speak to Kafka, `queue_producer` and `queue_consumer` to RabbitMQ, `rocketmq_producer` and
`rocketmq_consumer` to RocketMQ; `rate` is for any producer.
"""
