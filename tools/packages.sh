# Sourced by ./setup and ./test. Debian 12 packages, and how to get the missing ones.
BUILD_PACKAGES="g++ cmake ninja-build ccache mold pkg-config git ca-certificates
  libboost1.81-dev libsimdjson-dev libspdlog-dev libfmt-dev libyaml-cpp-dev prometheus-cpp-dev libcli11-dev
  libexpected-dev libxxhash-dev libsodium-dev nlohmann-json3-dev zlib1g-dev libcurl4-openssl-dev
  libsqlite3-dev sqlite3 libpq-dev libmariadb-dev curl"
TEST_PACKAGES="libgtest-dev libgmock-dev libbenchmark-dev clang-19 clang-format-19 libclang-rt-19-dev python3 hey
  postgresql-15 mariadb-server procps"

# step TEXT COMMAND…: runs the command quietly, says how long it took; on failure shows its output.
step() {
  local text=$1 began=$SECONDS output
  shift
  output=$(mktemp)
  printf '%s … ' "$text"
  if "$@" >"$output" 2>&1; then
    printf '%d s\n' $((SECONDS - began))
    rm -f "$output"
  else
    local code=$?
    printf 'failed after %d s\n' $((SECONDS - began))
    tail -n 60 "$output" >&2
    printf 'the whole output: %s\n' "$output" >&2
    return "$code"
  fi
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "packages are missing and neither root nor sudo is at hand; install them and run this again: $*" >&2
    return 1
  fi
}

# install_packages LABEL PACKAGE…: installs what is missing; asks no package index when nothing is.
install_packages() {
  local label=$1 package missing=()
  shift
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  step "package index" as_root apt-get update -qq || return
  # Database servers come in as programs only: the tests start their own.
  step "installing ${#missing[@]} packages ($label)" as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# build PRESET [TARGET…]: configures and builds below build/PRESET; a directory made for another path is discarded.
build() {
  local preset=$1 directory=build/$1 targets=()
  shift
  [ $# -eq 0 ] || targets=(--target "$@")
  if [ -f "$directory/CMakeCache.txt" ] &&
    ! grep -qx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$directory/CMakeCache.txt"; then
    rm -rf "$directory"
  fi
  [ -f "$directory/build.ninja" ] || step "configuring $preset" cmake --preset "$preset" || return
  step "building $preset" cmake --build --preset "$preset" "${targets[@]}"
}
