#include "document.h"

#include <new>
#include <simdjson.h>

// Why the tape is handed out: a call into C++ for every field would cost more than reading the field, and
// C may leave by longjmp, which must never cross a C++ frame. So C reads the tape itself.
struct mt_document {
  simdjson::dom::parser parser;
};

extern "C" mt_document *mt_document_new(void) { return new (std::nothrow) mt_document(); }

extern "C" void mt_document_free(mt_document *document) { delete document; }

extern "C" int32_t mt_document_parse(
    mt_document *document, const uint8_t *json, size_t count, const uint64_t **tape,
    const uint8_t **strings) {
  try {
    auto error = document->parser.parse(json, count, false).error();
    if (error) return int32_t(error);
  } catch (...) {
    return int32_t(simdjson::MEMALLOC);
  }
  *tape = document->parser.doc.tape.get();
  *strings = document->parser.doc.string_buf.get();
  return 0;
}

extern "C" const char *mt_document_error(int32_t code) {
  return simdjson::error_message(simdjson::error_code(code));
}
