#include "broker/nats_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/peer.h"
#include "broker/text.h"
#include "core/error.h"
#include "core/secret.h"
#include "tf/atomic.h"

#define PINGS_MAX    2 /* unanswered: the connection is broken */
#define URL_BYTES    512u
#define SECRET_CHARS 1024u

static bool is_secure(const tf_broker_config_t *config) {
  return strstr(config->url, "tls://") || config->ca_file || config->cert_file;
}

/* ---- libnats' event loop: one socket, which wait polls ---- */

/* Puts a socket pair in the place of libnats' socket, whose number it keeps. */
static bool stand_between(tf_nats_link_t *link) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return false;
  link->pair_fd = pair[1];
  link->wire_fd = fcntl(link->fd, F_DUPFD_CLOEXEC, 0);
  bool done     = link->wire_fd >= 0 && fcntl(link->wire_fd, F_SETFL, O_NONBLOCK) == 0 &&
              dup3(pair[0], link->fd, O_CLOEXEC) >= 0;
  close(pair[0]);
  return done;
}

static natsStatus loop_attach(void **user_data, void *loop, natsConnection *nc, natsSock fd) {
  tf_nats_link_t *link = loop;
  (void)nc;
  *user_data = link;
  link->fd   = fd;
  return is_secure(&link->config) || stand_between(link) ? NATS_OK : NATS_SYS_ERROR;
}

static natsStatus loop_read(void *user_data, bool add) {
  (void)user_data;
  (void)add;
  return NATS_OK;
}

static natsStatus loop_write(void *user_data, bool add) {
  tf_nats_link_t *link = user_data;
  /* relaxed: only whether to poll for room; what is to be written is under libnats' own lock */
  tf_store_relaxed_u32(&link->wants_write, add);
  return NATS_OK;
}

static natsStatus loop_detach(void *user_data) {
  (void)user_data;
  return NATS_OK;
}

/* ---- options ---- */

static tf_err_t refuse(const char *what, natsStatus status) {
  const char *more = nats_GetLastError(NULL);
  return TF_ERR(E_BROKER_CONFIG, "%s: %s%s%s", what, natsStatus_GetText(status), more ? ": " : "",
                more ? more : "");
}

static bool ends_with(const char *text, const char *end) {
  size_t chars = strlen(text), end_chars = strlen(end);
  return chars >= end_chars && !strcmp(text + chars - end_chars, end);
}

/* user with password_file; token_file by itself, a token or a .creds file; user with token_file, an nkey and its seed. */
static tf_err_t set_login(natsOptions *options, const tf_broker_config_t *c) {
  char       secret[SECRET_CHARS] = "";
  natsStatus status               = NATS_OK;
  tf_err_t   err                  = TF_OK;
  if (c->password_file && c->token_file)
    return TF_ERR(E_BROKER_CONFIG,
                  "password_file and token_file are both given; one of them is wanted");
  if (c->token_file && !c->user && ends_with(c->token_file, ".creds")) {
    err = tf_secret_check(c->token_file);
    if (!err) status = natsOptions_SetUserCredentialsFromFiles(options, c->token_file, NULL);
  } else if (c->token_file) {
    err = tf_secret_read(c->token_file, secret, sizeof secret);
    if (!err)
      status = c->user ? natsOptions_SetNKeyFromSeed(options, c->user, c->token_file)
                       : natsOptions_SetToken(options, secret);
  } else if (c->password_file) {
    err = tf_secret_read(c->password_file, secret, sizeof secret);
    if (!err) status = natsOptions_SetUserInfo(options, c->user ? c->user : "", secret);
  } else if (c->user) {
    return TF_ERR(E_BROKER_CONFIG, "user is given, and neither password_file nor token_file");
  }
  tf_secret_wipe(secret, sizeof secret);
  return !err && status != NATS_OK ? refuse("user, password_file, token_file", status) : err;
}

static tf_err_t set_tls(natsOptions *options, const tf_broker_config_t *c) {
  natsStatus status = NATS_OK;
  if (!is_secure(c)) return TF_OK;
  if (!c->cert_file != !c->tls_key_file)
    return TF_ERR(E_BROKER_CONFIG, "cert_file and tls_key_file go together");
  status = natsOptions_SetSecure(options, true);
  if (status == NATS_OK && c->ca_file)
    status = natsOptions_LoadCATrustedCertificates(options, c->ca_file);
  if (status != NATS_OK) return refuse("ca_file", status);
  if (c->cert_file)
    status = natsOptions_LoadCertificatesChain(options, c->cert_file, c->tls_key_file);
  return status == NATS_OK ? TF_OK : refuse("cert_file, tls_key_file", status);
}

/* "nats://HOST:PORT", "nats://[HOST]:PORT", without a port 4222 */
static bool is_away(const char *server, uint64_t wait_ns) {
  char        host[URL_BYTES];
  const char *begin = strstr(server, "://") + 3, *end = begin + strcspn(begin, "/");
  const char *colon = memrchr(begin, ':', (size_t)(end - begin));
  if (*begin == '[') colon = strstr(begin, "]:") ? strstr(begin, "]:") + 1 : NULL;
  const char *host_end = colon ? colon : end, *port = colon ? colon + 1 : "4222";
  if (*begin == '[') begin++, host_end--;
  snprintf(host, sizeof host, "%.*s", (int)(host_end - begin), begin);
  return tf_peer_look(host, port, wait_ns) == TF_PEER_NOBODY;
}

/* "nats://a:4222,nats://b:4222"; present: of those that are not seen to be away. */
static tf_err_t set_servers(natsOptions *options, const tf_broker_config_t *c, bool present,
                            uint64_t wait_ns) {
  char        text[URL_BYTES];
  const char *servers[TF_NATS_SERVERS_MAX];
  uint32_t    cnt = 0;
  char       *save;
  if (strlen(c->url) >= sizeof text)
    return TF_ERR(E_BROKER_CONFIG, "url: %zu characters; at most %zu are allowed", strlen(c->url),
                  sizeof text - 1);
  memcpy(text, c->url, strlen(c->url) + 1);
  for (char *at = strtok_r(text, ", ", &save); at; at = strtok_r(NULL, ", ", &save)) {
    if (strchr(at, '@'))
      return TF_ERR(E_BROKER_CONFIG,
                    "url: an address of NATS holds an @: the user goes into user, the "
                    "password into password_file");
    if (strncmp(at, "nats://", 7) != 0 && strncmp(at, "tls://", 6) != 0)
      return TF_ERR(E_BROKER_CONFIG, "url: \"%s\": expected nats://HOST:PORT or tls://HOST:PORT",
                    at);
    if (cnt == TF_NATS_SERVERS_MAX)
      return TF_ERR(E_BROKER_CONFIG, "url: more than %u servers", TF_NATS_SERVERS_MAX);
    if (!present || !is_away(at, wait_ns)) servers[cnt++] = at;
  }
  if (cnt == 0) return TF_ERR(E_BROKER_IO, "%s: nobody listens there", c->url);
  natsStatus status = natsOptions_SetServers(options, servers, (int)cnt);
  return status == NATS_OK ? TF_OK : refuse(c->url, status);
}

static tf_err_t set_rest(natsOptions *options, tf_nats_link_t *link) {
  natsStatus status = natsOptions_SetName(options, link->config.name);
  if (status == NATS_OK) status = natsOptions_SetTimeout(options, link->limits.connect_ms);
  if (status == NATS_OK) status = natsOptions_SetAllowReconnect(options, false);
  if (status == NATS_OK) status = natsOptions_SetPingInterval(options, link->limits.ping_ms);
  if (status == NATS_OK) status = natsOptions_SetMaxPingsOut(options, PINGS_MAX);
  if (status == NATS_OK) status = natsOptions_SetSendAsap(options, true);
  if (status == NATS_OK)
    status =
        natsOptions_SetEventLoop(options, link, loop_attach, loop_read, loop_write, loop_detach);
  return status == NATS_OK ? TF_OK : refuse("libnats", status);
}

static tf_err_t make_options(tf_nats_link_t *link, bool present, natsOptions **options) {
  natsStatus status = natsOptions_Create(options);
  if (status != NATS_OK) return refuse("libnats", status);
  tf_err_t err =
      set_servers(*options, &link->config, present, link->limits.connect_ms * TF_NS_PER_MS);
  if (!err) err = set_login(*options, &link->config);
  if (!err) err = set_tls(*options, &link->config);
  if (!err) err = set_rest(*options, link);
  if (err) natsOptions_Destroy(*options);
  return err;
}

/* ---- dialing ---- */

static natsStatus subscribe(tf_nats_link_t *link) {
  char       subject[TF_NATS_INBOX_BYTES + 2];
  natsInbox *inbox  = NULL;
  natsStatus status = natsInbox_Create(&inbox);
  if (status != NATS_OK) return status;
  snprintf(link->inbox, sizeof link->inbox, "%s.", inbox);
  snprintf(subject, sizeof subject, "%s*", link->inbox);
  natsInbox_Destroy(inbox);
  return natsConnection_SubscribeSync(&link->sub, link->nc, subject);
}

static void *dial(void *self) {
  tf_nats_link_t *link    = self;
  natsOptions    *options = NULL;
  link->text[0]           = '\0';
  if (make_options(link, true, &options) != TF_OK) {
    snprintf(link->text, sizeof link->text, "%s", tf_error_text());
  } else {
    natsStatus status = natsConnection_Connect(&link->nc, options);
    if (status == NATS_OK) status = subscribe(link);
    if (status != NATS_OK) {
      const char *more = nats_GetLastError(NULL);
      snprintf(link->text, sizeof link->text, "%s: %s%s%s", link->config.url,
               natsStatus_GetText(status), more ? ": " : "", more ? more : "");
    }
    natsOptions_Destroy(options);
  }
  nats_ReleaseThreadMemory();
  tf_store_release(&link->dialed, 1); /* pairs with: tf_nats_link_wait */
  return NULL;
}

void tf_nats_link_dial(tf_nats_link_t *link) {
  TF_ASSERT(link->state == TF_NATS_LINK_NONE);
  tf_store_release(&link->dialed, 0); /* pairs with: tf_nats_link_wait, this same thread */
  link->state = TF_NATS_LINK_DIALING;
  if (pthread_create(&link->dialer, NULL, dial, link) == 0) return;
  snprintf(link->text, sizeof link->text, "no thread can be had to connect with");
  link->state = TF_NATS_LINK_DOWN;
}

/* libnats' own close waits half a second for a PONG that in event-loop mode nobody would read. A socket that is
 * shut is a connection that broke: libnats closes it at once. */
void tf_nats_link_hang_up(tf_nats_link_t *link) {
  if (link->nc && !natsConnection_IsClosed(link->nc)) {
    (void)shutdown(link->fd, SHUT_RDWR);
    natsConnection_ProcessReadEvent(link->nc);
  }
  natsSubscription_Destroy(link->sub);
  natsConnection_Destroy(link->nc);
  if (link->wire_fd >= 0) close(link->wire_fd);
  if (link->pair_fd >= 0) close(link->pair_fd);
  link->sub = NULL;
  link->nc  = NULL;
  link->fd = link->wire_fd = link->pair_fd = -1;
  link->out_at = link->out_end = 0;
  link->in_at = link->in_end = 0;
  link->is_between           = false;
  link->is_answer            = false;
  link->guard.line_cnt       = 0;
  link->guard.skip           = 0;
  link->state                = TF_NATS_LINK_NONE;
}

static void take_dialed(tf_nats_link_t *link) {
  (void)pthread_join(link->dialer, NULL);
  link->state = link->text[0] ? TF_NATS_LINK_DOWN : TF_NATS_LINK_UP;
}

/* ---- running ---- */

static bool wants_write(const tf_nats_link_t *link) {
  /* relaxed: see loop_write */
  return tf_load_relaxed_u32(&link->wants_write) != 0;
}

static TF_PRINTF(2, 3) void broke(tf_nats_link_t *link, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(link->text, sizeof link->text, fmt, args);
  va_end(args);
  link->state = TF_NATS_LINK_DOWN;
}

static void check_closed(tf_nats_link_t *link) {
  const char *more = NULL;
  if (link->state == TF_NATS_LINK_DOWN || !natsConnection_IsClosed(link->nc)) return;
  natsStatus status = natsConnection_GetLastError(link->nc, &more);
  snprintf(link->text, sizeof link->text, "%s: the connection ended: %s%s%s", link->config.url,
           natsStatus_GetText(status), more && *more ? ": " : "", more ? more : "");
  link->state = TF_NATS_LINK_DOWN;
}

/* In parts that libnats reads at once. */
static void hand_on(tf_nats_link_t *link, const char *bytes, size_t cnt) {
  for (size_t n; cnt > 0 && link->state == TF_NATS_LINK_UP; bytes += n, cnt -= n) {
    n = cnt < TF_NATS_IN_BYTES ? cnt : TF_NATS_IN_BYTES;
    if (send(link->pair_fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n)
      broke(link, "libnats does not read");
    else
      natsConnection_ProcessReadEvent(link->nc);
  }
  check_closed(link);
}

/* From the wire, through the guard, into libnats, unless the owner takes answers first. */
static void receive(tf_nats_link_t *link) {
  if (link->in_at < link->in_end) return;
  ssize_t got = recv(link->wire_fd, link->in, sizeof link->in, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  link->in_at  = 0;
  link->in_end = got > 0 ? (size_t)got : 0;
  if (got <= 0)
    broke(link, "%s: the connection ended: %s", link->config.url,
          got == 0 ? "the server closed it" : strerror(errno));
  if (got <= 0 || link->takes_answers) return;
  link->in_at = link->in_end;
  if (tf_nats_guard_check(&link->guard, link->in, (size_t)got) != TF_OK)
    broke(link, "%s", tf_error_text());
  else
    hand_on(link, link->in, (size_t)got);
}

/* "MSG INBOX.NUMBER ...": the number. */
static bool is_answer(tf_nats_link_t *link, const tf_nats_piece_t *line) {
  static const char word[] = "MSG ";
  size_t            cnt    = strlen(link->inbox);
  if (link->guard.skip > sizeof link->answer || line->cnt < strlen(word) + cnt ||
      memcmp(line->bytes, word, strlen(word)) != 0 ||
      memcmp(line->bytes + strlen(word), link->inbox, cnt) != 0)
    return false;
  const char *at = line->bytes + strlen(word) + cnt, *end = line->bytes + line->cnt;
  return tf_text_read_u64(&at, end, &link->token) && at < end && *at == ' ';
}

bool tf_nats_link_answer(tf_nats_link_t *link, tf_nats_answer_t *answer) {
  tf_nats_piece_t piece;
  while (link->state == TF_NATS_LINK_UP && link->in_at < link->in_end) {
    const char *at  = link->in + link->in_at;
    int         got = tf_nats_guard_next(&link->guard, &at, link->in + link->in_end, &piece);
    link->in_at     = (size_t)(at - link->in);
    if (got < 0) broke(link, "%s", tf_error_text());
    if (got <= 0) continue;
    if (piece.is_line) {
      link->is_answer  = is_answer(link, &piece);
      link->answer_cnt = 0;
    }
    if (!link->is_answer) hand_on(link, piece.bytes, piece.cnt);
    if (!link->is_answer || piece.is_line) continue;
    memcpy(link->answer + link->answer_cnt, piece.bytes, piece.cnt);
    link->answer_cnt += piece.cnt;
    if (link->guard.skip) continue;
    *answer = (tf_nats_answer_t){link->token, link->answer, link->answer_cnt - 2};
    return true;
  }
  return false;
}

/* From libnats onto the wire: until it has no more, or the wire takes no more. */
static void transmit(tf_nats_link_t *link) {
  for (;;) {
    if (link->out_at == link->out_end) {
      if (wants_write(link)) natsConnection_ProcessWriteEvent(link->nc);
      ssize_t got      = recv(link->pair_fd, link->out, sizeof link->out, 0);
      link->is_between = got <= 0; /* libnats writes whole messages, and all of them are here */
      if (got <= 0) return;
      link->out_at  = 0;
      link->out_end = (size_t)got;
    }
    ssize_t sent =
        send(link->wire_fd, link->out + link->out_at, link->out_end - link->out_at, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
      broke(link, "%s: the connection ended: %s", link->config.url, strerror(errno));
    if (sent <= 0) return;
    link->out_at += (size_t)sent;
  }
}

bool tf_nats_link_writes(const tf_nats_link_t *link, size_t bytes_max) {
  return link->wire_fd >= 0 && bytes_max <= sizeof link->out;
}

char *tf_nats_link_room(tf_nats_link_t *link, size_t bytes) {
  if (link->out_at == link->out_end) link->out_at = link->out_end = 0;
  return link->is_between && bytes <= sizeof link->out - link->out_end ? link->out + link->out_end
                                                                       : NULL;
}

void tf_nats_link_put(tf_nats_link_t *link, size_t bytes) {
  TF_ASSERT(link->is_between && bytes <= sizeof link->out - link->out_end);
  link->out_end += bytes;
}

#define DIALED_NS TF_NS_PER_MS /* how often it is asked whether the dialer is done */

tf_nats_link_state_t tf_nats_link_wait(tf_nats_link_t *link, uint64_t wait_ns) {
  if (link->state != TF_NATS_LINK_UP) {
    bool dials = link->state == TF_NATS_LINK_DIALING;
    /* pairs with: dial */
    if (dials && tf_load_acquire(&link->dialed))
      take_dialed(link);
    else
      (void)tf_peer_wait(-1, false, dials && wait_ns > DIALED_NS ? DIALED_NS : wait_ns);
    return link->state;
  }
  bool is_guarded = link->wire_fd >= 0, writes = wants_write(link) || link->out_at < link->out_end;
  if (link->in_at < link->in_end) wait_ns = 0; /* it has something to say already */
  short events = tf_peer_wait(is_guarded ? link->wire_fd : link->fd, writes, wait_ns);
  bool  reads  = (events & (POLLIN | POLLERR | POLLHUP)) != 0;
  if (reads && is_guarded) receive(link);
  if (reads && !is_guarded) natsConnection_ProcessReadEvent(link->nc);
  if (events & POLLOUT && is_guarded) transmit(link);
  if (events & POLLOUT && !is_guarded) natsConnection_ProcessWriteEvent(link->nc);
  check_closed(link);
  return link->state;
}

natsMsg *tf_nats_link_next(tf_nats_link_t *link, bool *no_responders) {
  natsMsg   *msg    = NULL;
  natsStatus status = natsSubscription_NextMsg(&msg, link->sub, 0);
  *no_responders    = status == NATS_NO_RESPONDERS || (msg && natsMsg_IsNoResponders(msg));
  return msg;
}

void tf_nats_link_limit(tf_nats_link_t *link, const tf_nats_limits_t *limits) {
  link->limits                  = *limits;
  link->guard.payload_bytes_max = limits->payload_bytes_max;
}

tf_err_t tf_nats_link_init(tf_nats_link_t *link, const tf_broker_config_t *config) {
  static const tf_nats_limits_t of_answers = {
      .connect_ms = 2000, .ping_ms = 2000, .payload_bytes_max = TF_NATS_GUARD_PAYLOAD_BYTES};
  natsOptions *options = NULL;
  memset(link, 0, sizeof *link);
  link->config = *config;
  tf_nats_link_limit(link, &of_answers);
  link->fd = link->wire_fd = link->pair_fd = -1;
  tf_err_t err                             = make_options(link, false, &options);
  if (!err) natsOptions_Destroy(options);
  return err;
}

void tf_nats_link_fini(tf_nats_link_t *link) {
  if (link->state == TF_NATS_LINK_DIALING) take_dialed(link);
  tf_nats_link_hang_up(link);
}
