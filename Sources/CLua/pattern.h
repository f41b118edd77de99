#ifndef MT_PATTERN_H
#define MT_PATTERN_H

#include "state.h"

/// The bounds of Lua's own matcher: captures of a pattern, and how deep its items nest.
enum { MT_CAPTURES_MAX = 32, MT_PATTERN_DEPTH_MAX = 200 };
/// What `count` of a capture says while it is no length.
enum { MT_CAPTURE_OPEN = -1, MT_CAPTURE_POSITION = -2 };

/// One search of a text for a Lua pattern (Lua 5.4 reference manual, §6.4.1).
typedef struct mt_matcher {
  lua_State *L;
  const char *text, *text_end, *pattern_end;
  /// Steps since the budget was last charged.
  size_t steps;
  int depth;
  int level;
  struct {
    const char *start;
    ptrdiff_t count;
  } captures[MT_CAPTURES_MAX];
} mt_matcher;

void mt_matcher_begin(
    mt_matcher *matcher, lua_State *L, const char *text, size_t count, const char *pattern_end);
/// Where a match that begins at `at` ends, or NULL. Raises when the pattern is malformed or a budget trips:
/// each step is charged.
const char *mt_matcher_try(mt_matcher *matcher, const char *at, const char *pattern);
/// Pushes what the pattern captured; the whole match when it captures nothing and `start` is given.
int mt_matcher_push(mt_matcher *matcher, const char *start, const char *end);
/// Pushes one capture, 0-based.
void mt_matcher_push_one(mt_matcher *matcher, int index, const char *start, const char *end);
/// Charges what is left.
void mt_matcher_end(mt_matcher *matcher);

#endif
