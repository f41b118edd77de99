# Installs what Debian packages the build or a script needs, only those that are missing. Sourced:
#
#     . "$(dirname "$0")/lib-packages.sh"
#     need_packages zlib1g-dev sqlite3

# What Swift itself links and runs with; https://www.swift.org/install/linux/ has the long list.
swift_packages=(binutils libc6-dev libgcc-12-dev libstdc++-12-dev libcurl4 libedit2 libncurses6 libsqlite3-0
  libxml2 tzdata zlib1g)
# What `swift build` links with.
build_packages=("${swift_packages[@]}" git ca-certificates pkg-config
  liblua5.4-dev libsqlite3-dev libsimdjson-dev zlib1g-dev libcurl4-openssl-dev libedit-dev)
# What the tests look through: SQLite's own shell, gzip, and pip for lib-lua-server.sh.
test_packages=(sqlite3 gzip python3 python3-pip)

has_package() {
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

need_packages() {
  local missing=() package
  for package in "$@"; do
    has_package "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "error: these are missing, and there is no apt-get to install them: ${missing[*]}" >&2
    return 1
  fi
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "error: as root, run: apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "==> installing ${missing[*]}" >&2
  "${as_root[@]}" apt-get update -qq >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
}

# After need_packages: swift does not even start without some of them.
need_swift() {
  if ! swift --version >/dev/null 2>&1; then
    echo "error: no swift on the PATH that starts; Swift 6.3 or newer is at https://www.swift.org/install" >&2
    return 1
  fi
}
