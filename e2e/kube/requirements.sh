# shellcheck shell=bash
# What a machine must have; each that is missing is said with what to do about it.

# A package of Debian for each command; all are installed as one.
PACKAGES=(
  containerd:containerd runc:runc ip:iproute2 iptables:iptables conntrack:conntrack ethtool:ethtool socat:socat openssl:openssl
  mmdebstrap:mmdebstrap python3:python3 cc:gcc go:golang-go mvn:maven java:default-jre-headless
  /usr/lib/cni/ptp:containernetworking-plugins /usr/include/stdio.h:libc6-dev
)

packages() {
  local need=() pair
  for pair in "${PACKAGES[@]}"; do
    case $pair in
      /*) [[ -e ${pair%%:*} ]] || need+=("${pair#*:}");;
      *) command -v "${pair%%:*}" >/dev/null || need+=("${pair#*:}");;
    esac
  done
  ((${#need[@]})) || return 0
  command -v apt-get >/dev/null || die "these are missing, and there is no apt-get to get them: ${need[*]} (names of Debian's packages)"
  say "installing ${need[*]}"
  apt-get update -qq || die "apt-get update failed: is Debian's registry reachable?"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null || die "apt-get install ${need[*]} failed"
}

# Tries what a cluster will do, since what a kernel or a container around us allows cannot be read off anywhere.
requirements() {
  [[ $(uname -s) == Linux ]] || die "needs Linux: nodes are namespaces and control groups"
  [[ $(id -u) == 0 ]] || die "needs root, for namespaces, control groups and mounts: run it with sudo -E, or give KUBECONFIG of a cluster you have"
  [[ $(uname -m) == x86_64 ]] || die "images are made for x86_64 only"
  packages
  mkdir -p "$BIN" "$IMAGES"
  unshare --net true 2>/dev/null || die "network namespaces are refused: in a container, run it privileged"
  unshare --net iptables -t nat -L >/dev/null 2>&1 || die "iptables has no nat table in a new network namespace: load the kernel's module iptable_nat or nf_tables"
  overlay_works || die "overlayfs cannot be mounted in $STORE: in a container run it privileged, and set KLAMM_KUBE_HOME to a folder on ext4 or xfs (not itself on an overlay)"
  cgroups_work
}

overlay_works() {
  local d; d=$(mktemp -d -p "$STORE")
  mkdir "$d"/{lower,upper,work,all}
  local ok=1
  mount -t overlay overlay -o "lowerdir=$d/lower,upperdir=$d/upper,workdir=$d/work" "$d/all" 2>/dev/null && { umount "$d/all"; ok=0; }
  rm -rf "$d"
  return $ok
}

# The folders a node's control groups are in: one for each controller (v1), or one for all (v2).
cgroup_roots() {
  if [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then echo /sys/fs/cgroup/; return; fi
  local c
  for c in /sys/fs/cgroup/*/; do [[ $(basename "$c") == unified || ! -e ${c}cgroup.procs ]] || echo "$c"; done
}

cgroups_work() {
  local root roots; roots=$(cgroup_roots)
  [[ -n $roots ]] || die "no control groups at /sys/fs/cgroup: mount them there"
  if [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then
    echo "+cpu +cpuset +memory +pids +io" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null ||
      die "control groups (v2) cannot be handed down from /sys/fs/cgroup: in a container, move its processes into a group below the root first"
  elif [[ ! -d /sys/fs/cgroup/memory || ! -d /sys/fs/cgroup/cpu || ! -d /sys/fs/cgroup/pids ]]; then
    die "the control groups cpu, memory and pids are needed at /sys/fs/cgroup"
  fi
  for root in $roots; do
    mkdir -p "${root}klamm-try" 2>/dev/null && rmdir "${root}klamm-try" || die "control groups cannot be made in $root: in a container, run it privileged and with a writable /sys/fs/cgroup"
  done
}
