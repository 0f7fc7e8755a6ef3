/* Records in datagrams (tf/frame.h, tf/udp_reader.h), to a multicast group or to one address, on one line or on
 * two that carry the same bytes. Nobody answers for them: sent is acked. Whoever missed some asks the
 * address that they come from, within bounds that make an answer no weapon: no larger than the request, so
 * many a second to one source and to all, out of the last `slots` records.
 *
 * A batch leaves when it is full (the MTU, or batch_max), when its oldest record has waited linger, or at
 * once with linger 0. After the last record heartbeats say how far it went: after 10 ms, then twice as
 * long each time, up to a second; so a lost end is noticed quickly and a quiet stream is told from a
 * dead one. With each heartbeat of a second some rows of the instrument table go out in turn.
 *
 * One thread: the sink's own (egress.h). Memory: the caller's. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "file/crc32c.h"
#include "sink/egress.h"
#include "sink/recent.h"
#include "sink/source_rate.h"
#include "tf/udp_reader.h"

#define LINE_CNT         2u
#define RECENT_MAX       (UINT64_C(1) << 16)
#define RECENT_MIN       64u /* more than the records of a datagram */
#define HEARTBEAT_NS_MIN (10 * TF_NS_PER_MS)
#define REQUESTS_A_POLL  64u
#define NAMES_A_DATAGRAM (TF_UDP_RECORDS_BYTES / (uint32_t)sizeof(tf_frame_instrument_t))

typedef struct datagram {
  uint32_t bytes; /* 0: none */
  uint8_t  data[TF_FRAME_DATAGRAM_BYTES_MAX];
} datagram_t;

typedef struct state {
  tf_sink_config_t   config;
  tf_frame_line_t    line;
  uint32_t           line_cnt;
  int                fds[LINE_CNT];
  struct sockaddr_in to[LINE_CNT];
  bool               owes[LINE_CNT]; /* the batch is closed, and this line has not taken it yet */
  uint32_t           batch_max;      /* records a datagram */
  uint32_t           batch_cnt;
  datagram_t         batch;
  uint64_t           now_ns, begun_ns;          /* of the batch's first record */
  uint64_t           batch_first_seq, sent_seq; /* last put into a batch; 0: none */
  uint64_t           acked_seq;                 /* last handed to the kernel on all lines */
  uint64_t           heartbeat_ns, heartbeat_gap_ns;
  uint32_t           name_next;
  tf_recent_t        recent;
  tf_source_rate_t   rate;
  tf_outlet_counts_t counts;
} state_t;

static uint64_t recent_slots(const tf_sink_config_t *config) {
  return config->slot_cnt < RECENT_MAX ? config->slot_cnt : RECENT_MAX;
}

static size_t outlet_state_bytes(const tf_sink_config_t *config) {
  return tf_align_up(sizeof(state_t), 8) + tf_recent_bytes(&config->shape, recent_slots(config));
}

/* ---- open ---- */

static tf_err_t check(const tf_sink_config_t *c) {
  if (c->format != TF_FORMAT_BINARY)
    return TF_ERR(E_SINK_CONFIG, "sink %s: format: datagrams hold binary records", c->name);
  if (c->shape.bytes > TF_UDP_RECORDS_BYTES)
    return TF_ERR(E_SINK_CONFIG,
                  "sink %s: a row of %zu features does not fit into a datagram: %zu are allowed",
                  c->name, (c->shape.bytes - sizeof(tf_feature_record_t)) / 8,
                  (TF_UDP_RECORDS_BYTES - sizeof(tf_feature_record_t)) / 8);
  if (!tf_is_pow2(c->slot_cnt) || c->slot_cnt < RECENT_MIN)
    return TF_ERR(E_SINK_CONFIG, "sink %s: slots: %llu: a power of two from %u on is allowed",
                  c->name, (unsigned long long)c->slot_cnt, RECENT_MIN);
  return 0;
}

static tf_err_t open_line(state_t *s, uint32_t line, const char *url) {
  const tf_sink_config_t *c = &s->config;
  if (!tf_udp_address_parse(url, &s->to[line]))
    return TF_ERR(E_SINK_CONFIG, "sink %s: %s: \"%s\": expected udp://ADDRESS:PORT, IPv4", c->name,
                  line ? "url_b" : "url", url ? url : "");
  s->fds[line] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (s->fds[line] < 0)
    return TF_ERR(E_CORE_SYSTEM, "sink %s: socket: %s", c->name, strerror(errno));
  int             ttl = (int)c->ttl, host_ttl = ttl ? ttl : 1, on = 1, bytes = (int)TF_UDP_RX_BYTES;
  struct ip_mreqn out = {.imr_ifindex = c->interface ? (int)if_nametoindex(c->interface) : 0};
  if (c->interface && out.imr_ifindex == 0)
    return TF_ERR(E_SINK_CONFIG, "sink %s: interface: there is no \"%s\"", c->name, c->interface);
  setsockopt(s->fds[line], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  bool good = setsockopt(s->fds[line], IPPROTO_IP, IP_TTL, &host_ttl, sizeof host_ttl) == 0;
  if (good && IN_MULTICAST(ntohl(s->to[line].sin_addr.s_addr)))
    good = setsockopt(s->fds[line], IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl) == 0 &&
           setsockopt(s->fds[line], IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof on) == 0 &&
           setsockopt(s->fds[line], IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof out) == 0;
  if (!good) return TF_ERR(E_SINK_CONFIG, "sink %s: %s: %s", c->name, url, strerror(errno));
  return 0;
}

static void outlet_close(void *self);

static tf_err_t outlet_open(void *self, const tf_sink_config_t *config) {
  state_t *s   = self;
  tf_err_t err = check(config);
  if (err) return err;
  *s = (state_t){
      .config = *config, .fds = {-1, -1},
           .line_cnt = config->url_b ? 2 : 1
  };
  tf_recent_init(&s->recent, &config->shape, recent_slots(config),
                 (uint8_t *)self + tf_align_up(sizeof(state_t), 8));
  tf_source_rate_init(&s->rate);
  bool is_decision = config->shape.carries == TF_CARRIES_DECISIONS;
  s->line          = (tf_frame_line_t){
               .epoch          = config->epoch,
               .stream         = tf_crc32c(0, config->name, strlen(config->name)),
               .record_bytes   = (uint16_t)config->shape.bytes,
               .record_version = is_decision ? TF_DECISION_VERSION : TF_EVENT_VERSION,
               .carries = (uint8_t)(config->shape.carries | (config->is_filtered ? TF_FRAME_FILTERED : 0))};
  s->batch_max = TF_UDP_RECORDS_BYTES / config->shape.bytes;
  if (config->batch_max && config->batch_max < s->batch_max) s->batch_max = config->batch_max;
  err = open_line(s, 0, config->url);
  if (!err && s->line_cnt == 2) err = open_line(s, 1, config->url_b);
  if (err) outlet_close(s);
  return err;
}

/* ---- datagrams ---- */

/* Completes the heads of a datagram whose payload of payload_bytes stands behind them. */
static void seal(const state_t *s, datagram_t *d, tf_frame_kind_t kind, uint32_t record_cnt,
                 uint32_t payload_bytes, uint64_t first_seq, uint64_t prev_seq) {
  tf_frame_header_t h = {.magic         = TF_FRAME_MAGIC,
                         .kind          = (uint8_t)kind,
                         .version       = TF_FRAME_VERSION,
                         .record_cnt    = (uint16_t)record_cnt,
                         .payload_bytes = (uint32_t)sizeof(tf_frame_line_t) + payload_bytes,
                         .first_seq     = first_seq,
                         .prev_seq      = prev_seq};
  d->bytes            = TF_UDP_HEAD_BYTES + payload_bytes;
  memcpy(d->data, &h, sizeof h);
  memcpy(d->data + sizeof h, &s->line, sizeof s->line);
  h.crc32c = tf_crc32c(0, d->data, d->bytes);
  memcpy(d->data, &h, sizeof h);
}

/* False: not now. An error of the network is no reason to wait: the datagram is lost as many are. */
static bool transmit(state_t *s, const datagram_t *d, uint32_t line, const struct sockaddr_in *to) {
  ssize_t n;
  do n = sendto(s->fds[line], d->data, d->bytes, 0, (const struct sockaddr *)to, sizeof *to);
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) return false;
  if (n < 0)
    s->counts.errors++;
  else
    s->counts.bytes += (uint64_t)n;
  return true;
}

static bool is_owing(const state_t *s) { return s->owes[0] || s->owes[1]; }

/* What the lines still owe of the closed batch; true: nothing more. */
static bool pay(state_t *s) {
  for (uint32_t line = 0; line < s->line_cnt; line++)
    if (s->owes[line] && transmit(s, &s->batch, line, &s->to[line])) s->owes[line] = false;
  if (is_owing(s)) return false;
  s->acked_seq = s->sent_seq;
  return true;
}

/* Closes the batch and sends it as far as that goes now. */
static void send_batch(state_t *s) {
  uint64_t first = tf_recent_find(&s->recent, s->batch_first_seq);
  seal(s, &s->batch, TF_FRAME_RECORDS, s->batch_cnt, s->batch_cnt * s->config.shape.bytes,
       s->batch_first_seq, tf_recent_seq_before(&s->recent, first));
  s->batch_cnt = 0;
  for (uint32_t line = 0; line < s->line_cnt; line++) s->owes[line] = true;
  s->heartbeat_gap_ns = HEARTBEAT_NS_MIN;
  s->heartbeat_ns     = s->now_ns + s->heartbeat_gap_ns;
  pay(s);
}

static uint32_t outlet_send(void *self, const tf_out_t *outs, uint32_t n) {
  state_t *s = self;
  uint32_t i = 0;
  for (; i < n && !is_owing(s); i++) {
    uint8_t *place = s->batch.data + TF_UDP_HEAD_BYTES + s->batch_cnt * s->config.shape.bytes;
    memcpy(place, outs[i].record, s->config.shape.bytes);
    if (outs[i].late && s->config.shape.carries == TF_CARRIES_DECISIONS)
      place[offsetof(tf_decision_t, path)] |= TF_PATH_LATE;
    tf_recent_put(&s->recent, place);
    if (s->batch_cnt++ == 0) {
      s->batch_first_seq = outs[i].seq;
      s->begun_ns        = s->now_ns;
    }
    s->sent_seq = outs[i].seq;
    if (s->batch_cnt == s->batch_max) send_batch(s);
  }
  return i;
}

static void outlet_flush(void *self, uint64_t now_ns) {
  state_t *s = self;
  s->now_ns  = now_ns;
  if (s->batch_cnt > 0 && !is_owing(s) && now_ns - s->begun_ns >= s->config.linger_ns)
    send_batch(s);
}

/* ---- heartbeats and names ---- */

static void send_all(state_t *s, const datagram_t *d) {
  for (uint32_t line = 0; line < s->line_cnt; line++) (void)transmit(s, d, line, &s->to[line]);
}

/* Behind the instruments stand the labels of texts. */
static tf_frame_instrument_t name_row(const state_t *s, uint32_t cnt, uint32_t place) {
  tf_frame_instrument_t name = {.id = TF_FRAME_LABEL_ID + place - cnt, .price_exp = INT8_MIN};
  if (place >= cnt) {
    snprintf(name.name, sizeof name.name, "%s", tf_labels_word(s->config.labels, place - cnt));
    return name;
  }
  const tf_instrument_t *row = &s->config.instruments->rows[place];
  name.id                    = row->id;
  if (tf_instrument_metadata(row) != TF_METADATA_NONE) name.price_exp = row->price_exp;
  memcpy(name.name, row->name, sizeof name.name);
  return name;
}

static void send_names(state_t *s) {
  const tf_instruments_t *table = s->config.instruments;
  /* pairs with: the feed that appends the row */
  uint32_t   cnt = table ? tf_load_acquire_u32(&table->cnt) : 0, row_cnt = 0;
  bool       has_texts = s->config.shape.carries == TF_CARRIES_EVENTS;
  uint32_t   all       = cnt + (has_texts ? tf_labels_cnt(s->config.labels) : 0);
  datagram_t d;
  if (s->name_next >= all) s->name_next = 0;
  for (; row_cnt < NAMES_A_DATAGRAM && s->name_next < all; row_cnt++) {
    const tf_frame_instrument_t name = name_row(s, cnt, s->name_next++);
    memcpy(d.data + TF_UDP_HEAD_BYTES + row_cnt * sizeof name, &name, sizeof name);
  }
  if (row_cnt == 0) return;
  seal(s, &d, TF_FRAME_INSTRUMENTS, row_cnt, row_cnt * (uint32_t)sizeof(tf_frame_instrument_t), 0,
       0);
  send_all(s, &d);
}

static void send_heartbeat(state_t *s) {
  datagram_t d;
  uint64_t   sent = s->acked_seq;
  seal(s, &d, TF_FRAME_HEARTBEAT, 0, 0, sent ? sent + 1 : 0, sent);
  send_all(s, &d);
  if (s->heartbeat_gap_ns == TF_FRAME_HEARTBEAT_NS) send_names(s);
  s->heartbeat_gap_ns *= 2;
  if (s->heartbeat_gap_ns == 0 || s->heartbeat_gap_ns > TF_FRAME_HEARTBEAT_NS)
    s->heartbeat_gap_ns = TF_FRAME_HEARTBEAT_NS;
  s->heartbeat_ns = s->now_ns + s->heartbeat_gap_ns;
}

/* ---- sending again ---- */

/* Of our stream and epoch, and for no more than it may. */
static bool request_ok(const state_t *s, uint8_t *bytes, size_t cnt, tf_frame_resend_t *resend) {
  tf_frame_header_t h;
  tf_frame_line_t   line;
  if (cnt < TF_UDP_HEAD_BYTES + sizeof *resend || cnt > TF_FRAME_DATAGRAM_BYTES_MAX) return false;
  memcpy(&h, bytes, sizeof h);
  memcpy(&line, bytes + sizeof h, sizeof line);
  memcpy(resend, bytes + TF_UDP_HEAD_BYTES, sizeof *resend);
  if (h.magic != TF_FRAME_MAGIC || h.version != TF_FRAME_VERSION || h.kind != TF_FRAME_RESEND)
    return false;
  if (line.epoch != s->line.epoch || line.stream != s->line.stream) return false;
  memset(bytes + offsetof(tf_frame_header_t, crc32c), 0, sizeof h.crc32c);
  return tf_crc32c(0, bytes, cnt) == h.crc32c && resend->first_seq > 0 &&
         resend->last_seq >= resend->first_seq &&
         resend->last_seq - resend->first_seq < TF_FRAME_RESEND_RECORDS_MAX;
}

/* The answer to a request of request_bytes; false: there is nothing to say. */
static bool answer(state_t *s, const tf_frame_resend_t *resend, size_t request_bytes,
                   datagram_t *d) {
  uint32_t record_bytes = s->config.shape.bytes, cnt = 0;
  size_t   room = request_bytes - TF_UDP_HEAD_BYTES;
  if (resend->first_seq <= s->recent.gone_seq) {
    tf_frame_lost_t lost = {resend->first_seq, s->recent.gone_seq, 0, TF_FRAME_REASON_HISTORY, 0};
    if (lost.last_seq > resend->last_seq) lost.last_seq = resend->last_seq;
    lost.record_cnt = lost.last_seq - lost.first_seq + 1;
    if (room < sizeof lost) return false;
    memcpy(d->data + TF_UDP_HEAD_BYTES, &lost, sizeof lost);
    seal(s, d, TF_FRAME_LOST, 0, sizeof lost, 0, 0);
    return true;
  }
  uint64_t first = tf_recent_find(&s->recent, resend->first_seq);
  for (uint64_t i = first; i < s->recent.put_cnt; i++) {
    const void *record = tf_recent_at(&s->recent, i);
    uint64_t    seq    = tf_record_seq(&s->config.shape, record);
    /* Of a kind with holes the range may hold none: then the next one says that by its prev_seq. */
    if ((cnt > 0 && seq > resend->last_seq) || seq > s->acked_seq) break;
    if ((size_t)(cnt + 1) * record_bytes > room) break;
    memcpy(d->data + TF_UDP_HEAD_BYTES + cnt++ * record_bytes, record, record_bytes);
  }
  if (cnt == 0) return false;
  seal(s, d, TF_FRAME_RECORDS, cnt, cnt * record_bytes,
       tf_record_seq(&s->config.shape, tf_recent_at(&s->recent, first)),
       tf_recent_seq_before(&s->recent, first));
  return true;
}

static void serve(state_t *s, uint32_t line) {
  uint8_t    bytes[TF_FRAME_DATAGRAM_BYTES_MAX + 1];
  datagram_t d;
  for (uint32_t i = 0; i < REQUESTS_A_POLL; i++) {
    struct sockaddr_in from;
    socklen_t          from_bytes = sizeof from;
    tf_frame_resend_t  resend;
    ssize_t            n =
        recvfrom(s->fds[line], bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_bytes);
    if (n < 0 && errno == EAGAIN) return;
    /* An error here is an earlier datagram's: nobody listens at a unicast address. */
    if (n < 0 || !tf_source_rate_allows(&s->rate, from.sin_addr.s_addr, s->now_ns) ||
        !request_ok(s, bytes, (size_t)n, &resend)) {
      s->counts.errors++;
      continue;
    }
    if (answer(s, &resend, (size_t)n, &d)) (void)transmit(s, &d, line, &from);
  }
}

/* ---- the thread ---- */

static uint64_t wait_until(const state_t *s, uint64_t now_ns, uint64_t wait_ns) {
  uint64_t until = now_ns + wait_ns;
  if (s->heartbeat_ns < until) until = s->heartbeat_ns;
  if (s->batch_cnt > 0 && s->begun_ns + s->config.linger_ns < until)
    until = s->begun_ns + s->config.linger_ns;
  return until > now_ns ? until - now_ns : 0;
}

static void outlet_poll(void *self, uint64_t now_ns, uint64_t wait_ns, tf_outlet_view_t *view) {
  state_t      *s = self;
  struct pollfd fds[LINE_CNT];
  s->now_ns = now_ns;
  if (is_owing(s)) pay(s);
  if (now_ns >= s->heartbeat_ns) send_heartbeat(s);
  for (uint32_t line = 0; line < s->line_cnt; line++)
    fds[line] = (struct pollfd){s->fds[line], s->owes[line] ? POLLIN | POLLOUT : POLLIN, 0};
  uint64_t              ns   = wait_until(s, now_ns, wait_ns);
  const struct timespec wait = {(time_t)(ns / TF_NS_PER_SEC), (long)(ns % TF_NS_PER_SEC)};
  if (ppoll(fds, s->line_cnt, &wait, NULL) > 0)
    for (uint32_t line = 0; line < s->line_cnt; line++) {
      if (fds[line].revents & (POLLIN | POLLERR)) serve(s, line);
      if (fds[line].revents & POLLOUT) pay(s);
    }
  *view = (tf_outlet_view_t){.phase = TF_OUTLET_READY, .connection = 1, .acked_seq = s->acked_seq};
}

static const tf_outlet_counts_t *outlet_counts(const void *self) {
  return &((const state_t *)self)->counts;
}

static void outlet_close(void *self) {
  state_t   *s = self;
  datagram_t d;
  if (s->fds[0] >= 0 && (s->line_cnt == 1 || s->fds[1] >= 0)) {
    tf_frame_end_t end = {TF_FRAME_REASON_CLOSED, 0};
    if (s->batch_cnt > 0 && !is_owing(s)) send_batch(s);
    memcpy(d.data + TF_UDP_HEAD_BYTES, &end, sizeof end);
    seal(s, &d, TF_FRAME_END, 0, sizeof end, s->acked_seq ? s->acked_seq + 1 : 0, s->acked_seq);
    send_all(s, &d);
  }
  for (uint32_t line = 0; line < LINE_CNT; line++) {
    if (s->fds[line] >= 0) close(s->fds[line]);
    s->fds[line] = -1;
  }
}

const tf_outlet_t tf_udp_outlet = {.state_bytes = outlet_state_bytes,
                                   .open        = outlet_open,
                                   .poll        = outlet_poll,
                                   .send        = outlet_send,
                                   .flush       = outlet_flush,
                                   .counts      = outlet_counts,
                                   .close       = outlet_close};

TF_EGRESS_SINK(udp, "datagrams to a multicast group or an address, numbered, on one line or two",
               tf_udp_outlet,
               TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK) | TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_NEWEST) |
                   TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_OLDEST) | TF_OVERFLOW_BIT(TF_OVERFLOW_CONFLATE),
               TF_OVERFLOW_DROP_OLDEST, (1u << TF_CARRIES_CNT) - 1,
               "url url_b interface ttl batch linger", NULL);
