/* What a journal holds and who may write it: formats, owners, blocks, epochs, the watermark. */

#include "adapters/file/journal_rig.h"

static void what_is_no_journal_is_refused_and_left_alone(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("other");
  static const char *const foreign[] = {"x", "TFJRNX", "hello, this is some other file of a user"};
  for (size_t i = 0; i < TF_ARRAY_CNT(foreign); i++) {
    made_file("other", foreign[i], strlen(foreign[i]));
    assert_int_equal(tf_journal_init(&journal, &config), E_FILE_FORMAT);
    assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_FORMAT);
    bytes_t after = made_read(path);
    assert_int_equal(after.cnt, strlen(foreign[i]));
    assert_memory_equal(after.p, foreign[i], after.cnt);
    free(after.p);
  }
  unlink(path);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_OPEN);
  assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_OPEN);
  unlink(path);
  assert_int_equal(symlink("small", path), 0);
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_OPEN);
  assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_OPEN);
  unlink(path);
  config.path = made_dir;
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_OPEN);
  config.path = "/absent/journal";
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_OPEN);
  config.path = NULL;
  assert_int_equal(tf_journal_init(&journal, &config), E_CORE_ARGUMENT);
  made_file("other", "", 0);
  assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_FORMAT);
}

static void another_version_or_record_size_is_refused(void **state) {
  (void)state;
  uint64_t ends[1], seqs[1];
  bytes_t  all = small_journal(ends, seqs, 1);
  for (int field = 0; field < 4; field++) {
    tf_journal_file_header_t header;
    memcpy(&header, all.p, sizeof header);
    uint32_t *fields[] = {&header.version, &header.header_bytes, &header.record_bytes,
                          &header.decision_version};
    ++*fields[field];
    header.crc    = tf_journal_header_crc(&header);
    bytes_t other = made_joined((bytes_t){(uint8_t *)&header, sizeof header},
                                (bytes_t){all.p + 64, all.cnt - 64});
    made_file("small", other.p, other.cnt);
    tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
    assert_int_equal(tf_journal_init(&journal, &config), E_FILE_FORMAT);
    assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_FORMAT);
    free(other.p);
  }
  free(all.p);
}

static void a_second_engine_is_refused_with_the_owners_pid(void **state) {
  (void)state;
  static tf_journal_t second;
  char                pid[32];
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("locked");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  assert_int_equal(tf_journal_init(&second, &config), E_FILE_BUSY);
  snprintf(pid, sizeof pid, "pid %d", (int)getpid());
  assert_non_null(strstr(tf_error_text(), pid));
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(tf_journal_init(&second, &config), 0);
  assert_int_equal(tf_journal_fini(&second), 0);
}

static void the_watermark_follows_the_policy(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("none");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  append(1, 2, 5);
  assert_int_equal(tf_journal_flush(&journal, UINT64_MAX), 0);
  assert_int_equal(tf_journal_durable_seq(&journal), 0);
  assert_int_equal(journal.counts.syncs, 0);
  assert_int_equal(tf_journal_fini(&journal), 0);

  config = config_of(TF_JOURNAL_DURABLE_INTERVAL);
  fresh("interval");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  uint64_t syncs = journal.counts.syncs;
  append(1, 2, 5);
  assert_int_equal(tf_journal_flush(&journal, 999), 0);
  assert_int_equal(tf_journal_durable_seq(&journal), 0);
  assert_int_equal(tf_journal_flush(&journal, 1000), 0);
  assert_int_equal(tf_journal_durable_seq(&journal), 2);
  assert_int_equal(tf_journal_flush(&journal, 5000), 0); /* nothing new: no sync */
  assert_int_equal(journal.counts.syncs, syncs + 1);
  append(3, 1, 5001);
  assert_int_equal(tf_journal_flush(&journal, 5001), 0);
  assert_int_equal(tf_journal_durable_seq(&journal), 3);
  append(4, 1, 5002);
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(tf_journal_durable_seq(&journal), 4);
}

static void a_full_block_is_written_without_flush(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("blocks");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  append(1, TF_JOURNAL_BLOCK_RECORDS_MAX - 1, 5);
  assert_int_equal(journal.counts.records_written, 0);
  append(TF_JOURNAL_BLOCK_RECORDS_MAX, 1, 5);
  assert_int_equal(journal.counts.records_written, TF_JOURNAL_BLOCK_RECORDS_MAX);
  assert_int_equal(read_clean(), TF_JOURNAL_BLOCK_RECORDS_MAX);
  append(TF_JOURNAL_BLOCK_RECORDS_MAX + 1, 3 * TF_JOURNAL_BLOCK_RECORDS_MAX / 2, 5);
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(read_clean(),
                   TF_JOURNAL_BLOCK_RECORDS_MAX + 3 * TF_JOURNAL_BLOCK_RECORDS_MAX / 2);
}

static void each_start_has_an_epoch_of_its_own(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_BLOCK);
  fresh("epochs");
  for (uint32_t epoch = 1; epoch <= 3; epoch++) { /* also when nothing was decided */
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    assert_int_equal(journal.epoch, epoch);
    assert_int_equal(tf_journal_fini(&journal), 0);
  }
  config.epoch_min = 10;
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  assert_int_equal(journal.epoch, 10);
  assert_int_equal(tf_journal_fini(&journal), 0);
}

static void instruments_are_named_before_decisions_on_them(void **state) {
  (void)state;
  static tf_instrument_t rows[40];
  tf_instruments_t       table  = {.rows = rows, .cap = 40, .cnt = 1};
  tf_journal_config_t    config = config_of(TF_JOURNAL_DURABLE_NONE);
  config.instruments            = &table;
  for (uint32_t i = 0; i < 40; i++) {
    rows[i].id = i;
    snprintf(rows[i].name, sizeof rows[i].name, "I%u.FAKE", i);
  }
  fresh("names");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  append(1, 1, 5);
  assert_int_equal(tf_journal_flush(&journal, 5), 0);
  table.cnt = 40;
  append(2, 1, 5);
  assert_int_equal(tf_journal_flush(&journal, 5), 0);
  append(3, 1, 5);
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(tf_journal_reader_init(&reader, path), 0);
  uint32_t named = 0, decisions = 0;
  while (tf_journal_reader_next(&reader) == TF_JOURNAL_READ_BLOCK) {
    const tf_journal_block_header_t *header = tf_journal_reader_header(&reader);
    if (header->kind == TF_JOURNAL_DECISIONS) {
      assert_int_equal(named, decisions++ == 0 ? 1 : 40);
      continue;
    }
    for (uint32_t i = 0; header->kind == TF_JOURNAL_INSTRUMENTS && i < header->record_cnt; i++) {
      const tf_journal_instrument_t *row = &tf_journal_reader_instruments(&reader)[i];
      assert_int_equal(row->id, named);
      assert_string_equal(row->name, rows[named++].name);
    }
  }
  assert_int_equal(decisions, 3);
  assert_int_equal(named, 40);
  tf_journal_reader_fini(&reader);
}

static void a_journal_is_read_while_it_is_written(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("live");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  assert_int_equal(tf_journal_reader_init(&reader, path), 0);
  for (uint64_t seq = 1; seq < 20; seq++) {
    append(seq, 1, 5);
    assert_int_equal(tf_journal_flush(&journal, 5), 0);
    while (tf_journal_reader_next(&reader) == TF_JOURNAL_READ_BLOCK) {
    }
    assert_int_equal(reader.last_seq, seq);
  }
  assert_int_equal(tf_journal_fini(&journal), 0);
  tf_journal_reader_fini(&reader);
}

static void durable_words_are_parsed(void **state) {
  (void)state;
  tf_journal_durable_t durable;
  assert_true(tf_journal_durable_parse("none", &durable) && durable == TF_JOURNAL_DURABLE_NONE);
  assert_true(tf_journal_durable_parse("block", &durable) && durable == TF_JOURNAL_DURABLE_BLOCK);
  assert_true(tf_journal_durable_parse("interval", &durable) &&
              durable == TF_JOURNAL_DURABLE_INTERVAL);
  assert_false(tf_journal_durable_parse("", &durable));
  assert_false(tf_journal_durable_parse("always", &durable));
}

int main(void) {
  tf_log_level_set(TF_LOG_ERROR);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_no_journal_is_refused_and_left_alone),
      cmocka_unit_test(another_version_or_record_size_is_refused),
      cmocka_unit_test(a_second_engine_is_refused_with_the_owners_pid),
      cmocka_unit_test(the_watermark_follows_the_policy),
      cmocka_unit_test(a_full_block_is_written_without_flush),
      cmocka_unit_test(each_start_has_an_epoch_of_its_own),
      cmocka_unit_test(instruments_are_named_before_decisions_on_them),
      cmocka_unit_test(a_journal_is_read_while_it_is_written),
      cmocka_unit_test(durable_words_are_parsed),
  };
  return cmocka_run_group_tests(tests, made_dir_setup, made_dir_teardown);
}
