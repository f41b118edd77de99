#define _DEFAULT_SOURCE
#include <string.h>
#include <time.h>

#include "state.h"

// `os.time` and `os.date`: the event's time, in UTC. No clock is read.

static lua_Integer now(lua_State *L) {
  mt_lua *state = mt_self(L);
  if (state->event == NULL) {
    luaL_error(L, "os.time and os.date give the event's time: there is none while loading");
  }
  int64_t microseconds = state->event->time_microseconds;
  int64_t seconds = microseconds / 1000000;
  return seconds - (microseconds % 1000000 < 0);
}

static int part(lua_State *L, const char *name, lua_Integer missing, lua_Integer offset) {
  int whole;
  lua_getfield(L, 1, name);
  lua_Integer value = lua_tointegerx(L, -1, &whole);
  if (lua_isnil(L, -1)) {
    if (missing < 0) return luaL_error(L, "field '%s' missing in date table", name);
    value = missing;
  } else if (!whole) {
    return luaL_error(L, "field '%s' is not an integer", name);
  }
  lua_pop(L, 1);
  if (value > 1000000000 || value < -1000000000) luaL_error(L, "field '%s' is out-of-bound", name);
  return (int)(value - offset);
}

static int os_time(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_pushinteger(L, now(L));
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  struct tm when = {0};
  when.tm_year = part(L, "year", -1, 1900);
  when.tm_mon = part(L, "month", -1, 1);
  when.tm_mday = part(L, "day", -1, 0);
  when.tm_hour = part(L, "hour", 12, 0);
  when.tm_min = part(L, "min", 0, 0);
  when.tm_sec = part(L, "sec", 0, 0);
  lua_pushinteger(L, (lua_Integer)timegm(&when));
  return 1;
}

static void set(lua_State *L, const char *name, int value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static int push_fields(lua_State *L, const struct tm *when) {
  lua_createtable(L, 0, 9);
  set(L, "year", when->tm_year + 1900);
  set(L, "month", when->tm_mon + 1);
  set(L, "day", when->tm_mday);
  set(L, "hour", when->tm_hour);
  set(L, "min", when->tm_min);
  set(L, "sec", when->tm_sec);
  set(L, "wday", when->tm_wday + 1);
  set(L, "yday", when->tm_yday + 1);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "isdst");
  return 1;
}

static int os_date(lua_State *L) {
  size_t count;
  const char *format = luaL_optlstring(L, 1, "%c", &count);
  time_t seconds = (time_t)(lua_isnoneornil(L, 2) ? now(L) : luaL_checkinteger(L, 2));
  struct tm when;
  const char *end = format + count;
  if (*format == '!') format++;
  if (gmtime_r(&seconds, &when) == NULL) return luaL_error(L, "os.date: the time is out of range");
  if (strcmp(format, "*t") == 0) return push_fields(L, &when);
  mt_charge(L, count + 20);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  while (format < end) {
    if (*format != '%') {
      luaL_addchar(&buffer, *format++);
      continue;
    }
    char one[3] = {'%', format + 1 < end ? format[1] : 0, 0};
    if (one[1] == 0 || strchr("aAbBcdDeFHIjmMnpStTxXyYzZ%", one[1]) == NULL) {
      return luaL_error(L, "os.date: the conversion '%s' is not offered", one);
    }
    char text[64];
    luaL_addlstring(&buffer, text, strftime(text, sizeof text, one, &when));
    format += 2;
  }
  luaL_pushresult(&buffer);
  return 1;
}

void mt_open_os(lua_State *L) {
  lua_pushcfunction(L, os_time);
  lua_setfield(L, -2, "time");
  lua_pushcfunction(L, os_date);
  lua_setfield(L, -2, "date");
}
