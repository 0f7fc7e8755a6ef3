/* A stream in shared memory that somebody made or broke: the input changes words of a good one and
 * cuts it. No crash, no endless read; the reader
 * never moves backwards, so nothing is delivered twice. */
#include <string.h>

#include "fuzz_file.h"
#include "tf/reader.h"

#define SLOTS       64u
#define READS_MAX   1000u
#define IMAGE_BYTES (TF_STREAM_HEADER_BYTES + 65536u)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

static _Alignas(128) uint8_t image[IMAGE_BYTES];

/* Header page, ring, one instrument, some decisions in the ring. */
static uint64_t make_stream(void) {
  uint64_t            ring_bytes = tf_bcast_footprint(SLOTS, TF_STREAM_WORD_CNT);
  uint64_t            table_at   = TF_STREAM_HEADER_BYTES; /* one row fits a line pair */
  uint64_t            ring_at    = table_at + TF_LINE_PAIR_BYTES;
  uint8_t            *ring       = image + ring_at;
  tf_stream_header_t *h          = (tf_stream_header_t *)(void *)image;
  tf_bcast_writer_t   writer;
  tf_decision_t       decision = {.version = TF_DECISION_VERSION};
  memset(image, 0, sizeof image);
  *h = (tf_stream_header_t){.magic              = TF_STREAM_MAGIC,
                            .layout_version     = TF_STREAM_LAYOUT_VERSION,
                            .epoch              = 7,
                            .file_bytes         = ring_at + ring_bytes,
                            .ring_offset        = ring_at,
                            .ring_slot_cnt      = SLOTS,
                            .instruments_offset = table_at,
                            .instruments_cap    = 1,
                            .instrument_bytes   = sizeof(tf_stream_instrument_t),
                            .record_bytes       = sizeof(tf_decision_t),
                            .decision_version   = TF_DECISION_VERSION,
                            .first_seq          = 1,
                            .state              = TF_STREAM_CLOSED,
                            .instruments_cnt    = 1};
  if (!tf_bcast_new(ring, SLOTS, TF_STREAM_WORD_CNT, 1)) abort();
  if (tf_bcast_writer_join(&writer, ring, ring_bytes, TF_STREAM_WORD_CNT)) abort();
  for (uint32_t i = 1; i <= SLOTS + 5; i++) {
    decision.decision_seq = i;
    tf_bcast_write(&writer, &decision, TF_STREAM_WORD_CNT);
  }
  return h->file_bytes;
}

/* The input: how much to cut off, then pairs of a place and a word. */
static uint64_t spoil(const uint8_t *bytes, size_t cnt, uint64_t file_bytes) {
  uint16_t cut = 0, word;
  uint64_t value;
  if (cnt >= 2) memcpy(&cut, bytes, 2);
  for (size_t at = 2; at + 10 <= cnt; at += 10) {
    memcpy(&word, bytes + at, 2);
    memcpy(&value, bytes + at + 2, 8);
    memcpy(image + word % (file_bytes / 8) * 8, &value, 8);
  }
  return cut < file_bytes ? file_bytes - cut : 0;
}

static void read_all(tf_reader_t *reader) {
  tf_decision_t decision;
  tf_reader_seek_oldest(reader);
  for (uint32_t i = 0; i < READS_MAX; i++) {
    uint64_t           before = reader->ring.next_seq;
    tf_reader_result_t result = tf_reader_next(reader, &decision);
    if ((int64_t)(reader->ring.next_seq - before) < 0) abort();
    if (result == TF_READER_READ && reader->ring.next_seq == before) abort();
    if (result == TF_READER_CLOSED || result == TF_READER_DEAD) break;
    if (result == TF_READER_READ) tf_reader_instrument_name(reader, decision.instrument_id);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  tf_reader_t reader;
  char        name[64];
  snprintf(name, sizeof name, "fuzz-%d", (int)getpid());
  uint64_t    kept = spoil(bytes, cnt, make_stream());
  const char *path = fuzz_file("tickfuse.fuzz", image, kept);
  if (tf_reader_open(name, &reader) == TF_OK)
    read_all(&reader);
  else if (cnt < 2)
    abort(); /* an unspoilt one is accepted */
  tf_reader_close(&reader);
  unlink(path);
  return 0;
}
