/* The client on journals that are written here. */
#include "cmocka_tf.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/tickfuse_client.h"
#include "file/journal.h"

#define LONG_NS (60 * TF_NS_PER_SEC)

static char folder[64], path[96], url[128];

static int folder_make(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/tf-client-journal.XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/out.journal", folder);
  snprintf(url, sizeof url, "journal:%s", path);
  return 0;
}

static int folder_remove(void **state) {
  (void)state;
  char file[128];
  unlink(path);
  for (int i = 1; i < 4; i++) {
    snprintf(file, sizeof file, "%s.%d", path, i);
    unlink(file);
  }
  return rmdir(folder);
}

static void write_some(tf_journal_t *journal, uint64_t from, uint64_t to) {
  for (uint64_t seq = from; seq <= to; seq++) {
    tf_decision_t d = {.decision_seq = seq, .ref_price = (int64_t)seq * 10};
    assert_int_equal(tf_journal_append(journal, &d, 1, 1), 1);
  }
  assert_int_equal(tf_journal_flush(journal, 1), TF_OK);
}

static void journal_open(tf_journal_t *journal, const char *at) {
  static tf_instrument_t rows[1] = {
      {.name = "BTCUSDT.BINANCE-SPOT", .price_exp = -2}
  };
  static tf_instruments_t instruments = {.rows = rows, .cap = 1, .cnt = 1};
  tf_journal_config_t     config      = {.path = at, .instruments = &instruments};
  assert_int_equal(tf_journal_init(journal, &config), TF_OK);
}

static tf_journal_t journal;

static void journal_of(uint64_t from, uint64_t to) {
  journal_open(&journal, path);
  write_some(&journal, from, to);
  assert_int_equal(tf_journal_fini(&journal), TF_OK);
}

static tf_client_t *client_open(uint64_t resume_from, uint32_t flags) {
  char                error[TF_CLIENT_ERROR_BYTES];
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  options.resume_from         = resume_from;
  options.flags               = flags;
  tf_client_t *client         = tf_client_open(url, &options, error, sizeof error);
  if (!client) fail_msg("%s", error);
  return client;
}

static tf_client_message_t next_of(tf_client_t *client, tf_client_kind_t wanted) {
  tf_client_message_t m;
  tf_client_kind_t    kind = tf_client_next(client, &m);
  if (kind != wanted) fail_msg("kind %d, %d wanted: %s", kind, wanted, tf_client_error(client));
  return m;
}

static void records_are(tf_client_t *client, uint64_t from, uint64_t to) {
  for (uint64_t seq = from; seq <= to; seq++) {
    tf_client_message_t m = next_of(client, TF_CLIENT_RECORD);
    assert_int_equal(m.seq, seq);
    assert_int_equal(((const tf_decision_t *)m.record)->ref_price, seq * 10);
  }
}

static void a_journal_is_read_to_its_end_from_where_it_is_asked(void **state) {
  (void)state;
  journal_of(1, 1200); /* three blocks */
  tf_client_t *all = client_open(TF_CLIENT_OLDEST, 0);
  next_of(all, TF_CLIENT_UP);
  records_are(all, 1, 1200);
  assert_int_equal(next_of(all, TF_CLIENT_END).reason, TF_CLIENT_REASON_FILE_END);
  assert_string_equal(tf_client_instrument_name(all, 0), "BTCUSDT.BINANCE-SPOT");
  tf_client_close(all);
  tf_client_t *late = client_open(777, 0);
  next_of(late, TF_CLIENT_UP);
  records_are(late, 777, 1200);
  next_of(late, TF_CLIENT_END);
  tf_client_close(late);
}

static void a_journal_is_followed_and_wakes_who_waits(void **state) {
  (void)state;
  journal_open(&journal, path);
  write_some(&journal, 1, 5);
  tf_client_t *client = client_open(TF_CLIENT_NEXT, TF_CLIENT_FOLLOW);
  assert_int_equal(next_of(client, TF_CLIENT_UP).seq, 6);
  next_of(client, TF_CLIENT_IDLE);
  struct pollfd waits = {.fd = tf_client_fd(client), .events = POLLIN};
  assert_int_equal(poll(&waits, 1, 0), 0);
  write_some(&journal, 6, 8);
  assert_int_equal(poll(&waits, 1, -1), 1);
  records_are(client, 6, 8);
  next_of(client, TF_CLIENT_IDLE);
  write_some(&journal, 9, 9);
  assert_true(tf_client_wait(client, LONG_NS));
  records_are(client, 9, 9);
  tf_client_close(client);
  assert_int_equal(tf_journal_fini(&journal), TF_OK);
}

static void another_engine_in_the_file_is_an_up_and_says_whether_it_began_anew(void **state) {
  (void)state;
  journal_of(1, 3);
  journal_of(4, 5);
  journal_of(1, 2);
  tf_client_t *client = client_open(TF_CLIENT_OLDEST, 0);
  assert_int_equal(next_of(client, TF_CLIENT_UP).epoch, 1);
  records_are(client, 1, 3);
  tf_client_message_t m = next_of(client, TF_CLIENT_UP);
  assert_int_equal(m.epoch, 2);
  assert_int_equal(m.reason, TF_CLIENT_REASON_NONE);
  records_are(client, 4, 5);
  m = next_of(client, TF_CLIENT_UP);
  assert_int_equal(m.epoch, 3);
  assert_int_equal(m.reason, TF_CLIENT_REASON_RESTARTED);
  records_are(client, 1, 2);
  next_of(client, TF_CLIENT_END);
  tf_client_close(client);
}

static void damage_is_told_with_its_place_and_what_is_lost(void **state) {
  (void)state;
  journal_open(&journal, path);
  write_some(&journal, 1, 10);
  off_t at = (off_t)journal.offset;
  write_some(&journal, 11, 20);
  write_some(&journal, 21, 30);
  assert_int_equal(tf_journal_fini(&journal), TF_OK);
  int fd = open(path, O_WRONLY);
  assert_int_equal(pwrite(fd, "damage", 6, at + 200), 6);
  close(fd);
  tf_client_t *client = client_open(TF_CLIENT_OLDEST, 0);
  next_of(client, TF_CLIENT_UP);
  records_are(client, 1, 10);
  tf_client_message_t m = next_of(client, TF_CLIENT_LOST);
  assert_int_equal(m.lost_from, 11);
  assert_int_equal(m.lost_to, 20);
  assert_int_equal(m.lost_cnt, 10);
  assert_int_equal(m.reason, TF_CLIENT_REASON_DAMAGED);
  assert_non_null(strstr(tf_client_error(client), "fail their checksum"));
  records_are(client, 21, 30);
  next_of(client, TF_CLIENT_END);
  tf_client_close(client);
}

static void what_a_sink_left_out_is_missing(void **state) {
  (void)state;
  journal_open(&journal, path);
  write_some(&journal, 1, 2);
  write_some(&journal, 7, 7);
  assert_int_equal(tf_journal_fini(&journal), TF_OK);
  tf_client_t *client = client_open(TF_CLIENT_OLDEST, 0);
  next_of(client, TF_CLIENT_UP);
  records_are(client, 1, 2);
  tf_client_message_t m = next_of(client, TF_CLIENT_LOST);
  assert_int_equal(m.lost_from, 3);
  assert_int_equal(m.lost_to, 6);
  assert_int_equal(m.reason, TF_CLIENT_REASON_MISSING);
  records_are(client, 7, 7);
  tf_client_close(client);
  client = client_open(5, 0); /* 3 and 4 were not asked for */
  next_of(client, TF_CLIENT_UP);
  m = next_of(client, TF_CLIENT_LOST);
  assert_int_equal(m.lost_from, 5);
  assert_int_equal(m.lost_to, 6);
  records_are(client, 7, 7);
  tf_client_close(client);
}

static void a_block_that_is_half_there_is_a_loss_at_the_end_or_waited_for(void **state) {
  (void)state;
  struct stat st;
  journal_of(1, 10);
  assert_int_equal(stat(path, &st), 0);
  journal_open(&journal, path);
  uint64_t begin = journal.offset;
  write_some(&journal, 11, 12);
  uint64_t end = journal.offset;
  uint8_t  block[65536];
  assert_int_equal(tf_journal_fini(&journal), TF_OK);
  int fd = open(path, O_RDWR);
  assert_true(end - begin > 64 && end - begin <= sizeof block);
  assert_int_equal(pread(fd, block, end - begin, (off_t)begin), end - begin);
  assert_int_equal(ftruncate(fd, (off_t)(end - 64)), 0);
  tf_client_t *reads   = client_open(TF_CLIENT_OLDEST, 0);
  tf_client_t *follows = client_open(TF_CLIENT_OLDEST, TF_CLIENT_FOLLOW);
  next_of(reads, TF_CLIENT_UP);
  next_of(follows, TF_CLIENT_UP);
  records_are(reads, 1, 10);
  records_are(follows, 1, 10);
  assert_int_equal(next_of(reads, TF_CLIENT_LOST).reason, TF_CLIENT_REASON_DAMAGED);
  next_of(reads, TF_CLIENT_END);
  next_of(follows, TF_CLIENT_IDLE);
  assert_int_equal(pwrite(fd, block, end - begin, (off_t)begin), end - begin);
  close(fd);
  assert_true(tf_client_wait(follows, LONG_NS));
  next_of(follows, TF_CLIENT_UP); /* the second engine's */
  records_are(follows, 11, 12);
  tf_client_close(reads);
  tf_client_close(follows);
}

/* What a journal does whose file failed behind decision 4: the next segment begins with what was not
 * known to be on disk. */
static void segments_are_read_as_one_journal(void **state) {
  (void)state;
  char segment[128];
  journal_of(1, 6);
  tf_client_t *client = client_open(TF_CLIENT_OLDEST, TF_CLIENT_FOLLOW);
  next_of(client, TF_CLIENT_UP);
  records_are(client, 1, 6);
  next_of(client, TF_CLIENT_IDLE);
  snprintf(segment, sizeof segment, "%s.1", path);
  journal_open(&journal, segment);
  write_some(&journal, 4, 9);
  assert_int_equal(tf_journal_fini(&journal), TF_OK);
  assert_true(tf_client_wait(client, LONG_NS));
  records_are(client, 7, 9);
  next_of(client, TF_CLIENT_IDLE);
  tf_client_counts_t counts;
  tf_client_counts(client, &counts);
  assert_int_equal(counts.doubles, 3);
  tf_client_close(client);
}

#define in_a_folder(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void) {
  const struct CMUnitTest tests[] = {
      in_a_folder(a_journal_is_read_to_its_end_from_where_it_is_asked),
      in_a_folder(a_journal_is_followed_and_wakes_who_waits),
      in_a_folder(another_engine_in_the_file_is_an_up_and_says_whether_it_began_anew),
      in_a_folder(damage_is_told_with_its_place_and_what_is_lost),
      in_a_folder(what_a_sink_left_out_is_missing),
      in_a_folder(a_block_that_is_half_there_is_a_loss_at_the_end_or_waited_for),
      in_a_folder(segments_are_read_as_one_journal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
