#!/bin/sh
# Format a single controller's empty directory, then become Kafka:
#   controller.sh PROPERTIES
# An empty directory means a new quorum. Never let this run on an empty disk that takes the place of one with data.
set -eu
"$KAFKA_HOME/bin/kafka-storage.sh" format --ignore-formatted --standalone \
    --cluster-id="$CLUSTER_ID" --config "$1"
exec "$KAFKA_HOME/bin/kafka-server-start.sh" "$1"
