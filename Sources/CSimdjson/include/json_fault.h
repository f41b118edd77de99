// Why bytes are not a JSON document, or a line not an event. The slow, exact half of the parser: simdjson
// says no in a fifth of a microsecond, this says where and what.
#ifndef MOONTIDE_JSON_FAULT_H
#define MOONTIDE_JSON_FAULT_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  MT_JSON_OK = 0,
  // Of any document; `text` is the rule that byte `offset` breaks.
  MT_JSON_SYNTAX = 1,
  MT_JSON_UTF8 = 2,
  MT_JSON_BOM = 3,
  MT_JSON_NUL = 4,
  // `text` is the number, `name` its path.
  MT_JSON_INTEGER = 5,
  MT_JSON_DOUBLE = 6,
  // `name` is the path, `number` the limit.
  MT_JSON_DEPTH = 7,
  // `number` is the limit, `offset` the length.
  MT_JSON_LENGTH = 8,
  MT_JSON_MEMORY = 9,
  // Of an event; `name` is the field.
  MT_ENVELOPE_NOT_OBJECT = 20,
  MT_ENVELOPE_MISSING = 21,
  // `text` says what it is, `expected` what it must be.
  MT_ENVELOPE_KIND = 22,
  MT_ENVELOPE_TWICE = 23,
  MT_ENVELOPE_UNKNOWN = 24,
  MT_ENVELOPE_EMPTY = 25,
  // `number` is the limit, `offset` the length.
  MT_ENVELOPE_SIZE = 26,
  // `text` is the value, `number` the limit.
  MT_ENVELOPE_VERSION = 27,
  MT_ENVELOPE_SPECVERSION = 28,
  MT_ENVELOPE_BASE64 = 29,
  MT_ENVELOPE_ATTRIBUTES = 30
} mt_json_fault_kind;

enum { MT_JSON_TEXT_MAX = 160 };

typedef struct {
  int32_t kind;
  // 1 when the line is a CloudEvent.
  int32_t cloud_event;
  uint64_t offset;
  uint64_t number;
  // Zero-terminated, cut when longer.
  char name[MT_JSON_TEXT_MAX];
  char text[MT_JSON_TEXT_MAX];
  const char *expected;
} mt_json_fault;

#ifdef __cplusplus
extern "C" {
#endif

// Finds the first fault of `text[0, count)` by a plain descent, numbers outside their range included. Leaves
// `kind` MT_JSON_OK when there is none.
void mt_json_locate(const uint8_t *text, size_t count, uint32_t depth_max, mt_json_fault *fault);

#ifdef __cplusplus
}
#endif

#endif
