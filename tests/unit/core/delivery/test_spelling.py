"""How clients' settings may be written: which names stand for one, which values are alike, and what files say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.delivery.clients import ACKS, AUTO_COMMIT, IDEMPOTENCE, TRANSACTION_TIMEOUT
from floodwarden.core.delivery.spelling import LINE_AT_MOST, NAME_AT_MOST, TEXT_AT_MOST, setting_of, settings_in, understood
from tests.support.hostile import HOSTILE

NAMES = {
    "acks": ACKS,
    "KAFKA_ACKS": ACKS,
    "ORDERS_PRODUCER_ACKS": ACKS,
    "CONNECT_PRODUCER_ACKS": ACKS,
    "SPRING_KAFKA_PRODUCER_ACKS": ACKS,
    "spring.kafka.producer.acks": ACKS,
    "mp.messaging.outgoing.orders.acks": ACKS,
    "request.required.acks": ACKS,
    "spring.cloud.stream.kafka.binder.required-acks": ACKS,
    "kafkaProducer.requiredAcks": ACKS,
    "enable.idempotence": IDEMPOTENCE,
    "SPRING_KAFKA_PRODUCER_PROPERTIES_ENABLE_IDEMPOTENCE": IDEMPOTENCE,
    "KAFKA_IDEMPOTENCE": IDEMPOTENCE,
    "ENABLE_AUTO_COMMIT": AUTO_COMMIT,
    "enableAutoCommit": AUTO_COMMIT,
    "spring.kafka.consumer.enable-auto-commit": AUTO_COMMIT,
    "SPRING_KAFKA_CONSUMER_ENABLEAUTOCOMMIT": AUTO_COMMIT,
    "consumer.auto.commit.enable": AUTO_COMMIT,
    "KAFKA_CONSUMER_AUTO_COMMIT": AUTO_COMMIT,
    "transaction.timeout.ms": TRANSACTION_TIMEOUT,
    "PRODUCER_TRANSACTION_TIMEOUT_MS": TRANSACTION_TIMEOUT,
    # what is something else
    "TRACKS": None,
    "KAFKA_TRACKS": None,
    "CALLBACKS": None,
    "acks.mode": None,
    "DB_TRANSACTION_TIMEOUT_MS": None,
    "spring.datasource.hikari.auto-commit": None,
    "auto_commit": None,
    "POSTGRES_ENABLE_AUTO_COMMIT": None,
    "KAFKA_AUTO_COMMIT_INTERVAL_MS": None,
    "KAFKA_TRANSACTION_MAX_TIMEOUT_MS": None,
    "KAFKA_PASSWORD": None,
    "": None,
    "kafka." + "a" * NAME_AT_MOST + ".acks": None,
}


@pytest.mark.parametrize(("name", "setting"), NAMES.items(), ids=[name[:60] or "nothing" for name in NAMES])
def test_names(name: str, setting: str | None) -> None:
    """Case and separators do not matter; the end of the name does, and that what is before it speaks of Kafka."""
    assert setting_of(name) == setting


VALUES = {
    ACKS: {"all": "all", "ALL": "all", "-1": "all", '"1"': "1", " 0 ": "0", "2": None, "${ACKS:all}": None, "": None},
    IDEMPOTENCE: {"true": "true", "TRUE": "true", "False": "false", "yes": "true", "'off'": "false", "maybe": None, "": None},
    AUTO_COMMIT: {"1": "true", "0": "false", "on": "true", "null": None},
    TRANSACTION_TIMEOUT: {"60000": "60000", "060": "60", "-1": None, "60s": None, "9" * 11: None, "٣": None},
}


@pytest.mark.parametrize(("setting", "values"), VALUES.items(), ids=VALUES)
def test_values(setting: str, values: dict[str, str | None]) -> None:
    """What is alike in meaning is equal, and what is no value of the setting is not understood."""
    assert {text: understood(setting, text) for text in values} == values


SPRING = """
spring:
  datasource:
    hikari:
      auto-commit: true
      password: hunter2
  kafka:
    bootstrap-servers: broker:9092
    consumer:
      enable-auto-commit: true  # for now
    producer:
      acks: "1"
      properties:
        enable.idempotence: false
        "transaction.timeout.ms": 900000
other:
  acks: 0
"""
FILES = {
    "properties": ("# acks=0\n! acks=0\nacks = all\nlinger.ms=5\n", {(ACKS, "all")}),
    "properties of another program": ("kafka.producer.acks: 1\ndb.acks=0", {(ACKS, "1")}),
    "variables of a shell": ("export KAFKA_ACKS='1'\n", {(ACKS, "1")}),
    "sections": ("[kafka]\nenable_auto_commit = true\n[postgres]\nenable_auto_commit = true\n", {(AUTO_COMMIT, "true")}),
    "YAML": (
        SPRING,
        {(AUTO_COMMIT, "true"), (ACKS, "1"), (IDEMPOTENCE, "false"), (TRANSACTION_TIMEOUT, "900000")},
    ),
    "beside Kafka in YAML": ("kafka:\n  x: 1\ndb:\n  auto-commit: true\n  acks: 0\nproducer:\n  acks: all\n", {(ACKS, "all")}),
    "a list in YAML": ("kafka:\n  producers:\n  - name: a\n    acks: 1\n", {(ACKS, "1")}),
    "a placeholder": ("acks=${ACKS}", {(ACKS, None)}),
    "JSON in lines": ('{\n  "producer": {\n    "acks": "1",\n    "x": 1\n  }\n}', {(ACKS, "1")}),
    "JSON in one line": ('{"consumer":{"enable.auto.commit":true,"x":[1,{"acks":0}]}}', {(AUTO_COMMIT, "true")}),
    "JSON that is none": ('{"acks": "1"', set()),
    "JSON that is very deep": ('{"a":' * 20000, set()),
    "nothing": ("", set()),
}


@pytest.mark.parametrize(("text", "expected"), FILES.values(), ids=FILES)
def test_files(text: str, expected: set[tuple[str, str | None]]) -> None:
    """Whatever a program reads: the settings are found where they belong to Kafka, and nothing else is."""
    found = [(setting, value) for setting, _, value in settings_in(text)]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_what_is_too_long_is_left_out() -> None:
    """Neither a long line nor what comes after a very long beginning is read."""
    assert not list(settings_in(f"acks=1{' ' * LINE_AT_MOST}"))
    assert not list(settings_in(f"{'#' * TEXT_AT_MOST}\nacks=1"))


@given(st.one_of(st.text(), st.sampled_from(list(HOSTILE.values()))), st.sampled_from(sorted(VALUES)))
def test_no_other_text_ever_leaves(text: str, setting: str) -> None:
    """What is told of a value is one of a handful of words, or a number; whatever was written there."""
    for line in (f"acks={text}", f"enable.auto.commit: {text}", f"password={text}", text):
        for _, _, value in settings_in(line):
            assert value in (None, "all", "0", "1", "true", "false") or (value.isascii() and value.isdecimal())
    told = understood(setting, text)
    assert told in (None, "all", "0", "1", "true", "false") or (told.isdecimal() and len(told) <= 10)
