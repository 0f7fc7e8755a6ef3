#include "feed/dialer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/log.h"
#include "feed/dialing.h"

#define HOSTS_MAX   64 /* remembered; the one longest unused makes room */
#define POLL_MS_MAX 1000

typedef struct host {
  char         host[256], port[8];
  uint64_t     used_ns;
  uint64_t     start_ns; /* the next websocket dial, not before */
  tf_address_t last_good;
} host_t;

typedef struct client_row {
  tf_dialer_client_t *client;
  bool                leaving;
} client_row_t;

struct tf_dialer {
  tf_dialer_config_t config;
  pthread_t          thread;
  pthread_mutex_t    lock;
  pthread_cond_t     left;
  bool               stopping;                       /* under lock */
  client_row_t       clients[TF_DIALER_CLIENTS_MAX]; /* under lock */
  uint32_t           client_cnt;                     /* under lock */
  /* the thread's own */
  tf_dialing_t        *dialings[TF_DIALER_DIALS_MAX];
  uint32_t             dialing_cnt;
  host_t               hosts[HOSTS_MAX];
  struct pollfd        fds[TF_DIALER_DIALS_MAX * TF_ADDRESSES_MAX + 1];
  tf_dialing_scratch_t scratch;
};

tf_dialer_config_t tf_dialer_config_default(void) {
  return (tf_dialer_config_t){
      .dns_ns         = TF_DIAL_DNS_NS,
      .connect_ns     = TF_DIAL_CONNECT_NS,
      .proxy_ns       = TF_DIAL_PROXY_NS,
      .tls_ns         = TF_DIAL_TLS_NS,
      .upgrade_ns     = TF_DIAL_UPGRADE_NS,
      .get_ns         = TF_DIAL_GET_NS,
      .host_gap_ns    = TF_NS_PER_SEC,
      .body_bytes_max = TF_DIAL_BODY_BYTES_MAX,
      .resolve        = tf_resolver_system,
      .user_agent     = "tickfuse",
  };
}

const char *tf_dialer_phase_name(tf_dial_phase_t phase) {
  static const char *const names[] = {
#define NAME_(id, name) name,
      TF_DIAL_PHASES(NAME_)
#undef NAME_
  };
  return (unsigned)phase < TF_DIAL_PHASE_CNT ? names[phase] : "unknown";
}

static void wake(tf_dialer_t *dialer) {
  uint64_t one     = 1;
  ssize_t  written = write(dialer->scratch.wake_fd, &one, sizeof one);
  (void)written; /* an eventfd that is full is awake already */
}

/* ---- the client's side ---- */

void tf_dial_init(tf_dial_t *dial, uint8_t *tls_tx, size_t tls_tx_cap, uint8_t *leftover) {
  memset(dial, 0, sizeof *dial);
  dial->fd         = -1;
  dial->tls_tx     = tls_tx;
  dial->tls_tx_cap = tls_tx_cap;
  dial->leftover   = leftover;
}

void tf_dial_fini(tf_dial_t *dial) {
  if (dial->fd >= 0) close(dial->fd);
  dial->fd = -1;
  tf_tls_fini(&dial->tls);
  memset(&dial->tls, 0, sizeof dial->tls);
  free(dial->body);
  dial->body         = NULL;
  dial->body_cnt     = 0;
  dial->leftover_cnt = 0;
}

bool tf_dialer_submit(tf_dialer_t *dialer, tf_dialer_client_t *client, tf_dial_t *dial) {
  if (!tf_handoff_post(&client->requests, dial)) return false;
  wake(dialer);
  return true;
}

tf_dial_t *tf_dialer_take(tf_dialer_client_t *client) { return tf_handoff_take(&client->results); }

/* ---- the thread ---- */

static host_t *host_at(tf_dialer_t *dialer, const char *host, const char *port, uint64_t now_ns) {
  host_t *oldest = &dialer->hosts[0];
  for (uint32_t i = 0; i < HOSTS_MAX; i++) {
    host_t *h = &dialer->hosts[i];
    if (strcmp(h->host, host) == 0 && strcmp(h->port, port) == 0) {
      h->used_ns = now_ns;
      return h;
    }
    if (h->used_ns < oldest->used_ns) oldest = h;
  }
  memset(oldest, 0, sizeof *oldest);
  snprintf(oldest->host, sizeof oldest->host, "%s", host);
  snprintf(oldest->port, sizeof oldest->port, "%s", port);
  oldest->used_ns = now_ns;
  return oldest;
}

static host_t *host_of(tf_dialer_t *dialer, const tf_endpoint_t *to, uint64_t now_ns) {
  return host_at(dialer, to->host, to->port, now_ns);
}

/* Whose addresses are connected to: the proxy's, where there is one. */
static host_t *first_hop_of(tf_dialer_t *dialer, const tf_endpoint_t *to, uint64_t now_ns) {
  const tf_via_t *via = to->via;
  if (!via || !via->proxy_host) return host_of(dialer, to, now_ns);
  return host_at(dialer, via->proxy_host, via->proxy_port, now_ns);
}

static void give_back(tf_dialer_client_t *client, tf_dial_t *dial) {
  bool posted = tf_handoff_post(&client->results, dial);
  TF_ASSERT(posted); /* no more are out than its request hand-off held */
}

static void report(const tf_dial_t *dial) {
  const tf_endpoint_t *to = dial->endpoint;
  if (dial->err != TF_OK)
    tf_log(TF_LOG_WARN, "dial_failed", "host=%s port=%s phase=%s error=%s text=\"%s\"", to->host,
           to->port, tf_dialer_phase_name(dial->phase), tf_error_name(dial->err), dial->text);
  else if (dial->kind == TF_DIAL_WEBSOCKET)
    tf_log(TF_LOG_INFO, "dial_done", "host=%s port=%s after=\"%s\"", to->host, to->port,
           dial->why ? dial->why : "-"); /* not its target: some venues put a token there */
}

static void finish(tf_dialer_t *dialer, uint32_t idx, uint64_t now_ns) {
  tf_dialing_t *d    = dialer->dialings[idx];
  tf_dial_t    *dial = d->dial;
  if (dial->peer.addr_cnt > 0) first_hop_of(dialer, dial->endpoint, now_ns)->last_good = dial->peer;
  tf_dialing_fini(d);
  report(dial);
  tf_dialer_client_t *client = d->client;
  free(d);
  dialer->dialings[idx] = dialer->dialings[--dialer->dialing_cnt];
  give_back(client, dial); /* last: it is the client's from here on */
}

static void refuse(tf_dialer_client_t *client, tf_dial_t *dial, tf_err_t err) {
  dial->err   = err;
  dial->phase = TF_DIAL_WAIT;
  snprintf(dial->text, sizeof dial->text, "%s", tf_error_text());
  report(dial);
  give_back(client, dial);
}

static void begin(tf_dialer_t *dialer, tf_dialer_client_t *client, tf_dial_t *dial,
                  uint64_t now_ns) {
  tf_dial_fini(dial); /* what the last use left */
  dial->err           = TF_OK;
  dial->http_status   = 0;
  dial->retry_after_s = UINT32_MAX;
  memset(&dial->peer, 0, sizeof dial->peer);
  memset(dial->phase_ns, 0, sizeof dial->phase_ns);
  if (dial->kind == TF_DIAL_RELEASE) {
    give_back(client, dial);
    return;
  }
  tf_dialing_t *d = NULL;
  if (dialer->dialing_cnt < TF_DIALER_DIALS_MAX) d = calloc(1, sizeof *d);
  if (!d) {
    refuse(client, dial,
           TF_ERR(E_FEED_LIMIT, "%u dials are under way, or memory is short", dialer->dialing_cnt));
    return;
  }
  *d = (tf_dialing_t){.dial           = dial,
                      .client         = client,
                      .config         = &dialer->config,
                      .fd             = -1,
                      .attempts       = {.won_fd = -1},
                      .last_good      = first_hop_of(dialer, dial->endpoint, now_ns)->last_good,
                      .phase_begin_ns = now_ns,
                      .start_ns       = now_ns};
  if (dial->kind == TF_DIAL_WEBSOCKET) {
    host_t *host = host_of(dialer, dial->endpoint, now_ns);
    if (d->start_ns < host->start_ns) d->start_ns = host->start_ns;
    if (dial->endpoint->budget) d->start_ns = tf_budget_book(dial->endpoint->budget, d->start_ns);
    host->start_ns = d->start_ns + dialer->config.host_gap_ns;
  }
  dialer->dialings[dialer->dialing_cnt++] = d;
}

/* Fails a leaving client's dials; all of them when the thread ends. */
static void abort_dials(tf_dialer_t *dialer, const tf_dialer_client_t *client, uint64_t now_ns) {
  for (uint32_t i = dialer->dialing_cnt; i-- > 0;) {
    tf_dialing_t *d = dialer->dialings[i];
    if (client && d->client != client) continue;
    tf_dialing_fail(d, TF_ERR(E_FEED_CLOSED, "%s:%s: the session was stopped",
                              d->dial->endpoint->host, d->dial->endpoint->port));
    finish(dialer, i, now_ns);
  }
}

/* Takes requests and lets clients go. False: the thread shall end. */
static bool serve_clients(tf_dialer_t *dialer, uint64_t now_ns) {
  pthread_mutex_lock(&dialer->lock);
  bool stopping = dialer->stopping;
  for (uint32_t i = 0; i < dialer->client_cnt;) {
    client_row_t *row = &dialer->clients[i];
    tf_dial_t    *dial;
    while ((dial = tf_handoff_take(&row->client->requests))) {
      if (row->leaving)
        refuse(row->client, dial, TF_ERR(E_FEED_CLOSED, "the session was stopped"));
      else
        begin(dialer, row->client, dial, now_ns);
    }
    if (row->leaving) {
      abort_dials(dialer, row->client, now_ns);
      *row = dialer->clients[--dialer->client_cnt];
      pthread_cond_broadcast(&dialer->left);
    } else {
      i++;
    }
  }
  pthread_mutex_unlock(&dialer->lock);
  return !stopping;
}

static void tick_all(tf_dialer_t *dialer, uint64_t now_ns) {
  for (uint32_t i = dialer->dialing_cnt; i-- > 0;) {
    tf_dialing_t *d    = dialer->dialings[i];
    bool          more = true;
    if (d->phase == TF_DIAL_WAIT && now_ns >= d->start_ns)
      more = tf_dialing_begin(d, &dialer->scratch, now_ns);
    else if (d->phase != TF_DIAL_WAIT)
      more = tf_dialing_tick(d, now_ns);
    if (!more) finish(dialer, i, now_ns);
  }
}

static int poll_timeout_ms(const tf_dialer_t *dialer, uint64_t now_ns) {
  uint64_t due_ns = now_ns + POLL_MS_MAX * TF_NS_PER_MS;
  for (uint32_t i = 0; i < dialer->dialing_cnt; i++) {
    uint64_t dial_due_ns = tf_dialing_due_ns(dialer->dialings[i]);
    if (dial_due_ns < due_ns) due_ns = dial_due_ns;
  }
  if (due_ns <= now_ns) return 0;
  return (int)((due_ns - now_ns) / TF_NS_PER_MS) + 1;
}

static void wait_and_serve(tf_dialer_t *dialer, uint64_t now_ns) {
  uint32_t cnt = dialer->dialing_cnt, fd_cnt = 1, first_fd[TF_DIALER_DIALS_MAX + 1];
  dialer->fds[0] = (struct pollfd){.fd = dialer->scratch.wake_fd, .events = POLLIN};
  for (uint32_t i = 0; i < cnt; i++) {
    first_fd[i] = fd_cnt;
    fd_cnt += tf_dialing_poll_fds(dialer->dialings[i], &dialer->fds[fd_cnt]);
  }
  first_fd[cnt] = fd_cnt;
  int ready     = poll(dialer->fds, fd_cnt, poll_timeout_ms(dialer, now_ns));
  if (ready <= 0) return;
  now_ns = tf_clock_monotonic_ns();
  if (dialer->fds[0].revents) {
    uint64_t times;
    ssize_t  got = read(dialer->scratch.wake_fd, &times, sizeof times);
    (void)got;
  }
  /* From the end: finish() moves the last one into the gap. */
  for (uint32_t i = cnt; i-- > 0;) {
    tf_dialing_t *d = dialer->dialings[i];
    /* A look-up has no descriptor of its own: it is asked after each wake. Of several, the first that is
     * ready: what it leads to may close the others. */
    uint32_t fd = first_fd[i];
    while (fd < first_fd[i + 1] && !dialer->fds[fd].revents) fd++;
    bool look = d->phase == TF_DIAL_DNS || fd < first_fd[i + 1];
    if (look && !tf_dialing_ready(d, &dialer->scratch, fd - first_fd[i], now_ns))
      finish(dialer, i, now_ns);
  }
}

static void *dialer_thread(void *arg) {
  tf_dialer_t *dialer = arg;
  tf_cpu_pin(-1, "tf_dialer");
  uint64_t now_ns = tf_clock_monotonic_ns();
  while (serve_clients(dialer, now_ns)) {
    tick_all(dialer, now_ns);
    wait_and_serve(dialer, now_ns);
    now_ns = tf_clock_monotonic_ns();
  }
  abort_dials(dialer, NULL, now_ns);
  return NULL;
}

/* ---- control threads ---- */

tf_err_t tf_dialer_start(const tf_dialer_config_t *config, tf_dialer_t **out) {
  *out                = NULL;
  tf_dialer_t *dialer = calloc(1, sizeof *dialer);
  if (!dialer) return TF_ERR(E_CORE_NO_MEMORY, "no memory for the dialer");
  dialer->config          = *config;
  dialer->scratch.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (dialer->scratch.wake_fd < 0) {
    free(dialer);
    return TF_ERR(E_CORE_SYSTEM, "eventfd: %s", strerror(errno));
  }
  pthread_mutex_init(&dialer->lock, NULL);
  pthread_cond_init(&dialer->left, NULL);
  int err = pthread_create(&dialer->thread, NULL, dialer_thread, dialer);
  if (err != 0) {
    pthread_cond_destroy(&dialer->left);
    pthread_mutex_destroy(&dialer->lock);
    close(dialer->scratch.wake_fd);
    free(dialer);
    return TF_ERR(E_CORE_THREAD, "the dialer's thread: %s", strerror(err));
  }
  *out = dialer;
  return TF_OK;
}

void tf_dialer_stop(tf_dialer_t *dialer) {
  if (!dialer) return;
  pthread_mutex_lock(&dialer->lock);
  dialer->stopping = true;
  pthread_mutex_unlock(&dialer->lock);
  wake(dialer);
  pthread_join(dialer->thread, NULL);
  TF_ASSERT(dialer->client_cnt == 0);
  pthread_cond_destroy(&dialer->left);
  pthread_mutex_destroy(&dialer->lock);
  close(dialer->scratch.wake_fd);
  free(dialer);
}

tf_err_t tf_dialer_join(tf_dialer_t *dialer, tf_dialer_client_t *client) {
  tf_handoff_init(&client->requests);
  tf_handoff_init(&client->results);
  tf_err_t err = TF_OK;
  pthread_mutex_lock(&dialer->lock);
  if (dialer->client_cnt < TF_DIALER_CLIENTS_MAX)
    dialer->clients[dialer->client_cnt++] = (client_row_t){.client = client};
  else
    err = TF_ERR(E_FEED_LIMIT, "more than %d sessions on one dialer", TF_DIALER_CLIENTS_MAX);
  pthread_mutex_unlock(&dialer->lock);
  return err;
}

static bool is_client(const tf_dialer_t *dialer, const tf_dialer_client_t *client, uint32_t *idx) {
  for (*idx = 0; *idx < dialer->client_cnt; (*idx)++)
    if (dialer->clients[*idx].client == client) return true;
  return false;
}

void tf_dialer_leave(tf_dialer_t *dialer, tf_dialer_client_t *client) {
  uint32_t idx;
  pthread_mutex_lock(&dialer->lock);
  if (is_client(dialer, client, &idx)) {
    dialer->clients[idx].leaving = true;
    wake(dialer);
    while (is_client(dialer, client, &idx)) pthread_cond_wait(&dialer->left, &dialer->lock);
  }
  pthread_mutex_unlock(&dialer->lock);
}
