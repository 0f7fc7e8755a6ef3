/* A journal from anywhere, read on over every loss. The checksums are put right first, unless the first
 * byte is even, so that what lies behind them is reached as well. Each block that is delivered must be
 * one whose CRCs hold, and reading must come to an end. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/error.h"
#include "file/journal_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

static void reseal(uint8_t *bytes, size_t cnt) {
  tf_journal_file_header_t file;
  if (cnt < sizeof file) return;
  memcpy(&file, bytes, sizeof file);
  file.crc = tf_journal_header_crc(&file);
  memcpy(bytes, &file, sizeof file);
  for (size_t at = sizeof file; at + TF_JOURNAL_HEADER_BYTES <= cnt;) {
    tf_journal_block_header_t h;
    memcpy(&h, bytes + at, sizeof h);
    size_t payload = tf_journal_payload_bytes(&h);
    if (h.record_cnt > TF_JOURNAL_BLOCK_RECORDS_MAX || payload > cnt - at - sizeof h) break;
    h.magic       = TF_JOURNAL_BLOCK_MAGIC;
    h.payload_crc = tf_crc32c(0, bytes + at + sizeof h, payload);
    h.header_crc  = tf_journal_header_crc(&h);
    memcpy(bytes + at, &h, sizeof h);
    at += sizeof h + payload;
  }
}

static void read_all(int fd, size_t cnt) {
  static tf_journal_reader_t reader;
  if (tf_journal_reader_init_fd(&reader, fd, "fuzz")) return;
  uint64_t last = 0, steps = 0;
  for (;;) {
    tf_journal_read_t result = tf_journal_reader_next(&reader);
    if (result == TF_JOURNAL_READ_END || result == TF_JOURNAL_READ_ERROR) break;
    TF_ASSERT(steps++ < cnt / 8 + 8);
    TF_ASSERT(reader.offset >= last);
    last = reader.offset;
    if (result == TF_JOURNAL_READ_LOSS) {
      TF_ASSERT(tf_journal_reader_error(&reader) == E_FILE_DAMAGED);
      if (reader.loss.to_end) break;
      continue;
    }
    const tf_journal_block_header_t *h = tf_journal_reader_header(&reader);
    TF_ASSERT(tf_journal_block_header_valid(h));
    TF_ASSERT(tf_crc32c(0, reader.block + TF_JOURNAL_HEADER_BYTES, tf_journal_payload_bytes(h)) ==
              h->payload_crc);
  }
  tf_journal_reader_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  if (cnt < 1) return 0;
  uint8_t *copy = malloc(cnt);
  if (!copy) return 0;
  memcpy(copy, bytes + 1, cnt - 1);
  if (bytes[0] & 1) reseal(copy, cnt - 1);
  int fd = memfd_create("fuzz_journal", MFD_CLOEXEC);
  if (fd >= 0 && write(fd, copy, cnt - 1) == (ssize_t)(cnt - 1)) read_all(fd, cnt);
  if (fd >= 0) close(fd);
  free(copy);
  return 0;
}
