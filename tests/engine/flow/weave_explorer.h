/* Runs two sides of a lock-free protocol in one thread under every schedule there is: each side is a
 * coroutine that stops at each TF_WEAVE point, and the explorer decides who goes next, depth first
 * through all decisions. What runs between two points runs at once, so this covers the interleavings
 * of a sequentially consistent machine; the memory orders are argued in the headers and left to
 * ThreadSanitizer and the stress tests. */
#ifndef TESTS_WEAVE_EXPLORER_H
#define TESTS_WEAVE_EXPLORER_H

#include "tf/base.h"

typedef struct weave_program {
  void (*reset)(void);   /* before each schedule, not woven */
  void (*side[2])(void); /* woven against each other; must end whatever the schedule is */
  void (*settle)(void);  /* after each schedule, not woven: the final checks */
  /* Points that do not stop: those with no access to shared memory since the point before, where
   * stopping again would only multiply equal schedules. NULL ends the list. */
  const char *skipped[4];
} weave_program_t;

/* Returns how many schedules were run; stops at the first in which WEAVE_CHECK failed. */
uint64_t weave_explore(const weave_program_t *program);

/* cmocka's asserts jump and may not do so from a coroutine: sides check with this, which notes the
 * first failure. NULL: none. */
extern const char *weave_failure;
#define WEAVE_CHECK(cond)                                                                          \
  do {                                                                                             \
    if (!(cond) && weave_failure == NULL) weave_failure = #cond;                                   \
  } while (0)

#endif
