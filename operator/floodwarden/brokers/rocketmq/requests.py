"""What Floodwarden asks RocketMQ's servers: the codes of requests, as in RocketMQ's RequestCode, by the same names."""

from __future__ import annotations

from typing import Final

# Of name servers
GET_ROUTEINFO_BY_TOPIC: Final = 105
GET_BROKER_CLUSTER_INFO: Final = 106
# Of brokers
PULL_MESSAGE: Final = 11
GET_ALL_TOPIC_CONFIG: Final = 21
UPDATE_BROKER_CONFIG: Final = 25
GET_BROKER_CONFIG: Final = 26
GET_BROKER_RUNTIME_INFO: Final = 28
GET_ALL_CONSUMER_OFFSET: Final = 43
UPDATE_AND_CREATE_SUBSCRIPTIONGROUP: Final = 200
GET_ALL_SUBSCRIPTIONGROUP_CONFIG: Final = 201
GET_TOPIC_STATS_INFO: Final = 202
GET_CONSUMER_CONNECTION_LIST: Final = 203
GET_CONSUME_STATS: Final = 208
GET_CONSUMER_RUNNING_INFO: Final = 307
RESUME_CHECK_HALF_MESSAGE: Final = 323
GET_BROKER_HA_STATUS: Final = 907
