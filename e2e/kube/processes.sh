# shellcheck shell=bash
# Processes in the background: a log and a pid file each, under $RUN. A pid is kept with the time its process began, so that
# what another process got the number of later is never taken for ours.

# born PID: when its process began; nothing for one that ended and was not reaped
born() { awk '$3 != "Z" { print $22 }' "/proc/$1/stat" 2>/dev/null; }

start() {   # start NAME NETNS COMMAND...
  local name=$1 ns=$2 pid; shift 2
  setsid nsenter --net="/run/netns/$ns" -- "$@" >>"$RUN/$name.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid $(born "$pid")" >"$RUN/$name.pid"
}

alive() {   # alive NAME
  local pid time
  read -r pid time 2>/dev/null <"$RUN/$1.pid" && [[ -n $time && $(born "$pid") == "$time" ]]
}

stop() {   # at once: nothing of a test cluster outlives it
  local pid
  if alive "$1"; then read -r pid _ <"$RUN/$1.pid"; kill -9 "$pid" 2>/dev/null || true; fi
  rm -f "$RUN/$1.pid"
}

# Goes on inside the mount namespace the cluster was started in: `exec` gives programs one of their own, and a node started
# from there would be seen by nobody else.
at_home() {
  local pid; read -r pid _ <"$RUN/etcd.pid"
  [[ -e /proc/$pid && $(readlink /proc/self/ns/mnt) != "$(readlink "/proc/$pid/ns/mnt")" ]] || return 0
  exec nsenter --mount --target "$pid" -- "$HERE/kube" "$@"
}

# A program inside node kn0's network, with the cluster's names resolved as in a pod.
exec_in() {
  local ns=$FABRIC; [[ ! -d $RUN/kn0 ]] || ns=kn0
  export KUBECONFIG=$RUN/admin.kubeconfig
  printf 'nameserver %s\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n' "$API" >"$RUN/resolv.conf"
  exec nsenter --net="/run/netns/$ns" -- unshare --mount -- \
    sh -c 'mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"' "$RUN/resolv.conf" "$@"
}

# kill_in NAMESPACE POD COMMAND: kill -9 of the processes of that name in a pod, from outside: PID 1 of a container hears no
# signal from inside.
kill_in() {
  local uid pid hit=''
  uid=$(kubectl_ get pod -n "$1" "$2" -o 'jsonpath={.metadata.uid}') || die "no pod $2 in $1"
  for pid in $(pod_processes "$uid"); do
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$3" ]] && kill -9 "$pid" && hit=1
  done
  [[ -n $hit ]] || die "no process $3 in pod $2 of $1"
}

pod_processes() {
  local root; root=$(cgroup_roots | grep -e '/memory/$' -e '/cgroup/$')
  find "$root"kn* -type d -path "*pod$1*" -exec cat '{}/cgroup.procs' ';' 2>/dev/null | sort -u
}
