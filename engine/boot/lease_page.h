/* How long a group's member may run its engines, and how far each of them is, in memory that they share: a member that is stopped or
 * hangs lets the time run out, and each engine ends itself. Of the first page the supervisor is the one writer; of the page of a
 * partition, its engine. Each is mapped by itself: an engine can write no other's.
 *
 * The clock is CLOCK_BOOTTIME, the same for all processes of a machine, and it goes on while the machine sleeps. */
#ifndef TF_BOOT_LEASE_PAGE_H
#define TF_BOOT_LEASE_PAGE_H

#include "tf/err.h"

#define TF_LEASE_PAGE_BYTES 4096u

typedef struct tf_lease_page {
  uint64_t magic;
  uint64_t until_ns; /* 0: the lease is over */
} tf_lease_page_t;

/* What an engine says of itself. */
typedef struct tf_lease_row {
  uint64_t epoch;            /* of the engine that wrote the rest */
  uint64_t beat_ns;          /* when */
  uint64_t events_behind;    /* messages of its feeds' streams that it has not read */
  uint64_t decisions_behind; /* made, and not yet where its slowest sink takes them */
} tf_lease_row_t;

uint64_t tf_lease_clock_ns(void);

/* Supervisor: a page, one for each partition, and the descriptor that its engines inherit. E_CORE_SYSTEM. */
tf_err_t tf_lease_page_make(uint32_t partition_cnt, tf_lease_page_t **page, int *fd);
void     tf_lease_page_set(tf_lease_page_t *page, uint64_t until_ns);
/* What the partition's engine of that epoch said last; false: nothing yet. */
bool tf_lease_row_get(const tf_lease_page_t *page, uint32_t partition, uint64_t epoch,
                      tf_lease_row_t *row);
void tf_lease_page_unmake(tf_lease_page_t *page, uint32_t partition_cnt); /* NULL is fine */

/* Engine: the page behind the descriptor, which is closed, and the partition's own. E_GROUP_LEASE: it is none. */
tf_err_t tf_lease_page_join(int fd, uint32_t partition, const tf_lease_page_t **page,
                            tf_lease_row_t **row);
bool     tf_lease_page_is_over(const tf_lease_page_t *page, uint64_t now_ns);
void     tf_lease_row_set(tf_lease_row_t *row, const tf_lease_row_t *said);
void     tf_lease_page_leave(const tf_lease_page_t *page, tf_lease_row_t *row); /* NULL is fine */

#endif
