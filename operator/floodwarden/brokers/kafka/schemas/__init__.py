"""Message schemas of Apache Kafka that kafka-python lacks, unchanged from kafka-clients 4.3.1; `protocol` loads them."""
