# shellcheck shell=bash
# The cluster's programs, built from Go modules. Each is built once for each version.

build_go() {   # build_go MODULE_DIR FLAG_OR_PACKAGE...: into $BIN
  local dir=$1; shift
  (
    cd "$dir"
    go mod tidy -e >"$dir.log" 2>&1
    GOBIN='' go build -trimpath -o "$BIN/" "$@"
  ) || die "building in $dir failed: is the Go module proxy ($(go env GOPROXY)) reachable? $dir.log has what it said of modules"
}

built() { [[ -x $BIN/$1 && $(cat "$BIN/.$1" 2>/dev/null) == "$2" ]]; }   # built PROGRAM VERSION
note() { echo "$2" >"$BIN/.$1"; }

build() {   # build [NODES]: without nodes no images
  requirements
  mkdir -p "$BIN" "$IMAGES" "$STORE/src"
  go_ready
  local GOFLAGS="-mod=mod -buildvcs=false"; export GOFLAGS
  built kubelet "$KUBERNETES" || build_kubernetes
  built etcd "$ETCD" || build_main etcd "$ETCD" go.etcd.io/etcd/server/v3
  built coredns "$COREDNS" || build_main coredns "$COREDNS" github.com/coredns/coredns
  [[ ${1:-} != 0 ]] || return 0
  [[ -s $IMAGES/pause.tar ]] || image_pause
  [[ -s $IMAGES/kafka-$KAFKA.tar && $(cat "$IMAGES/kafka-$KAFKA.recipe" 2>/dev/null) == "$(recipe)" ]] || image_kafka "$KAFKA"
}

# Kubernetes is no module that others can depend on as it is: it replaces its staging modules by folders of its own
# repository. They are published under the same minor version, which is what stands in their place here.
build_kubernetes() {
  local src=$STORE/src/kubernetes dir minor=${KUBERNETES%.*}; minor=${minor#1.}
  local commands=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl)
  say "building Kubernetes $KUBERNETES (5 minutes on two cores the first time)"
  rm -rf "$src" && mkdir -p "$src"
  dir=$(go mod download -json "k8s.io/kubernetes@v$KUBERNETES" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  [[ -n $dir ]] || die "the Go module proxy ($(go env GOPROXY)) has no k8s.io/kubernetes v$KUBERNETES, or is not reachable"
  {
    printf 'module kube\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$KUBERNETES"
    awk '/^replace/{f=1;next} f&&/=>/{print $1}' "$dir/go.mod" | sed "s|.*|\t& => & v0.${KUBERNETES#1.}|"
    printf ')\n'
  } >"$src/go.mod"
  {
    printf '//go:build tools\n\npackage tools\n\nimport (\n'
    printf '\t_ "k8s.io/kubernetes/cmd/%s"\n' "${commands[@]}"
    printf ')\n'
  } >"$src/tools.go"
  local v=k8s.io/component-base/version
  build_go "$src" -ldflags "-s -w -X $v.gitVersion=v$KUBERNETES -X $v.gitMajor=1 -X $v.gitMinor=$minor" \
    "${commands[@]/#/k8s.io/kubernetes/cmd/}"
  note kubelet "$KUBERNETES"
}

build_main() {   # build_main PROGRAM VERSION MODULE: from PROGRAM.go beside this file
  local src=$STORE/src/$1
  say "building $1 $2"
  rm -rf "$src" && mkdir -p "$src" && cp "$HERE/build/$1.go" "$src/main.go"
  printf 'module %s\n\ngo 1.24.0\n\nrequire %s %s\n' "$1" "$3" "$2" >"$src/go.mod"
  build_go "$src" -ldflags "-s -w" .
  note "$1" "$2"
}

# From 1.21 on go gets the version a module asks for by itself. An older one cannot, so the first step is made for it: the
# toolchain is a module like others.
go_ready() {
  local version; version=$(go env GOVERSION 2>/dev/null); version=${version#go1.}
  ((${version%%.*} >= 21)) 2>/dev/null && return 0
  local home=$STORE/go1.26.0
  [[ -x $home/bin/go ]] || {
    say "getting a Go that is new enough (1.21) from the module proxy"
    python3 "$HERE/build/toolchain.py" "${KLAMM_GO_PROXY:-https://proxy.golang.org}" go1.26.0 "$home" || die "no Go toolchain from the module proxy: install Go 1.21 or newer"
  }
  export PATH=$home/bin:$PATH GOTOOLCHAIN=auto
}
