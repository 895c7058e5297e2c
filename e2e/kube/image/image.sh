# shellcheck shell=bash
# Images without a daemon and without a registry: archives that containerd imports.

archive() { echo "$RUN/images/$(tr '/:' '__' <<<"$1").tar"; }   # archive IMAGE

# What Kafka's image is made by: when that changes it is made anew.
recipe() { cat "$HERE"/image/{image.sh,image.py,kafka-pom.xml,log4j2.yaml} | sha256sum | cut -c1-16; }

image_pause() {
  local d; d=$(mktemp -d)
  mkdir "$d/root" && cc -Os -static -s -o "$d/root/pause" "$HERE/image/pause.c"
  python3 "$HERE/image/image.py" --name klamm.test/pause:1 --layer "$d/root" --entrypoint /pause --output "$IMAGES/pause.tar"
  rm -rf "$d"
}

# Scripts of Kafka's distribution, and the class each runs.
KAFKA_SCRIPTS=(
  server-start:kafka.Kafka
  storage:kafka.tools.StorageTool
  acls:org.apache.kafka.tools.AclCommand
  configs:kafka.admin.ConfigCommand
  console-consumer:org.apache.kafka.tools.consumer.ConsoleConsumer
  console-producer:org.apache.kafka.tools.ConsoleProducer
  consumer-groups:org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
  dump-log:kafka.tools.DumpLogSegments
  features:org.apache.kafka.tools.FeatureCommand
  metadata-quorum:org.apache.kafka.tools.MetadataQuorumCommand
  reassign-partitions:org.apache.kafka.tools.reassign.ReassignPartitionsCommand
  topics:org.apache.kafka.tools.TopicCommand
)

# A root file system of this machine's own Debian with a Java runtime, as a tar.
java_base() {
  local base=$IMAGES/debian-jre.rootfs.tar sources=() source
  [[ ! -s $base ]] || return 0
  say "making a Debian root file system with a Java runtime (2 minutes)"
  for source in /etc/apt/sources.list /etc/apt/sources.list.d/*; do [[ -s $source ]] && sources+=("$source"); done
  mmdebstrap --quiet --format=tar --variant=minbase --include=default-jre-headless,bash,procps \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$base.part" "${sources[@]}" || die "mmdebstrap failed: is Debian's registry reachable?"
  mv "$base.part" "$base"
}

# image_kafka VERSION: the official image's interface around the released jars: user appuser (1000), Java in PATH and under
# /opt/java/openjdk, jars in /opt/kafka/libs, scripts in /opt/kafka/bin, data under /var/lib/kafka/data.
image_kafka() {
  local version=$1 d=$STORE/src/kafka-image pair file
  java_base
  say "fetching Apache Kafka $version"
  rm -rf "$d" && mkdir -p "$d"/opt/kafka/{libs,bin,config} "$d/opt/java/openjdk/bin" "$d/var/lib/kafka/data" "$d/mnt/shared/config"
  mvn -q -B -f "$HERE/image/kafka-pom.xml" dependency:copy-dependencies -Dkafka.version="$version" -DoutputDirectory="$d/opt/kafka/libs" ||
    die "Maven has no Apache Kafka $version, or is not reachable"
  # shellcheck disable=SC2016
  printf '#!/bin/sh\nexec java ${KAFKA_HEAP_OPTS:--Xmx256m} ${KAFKA_LOG4J_OPTS:-} ${KAFKA_OPTS:-} -cp "/opt/kafka/libs/*" "$@"\n' \
    >"$d/opt/kafka/bin/kafka-run-class.sh"
  for pair in "${KAFKA_SCRIPTS[@]}"; do
    file=$d/opt/kafka/bin/kafka-${pair%%:*}.sh
    printf '#!/bin/sh\nexec /opt/kafka/bin/kafka-run-class.sh %s "$@"\n' "${pair#*:}" >"$file"
  done
  # A server logs, a tool does not.
  sed -i '1a : "${KAFKA_LOG4J_OPTS:=-Dlog4j2.configurationFile=/opt/kafka/config/log4j2.yaml}"; export KAFKA_LOG4J_OPTS' "$d/opt/kafka/bin/kafka-server-start.sh"
  chmod 755 "$d"/opt/kafka/bin/*
  cp "$HERE/image/log4j2.yaml" "$d/opt/kafka/config/log4j2.yaml"
  ln -s /usr/bin/java "$d/opt/java/openjdk/bin/java"
  python3 "$HERE/image/image.py" --name "docker.io/apache/kafka:$version" --tar "$IMAGES/debian-jre.rootfs.tar" --layer "$d" \
    --passwd appuser:1000 --user 1000 --env PATH=/opt/java/openjdk/bin:/usr/local/bin:/usr/bin:/bin --env JAVA_HOME=/opt/java/openjdk \
    --env KAFKA_HOME=/opt/kafka --own 1000:opt/kafka --own 1000:var/lib/kafka --own 1000:mnt/shared \
    --entrypoint /opt/kafka/bin/kafka-server-start.sh --output "$IMAGES/kafka-$version.tar"
  recipe >"$IMAGES/kafka-$version.recipe"
  rm -rf "$d"
}

# image_files [--from ARCHIVE] NAME FILE[:PATH_IN_IMAGE]...: one layer with these files, on that of another image or alone;
# alone, the first is the entry point.
image_files() {
  local base=() name d entry='' f from to
  if [[ $1 == --from ]]; then base=(--from "$IMAGES/$2.tar"); shift 2; [[ -s ${base[1]} ]] || die "no archive ${base[1]}"; fi
  name=$1; shift
  if made_of "$(archive "$name")" "${base[@]:1}" "$@"; then load "$(archive "$name")"; return; fi
  d=$(mktemp -d) && mkdir -p "$RUN/images"
  for f; do
    from=${f%%:*} to=/$(basename "$from"); [[ $f == *:* ]] && to=${f#*:}
    mkdir -p "$d$(dirname "$to")" && cp "$from" "$d$to" && chmod 755 "$d$to" && entry=${entry:-$to}
  done
  if ((${#base[@]})); then base+=(--layer "$d"); else base=(--layer "$d" --passwd klamm:1000 --user 1000 --entrypoint "$entry"); fi
  python3 "$HERE/image/image.py" --name "$name" "${base[@]}" --output "$(archive "$name")"
  rm -rf "$d"
  load "$(archive "$name")"
}

# made_of ARCHIVE FILE[:PATH]...: whether it is there and newer than all it is made of.
made_of() {
  local archive=$1 f; shift
  [[ -s $archive ]] || return 1
  for f; do [[ $archive -nt ${f%%:*} ]] || return 1; done
}

# load ARCHIVE: onto every node that is up, and onto each that starts later.
load() {
  local n stamp; stamp=$(basename "$1")
  [[ -s $1 ]] || die "no archive $1"
  mkdir -p "$RUN/images"
  [[ $1 == "$RUN/images/"* ]] || ln -sf "$(readlink -f "$1")" "$RUN/images/$stamp"
  for n in $(nodes); do
    [[ -S $RUN/$n/containerd.sock ]] || continue
    is_loaded "$n" "$1" || { load_on "$n" "$1" && say "$n: $stamp"; }
  done
}

is_loaded() { [[ -e $RUN/$1/loaded/$(basename "$2") && ! $2 -nt $RUN/$1/loaded/$(basename "$2") ]]; }

load_on() {
  ctr -a "$RUN/$1/containerd.sock" -n k8s.io images import "$2" >/dev/null || die "containerd on $1 takes no $2"
  mkdir -p "$RUN/$1/loaded" && touch -r "$2" "$RUN/$1/loaded/$(basename "$2")"
}
