/* The udp sink's datagrams made a stream again, for a consumer in C or C++ with this directory and libc
 * alone. Two lines, A and B, carry the same datagrams; what one lost the other may bring, and what both
 * lost is asked for from the sender (TF_FRAME_RESEND, tf/frame.h).
 *
 *     tf_udp_reader_t *r = malloc(sizeof *r);
 *     tf_udp_reader_config_t config = {.a = "udp://239.1.1.7:5000", .b = "udp://239.1.1.8:5000"};
 *     if (tf_udp_reader_open(r, &config) != 0) { puts(r->error); exit(1); }
 *     for (;;)
 *       switch (tf_udp_reader_next(r, tf_udp_reader_clock_ns())) {
 *       case TF_UDP_RECORD: act(r->merge.record); break;           valid until the next call
 *       case TF_UDP_LOST:   report(r->merge.lost_from, r->merge.lost_to, r->merge.lost_reason); break;
 *       case TF_UDP_EPOCH:  another engine's start: r->merge.epoch; break;
 *       case TF_UDP_IDLE:   tf_udp_reader_wait(r, 1000000); break;
 *       case TF_UDP_QUIET:  not even heartbeats for 3 s; wait, or give up; break;
 *       case TF_UDP_ENDED:  the engine ended in order; return;
 *       }
 *
 * What it promises: records come in the order of their sequences, none twice, none changed (CRC-32C); of
 * those between the first that came and the last each is delivered or named in a LOST, with nothing else
 * in that LOST. A hole is waited for reorder_ns, then asked for every ask_ns, and is LOST after repair_ns,
 * at once where the sender says that it no longer has it or never sent it.
 *
 * tf_udp_merge_t is that without sockets and without a clock: bytes and a time in, results out; a function
 * of its input. tf_udp_reader_t adds the sockets. One thread a reader, no allocation. Not authenticated:
 * whoever can send to the group can send records; keep the group in a network of its own. */
#ifndef TF_UDP_READER_H
#define TF_UDP_READER_H

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tf/frame.h"

#define TF_UDP_HEAD_BYTES    (TF_FRAME_HEADER_BYTES + (uint32_t)sizeof(tf_frame_line_t))
#define TF_UDP_HELD_MAX      512u /* datagrams that wait for what is before them: 5,632 decisions */
#define TF_UDP_ASKS_MAX      16u  /* requests at once */
#define TF_UDP_REORDER_NS    (2 * TF_NS_PER_MS)
#define TF_UDP_ASK_NS        (10 * TF_NS_PER_MS)
#define TF_UDP_REPAIR_NS     (500 * TF_NS_PER_MS)
#define TF_UDP_QUIET_NS      (3 * TF_FRAME_HEARTBEAT_NS)
#define TF_UDP_RX_BYTES      (4u << 20) /* asked of the kernel for each line */
#define TF_UDP_RECORDS_BYTES (TF_FRAME_DATAGRAM_BYTES_MAX - TF_UDP_HEAD_BYTES)

typedef enum tf_udp_result {
  TF_UDP_IDLE   = 0,
  TF_UDP_RECORD = 1,
  TF_UDP_LOST   = 2,
  TF_UDP_EPOCH  = 3,
  TF_UDP_QUIET  = 4,
  TF_UDP_ENDED  = 5
} tf_udp_result_t;

/* Why a datagram was not taken, each counted. */
typedef enum tf_udp_refusal {
  TF_UDP_TAKEN = 0,
  TF_UDP_SHORT,     /* shorter than its heads, or than it says */
  TF_UDP_MAGIC,     /* not a frame of this version */
  TF_UDP_CRC,       /* changed on the way */
  TF_UDP_SHAPE,     /* sizes contradict each other */
  TF_UDP_FOREIGN,   /* of another stream in the same group */
  TF_UDP_OLD_EPOCH, /* of an engine that another has replaced */
  TF_UDP_DOUBLE,    /* all that it holds is there already: the other line's, or a repeat */
  TF_UDP_REFUSAL_CNT
} tf_udp_refusal_t;

typedef struct tf_udp_merge_config {
  const char *stream;      /* the sink's name; NULL: the first that comes */
  uint64_t    resume_from; /* 0: begin with what comes; else the first sequence wanted */
  uint64_t    reorder_ns, ask_ns, repair_ns; /* 0: as above */
  /* Of each instrument, now and then, by feed; NULL: not wanted. */
  void (*on_name)(void *self, const tf_frame_instrument_t *name);
  void *self;
} tf_udp_merge_config_t;

typedef struct tf_udp_held { /* RECORDS that came before what is before them */
  uint64_t prev_seq, last_seq;
  uint32_t record_cnt;
  uint8_t  records[TF_UDP_RECORDS_BYTES];
} tf_udp_held_t;

typedef struct tf_udp_ask {
  uint64_t first_seq, last_seq;
} tf_udp_ask_t;

typedef struct tf_udp_merge {
  /* results */
  const void       *record;
  tf_record_shape_t shape; /* bytes 0 until the first datagram */
  uint32_t          epoch, stream;
  uint16_t          record_version;
  uint64_t          lost_from, lost_to;
  tf_frame_reason_t lost_reason;
  uint64_t          seq; /* of the record delivered last, or of the end of what was lost */
  uint64_t          record_cnt, datagram_cnt, asked_cnt;
  uint64_t          lost_cnt; /* records; holes where the kind is not numbered without */
  uint64_t          refused_cnt[TF_UDP_REFUSAL_CNT];
  /* state */
  uint64_t reorder_ns, ask_ns, repair_ns;
  void (*on_name)(void *self, const tf_frame_instrument_t *name);
  void    *self;
  uint64_t resume_from;
  uint64_t sent_seq; /* the highest that we know of to be sent */
  uint64_t gone_seq; /* up to here the sender no longer has anything */
  uint64_t hole_ns, asked_ns, heard_ns;
  uint64_t old_lost_from, old_lost_to; /* of the epoch before; 0: nothing */
  bool     is_started, is_placed, is_hole, is_ended, is_new_epoch, is_stream_given, is_filtered;
  uint32_t now_at, now_cnt; /* of the records that are being delivered */
  uint8_t  now[TF_UDP_RECORDS_BYTES] TF_ALIGNED(8);
  uint32_t held_cnt;
  uint16_t held_order[TF_UDP_HELD_MAX]; /* indices into held by prev_seq; the free ones behind */
  tf_udp_held_t held[TF_UDP_HELD_MAX];
  uint32_t      crc_table[256];
} tf_udp_merge_t;

/* ---- CRC-32C (RFC 3720), for whoever has no library for it ---- */

static inline void tf_udp_crc_init_(uint32_t table[256]) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    table[i] = crc;
  }
}

static inline uint32_t tf_udp_crc_(const uint32_t table[256], uint32_t crc, const void *bytes,
                                   size_t cnt) {
  const uint8_t *p = (const uint8_t *)bytes;
  crc              = ~crc;
  while (cnt-- > 0) crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
  return ~crc;
}

/* ---- merging ---- */

static inline void tf_udp_merge_init(tf_udp_merge_t *m, const tf_udp_merge_config_t *config) {
  memset(m, 0, sizeof *m);
  tf_udp_crc_init_(m->crc_table);
  m->reorder_ns  = config->reorder_ns ? config->reorder_ns : TF_UDP_REORDER_NS;
  m->ask_ns      = config->ask_ns ? config->ask_ns : TF_UDP_ASK_NS;
  m->repair_ns   = config->repair_ns ? config->repair_ns : TF_UDP_REPAIR_NS;
  m->resume_from = config->resume_from;
  m->on_name     = config->on_name;
  m->self        = config->self;
  if (config->stream) {
    m->is_stream_given = true;
    m->stream          = tf_udp_crc_(m->crc_table, 0, config->stream, strlen(config->stream));
  }
  for (uint32_t i = 0; i < TF_UDP_HELD_MAX; i++) m->held_order[i] = (uint16_t)i;
}

/* Numbered without holes: what is missing between two was dropped. */
static inline bool tf_udp_is_dense_(const tf_udp_merge_t *m) {
  return tf_record_is_dense(m->shape.carries) && !m->is_filtered;
}

static inline uint64_t tf_udp_seq_of_(const tf_udp_merge_t *m, const uint8_t *records,
                                      uint32_t idx) {
  return tf_record_seq(&m->shape, records + (size_t)idx * m->shape.bytes);
}

/* What the bytes are by themselves; *header and *line are filled when TAKEN. */
static inline tf_udp_refusal_t tf_udp_check_(const tf_udp_merge_t *m, const void *bytes, size_t cnt,
                                             tf_frame_header_t *header, tf_frame_line_t *line) {
  if (cnt < TF_UDP_HEAD_BYTES) return TF_UDP_SHORT;
  memcpy(header, bytes, sizeof *header);
  memcpy(line, (const uint8_t *)bytes + sizeof *header, sizeof *line);
  if (header->magic != TF_FRAME_MAGIC || header->version != TF_FRAME_VERSION) return TF_UDP_MAGIC;
  if (cnt > TF_FRAME_DATAGRAM_BYTES_MAX || header->payload_bytes != cnt - sizeof *header)
    return TF_UDP_SHORT;
  tf_frame_header_t plain = *header;
  plain.crc32c            = 0;
  uint32_t crc            = tf_udp_crc_(m->crc_table, 0, &plain, sizeof plain);
  crc = tf_udp_crc_(m->crc_table, crc, (const uint8_t *)bytes + sizeof plain, cnt - sizeof plain);
  if (crc != header->crc32c) return TF_UDP_CRC;
  uint32_t carries = line->carries & ~TF_FRAME_FILTERED;
  if (carries >= TF_CARRIES_CNT) return TF_UDP_SHAPE;
  uint32_t values = 0, least = sizeof(tf_feature_record_t);
  if (carries == TF_CARRIES_FEATURES) {
    if (line->record_bytes < least || (line->record_bytes - least) % 8) return TF_UDP_SHAPE;
    values = (line->record_bytes - least) / 8;
  }
  if (line->record_bytes > TF_UDP_RECORDS_BYTES ||
      line->record_bytes != tf_record_shape((tf_carries_t)carries, values).bytes)
    return TF_UDP_SHAPE;
  if (header->kind == TF_FRAME_RECORDS &&
      (header->record_cnt == 0 ||
       (size_t)header->record_cnt * line->record_bytes != cnt - TF_UDP_HEAD_BYTES))
    return TF_UDP_SHAPE;
  return TF_UDP_TAKEN;
}

/* Sequences that rise, from header's first on, behind its prev_seq. */
static inline bool tf_udp_rises_(const tf_udp_merge_t *m, const tf_frame_header_t *header,
                                 const uint8_t *records) {
  uint64_t before = header->prev_seq;
  for (uint32_t i = 0; i < header->record_cnt; i++) {
    uint64_t seq = tf_udp_seq_of_(m, records, i);
    if (seq <= before || (i == 0 && seq != header->first_seq)) return false;
    before = seq;
  }
  return true;
}

/* Whose it is: of our stream, and of which engine's start. */
static inline tf_udp_refusal_t tf_udp_belongs_(tf_udp_merge_t *m, const tf_frame_line_t *line) {
  bool is_first = m->shape.bytes == 0;
  if ((m->is_stream_given || !is_first) && line->stream != m->stream) return TF_UDP_FOREIGN;
  if (!is_first && line->epoch < m->epoch) return TF_UDP_OLD_EPOCH;
  uint32_t values  = (line->record_bytes - (uint32_t)sizeof(tf_feature_record_t)) / 8;
  uint32_t carries = line->carries & ~TF_FRAME_FILTERED;
  if (carries != TF_CARRIES_FEATURES) values = 0;
  if (!is_first && line->epoch == m->epoch &&
      (carries != m->shape.carries || line->record_bytes != m->shape.bytes))
    return TF_UDP_SHAPE;
  if (!is_first && line->epoch == m->epoch) return TF_UDP_TAKEN;
  /* The first, or a successor: what is still missing was a predecessor's, and nobody has it any more. */
  if (m->sent_seq > m->seq) {
    m->old_lost_from = m->seq + 1;
    m->old_lost_to   = m->sent_seq;
    m->seq           = m->sent_seq;
  }
  m->is_new_epoch   = true;
  m->is_placed      = false;
  m->is_ended       = false;
  m->is_hole        = false;
  m->epoch          = line->epoch;
  m->stream         = line->stream;
  m->record_version = line->record_version;
  m->shape          = tf_record_shape((tf_carries_t)carries, values);
  m->is_filtered    = line->carries & TF_FRAME_FILTERED;
  m->held_cnt       = 0;
  m->gone_seq       = 0;
  return TF_UDP_TAKEN;
}

/* The first datagram of an epoch that names a sequence. A reader begins there, or where it was told to. An
 * engine that goes on behind its predecessor leaves it where it is; one that began again from 1 (no
 * sink of it keeps the last) takes it back. */
static inline void tf_udp_place_(tf_udp_merge_t *m, uint64_t before, uint64_t next) {
  bool is_first = !m->is_started;
  if (m->is_placed) return;
  m->is_placed  = true;
  m->is_started = true;
  if (is_first)
    m->seq = m->resume_from ? m->resume_from - 1 : before;
  else if (next <= m->seq)
    m->seq = tf_udp_is_dense_(m) ? 0 : before;
  m->sent_seq = m->seq;
}

static inline tf_udp_refusal_t tf_udp_hold_(tf_udp_merge_t *m, const tf_frame_header_t *header,
                                            const uint8_t *records) {
  uint64_t last_seq = tf_udp_seq_of_(m, records, header->record_cnt - 1u);
  if (last_seq > m->sent_seq) m->sent_seq = last_seq;
  if (last_seq <= m->seq) return TF_UDP_DOUBLE;
  uint32_t at = m->held_cnt;
  for (uint32_t i = 0; i < m->held_cnt; i++)
    if (m->held[m->held_order[i]].prev_seq <= header->prev_seq &&
        m->held[m->held_order[i]].last_seq >= last_seq)
      return TF_UDP_DOUBLE;
  while (at > 0 && m->held[m->held_order[at - 1]].prev_seq > header->prev_seq) at--;
  if (m->held_cnt == TF_UDP_HELD_MAX) { /* the furthest gives way: it can be asked for again */
    if (at == m->held_cnt) return TF_UDP_TAKEN;
    m->held_cnt--;
  }
  uint16_t slot = m->held_order[m->held_cnt];
  memmove(&m->held_order[at + 1], &m->held_order[at], (m->held_cnt - at) * sizeof m->held_order[0]);
  m->held_order[at] = slot;
  m->held_cnt++;
  tf_udp_held_t *held = &m->held[slot];
  held->prev_seq      = header->prev_seq;
  held->last_seq      = last_seq;
  held->record_cnt    = header->record_cnt;
  memcpy(held->records, records, (size_t)header->record_cnt * m->shape.bytes);
  return TF_UDP_TAKEN;
}

static inline tf_udp_refusal_t tf_udp_names_(tf_udp_merge_t *m, const tf_frame_header_t *header,
                                             const uint8_t *names) {
  tf_frame_instrument_t name;
  if (header->payload_bytes != sizeof(tf_frame_line_t) + header->record_cnt * sizeof name)
    return TF_UDP_SHAPE;
  for (uint32_t i = 0; m->on_name && i < header->record_cnt; i++) {
    memcpy(&name, names + i * sizeof name, sizeof name);
    m->on_name(m->self, &name);
  }
  return TF_UDP_TAKEN;
}

static inline tf_udp_refusal_t tf_udp_take_(tf_udp_merge_t *m, const tf_frame_header_t *header,
                                            const uint8_t *payload) {
  tf_frame_lost_t lost;
  switch (header->kind) {
  case TF_FRAME_RECORDS:
    if (!tf_udp_rises_(m, header, payload)) return TF_UDP_SHAPE;
    tf_udp_place_(m, header->prev_seq, header->first_seq);
    return tf_udp_hold_(m, header, payload);
  case TF_FRAME_HEARTBEAT:
  case TF_FRAME_END:
    if (header->prev_seq != 0) tf_udp_place_(m, header->prev_seq, header->prev_seq + 1);
    if (header->prev_seq > m->sent_seq) m->sent_seq = header->prev_seq;
    if (header->kind == TF_FRAME_END) m->is_ended = true;
    return TF_UDP_TAKEN;
  case TF_FRAME_LOST:
    if (header->payload_bytes != sizeof(tf_frame_line_t) + sizeof lost) return TF_UDP_SHAPE;
    memcpy(&lost, payload, sizeof lost);
    if (lost.last_seq > m->gone_seq && lost.last_seq <= m->sent_seq) m->gone_seq = lost.last_seq;
    return TF_UDP_TAKEN;
  case TF_FRAME_INSTRUMENTS: return tf_udp_names_(m, header, payload);
  default: return TF_UDP_TAKEN;
  }
}

/* A datagram of either line, or an answer. Only when next has given something else than TF_UDP_RECORD. */
static inline tf_udp_refusal_t tf_udp_merge_feed(tf_udp_merge_t *m, const void *bytes, size_t cnt,
                                                 uint64_t now_ns) {
  tf_frame_header_t header;
  tf_frame_line_t   line;
  m->datagram_cnt++;
  tf_udp_refusal_t why = tf_udp_check_(m, bytes, cnt, &header, &line);
  if (why == TF_UDP_TAKEN) why = tf_udp_belongs_(m, &line);
  if (why == TF_UDP_TAKEN) {
    m->heard_ns = now_ns;
    why         = tf_udp_take_(m, &header, (const uint8_t *)bytes + TF_UDP_HEAD_BYTES);
  }
  m->refused_cnt[why]++;
  return why;
}

/* Up to which sequence is missing what is behind m->seq; m->seq: nothing that we know of. */
static inline uint64_t tf_udp_hole_end_(const tf_udp_merge_t *m) {
  return m->held_cnt > 0 ? m->held[m->held_order[0]].prev_seq : m->sent_seq;
}

static inline tf_udp_result_t tf_udp_lose_(tf_udp_merge_t *m, uint64_t to,
                                           tf_frame_reason_t reason) {
  m->lost_from   = m->seq + 1;
  m->lost_to     = to;
  m->lost_reason = reason;
  m->lost_cnt += tf_udp_is_dense_(m) ? to - m->seq : 1;
  m->seq     = to;
  m->is_hole = false;
  return TF_UDP_LOST;
}

/* The next of the records that are being delivered. */
static inline tf_udp_result_t tf_udp_deliver_(tf_udp_merge_t *m) {
  uint64_t seq = tf_udp_seq_of_(m, m->now, m->now_at);
  if (tf_udp_is_dense_(m) && seq != m->seq + 1)
    return tf_udp_lose_(m, seq - 1, TF_FRAME_REASON_DROPPED);
  m->record = m->now + (size_t)m->now_at++ * m->shape.bytes;
  m->seq    = seq;
  m->record_cnt++;
  return TF_UDP_RECORD;
}

/* The next held datagram, if nothing is missing before it, becomes what is delivered. */
static inline bool tf_udp_advance_(tf_udp_merge_t *m) {
  while (m->held_cnt > 0 && m->held[m->held_order[0]].prev_seq <= m->seq) {
    uint16_t       slot = m->held_order[0];
    tf_udp_held_t *held = &m->held[slot];
    m->held_cnt--;
    memmove(&m->held_order[0], &m->held_order[1], m->held_cnt * sizeof m->held_order[0]);
    m->held_order[m->held_cnt] = slot;
    if (held->last_seq <= m->seq) continue;
    m->now_cnt = held->record_cnt;
    memcpy(m->now, held->records, (size_t)held->record_cnt * m->shape.bytes);
    for (m->now_at = 0; tf_udp_seq_of_(m, m->now, m->now_at) <= m->seq;) m->now_at++;
    m->is_hole = false;
    return true;
  }
  return false;
}

/* The next result; never waits. */
static inline tf_udp_result_t tf_udp_merge_next(tf_udp_merge_t *m, uint64_t now_ns) {
  if (m->now_at < m->now_cnt) return tf_udp_deliver_(m);
  if (m->old_lost_to != 0) {
    m->lost_from   = m->old_lost_from;
    m->lost_to     = m->old_lost_to;
    m->lost_reason = TF_FRAME_REASON_HISTORY;
    m->lost_cnt += tf_udp_is_dense_(m) ? m->lost_to - m->lost_from + 1 : 1;
    m->old_lost_to = 0;
    return TF_UDP_LOST;
  }
  if (m->is_new_epoch) {
    m->is_new_epoch = false;
    return TF_UDP_EPOCH;
  }
  if (tf_udp_advance_(m)) return tf_udp_deliver_(m);
  uint64_t hole_end = tf_udp_hole_end_(m);
  if (hole_end > m->seq) {
    if (!m->is_hole) {
      m->is_hole  = true;
      m->hole_ns  = now_ns;
      m->asked_ns = 0;
    }
    if (m->gone_seq > m->seq)
      return tf_udp_lose_(m, m->gone_seq < hole_end ? m->gone_seq : hole_end,
                          TF_FRAME_REASON_HISTORY);
    if (now_ns - m->hole_ns >= m->repair_ns) return tf_udp_lose_(m, hole_end, TF_FRAME_REASON_NONE);
    return TF_UDP_IDLE;
  }
  m->is_hole = false;
  if (m->is_ended) return TF_UDP_ENDED;
  return now_ns - m->heard_ns > TF_UDP_QUIET_NS ? TF_UDP_QUIET : TF_UDP_IDLE;
}

/* What is to be asked for now: at most asks_max pieces of the first hole, each of an answer's size. Returns
 * how many; 0 as long as it is not time. */
static inline uint32_t tf_udp_merge_asks(tf_udp_merge_t *m, uint64_t now_ns, tf_udp_ask_t *asks,
                                         uint32_t asks_max) {
  uint32_t cnt      = 0;
  uint64_t hole_end = tf_udp_hole_end_(m);
  if (!m->is_hole || now_ns - m->hole_ns < m->reorder_ns) return 0;
  if (m->asked_ns != 0 && now_ns - m->asked_ns < m->ask_ns) return 0;
  m->asked_ns    = now_ns;
  uint64_t piece = TF_UDP_RECORDS_BYTES / m->shape.bytes;
  for (uint64_t at = m->seq + 1; at <= hole_end && cnt < asks_max; at += piece) {
    uint64_t last = hole_end - at < piece ? hole_end : at + piece - 1;
    asks[cnt++]   = (tf_udp_ask_t){at, last};
  }
  m->asked_cnt += cnt;
  return cnt;
}

/* A request as its datagram, as long as its answer may be. */
static inline void tf_udp_ask_write(const tf_udp_merge_t *m, const tf_udp_ask_t *ask,
                                    uint8_t datagram[TF_FRAME_DATAGRAM_BYTES_MAX]) {
  tf_frame_resend_t resend = {ask->first_seq, ask->last_seq};
  tf_frame_line_t   line   = {
          m->epoch,          m->stream,        (uint16_t)m->shape.bytes,
          m->record_version, m->shape.carries, {0, 0, 0}
  };
  tf_frame_header_t header = {TF_FRAME_MAGIC,
                              TF_FRAME_RESEND,
                              TF_FRAME_VERSION,
                              0,
                              TF_FRAME_DATAGRAM_BYTES_MAX - TF_FRAME_HEADER_BYTES,
                              0,
                              ask->first_seq,
                              0};
  memset(datagram, 0, TF_FRAME_DATAGRAM_BYTES_MAX);
  memcpy(datagram, &header, sizeof header);
  memcpy(datagram + sizeof header, &line, sizeof line);
  memcpy(datagram + TF_UDP_HEAD_BYTES, &resend, sizeof resend);
  header.crc32c = tf_udp_crc_(m->crc_table, 0, datagram, TF_FRAME_DATAGRAM_BYTES_MAX);
  memcpy(datagram, &header, sizeof header);
}

/* ---- sockets ---- */

typedef struct tf_udp_reader_config {
  const char *a, *b;     /* udp://ADDRESS:PORT, a multicast group or our own address; b: NULL */
  const char *interface; /* name of the one to join on; NULL: the kernel's choice */
  tf_udp_merge_config_t merge;
} tf_udp_reader_config_t;

typedef struct tf_udp_reader {
  tf_udp_merge_t     merge;
  int                fds[3]; /* line A, line B or -1, answers */
  struct sockaddr_in sender; /* of the datagram taken last: whom to ask */
  char               error[256];
} tf_udp_reader_t;

static inline uint64_t tf_udp_reader_clock_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * TF_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* "udp://239.1.1.7:5000" */
static inline bool tf_udp_address_parse(const char *url, struct sockaddr_in *address) {
  char  host[64];
  char *end = NULL;
  if (!url || strncmp(url, "udp://", 6) != 0) return false;
  const char *colon = strrchr(url + 6, ':');
  if (!colon || (size_t)(colon - url - 6) >= sizeof host) return false;
  memset(host, 0, sizeof host);
  memcpy(host, url + 6, (size_t)(colon - url - 6));
  unsigned long port = colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 0;
  memset(address, 0, sizeof *address);
  address->sin_family = AF_INET;
  address->sin_port   = htons((uint16_t)port);
  return end && *end == 0 && port > 0 && port <= 65535 &&
         inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

static inline int tf_udp_reader_close(tf_udp_reader_t *r) {
  for (int i = 0; i < 3; i++) {
    if (r->fds[i] >= 0) close(r->fds[i]);
    r->fds[i] = -1;
  }
  return -1;
}

static inline int tf_udp_line_open_(tf_udp_reader_t *r, const char *url, const char *interface) {
  struct sockaddr_in address;
  if (!tf_udp_address_parse(url, &address)) {
    snprintf(r->error, sizeof r->error, "\"%s\": expected udp://ADDRESS:PORT with an IPv4 address",
             url ? url : "");
    return -1;
  }
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  int rx_bytes = (int)TF_UDP_RX_BYTES;
  if (fd < 0) goto failed;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rx_bytes, sizeof rx_bytes);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) goto failed;
  if (IN_MULTICAST(ntohl(address.sin_addr.s_addr))) {
    struct ip_mreqn group;
    memset(&group, 0, sizeof group);
    group.imr_multiaddr = address.sin_addr;
    if (interface && (group.imr_ifindex = (int)if_nametoindex(interface)) == 0) goto failed;
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) != 0) goto failed;
  }
  return fd;
failed:
  snprintf(r->error, sizeof r->error, "%s%s%s: %s", url, interface ? " on " : "",
           interface ? interface : "", strerror(errno));
  if (fd >= 0) close(fd);
  return -1;
}

/* 0, or -1 with the cause in r->error. */
static inline int tf_udp_reader_open(tf_udp_reader_t *r, const tf_udp_reader_config_t *config) {
  r->error[0] = 0;
  r->fds[0] = r->fds[1] = r->fds[2] = -1;
  memset(&r->sender, 0, sizeof r->sender);
  tf_udp_merge_init(&r->merge, &config->merge);
  r->merge.heard_ns = tf_udp_reader_clock_ns();
  r->fds[0]         = tf_udp_line_open_(r, config->a, config->interface);
  if (r->fds[0] < 0) return tf_udp_reader_close(r);
  if (config->b) r->fds[1] = tf_udp_line_open_(r, config->b, config->interface);
  if (config->b && r->fds[1] < 0) return tf_udp_reader_close(r);
  r->fds[2] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (r->fds[2] >= 0) return 0;
  snprintf(r->error, sizeof r->error, "socket: %s", strerror(errno));
  return tf_udp_reader_close(r);
}

/* Takes what has come, at most 64 datagrams a line. */
static inline uint32_t tf_udp_reader_receive_(tf_udp_reader_t *r, uint64_t now_ns) {
  uint8_t  datagram[TF_FRAME_DATAGRAM_BYTES_MAX + 1];
  uint32_t cnt = 0;
  for (int line = 0; line < 3; line++)
    for (int i = 0; i < 64 && r->fds[line] >= 0; i++) {
      struct sockaddr_in from;
      socklen_t          from_bytes = sizeof from;
      ssize_t n = recvfrom(r->fds[line], datagram, sizeof datagram, 0, (struct sockaddr *)&from,
                           &from_bytes);
      if (n < 0) break;
      cnt++;
      tf_udp_refusal_t why = tf_udp_merge_feed(&r->merge, datagram, (size_t)n, now_ns);
      if (line < 2 && (why == TF_UDP_TAKEN || why == TF_UDP_DOUBLE)) r->sender = from;
    }
  return cnt;
}

static inline void tf_udp_reader_ask_(tf_udp_reader_t *r, uint64_t now_ns) {
  tf_udp_ask_t asks[TF_UDP_ASKS_MAX];
  uint8_t      datagram[TF_FRAME_DATAGRAM_BYTES_MAX];
  uint32_t     cnt = tf_udp_merge_asks(&r->merge, now_ns, asks, TF_UDP_ASKS_MAX);
  for (uint32_t i = 0; i < cnt && r->sender.sin_port != 0; i++) {
    tf_udp_ask_write(&r->merge, &asks[i], datagram);
    (void)sendto(r->fds[2], datagram, sizeof datagram, 0, (struct sockaddr *)&r->sender,
                 sizeof r->sender); /* one that is lost is sent again after ask_ns */
  }
}

/* The next result; never waits. now_ns: of CLOCK_MONOTONIC. */
static inline tf_udp_result_t tf_udp_reader_next(tf_udp_reader_t *r, uint64_t now_ns) {
  tf_udp_result_t result = tf_udp_merge_next(&r->merge, now_ns);
  if (result == TF_UDP_RECORD || result == TF_UDP_EPOCH) return result;
  if (result == TF_UDP_LOST) return result;
  if (tf_udp_reader_receive_(r, now_ns) > 0) result = tf_udp_merge_next(&r->merge, now_ns);
  tf_udp_reader_ask_(r, now_ns);
  return result;
}

/* Until something comes, a hole wants to be asked for, or wait_ns are over. */
static inline void tf_udp_reader_wait(tf_udp_reader_t *r, uint64_t wait_ns) {
  struct pollfd   fds[3];
  struct timespec wait;
  for (int i = 0; i < 3; i++) fds[i] = (struct pollfd){r->fds[i], POLLIN, 0};
  if (r->merge.is_hole && wait_ns > r->merge.reorder_ns) wait_ns = r->merge.reorder_ns;
  wait.tv_sec  = (time_t)(wait_ns / TF_NS_PER_SEC);
  wait.tv_nsec = (long)(wait_ns % TF_NS_PER_SEC);
  (void)ppoll(fds, 3, &wait, NULL);
}

#endif
