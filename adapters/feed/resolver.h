/* Names to addresses without blocking the caller: getaddrinfo may take many seconds and cannot be
 * interrupted, so each look-up runs on a short-lived thread of its own. Control plane. */
#ifndef FEED_RESOLVER_H
#define FEED_RESOLVER_H

#include "feed/addresses.h"
#include "tf/err.h"

#define TF_RESOLVE_THREADS_MAX 16 /* look-ups under way in the process, abandoned ones too */

/* Fills addresses, at most TF_RESOLVE_ADDRESSES_MAX. Returns 0 or an EAI_ code. Runs on a thread of
 * its own; must be safe from several at a time. Tests inject one. */
typedef int (*tf_resolve_fn_t)(const char *host, const char *port, tf_address_t *addresses,
                               uint32_t *address_cnt);

int tf_resolver_system(const char *host, const char *port, tf_address_t *addresses,
                       uint32_t *address_cnt);

typedef struct tf_resolve tf_resolve_t;

/* Starts a look-up. wake_fd: an eventfd that is written when the answer is there (duplicated, so the
 * caller's may go first). NULL when no thread can be had, with the error record set. */
tf_resolve_t *tf_resolver_begin(tf_resolve_fn_t resolve, const char *host, const char *port,
                                int wake_fd);
/* True once the answer is there: *eai is 0 and the addresses are filled, or an EAI_ code. */
bool tf_resolver_poll(tf_resolve_t *r, int *eai, tf_address_t *addresses, uint32_t *address_cnt);
/* Gives the look-up up, finished or not. NULL is accepted. */
void tf_resolver_end(tf_resolve_t *r);

#endif
