/* A shared-memory stream in the hands of others: what a consumer may do to it (nothing), and what happens to
 * engine and clients when somebody who may, the engine's own user, writes rubbish into it. */
#include "cmocka_tf.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/tickfuse_client.h"
#include "tf/reader.h"
#include "tf/sink.h"

#define WRITES (100u * 1000u * 1000u)
#define NOBODY 65534
#define SLOTS  1024u

extern const tf_sink_t tf_sink_shm;

static char             name[48], url[64], path[TF_STREAM_PATH_BYTES];
static uint64_t         engine[64], written;
static tf_instrument_t  rows[2]     = {{.name = "BTCUSDT.BINANCE-SPOT"},
                                       {.name = "ETHUSDT.BINANCE-SPOT"}};
static tf_instruments_t instruments = {.rows = rows, .cap = 2, .cnt = 1};

static void path_remove(void) { unlink(path); }

static int engine_open(void **state) {
  (void)state;
  tf_sink_config_t config = {
      .type = "shm", .path = name, .slot_cnt = SLOTS, .epoch = 1, .instruments = &instruments};
  path_remove();
  written         = 0;
  instruments.cnt = 1;
  return tf_sink_shm.open(engine, &config);
}

static int engine_close(void **state) {
  (void)state;
  tf_err_t err = tf_sink_shm.close(engine);
  path_remove();
  return err;
}

static void engine_write(void) {
  tf_decision_t d = {.decision_seq = ++written, .version = TF_DECISION_VERSION};
  assert_int_equal(tf_sink_shm.offer(engine, &d, 1), 1);
}

/* The one descriptor that a consumer gets is for reading, and so no mapping of it can be written, nor be
 * made so later. */
static void a_consumers_mapping_cannot_be_written_or_made_writable(void **state) {
  (void)state;
  tf_reader_t reader;
  assert_int_equal(tf_reader_open(name, &reader), TF_OK);
  void *map = (void *)(uintptr_t)reader.header;
  assert_int_equal(mprotect(map, (size_t)reader.map_bytes, PROT_READ | PROT_WRITE), -1);
  assert_int_equal(errno, EACCES);
  int fd = open(path, O_RDONLY);
  assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
  assert_int_equal(errno, EACCES);
  assert_int_equal(ftruncate(fd, 0), -1);
  close(fd);
  pid_t pid = fork();
  if (pid == 0) { /* it is a signal, and the writer's memory stays what it was */
    signal(SIGSEGV, SIG_DFL);
    prctl(PR_SET_DUMPABLE, 0);
    *(volatile uint64_t *)map = 0;
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(!WIFEXITED(status) || WEXITSTATUS(status) != 0); /* a sanitizer exits */
  assert_int_equal(reader.header->magic, TF_STREAM_MAGIC);
  tf_reader_close(&reader);
}

static void another_user_may_read_and_nothing_else(void **state) {
  (void)state;
  if (geteuid() != 0) skip();
  pid_t pid = fork();
  if (pid == 0) {
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0) _exit(9);
    tf_reader_t reader;
    bool        reads = tf_reader_open(name, &reader) == TF_OK;
    bool writes = open(path, O_RDWR) >= 0 || open(path, O_WRONLY) >= 0 || truncate(path, 0) == 0 ||
                  chmod(path, 0666) == 0 || unlink(path) == 0;
    _exit(reads && !writes ? 0 : 1);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

/* The engine's own user, mad: words anywhere in the file, some random, some made of what is there. */
static void attack(void) {
  struct stat st;
  int         fd = open(path, O_RDWR);
  if (fd < 0 || fstat(fd, &st) != 0) _exit(1);
  uint64_t *words = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (words == MAP_FAILED) _exit(1);
  uint64_t cnt = (uint64_t)st.st_size / 8, x = UINT64_C(0x9e3779b97f4a7c15);
  for (uint32_t i = 0; i < WRITES; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    uint64_t *word = &words[x % cnt];
    /* relaxed: rubbish; half of it near what was there, so that it passes for a stamp or a size */
    tf_store_relaxed(word, x & (1u << 20) ? x : tf_load_relaxed(word) + (x >> 60) * SLOTS);
  }
  _exit(0);
}

static void a_hundred_million_wild_writes_cost_nobody_his_bounds(void **state) {
  (void)state;
  char                error[TF_CLIENT_ERROR_BYTES];
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  tf_client_message_t m;
  uint64_t            last = 0, told = 0;
  int                 status;
  options.flags       = TF_CLIENT_FOLLOW;
  tf_client_t *client = tf_client_open(url, &options, error, sizeof error);
  assert_non_null(client);
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    attack();
  }
  while (waitpid(pid, &status, WNOHANG) == 0) {
    engine_write();
    if (written % 64 == 0) tf_sink_shm.flush(engine, 0);
    if (written == 1000)
      instruments.cnt = 2; /* the engine writes a row more into what was made of it */
    tf_client_kind_t kind = tf_client_next(client, &m);
    told += kind != TF_CLIENT_IDLE;
    tf_client_instrument_name(client, (uint32_t)written);
    tf_client_instrument_price_exp(client, (uint32_t)(written * 7919));
    if (kind == TF_CLIENT_RECORD || kind == TF_CLIENT_LOST) {
      uint64_t from = kind == TF_CLIENT_RECORD ? m.seq : m.lost_from;
      uint64_t to   = kind == TF_CLIENT_RECORD ? m.seq : m.lost_to;
      assert_true(last == 0 || from == last + 1); /* nothing twice, nothing left out untold */
      assert_true((int64_t)(to - from) >= 0);
      last = to;
    }
  }
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  assert_true(told > 0);
  engine_write(); /* and the engine lives */
  tf_client_close(client);
  client =
      tf_client_open(url, &options, error, sizeof error); /* refused, or read: no harm either way */
  for (int i = 0; client && i < 1000; i++) tf_client_next(client, &m);
  tf_client_close(client);
}

#define of_an_engine(test) cmocka_unit_test_setup_teardown(test, engine_open, engine_close)

int main(void) {
  if (access("/dev/shm", W_OK) != 0) {
    printf("skipped: /dev/shm cannot be written here\n");
    return 77;
  }
  snprintf(name, sizeof name, "test-hostile.%d", (int)getpid());
  snprintf(url, sizeof url, "shm:%s", name);
  if (!tf_stream_path(name, path)) return 1;
  atexit(path_remove); /* even if a test fails half-way */
  const struct CMUnitTest tests[] = {
      of_an_engine(a_consumers_mapping_cannot_be_written_or_made_writable),
      of_an_engine(another_user_may_read_and_nothing_else),
      of_an_engine(a_hundred_million_wild_writes_cost_nobody_his_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
