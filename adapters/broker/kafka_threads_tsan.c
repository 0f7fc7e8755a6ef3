/* ThreadSanitizer builds only. librdkafka has its threads, locks and conditions from C11's <threads.h>, whose names GCC 12's
 * ThreadSanitizer does not intercept: a thread of thrd_create has no state of it, and the first malloc there ends the process
 * (SIGSEGV in SizeClassAllocator64LocalCache::Allocate). So these names stand here, before glibc's, by way of the pthread calls
 * that are intercepted; then what its threads hand to ours is seen, too. In glibc the types are the same bytes.
 *
 * Its counts of references are atomics in code that was not instrumented, so what they order (the last owner frees) looks like
 * a race with free or memcpy: reports with a frame of the library in one of their two stacks are left out. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>

#include "tf/base.h"

TF_STATIC_ASSERT(sizeof(thrd_t) == sizeof(pthread_t), "one type under two names");
TF_STATIC_ASSERT(sizeof(mtx_t) == sizeof(pthread_mutex_t), "one type under two names");
TF_STATIC_ASSERT(sizeof(cnd_t) == sizeof(pthread_cond_t), "one type under two names");
TF_STATIC_ASSERT(sizeof(once_flag) == sizeof(pthread_once_t), "one type under two names");

const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) { return "race:librdkafka.so\n"; }

#define MUTEX(m)     ((pthread_mutex_t *)(void *)(m))
#define CONDITION(c) ((pthread_cond_t *)(void *)(c))

typedef struct begin {
  thrd_start_t run;
  void        *arg;
} begin_t;

static void *start(void *arg) {
  begin_t begin = *(begin_t *)arg;
  free(arg);
  return (void *)(intptr_t)begin.run(begin.arg);
}

static int result_of(int sys_errno) {
  switch (sys_errno) {
  case 0: return thrd_success;
  case ENOMEM: return thrd_nomem;
  case ETIMEDOUT: return thrd_timedout;
  case EBUSY: return thrd_busy;
  default: return thrd_error;
  }
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *arg) {
  begin_t *begin = malloc(sizeof *begin);
  if (!begin) return thrd_nomem;
  *begin        = (begin_t){.run = run, .arg = arg};
  int sys_errno = pthread_create(thread, NULL, start, begin);
  if (sys_errno) free(begin);
  return result_of(sys_errno);
}

int thrd_join(thrd_t thread, int *result) {
  void *value     = NULL;
  int   sys_errno = pthread_join(thread, &value);
  if (result) *result = (int)(intptr_t)value;
  return result_of(sys_errno);
}

int mtx_init(mtx_t *mutex, int type) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_settype(&attr,
                            type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
  return result_of(pthread_mutex_init(MUTEX(mutex), &attr));
}

void mtx_destroy(mtx_t *mutex) { pthread_mutex_destroy(MUTEX(mutex)); }
int  mtx_lock(mtx_t *mutex) { return result_of(pthread_mutex_lock(MUTEX(mutex))); }
int  mtx_unlock(mtx_t *mutex) { return result_of(pthread_mutex_unlock(MUTEX(mutex))); }

int  cnd_init(cnd_t *condition) { return result_of(pthread_cond_init(CONDITION(condition), NULL)); }
void cnd_destroy(cnd_t *condition) { pthread_cond_destroy(CONDITION(condition)); }
int  cnd_signal(cnd_t *condition) { return result_of(pthread_cond_signal(CONDITION(condition))); }

int cnd_broadcast(cnd_t *condition) {
  return result_of(pthread_cond_broadcast(CONDITION(condition)));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex) {
  return result_of(pthread_cond_wait(CONDITION(condition), MUTEX(mutex)));
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
                  const struct timespec *restrict until) {
  return result_of(pthread_cond_timedwait(CONDITION(condition), MUTEX(mutex), until));
}

void call_once(once_flag *flag, void (*call)(void)) {
  pthread_once((pthread_once_t *)(void *)flag, call);
}
