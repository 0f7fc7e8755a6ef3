/* What everything that talks to a broker does about trouble: it is counted, said in one place, and puts the next
 * attempt off: TF_TROUBLE_WAIT_NS_MIN, doubled with each further trouble up to TF_TROUBLE_WAIT_NS_MAX, with jitter, until
 * something went well. One thread: the owner's. */
#ifndef TF_BROKER_TROUBLE_H
#define TF_BROKER_TROUBLE_H

#include <stdarg.h>

#include "tf/err.h"

#define TF_TROUBLE_WAIT_NS_MIN (20 * TF_NS_PER_MS)
#define TF_TROUBLE_WAIT_NS_MAX (5 * TF_NS_PER_SEC)
/* No answer for so long: the connection is in doubt. libnats waits as long for JetStream's. */
#define TF_TROUBLE_ANSWER_NS_MAX (5 * TF_NS_PER_SEC)

typedef struct tf_trouble {
  const char *part;              /* "sink", "feed": of the log's words */
  const char *name, *type;       /* of the sink or the feed */
  tf_err_t    code;              /* of the thread's error record */
  uint64_t    wait_ns, retry_ns; /* 0: no trouble since the last success; not before */
  uint64_t    log_ns;            /* no further line before */
  uint32_t    unlogged_cnt, random;
} tf_trouble_t;

/* random: any number, so that those who lost the same broker do not come back at once. */
void tf_trouble_init(tf_trouble_t *t, const char *part, const char *name, const char *type,
                     tf_err_t code, uint32_t random);

/* Logs (one line a second at most, with how many were left out), sets retry_ns and the thread's error record. */
void tf_trouble_say(tf_trouble_t *t, uint64_t now_ns, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Something went well: the next trouble waits shortest again. */
TF_INLINE void tf_trouble_over(tf_trouble_t *t) { t->wait_ns = 0; }

#endif
