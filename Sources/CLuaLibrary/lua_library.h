// Debian's Lua 5.4, as headers. Only the C target CLua includes them; Swift never raises a Lua error.
#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>
