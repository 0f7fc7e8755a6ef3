/* The spool as a list on disk: what was appended and not acked comes out again, in order, after any end of the
 * process; what is damaged is lost alone, and told. */
#include "cmocka_tf.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/sink/outq_fixture.h"
#include "core/error.h"
#include "core/log.h"
#include "sink/spool.h"

#define BYTES_MAX (UINT64_C(1) << 20)
#define BATCH     TF_SPOOL_BLOCK_RECORD_MAX

static char folder[] = "/dev/shm/tf_spool_XXXXXX", prefix[64]; /* memory: no disk is waited for */
static tf_spool_t spool;
static TF_ALIGNED(128) uint8_t memory[2 * (TF_SPOOL_BLOCK_BYTES + BATCH * 128 + 128)];

static tf_spool_config_t config_of(void) {
  return (tf_spool_config_t){
      .prefix = prefix, .bytes_max = BYTES_MAX, .shape = tf_record_shape(TF_CARRIES_DECISIONS, 0)};
}

static void open_spool(void) {
  tf_spool_config_t config = config_of();
  assert_true(tf_spool_bytes(&config.shape) <= sizeof memory);
  assert_int_equal(tf_spool_open(&spool, &config, memory), TF_OK);
}

static void clear(void) {
  DIR *d = opendir(folder);
  for (struct dirent *entry; (entry = readdir(d)) != NULL;)
    if (entry->d_name[0] != '.') unlinkat(dirfd(d), entry->d_name, 0);
  closedir(d);
}

static int begin(void **state) {
  (void)state;
  clear();
  return 0;
}

static tf_err_t append(uint64_t first, uint32_t n) {
  tf_decision_t records[BATCH];
  for (uint32_t i = 0; i < n; i++) records[i] = fixture_record(first + i);
  return tf_spool_append(&spool, records, n);
}

/* first .. last, in blocks of changing sizes. */
static void append_all(uint64_t first, uint64_t last) {
  for (uint64_t seq = first; seq <= last;) {
    uint32_t n = (uint32_t)(seq * 7 % BATCH) + 1;
    if (n > last - seq + 1) n = (uint32_t)(last - seq + 1);
    assert_true(tf_spool_has_room(&spool, n));
    assert_int_equal(append(seq, n), TF_OK);
    seq += n;
  }
}

static void assert_reads(uint64_t first, uint64_t last) {
  tf_decision_t records[17];
  while (first <= last) {
    uint32_t k = tf_spool_read(&spool, records, 17);
    assert_true(k > 0);
    for (uint32_t i = 0; i < k; i++) {
      assert_int_equal(records[i].decision_seq, first++);
      assert_true(fixture_is_whole(&records[i]));
    }
  }
  assert_int_equal(first, last + 1);
  assert_int_equal(tf_spool_read(&spool, records, 1), 0);
  assert_true(tf_spool_is_read(&spool));
  assert_int_equal(spool.waiting_cnt, 0);
}

static uint32_t segment_files(void) {
  uint32_t cnt = 0;
  DIR     *d   = opendir(folder);
  for (struct dirent *entry; (entry = readdir(d)) != NULL;)
    cnt += strstr(entry->d_name, ".0") != NULL;
  closedir(d);
  return cnt;
}

static void what_is_appended_is_read_in_order(void **state) {
  (void)state;
  open_spool();
  append_all(1, 1000);
  assert_int_equal(spool.waiting_cnt, 1000);
  assert_reads(1, 1000);
  append_all(1001, 1010);
  assert_reads(1001, 1010);
  append_all(1011, 1020);
  tf_spool_pass(&spool);
  assert_true(tf_spool_is_read(&spool));
  append_all(1021, 1030);
  assert_reads(1021, 1030);
  tf_spool_close(&spool);
}

static void next_engine_gets_what_was_not_acked(void **state) {
  (void)state;
  open_spool();
  append_all(1, 1500);
  assert_reads(1, 1500);
  tf_spool_ack(&spool, 700);
  tf_spool_close(&spool);
  open_spool();
  assert_int_equal(spool.last_seq, 1500);
  assert_int_equal(spool.acked_seq, 700);
  assert_int_equal(spool.recovered_cnt, 800);
  append_all(1501, 1600);
  assert_reads(701, 1600);
  tf_spool_ack(&spool, 1600);
  tf_spool_close(&spool);
  open_spool();
  assert_int_equal(spool.recovered_cnt, 0);
  assert_int_equal(spool.last_seq, 1600);
  assert_reads(1601, 1600);
  tf_spool_close(&spool);
}

static void acked_segments_go_and_the_newest_of_them_stays(void **state) {
  (void)state;
  open_spool();
  append_all(1, 4000); /* 8 segments of 64 KiB */
  uint32_t files = segment_files();
  assert_true(files >= 8);
  tf_spool_ack(&spool, 4000);
  assert_int_equal(segment_files(), 2);
  assert_true(tf_spool_rewind(&spool, 3000, 0) > 3000);
  tf_spool_close(&spool);
}

/* Room is bytes_max, and comes back with acks; the segment that was kept goes first. */
static void full_spool_says_so_and_has_room_again_after_acks(void **state) {
  (void)state;
  open_spool();
  uint64_t last = 0;
  while (tf_spool_has_room(&spool, BATCH)) {
    assert_int_equal(append(last + 1, BATCH), TF_OK);
    last += BATCH;
  }
  assert_true(spool.bytes <= BYTES_MAX && spool.bytes > BYTES_MAX - 2 * sizeof memory);
  assert_reads(1, last);
  tf_spool_ack(&spool, last / 2);
  uint64_t more = last;
  while (tf_spool_has_room(&spool, BATCH)) {
    assert_int_equal(append(more + 1, BATCH), TF_OK);
    more += BATCH;
  }
  assert_true(more - last > last / 4);
  assert_true(spool.bytes <= BYTES_MAX);
  assert_reads(last + 1, more);
  tf_spool_close(&spool);
}

static void destination_that_lost_what_it_acked_gets_it_again(void **state) {
  (void)state;
  open_spool();
  append_all(1, 300);
  assert_reads(1, 300);
  tf_spool_ack(&spool, 200);
  append_all(301, 320);
  assert_int_equal(tf_spool_rewind(&spool, 120, 100), 121);
  assert_int_equal(spool.waiting_cnt, 120); /* 201 .. 320; the others were acked once */
  assert_reads(121, 320);
  tf_spool_close(&spool);
}

/* ---- damage ---- */

static size_t slurp(const char *path, uint8_t *bytes, size_t cap) {
  int     fd = open(path, O_RDONLY);
  ssize_t n  = read(fd, bytes, cap);
  close(fd);
  return (size_t)n;
}

static void spill_out(const char *path, const uint8_t *bytes, size_t bytes_cnt) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_int_equal(write(fd, bytes, bytes_cnt), bytes_cnt);
  close(fd);
}

/* What comes out of the first segment, of blocks of 3 records, is a run of whole blocks from its beginning. */
static uint64_t assert_prefix(void) {
  uint64_t      cnt = 0;
  tf_decision_t record;
  open_spool();
  uint64_t recovered = spool.recovered_cnt;
  while (tf_spool_read(&spool, &record, 1)) {
    assert_int_equal(record.decision_seq, ++cnt);
    assert_true(fixture_is_whole(&record));
  }
  assert_int_equal(cnt, recovered);
  assert_int_equal(cnt % 3, 0);
  tf_spool_close(&spool);
  return cnt;
}

static uint8_t original[8192];
static size_t  original_bytes;

static void make_segment(char *path) {
  snprintf(path, 80, "%s.000001", prefix);
  open_spool();
  for (uint64_t seq = 1; seq <= 30; seq += 3) assert_int_equal(append(seq, 3), TF_OK);
  tf_spool_close(&spool);
  original_bytes = slurp(path, original, sizeof original);
  assert_int_equal(original_bytes, TF_SPOOL_HEADER_BYTES + 10 * (TF_SPOOL_BLOCK_BYTES + 3 * 128));
}

static void every_cut_leaves_an_exact_prefix(void **state) {
  (void)state;
  char path[80];
  make_segment(path);
  for (size_t cut = 0; cut <= original_bytes; cut++) {
    size_t whole = cut < TF_SPOOL_HEADER_BYTES
                       ? 0
                       : (cut - TF_SPOOL_HEADER_BYTES) / (TF_SPOOL_BLOCK_BYTES + 3 * 128);
    spill_out(path, original, cut);
    assert_int_equal(assert_prefix(), 3 * whole);
  }
}

static void every_flipped_bit_is_found(void **state) {
  (void)state;
  char path[80];
  make_segment(path);
  for (size_t bit = 0; bit < original_bytes * 8; bit++) {
    size_t byte = bit / 8, block = TF_SPOOL_BLOCK_BYTES + 3 * 128;
    if (bit % 8 != byte % 8 && byte >= 512) continue; /* all bits of the first, one of the others */
    original[byte] ^= (uint8_t)(1u << bit % 8);
    spill_out(path, original, original_bytes);
    original[byte] ^= (uint8_t)(1u << bit % 8);
    size_t whole = byte < TF_SPOOL_HEADER_BYTES ? 0 : (byte - TF_SPOOL_HEADER_BYTES) / block;
    assert_int_equal(assert_prefix(), 3 * whole);
  }
}

static void damage_loses_the_rest_of_its_segment_alone(void **state) {
  (void)state;
  char path[80];
  make_segment(path);
  open_spool(); /* goes on in the second */
  append_all(31, 60);
  tf_spool_close(&spool);
  original[TF_SPOOL_HEADER_BYTES + 40] ^= 1;
  spill_out(path, original, original_bytes);
  open_spool();
  assert_int_equal(spool.recovered_cnt, 30);
  assert_true(spool.damaged_bytes > 0);
  assert_reads(31, 60);
  tf_spool_close(&spool);
}

static void damage_after_the_start_is_counted_as_lost(void **state) {
  (void)state;
  char path[80];
  make_segment(path);
  open_spool();
  append_all(31, 40);
  original[TF_SPOOL_HEADER_BYTES + 40] ^= 1;
  spill_out(path, original, original_bytes);
  assert_reads(31, 40);
  assert_int_equal(spool.lost_cnt, 30);
  tf_spool_close(&spool);
}

static void each_bit_of_the_mark_may_flip(void **state) {
  (void)state;
  char    path[80];
  uint8_t mark[64];
  open_spool();
  append_all(1, 100);
  assert_reads(1, 100);
  tf_spool_ack(&spool, 40);
  tf_spool_tend(&spool, 10 * TF_SPOOL_SYNC_NS);
  tf_spool_ack(&spool, 60);
  tf_spool_close(&spool);
  snprintf(path, sizeof path, "%s.mark", prefix);
  assert_int_equal(slurp(path, mark, sizeof mark), sizeof mark);
  for (size_t bit = 0; bit < sizeof mark * 8; bit++) {
    mark[bit / 8] ^= (uint8_t)(1u << bit % 8);
    spill_out(path, mark, sizeof mark);
    mark[bit / 8] ^= (uint8_t)(1u << bit % 8);
    open_spool();
    assert_true(spool.acked_seq == 60 || spool.acked_seq == 40); /* the other of the two */
    tf_spool_close(&spool);
  }
}

/* ---- what is refused ---- */

static void second_engine_and_foreign_files_are_refused(void **state) {
  (void)state;
  tf_spool_config_t              config = config_of();
  static tf_spool_t              second;
  static TF_ALIGNED(128) uint8_t second_memory[sizeof memory];
  open_spool();
  assert_int_equal(tf_spool_open(&second, &config, second_memory), E_FILE_BUSY);
  append_all(1, 3);
  tf_spool_close(&spool);
  config.shape = tf_record_shape(TF_CARRIES_EVENTS, 0);
  assert_int_equal(tf_spool_open(&spool, &config, memory), E_FILE_FORMAT);
  assert_non_null(strstr(tf_error_text(), "another path"));
  config        = config_of();
  config.prefix = "/nonexistent/x";
  assert_int_equal(tf_spool_open(&spool, &config, memory), E_FILE_OPEN);
  char path[80];
  snprintf(path, sizeof path, "%s.000007", prefix);
  assert_int_equal(mkfifo(path, 0600), 0);
  config = config_of();
  assert_int_equal(tf_spool_open(&spool, &config, memory), E_FILE_OPEN);
  unlink(path);
  assert_int_equal(symlink("/etc/passwd", path), 0);
  assert_int_equal(tf_spool_open(&spool, &config, memory), E_FILE_OPEN);
}

static void full_disk_takes_nothing_and_is_asked_again(void **state) {
  (void)state;
  open_spool();
  append_all(1, 100);
  struct rlimit before, small;
  getrlimit(RLIMIT_FSIZE, &before);
  small          = before;
  small.rlim_cur = spool.segments[0].bytes + 100; /* amid the next block */
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  for (int i = 0; i < 3; i++) assert_int_equal(append(101, 5), E_FILE_WRITE);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(spool.write_errors, 3);
  assert_int_equal(append(101, 5), TF_OK);
  assert_reads(1, 105);
  tf_spool_close(&spool);
  open_spool();
  assert_int_equal(spool.recovered_cnt, 105);
  tf_spool_close(&spool);
}

/* ---- kill -9 ---- */

/* Appends for ever, and says after each block up to where; the parent kills it after so many. */
static void append_and_tell(int fd) {
  open_spool();
  for (uint64_t seq = spool.last_seq + 1;;) {
    uint32_t n = (uint32_t)(seq % 9) + 1;
    if (!tf_spool_has_room(&spool, n) || append(seq, n)) _exit(1);
    seq += n;
    uint64_t last = seq - 1;
    if (write(fd, &last, sizeof last) != sizeof last) _exit(1);
  }
}

static void killed_engine_loses_nothing_that_was_appended(void **state) {
  (void)state;
  uint64_t acked = 0;
  for (uint32_t round = 0; round < 60; round++) {
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    if (child == 0) append_and_tell(pipe_fds[1]);
    close(pipe_fds[1]);
    uint64_t told = 0;
    for (uint32_t block = 0; block <= round % 13; block++)
      assert_int_equal(read(pipe_fds[0], &told, sizeof told), sizeof told);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (uint64_t more; read(pipe_fds[0], &more, sizeof more) == sizeof more;) told = more;
    close(pipe_fds[0]);
    open_spool();
    assert_true(spool.last_seq >= told);
    assert_reads(acked + 1, spool.last_seq);
    acked = spool.last_seq - round % 3; /* some stay for the next round */
    tf_spool_ack(&spool, acked);
    tf_spool_close(&spool);
  }
}

int main(void) {
  tf_log_level_set(TF_LOG_FATAL);
  if (!mkdtemp(folder)) return 1;
  snprintf(prefix, sizeof prefix, "%s/s", folder);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(what_is_appended_is_read_in_order, begin),
      cmocka_unit_test_setup(next_engine_gets_what_was_not_acked, begin),
      cmocka_unit_test_setup(acked_segments_go_and_the_newest_of_them_stays, begin),
      cmocka_unit_test_setup(full_spool_says_so_and_has_room_again_after_acks, begin),
      cmocka_unit_test_setup(destination_that_lost_what_it_acked_gets_it_again, begin),
      cmocka_unit_test_setup(every_cut_leaves_an_exact_prefix, begin),
      cmocka_unit_test_setup(every_flipped_bit_is_found, begin),
      cmocka_unit_test_setup(damage_loses_the_rest_of_its_segment_alone, begin),
      cmocka_unit_test_setup(damage_after_the_start_is_counted_as_lost, begin),
      cmocka_unit_test_setup(each_bit_of_the_mark_may_flip, begin),
      cmocka_unit_test_setup(second_engine_and_foreign_files_are_refused, begin),
      cmocka_unit_test_setup(full_disk_takes_nothing_and_is_asked_again, begin),
      cmocka_unit_test_setup(killed_engine_loses_nothing_that_was_appended, begin),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  clear();
  rmdir(folder);
  return failed;
}
