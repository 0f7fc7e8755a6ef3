/* Disks that are full or fail: nothing that was taken is lost, and what waits is bounded. */

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "adapters/file/journal_rig.h"

/* The file-size limit cuts writes short at any byte, as a full disk does. */
static void a_disk_full_at_any_byte_loses_nothing_that_was_taken(void **state) {
  (void)state;
  struct rlimit before, limit;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  for (uint64_t full = START_END; full < START_END + 64 + 3 * 128 + 8; full++) {
    bool                synced = full % 64 == 0; /* syncs are slow where /tmp is a disk */
    tf_journal_config_t config =
        config_of(synced ? TF_JOURNAL_DURABLE_BLOCK : TF_JOURNAL_DURABLE_NONE);
    fresh("full");
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    append(1, 3, 5);
    limit = (struct rlimit){full, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    bool     fits = full >= START_END + 64 + 3 * 128;
    tf_err_t err  = tf_journal_flush(&journal, 6);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(err, fits ? 0 : E_FILE_WRITE);
    assert_int_equal(journal.counts.write_errors, !fits);
    assert_int_equal(tf_journal_durable_seq(&journal), synced && fits ? 3 : 0);
    assert_false(tf_journal_failed(&journal));
    assert_int_equal(read_clean(), fits ? 3 : 0);
    /* Room again: what was kept is written, and more. */
    append(4, 1, 7);
    assert_int_equal(tf_journal_flush(&journal, 7), 0);
    assert_int_equal(tf_journal_durable_seq(&journal), synced ? 4 : 0);
    const tf_journal_counts_t *n = &journal.counts;
    assert_int_equal(n->records_taken, 4);
    assert_int_equal(n->records_written, 4);
    assert_int_equal(n->records_durable, synced ? 4 : 0);
    assert_int_equal(tf_journal_fini(&journal), 0);
    assert_int_equal(read_clean(), 4);
  }
}

static void a_full_disk_holds_append_back_until_the_retry(void **state) {
  (void)state;
  static tf_decision_t many[TF_JOURNAL_BLOCK_RECORDS_MAX + 5];
  uint32_t             n = TF_ARRAY_CNT(many);
  for (uint32_t i = 0; i < n; i++) many[i] = decision(i + 1);
  struct rlimit before, limit;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("held");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  limit = (struct rlimit){1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  uint32_t taken = tf_journal_append(&journal, many, n, 100);
  assert_int_equal(taken, TF_JOURNAL_BLOCK_RECORDS_MAX);
  assert_int_equal(journal.counts.write_errors, 1);
  assert_int_equal(tf_journal_append(&journal, many + taken, 5, 101), 0);
  assert_int_equal(journal.counts.write_errors, 1); /* not tried */
  assert_int_equal(tf_journal_append(&journal, many + taken, 5, 100 + TF_JOURNAL_RETRY_NS), 0);
  assert_int_equal(journal.counts.write_errors, 2);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(tf_journal_append(&journal, many + taken, 5, 100 + 2 * TF_JOURNAL_RETRY_NS), 5);
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(read_clean(), n);
}

static uint64_t read_segment(uint32_t segment, uint64_t first, uint64_t *durable_seq) {
  char base[288];
  snprintf(base, sizeof base, "%s.%u", path, segment);
  assert_int_equal(tf_journal_reader_init(&reader, base), 0);
  uint64_t          cnt = 0;
  tf_journal_read_t result;
  while ((result = tf_journal_reader_next(&reader)) == TF_JOURNAL_READ_BLOCK) {
    const tf_journal_block_header_t *header = tf_journal_reader_header(&reader);
    if (header->kind == TF_JOURNAL_START) {
      const tf_journal_start_t *start = (const void *)(reader.block + TF_JOURNAL_HEADER_BYTES);
      *durable_seq                    = start->durable_seq;
      assert_int_equal(start->segment, segment);
    }
    if (header->kind != TF_JOURNAL_DECISIONS) continue;
    for (uint32_t i = 0; i < header->record_cnt; i++) {
      tf_decision_t want = decision(first + cnt++);
      assert_memory_equal(&tf_journal_reader_decisions(&reader)[i], &want, sizeof want);
    }
  }
  assert_int_equal(result, TF_JOURNAL_READ_END);
  tf_journal_reader_fini(&reader);
  return cnt;
}

static void remove_segments(void) {
  char command[288];
  snprintf(command, sizeof command, "rm -f '%s'.*", path);
  assert_int_equal(system(command), 0);
}

/* F56: 5 decisions are durable, 3 written, 2 in the block; then the file fails, at the write or at the
 * sync, and later the new one as well. */
static void a_failed_file_is_left_and_what_was_not_durable_is_written_again(void **state) {
  (void)state;
  for (int sync_only = 0; sync_only < 2; sync_only++) {
    tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_INTERVAL);
    uint64_t            durable;
    fresh(sync_only ? "sync" : "write");
    remove_segments();
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    append(1, 5, 1000);
    assert_int_equal(tf_journal_flush(&journal, 2000), 0);
    assert_int_equal(tf_journal_durable_seq(&journal), 5);
    append(6, 3, 2001);
    assert_int_equal(tf_journal_flush(&journal, 2001), 0);
    append(9, 2, 2002);
    int kept = journal.fd;
    break_file(sync_only);
    if (sync_only) { /* blocks go where they are read back from: only the sync fails */
      int broken = journal.fd;
      journal.fd = kept;
      assert_int_equal(tf_journal_flush(&journal, 2003), 0);
      journal.fd = broken;
    }
    assert_int_equal(tf_journal_flush(&journal, 9000), 0);
    assert_int_equal(journal.counts.segments, 1);
    assert_int_equal(journal.segment, 1);
    assert_int_equal(tf_journal_durable_seq(&journal), sync_only ? 10 : 8);
    assert_int_equal(journal.counts.sync_errors, sync_only);
    assert_false(tf_journal_failed(&journal));
    assert_int_equal(tf_journal_flush(&journal, 20000), 0);
    assert_int_equal(tf_journal_durable_seq(&journal), 10);
    /* The second engine is still refused, and the new segment fails in its turn. */
    break_file(false);
    append(11, 1, 30000);
    assert_int_equal(tf_journal_flush(&journal, 30000), 0);
    assert_int_equal(journal.segment, 2);
    assert_int_equal(tf_journal_fini(&journal), 0);
    close(kept);
    const tf_journal_counts_t *n = &journal.counts;
    assert_int_equal(n->records_taken, 11);
    assert_int_equal(n->records_written, 11);
    assert_int_equal(n->records_durable, 11);
    assert_int_equal(read_segment(1, 6, &durable), 5);
    assert_int_equal(durable, 5);
    assert_int_equal(read_segment(2, 11, &durable), 1);
    assert_int_equal(durable, 10);
    /* A restart goes on in the newest. */
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    assert_int_equal(journal.segment, 2);
    assert_int_equal(journal.recovered.last_seq, 11);
    append(12, 1, 40000);
    assert_int_equal(tf_journal_fini(&journal), 0);
    assert_int_equal(read_segment(2, 11, &durable), 2);
  }
}

static void journal_without_any_place_to_go_ends(void **state) {
  (void)state;
  char                dir[128], away[140];
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_BLOCK);
  snprintf(dir, sizeof dir, "%s", made_path("gone"));
  assert_int_equal(mkdir(dir, 0700), 0);
  snprintf(path, sizeof path, "%s/journal", dir);
  snprintf(away, sizeof away, "%s.away", dir);
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  append(1, 2, 5);
  assert_int_equal(tf_journal_flush(&journal, 5), 0);
  assert_int_equal(rename(dir, away), 0);
  int kept = journal.fd;
  break_file(false);
  append(3, 1, 6);
  assert_int_equal(tf_journal_flush(&journal, 6), E_FILE_WRITE);
  assert_true(tf_journal_failed(&journal));
  tf_decision_t d = decision(4);
  assert_int_equal(tf_journal_append(&journal, &d, 1, 7), 0);
  assert_int_equal(tf_journal_flush(&journal, UINT64_MAX), E_FILE_WRITE);
  assert_int_equal(tf_journal_durable_seq(&journal), 2);
  assert_int_equal(tf_journal_fini(&journal), E_FILE_WRITE);
  close(kept);
  snprintf(path, sizeof path, "%s/journal", away);
  assert_int_equal(read_clean(), 2);
}

/* More than is kept for a rewrite waits for a sync: then the sync comes early. */
static void what_waits_for_a_sync_is_bounded(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_INTERVAL);
  config.interval_ns         = UINT64_MAX;
  fresh("bounded");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  uint64_t syncs = journal.counts.syncs, seq = 1;
  for (; journal.counts.syncs == syncs; seq += 100) {
    append(seq, 100, 5);
    assert_int_equal(tf_journal_flush(&journal, 5), 0);
    assert_true(seq < 10000);
  }
  assert_true(tf_journal_durable_seq(&journal) > 3000);
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(read_clean(), seq - 1);
}

int main(void) {
  tf_log_level_set(TF_LOG_ERROR);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_disk_full_at_any_byte_loses_nothing_that_was_taken),
      cmocka_unit_test(a_full_disk_holds_append_back_until_the_retry),
      cmocka_unit_test(a_failed_file_is_left_and_what_was_not_durable_is_written_again),
      cmocka_unit_test(journal_without_any_place_to_go_ends),
      cmocka_unit_test(what_waits_for_a_sync_is_bounded),
  };
  return cmocka_run_group_tests(tests, made_dir_setup, made_dir_teardown);
}
