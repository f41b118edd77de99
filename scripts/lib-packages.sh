# Installs what Debian packages the build or a script needs, only those that are missing. Sourced:
#
#     . "$(dirname "$0")/lib-packages.sh"
#     need_packages zlib1g-dev sqlite3

# What `swift build` links with.
build_packages=(liblua5.4-dev libsqlite3-dev libsimdjson-dev zlib1g-dev pkg-config)

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

need_swift() {
  if ! command -v swift >/dev/null; then
    echo "error: swift is not on the PATH; Swift 6.3 or newer is at https://www.swift.org/install" >&2
    return 1
  fi
}
