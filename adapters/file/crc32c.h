/* CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720 appendix B.4), the checksum of
 * tickfuse's own files. On x86-64 with SSE4.2 by its instruction, elsewhere by a table,
 * a byte a step; which one, is asked of the CPU at run time. Any thread. */
#ifndef ADAPTERS_FILE_CRC32C_H
#define ADAPTERS_FILE_CRC32C_H

#include "tf/base.h"

/* The CRC of bytes, continuing from crc, the CRC of what stands before them (0 at the start). */
uint32_t tf_crc32c(uint32_t crc, const void *bytes, size_t bytes_cnt);

/* The two ways, for tests that hold them against each other. The second is only to be called where
 * tf_crc32c_has_instruction. */
uint32_t tf_crc32c_by_table(uint32_t crc, const void *bytes, size_t bytes_cnt);
uint32_t tf_crc32c_by_instruction(uint32_t crc, const void *bytes, size_t bytes_cnt);
bool     tf_crc32c_has_instruction(void);

#endif
