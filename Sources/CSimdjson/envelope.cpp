// The hot path of ingest. simdjson's DOM parser checks the whole line; its list of structural characters
// (positions of brackets, commas, colons and the first byte of every other token) then says where each
// field lies, so that nothing is scanned twice.
#include "envelope.h"

#include <cstring>
#include <memory>
#include <new>

#include "envelope_fields.hpp"

using namespace moontide;
using simdjson::dom::element;

struct mt_envelope_parser {
  simdjson::dom::parser parser;
  mt_envelope_limits limits;
  size_t capacity = 0;
  std::unique_ptr<uint8_t[]> scratch;
  mt_envelope out;
  const uint8_t *line = nullptr;
  Slot slots[FIELD_COUNT];
  Slot others[others_max + FIELD_COUNT];
  uint32_t other_count, seen;
  bool spaced, crowded;

  bool fail(
      int32_t kind, std::string_view name, std::string_view text = {}, uint64_t number = 0,
      uint64_t offset = 0) {
    mt_json_fault &fault = out.fault;
    fault.kind = kind;
    fault.number = number;
    fault.offset = offset;
    copy(fault.name, name);
    copy(fault.text, text);
    return false;
  }

  static void copy(char *target, std::string_view text) {
    size_t count = text.size() < MT_JSON_TEXT_MAX ? text.size() : MT_JSON_TEXT_MAX - 1;
    while (count < text.size() && count > 0 && (static_cast<uint8_t>(text[count]) & 0xC0) == 0x80) count--;
    if (count > 0) memcpy(target, text.data(), count);
    target[count] = 0;
  }

  bool reserve(size_t count) {
    if (count <= capacity) return true;
    size_t wanted = first_capacity;
    while (wanted < count) wanted *= 2;
    capacity = 0;
    // One more level than allowed: simdjson refuses the level that it is told.
    if (parser.allocate(wanted, limits.depth_max + 1) || parser.doc.allocate(wanted)) return false;
    // The decoded fields, meta put together anew, and data without whitespace: each at most the line.
    scratch.reset(new (std::nothrow) uint8_t[3 * wanted + 1024]);
    if (!scratch) return false;
    capacity = wanted;
    return true;
  }

  // Parses and checks integers; `false` with the fault filled in.
  bool document(const uint8_t *text, size_t count, element &root) {
    out.fault.kind = MT_JSON_OK;
    out.fault.cloud_event = 0;
    if (count > limits.event_max) return fail(MT_JSON_LENGTH, "", {}, limits.event_max, count);
    if (!reserve(count)) return fail(MT_JSON_MEMORY, "");
    auto error = parser.parse(text, count, false).get(root);
    if (!error) return true;
    mt_json_locate(text, count, limits.depth_max, &out.fault);
    if (out.fault.kind == MT_JSON_OK) fail(MT_JSON_SYNTAX, "", simdjson::error_message(error));
    return false;
  }

  // Whether the number at `at` is an integer above int64 (simdjson takes up to uint64, refuses the rest).
  bool exceeds(uint32_t at) const {
    uint32_t end = at;
    while (static_cast<uint8_t>(line[end] - '0') < 10) end++;
    if (line[end] == '.' || line[end] == 'e' || line[end] == 'E') return false;
    return end - at > 19 || (end - at == 19 && memcmp(line + at, "9223372036854775807", 19) > 0);
  }

  // Cuts the line into slots along the structural characters.
  bool cut(simdjson::dom::object object) {
    const uint32_t *structure = parser.implementation->structural_indexes.get();
    size_t at = 1;
    bool large = false;
    seen = other_count = 0;
    spaced = crowded = false;
    for (auto [name, value] : object) {
      size_t first = at + 2;
      uint32_t start = structure[first], end = start + 1;
      size_t last = first;
      uint8_t head = line[start];
      bool spaces = false;
      if (depths.step[head] > 0) {
        int depth = 1;
        do {
          uint32_t place = structure[++last];
          uint8_t c = line[place];
          spaces |= line[place - 1] <= ' ';
          depth += depths.step[c];
          bool digit = static_cast<uint8_t>(c - '0') < 10;
          if (digit && structure[last + 1] - place >= 19) large |= exceeds(place);
        } while (depth > 0);
        end = structure[last] + 1;
      } else {
        end = structure[last + 1];
        if (static_cast<uint8_t>(head - '0') < 10 && end - start >= 19) large |= exceeds(start);
        while (line[end - 1] <= ' ') end--;
      }
      Field field = field_of(name);
      if (field == DATA) spaced = spaces;
      if (!keep({value, name, structure[at], structure[at + 1], start, end, field})) return false;
      at = last + 2;
    }
    return !large;
  }

  bool keep(Slot slot) {
    while (line[slot.name_end - 1] != '"') slot.name_end--;
    if (slot.field != OTHER) {
      if (seen & 1u << slot.field) return fail(MT_ENVELOPE_TWICE, field_names[slot.field]);
      seen |= 1u << slot.field;
      slots[slot.field] = slot;
      return true;
    }
    if (other_count == others_max) return crowded = true;
    for (uint32_t index = 0; index < other_count; index++) {
      if (others[index].name == slot.name) return fail(MT_ENVELOPE_TWICE, slot.name);
    }
    others[other_count++] = slot;
    return true;
  }

  std::string_view raw(uint32_t start, uint32_t end) const {
    return {reinterpret_cast<const char *>(line) + start, end - start};
  }
  bool has(Field field) const { return seen & 1u << field; }

  // Writing the result, part after part.
  void put(std::string_view text) {
    memcpy(scratch.get() + out.count, text.data(), text.size());
    out.count += static_cast<uint32_t>(text.size());
  }
  mt_json_part part(std::string_view text) {
    mt_json_part part{out.count, static_cast<uint32_t>(text.size())};
    put(text);
    return part;
  }

  bool text(Field field, uint32_t most, mt_json_part &target) {
    std::string_view value;
    if (slots[field].value.get_string().get(value)) return wrong(field, "a string");
    if (value.empty()) return fail(MT_ENVELOPE_EMPTY, field_names[field]);
    if (value.size() > most) return fail(MT_ENVELOPE_SIZE, field_names[field], {}, most, value.size());
    target = part(value);
    return true;
  }

  bool wrong(Field field, const char *expected) {
    out.fault.expected = expected;
    return fail(MT_ENVELOPE_KIND, field_names[field], kind_of(slots[field].value));
  }

  bool required(Field field) { return has(field) || fail(MT_ENVELOPE_MISSING, field_names[field]); }

  bool optional_text(Field field, uint32_t bit, uint32_t most, mt_json_part &target) {
    if (!has(field)) return true;
    out.given |= bit;
    return text(field, most, target);
  }

  bool version(Field field) {
    if (!has(field)) return true;
    const Slot &slot = slots[field];
    int64_t value = 0;
    std::string_view digits;
    if (field == DATAVERSION && !slot.value.get_string().get(digits)) {
      if (digits.empty() || digits.size() > 7) value = -1;
      for (char c : digits) value = value < 0 || c < '0' || c > '9' ? -1 : value * 10 + (c - '0');
    } else if (slot.value.get_int64().get(value)) {
      return wrong(field, field == DATAVERSION ? "an integer or a string of digits" : "an integer");
    }
    if (value < 1 || value > limits.version_max) {
      return fail(MT_ENVELOPE_VERSION, field_names[field], raw(slot.start, slot.end), limits.version_max);
    }
    out.version = static_cast<uint32_t>(value);
    out.given |= MT_GIVEN_VERSION;
    return true;
  }

  bool body() {
    if (!required(DATA)) return false;
    const Slot &slot = slots[DATA];
    if (!slot.value.is_object()) return wrong(DATA, "an object");
    out.data = part(raw(slot.start, slot.end));
    return true;
  }

  void minify() {
    if (!spaced) return;
    const Slot &slot = slots[DATA];
    out.minified = scratch.get() + out.count;
    size_t count = mt_json_minify(line + slot.start, slot.end - slot.start, scratch.get() + out.count);
    out.minified_count = static_cast<uint32_t>(count);
  }

  bool common(uint32_t source_given) {
    return required(ID) && required(TYPE) && text(ID, limits.identity_max, out.id)
        && optional_text(SOURCE, source_given, limits.identity_max, out.source)
        && text(TYPE, limits.type_max, out.type);
  }

  bool native() {
    if (seen & cloud_only) return fail(MT_ENVELOPE_UNKNOWN, field_names[__builtin_ctz(seen & cloud_only)]);
    if (other_count > 0) return fail(MT_ENVELOPE_UNKNOWN, others[0].name);
    if (!common(MT_GIVEN_SOURCE) || !version(VERSION)) return false;
    out.key = out.id;
    if (!optional_text(KEY, MT_GIVEN_KEY, limits.identity_max, out.key)) return false;
    if (!optional_text(TIME, MT_GIVEN_TIME, limits.time_max, out.time)) return false;
    return body() && native_meta();
  }

  // `meta` as written, with the tracing fields of the envelope behind its own.
  bool native_meta() {
    if (has(META) && !slots[META].value.is_object()) return wrong(META, "an object");
    if (!(seen & (trace | 1u << META))) return true;
    out.given |= MT_GIVEN_META;
    if (!(seen & trace)) {
      out.meta = part(raw(slots[META].start, slots[META].end));
      return true;
    }
    uint32_t start = out.count;
    bool empty = true;
    put("{");
    if (has(META)) {
      simdjson::dom::object object = slots[META].value.get_object().value_unsafe();
      empty = object.begin() == object.end();
      put(raw(slots[META].start + 1, slots[META].end - 1));
    }
    for (Field field : {TRACEPARENT, CORRELATIONID, CAUSATIONID}) {
      if (!has(field)) continue;
      if (!slots[field].value.is_string()) return wrong(field, "a string");
      if (has(META) && !slots[META].value.at_key(field_names[field]).error()) {
        return fail(MT_ENVELOPE_TWICE, field_names[field]);
      }
      member(slots[field], empty);
    }
    put("}");
    out.meta = {start, out.count - start};
    return true;
  }

  void member(const Slot &slot, bool &first) {
    if (!first) put(",");
    first = false;
    put(raw(slot.name_start, slot.name_end));
    put(":");
    put(raw(slot.start, slot.end));
  }

  // CloudEvents 1.0, JSON format, structured mode.
  bool cloud() {
    out.fault.cloud_event = 1;
    std::string_view value;
    if (slots[SPECVERSION].value.get_string().get(value) || value != "1.0") {
      const Slot &slot = slots[SPECVERSION];
      return fail(MT_ENVELOPE_SPECVERSION, "specversion", raw(slot.start, slot.end));
    }
    if (has(DATA_BASE64)) return fail(MT_ENVELOPE_BASE64, "data_base64");
    if (crowded) return fail(MT_ENVELOPE_ATTRIBUTES, "", {}, others_max);
    // An attribute that is null is not set (JSON format, 2.2).
    for (uint32_t field = 0; field < FIELD_COUNT; field++) {
      if (field == DATA || !has(static_cast<Field>(field))) continue;
      if (slots[field].value.is_null()) seen &= ~(1u << field);
    }
    if (!required(SOURCE) || !common(MT_GIVEN_SOURCE) || !version(DATAVERSION)) return false;
    out.key = out.id;
    Field key = has(PARTITIONKEY) ? PARTITIONKEY : SUBJECT;
    if (!optional_text(key, MT_GIVEN_KEY, limits.identity_max, out.key)) return false;
    if (!optional_text(TIME, MT_GIVEN_TIME, limits.time_max, out.time)) return false;
    return body() && cloud_meta();
  }

  // Every attribute that is no field of our envelope, in written order.
  bool cloud_meta() {
    if (has(PARTITIONKEY) && has(SUBJECT)) others[other_count++] = slots[SUBJECT];
    for (Field field : {VERSION, KEY, META, TRACEPARENT, CORRELATIONID, CAUSATIONID}) {
      if (has(field)) others[other_count++] = slots[field];
    }
    // Few, and in order but for the last: insertion is all it takes.
    for (uint32_t index = 1; index < other_count; index++) {
      Slot slot = others[index];
      uint32_t place = index;
      for (; place > 0 && others[place - 1].start > slot.start; place--) others[place] = others[place - 1];
      others[place] = slot;
    }
    uint32_t start = out.count;
    bool first = true;
    put("{");
    for (uint32_t index = 0; index < other_count; index++) {
      const Slot &slot = others[index];
      if (slot.value.is_null()) continue;
      if (slot.value.is_object() || slot.value.is_array()) {
        out.fault.expected = "a string, a number or a boolean";
        return fail(MT_ENVELOPE_KIND, slot.name, kind_of(slot.value));
      }
      member(slot, first);
    }
    put("}");
    if (first) {
      out.count = start;
    } else {
      out.meta = {start, out.count - start};
      out.given |= MT_GIVEN_META;
    }
    return true;
  }

  void parse(const uint8_t *bytes, size_t count) {
    line = bytes;
    element root;
    if (!document(bytes, count, root)) return;
    out.id = out.source = out.type = out.key = out.time = out.data = out.meta = {0, 0};
    out.given = out.count = out.minified_count = 0;
    out.minified = nullptr;
    out.version = 1;
    out.bytes = scratch.get();
    simdjson::dom::object object;
    if (root.get_object().get(object)) {
      fail(MT_ENVELOPE_NOT_OBJECT, "", kind_of(root));
    } else if (!cut(object)) {
      if (out.fault.kind == MT_JSON_OK) mt_json_locate(bytes, count, limits.depth_max, &out.fault);
    } else if (has(SPECVERSION) ? cloud() : native()) {
      minify();
    }
  }
};

extern "C" {

mt_envelope_parser *mt_envelope_parser_new(mt_envelope_limits limits) {
  auto *parser = new (std::nothrow) mt_envelope_parser();
  if (parser) parser->limits = limits;
  return parser;
}

void mt_envelope_parser_free(mt_envelope_parser *parser) { delete parser; }

const mt_envelope *mt_envelope_parse(mt_envelope_parser *parser, const uint8_t *line, size_t count) {
  try {
    parser->parse(line, count);
  } catch (...) {
    parser->fail(MT_JSON_MEMORY, "");
  }
  return &parser->out;
}

const mt_json_fault *mt_json_validate(mt_envelope_parser *parser, const uint8_t *text, size_t count) {
  try {
    element root;
    parser->document(text, count, root);
  } catch (...) {
    parser->fail(MT_JSON_MEMORY, "");
  }
  return &parser->out.fault;
}

size_t mt_json_minify(const uint8_t *text, size_t count, uint8_t *target) {
  size_t written = 0;
  auto error = simdjson::minify(
      reinterpret_cast<const char *>(text), count, reinterpret_cast<char *>(target), written);
  return error ? 0 : written;
}

} // extern "C"
