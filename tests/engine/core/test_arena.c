#include "cmocka_tf.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/error.h"

static void full_arena_refuses_and_says_how_much_is_missing(void **state) {
  (void)state;
  tf_arena_t arena;
  assert_int_equal(tf_arena_init(&arena, "small", 1), TF_OK);
  assert_null(tf_arena_take(&arena, arena.cap_bytes + 1, 64));
  assert_int_equal(tf_error_code(), E_CORE_ARENA_FULL);
  assert_non_null(strstr(tf_error_text(), "arena small"));
  assert_null(tf_arena_take(&arena, SIZE_MAX, 64));
  assert_int_equal(arena.used_bytes, 0); /* a refusal changes nothing */
  tf_arena_fini(&arena);
}

static void empty_arena_is_refused(void **state) {
  (void)state;
  tf_arena_t arena;
  assert_int_equal(tf_arena_init(&arena, "none", 0), E_CORE_ARGUMENT);
  tf_arena_fini(&arena); /* half-initialised: accepted */
}

static void memory_is_aligned_zeroed_and_disjoint(void **state) {
  (void)state;
  tf_arena_t arena;
  assert_int_equal(tf_arena_init(&arena, "a", 1 << 20), TF_OK);
  uint8_t *a = tf_arena_take(&arena, 3, 1);
  uint8_t *b = tf_arena_take(&arena, 100, 128);
  assert_int_equal((uintptr_t)b % 128, 0);
  assert_true(b >= a + 3);
  for (int i = 0; i < 100; i++) assert_int_equal(b[i], 0);
  tf_arena_fini(&arena);
}

/* The child must die: of SIGABRT, in whatever does what is forbidden after the seal. */
static void dies(void (*forbidden)(tf_arena_t *)) {
  tf_arena_t arena;
  assert_int_equal(tf_arena_init(&arena, "sealed", 4096), TF_OK);
  pid_t pid = fork();
  if (pid == 0) {
    close(STDERR_FILENO);
    tf_arena_seal_all();
    tf_arena_lane_enter();
    forbidden(&arena);
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  tf_arena_fini(&arena);
}

static void take(tf_arena_t *arena) { tf_arena_take(arena, 8, 8); }

static void taking_from_an_arena_after_the_seal_aborts(void **state) {
  (void)state;
  dies(take);
}

#ifdef TF_ALLOC_SEAL
static void allocate(tf_arena_t *arena) {
  (void)arena;
  void *volatile p = malloc(32);
  free(p);
}

static void malloc_on_a_sealed_lane_aborts(void **state) {
  (void)state;
  dies(allocate);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(full_arena_refuses_and_says_how_much_is_missing),
      cmocka_unit_test(empty_arena_is_refused),
      cmocka_unit_test(memory_is_aligned_zeroed_and_disjoint),
      cmocka_unit_test(taking_from_an_arena_after_the_seal_aborts),
#ifdef TF_ALLOC_SEAL
      cmocka_unit_test(malloc_on_a_sealed_lane_aborts),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
