# shellcheck shell=bash
# cert-manager for tests that need it: definitions and controllers from its Go module.

CERT_MANAGER=v1.21.2

cert_manager() {
  local module=github.com/cert-manager/cert-manager dir
  go_ready
  local GOFLAGS="-mod=mod -buildvcs=false"; export GOFLAGS
  built cert-manager "$CERT_MANAGER" || CGO_ENABLED=0 build_main cert-manager "$CERT_MANAGER" "$module"
  dir=$(go mod download -json "$module@$CERT_MANAGER" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  [[ -n $dir ]] || die "the Go module proxy ($(go env GOPROXY)) has no $module $CERT_MANAGER, or is not reachable"
  kubectl_ apply --server-side -f "$dir/deploy/crds" >/dev/null
  image_files klamm.test/cert-manager:1 "$BIN/cert-manager:/usr/local/bin/cert-manager"
  kubectl_ apply --server-side -f "$HERE/cluster/cert-manager.yaml" >/dev/null
  kubectl_ -n cert-manager rollout status deployment/cert-manager --timeout=180s
}
