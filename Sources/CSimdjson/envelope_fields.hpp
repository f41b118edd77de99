// The fields of an envelope and how their names are told apart.
#ifndef MOONTIDE_ENVELOPE_FIELDS_H
#define MOONTIDE_ENVELOPE_FIELDS_H

#include <cstdint>
#include <cstring>
#include <simdjson.h>
#include <string_view>

namespace moontide {

enum Field : uint8_t {
  ID, SOURCE, TYPE, VERSION, KEY, TIME, DATA, META, RECORDED, TRACEPARENT, CORRELATIONID, CAUSATIONID,
  SPECVERSION, SUBJECT, PARTITIONKEY, DATAVERSION, DATA_BASE64, FIELD_COUNT, OTHER = FIELD_COUNT
};

inline const char *const field_names[FIELD_COUNT] = {
  "id", "source", "type", "version", "key", "time", "data", "meta", "recorded", "traceparent",
  "correlationid", "causationid", "specversion", "subject", "partitionkey", "dataversion", "data_base64"
};

// The fields that only a CloudEvent has.
constexpr uint32_t cloud_only = 1u << SUBJECT | 1u << PARTITIONKEY | 1u << DATAVERSION | 1u << DATA_BASE64;
constexpr uint32_t trace = 1u << TRACEPARENT | 1u << CORRELATIONID | 1u << CAUSATIONID;

inline bool is(std::string_view name, Field field) {
  return memcmp(name.data(), field_names[field], name.size()) == 0;
}

// By length first: at most four comparisons.
inline Field field_of(std::string_view name) {
  switch (name.size()) {
  case 2: return is(name, ID) ? ID : OTHER;
  case 3: return is(name, KEY) ? KEY : OTHER;
  case 4:
    for (Field field : {TYPE, DATA, TIME, META}) {
      if (is(name, field)) return field;
    }
    return OTHER;
  case 6: return is(name, SOURCE) ? SOURCE : OTHER;
  case 7: return is(name, VERSION) ? VERSION : is(name, SUBJECT) ? SUBJECT : OTHER;
  case 8: return is(name, RECORDED) ? RECORDED : OTHER;
  case 11:
    for (Field field : {TRACEPARENT, CAUSATIONID, SPECVERSION, DATAVERSION, DATA_BASE64}) {
      if (is(name, field)) return field;
    }
    return OTHER;
  case 12: return is(name, PARTITIONKEY) ? PARTITIONKEY : OTHER;
  case 13: return is(name, CORRELATIONID) ? CORRELATIONID : OTHER;
  default: return OTHER;
  }
}

struct Depths {
  int8_t step[256] = {};
  constexpr Depths() {
    step[static_cast<int>('{')] = step[static_cast<int>('[')] = 1;
    step[static_cast<int>('}')] = step[static_cast<int>(']')] = -1;
  }
};
constexpr Depths depths;

// One field of the line, bytes as written.
struct Slot {
  simdjson::dom::element value;
  // Decoded.
  std::string_view name;
  uint32_t name_start, name_end, start, end;
  Field field;
};

inline const char *kind_of(simdjson::dom::element value) {
  using simdjson::dom::element_type;
  switch (value.type()) {
  case element_type::ARRAY: return "an array";
  case element_type::OBJECT: return "an object";
  case element_type::INT64:
  case element_type::UINT64: return "an integer";
  case element_type::DOUBLE: return "a number";
  case element_type::STRING: return "a string";
  case element_type::BOOL: return "a boolean";
  default: return "null";
  }
}

// Attributes of one CloudEvent; more are refused, so that looking for repeated names stays cheap.
constexpr uint32_t others_max = 128;
constexpr size_t first_capacity = 16 << 10;

} // namespace moontide

#endif
