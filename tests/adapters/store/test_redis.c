/* Redis as it is: a real server, killed and started again under the store. */
#include "cmocka_tf.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "redis_server.h"
#include "store/registry.h"

#define EXIT_SKIPPED 77

extern const tf_model_store_t tf_store_redis;

static redis_server_t          server;
static tf_model_store_config_t config;
static void                   *store;
static char                    id[65];

static void begin(uint64_t blob_bytes_max) {
  config = (tf_model_store_config_t){
      .where = server.url, .blob_bytes_max = blob_bytes_max, .timeout_ns = TF_NS_PER_SEC};
  assert_int_equal(tf_store_redis.open(&config, &store), TF_OK);
  memset(id, 'a', 64);
}

static tf_model_store_result_t put(const void *bytes, size_t cnt) {
  return tf_store_redis.put(store, id, bytes, cnt);
}

static tf_model_store_result_t gets(const void *bytes, size_t cnt) {
  uint8_t                *blob = NULL;
  size_t                  got  = 0;
  tf_model_store_result_t r    = tf_store_redis.get(store, id, &blob, &got);
  if (r == TF_MODEL_STORE_DONE) {
    assert_int_equal(got, cnt);
    assert_memory_equal(blob, bytes, cnt);
  }
  free(blob);
  return r;
}

static int set_up(void **state) {
  (void)state;
  return redis_server_start(&server, 0, NULL, NULL) ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  tf_store_redis.close(store);
  store = NULL;
  redis_server_kill(&server);
  return 0;
}

static void bytes_of_any_kind_come_back_as_they_were(void **state) {
  (void)state;
  uint8_t *bytes = malloc(1 << 20);
  for (size_t i = 0; i < 1 << 20; i++) bytes[i] = (uint8_t)(i * 31 >> 3);
  begin(1 << 20);
  assert_int_equal(gets(NULL, 0), TF_MODEL_STORE_MISS);
  for (size_t cnt = 1; cnt <= 1 << 20; cnt *= 32) {
    assert_int_equal(put(bytes, cnt), TF_MODEL_STORE_DONE);
    assert_int_equal(gets(bytes, cnt), TF_MODEL_STORE_DONE);
  }
  tf_store_redis.drop(store, id);
  assert_int_equal(gets(NULL, 0), TF_MODEL_STORE_MISS);
  free(bytes);
}

static void blob_over_the_limit_is_neither_written_nor_read(void **state) {
  (void)state;
  static const uint8_t bytes[101];
  begin(101);
  assert_int_equal(put(bytes, 101), TF_MODEL_STORE_DONE);
  tf_store_redis.close(store);
  begin(100);
  assert_int_equal(gets(bytes, 101), TF_MODEL_STORE_MISS);
  assert_int_equal(put(bytes, 101), TF_MODEL_STORE_MISS);
  assert_int_equal(put(bytes, 100), TF_MODEL_STORE_DONE);
  assert_int_equal(gets(bytes, 100), TF_MODEL_STORE_DONE);
}

static void server_that_dies_is_reported_at_once_and_found_again(void **state) {
  (void)state;
  begin(1000);
  assert_int_equal(put("one", 3), TF_MODEL_STORE_DONE);
  int port = server.port;
  redis_server_kill(&server);
  uint64_t before_ns = tf_clock_monotonic_ns();
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(gets("one", 3), TF_MODEL_STORE_FAILED);
    assert_int_equal(put("two", 3), TF_MODEL_STORE_FAILED);
    tf_store_redis.drop(store, id);
  }
  assert_true(tf_clock_monotonic_ns() - before_ns <
              TF_NS_PER_SEC / 2); /* it does not try each time */
  assert_true(redis_server_start(&server, port, NULL, NULL));
  tf_model_store_result_t r = TF_MODEL_STORE_FAILED;
  for (int i = 0; i < 500 && r == TF_MODEL_STORE_FAILED; i++) {
    r = gets(NULL, 0);
    usleep(20000);
  }
  assert_int_equal(r, TF_MODEL_STORE_MISS); /* a new server, that knows nothing */
  assert_int_equal(put("two", 3), TF_MODEL_STORE_DONE);
}

/* It stops answering, but its connection stands: a call lasts as long as the timeout. */
static void server_that_hangs_costs_one_timeout(void **state) {
  (void)state;
  begin(1000);
  assert_int_equal(put("one", 3), TF_MODEL_STORE_DONE);
  tf_store_redis.close(store);
  config.timeout_ns = 100 * TF_NS_PER_MS;
  assert_int_equal(tf_store_redis.open(&config, &store), TF_OK);
  assert_int_equal(gets("one", 3), TF_MODEL_STORE_DONE);
  kill(server.pid, SIGSTOP);
  uint64_t before_ns = tf_clock_monotonic_ns();
  assert_int_equal(gets("one", 3), TF_MODEL_STORE_FAILED);
  uint64_t took_ns = tf_clock_monotonic_ns() - before_ns;
  kill(server.pid, SIGCONT);
  assert_in_range(took_ns, 90 * TF_NS_PER_MS, 2 * TF_NS_PER_SEC);
}

static void what_redis_refuses_is_a_failure_with_its_words(void **state) {
  (void)state;
  redis_server_kill(&server);
  assert_true(
      redis_server_start(&server, 0, "--maxmemory", "1000")); /* less than an empty server takes */
  begin(1000);
  assert_int_equal(put("one", 3), TF_MODEL_STORE_FAILED);
  assert_non_null(strstr(tf_error_text(), "OOM"));
}

/* ---- passwords ---- */

static char secret_path[] = "/tmp/tf-redis-XXXXXX";

static void write_secret(const char *text, mode_t mode) {
  int fd = open(secret_path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  assert_int_equal(fchmod(fd, mode), 0);
  close(fd);
}

static int set_up_guarded(void **state) {
  (void)state;
  int fd = mkstemp(secret_path);
  if (fd >= 0) close(fd);
  return fd >= 0 && redis_server_start(&server, 0, "--requirepass", "correct horse") ? 0 : -1;
}

static int tear_down_guarded(void **state) {
  unlink(secret_path);
  memcpy(secret_path + sizeof secret_path - 7, "XXXXXX", 6);
  return tear_down(state);
}

/* A store whose connection is made anew. */
static tf_model_store_result_t put_as(const char *user) {
  tf_store_redis.close(store);
  config.user = user, config.password_file = secret_path;
  assert_int_equal(tf_store_redis.open(&config, &store), TF_OK);
  return put("one", 3);
}

static void password_of_the_file_opens_the_server(void **state) {
  (void)state;
  begin(1000);
  assert_int_equal(put("one", 3), TF_MODEL_STORE_FAILED);
  assert_non_null(strstr(tf_error_text(), "NOAUTH"));
  write_secret("correct horse\n", 0600);
  assert_int_equal(put_as(NULL), TF_MODEL_STORE_DONE);
  assert_int_equal(put_as("default"), TF_MODEL_STORE_DONE);
  assert_int_equal(gets("one", 3), TF_MODEL_STORE_DONE);
  assert_int_equal(put_as("nobody"), TF_MODEL_STORE_FAILED);
  write_secret("wrong", 0600);
  assert_int_equal(put_as(NULL), TF_MODEL_STORE_FAILED);
  assert_non_null(strstr(tf_error_text(), "AUTH"));
  assert_null(strstr(tf_error_text(), "wrong"));
}

static void password_file_is_read_at_each_connection(void **state) {
  (void)state;
  begin(1000);
  write_secret("correct horse", 0600);
  assert_int_equal(put_as(NULL), TF_MODEL_STORE_DONE);
  int port = server.port;
  redis_server_kill(&server);
  assert_int_equal(put("one", 3), TF_MODEL_STORE_FAILED);
  write_secret("battery staple", 0600);
  assert_true(redis_server_start(&server, port, "--requirepass", "battery staple"));
  tf_model_store_result_t r = TF_MODEL_STORE_FAILED;
  for (int i = 0; i < 500 && r == TF_MODEL_STORE_FAILED; i++) {
    r = put("one", 3);
    usleep(20000);
  }
  assert_int_equal(r, TF_MODEL_STORE_DONE);
}

static void password_file_that_cannot_be_used_is_refused_at_the_start(void **state) {
  (void)state;
  void *none;
  begin(1000);
  config.password_file = secret_path;
  write_secret("correct horse", 0644);
  assert_int_equal(tf_store_redis.open(&config, &none), E_FEED_KEY);
  write_secret("", 0600);
  assert_int_equal(tf_store_redis.open(&config, &none), E_FEED_KEY);
  config.password_file = "/nowhere/secret";
  assert_int_equal(tf_store_redis.open(&config, &none), E_FILE_OPEN);
  config.user = "somebody", config.password_file = NULL;
  assert_int_equal(tf_store_redis.open(&config, &none), E_CONFIG_VALUE);
}

static void addresses_that_are_none_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "127.0.0.1:6379",
                                    "redis://127.0.0.1",
                                    "redis://:6379",
                                    "redis://h:0",
                                    "redis://h:65536",
                                    "redis://h:6379/x",
                                    "redis://h:6379/1/2",
                                    "redis://h:6379/-1",
                                    "redis://user:secret@h:6379",
                                    "rediss://h:6379",
                                    "http://h:6379"};
  void                    *none;
  config = (tf_model_store_config_t){.blob_bytes_max = 1, .timeout_ns = TF_NS_PER_SEC};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    config.where = bad[i];
    assert_int_equal(tf_store_redis.open(&config, &none), E_BROKER_CONFIG);
    assert_null(strstr(tf_error_text(), "secret"));
  }
  static const char *const good[] = {"redis://h:1", "redis://h:65535/", "redis://h:6379/15"};
  for (size_t i = 0; i < TF_ARRAY_CNT(good); i++) {
    config.where = good[i];
    assert_int_equal(tf_store_redis.open(&config, &none), TF_OK);
    tf_store_redis.close(none);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(bytes_of_any_kind_come_back_as_they_were, set_up, tear_down),
      cmocka_unit_test_setup_teardown(blob_over_the_limit_is_neither_written_nor_read, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(server_that_dies_is_reported_at_once_and_found_again, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(server_that_hangs_costs_one_timeout, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_redis_refuses_is_a_failure_with_its_words, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(password_of_the_file_opens_the_server, set_up_guarded,
                                      tear_down_guarded),
      cmocka_unit_test_setup_teardown(password_file_is_read_at_each_connection, set_up_guarded,
                                      tear_down_guarded),
      cmocka_unit_test_setup_teardown(password_file_that_cannot_be_used_is_refused_at_the_start,
                                      set_up_guarded, tear_down_guarded),
      cmocka_unit_test(addresses_that_are_none_are_refused),
  };
  signal(SIGPIPE, SIG_IGN); /* as the engine has it */
  tf_clock_calibrate();
  if (!redis_server_is_installed()) {
    printf("skipped: no /usr/bin/redis-server (Debian's package redis-server)\n");
    return EXIT_SKIPPED;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
