/* Which of N partitions an instrument belongs to: the sinks that write events into a broker, the sources that
 * read them there, and the engines that share a venue's instruments all ask this function.
 *
 * The hash is CRC-32 of the instrument's full name ("BTCUSDT.BINANCE-SPOT", without a NUL): polynomial
 * 0x04c11db7 reflected, begun and ended with all ones, as in IEEE 802.3, zlib, PNG. Every language's library has
 * it (Python: zlib.crc32(name.encode()) % n), and librdkafka's partitioner `consistent` is the same over the
 * message's key. It is part of what brokers keep: it never changes. */
#ifndef TF_PARTITION_H
#define TF_PARTITION_H

#include "tf/base.h"

#define TF_PARTITIONS_MAX 4096u

/* How a partition stands in subjects, streams and paths: four digits, so that they sort. */
#define TF_PARTITION_FORMAT     "%04u"
#define TF_PARTITION_TEXT_CHARS 4u

TF_STATIC_ASSERT(TF_PARTITIONS_MAX <= 10000, "four digits hold every partition");

/* A nibble at a time: the table is one cache line, and a name has some twenty bytes. Pure; any thread. */
TF_INLINE uint32_t tf_partition_hash(const char *name) {
  static const uint32_t table[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu,
                                     0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
                                     0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
                                     0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
  uint32_t              crc       = UINT32_MAX;
  for (const unsigned char *at = (const unsigned char *)name; *at; at++) {
    crc = table[(crc ^ *at) & 15u] ^ (crc >> 4);
    crc = table[(crc ^ (*at >> 4)) & 15u] ^ (crc >> 4);
  }
  return ~crc;
}

/* partition_cnt: 1 .. TF_PARTITIONS_MAX */
TF_INLINE uint32_t tf_partition_of(const char *name, uint32_t partition_cnt) {
  return tf_partition_hash(name) % partition_cnt;
}

#endif
