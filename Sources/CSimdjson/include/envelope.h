// One line of JSON as an event: parsed whole by simdjson, so that every value is checked, and cut into the
// fields of the envelope. No C++ exception leaves these functions. A parser belongs to one thread.
#ifndef MOONTIDE_ENVELOPE_H
#define MOONTIDE_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "json_fault.h"

typedef struct mt_envelope_parser mt_envelope_parser;

typedef struct {
  uint32_t start;
  uint32_t count;
} mt_json_part;

// Sizes in bytes, see Limits.swift.
typedef struct {
  uint32_t identity_max;
  uint32_t type_max;
  uint32_t time_max;
  uint32_t event_max;
  uint32_t depth_max;
  uint32_t version_max;
} mt_envelope_limits;

// Bits of `given`, as EnvelopeFields in Record.swift.
enum { MT_GIVEN_SOURCE = 1, MT_GIVEN_VERSION = 2, MT_GIVEN_KEY = 4, MT_GIVEN_TIME = 8, MT_GIVEN_META = 16 };

typedef struct {
  // Every part lies in `bytes`, which belongs to the parser and lives until its next call.
  mt_json_part id, source, type, key, time, data, meta;
  uint32_t given;
  uint32_t version;
  const uint8_t *bytes;
  uint32_t count;
  // `data` without whitespace between its tokens, when it has any; else null and 0.
  const uint8_t *minified;
  uint32_t minified_count;
  // `kind` is MT_JSON_OK when the line is an event; else nothing above means anything.
  mt_json_fault fault;
} mt_envelope;

#ifdef __cplusplus
extern "C" {
#endif

// Null when there is no memory.
mt_envelope_parser *mt_envelope_parser_new(mt_envelope_limits limits);
void mt_envelope_parser_free(mt_envelope_parser *parser);

// Parses `line[0, count)`; 64 bytes behind it must be readable. The result lives until the next call.
const mt_envelope *mt_envelope_parse(mt_envelope_parser *parser, const uint8_t *line, size_t count);

// Checks a whole document of any kind by the same parser. The result lives until the next call.
const mt_json_fault *mt_json_validate(mt_envelope_parser *parser, const uint8_t *text, size_t count);

// Copies valid JSON without the whitespace between its tokens; `target` holds `count` + 64 bytes. Returns the
// number of bytes written; 0 when `text` ends inside a string.
size_t mt_json_minify(const uint8_t *text, size_t count, uint8_t *target);

#ifdef __cplusplus
}
#endif

#endif
