/* Look-ups on threads of their own: answers, those that nobody waits for any more, and how many there may be. */
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/error.h"
#include "feed/resolver.h"

static uint32_t held, ended_cnt; /* atomics */
static uint32_t begun_cnt;

/* "n.test": n addresses; "none.test": none. Waits while it is held. */
static int made(const char *host, const char *port, tf_address_t *addresses, uint32_t *cnt) {
  (void)port;
  while (__atomic_load_n(&held, __ATOMIC_SEQ_CST)) poll(NULL, 0, 1);
  *cnt = (uint32_t)strtoul(host, NULL, 10);
  for (uint32_t i = 0; i < *cnt; i++) {
    char text[32];
    snprintf(text, sizeof text, "192.0.2.%u", i + 1);
    tf_address_of_text(text, &addresses[i]);
  }
  __atomic_fetch_add(&ended_cnt, 1, __ATOMIC_SEQ_CST);
  return *cnt ? 0 : EAI_NONAME;
}

static tf_resolve_t *begin(const char *host, int wake_fd) {
  tf_resolve_t *r = tf_resolver_begin(made, host, "443", wake_fd);
  if (r) begun_cnt++;
  return r;
}

/* True once it woke us. */
static bool is_woken(int wake_fd) {
  struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
  return poll(&fd, 1, 5000) == 1;
}

/* Threads that nobody waits for any more may have their part of the limit yet. */
static tf_resolve_t *begin_when_one_may(const char *name, int wake_fd) {
  tf_resolve_t *r = begin(name, wake_fd);
  for (uint32_t i = 0; !r && i < 30000; i++) {
    poll(NULL, 0, 1);
    r = begin(name, wake_fd);
  }
  return r;
}

static void the_answer_wakes_and_is_whole(void **state) {
  (void)state;
  tf_address_t addresses[TF_RESOLVE_ADDRESSES_MAX];
  uint32_t     cnt     = 99;
  int          eai     = 99;
  int          wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  held                 = 1;
  tf_resolve_t *r      = begin("64.test", wake_fd);
  assert_non_null(r);
  assert_false(tf_resolver_poll(r, &eai, addresses, &cnt));
  __atomic_store_n(&held, 0, __ATOMIC_SEQ_CST);
  assert_true(is_woken(wake_fd));
  assert_true(tf_resolver_poll(r, &eai, addresses, &cnt));
  assert_int_equal(eai, 0);
  assert_int_equal(cnt, 64);
  char text[TF_ADDRESS_TEXT_MAX];
  assert_string_equal(tf_address_text(&addresses[63], text), "192.0.2.64");
  assert_true(tf_resolver_poll(r, &eai, addresses, &cnt)); /* again is the same */
  tf_resolver_end(r);
  close(wake_fd);
}

static void a_name_without_addresses_is_an_answer_too(void **state) {
  (void)state;
  tf_address_t  addresses[TF_RESOLVE_ADDRESSES_MAX];
  uint32_t      cnt     = 99;
  int           eai     = 0;
  int           wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  tf_resolve_t *r       = begin("none.test", wake_fd);
  assert_true(is_woken(wake_fd));
  assert_true(tf_resolver_poll(r, &eai, addresses, &cnt));
  assert_int_equal(eai, EAI_NONAME);
  assert_int_equal(cnt, 0);
  tf_resolver_end(r);
  close(wake_fd);
}

/* Given up before, while, and after the answer comes: each is freed once, by whoever comes second. */
static void those_that_nobody_waits_for_are_freed_whenever_it_is(void **state) {
  (void)state;
  for (uint32_t round = 0; round < 300; round++) {
    int           wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    tf_resolve_t *r       = begin_when_one_may("3.test", wake_fd);
    assert_non_null(r);
    if (round % 3 == 1) is_woken(wake_fd);
    close(wake_fd); /* its own copy is written to */
    if (round % 3 == 2) poll(NULL, 0, 1);
    tf_resolver_end(r);
  }
  tf_resolver_end(NULL);
}

static void sixteen_may_be_under_way_and_one_more_is_refused(void **state) {
  (void)state;
  tf_resolve_t *all[TF_RESOLVE_THREADS_MAX];
  int           wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  while (__atomic_load_n(&ended_cnt, __ATOMIC_SEQ_CST) < begun_cnt)
    poll(NULL, 0, 1); /* else held, too */
  __atomic_store_n(&held, 1, __ATOMIC_SEQ_CST);
  for (uint32_t i = 0; i < TF_RESOLVE_THREADS_MAX; i++) {
    all[i] = begin_when_one_may("1.test", wake_fd);
    assert_non_null(all[i]);
  }
  assert_null(begin("1.test", wake_fd));
  assert_int_equal(tf_error_code(), E_FEED_DNS);
  for (uint32_t i = 0; i < TF_RESOLVE_THREADS_MAX; i++) tf_resolver_end(all[i]);
  assert_null(begin("1.test", wake_fd)); /* given up, but a thread each all the same */
  __atomic_store_n(&held, 0, __ATOMIC_SEQ_CST);
  tf_resolve_t *r = begin_when_one_may("1.test", wake_fd);
  assert_non_null(r);
  assert_true(is_woken(wake_fd));
  tf_resolver_end(r);
  close(wake_fd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_answer_wakes_and_is_whole),
      cmocka_unit_test(a_name_without_addresses_is_an_answer_too),
      cmocka_unit_test(those_that_nobody_waits_for_are_freed_whenever_it_is),
      cmocka_unit_test(sixteen_may_be_under_way_and_one_more_is_refused),
  };
  return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
