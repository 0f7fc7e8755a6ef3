/* A tape's block: the first bytes are its header, the rest its payload, whose checksums are taken to
 * fit. What decodes must encode to the same events again. */
#include <stdint.h>
#include <string.h>

#include "file/tape_block.h"

#define EVENT_CAP 4096

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  static tf_tape_block_t *reader, *writer;
  static tf_event_t       events[EVENT_CAP], again[EVENT_CAP];
  static uint8_t         *payload;
  if (!reader) {
    if (tf_tape_block_start(&reader, EVENT_CAP, 1) || tf_tape_block_start(&writer, EVENT_CAP, 1))
      abort();
    payload = malloc(tf_tape_block_bytes_max(EVENT_CAP));
    if (!payload) abort();
  }
  tf_tape_block_header_t header;
  if (bytes_cnt < sizeof header) return 0;
  memcpy(&header, bytes, sizeof header);
  header.payload_bytes = (uint32_t)(bytes_cnt - sizeof header);
  if (!tf_tape_block_open(reader, &header, bytes + sizeof header)) return 0;
  uint32_t cnt = 0;
  for (uint32_t n; (n = tf_tape_block_next(reader, events + cnt,
                                           EVENT_CAP - cnt < 100 ? EVENT_CAP - cnt : 100));)
    cnt += n;
  if (cnt != header.record_cnt) abort();
  tf_tape_block_header_t own = {0};
  tf_tape_block_encode(writer, events, cnt, payload, &own);
  if (!tf_tape_block_open(reader, &own, payload) || tf_tape_block_next(reader, again, cnt) != cnt ||
      memcmp(events, again, cnt * sizeof *events) != 0)
    abort();
  return 0;
}
