# shellcheck shell=bash
# A node: a network namespace with a wire to the bridge, a control group, containerd, kubelet and kube-proxy.

node() {
  local i=$1 n=kn$1 d=$RUN/kn$1
  mkdir -p "$d/cni" "$d/logs"
  wire "$i"
  printf 'nameserver %s\n' "$API" >"$d/resolv.conf"
  cat >"$d/cni/10-ptp.conflist" <<Y
{"cniVersion": "0.4.0", "name": "klamm", "plugins": [
  {"type": "ptp", "mtu": 1500, "ipam": {"type": "host-local", "dataDir": "$d/ipam", "ranges": [[{"subnet": "10.244.$i.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
Y
  containerd_settings "$d" >"$d/containerd.toml"
  kubelet_settings "$n" >"$d/kubelet.yaml"
  control_group "$n"
  cert "$n" "/O=system:nodes/CN=system:node:$n"
  kubeconfig "$n" "/O=system:nodes/CN=system:node:$n"
  node_start "$n"
}

wire() {
  local i=$1 n=kn$1 ip; ip=$(node_ip "$n")
  ip netns add "$n"
  ip link add "up$i" netns "$FABRIC" type veth peer name eth0 netns "$n"
  in_ns "$FABRIC" ip link set "up$i" master br0 up
  in_ns "$n" ip link set lo up
  in_ns "$n" ip addr add "$ip/24" dev eth0
  in_ns "$n" ip link set eth0 up
  in_ns "$n" ip route add "$PODS" via "$API"          # other nodes' pods, by way of the fabric
  in_ns "$n" ip route add "$SERVICES" via "$API"      # only so that a route exists before the service is translated
  in_ns "$n" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
  in_ns "$FABRIC" ip route replace "10.244.$i.0/24" via "$ip"
}

# Pods' network namespaces are kept below the node's own folder, so that `down` knows them from everybody else's.
containerd_settings() {
  cat <<Y
version = 2
root = "$1/containerd"
state = "$1/containerd-state"
[grpc]
  address = "$1/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "klamm.test/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$1/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
Y
}

kubelet_settings() {
  local n=$1 d=$RUN/$1
  cat <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $(node_ip "$n")
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $RUN/pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$n
clusterDNS: [$API]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://$d/containerd.sock
evictionHard: {memory.available: 1Mi, nodefs.available: 0%, imagefs.available: 0%, nodefs.inodesFree: 0%}
failCgroupV1: false
failSwapOn: false
nodeStatusUpdateFrequency: 4s
podLogsDir: $d/logs
resolvConf: $d/resolv.conf
syncFrequency: 10s
imageGCHighThresholdPercent: 100
Y
}

control_group() {
  local root f
  for root in $(cgroup_roots); do mkdir -p "$root$1"; done
  # A node is a machine: on one that is busy with other things it counts for four processes, not for one as groups do.
  if [[ -e /sys/fs/cgroup/cpu/$1/cpu.shares ]]; then echo 4096 >"/sys/fs/cgroup/cpu/$1/cpu.shares"; fi
  if [[ -e /sys/fs/cgroup/$1/cpu.weight ]]; then echo 400 >"/sys/fs/cgroup/$1/cpu.weight"; fi
  # A new group of the first version's cpuset is empty and takes no process.
  for f in cpus mems; do
    [[ ! -e /sys/fs/cgroup/cpuset/cpuset.$f ]] || cat "/sys/fs/cgroup/cpuset/cpuset.$f" >"/sys/fs/cgroup/cpuset/$1/cpuset.$f"
  done
}

node_exists() { [[ -d $RUN/$1 ]] || die "no node $1; there are: $(nodes | tr '\n' ' ')"; }

# kubelet_runs NODE: it is there and serves; one that ended is started again
kubelet_runs() {
  local n=$1 d=$RUN/$1
  alive "$n-kubelet" || start "$n-kubelet" "$n" kubelet --config "$d/kubelet.yaml" --kubeconfig "$RUN/$n.kubeconfig" --root-dir "$d/kubelet" --cert-dir "$d/kubelet-pki" \
    --hostname-override "$n" --node-ip "$(node_ip "$n")" --node-labels "topology.kubernetes.io/zone=zone-${n#kn}" --v 1
  in_ns "$n" bash -c 'exec 3<>/dev/tcp/127.0.0.1/10248'
}

node_start() {
  local n=$1 d=$RUN/$1 image
  node_exists "$n"
  alive "$n-containerd" || start "$n-containerd" "$n" containerd --config "$d/containerd.toml"
  await 30 "containerd on $n" ctr -a "$d/containerd.sock" version
  for image in "$IMAGES/pause.tar" "$IMAGES/kafka-$KAFKA.tar" "$RUN"/images/*.tar; do
    [[ ! -e $image ]] || is_loaded "$n" "$image" || load_on "$n" "$image"
  done
  # It ends at once when containerd answers and is not ready for it yet; on a machine of one's own an init system would start it again.
  await 60 "kubelet on $n" kubelet_runs "$n"
  alive "$n-proxy" || start "$n-proxy" "$n" kube-proxy --kubeconfig "$RUN/proxy.kubeconfig" --hostname-override "$n" --cluster-cidr "$PODS" --proxy-mode iptables \
    --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0
}

# The machine is gone: kubelet, proxy and every container die at once, nothing is told to anybody.
node_crash() {
  local n=$1 p pid
  node_exists "$n"
  for p in kubelet proxy containerd; do stop "$n-$p"; done
  # Twice: a process may have made another while its list was read.
  for _ in 1 2; do
    for pid in $(node_processes "$n"); do kill -9 "$pid" 2>/dev/null || true; done
  done
}

node_processes() {
  local root
  for root in $(cgroup_roots | grep -e '/memory/$' -e '/cgroup/$'); do
    find "$root$1" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u
  done
}

node_cut() { node_exists "$1"; in_ns "$FABRIC" ip link set "up${1#kn}" down; }

node_heal() {
  node_exists "$1"
  in_ns "$FABRIC" ip link set "up${1#kn}" up
  in_ns "$FABRIC" ip route replace "10.244.${1#kn}.0/24" via "$(node_ip "$1")"
}
