"""The one list of reasons: of conditions, of Events, and of decisions; with what each means and what to do.

The reference page is made from it. ``UnknownReason`` and ``TargetProblemReason`` are parts of it
(a unit test holds them together).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Why a condition, an Event or a decision is what it is."""

    # What is fine
    WATCHING = "Watching"
    SWEEPING = "Sweeping"
    ALL_NODES_REACHABLE = "AllNodesReachable"
    WITHIN_LIMIT = "WithinLimit"
    STEADY = "Steady"
    MOVING = "Moving"
    DRY_RUN = "DryRun"
    ASLEEP = "Asleep"
    AUDITING = "Auditing"
    COMPLIANT = "Compliant"

    # What cannot be read
    BROKER_UNREACHABLE = "BrokerUnreachable"
    TIMEOUT = "BrokerTimeout"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    AUTHORIZATION_FAILED = "AuthorizationFailed"
    COORDINATOR_UNAVAILABLE = "CoordinatorUnavailable"
    NO_LEADER = "PartitionWithoutLeader"
    TOPIC_MISSING = "TopicMissing"
    UNSUPPORTED = "BrokerUnsupported"
    BROKER_ERROR = "BrokerError"
    NO_COMMIT_YET = "NoCommitYet"
    COMMITTED_BEYOND_END = "CommittedBeyondEnd"
    OFFSET_BELOW_LOG_START = "OffsetBelowLogStart"
    TOPIC_RECREATED = "TopicRecreated"
    PARTITIONS_ADDED = "PartitionsAdded"
    FIRST_READING = "FirstReading"
    READING_LOST = "ReadingLost"
    READING_PARTIAL = "ReadingPartial"
    READING_BACK = "ReadingBack"

    # What is wrong with a binding, a secret or a target
    SOME_NODES_UNREACHABLE = "SomeNodesUnreachable"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a reason, not a secret
    SECRET_FORBIDDEN = "SecretForbidden"  # noqa: S105 - a reason, not a secret
    SECRET_INVALID = "SecretInvalid"  # noqa: S105 - a reason, not a secret
    BROKER_NOT_FOUND = "BrokerNotFound"
    BROKER_NOT_ALLOWED = "BrokerNotAllowed"
    BROKER_NOT_READY = "BrokerNotReady"
    BROKER_NOT_CAPABLE = "BrokerNotCapable"
    INVALID_SPEC = "InvalidSpec"
    PAUSED = "Paused"
    TARGET_MISSING = "TargetMissing"
    TARGET_NOT_SCALABLE = "TargetNotScalable"
    TARGET_KIND_UNKNOWN = "TargetKindUnknown"
    TARGET_FORBIDDEN = "TargetForbidden"
    TARGET_REFUSED = "TargetRefused"
    TARGET_CHANGED = "TargetChanged"
    AUTOSCALERS_UNKNOWN = "AutoscalersUnknown"
    TARGET_AT_ZERO = "TargetAtZero"
    TARGET_CONFLICT = "TargetConflict"
    API_SERVER_UNREACHABLE = "APIServerUnreachable"

    # What was decided, and what it depends on
    OVER_LIMIT = "OverLimit"
    MEASURING = "Measuring"
    SCALED_UP = "ScaledUp"
    SCALED_DOWN = "ScaledDown"
    WOULD_SCALE = "WouldScale"
    WOKEN = "Woken"
    PUT_TO_SLEEP = "PutToSleep"
    BELOW_MINIMUM = "BelowMinimum"
    ABOVE_CEILING = "AboveCeiling"
    SCALED_BY_HAND = "ScaledByHand"
    AT_CEILING = "AtCeiling"
    STABILIZING = "Stabilizing"
    CAPACITY_UNKNOWN = "CapacityUnknown"
    SETTLING = "Settling"
    STEP_OVERDUE = "StepOverdue"
    STEP_INEFFECTIVE = "StepIneffective"
    REBALANCING = "Rebalancing"
    DRAINED = "Drained"

    # What stands still
    PARTITION_STALLED = "PartitionStalled"
    PARTITION_HOT = "PartitionHot"
    GROUP_STALLED = "GroupStalled"
    CONSUMERS_MISSING = "ConsumersMissing"

    # Why a backlog grows, where it is not one of the above
    PRODUCTION_ROSE = "ProductionRose"
    CONSUMPTION_FELL = "ConsumptionFell"
    CONSUMERS_CRASHING = "ConsumersCrashing"
    CONSUMERS_UNSCHEDULABLE = "ConsumersUnschedulable"
    SKEWED = "Skewed"
    DOWNSTREAM_SLOW = "DownstreamSlow"
    REPLAYED = "Replayed"
    NOT_KNOWN = "NotKnown"

    # What an audit of settings found and did
    NOT_COMPLIANT = "NotCompliant"
    VIOLATION = "Violation"
    NO_TOPIC_MATCHES = "NoTopicMatches"
    AUDIT_PARTIAL = "AuditPartial"
    POLICY_CONFLICT = "PolicyConflict"
    REPAIRED = "Repaired"
    REPAIR_FAILED = "RepairFailed"
    UNDONE = "Undone"
    RAISING_REPLICATION = "RaisingReplication"
    REPLICATION_RAISED = "ReplicationRaised"
    UNREAD_EXPIRING = "UnreadExpiring"
    UNREAD_EXPIRED = "UnreadExpired"
    RETENTION_EXTENDED = "RetentionExtended"
    RETENTION_RESTORED = "RetentionRestored"
    TRANSACTION_OPEN = "TransactionOpen"
    TRANSACTION_HUNG = "TransactionHung"
    TRANSACTION_ABORTED = "TransactionAborted"
    LEFT_CHANGED = "LeftChanged"
    LEDGER_UNREADABLE = "LedgerUnreadable"
    CLIENT_SETTINGS_PUBLISHED = "ClientSettingsPublished"
    WORKLOAD_PATCHED = "WorkloadPatched"
    KAFKA_TOPIC_PATCHED = "KafkaTopicPatched"


ADVICE: Mapping[Reason, str] = {
    Reason.WATCHING: "Lag is read and consumers are scaled. Nothing to do.",
    Reason.SWEEPING: "The broker answers and its policies are decided at every sweep. Nothing to do.",
    Reason.ALL_NODES_REACHABLE: "Every broker node answers. Nothing to do.",
    Reason.WITHIN_LIMIT: "The lag is within maxLag. Nothing to do.",
    Reason.STEADY: "The replicas are what is needed. Nothing to do.",
    Reason.MOVING: "Every partition with a backlog moves. Nothing to do.",
    Reason.DRY_RUN: "Decisions are made and recorded but not carried out. Set spec.mode to Enforce to carry them out.",
    Reason.ASLEEP: "No messages and minReplicas is 0: the consumers sleep, and are woken by the next message.",
    Reason.BROKER_UNREACHABLE: "No connection to the broker. Check bootstrapServers, listeners and NetworkPolicies. Replicas are held.",
    Reason.TIMEOUT: "The broker did not answer in time. Look at its load and at the network. Replicas are held.",
    Reason.AUTHENTICATION_FAILED: "The broker refused the credentials, or its certificate is not trusted. Correct the Secret; it is read again "
    "within seconds.",
    Reason.AUTHORIZATION_FAILED: "The user may not read this. Grant what the message names; on Kafka it is Describe on the group and the topics. Replicas are held.",
    Reason.COORDINATOR_UNAVAILABLE: "The group's coordinator is moving or loading. It usually ends within seconds. Replicas are held.",
    Reason.NO_LEADER: "A partition has no leader. Bring its brokers back. The other partitions are still watched.",
    Reason.TOPIC_MISSING: "A topic of the subscription does not exist. Create it or correct spec.subscription.topics.",
    Reason.UNSUPPORTED: "The broker cannot tell this; the message says why. Kafka must be 3.0 or newer.",
    Reason.BROKER_ERROR: "The broker answered with an error; the message says which. Replicas are held.",
    Reason.NO_COMMIT_YET: "The group has not committed an offset, so its lag cannot be told. Start the consumer, or check that it commits.",
    Reason.COMMITTED_BEYOND_END: "A committed offset lies behind the end of its partition: the topic was re-created or truncated. "
    "Reset the group's offsets or let the consumer commit.",
    Reason.OFFSET_BELOW_LOG_START: "Messages expired before the group read them. They are lost to it: lengthen the topic's retention.",
    Reason.TOPIC_RECREATED: "A topic was deleted and created again. Its history starts anew; replicas are held until offsets are committed.",
    Reason.PARTITIONS_ADDED: "A topic has more partitions now; the ceiling rose with it. Nothing to do.",
    Reason.FIRST_READING: "Watching has just begun: rates need a second reading, and the age of a backlog some more.",
    Reason.READING_LOST: "The lag has been unknown for a while; the condition WithinLag says why. Replicas are held.",
    Reason.READING_PARTIAL: "A part of the lag has been unknown for a while; the message says which. Replicas are not lowered until it is known.",
    Reason.READING_BACK: "The lag is known again. Nothing to do.",
    Reason.SOME_NODES_UNREACHABLE: "Some broker nodes do not answer. Partitions they lead are unknown until others take over.",
    Reason.SECRET_MISSING: "A Secret or a key in it is missing. Create it in the MessageBroker's namespace.",
    Reason.SECRET_FORBIDDEN: "Floodwarden may not read a Secret. Grant its service account get on it.",
    Reason.SECRET_INVALID: "A Secret holds something that cannot be used; the message says what, and what to put there.",
    Reason.BROKER_NOT_FOUND: "Create the MessageBroker, or correct spec.brokerRef.",
    Reason.BROKER_NOT_ALLOWED: "Ask the owner of the MessageBroker to add the namespace to its spec.allowedNamespaces.",
    Reason.BROKER_NOT_READY: "The MessageBroker cannot be read; its own conditions say why. Replicas are held.",
    Reason.BROKER_NOT_CAPABLE: "Brokers of this type do not have what the policy asks for; the message says what, and status.capabilities of the MessageBroker what they have. Correct spec.brokerRef or what the policy asks for.",
    Reason.INVALID_SPEC: "The manifest cannot be understood; the message says what is wrong.",
    Reason.PAUSED: 'The annotation floodwarden.dev/paused is "true". Remove it to go on.',
    Reason.TARGET_MISSING: "The target does not exist. Create it or correct spec.consumers.targetRef.",
    Reason.TARGET_NOT_SCALABLE: "The target has no scale subresource. Name something that has one, such as a Deployment.",
    Reason.TARGET_KIND_UNKNOWN: "The API server does not know this apiVersion and kind. Correct targetRef or install the CRD.",
    Reason.TARGET_FORBIDDEN: "Floodwarden may not scale this kind. Add it to the chart's value rbac.extraScaleTargets.",
    Reason.TARGET_REFUSED: "The API server or an admission webhook refused the new number of replicas; the message says why.",
    Reason.TARGET_CHANGED: "Somebody else changed the target at the same moment. It is read again at the next sweep.",
    Reason.AUTOSCALERS_UNKNOWN: "HorizontalPodAutoscalers or ScaledObjects may not be listed, so nobody can tell who else scales the target. Grant list on them to Floodwarden's service account.",
    Reason.TARGET_AT_ZERO: "Somebody scaled the target to zero although minReplicas is 1 or more: it is left alone until scaled up again.",
    Reason.TARGET_CONFLICT: "Something else scales the same target; the message names it. Delete one of the two.",
    Reason.API_SERVER_UNREACHABLE: "The API server does not answer. Replicas are held until it does.",
    Reason.OVER_LIMIT: "The lag is over maxLag. Scaling says what is being done.",
    Reason.MEASURING: "A rise has just begun and is measured for one more sweep, so that one step is enough.",
    Reason.SCALED_UP: "More replicas were asked for; the message has the numbers that led to it.",
    Reason.SCALED_DOWN: "Fewer replicas were enough for the whole stabilization window.",
    Reason.WOULD_SCALE: "DryRun: this step would have been made. Set spec.mode to Enforce to have it made.",
    Reason.WOKEN: "Messages came while the consumers slept.",
    Reason.PUT_TO_SLEEP: "No messages for the whole stabilization window, and minReplicas is 0.",
    Reason.BELOW_MINIMUM: "The target had fewer replicas than minReplicas.",
    Reason.ABOVE_CEILING: "The target had more replicas than the partitions or maxReplicas allow.",
    Reason.SCALED_BY_HAND: "Somebody else changed the replicas. They are not lowered for a whole stabilization window.",
    Reason.AT_CEILING: "More replicas would not help: every partition has one, or maxReplicas is reached. "
    "Add partitions, raise maxReplicas, or make the consumer faster.",
    Reason.STABILIZING: "Fewer replicas would be enough; waiting until the whole stabilization window agrees.",
    Reason.CAPACITY_UNKNOWN: "What one replica can do has not been seen under load yet, so replicas are not lowered while messages come.",
    Reason.SETTLING: "The last step's pods are starting or the group is rebalancing. The next decision follows.",
    Reason.STEP_OVERDUE: "The last step has taken over five minutes. Look at the target's pods: image, resources, quotas, probes.",
    Reason.STEP_INEFFECTIVE: "More replicas did not raise throughput, so the step was undone: the bottleneck is behind the consumers "
    "(database, API, lock). Relieve it.",
    Reason.REBALANCING: "The group is rebalancing. If it does not end, look for consumers that crash or exceed max.poll.interval.ms.",
    Reason.DRAINED: "The backlog is gone. Nothing to do.",
    Reason.PARTITION_STALLED: "A partition's offset stands still under lag: most likely a message that cannot be processed. "
    "Look at the consumer's log; skip or dead-letter the message. More pods would not help.",
    Reason.PARTITION_HOT: "One partition gets more than one replica can carry. Choose a better key or add partitions. More pods would not help.",
    Reason.GROUP_STALLED: "No partition moves although the group has members: the consumers or what is behind them stand still. Look at their logs, and at what they call.",
    Reason.CONSUMERS_MISSING: "The group has no members, or too few of the target's pods are ready. Check that they start, and group id, topic and broker of the consumer.",
    Reason.PRODUCTION_ROSE: "More arrives than usually does; the message says where and how much. Scaling answers it; where that is not enough, look at who produces.",
    Reason.CONSUMPTION_FELL: "As much arrives as usually does, but less of it is consumed. Look at the consumers' logs, at their CPU limits, and at what they call.",
    Reason.CONSUMERS_CRASHING: "Consumers end again and again. Look at the log of the container before (kubectl logs --previous). More pods would not help.",
    Reason.CONSUMERS_UNSCHEDULABLE: "Pods find no node: add nodes, lower their requests, or lower maxReplicas. The message has the scheduler's words.",
    Reason.SKEWED: "Most of the backlog is in one partition, which gets clearly more than the others. Choose a better key. More pods would not help.",
    Reason.DOWNSTREAM_SLOW: "More replicas consumed no more: the bottleneck is behind the consumers (database, API, lock). Relieve it.",
    Reason.REPLAYED: "The group's offsets were set back, or it has just begun: what it reads was produced long ago. Nothing to do, unless nobody meant it.",
    Reason.NOT_KNOWN: "The cause of the backlog is not known: the message says what is missing to tell it.",
    Reason.AUDITING: "Settings are compared with what brokers and topics really do. Nothing to do.",
    Reason.COMPLIANT: "Everything that was found is as the policy asks for. Nothing to do.",
    Reason.NOT_COMPLIANT: "Settings differ from what the policy asks for. status.violations lists them, each with what becomes of it.",
    Reason.VIOLATION: "A setting differs from what the policy asks for; the message has both, where the value comes from, and what to do.",
    Reason.NO_TOPIC_MATCHES: "Create what it names, or correct spec.match. Kafka leaves out what a user may not see: with ACLs, grant Describe on the topics.",
    Reason.AUDIT_PARTIAL: "A part could not be read, so nobody can tell whether it is as asked for; status.notVerified says which. "
    "Grant DescribeConfigs on topics and cluster, or bring the brokers back.",
    Reason.POLICY_CONFLICT: "Two policies ask for different values of the same setting. Neither is acted on: change one of them.",
    Reason.REPAIRED: "A setting was found different, written, and read back. Look for who changed it.",
    Reason.REPAIR_FAILED: "A setting could not be written; the message says why. It is tried again with the next audit. "
    "If it is not allowed, grant AlterConfigs on the topics.",
    Reason.UNDONE: "What was made on the brokers for a policy is taken away, because the policy is gone or only looks now. Nothing to do.",
    Reason.RAISING_REPLICATION: "Copies of partitions are being made on more brokers; status.violations has what is left. Nothing to do.",
    Reason.REPLICATION_RAISED: "Every partition of the topic has the copies that are asked for, and they are in sync. Nothing to do.",
    Reason.UNREAD_EXPIRING: "Messages will expire before a group has read them; the message says when. Start or speed up its consumers, or lengthen the topic's retention.",
    Reason.UNREAD_EXPIRED: "Messages expired before a group read them. They are lost to it: lengthen the topic's retention.",
    Reason.RETENTION_EXTENDED: "Unread messages would have expired, so the topic keeps its messages for longer until the group has caught up.",
    Reason.RETENTION_RESTORED: "The group has caught up, and the topic's retention is what it was before. Nothing to do.",
    Reason.TRANSACTION_OPEN: "A transaction has been open for long; what was written after it is hidden from those who read committed messages. Look at its producer.",
    Reason.TRANSACTION_HUNG: "A transaction is open that its coordinator does not know: it never ends by itself. Abort it with kafka-transactions, or set spec.transactions.abort to Hung.",
    Reason.TRANSACTION_ABORTED: "A hung transaction was aborted, so that readers go on. What it wrote was never committed.",
    Reason.LEFT_CHANGED: "Something that was changed for a while (a retention, a throttle) was not put back: the message says what was there before. Set it by hand, or lead the MessageBroker back to the brokers.",
    Reason.LEDGER_UNREADABLE: "What is changed for a while cannot be read or written down, so nothing is changed: the message says why.",
    Reason.CLIENT_SETTINGS_PUBLISHED: "The settings that clients are to use are in a ConfigMap; the message has its name. Mount it into producers and consumers.",
    Reason.WORKLOAD_PATCHED: "The environment of a Deployment was corrected, which restarts its pods.",
    Reason.KAFKA_TOPIC_PATCHED: "A setting was changed in the KafkaTopic that has the topic; Strimzi's topic operator carries it out.",
}
