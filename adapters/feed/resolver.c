#include "feed/resolver.h"

#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"

struct tf_resolve {
  pthread_mutex_t lock;
  bool            done, abandoned; /* under lock; the second of the two frees */
  tf_resolve_fn_t resolve;
  char            host[256], port[8];
  int             wake_fd;
  int             eai;
  tf_address_t    addresses[TF_RESOLVE_ADDRESSES_MAX];
  uint32_t        address_cnt;
};

static pthread_mutex_t thread_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t        thread_cnt; /* under thread_lock */

static bool thread_claim(void) {
  pthread_mutex_lock(&thread_lock);
  bool claimed = thread_cnt < TF_RESOLVE_THREADS_MAX;
  if (claimed) thread_cnt++;
  pthread_mutex_unlock(&thread_lock);
  return claimed;
}

static void thread_release(void) {
  pthread_mutex_lock(&thread_lock);
  thread_cnt--;
  pthread_mutex_unlock(&thread_lock);
}

int tf_resolver_system(const char *host, const char *port, tf_address_t *addresses,
                       uint32_t *address_cnt) {
  struct addrinfo  hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  int              eai   = getaddrinfo(host, port, &hints, &found);
  uint32_t         cnt   = 0;
  for (struct addrinfo *a = found; eai == 0 && a && cnt < TF_RESOLVE_ADDRESSES_MAX;
       a                  = a->ai_next) {
    if (a->ai_addrlen > sizeof addresses[0].addr) continue;
    memcpy(&addresses[cnt].addr, a->ai_addr, a->ai_addrlen);
    addresses[cnt++].addr_cnt = a->ai_addrlen;
  }
  if (found) freeaddrinfo(found);
  *address_cnt = cnt;
  return eai == 0 && cnt == 0 ? EAI_NONAME : eai;
}

static void release(tf_resolve_t *r) {
  close(r->wake_fd);
  pthread_mutex_destroy(&r->lock);
  free(r);
}

static void *resolve_thread(void *arg) {
  tf_resolve_t *r = arg;
  tf_address_t  addresses[TF_RESOLVE_ADDRESSES_MAX];
  uint32_t      cnt = 0;
  int           eai = r->resolve(r->host, r->port, addresses, &cnt);
  pthread_mutex_lock(&r->lock);
  r->eai         = eai;
  r->address_cnt = eai == 0 ? cnt : 0;
  memcpy(r->addresses, addresses, r->address_cnt * sizeof *addresses);
  r->done        = true;
  bool abandoned = r->abandoned;
  if (!abandoned) {
    uint64_t one     = 1;
    ssize_t  written = write(r->wake_fd, &one, sizeof one);
    (void)written; /* an eventfd that is full is awake already */
  }
  pthread_mutex_unlock(&r->lock);
  if (abandoned) release(r);
  thread_release();
  return NULL;
}

tf_resolve_t *tf_resolver_begin(tf_resolve_fn_t resolve, const char *host, const char *port,
                                int wake_fd) {
  if (!thread_claim()) {
    TF_ERR(E_FEED_DNS, "%s: %d look-ups are under way already, none more is started", host,
           TF_RESOLVE_THREADS_MAX);
    return NULL;
  }
  tf_resolve_t *r  = calloc(1, sizeof *r);
  int           fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 0);
  if (!r || fd < 0) goto no_thread;
  r->resolve = resolve;
  r->wake_fd = fd;
  snprintf(r->host, sizeof r->host, "%s", host);
  snprintf(r->port, sizeof r->port, "%s", port);
  pthread_mutex_init(&r->lock, NULL);
  pthread_t thread;
  if (pthread_create(&thread, NULL, resolve_thread, r) == 0) {
    pthread_detach(thread);
    return r;
  }
  pthread_mutex_destroy(&r->lock);
no_thread:
  if (fd >= 0) close(fd);
  free(r);
  thread_release();
  TF_ERR(E_FEED_DNS, "%s: no thread or descriptor left to look it up with", host);
  return NULL;
}

bool tf_resolver_poll(tf_resolve_t *r, int *eai, tf_address_t *addresses, uint32_t *address_cnt) {
  pthread_mutex_lock(&r->lock);
  bool done = r->done;
  if (done) {
    *eai         = r->eai;
    *address_cnt = r->address_cnt;
    memcpy(addresses, r->addresses, r->address_cnt * sizeof *addresses);
  }
  pthread_mutex_unlock(&r->lock);
  return done;
}

void tf_resolver_end(tf_resolve_t *r) {
  if (!r) return;
  pthread_mutex_lock(&r->lock);
  r->abandoned = true;
  bool done    = r->done;
  pthread_mutex_unlock(&r->lock);
  if (done) release(r);
}
