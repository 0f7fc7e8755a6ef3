/* A kernel that refuses: a seccomp filter in a child process, where it may stay for good. */
#ifndef TESTS_ENGINE_IO_DENY_H
#define TESTS_ENGINE_IO_DENY_H

#include <stdio.h>
#include <unistd.h>

#include "core/error.h"
#include "io/io.h"

#define DENY_ANY UINT32_MAX

/* From here on the kernel answers call with sys_errno, if its second argument is arg1 (DENY_ANY:
 * always). In a child only. */
void deny_call(uint32_t call, uint32_t arg1, uint32_t sys_errno);
/* Runs body in a child, whose exit tells: use CHILD_WANT in it. Skips where there is no seccomp. */
void in_child(void (*body)(void));

#define CHILD_WANT(cond)                                                                           \
  do {                                                                                             \
    if (!(cond)) {                                                                                 \
      fprintf(stderr, "%s:%d: %s; reason \"%s\", refused \"%s\", error \"%s\"\n", __FILE__,        \
              __LINE__, #cond, tf_io_fallback_reason(), tf_io_refusals(), tf_error_text());        \
      _exit(1);                                                                                    \
    }                                                                                              \
  } while (0)

#endif
