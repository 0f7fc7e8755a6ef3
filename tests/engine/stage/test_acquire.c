/* A poll of acquire that may sleep, on a real I/O loop: it sleeps for so long that only the bell ends it. */
#include "cmocka_tf.h"

#include <pthread.h>
#include <unistd.h>

#include "core/error.h"
#include "io/io.h"
#include "stage/acquire.h"

#define FOR_EVER_NS (3600 * TF_NS_PER_SEC)

static tf_arena_t   arena;
static tf_io_t     *io;
static tf_bell_t    bell;
static tf_acquire_t acquire;
static uint32_t     handed; /* to the source, and not taken yet */
static uint32_t     taken;

/* Takes one a poll, and is not to sleep on what it leaves. */
static int take(tf_source_t *source, uint64_t now_ns) {
  (void)source, (void)now_ns;
  uint32_t left = tf_load_acquire_u32(&handed); /* pairs with: hand_over */
  if (left == 0) return 0;
  tf_store_release_u32(&handed, left - 1); /* pairs with: take */
  taken++;
  if (left > 1) tf_bell_ring(&bell);
  return 1;
}

static const tf_source_ops_t ops    = {.poll = take};
static tf_source_t           source = {.ops = &ops};

static void hand_over(uint32_t cnt) {
  tf_store_release_u32(&handed, cnt); /* pairs with: take */
  tf_bell_ring(&bell);
}

static void open_loop(tf_io_kind_t kind) {
  tf_io_config_t config = tf_io_config_default();
  config.buffer_cnt     = 2;
  acquire               = (tf_acquire_t){0};
  handed = taken = 0;
  assert_int_equal(tf_arena_init(&arena, "test", tf_io_arena_bytes(&config)), TF_OK);
  assert_int_equal(tf_io_open(kind, &config, &arena, &io), TF_OK);
  acquire.io = io;
  assert_int_equal(tf_bell_init(&bell), TF_OK);
  assert_int_equal(tf_acquire_wake_by(&acquire, &bell), TF_OK);
  assert_int_equal(tf_acquire_add(&acquire, &source), TF_OK);
}

static void close_loop(void) {
  tf_io_fini(io);
  tf_bell_fini(&bell);
  tf_arena_fini(&arena);
}

static void *hand_over_one(void *self) {
  (void)self;
  hand_over(1);
  return NULL;
}

static void poll_until_taken(uint32_t cnt) {
  while (taken < cnt) assert_true(tf_acquire_poll(&acquire, 1, FOR_EVER_NS) >= 0);
}

static void what_is_handed_over_ends_a_sleep(tf_io_kind_t kind) {
  pthread_t other;
  open_loop(kind);
  hand_over(1); /* before it sleeps */
  assert_int_equal(tf_acquire_poll(&acquire, 1, FOR_EVER_NS), 1);
  hand_over(3); /* what a poll leaves is taken without a sleep */
  poll_until_taken(4);
  for (uint32_t cnt = 5; cnt < 205; cnt++) {
    assert_int_equal(pthread_create(&other, NULL, hand_over_one, NULL), 0);
    poll_until_taken(cnt);
    pthread_join(other, NULL);
  }
  assert_true(io->counts.rx_bytes > 0); /* the bell's: it did sleep */
  close_loop();
}

static void io_uring_is_woken(void **state) {
  (void)state;
  tf_io_t       *probe;
  tf_io_config_t config = tf_io_config_default();
  config.buffer_cnt     = 2;
  assert_int_equal(tf_arena_init(&arena, "probe", tf_io_arena_bytes(&config)), TF_OK);
  tf_err_t err = tf_io_open(TF_IO_URING, &config, &arena, &probe);
  if (!err) tf_io_fini(probe);
  tf_arena_fini(&arena);
  if (err) skip();
  what_is_handed_over_ends_a_sleep(TF_IO_URING);
}

static void epoll_is_woken(void **state) {
  (void)state;
  what_is_handed_over_ends_a_sleep(TF_IO_EPOLL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(io_uring_is_woken),
      cmocka_unit_test(epoll_is_woken),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
