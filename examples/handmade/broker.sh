#!/bin/sh
# Format a broker's empty directory, then become Kafka. klamm-operator broker-id runs this once it holds an id:
#   broker.sh PROPERTIES
# CLUSTER_ID is the cluster's (kafka-storage.sh random-uuid, once); KAFKA_HOME is where Kafka is.
set -eu
"$KAFKA_HOME/bin/kafka-storage.sh" format --ignore-formatted --no-initial-controllers \
    --cluster-id="$CLUSTER_ID" --config "$1"
exec "$KAFKA_HOME/bin/kafka-server-start.sh" "$1"
