/* Every store of groups against the one contract of tf/group.h; those of brokers with a real server, where it is installed. */
#include "cmocka_tf.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "free_port.h"
#include "group/frame.h"
#include "group/registry.h"

#define CHUNK (128u << 10) /* of adapters/group/nats.c */

typedef struct place {
  const tf_group_store_t *store;
  char                    dir[64], url[64], port[12];
  pid_t                   server; /* 0: it has none */
  uint64_t                timeout_ns;
} place_t;

/* ---- servers ---- */

/* The program that a store wants; NULL: it is not installed. */
static const char *server_of(const char *store) {
  static char path[64];
  const char *name = strcmp(store, "nats") == 0 ? "nats-server" : "redis-server";
  snprintf(path, sizeof path, "/usr/sbin/%s", name);
  if (access(path, X_OK) != 0) snprintf(path, sizeof path, "/usr/bin/%s", name);
  return access(path, X_OK) == 0 ? path : NULL;
}

static void become_server(const place_t *p) {
  const char *path = server_of(p->store->name);
  int         null = open("/dev/null", O_RDWR);
  dup2(null, STDOUT_FILENO);
  dup2(null, STDERR_FILENO);
  if (strcmp(p->store->name, "nats") == 0)
    execl(path, path, "-js", "-sd", p->dir, "-a", "127.0.0.1", "-p", p->port, (char *)NULL);
  else
    execl(path, path, "--dir", p->dir, "--bind", "127.0.0.1", "--port", p->port, "--save", "",
          "--appendonly", "yes", "--appendfsync", "no", (char *)NULL);
  _exit(127);
}

static void start_server(place_t *p) {
  p->server = fork();
  if (p->server == 0) become_server(p);
  for (int i = 0; i < 6000 && !is_listened_to(atoi(p->port)); i++)
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  assert_true(is_listened_to(atoi(p->port)));
}

static void kill_server(place_t *p) {
  kill(p->server, SIGKILL);
  waitpid(p->server, NULL, 0);
}

/* ---- places ---- */

static bool make_place(place_t *p, const tf_group_store_t *store) {
  memset(p, 0, sizeof *p);
  p->store      = store;
  p->timeout_ns = 60 * TF_NS_PER_SEC;
  snprintf(p->dir, sizeof p->dir, "/tmp/tickfuse-group-XXXXXX");
  assert_non_null(mkdtemp(p->dir));
  if (strcmp(store->name, "dir") == 0) return true;
  if (!server_of(store->name)) return false;
  snprintf(p->port, sizeof p->port, "%d", free_port());
  snprintf(p->url, sizeof p->url, "%s://127.0.0.1:%s", store->name, p->port);
  start_server(p);
  return true;
}

static void remove_place(place_t *p) {
  char command[128];
  if (p->server) kill_server(p);
  snprintf(command, sizeof command, "rm -rf %s", p->dir);
  assert_int_equal(system(command), 0);
}

static void *open_at(const place_t *p) {
  const tf_group_store_config_t config = {.group      = "spot",
                                          .broker     = {.url = p->url[0] ? p->url : NULL},
                                          .dir        = p->dir,
                                          .timeout_ns = p->timeout_ns,
                                          .may_create = true};
  void                         *state;
  assert_int_equal(p->store->open(&config, &state), TF_OK);
  return state;
}

static void at_each_place(void (*test)(place_t *p)) {
  for (uint32_t i = 0; i < tf_group_store_cnt; i++) {
    place_t p;
    bool    is_there = make_place(&p, tf_group_stores[i]);
    if (is_there)
      test(&p);
    else
      print_message("%s: no server is installed: left out\n", tf_group_stores[i]->name);
    remove_place(&p);
  }
}

/* ---- the table ---- */

static void check_swaps(place_t *p) {
  void    *a = open_at(p), *b = open_at(p);
  uint64_t revision_a, revision_b;
  char     bytes[16];
  size_t   cnt;
  assert_int_equal(p->store->read(a, bytes, sizeof bytes, &cnt, &revision_a), TF_GROUP_DONE);
  assert_int_equal(revision_a, 0);
  assert_int_equal(cnt, 0);
  revision_b = 1;
  assert_int_equal(p->store->swap(b, "x", 1, &revision_b), TF_GROUP_LOST);
  revision_b = 0;
  assert_int_equal(p->store->swap(a, "one", 3, &revision_a), TF_GROUP_DONE);
  assert_int_equal(p->store->swap(b, "two", 3, &revision_b), TF_GROUP_LOST);
  assert_int_equal(p->store->read(b, bytes, sizeof bytes, &cnt, &revision_b), TF_GROUP_DONE);
  assert_int_equal(revision_b, revision_a);
  assert_int_equal(cnt, 3);
  assert_memory_equal(bytes, "one", 3);
  assert_int_equal(p->store->swap(b, "three", 5, &revision_b), TF_GROUP_DONE);
  assert_int_equal(p->store->swap(a, "four", 4, &revision_a), TF_GROUP_LOST);
  assert_int_equal(p->store->read(a, bytes, 5, &cnt, &revision_a), TF_GROUP_DONE);
  assert_memory_equal(bytes, "three", 5);
  assert_int_equal(p->store->read(a, bytes, 4, &cnt, &revision_a), TF_GROUP_FAILED);
  p->store->close(a);
  p->store->close(b);
}

static void of_two_swaps_behind_one_revision_one_is_lost(void **state) {
  (void)state;
  at_each_place(check_swaps);
}

static void check_largest(place_t *p) {
  void    *s     = open_at(p);
  size_t   cnt   = TF_GROUP_TABLE_BYTES_MAX, got;
  uint8_t *bytes = malloc(cnt), *back = malloc(cnt);
  uint64_t revision = 0;
  for (size_t i = 0; i < cnt; i++) bytes[i] = (uint8_t)(i * 7);
  assert_int_equal(p->store->read(s, back, cnt, &got, &revision), TF_GROUP_DONE);
  for (size_t n = cnt - 2; n <= cnt; n++) { /* with every kind of padding that base64 has */
    assert_int_equal(p->store->swap(s, bytes, n, &revision), TF_GROUP_DONE);
    assert_int_equal(p->store->read(s, back, cnt, &got, &revision), TF_GROUP_DONE);
    assert_int_equal(got, n);
    assert_memory_equal(bytes, back, n);
  }
  free(bytes);
  free(back);
  p->store->close(s);
}

static void the_largest_table_comes_back_as_it_was(void **state) {
  (void)state;
  at_each_place(check_largest);
}

/* ---- snapshots ---- */

static uint8_t *bytes_of(size_t cnt, uint8_t salt) {
  uint8_t *bytes = malloc(cnt + 1);
  for (size_t i = 0; i < cnt; i++) bytes[i] = (uint8_t)(i * 31 + salt);
  return bytes;
}

static tf_group_result_t put(place_t *p, void *s, uint32_t epoch, uint64_t seq, size_t cnt) {
  uint8_t                  *bytes = bytes_of(cnt, (uint8_t)seq);
  const tf_group_snapshot_t of    = {
         .ingest_seq = seq, .decision_seq = seq / 2, .bytes_cnt = cnt, .partition = 7, .epoch = epoch};
  tf_group_result_t done = p->store->put(s, &of, bytes);
  free(bytes);
  return done;
}

static void check_is(place_t *p, void *s, uint32_t age, uint64_t seq, size_t cnt) {
  tf_group_snapshot_t of;
  uint8_t            *bytes, *want = bytes_of(cnt, (uint8_t)seq);
  assert_int_equal(p->store->get(s, 7, age, &of, &bytes), TF_GROUP_DONE);
  assert_int_equal(of.ingest_seq, seq);
  assert_int_equal(of.decision_seq, seq / 2);
  assert_int_equal(of.bytes_cnt, cnt);
  assert_memory_equal(bytes, want, cnt);
  free(bytes);
  free(want);
}

static void check_snapshots(place_t *p) {
  static const size_t sizes[] = {0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 3};
  void               *s       = open_at(p);
  tf_group_snapshot_t of;
  uint8_t            *bytes;
  assert_int_equal(p->store->get(s, 7, 0, &of, &bytes), TF_GROUP_LOST);
  for (size_t i = 0; i < TF_ARRAY_CNT(sizes); i++) {
    assert_int_equal(put(p, s, 5, 10 + i, sizes[i]), TF_GROUP_DONE);
    check_is(p, s, 0, 10 + i, sizes[i]);
    if (i == 0)
      assert_int_equal(p->store->get(s, 7, 1, &of, &bytes), TF_GROUP_LOST);
    else
      check_is(p, s, 1, 9 + i, sizes[i - 1]);
  }
  assert_int_equal(p->store->get(s, 8, 0, &of, &bytes), TF_GROUP_LOST);
  p->store->close(s);
}

static void the_last_two_snapshots_are_kept_whole(void **state) {
  (void)state;
  at_each_place(check_snapshots);
}

static void check_epochs(place_t *p) {
  void *old = open_at(p), *young = open_at(p);
  assert_int_equal(put(p, old, 5, 10, 100), TF_GROUP_DONE);
  assert_int_equal(put(p, young, 6, 10, 200), TF_GROUP_DONE);
  assert_int_equal(put(p, old, 5, 11, 300), TF_GROUP_LOST);
  check_is(p, old, 0, 10, 200);
  assert_int_equal(put(p, young, 6, 12, 400), TF_GROUP_DONE);
  p->store->close(old);
  p->store->close(young);
}

static void a_predecessor_does_not_replace_a_snapshot(void **state) {
  (void)state;
  at_each_place(check_epochs);
}

static void a_damaged_snapshot_is_told_and_the_one_before_stands(void **state) {
  (void)state;
  place_t             p;
  char                path[128];
  tf_group_snapshot_t of;
  uint8_t            *bytes;
  assert_true(make_place(&p, tf_group_store_find("dir")));
  void *s = open_at(&p);
  assert_int_equal(put(&p, s, 5, 10, 100), TF_GROUP_DONE);
  assert_int_equal(put(&p, s, 5, 11, 100), TF_GROUP_DONE);
  snprintf(path, sizeof path, "%s/spot/0007.0", p.dir);
  int fd = open(path, O_RDWR);
  assert_int_equal(pwrite(fd, "?", 1, (off_t)sizeof(tf_group_frame_t) + 50), 1);
  assert_int_equal(p.store->get(s, 7, 0, &of, &bytes), TF_GROUP_FAILED);
  assert_non_null(strstr(tf_error_text(), "damaged"));
  check_is(&p, s, 1, 10, 100);
  assert_int_equal(ftruncate(fd, (off_t)sizeof(tf_group_frame_t) + 99), 0);
  assert_int_equal(p.store->get(s, 7, 0, &of, &bytes), TF_GROUP_FAILED);
  assert_int_equal(ftruncate(fd, (off_t)sizeof(tf_group_frame_t) - 1), 0);
  assert_int_equal(p.store->get(s, 7, 0, &of, &bytes), TF_GROUP_FAILED);
  close(fd);
  p.store->close(s);
  remove_place(&p);
}

/* ---- a server that goes away ---- */

/* Until it answers again, JetStream too. */
static tf_group_result_t read_again(place_t *p, void *s, char bytes[16], uint64_t *revision) {
  tf_group_result_t result = TF_GROUP_FAILED;
  size_t            cnt;
  for (int i = 0; i < 600 && result != TF_GROUP_DONE; i++) {
    result = p->store->read(s, bytes, 16, &cnt, revision);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  }
  return result;
}

static void check_killed(place_t *p) {
  if (!p->server) return;
  void    *s        = open_at(p);
  uint64_t revision = 0;
  char     bytes[16];
  size_t   cnt;
  if (strcmp(p->store->name, "nats") == 0) /* no stream yet */
    assert_int_equal(p->store->swap(s, "x", 1, &revision), TF_GROUP_FAILED);
  assert_int_equal(p->store->read(s, bytes, sizeof bytes, &cnt, &revision), TF_GROUP_DONE);
  assert_int_equal(p->store->swap(s, "one", 3, &revision), TF_GROUP_DONE);
  kill_server(p);
  assert_int_equal(p->store->read(s, bytes, sizeof bytes, &cnt, &revision), TF_GROUP_FAILED);
  assert_int_equal(p->store->read(s, bytes, sizeof bytes, &cnt, &revision), TF_GROUP_FAILED);
  start_server(p);
  assert_int_equal(read_again(p, s, bytes, &revision), TF_GROUP_DONE);
  assert_memory_equal(bytes, "one", 3);
  p->store->close(s);
}

static void a_killed_server_fails_calls_and_is_found_again(void **state) {
  (void)state;
  at_each_place(check_killed);
}

static void check_stopped(place_t *p) {
  if (!p->server) return;
  p->timeout_ns     = 100 * TF_NS_PER_MS;
  void    *s        = open_at(p);
  uint64_t revision = 0, before;
  char     bytes[16];
  size_t   cnt;
  assert_int_equal(read_again(p, s, bytes, &revision), TF_GROUP_DONE);
  kill(p->server, SIGSTOP);
  assert_int_equal(waitpid(p->server, NULL, WUNTRACED), p->server); /* all of its threads */
  before = tf_clock_monotonic_ns();
  assert_int_equal(p->store->swap(s, "one", 3, &revision), TF_GROUP_FAILED);
  assert_true(tf_clock_monotonic_ns() - before >= p->timeout_ns);
  kill(p->server, SIGCONT);
  assert_int_equal(read_again(p, s, bytes, &revision), TF_GROUP_DONE);
  assert_int_equal(p->store->read(s, bytes, sizeof bytes, &cnt, &revision), TF_GROUP_DONE);
  p->store->close(s);
}

static void a_server_that_stands_still_costs_the_timeout(void **state) {
  (void)state;
  at_each_place(check_stopped);
}

static void check_lost(place_t *p) {
  if (!p->server) return;
  void    *old = open_at(p), *young = open_at(p);
  uint64_t revision = 0, revision_young = 0;
  char     bytes[16], command[128];
  size_t   cnt;
  assert_int_equal(p->store->read(old, bytes, sizeof bytes, &cnt, &revision), TF_GROUP_DONE);
  assert_int_equal(p->store->swap(old, "one", 3, &revision), TF_GROUP_DONE);
  assert_int_equal(put(p, old, 5, 10, 100), TF_GROUP_DONE);
  kill_server(p);
  snprintf(command, sizeof command, "rm -rf %s/*", p->dir);
  assert_int_equal(system(command), 0);
  start_server(p);
  assert_int_equal(read_again(p, young, bytes, &revision_young), TF_GROUP_DONE);
  assert_int_equal(revision_young, 0);
  tf_group_snapshot_t of;
  assert_int_equal(p->store->get(young, 7, 0, &of, NULL), TF_GROUP_LOST);
  assert_int_equal(p->store->swap(young, "two", 3, &revision_young), TF_GROUP_DONE);
  assert_int_equal(read_again(p, old, bytes, &revision), TF_GROUP_DONE);
  assert_memory_equal(bytes, "two", 3);
  p->store->close(old);
  p->store->close(young);
}

static void a_server_that_lost_its_disk_begins_anew(void **state) {
  (void)state;
  at_each_place(check_lost);
}

/* Two tables one behind the other have as many swaps: a number that counts them would fit. */
static void an_earlier_tables_revision_does_not_fit_a_later_table(void **state) {
  (void)state;
  place_t                 p;
  const tf_group_store_t *redis = tf_group_store_find("redis");
  if (!redis || !make_place(&p, redis)) skip();
  char     command[96];
  void    *s        = open_at(&p);
  uint64_t revision = 0, later = 0;
  assert_int_equal(p.store->swap(s, "one", 3, &revision), TF_GROUP_DONE);
  snprintf(command, sizeof command, "redis-cli -p %s flushall >/dev/null", p.port);
  assert_int_equal(system(command), 0);
  assert_int_equal(p.store->swap(s, "two", 3, &later), TF_GROUP_DONE);
  assert_int_equal(p.store->swap(s, "three", 5, &revision), TF_GROUP_LOST);
  p.store->close(s);
  remove_place(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(of_two_swaps_behind_one_revision_one_is_lost),
      cmocka_unit_test(the_largest_table_comes_back_as_it_was),
      cmocka_unit_test(the_last_two_snapshots_are_kept_whole),
      cmocka_unit_test(a_predecessor_does_not_replace_a_snapshot),
      cmocka_unit_test(a_damaged_snapshot_is_told_and_the_one_before_stands),
      cmocka_unit_test(a_killed_server_fails_calls_and_is_found_again),
      cmocka_unit_test(a_server_that_stands_still_costs_the_timeout),
      cmocka_unit_test(a_server_that_lost_its_disk_begins_anew),
      cmocka_unit_test(an_earlier_tables_revision_does_not_fit_a_later_table),
  };
  tf_clock_calibrate();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
