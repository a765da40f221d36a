#!/usr/bin/env bash
# Builds, serves, tests and measures resnet-web. See usage below.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'END'
./build.sh                  build dist/ and print its sizes; needs nothing but Go 1.26, which Go 1.21 or later fetches
./build.sh serve [ADDR]     take ADDR (default localhost:8080), build, then serve dist/ there
./build.sh test [--long]    install what the tests need, then run them; --long adds the long tables, the race
                            detector, fuzzing (FUZZTIME=60s a target), web/GUIDE.md and soaks
./build.sh bench [--quick]  speed of this machine, beside onnxruntime-web; options in web/bench/bench.mjs
MODEL=FILE ./build.sh ...   ship another model file as the page's default
DEV=1 ./build.sh ...        readable scripts with source maps
OUT=FOLDER ./build.sh ...  another folder than dist/
ADDRESS=URL ./build.sh ...  where the page will be: links to it then show its picture elsewhere
PARENTS='ORIGIN ...' ./build.sh ...   only these sites may embed it (default: any; '': none but its own)
CHROMIUM=FILE FIREFOX=FILE ./build.sh ...   test and measure with these browsers
END
}

[[ ${OUT:=dist} == /* ]] || OUT=$PWD/$OUT
export OUT

say() { printf '\n== %s\n' "$*"; }

build() {
  echo "build.sh: compiling the build itself; the first time, modules are fetched, and all of it takes a minute or two" >&2
  go run ./web/build -out "$OUT" ${DEV:+-dev} -model "${MODEL:-weights/resnet18-tiny200.msgpack}" -parents "${PARENTS-*}" -address "${ADDRESS-}"
}

serve() {
  (($# < 2)) || { usage >&2; return 2; }
  echo "build.sh: compiling the server" >&2
  # Not "go run": the server itself shall get the signals.
  local server
  server=$(mktemp -d)/serve
  go build -o "$server" ./web/serve
  exec "$server" -dir "$OUT" "${1:-localhost:8080}" bash build.sh
}

# install makes sure of each command of the arguments "command=debian-package"; an argument "=package" is a package
# without a command of its own.
install() {
  local want=() item
  for item; do
    if [[ $item == =* ]]; then
      dpkg -s "${item#=}" >/dev/null 2>&1 || want+=("${item#=}")
    else
      command -v "${item%%=*}" >/dev/null || want+=("${item#*=}")
    fi
  done
  ((${#want[@]})) || return 0
  say "installing ${want[*]}"
  if ! command -v apt-get >/dev/null || ((EUID != 0)); then
    echo "build.sh: the tests need ${want[*]}; install them, or run this as root on Debian" >&2
    return 1
  fi
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${want[@]}"
}

test_tools() {
  install go=golang node=nodejs npm=npm "${CHROMIUM:-chromium}=chromium" "${FIREFOX:-firefox-esr}=firefox-esr"
  install qemu-aarch64=qemu-user || echo "build.sh: going on without emulation of arm64; the engine is tested on this machine alone" >&2
  if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then
    echo "build.sh: the tests need Node 20.19 or later, $(command -v node) is $(node --version)" >&2
    return 1
  fi
  export CHROMIUM=${CHROMIUM:-$(command -v chromium)} FIREFOX=${FIREFOX:-$(command -v firefox-esr)}
  install python3=python3 || echo "build.sh: going on without Python; web/GUIDE.md is not tested" >&2
  install WebKitWebDriver=webkit2gtk-driver xvfb-run=xvfb xauth=xauth || echo "build.sh: going on without WebKit; its tests are skipped" >&2
  npm_ci web/test
}

# npm_ci installs what the lock file of a folder names, unless that is there.
npm_ci() {
  local lock=$1/package-lock.json have=$1/node_modules/.package-lock.json
  if [[ ! -e $have || $lock -nt $have ]]; then
    say "npm ci in $1"
    (cd "$1" && npm ci --no-audit --no-fund)
  fi
}

# test_go passes its arguments to go test; what takes long there is left out with -short.
test_go() {
  say "gofmt and go vet"
  local unformatted
  unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)
  if [[ -n $unformatted ]]; then
    echo "build.sh: gofmt -w these:" $unformatted >&2
    return 1
  fi
  go vet ./...
  GOOS=js GOARCH=wasm go vet ./engine/... ./resnet/... ./weights ./wasm
  say "staticcheck"
  local staticcheck
  staticcheck=$(go tool -n staticcheck) # a program for this machine; "go tool" would build one for js below
  "$staticcheck" ./...
  GOOS=js GOARCH=wasm "$staticcheck" ./engine/... ./resnet/... ./weights ./wasm
  say "go test"
  go test "$@" ./...
  if command -v qemu-aarch64 >/dev/null; then
    say "go test of the engine as arm64"
    # Emulated, larger images take minutes, and are scaled by the same instructions as these.
    GOARCH=arm64 CGO_ENABLED=0 go test -short -skip 'Scales/(4|32|224)/' -exec qemu-aarch64 ./engine/...
  fi
}

test_browsers() {
  say "browsers"
  build
  (cd web/test && npm test)
}

# The race detector makes the tests of calibration and of checkpoints take minutes.
long_race() {
  install gcc=gcc
  say "go test -race"
  CGO_ENABLED=1 go test -race -short -timeout=1h ./...
}

# Every fuzz target of the module for a minute.
long_fuzz() {
  local package target
  while read -r package target; do
    say "fuzzing $target of $package"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" "$package"
  done < <(go list ./... | while read -r package; do
    go test -list '^Fuzz' "$package" | { grep '^Fuzz' || true; } | sed "s|^|$package |"
  done)
}

# Every recipe of web/GUIDE.md, with what npm's registry has.
long_guide() {
  say "web/GUIDE.md"
  (cd web/test && node guide.mjs)
}

# The browsers' tests lengthen themselves when RESNET_LONG is set.
long_soak() {
  say "browser soaks"
  (cd web/test && RESNET_LONG=1 npm test)
}

run_tests() {
  test_tools
  if [[ ${1:-} == --long ]]; then
    test_go -timeout=1h
    long_race
    long_fuzz
    build
    long_guide
    long_soak
  else
    test_go -short
    test_browsers
  fi
}

bench() {
  install go=golang node=nodejs npm=npm "${CHROMIUM:-chromium}=chromium"
  export CHROMIUM=${CHROMIUM:-$(command -v chromium)}
  build
  npm_ci web/bench
  node web/bench/bench.mjs "$@"
}

case ${1:-build} in
  build) build ;;
  serve) serve "${@:2}" ;;
  test)
    case "${*:2}" in
      '' | --long) run_tests "${@:2}" ;;
      *) usage >&2; exit 2 ;;
    esac ;;
  bench) bench "${@:2}" ;;
  help | -h | --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
