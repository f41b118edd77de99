#ifndef MOONTIDE_DOCUMENT_H
#define MOONTIDE_DOCUMENT_H

// One reusable simdjson DOM parser and its tape. Owned by one thread. The tape is simdjson's
// (doc/tape.md of simdjson 3.0): 64-bit words, the top byte is the type, the rest the payload.
//
//   'r' root      payload: index behind the last word
//   '{' '['       payload bits 0-31: index behind the closing word; bits 32-55: count, saturated at 0xffffff
//   '}' ']'       payload: index of the opening word
//   '"'           payload: offset in the strings: 4 bytes length (little-endian), the bytes, a NUL
//   'l' 'u' 'd'   the next word is the int64, uint64 or double
//   't' 'f' 'n'   true, false, null
//
// The document's value begins at index 1.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mt_document mt_document;

/// NULL when there is no memory.
mt_document *mt_document_new(void);
void mt_document_free(mt_document *document);

/// Parses `count` bytes, behind which 64 more must be readable. Returns 0 and sets tape and strings, which
/// live until the next parse; else a code for `mt_document_error`. Neither throws nor keeps `json`.
int32_t mt_document_parse(
    mt_document *document, const uint8_t *json, size_t count, const uint64_t **tape, const uint8_t **strings);

/// A static text.
const char *mt_document_error(int32_t code);

static inline uint8_t mt_tape_type(uint64_t word) { return (uint8_t)(word >> 56); }
static inline uint64_t mt_tape_payload(uint64_t word) { return word & 0x00ffffffffffffffULL; }

/// The index behind the value that begins at `at`.
static inline uint32_t mt_tape_after(const uint64_t *tape, uint32_t at) {
  uint8_t type = mt_tape_type(tape[at]);
  if (type == '{' || type == '[') return (uint32_t)tape[at];
  return type == 'l' || type == 'u' || type == 'd' ? at + 2 : at + 1;
}

#ifdef __cplusplus
}
#endif

#endif
