/* The journal's bytes on disk, version 1. Little endian; every size a multiple of 64.
 *
 *   file header (64)   magic, version, sizes, first epoch, hash of the config, CRC-32C
 *   block (64 + n * 128), repeated to the end
 *     header           kind, n, epoch, first decision_seq, CRC-32C of the payload,
 *                      prev_hash: BLAKE2b-128 of the whole block before (of the file header for
 *                      the first), CRC-32C of the header itself
 *     payload          n records of 128 bytes
 *
 * A journal whose file failed goes on in another, its path with .1, .2 ... behind it, a file of the same
 * form with a chain of its own.
 *
 * A block of kind DECISIONS holds tf_decision_t as they are in memory. START stands where an engine
 * began to write: from there on its epoch holds. INSTRUMENTS names the ids that decisions after it
 * use; each epoch writes its own before the first decision, so that a journal can be read without
 * the engine that wrote it. Readers pass over kinds they do not know.
 *
 * Keyed (flag KEYED of the file header): prev_hash is instead the block's own MAC, BLAKE2b-128 under the
 * key over the MAC of the block before (of the file header for the first), this header with prev_hash
 * and its CRC zero, and the payload. Who has not got the key can then neither make nor change a block,
 * the last one included; what nobody can see is a tail that was cut off at a block's end.
 *
 * The CRCs find every accident: any single flipped bit, any cut. The chain makes a block commit to
 * all blocks before it: to replace one unnoticed, all that follow must be replaced too. */
#ifndef ADAPTERS_FILE_JOURNAL_FORMAT_H
#define ADAPTERS_FILE_JOURNAL_FORMAT_H

#include <string.h>

#include "file/blake2b.h"
#include "file/crc32c.h"
#include "tf/decision.h"
#include "tf/instrument.h"

/* \r\n: a transfer that changes line ends shows in the first eight bytes. */
#define TF_JOURNAL_MAGIC        "TFJRNL\r\n"
#define TF_JOURNAL_VERSION      1
#define TF_JOURNAL_BLOCK_MAGIC  UINT32_C(0x424a4654) /* "TFJB" */
#define TF_JOURNAL_HEADER_BYTES 64
#define TF_JOURNAL_RECORD_BYTES 128
#define TF_JOURNAL_HASH_BYTES   16

/* A block fits in 64 KiB: one write, and what a torn one can lose. */
#define TF_JOURNAL_BLOCK_BYTES_MAX 65536
#define TF_JOURNAL_BLOCK_RECORDS_MAX                                                               \
  ((TF_JOURNAL_BLOCK_BYTES_MAX - TF_JOURNAL_HEADER_BYTES) / TF_JOURNAL_RECORD_BYTES)

#define TF_JOURNAL_FLAG_KEYED 0x1u

#define TF_JOURNAL_KEY_BYTES_MIN 16

typedef struct tf_journal_key {
  uint8_t  bytes[TF_BLAKE2B_BYTES_MAX];
  uint32_t bytes_cnt; /* 0: none */
} tf_journal_key_t;

typedef enum tf_journal_kind {
  TF_JOURNAL_DECISIONS   = 1,
  TF_JOURNAL_INSTRUMENTS = 2,
  TF_JOURNAL_START       = 3
} tf_journal_kind_t;

typedef struct tf_journal_file_header {
  uint8_t  magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint32_t record_bytes;
  uint32_t decision_version;
  uint32_t epoch;       /* of the first start */
  uint32_t flags;       /* TF_JOURNAL_FLAG_* */
  uint64_t config_hash; /* of the first start */
  uint64_t created_ns;  /* ns since 1970 */
  uint8_t  reserved1[12];
  uint32_t crc; /* of the 60 bytes before */
} tf_journal_file_header_t;

typedef struct tf_journal_block_header {
  uint32_t magic;
  uint32_t kind; /* tf_journal_kind_t */
  uint32_t record_cnt;
  uint32_t epoch;
  uint64_t first_seq; /* DECISIONS: decision_seq of the first record; INSTRUMENTS: its id; else 0 */
  uint64_t config_hash;
  uint64_t written_ns;
  uint8_t  prev_hash[TF_JOURNAL_HASH_BYTES];
  uint32_t payload_crc;
  uint32_t header_crc; /* of the 60 bytes before */
} tf_journal_block_header_t;

typedef struct tf_journal_instrument {
  uint32_t id;
  int8_t   price_exp, qty_exp;
  uint8_t  reserved[2];
  int64_t  tick_size, lot_size;
  char     name[TF_INSTRUMENT_NAME_BYTES]; /* NUL-terminated, as is symbol */
  char     symbol[TF_SYMBOL_BYTES_MAX];
} tf_journal_instrument_t;

typedef struct tf_journal_start {
  uint32_t epoch;
  uint32_t pid;
  uint64_t started_ns;
  uint64_t config_hash;
  uint64_t durable_seq; /* a segment behind a failed one: what the one before has after it counts as
                           not written and stands here again; else 0 */
  uint32_t segment;
  uint8_t  reserved[92];
} tf_journal_start_t;

TF_STATIC_ASSERT(sizeof(tf_journal_start_t) == TF_JOURNAL_RECORD_BYTES, "format");
TF_STATIC_ASSERT(sizeof(tf_journal_file_header_t) == TF_JOURNAL_HEADER_BYTES, "format");
TF_STATIC_ASSERT(offsetof(tf_journal_file_header_t, crc) == 60, "format");
TF_STATIC_ASSERT(sizeof(tf_journal_block_header_t) == TF_JOURNAL_HEADER_BYTES, "format");
TF_STATIC_ASSERT(offsetof(tf_journal_block_header_t, header_crc) == 60, "format");
TF_STATIC_ASSERT(sizeof(tf_journal_instrument_t) == TF_JOURNAL_RECORD_BYTES, "format");
TF_STATIC_ASSERT(sizeof(tf_decision_t) == TF_JOURNAL_RECORD_BYTES, "format");
TF_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structs are written as they lie");

TF_INLINE uint32_t tf_journal_header_crc(const void *header) {
  return tf_crc32c(0, header, TF_JOURNAL_HEADER_BYTES - 4);
}

TF_INLINE size_t tf_journal_payload_bytes(const tf_journal_block_header_t *header) {
  return (size_t)header->record_cnt * TF_JOURNAL_RECORD_BYTES;
}

/* Magic, size and CRC of a block header; the payload may then be read. */
TF_INLINE bool tf_journal_block_header_valid(const tf_journal_block_header_t *header) {
  return header->magic == TF_JOURNAL_BLOCK_MAGIC && header->record_cnt >= 1 &&
         header->record_cnt <= TF_JOURNAL_BLOCK_RECORDS_MAX &&
         header->header_crc == tf_journal_header_crc(header);
}

/* The link that the next block carries. bytes: the file header, or a block with its payload. */
TF_INLINE void tf_journal_hash(const void *bytes, size_t bytes_cnt, uint8_t *hash_bytes) {
  tf_blake2b_t hash;
  tf_blake2b_init(&hash, TF_JOURNAL_HASH_BYTES);
  tf_blake2b_update(&hash, bytes, bytes_cnt);
  tf_blake2b_final(&hash, hash_bytes);
}

/* Where a chain begins: at the file header. */
TF_INLINE void tf_journal_chain_begin(const tf_journal_key_t         *key,
                                      const tf_journal_file_header_t *file, uint8_t *chain) {
  if (key->bytes_cnt == 0) {
    tf_journal_hash(file, sizeof *file, chain);
    return;
  }
  tf_blake2b_t mac;
  tf_blake2b_init_keyed(&mac, TF_JOURNAL_HASH_BYTES, key->bytes, key->bytes_cnt);
  tf_blake2b_update(&mac, file, sizeof *file);
  tf_blake2b_final(&mac, chain);
}

/* The MAC of a block whose header says everything but prev_hash and header_crc. */
TF_INLINE void tf_journal_mac(const tf_journal_key_t *key, const uint8_t *chain,
                              const uint8_t *block, size_t bytes_cnt, uint8_t *mac_bytes) {
  tf_journal_block_header_t header;
  tf_blake2b_t              mac;
  memcpy(&header, block, sizeof header);
  memset(header.prev_hash, 0, sizeof header.prev_hash);
  header.header_crc = 0;
  tf_blake2b_init_keyed(&mac, TF_JOURNAL_HASH_BYTES, key->bytes, key->bytes_cnt);
  tf_blake2b_update(&mac, chain, TF_JOURNAL_HASH_BYTES);
  tf_blake2b_update(&mac, &header, sizeof header);
  tf_blake2b_update(&mac, block + sizeof header, bytes_cnt - sizeof header);
  tf_blake2b_final(&mac, mac_bytes);
}

/* The prev_hash that a block must carry, and the chain behind it, of a block that carries it. */
TF_INLINE void tf_journal_link(const tf_journal_key_t *key, const uint8_t *chain,
                               const uint8_t *block, size_t bytes_cnt, uint8_t *link) {
  if (key->bytes_cnt)
    tf_journal_mac(key, chain, block, bytes_cnt, link);
  else
    memcpy(link, chain, TF_JOURNAL_HASH_BYTES);
}

TF_INLINE void tf_journal_chain_next(const tf_journal_key_t *key, const uint8_t *block,
                                     size_t bytes_cnt, uint8_t *chain) {
  if (key->bytes_cnt)
    memcpy(chain, ((const tf_journal_block_header_t *)(const void *)block)->prev_hash,
           TF_JOURNAL_HASH_BYTES);
  else
    tf_journal_hash(block, bytes_cnt, chain);
}

#endif
