/* What the tests of the journal share: one journal at one path, decisions that follow from their number, and reading
 * back that checks them. */
#ifndef TESTS_ADAPTERS_FILE_JOURNAL_RIG_H
#define TESTS_ADAPTERS_FILE_JOURNAL_RIG_H

#include "cmocka_tf.h"

#include "adapters/file/made_file.h"
#include "core/error.h"
#include "core/log.h"
#include "file/journal.h"
#include "file/journal_reader.h"

static tf_journal_t        journal;
static tf_journal_reader_t reader;
static char                path[256];

static inline tf_decision_t decision(uint64_t seq) {
  return (tf_decision_t){.decision_seq  = seq,
                         .ingest_seq    = seq * 3,
                         .ref_price     = (int64_t)seq * 1000003,
                         .score         = (float)seq / 7,
                         .ref_price_exp = -2,
                         .version       = TF_DECISION_VERSION};
}

static inline tf_journal_config_t config_of(tf_journal_durable_t durable) {
  return (tf_journal_config_t){.path = path, .durable = durable, .interval_ns = 1000};
}

static inline void fresh(const char *name) {
  snprintf(path, sizeof path, "%s", made_path(name));
  unlink(path);
}

static inline void append(uint64_t first, uint32_t n, uint64_t now_ns) {
  for (uint32_t i = 0; i < n; i++) {
    tf_decision_t d = decision(first + i);
    assert_int_equal(tf_journal_append(&journal, &d, 1, now_ns), 1);
  }
}

/* Reads the journal up to its end or its first loss. Decisions must be 1, 2, 3 ... */
static inline tf_journal_read_t read_prefix(uint64_t *cnt) {
  tf_journal_read_t result;
  *cnt = 0;
  while ((result = tf_journal_reader_next(&reader)) == TF_JOURNAL_READ_BLOCK) {
    const tf_journal_block_header_t *header = tf_journal_reader_header(&reader);
    if (header->kind != TF_JOURNAL_DECISIONS) continue;
    for (uint32_t i = 0; i < header->record_cnt; i++) {
      tf_decision_t want = decision(++*cnt);
      assert_memory_equal(&tf_journal_reader_decisions(&reader)[i], &want, sizeof want);
    }
  }
  return result;
}

static inline uint64_t read_clean(void) {
  uint64_t cnt;
  assert_int_equal(tf_journal_reader_init(&reader, path), 0);
  assert_int_equal(read_prefix(&cnt), TF_JOURNAL_READ_END);
  tf_journal_reader_fini(&reader);
  return cnt;
}

/* A journal of blocks with 1, 2, 3 ... decisions; ends[i] is its length after i + 1 blocks. */
static inline bytes_t small_journal(uint64_t *ends, uint64_t *seqs, uint32_t block_cnt) {
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("small");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  uint64_t seq = 1;
  for (uint32_t i = 0; i < block_cnt; i++) {
    append(seq, i + 1, 5);
    seq += i + 1;
    assert_int_equal(tf_journal_flush(&journal, 5), 0);
    ends[i] = journal.offset;
    seqs[i] = seq - 1;
  }
  assert_int_equal(tf_journal_fini(&journal), 0);
  return made_read(path);
}

#define BLOCKS    6
#define START_END (64 + 64 + 128) /* file header and start block */

/* The journal's file from now on: every write fails (EBADF), or every fdatasync (EINVAL, of a pipe). */
static inline void break_file(bool sync_only) {
  static int pipes[2];
  if (!sync_only) {
    journal.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return;
  }
  assert_int_equal(pipe(pipes), 0);
  close(pipes[1]);
  journal.fd = pipes[0];
}

#endif
