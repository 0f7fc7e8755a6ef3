#include "core/alloc_seal.h"

#include <string.h>
#include <unistd.h>

_Thread_local bool tf_alloc_seal_thread;

#ifdef TF_ALLOC_SEAL

static void check(const char *what) {
  if (TF_LIKELY(!tf_alloc_seal_thread)) return;
  tf_alloc_seal_thread = false; /* the report itself may allocate */
  char    line[96];
  int     cnt     = snprintf(line, sizeof line, "fatal alloc_on_lane call=%s\n", what);
  ssize_t written = write(STDERR_FILENO, line, (size_t)cnt);
  (void)written;
  abort();
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

/* A sanitizer has malloc to itself, and calls this behind each of its allocations. */
void __sanitizer_malloc_hook(const volatile void *p, size_t bytes);
void __sanitizer_malloc_hook(const volatile void *p, size_t bytes) {
  (void)p, (void)bytes;
  check("malloc");
}

#else

/* glibc's own entry points, so that interposing needs no dlsym (which allocates). */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void  __libc_free(void *);

void *malloc(size_t bytes) {
  check("malloc");
  return __libc_malloc(bytes);
}

void *calloc(size_t cnt, size_t bytes) {
  check("calloc");
  return __libc_calloc(cnt, bytes);
}

void *realloc(void *p, size_t bytes) {
  check("realloc");
  return __libc_realloc(p, bytes);
}

void free(void *p) { __libc_free(p); }

#endif
#endif
