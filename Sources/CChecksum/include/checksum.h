// Checksums of the log: CRC32C for damage, a keyed 128-bit hash for identity. No allocation, no state.
#ifndef MOONTIDE_CHECKSUM_H
#define MOONTIDE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

// CRC32C (Castagnoli, polynomial 0x1EDC6F41, reflected; RFC 3720 appendix B.4). `crc` is the value so
// far, 0 at the start, so that a sum can be taken piece by piece.
uint32_t mt_crc32c(uint32_t crc, const uint8_t *bytes, size_t count);

typedef struct {
  uint64_t high;
  uint64_t low;
} mt_digest;

// MurmurHash3 x64 128 (Austin Appleby, public domain algorithm) with both 64-bit lanes seeded, so that a
// digest can be the seed of the next one. Not cryptographic.
mt_digest mt_hash128(mt_digest seed, const uint8_t *bytes, size_t count);

// Kafka's murmur2 (seed 0x9747b28c), which places a key on a partition.
int32_t mt_murmur2(const uint8_t *bytes, size_t count);

#endif
