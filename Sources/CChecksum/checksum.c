// CRC32C by the SSE4.2 instruction where the processor has it, bit by bit elsewhere; both hashes.
#include "checksum.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

static inline uint64_t load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

// One byte through the reflected polynomial.
static uint32_t crc_of_byte(uint8_t index) {
  uint32_t c = index;
  for (int bit = 0; bit < 8; bit++) c = (c & 1) ? (c >> 1) ^ 0x82F63B78u : c >> 1;
  return c;
}

static uint32_t crc_portable(uint32_t crc, const uint8_t *p, size_t n) {
  uint32_t c = ~crc;
  for (size_t i = 0; i < n; i++) c = crc_of_byte((uint8_t)(c ^ p[i])) ^ (c >> 8);
  return ~c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_hardware(uint32_t crc, const uint8_t *p, size_t n) {
  uint64_t c = ~crc;
  for (; n >= 8; n -= 8, p += 8) c = _mm_crc32_u64(c, load64(p));
  uint32_t r = (uint32_t)c;
  for (; n > 0; n--, p++) r = _mm_crc32_u8(r, *p);
  return ~r;
}
#endif

uint32_t mt_crc32c(uint32_t crc, const uint8_t *bytes, size_t count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc_hardware(crc, bytes, count);
#endif
  return crc_portable(crc, bytes, count);
}

static inline uint64_t rotate(uint64_t x, int r) { return (x << r) | (x >> (64 - r)); }

static inline uint64_t mix(uint64_t k) {
  k ^= k >> 33;
  k *= 0xff51afd7ed558ccdULL;
  k ^= k >> 33;
  k *= 0xc4ceb9fe1a85ec53ULL;
  return k ^ (k >> 33);
}

mt_digest mt_hash128(mt_digest seed, const uint8_t *bytes, size_t count) {
  const uint64_t c1 = 0x87c37b91114253d5ULL, c2 = 0x4cf5ad432745937fULL;
  uint64_t h1 = seed.high, h2 = seed.low;
  size_t left = count;
  const uint8_t *p = bytes;
  for (; left >= 16; left -= 16, p += 16) {
    h1 ^= rotate(load64(p) * c1, 31) * c2;
    h1 = (rotate(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= rotate(load64(p + 8) * c2, 33) * c1;
    h2 = (rotate(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  if (left > 0) {
    uint8_t tail[16] = {0};
    memcpy(tail, p, left);
    h2 ^= rotate(load64(tail + 8) * c2, 33) * c1;
    h1 ^= rotate(load64(tail) * c1, 31) * c2;
  }
  h1 ^= count;
  h2 ^= count;
  h1 += h2;
  h2 += h1;
  h1 = mix(h1);
  h2 = mix(h2);
  h1 += h2;
  h2 += h1;
  return (mt_digest){h1, h2};
}

int32_t mt_murmur2(const uint8_t *bytes, size_t count) {
  const uint32_t m = 0x5bd1e995u;
  uint32_t h = 0x9747b28cu ^ (uint32_t)count;
  size_t left = count;
  const uint8_t *p = bytes;
  for (; left >= 4; left -= 4, p += 4) {
    uint32_t k;
    memcpy(&k, p, 4);
    k *= m;
    k ^= k >> 24;
    h = (h * m) ^ (k * m);
  }
  if (left > 2) h ^= (uint32_t)p[2] << 16;
  if (left > 1) h ^= (uint32_t)p[1] << 8;
  if (left > 0) h = (h ^ p[0]) * m;
  h ^= h >> 13;
  h *= m;
  return (int32_t)(h ^ (h >> 15));
}
