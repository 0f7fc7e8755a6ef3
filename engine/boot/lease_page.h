/* How long a group's member may run its engines, in a page of memory that they share with it: a member that is stopped or hangs
 * lets the time run out, and each engine ends itself. One writer, the member's supervisor; any number of readers.
 *
 * The clock is CLOCK_BOOTTIME, the same for all processes of a machine, and it goes on while the machine sleeps. */
#ifndef TF_BOOT_LEASE_PAGE_H
#define TF_BOOT_LEASE_PAGE_H

#include "tf/err.h"

typedef struct tf_lease_page {
  uint64_t magic;
  uint64_t until_ns; /* 0: the lease is over */
} tf_lease_page_t;

uint64_t tf_lease_clock_ns(void);

/* Supervisor: a page, and the descriptor that its engines inherit. E_CORE_SYSTEM. */
tf_err_t tf_lease_page_make(tf_lease_page_t **page, int *fd);
void     tf_lease_page_set(tf_lease_page_t *page, uint64_t until_ns);

/* Engine: the page behind the descriptor, which is closed. E_GROUP_LEASE: it is none. */
tf_err_t tf_lease_page_join(int fd, const tf_lease_page_t **page);
bool     tf_lease_page_is_over(const tf_lease_page_t *page, uint64_t now_ns);

void tf_lease_page_leave(const tf_lease_page_t *page); /* NULL is fine */

#endif
