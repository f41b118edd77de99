#include "checksum.h"
#include "state.h"

// `math.random` by the seed of the event (xoshiro256**, Blackman and Vigna 2018; seeded with splitmix64),
// so that the same event draws the same numbers in every process.

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static uint64_t splitmix(uint64_t *at) {
  uint64_t z = *at += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static uint64_t draw(lua_State *L, mt_lua *state) {
  uint64_t *s = state->random;
  if (!state->random_ready) {
    if (state->event == NULL) {
      luaL_error(L, "math.random is seeded by the event: there is none while loading");
    }
    const mt_event *event = state->event;
    mt_digest seed = {event->seed_high, event->seed_low};
    seed = mt_hash128(seed, event->bytes + event->id.start, event->id.count);
    uint64_t high = seed.high, low = seed.low;
    s[0] = splitmix(&high);
    s[1] = splitmix(&low);
    s[2] = splitmix(&high);
    s[3] = splitmix(&low) | 1;
    state->random_ready = 1;
  }
  uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate(s[3], 45);
  return result;
}

static int math_random(lua_State *L) {
  mt_lua *state = mt_self(L);
  lua_Integer low = 1, high;
  switch (lua_gettop(L)) {
  case 0:
    lua_pushnumber(L, (lua_Number)(draw(L, state) >> 11) * 0x1p-53);
    return 1;
  case 1:
    high = luaL_checkinteger(L, 1);
    if (high == 0) {
      lua_pushinteger(L, (lua_Integer)draw(L, state));
      return 1;
    }
    break;
  case 2:
    low = luaL_checkinteger(L, 1);
    high = luaL_checkinteger(L, 2);
    break;
  default: return luaL_error(L, "wrong number of arguments");
  }
  luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
  lua_Unsigned span = (lua_Unsigned)high - (lua_Unsigned)low, mask = span, value;
  for (int i = 1; i < 64; i *= 2) mask |= mask >> i;
  do value = draw(L, state) & mask;
  while (value > span);
  lua_pushinteger(L, (lua_Integer)(value + (lua_Unsigned)low));
  return 1;
}

static int math_randomseed(lua_State *L) {
  return luaL_error(
      L, "math.randomseed is not offered: math.random is seeded by handler, topic and event id");
}

void mt_open_math(lua_State *L) {
  lua_pushcfunction(L, luaopen_math);
  lua_call(L, 0, 1);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -5);
  }
  lua_pop(L, 1);
  lua_pushcfunction(L, math_random);
  lua_setfield(L, -2, "random");
  lua_pushcfunction(L, math_randomseed);
  lua_setfield(L, -2, "randomseed");
}
