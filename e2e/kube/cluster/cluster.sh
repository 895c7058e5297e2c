# shellcheck shell=bash
# The whole: up, down, and what there is.

# Whether every process of the cluster that should run does. A node that was crashed on purpose is not whole, and not dead.
whole() {
  local p
  [[ -e /run/netns/$FABRIC ]] || return 1
  for p in "${CONTROL_PLANE[@]}"; do alive "$p" || return 1; done
  kubectl_ get --raw /readyz >/dev/null 2>&1
}

node_whole() { alive "$1-containerd" && alive "$1-kubelet" && alive "$1-proxy" && [[ -e /run/netns/$1 ]]; }

status() {
  local n
  whole || { say "down"; return 1; }
  say "Kubernetes $KUBERNETES is up"
  for n in $(nodes); do
    if node_whole "$n"; then say "$n runs"; else say "$n is crashed: $0 node-start $n"; fi
  done
}

# up NODES: as many nodes as that, or more where there are more. What is whole stays; what is left of a cluster that is not
# is removed first.
up() {
  local count=$1 i t=$SECONDS
  [[ $count =~ ^[0-9]+$ && $count -le 64 ]] || die "up takes a number of nodes up to 64, not '$count'"
  [[ $count == 0 || $FABRIC == klamm-kube ]] || die "$FABRIC has no nodes: names and addresses of nodes are those of one cluster"
  build "$count"
  if whole; then
    say "up already"
  else
    ours
    [[ ! -e /run/netns/$FABRIC && ! -e $RUN ]] || { say "removing what is left of an earlier cluster"; down; }
    mkdir -p "$RUN"
    control_plane
  fi
  for ((i = 0; i < count; i++)); do
    if [[ ! -d $RUN/kn$i ]]; then node "$i"; else node_start "kn$i"; fi
  done
  ((count == 0)) || await 120 "the nodes" kubectl_ wait --for=condition=Ready node --all --timeout=5s
  say "up in $((SECONDS - t)) s: Kubernetes $KUBERNETES, $(nodes | wc -l) nodes"
  say "$0 kubectl ARG...; from inside the cluster's network: $0 exec COMMAND..."
}

# A cluster that another folder ($KLAMM_KUBE_HOME) has files of is not ours to touch.
ours() {
  [[ -e $RUN || ! -e /run/netns/$FABRIC ]] || [[ -z $(ip netns pids "$FABRIC") ]] ||
    die "a cluster is up whose files are not in $STORE: set KLAMM_KUBE_HOME to where they are, and take it down"
}

# Kills and removes everything, from whatever state it is in; may be called again.
down() {
  local n p all; all=$(nodes)
  ours
  for n in $all; do node_crash "$n"; done
  for p in "${CONTROL_PLANE[@]}"; do stop "$p"; done
  for n in $all; do shims "$n"; done
  unmount
  for n in $all "$FABRIC"; do ip netns del "$n" 2>/dev/null || true; done
  for n in $all; do groups_of "$n"; done
  # A claim's disk may be mounted into a pod: removing files through a mount that is left would remove what lies under it.
  ! grep -qF " $RUN/" /proc/self/mounts || die "still mounted below $RUN, not removed: $(grep -F " $RUN/" /proc/self/mounts | cut -d' ' -f2 | head -3)"
  rm -rf "$RUN"
  say down
}

# Shims outlive containerd by design. Theirs are the ones that name this node's socket.
shims() {
  local pid
  for pid in $(grep -l -a -F "$RUN/$1/" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3); do
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) != containerd-shim ]] || kill -9 "$pid" 2>/dev/null || true
  done
}

unmount() {
  local _ m
  for _ in 1 2 3; do
    { tac /proc/self/mounts | cut -d' ' -f2 | grep -F "$RUN/" || true; } | while read -r m; do umount -l "$m" 2>/dev/null || true; done
  done
}

# A group can go when its last process has been collected.
groups_of() {
  local root _
  for root in $(cgroup_roots); do
    for _ in {1..50}; do
      find "$root$1" -depth -type d -exec rmdir {} ';' 2>/dev/null || true
      [[ -d $root$1 ]] || break
      sleep 0.1
    done
  done
}
