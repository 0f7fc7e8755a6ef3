/* A capture from anywhere: its header, blocks, index and records. The checksums are put right first,
 * unless the first byte is even, so that what lies behind them is reached as well. Every byte that is
 * delivered is read; no order of sizes may lead outside. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "file/outcome_reader.h"
#include "tf/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

static void reseal_blocks(uint8_t *bytes, size_t cnt, size_t at) {
  tf_capture_block_header_t h;
  while (at + sizeof h <= cnt) {
    memcpy(&h, bytes + at, sizeof h);
    if (h.stored_bytes > cnt - at - sizeof h) break;
    h.magic       = TF_CAPTURE_BLOCK_MAGIC;
    h.payload_crc = tf_crc32c(0, bytes + at + sizeof h, h.stored_bytes);
    h.header_crc  = tf_capture_block_crc(&h);
    memcpy(bytes + at, &h, sizeof h);
    at += sizeof h + h.stored_bytes;
  }
}

static void reseal(uint8_t *bytes, size_t cnt) {
  tf_capture_file_header_t h;
  tf_capture_trailer_t     t;
  if (cnt < sizeof h) return;
  memcpy(&h, bytes, sizeof h);
  if (h.header_bytes < sizeof h || h.header_bytes > cnt) return;
  h.crc = tf_capture_header_crc(bytes, h.header_bytes);
  memcpy(bytes, &h, sizeof h);
  reseal_blocks(bytes, cnt, h.header_bytes);
  if (cnt < h.header_bytes + sizeof t) return;
  memcpy(&t, bytes + cnt - sizeof t, sizeof t);
  t.crc = tf_capture_trailer_crc(&t);
  memcpy(bytes + cnt - sizeof t, &t, sizeof t);
}

static void read_all(const char *path, uint64_t seek_ns) {
  tf_capture_reader_t reader;
  tf_capture_item_t   item;
  tf_capture_read_t   result;
  uint64_t            records = 0, sum = 0; /* sum: so that the bytes are read */
  if (tf_capture_reader_init(&reader, path)) return;
  for (uint32_t i = 0; i < reader.source_cnt; i++)
    for (uint32_t k = 0; k < reader.sources[i].symbol_cnt; k++)
      sum += strlen(reader.sources[i].symbols[k]) + strlen(reader.sources[i].url);
  if (seek_ns) tf_capture_reader_seek(&reader, seek_ns);
  while ((result = tf_capture_reader_next(&reader, &item)) == TF_CAPTURE_READ_RECORD) {
    for (uint32_t i = 0; i < item.tap.bytes_cnt + TF_BYTES_PAD; i++)
      sum += (uint8_t)item.tap.bytes[i];
    if (item.tap.target) sum += strlen(item.tap.target);
    if (item.tap.kind <= TF_TAP_CONNECT) TF_ASSERT(item.tap.source_idx < reader.source_cnt);
    TF_ASSERT(item.tap.leg < TF_TAP_LEGS_MAX);
    records++;
  }
  __asm__ volatile("" ::"r"(sum));
  TF_ASSERT(records <= reader.counts.records);
  if (result == TF_CAPTURE_READ_DAMAGE)
    TF_ASSERT(tf_capture_reader_error(&reader) == E_FILE_DAMAGED);
  TF_ASSERT(tf_capture_reader_next(&reader, &item) == result); /* an end is an end */
  tf_capture_reader_fini(&reader);
}

/* What workers answered, by a hand of its own. */
static void read_outcomes(const char *path) {
  tf_outcome_reader_t reader;
  bool                has_any;
  float               sum = 0.0f;
  if (tf_outcome_reader_init(&reader, path, &has_any)) return;
  tf_outcomes_t from = tf_outcome_reader_source(&reader);
  const float  *out;
  for (const tf_outcome_t *o; has_any && (o = from.peek(from.self, &out)); from.take(from.self)) {
    TF_ASSERT(o->asked < TF_ASKED_CNT && o->out_cnt <= TF_OUTCOME_OUTPUTS_MAX);
    for (uint32_t i = 0; i < o->out_cnt; i++) sum += out[i];
  }
  __asm__ volatile("" ::"r"(sum));
  tf_outcome_reader_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  char path[64];
  if (cnt < 1) return 0;
  uint8_t *copy = malloc(cnt);
  if (!copy) return 0;
  memcpy(copy, bytes + 1, cnt - 1);
  if (bytes[0] & 1) reseal(copy, cnt - 1);
  snprintf(path, sizeof path, "/dev/shm/tf_fuzz_capture_%d", (int)getpid());
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd >= 0 && write(fd, copy, cnt - 1) == (ssize_t)(cnt - 1))
    read_all(path, bytes[0] & 2 ? 1000 + bytes[0] : 0), read_outcomes(path);
  if (fd >= 0) close(fd);
  unlink(path);
  free(copy);
  return 0;
}
