// A recursive descent over RFC 8259 that stops at the first fault. Only bad lines come here.
#include "json_fault.h"

#include <cstdlib>
#include <cstring>
#include <cmath>
#include <string>

namespace {

void copy_text(char *target, const char *text, size_t count) {
  size_t room = MT_JSON_TEXT_MAX - 1;
  if (count > room) {
    // Never half a character.
    count = room;
    while (count > 0 && (static_cast<uint8_t>(text[count]) & 0xC0) == 0x80) count--;
  }
  memcpy(target, text, count);
  target[count] = 0;
}

class Locator {
public:
  Locator(const uint8_t *bytes, size_t count, uint32_t depth_max, mt_json_fault *fault)
      : bytes(bytes), count(count), depth_max(depth_max), fault(fault) {}

  void run() {
    if (count >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF) {
      fail(MT_JSON_BOM, 0, "");
      return;
    }
    skip();
    if (at == count) {
      fail(MT_JSON_SYNTAX, at, "there must be a value");
      return;
    }
    if (!value(0)) return;
    skip();
    if (at < count) stray("nothing may follow the value");
  }

private:
  const uint8_t *bytes;
  size_t count;
  uint32_t depth_max;
  mt_json_fault *fault;
  size_t at = 0;
  std::string path;

  bool fail(int32_t kind, size_t offset, const char *text) {
    fault->kind = kind;
    fault->offset = offset;
    copy_text(fault->name, path.data(), path.size());
    copy_text(fault->text, text, strlen(text));
    return false;
  }

  // A byte that cannot stand here; some bytes have a name of their own.
  bool stray(const char *rule) {
    if (at < count && bytes[at] == 0) return fail(MT_JSON_NUL, at, "");
    if (at < count && bytes[at] >= 0x80) {
      size_t length = character();
      if (length == 0) return fail(MT_JSON_UTF8, at, "");
    }
    return fail(MT_JSON_SYNTAX, at, rule);
  }

  void skip() {
    while (at < count && bytes[at] != 0 && strchr(" \t\n\r", bytes[at])) at++;
  }

  bool value(uint32_t depth) {
    if (at == count) return fail(MT_JSON_SYNTAX, at, "a value must follow, not the end of the line");
    switch (bytes[at]) {
    case '{': return object(depth + 1);
    case '[': return array(depth + 1);
    case '"': return string();
    case 't': return word("true");
    case 'f': return word("false");
    case 'n': return word("null");
    default: return number();
    }
  }

  bool word(const char *word) {
    size_t length = strlen(word);
    if (count - at < length || memcmp(bytes + at, word, length) != 0) {
      return stray("a word must be true, false or null");
    }
    at += length;
    return true;
  }

  bool object(uint32_t depth) {
    if (depth > depth_max) return deep();
    at++;
    skip();
    if (at < count && bytes[at] == '}') return at++, true;
    while (true) {
      if (at == count) return fail(MT_JSON_SYNTAX, at, "an object must be closed by '}'");
      if (bytes[at] == '}') return fail(MT_JSON_SYNTAX, at, "no comma may stand before '}'");
      if (bytes[at] != '"') return stray("a name must be a string in double quotes");
      size_t length = path.size();
      size_t start = at + 1;
      if (!string()) return false;
      if (!path.empty()) path += '.';
      path.append(reinterpret_cast<const char *>(bytes) + start, at - start - 1);
      skip();
      if (at == count || bytes[at] != ':') return stray("a name must be followed by ':'");
      at++;
      skip();
      if (!value(depth)) return false;
      path.resize(length);
      skip();
      if (at < count && bytes[at] == '}') return at++, true;
      if (at == count || bytes[at] != ',') return stray("a member must be followed by ',' or '}'");
      at++;
      skip();
    }
  }

  bool array(uint32_t depth) {
    if (depth > depth_max) return deep();
    at++;
    skip();
    if (at < count && bytes[at] == ']') return at++, true;
    for (size_t index = 0;; index++) {
      if (at < count && bytes[at] == ']') return fail(MT_JSON_SYNTAX, at, "no comma may stand before ']'");
      size_t length = path.size();
      path += '[' + std::to_string(index) + ']';
      if (!value(depth)) return false;
      path.resize(length);
      skip();
      if (at < count && bytes[at] == ']') return at++, true;
      if (at == count || bytes[at] != ',') return stray("an element must be followed by ',' or ']'");
      at++;
      skip();
    }
  }

  bool deep() {
    fault->number = depth_max;
    return fail(MT_JSON_DEPTH, at, "");
  }

  bool string() {
    size_t start = at++;
    while (at < count) {
      uint8_t byte = bytes[at];
      if (byte == '"') return at++, true;
      if (byte == 0) return fail(MT_JSON_NUL, at, "");
      if (byte < 0x20) return fail(MT_JSON_SYNTAX, at, "a control character must be escaped");
      if (byte == '\\') {
        if (!escape()) return false;
      } else if (byte < 0x80) {
        at++;
      } else {
        size_t length = character();
        if (length == 0) return fail(MT_JSON_UTF8, at, "");
        at += length;
      }
    }
    return fail(MT_JSON_SYNTAX, start, "a string must be closed by '\"'");
  }

  // The length of the UTF-8 character here (RFC 3629), 0 when it is none.
  size_t character() const {
    uint8_t first = bytes[at];
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || count - at < length) return 0;
    for (size_t index = 1; index < length; index++) {
      if ((bytes[at + index] & 0xC0) != 0x80) return 0;
    }
    uint8_t second = bytes[at + 1];
    if (first == 0xE0 && second < 0xA0) return 0;
    if (first == 0xED && second > 0x9F) return 0;
    if (first == 0xF0 && second < 0x90) return 0;
    if (first == 0xF4 && second > 0x8F) return 0;
    return length;
  }

  int hexadecimal(size_t from) const {
    if (count - at < from + 4) return -1;
    int value = 0;
    for (size_t index = from; index < from + 4; index++) {
      uint8_t c = bytes[at + index];
      int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  }

  bool escape() {
    uint8_t kind = at + 1 < count ? bytes[at + 1] : 0;
    if (kind != 0 && strchr("\"\\/bfnrt", kind)) return at += 2, true;
    if (kind != 'u') return fail(MT_JSON_SYNTAX, at, "a backslash must begin one of JSON's escapes");
    int unit = hexadecimal(2);
    if (unit < 0) return fail(MT_JSON_SYNTAX, at, "\\u must be followed by four hexadecimal digits");
    if (unit >= 0xDC00 && unit <= 0xDFFF) {
      return fail(MT_JSON_SYNTAX, at, "a low surrogate must follow a high one");
    }
    if (unit >= 0xD800 && unit <= 0xDBFF) {
      bool escaped = count - at >= 12 && bytes[at + 6] == '\\' && bytes[at + 7] == 'u';
      int low = escaped ? hexadecimal(8) : -1;
      if (low < 0xDC00 || low > 0xDFFF) {
        return fail(MT_JSON_SYNTAX, at, "a high surrogate must be followed by a low one");
      }
      at += 6;
    }
    at += 6;
    return true;
  }

  bool digits() {
    size_t start = at;
    while (at < count && bytes[at] >= '0' && bytes[at] <= '9') at++;
    return at > start;
  }

  bool number() {
    size_t start = at;
    bool negative = bytes[at] == '-';
    if (negative) at++;
    size_t first = at;
    if (!digits()) return stray(negative ? "'-' must be followed by a digit" : "a value must stand here");
    if (bytes[first] == '0' && at - first > 1) {
      return fail(MT_JSON_SYNTAX, start, "a number must not begin with 0");
    }
    size_t length = at - first;
    bool integer = true;
    if (at < count && bytes[at] == '.') {
      integer = false;
      at++;
      if (!digits()) return stray("'.' in a number must be followed by a digit");
    }
    if (at < count && (bytes[at] == 'e' || bytes[at] == 'E')) {
      integer = false;
      at++;
      if (at < count && (bytes[at] == '+' || bytes[at] == '-')) at++;
      if (!digits()) return stray("an exponent must have a digit");
    }
    std::string text(reinterpret_cast<const char *>(bytes) + start, at - start);
    if (integer) {
      const char *bound = negative ? "9223372036854775808" : "9223372036854775807";
      if (length > 19 || (length == 19 && text.compare(negative, 19, bound) > 0)) {
        return fail(MT_JSON_INTEGER, start, text.c_str());
      }
    } else if (std::isinf(std::strtod(text.c_str(), nullptr))) {
      return fail(MT_JSON_DOUBLE, start, text.c_str());
    }
    return true;
  }
};

} // namespace

extern "C" void mt_json_locate(const uint8_t *text, size_t count, uint32_t depth_max, mt_json_fault *fault) {
  fault->kind = MT_JSON_OK;
  try {
    Locator(text, count, depth_max, fault).run();
  } catch (...) {
    fault->kind = MT_JSON_MEMORY;
  }
}
