# shellcheck shell=bash
# Certificates, API server, controllers, scheduler, DNS and disks, all in the network namespace $FABRIC, which also holds the
# bridge that the nodes hang on.

authority() {
  local p=$RUN/pki
  mkdir -p "$p"
  openssl ecparam -genkey -name prime256v1 -out "$p/ca.key" 2>/dev/null
  openssl req -x509 -new -key "$p/ca.key" -subj /CN=klamm-kube -days 3650 -out "$p/ca.crt"
  openssl genrsa -out "$p/sa.key" 2048 2>/dev/null
}

cert() {   # cert FILE SUBJECT [SAN]
  local p=$RUN/pki
  openssl ecparam -genkey -name prime256v1 -out "$p/$1.key" 2>/dev/null
  openssl req -new -key "$p/$1.key" -subj "$2" -out "$p/$1.csr"
  openssl x509 -req -in "$p/$1.csr" -CA "$p/ca.crt" -CAkey "$p/ca.key" -CAcreateserial -days 3650 -out "$p/$1.crt" \
    -extfile <(printf 'extendedKeyUsage=clientAuth,serverAuth\n'; [[ -z ${3:-} ]] || printf 'subjectAltName=%s\n' "$3") 2>/dev/null
}

kubeconfig() {   # kubeconfig FILE SUBJECT
  cert "$1" "$2"
  local p=$RUN/pki
  cat >"$RUN/$1.kubeconfig" <<Y
apiVersion: v1
kind: Config
current-context: klamm
clusters: [{name: klamm, cluster: {server: "https://$API:6443", certificate-authority-data: $(base64 -w0 "$p/ca.crt")}}]
users: [{name: klamm, user: {client-certificate-data: $(base64 -w0 "$p/$1.crt"), client-key-data: $(base64 -w0 "$p/$1.key")}}]
contexts: [{name: klamm, context: {cluster: klamm, user: klamm}}]
Y
}

fabric() {
  ip netns add "$FABRIC"
  in_ns "$FABRIC" ip link set lo up
  in_ns "$FABRIC" ip link add br0 type bridge
  in_ns "$FABRIC" ip addr add "$API/24" dev br0
  in_ns "$FABRIC" ip link set br0 up
  in_ns "$FABRIC" sysctl -qw net.ipv4.ip_forward=1
}

CONTROL_PLANE=(etcd apiserver controllers scheduler coredns disks)

control_plane() {
  fabric
  authority
  cert apiserver /CN=kube-apiserver "IP:$API,IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  kubeconfig admin /O=system:masters/CN=admin
  kubeconfig controllers /CN=system:kube-controller-manager
  kubeconfig scheduler /CN=system:kube-scheduler
  kubeconfig proxy /CN=system:kube-proxy
  local p=$RUN/pki
  start etcd "$FABRIC" etcd --data-dir "$RUN/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380
  # A pod's machine counts as gone ten seconds after the node does, not five minutes: nobody waits that long in a test.
  start apiserver "$FABRIC" kube-apiserver --etcd-servers http://127.0.0.1:2379 --advertise-address "$API" --bind-address 0.0.0.0 \
    --service-cluster-ip-range "$SERVICES" --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
    --client-ca-file "$p/ca.crt" --tls-cert-file "$p/apiserver.crt" --tls-private-key-file "$p/apiserver.key" \
    --kubelet-preferred-address-types InternalIP --kubelet-client-certificate "$p/admin.crt" --kubelet-client-key "$p/admin.key" \
    --service-account-issuer https://kubernetes.default.svc.cluster.local --service-account-key-file "$p/sa.key" --service-account-signing-key-file "$p/sa.key" \
    --default-not-ready-toleration-seconds 10 --default-unreachable-toleration-seconds 10
  await 120 "the API server" kubectl_ get --raw /readyz
  start controllers "$FABRIC" kube-controller-manager --kubeconfig "$RUN/controllers.kubeconfig" --use-service-account-credentials \
    --service-account-private-key-file "$p/sa.key" --root-ca-file "$p/ca.crt" --cluster-signing-cert-file "$p/ca.crt" --cluster-signing-key-file "$p/ca.key" \
    --cluster-cidr "$PODS" --service-cluster-ip-range "$SERVICES" --leader-elect=false --node-monitor-grace-period 16s
  # A pod whose disk came while it was being looked at is looked at again by a clock alone: every five minutes, by default.
  start scheduler "$FABRIC" kube-scheduler --kubeconfig "$RUN/scheduler.kubeconfig" --leader-elect=false \
    --pod-max-in-unschedulable-pods-duration 30s
  sed "s|@KUBECONFIG@|$RUN/admin.kubeconfig|" "$HERE/cluster/Corefile" >"$RUN/Corefile"
  start coredns "$FABRIC" coredns -conf "$RUN/Corefile"
  kubectl_ apply -f "$HERE/cluster/storage-class.yaml" >/dev/null
  start disks "$FABRIC" python3 "$HERE/cluster/disks.py" "$BIN/kubectl --kubeconfig $RUN/admin.kubeconfig" "$RUN/disks"
  await 60 "the default service account" kubectl_ get serviceaccount default
}
