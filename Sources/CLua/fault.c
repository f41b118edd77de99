#include <stdio.h>
#include <string.h>

#include "state.h"

// How an error becomes a `mt_fault`: the message handler of the outermost call runs where the error was
// raised, before the stack is unwound, and runs no Lua code.

void mt_copy_text(char *to, size_t room, const char *from, size_t count) {
  if (count >= room) count = room - 1;
  memcpy(to, from, count);
  to[count] = 0;
}

void mt_fault_clear(mt_lua *state) {
  mt_fault *fault = &state->fault;
  fault->kind = MT_OK;
  fault->line = 0;
  fault->path[0] = 0;
  fault->blamed[0] = 0;
  fault->code[0] = 0;
  fault->message_count = 0;
  fault->frame_count = 0;
  state->refusal_raised_count = 0;
  state->denied_line = 0;
  state->finishing = LUA_NOREF;
  state->loading_path[0] = 0;
}

static void name_function(const lua_Debug *frame, char *to, size_t room) {
  if (strcmp(frame->what, "main") == 0) {
    snprintf(to, room, "main chunk");
  } else if (frame->name != NULL) {
    snprintf(to, room, "%s", frame->name);
  } else {
    snprintf(to, room, "function at line %d", frame->linedefined);
  }
}

/// What fails behind the end of a function is told where that begins.
static void place_finished(mt_lua *state, lua_State *L) {
  mt_fault *fault = &state->fault;
  lua_Debug frame;
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, state->finishing) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    return;
  }
  lua_getinfo(L, ">S", &frame);
  if (frame.source[0] != '@' || frame.linedefined <= 0) return;
  fault->line = frame.linedefined;
  mt_copy_text(fault->path, sizeof fault->path, frame.source + 1, strlen(frame.source + 1));
}

void mt_fault_place(mt_lua *state, lua_State *L, int level) {
  mt_fault *fault = &state->fault;
  lua_Debug frame;
  fault->frame_count = 0;
  for (; fault->frame_count < MT_FRAMES_MAX && lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sln", &frame);
    if (frame.currentline <= 0 || frame.source[0] != '@') continue;
    mt_frame *to = &fault->frames[fault->frame_count++];
    mt_copy_text(to->path, sizeof to->path, frame.source + 1, strlen(frame.source + 1));
    name_function(&frame, to->function, sizeof to->function);
    to->line = frame.currentline;
  }
  if (fault->frame_count > 0) {
    fault->line = fault->frames[0].line;
    memcpy(fault->path, fault->frames[0].path, sizeof fault->path);
  } else if (state->finishing != LUA_NOREF) {
    place_finished(state, L);
  }
}

int32_t mt_lua_calling_line(mt_lua *state, const char **path) {
  lua_Debug frame;
  *path = NULL;
  if (state->running == NULL || state->abandoned) return 0;
  for (int level = 0; lua_getstack(state->running, level, &frame); level++) {
    lua_getinfo(state->running, "Sl", &frame);
    if (frame.currentline <= 0 || frame.source[0] != '@') continue;
    *path = frame.source + 1;
    return frame.currentline;
  }
  return 0;
}

/// The number behind `PATH:` at the start of a message, as Lua writes it; 0 when there is none. `after` is
/// where the text goes on.
static int32_t prefixed(const char *text, const char *path, const char **after) {
  char shown[LUA_IDSIZE + 8];
  size_t count = strlen(path);
  if (count < LUA_IDSIZE) {
    memcpy(shown, path, count + 1);
  } else {
    snprintf(shown, sizeof shown, "...%s", path + count - (LUA_IDSIZE - 4));
  }
  count = strlen(shown);
  if (strncmp(text, shown, count) != 0 || text[count] != ':') return 0;
  const char *at = text + count + 1;
  int32_t line = 0;
  while (*at >= '0' && *at <= '9' && line < 100000000) line = line * 10 + (*at++ - '0');
  if (line == 0 || at[0] != ':' || at[1] != ' ') return 0;
  *after = at + 2;
  return line;
}

/// The name in "(field 'customer')" or "(local 'x')" at the end of Lua's own messages.
static void blame(mt_fault *fault) {
  static const char *const kinds[] = {"field", "local", "global", "upvalue", "method", "constant"};
  fault->blamed[0] = 0;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    char opening[24];
    snprintf(opening, sizeof opening, "(%s '", kinds[i]);
    const char *from = strstr(fault->message, opening);
    if (from == NULL) continue;
    from += strlen(opening);
    const char *to = strstr(from, "')");
    if (to != NULL) mt_copy_text(fault->blamed, sizeof fault->blamed, from, (size_t)(to - from));
    return;
  }
}

static void set_message(mt_lua *state, const char *text, size_t count) {
  mt_fault *fault = &state->fault;
  const char *after = text;
  for (int32_t i = 0; i < fault->frame_count; i++) {
    int32_t line = prefixed(text, fault->frames[i].path, &after);
    if (line == 0) continue;
    fault->line = line;
    memcpy(fault->path, fault->frames[i].path, sizeof fault->path);
    count -= (size_t)(after - text);
    text = after;
    break;
  }
  int32_t parsed = after == text && state->loading_path[0] != 0
      ? prefixed(text, state->loading_path, &after) : 0;
  if (parsed > 0) {
    fault->line = parsed;
    memcpy(fault->path, state->loading_path, sizeof fault->path);
    count -= (size_t)(after - text);
    text = after;
  }
  if (count > state->limits.error_bytes) count = state->limits.error_bytes;
  mt_copy_text(fault->message, sizeof fault->message, text, count);
  fault->message_count = count;
  blame(fault);
}

static void add_rendered(lua_State *L, int index, mt_bytes *out, size_t room, int depth);

static void add_table(lua_State *L, int index, mt_bytes *out, size_t room, int depth) {
  mt_bytes_add1(L, out, '{');
  int first = 1;
  lua_pushnil(L);
  // Error tables are small: order by bytes would need keys of known types, so only text keys are shown.
  while (lua_next(L, index) != 0 && out->count < room) {
    if (!first) mt_bytes_add(L, out, ", ", 2);
    first = 0;
    int key = lua_gettop(L) - 1;
    if (lua_type(L, key) == LUA_TSTRING) {
      size_t count;
      const char *name = lua_tolstring(L, key, &count);
      mt_bytes_add(L, out, name, count < 64 ? count : 64);
      mt_bytes_add(L, out, " = ", 3);
    }
    add_rendered(L, key + 1, out, room, depth + 1);
    lua_settop(L, key);
  }
  mt_bytes_add1(L, out, '}');
}

static void add_rendered(lua_State *L, int index, mt_bytes *out, size_t room, int depth) {
  size_t count;
  if (lua_type(L, index) == LUA_TTABLE && depth < 4 && lua_checkstack(L, 8)) {
    add_table(L, index, out, room, depth);
    return;
  }
  int type = lua_type(L, index);
  if (type == LUA_TSTRING) {
    const char *text = lua_tolstring(L, index, &count);
    mt_bytes_add(L, out, text, count < room ? count : room);
    return;
  }
  if (type == LUA_TNUMBER) {
    lua_pushvalue(L, index);
    const char *text = lua_tolstring(L, -1, &count);
    mt_bytes_add(L, out, text, count);
    lua_pop(L, 1);
    return;
  }
  const char *text = type == LUA_TNIL ? "nil" : mt_is_null(L, index) ? "null"
      : type == LUA_TBOOLEAN ? (lua_toboolean(L, index) ? "true" : "false") : lua_typename(L, type);
  mt_bytes_add(L, out, text, strlen(text));
}

int mt_message_handler(lua_State *L) {
  mt_lua *state = mt_self(L);
  if (state->tripped) return 1;
  mt_fault *fault = &state->fault;
  mt_fault_place(state, L, 1);
  fault->kind = MT_RUNTIME;
  size_t count = 0;
  if (lua_type(L, 1) == LUA_TSTRING) {
    const char *text = lua_tolstring(L, 1, &count);
    if (count == state->refusal_raised_count && count > 0
        && memcmp(text, state->refusal_raised, count) == 0) {
      fault->kind = state->refusal_kind;
      if (fault->kind == MT_REFUSED) memcpy(fault->code, state->refusal_code, sizeof fault->code);
    }
    set_message(state, text, count);
    return 1;
  }
  mt_bytes *out = &state->scratch;
  out->count = 0;
  if (lua_type(L, 1) == LUA_TNIL) {
    mt_bytes_add(L, out, "error without a message (nil)", 29);
  } else {
    add_rendered(L, 1, out, state->limits.error_bytes, 0);
  }
  mt_bytes_add1(L, out, 0);
  set_message(state, (const char *)out->bytes, out->count - 1);
  return 1;
}

int32_t mt_fault_finish(mt_lua *state, int status) {
  lua_State *L = state->L;
  mt_fault *fault = &state->fault;
  if (status == LUA_OK) return MT_OK;
  if (state->abandoned) return fault->kind;
  if (!state->tripped) {
    size_t count = 0;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &count) : "";
    int lacking = count >= 17 && strcmp(text + count - 17, "not enough memory") == 0;
    // A script may raise the very text of Lua's own error.
    if ((status == LUA_ERRMEM || lacking) && state->denied_bytes > 0) {
      mt_trip(state, L, MT_MEMORY);
    } else if (fault->kind == MT_OK) {
      fault->kind = MT_RUNTIME;
      set_message(state, text, count);
    }
  }
  lua_settop(L, 1);
  return fault->kind;
}

/// Remembers the text at the top, so that the message handler knows it again if no pcall takes it.
static void remember_raised(lua_State *L, int32_t kind) {
  mt_lua *state = mt_self(L);
  size_t count;
  const char *text = lua_tolstring(L, -1, &count);
  mt_copy_text(state->refusal_raised, sizeof state->refusal_raised, text, count);
  state->refusal_raised_count = count < sizeof state->refusal_raised ? count : 0;
  state->refusal_kind = kind;
}

int mt_raise_syntax(lua_State *L) {
  remember_raised(L, MT_SYNTAX);
  return lua_error(L);
}

int mt_raise_refusal(lua_State *L) {
  mt_lua *state = mt_self(L);
  luaL_where(L, 1);
  lua_pushlstring(L, state->refusal_message, state->refusal_count);
  lua_concat(L, 2);
  remember_raised(L, MT_REFUSED);
  if (state->refusal_fatal && !state->tripped) {
    mt_fault_place(state, L, 0);
    mt_fault *fault = &state->fault;
    fault->message_count = state->refusal_count;
    memcpy(fault->message, state->refusal_message, state->refusal_count + 1);
    memcpy(fault->code, state->refusal_code, sizeof fault->code);
    mt_trip(state, L, MT_REFUSED);
  }
  return lua_error(L);
}

int mt_raise_unknown(
    lua_State *L, const char *what, const char *word, size_t count, const mt_bytes *candidates) {
  mt_lua *state = mt_self(L);
  char near[128];
  // Nobody mistypes a name of this length; the distance of a long one takes long.
  int32_t near_count = count >= sizeof near ? 0 : state->host.suggest(
      state->host.context, (const uint8_t *)word, count, candidates->bytes, candidates->count,
      (uint8_t *)near, sizeof near - 1);
  luaL_where(L, 1);
  if (near_count > 0) {
    near[near_count] = 0;
    lua_pushfstring(L, "%s; did you mean %s?", what, near);
  } else {
    lua_pushstring(L, what);
  }
  lua_concat(L, 2);
  return lua_error(L);
}
