#include "boot/lease_page.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "tf/atomic.h"

#define MAGIC UINT64_C(0x3165736165666b74) /* "tkfease1" */

uint64_t tf_lease_clock_ns(void) {
  struct timespec at;
  clock_gettime(CLOCK_BOOTTIME, &at);
  return (uint64_t)at.tv_sec * TF_NS_PER_SEC + (uint64_t)at.tv_nsec;
}

tf_err_t tf_lease_page_make(tf_lease_page_t **page, int *fd) {
  *page = NULL;
  *fd   = memfd_create("tickfuse-lease", MFD_CLOEXEC);
  if (*fd < 0 || ftruncate(*fd, sizeof **page) != 0)
    return TF_ERR(E_CORE_SYSTEM, "a page for leases: %s", strerror(errno));
  void *memory = mmap(NULL, sizeof **page, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
  if (memory == MAP_FAILED) return TF_ERR(E_CORE_SYSTEM, "a page for leases: %s", strerror(errno));
  *page  = memory;
  **page = (tf_lease_page_t){.magic = MAGIC};
  return TF_OK;
}

void tf_lease_page_set(tf_lease_page_t *page, uint64_t until_ns) {
  tf_store_release(&page->until_ns, until_ns); /* pairs with: tf_lease_page_is_over */
}

tf_err_t tf_lease_page_join(int fd, const tf_lease_page_t **page) {
  struct stat st;
  void       *memory = MAP_FAILED;
  *page              = NULL;
  if (fstat(fd, &st) == 0 && st.st_size == sizeof **page)
    memory = mmap(NULL, sizeof **page, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED)
    return TF_ERR(E_GROUP_LEASE,
                  "descriptor %d is no page of a lease: tickfuse group hands one over", fd);
  close(fd);
  *page = memory;
  if ((*page)->magic == MAGIC) return TF_OK;
  tf_lease_page_leave(*page);
  *page = NULL;
  return TF_ERR(E_GROUP_LEASE, "descriptor %d is no page of a lease: tickfuse group hands one over",
                fd);
}

bool tf_lease_page_is_over(const tf_lease_page_t *page, uint64_t now_ns) {
  return now_ns >= tf_load_acquire(&page->until_ns); /* pairs with: tf_lease_page_set */
}

void tf_lease_page_leave(const tf_lease_page_t *page) {
  if (page) (void)munmap((void *)(uintptr_t)page, sizeof *page);
}
