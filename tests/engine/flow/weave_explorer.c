#define TF_WEAVE_ENABLED
#include "weave_explorer.h"

#include <string.h>
#include <ucontext.h>

#include "flow/weave.h"

#define STACK_BYTES (64u << 10)
#define STEPS_MAX   256

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
static void *fibers[3]; /* side 0, side 1, main */
#define FIBER_SWITCH(idx) __tsan_switch_to_fiber(fibers[idx], 0)
#else
#define FIBER_SWITCH(idx) ((void)0)
#endif

void (*tf_weave_hook)(const char *point);
const char *weave_failure;

static ucontext_t main_context, side_context[2];
static TF_ALIGNED(64) uint8_t stacks[2][STACK_BYTES];
static bool                   done[2];
static int                    current;
static const weave_program_t *running;

static void stop(void) {
  FIBER_SWITCH(2);
  swapcontext(&side_context[current], &main_context);
}

static void yield(const char *point) {
  for (int i = 0; running->skipped[i] != NULL; i++)
    if (strcmp(point, running->skipped[i]) == 0) return;
  stop();
}

/* Lives through all schedules: one run of its side for each. */
static void side_entry(void) {
  for (;;) {
    running->side[current]();
    done[current] = true;
    stop();
  }
}

static void side_prepare(int i) {
  getcontext(&side_context[i]);
  side_context[i].uc_stack = (stack_t){.ss_sp = stacks[i], .ss_size = STACK_BYTES};
  side_context[i].uc_link  = NULL;
  makecontext(&side_context[i], side_entry, 0);
}

/* Follows choices up to prefix_cnt, then always takes the first side that can run; writes down what
 * it chose and where there was a choice at all. Returns the number of steps. */
static int run_schedule(uint8_t *choices, bool *forks, int prefix_cnt) {
  done[0] = done[1] = false;
  running->reset();
  tf_weave_hook = yield;
  int step      = 0;
  while (!done[0] || !done[1]) {
    TF_ASSERT(step < STEPS_MAX);
    forks[step] = !done[0] && !done[1];
    if (step >= prefix_cnt) choices[step] = done[0] ? 1 : 0;
    current = choices[step++];
    FIBER_SWITCH(current);
    swapcontext(&main_context, &side_context[current]);
  }
  tf_weave_hook = NULL;
  running->settle();
  return step;
}

uint64_t weave_explore(const weave_program_t *program) {
  uint8_t  choices[STEPS_MAX];
  bool     forks[STEPS_MAX];
  uint64_t schedule_cnt = 0;
  int      prefix_cnt   = 0;
  running               = program;
  for (int i = 0; i < 2; i++) side_prepare(i);
  weave_failure = NULL;
#ifdef __SANITIZE_THREAD__
  for (int i = 0; i < 2; i++) fibers[i] = __tsan_create_fiber(0);
  fibers[2] = __tsan_get_current_fiber();
#endif
  do {
    int step_cnt = run_schedule(choices, forks, prefix_cnt);
    schedule_cnt++;
    if (weave_failure != NULL) {
      fprintf(stderr, "failed: %s, schedule ", weave_failure);
      for (int i = 0; i < step_cnt; i++) fputc('0' + choices[i], stderr);
      fputc('\n', stderr);
      break;
    }
    /* The last step at which the other side could have gone and has not yet. */
    prefix_cnt = step_cnt;
    while (prefix_cnt > 0 && !(forks[prefix_cnt - 1] && choices[prefix_cnt - 1] == 0)) prefix_cnt--;
    if (prefix_cnt > 0) choices[prefix_cnt - 1] = 1;
  } while (prefix_cnt > 0);
#ifdef __SANITIZE_THREAD__
  for (int i = 0; i < 2; i++) __tsan_destroy_fiber(fibers[i]);
#endif
  return schedule_cnt;
}
