#include "boot/lease_page.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "tf/atomic.h"

#define MAGIC UINT64_C(0x3265736165666b74) /* "tkfease2" */

uint64_t tf_lease_clock_ns(void) {
  struct timespec at;
  clock_gettime(CLOCK_BOOTTIME, &at);
  return (uint64_t)at.tv_sec * TF_NS_PER_SEC + (uint64_t)at.tv_nsec;
}

/* All of the file, of which nothing is used until it is written. */
static size_t bytes_of(uint32_t partition_cnt) {
  return ((size_t)partition_cnt + 1) * TF_LEASE_PAGE_BYTES;
}

/* ---- the supervisor's ---- */

tf_err_t tf_lease_page_make(uint32_t partition_cnt, tf_lease_page_t **page, int *fd) {
  size_t bytes = bytes_of(partition_cnt);
  *page        = NULL;
  *fd          = memfd_create("tickfuse-lease", MFD_CLOEXEC);
  if (*fd < 0 || ftruncate(*fd, (off_t)bytes) != 0)
    return TF_ERR(E_CORE_SYSTEM, "pages for leases: %s", strerror(errno));
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
  if (memory == MAP_FAILED) return TF_ERR(E_CORE_SYSTEM, "pages for leases: %s", strerror(errno));
  *page  = memory;
  **page = (tf_lease_page_t){.magic = MAGIC};
  return TF_OK;
}

void tf_lease_page_set(tf_lease_page_t *page, uint64_t until_ns) {
  tf_store_release(&page->until_ns, until_ns); /* pairs with: tf_lease_page_is_over */
}

bool tf_lease_row_get(const tf_lease_page_t *page, uint32_t partition, uint64_t epoch,
                      tf_lease_row_t *row) {
  const tf_lease_row_t *from =
      (const void *)((const uint8_t *)page + bytes_of(partition)); /* behind those before it */
  row->epoch = tf_load_acquire(&from->epoch); /* pairs with: tf_lease_row_set */
  /* relaxed: each complete by itself, as all of these; a later one is as good */
  row->beat_ns          = tf_load_relaxed(&from->beat_ns);
  row->events_behind    = tf_load_relaxed(&from->events_behind);    /* relaxed: as above */
  row->decisions_behind = tf_load_relaxed(&from->decisions_behind); /* relaxed: as above */
  return row->epoch == epoch;
}

void tf_lease_page_unmake(tf_lease_page_t *page, uint32_t partition_cnt) {
  if (page) (void)munmap(page, bytes_of(partition_cnt));
}

/* ---- the engine's ---- */

tf_err_t tf_lease_page_join(int fd, uint32_t partition, const tf_lease_page_t **page,
                            tf_lease_row_t **row) {
  struct stat st;
  void       *head = MAP_FAILED, *own = MAP_FAILED;
  *page = NULL;
  *row  = NULL;
  if (fstat(fd, &st) == 0 && st.st_size >= (off_t)bytes_of(partition + 1)) {
    head = mmap(NULL, TF_LEASE_PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    own  = mmap(NULL, TF_LEASE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                (off_t)bytes_of(partition));
  }
  close(fd);
  if (head != MAP_FAILED && own != MAP_FAILED && ((tf_lease_page_t *)head)->magic == MAGIC) {
    *page = head;
    *row  = own;
    return TF_OK;
  }
  tf_lease_page_leave(head == MAP_FAILED ? NULL : head, own == MAP_FAILED ? NULL : own);
  return TF_ERR(
      E_GROUP_LEASE,
      "descriptor %d is no page of a lease for partition %u: tickfuse group hands one over", fd,
      partition);
}

bool tf_lease_page_is_over(const tf_lease_page_t *page, uint64_t now_ns) {
  return now_ns >= tf_load_acquire(&page->until_ns); /* pairs with: tf_lease_page_set */
}

void tf_lease_row_set(tf_lease_row_t *row, const tf_lease_row_t *said) {
  /* relaxed: each complete by itself, as all of these */
  tf_store_relaxed(&row->beat_ns, said->beat_ns);
  tf_store_relaxed(&row->events_behind, said->events_behind);       /* relaxed: as above */
  tf_store_relaxed(&row->decisions_behind, said->decisions_behind); /* relaxed: as above */
  tf_store_release(&row->epoch,
                   said->epoch); /* pairs with: tf_lease_row_get: none of a predecessor's */
}

void tf_lease_page_leave(const tf_lease_page_t *page, tf_lease_row_t *row) {
  if (page) (void)munmap((void *)(uintptr_t)page, TF_LEASE_PAGE_BYTES);
  if (row) (void)munmap(row, TF_LEASE_PAGE_BYTES);
}
