/* Weave points: named places in a lock-free protocol where a test may stop one side and run the
 * other, so that an interleaving is chosen instead of hoped for.
 *
 * `TF_WEAVE("ring:stored")` is nothing at all unless the translation unit defines TF_WEAVE_ENABLED
 * before its first include; then it calls the hook that the test installs. The protocols live in
 * inline functions, so a test weaves its own copy of them and the libraries beside it are untouched.
 *
 * include/tf/bcast.h carries the same points without including this file (contracts include only
 * contracts): include "flow/weave.h" first. */
#ifndef TF_FLOW_WEAVE_H
#define TF_FLOW_WEAVE_H

#ifdef TF_WEAVE_ENABLED
/* Defined by the test. Called with the point's name on the thread that reached it; NULL: no hook. */
extern void (*tf_weave_hook)(const char *point);

#define TF_WEAVE(point)                                                                            \
  do {                                                                                             \
    if (tf_weave_hook) tf_weave_hook(point);                                                       \
  } while (0)
#else
#define TF_WEAVE(point) ((void)0)
#endif

#endif
