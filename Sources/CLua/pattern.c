#include <ctype.h>
#include <string.h>

#include "pattern.h"

// Lua's patterns, matched with a budget: Lua's own matcher runs for minutes on `("a?"):rep(30)` inside one
// call where no hook fires. The meaning is that of the reference manual, §6.4.1; each step is charged.

enum { STEPS_A_CHARGE = 1000 };

static void step(mt_matcher *m, size_t count) {
  m->steps += count;
  if (m->steps >= STEPS_A_CHARGE) mt_matcher_end(m);
}

void mt_matcher_end(mt_matcher *m) {
  size_t steps = m->steps;
  m->steps = 0;
  mt_charge(m->L, steps);
}

void mt_matcher_begin(mt_matcher *m, lua_State *L, const char *text, size_t count, const char *pattern_end) {
  m->L = L;
  m->text = text;
  m->text_end = text + count;
  m->pattern_end = pattern_end;
  m->steps = 0;
}

/// Where the single-character item at `p` ends. Lua's texts end with a NUL, so one byte past is readable.
static const char *item_end(mt_matcher *m, const char *p) {
  char first = *p++;
  if (first == '%') {
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  if (first != '[') return p;
  if (*p == '^') p++;
  do {
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
    step(m, 1);
    if (*p++ == '%') {
      if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
      p++;
    }
  } while (*p != ']');
  return p + 1;
}

/// Whether a character is of the class that a letter after `%` names; other characters stand for themselves.
static int is_of_class(unsigned char c, unsigned char class) {
  int found;
  switch (tolower(class)) {
  case 'a': found = isalpha(c); break;
  case 'c': found = iscntrl(c); break;
  case 'd': found = isdigit(c); break;
  case 'g': found = isgraph(c); break;
  case 'l': found = islower(c); break;
  case 'p': found = ispunct(c); break;
  case 's': found = isspace(c); break;
  case 'u': found = isupper(c); break;
  case 'w': found = isalnum(c); break;
  case 'x': found = isxdigit(c); break;
  case 'z': found = c == 0; break;
  default: return class == c;
  }
  return isupper(class) ? !found : found != 0;
}

/// Whether a character is in the set between `p`, its `[`, and `last`, its `]`.
static int is_in_set(mt_matcher *m, unsigned char c, const char *p, const char *last) {
  int wanted = 1;
  p++;
  if (*p == '^') {
    wanted = 0;
    p++;
  }
  while (p < last) {
    step(m, 1);
    if (*p == '%') {
      if (is_of_class(c, (unsigned char)p[1])) return wanted;
      p += 2;
    } else if (p[1] == '-' && p + 2 < last) {
      if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2]) return wanted;
      p += 3;
    } else if ((unsigned char)*p++ == c) {
      return wanted;
    }
  }
  return !wanted;
}

/// Whether the character at `s` matches the item from `p` to `end`.
static int is_single(mt_matcher *m, const char *s, const char *p, const char *end) {
  step(m, 1);
  if (s >= m->text_end) return 0;
  unsigned char c = (unsigned char)*s;
  switch (*p) {
  case '.': return 1;
  case '%': return is_of_class(c, (unsigned char)p[1]);
  case '[': return is_in_set(m, c, p, end - 1);
  default: return (unsigned char)*p == c;
  }
}

static const char *match(mt_matcher *m, const char *s, const char *p);

static const char *match_balanced(mt_matcher *m, const char *s, const char *p) {
  if (p + 1 >= m->pattern_end) luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
  if (s >= m->text_end || *s != *p) return NULL;
  int open = 1;
  for (const char *at = s + 1; at < m->text_end; at++) {
    step(m, 1);
    if (*at == p[1]) {
      if (--open == 0) return at + 1;
    } else if (*at == p[0]) {
      open++;
    }
  }
  return NULL;
}

/// `%f[set]`: between a character outside the set and one inside; both ends of the text count as NUL.
static int is_frontier(mt_matcher *m, const char *s, const char *p, const char *end) {
  unsigned char before = s == m->text ? 0 : (unsigned char)s[-1];
  unsigned char here = s == m->text_end ? 0 : (unsigned char)*s;
  return !is_in_set(m, before, p, end - 1) && is_in_set(m, here, p, end - 1);
}

static const char *match_capture(mt_matcher *m, const char *s, unsigned char digit) {
  int index = digit - '1';
  if (index < 0 || index >= m->level || m->captures[index].count == MT_CAPTURE_OPEN) {
    luaL_error(m->L, "invalid capture index %%%d", index + 1);
  }
  // A position capture holds no text that could come again.
  if (m->captures[index].count == MT_CAPTURE_POSITION) return NULL;
  size_t count = (size_t)m->captures[index].count;
  step(m, count / 8 + 1);
  if ((size_t)(m->text_end - s) < count || memcmp(m->captures[index].start, s, count) != 0) return NULL;
  return s + count;
}

static const char *match_most(mt_matcher *m, const char *s, const char *p, const char *end) {
  ptrdiff_t count = 0;
  while (is_single(m, s + count, p, end)) count++;
  for (; count >= 0; count--) {
    const char *found = match(m, s + count, end + 1);
    if (found != NULL) return found;
  }
  return NULL;
}

static const char *match_fewest(mt_matcher *m, const char *s, const char *p, const char *end) {
  while (1) {
    const char *found = match(m, s, end + 1);
    if (found != NULL) return found;
    if (!is_single(m, s, p, end)) return NULL;
    s++;
  }
}

static const char *open_capture(mt_matcher *m, const char *s, const char *p, ptrdiff_t count) {
  if (m->level >= MT_CAPTURES_MAX) luaL_error(m->L, "too many captures");
  m->captures[m->level].start = s;
  m->captures[m->level].count = count;
  m->level++;
  const char *found = match(m, s, p);
  if (found == NULL) m->level--;
  return found;
}

static const char *close_capture(mt_matcher *m, const char *s, const char *p) {
  int level = m->level - 1;
  while (level >= 0 && m->captures[level].count != MT_CAPTURE_OPEN) level--;
  if (level < 0) luaL_error(m->L, "invalid pattern capture");
  m->captures[level].count = s - m->captures[level].start;
  const char *found = match(m, s, p);
  if (found == NULL) m->captures[level].count = MT_CAPTURE_OPEN;
  return found;
}

/// Handles an item that is not a single character. 1: it matched, and `s` and `p` stand behind it; 0: it is
/// none; -1: it did not match.
static int match_special(mt_matcher *m, const char **s, const char **p) {
  if (**p != '%') return 0;
  unsigned char kind = (unsigned char)(*p)[1];
  if (kind == 'b') {
    *s = match_balanced(m, *s, *p + 2);
    *p += 4;
  } else if (kind == 'f') {
    *p += 2;
    if (**p != '[') luaL_error(m->L, "missing '[' after '%%f' in pattern");
    const char *end = item_end(m, *p);
    if (!is_frontier(m, *s, *p, end)) *s = NULL;
    *p = end;
  } else if (isdigit(kind)) {
    *s = match_capture(m, *s, kind);
    *p += 2;
  } else {
    return 0;
  }
  return *s == NULL ? -1 : 1;
}

/// Matches item after item; what may have to be taken back goes through `match`.
static const char *walk(mt_matcher *m, const char *s, const char *p) {
  while (p < m->pattern_end) {
    step(m, 1);
    if (*p == '(') {
      int position = p[1] == ')';
      return open_capture(m, s, p + 1 + position, position ? MT_CAPTURE_POSITION : MT_CAPTURE_OPEN);
    }
    if (*p == ')') return close_capture(m, s, p + 1);
    if (*p == '$' && p + 1 == m->pattern_end) return s == m->text_end ? s : NULL;
    int special = match_special(m, &s, &p);
    if (special < 0) return NULL;
    if (special > 0) continue;
    const char *end = item_end(m, p);
    char suffix = end < m->pattern_end ? *end : 0;
    if (suffix == '*') return match_most(m, s, p, end);
    if (suffix == '-') return match_fewest(m, s, p, end);
    int matches = is_single(m, s, p, end);
    if (suffix == '+') return matches ? match_most(m, s + 1, p, end) : NULL;
    if (suffix == '?') {
      const char *found = matches ? match(m, s + 1, end + 1) : NULL;
      if (found != NULL) return found;
      p = end + 1;
    } else {
      if (!matches) return NULL;
      s++;
      p = end;
    }
  }
  return s;
}

static const char *match(mt_matcher *m, const char *s, const char *p) {
  if (m->depth-- == 0) luaL_error(m->L, "pattern too complex");
  const char *found = walk(m, s, p);
  m->depth++;
  return found;
}

const char *mt_matcher_try(mt_matcher *m, const char *at, const char *pattern) {
  m->level = 0;
  m->depth = MT_PATTERN_DEPTH_MAX;
  return match(m, at, pattern);
}

void mt_matcher_push_one(mt_matcher *m, int index, const char *start, const char *end) {
  if (index >= m->level) {
    if (index != 0) luaL_error(m->L, "invalid capture index %%%d", index + 1);
    lua_pushlstring(m->L, start, (size_t)(end - start));
    return;
  }
  ptrdiff_t count = m->captures[index].count;
  if (count == MT_CAPTURE_OPEN) luaL_error(m->L, "unfinished capture");
  if (count == MT_CAPTURE_POSITION) {
    lua_pushinteger(m->L, m->captures[index].start - m->text + 1);
  } else {
    lua_pushlstring(m->L, m->captures[index].start, (size_t)count);
  }
}

int mt_matcher_push(mt_matcher *m, const char *start, const char *end) {
  int count = m->level == 0 && start != NULL ? 1 : m->level;
  luaL_checkstack(m->L, count, "too many captures");
  for (int i = 0; i < count; i++) mt_matcher_push_one(m, i, start, end);
  return count;
}
