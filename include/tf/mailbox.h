/* The mailbox between a lane and a worker process that answers a model: the GPU's, or tools/gpu_stub, which speaks the
 * same with CPU kernels. One file of shared memory a worker, made by the engine, fresh for each worker that is started, so
 * nothing of a dead one is ever taken for the living one's.
 *
 * All that crosses on a tick goes as packets of 16 bytes: 12 of content, 4 of tag. A packet is stored and loaded in one
 * access, so flag and data come together: content under the right tag is what was stored with it. A row is there when
 * each of its packets has the tag of the request; one packet of an older or newer tag, and it is not there (yet). No lock,
 * no fence, no word that both sides write; neither side can make the other wait, or see half a row.
 *
 *   lane, one thread                                  worker
 *   tf_mailbox_post: rows of request seq  -------->   tf_mailbox_take, slot by slot; goes on from a newer
 *                                                     request if the lane has come round to the slot again
 *   tf_mailbox_poll, up to a deadline     <--------   tf_mailbox_answer
 *   given up: the slot is used again slot_cnt requests later, and a late answer has a tag that nobody asks for
 *
 * Layout (little endian), each part at a multiple of a page:
 *   0                 tf_mailbox_t, one page
 *   requests_offset   (slot_cnt, batch_max, row_packets) packets: request seq lies in slot seq % slot_cnt
 *   answers_offset    (slot_cnt, batch_max, answer_packets) packets
 *
 * A row: a head {instrument, row_cnt of the request | flags, number} and its values, three a packet. The number counts an
 * instrument's rows from 1: a worker that keeps a window answers BEHIND where it has not seen all before it, and the lane
 * sends the rows that it keeps again, the first with TF_MAILBOX_RESET, all but the last with TF_MAILBOX_QUIET.
 * An answer: a head {output 0, output 1, status | time on the device} and the other outputs, three a packet.
 *
 * Accesses of 16 aligned bytes are single ones on every x86-64 CPU with AVX (Intel SDM 3A, 9.1.1; AMD64 APM 2, 7.3.2), and as
 * relaxed accesses of type b128 on a CUDA device (PTX ISA 8.3: a scalar, not a vector, hence single-copy atomic; sm_70 and
 * later). tf_mailbox_create (engine/flow) refuses other CPUs.
 *
 * A worker that computes features is told of the market instead (tf/market_row.h): rows whose values' bits are those of a
 * tf_market_row_t and of what is handed over behind it. Values are moved as they are, never computed with, so any bits come through. Its mailbox has two
 * more parts, each at a multiple of a page:
 *   plan_offset       plan_bytes: what it computes (tf/plan_view.h), written by the engine before the worker is started
 *   state_offset      state_packets packets: one instrument's memory on its way, by the lane; word w is words[w % 3] of packet w / 3
 *
 * What is trusted: neither side the other's words. Each reads the static part once and checks it, and bounds what a row says. */
#ifndef TF_MAILBOX_H
#define TF_MAILBOX_H

#include "tf/atomic.h"
#include "tf/market_row.h"

#define TF_MAILBOX_MAGIC          UINT64_C(0x3130786f626d6674) /* "tfmbox01", little endian */
#define TF_MAILBOX_LAYOUT_VERSION 3u
#define TF_MAILBOX_HEADER_BYTES   4096u
#define TF_MAILBOX_BATCH_MAX      64u
#define TF_MAILBOX_SLOT_CNT_MAX   1024u
#define TF_MAILBOX_VALUES_MAX     1024u /* of a row or an answer */
#define TF_MAILBOX_INSTRUMENT_MAX (1u << 20)
#define TF_MAILBOX_TEXT_BYTES     256u
#define TF_MAILBOX_PATH_BYTES     1024u
#define TF_MAILBOX_PLAN_BYTES_MAX (UINT64_C(1) << 26)
#define TF_MAILBOX_STATE_MAX      (1u << 22) /* packets: 48 MB of an instrument's memory */

typedef struct TF_ALIGNED(16) tf_packet {
  uint32_t words[3];
  uint32_t tag;
} tf_packet_t;

TF_STATIC_ASSERT(sizeof(tf_packet_t) == 16, "layout is a public format");

/* A worker's course. It only goes down this list; a worker that failed is not asked again, a new one is started. */
typedef enum tf_mailbox_state {
  TF_MAILBOX_STARTING = 0,
  TF_MAILBOX_SERVING  = 1, /* loaded, and its own known answers were right */
  TF_MAILBOX_STOPPED  = 2, /* as it was told to */
  TF_MAILBOX_FAILED   = 3, /* text says why */
} tf_mailbox_state_t;

/* Of an answer. */
typedef enum tf_mailbox_status {
  TF_MAILBOX_OK      = 0,
  TF_MAILBOX_WARMING = 1, /* the window is not full yet: no outputs */
  TF_MAILBOX_BEHIND  = 2, /* rows of the instrument are missing: no outputs, see number above */
  TF_MAILBOX_REFUSED = 3, /* the row itself is wrong: its instrument, its flags */
  TF_MAILBOX_STATUS_CNT
} tf_mailbox_status_t;

#define TF_MAILBOX_RESET (1u << 8) /* the instrument's window begins with this row */
#define TF_MAILBOX_QUIET (1u << 9) /* no answer is wanted of this row */

/* What a worker knows of its device, brought up to date every half second; each word by itself, by the worker, relaxed.
 * All bits set: not to be had here. */
#define TF_MAILBOX_UNKNOWN UINT64_MAX
typedef struct tf_mailbox_device {
  uint64_t updated_ns; /* CLOCK_MONOTONIC; 0: never, this worker tells nothing */
  uint64_t compute_busy_pct, memory_busy_pct;
  uint64_t memory_used_bytes, memory_bytes; /* all processes' */
  uint64_t compute_clock_mhz, memory_clock_mhz;
  uint64_t temperature_c;
  uint64_t power_mw;
  uint64_t xid_cnt;                   /* the driver's critical errors since the worker began */
  uint64_t xid_last;                  /* which; 0: none */
  uint64_t model_bytes, window_bytes; /* of the device's memory: both slots; states, scratch */
  char     name[64];                  /* NUL-terminated, written before SERVING */
  uint64_t index;   /* of those that the worker sees; written before SERVING, as what follows */
  char     pci[32]; /* "00000000:1b:00.0", NUL-terminated; empty: it has none */
  uint8_t  reserved[TF_LINE_PAIR_BYTES - 80];
} tf_mailbox_device_t;

TF_STATIC_ASSERT(sizeof(tf_mailbox_device_t) == 2 * TF_LINE_PAIR_BYTES,
                 "layout is a public format");

/* Another model of the same shapes, while one serves: the engine writes next_model and counts next_cnt up; the worker
 * loads it beside the one that serves, checks it, takes it up between two requests, and says so by next_done = next_cnt,
 * with next_failure 0 and model_hash_now the new one's; else next_failure and next_text say why the old one goes on.
 * Windows begin anew: rows are BEHIND until the lane has sent what it keeps. One at a time. */

typedef struct tf_mailbox {
  /* written once, before the worker is started */
  uint64_t magic; /* last to be written */
  uint32_t layout_version;
  uint32_t epoch; /* of workers of this model, from 1 */
  uint64_t file_bytes, requests_offset, answers_offset;
  uint32_t slot_cnt;  /* a power of two */
  uint32_t batch_max; /* rows of a request */
  uint32_t input_cnt, output_cnt;
  uint32_t instrument_cnt, window;
  uint32_t model_hash; /* tf/model.h */
  uint32_t row_packets, answer_packets;
  uint32_t state_packets; /* 0: it computes no features, and there is no plan */
  uint64_t plan_offset, plan_bytes, state_offset;
  uint8_t  reserved_0[TF_LINE_PAIR_BYTES - 104];
  /* written by the engine */
  uint64_t stop;           /* not 0: end in order */
  uint64_t engine_beat_ns; /* CLOCK_MONOTONIC: an old one, and the worker ends by itself */
  uint64_t next_cnt;       /* models asked for, with release behind next_model */
  uint8_t  reserved_1[TF_LINE_PAIR_BYTES - 24];
  /* written by the worker */
  uint64_t            worker_beat_ns; /* CLOCK_MONOTONIC */
  uint32_t            state;          /* tf_mailbox_state_t, with release behind text */
  uint32_t            failure;        /* tf_err_t as a word, of FAILED */
  uint64_t            answered, overtaken, behind, refused; /* rows; overtaken: requests */
  uint64_t            next_done; /* with release behind next_failure, next_text, model_hash_now */
  uint32_t            next_failure;   /* tf_err_t as a word; 0: it serves */
  uint32_t            model_hash_now; /* of the model that answers; 0: the first one, model_hash */
  uint8_t             reserved_2[TF_LINE_PAIR_BYTES - 64];
  char                text[TF_MAILBOX_TEXT_BYTES]; /* by the worker: what FAILED, NUL-terminated */
  char                next_text[TF_MAILBOX_TEXT_BYTES];  /* by the worker, likewise */
  char                next_model[TF_MAILBOX_PATH_BYTES]; /* by the engine: a file, NUL-terminated */
  tf_mailbox_device_t device;                            /* by the worker */
  uint8_t reserved_3[TF_MAILBOX_HEADER_BYTES - 3 * TF_LINE_PAIR_BYTES - 2 * TF_MAILBOX_TEXT_BYTES -
                     TF_MAILBOX_PATH_BYTES - 2 * TF_LINE_PAIR_BYTES];
} tf_mailbox_t;

TF_STATIC_ASSERT(sizeof(tf_mailbox_t) == TF_MAILBOX_HEADER_BYTES, "layout is a public format");
TF_STATIC_ASSERT(offsetof(tf_mailbox_t, stop) == TF_LINE_PAIR_BYTES, "one pair a writer");
TF_STATIC_ASSERT(offsetof(tf_mailbox_t, worker_beat_ns) == 2 * TF_LINE_PAIR_BYTES,
                 "one pair a writer");
TF_STATIC_ASSERT(offsetof(tf_mailbox_t, next_model) % TF_LINE_PAIR_BYTES == 0 &&
                     offsetof(tf_mailbox_t, device) % TF_LINE_PAIR_BYTES == 0,
                 "one pair a writer");

/* Packets of a row and of an answer. */
TF_INLINE uint32_t tf_mailbox_row_packets(uint32_t input_cnt) { return 1 + (input_cnt + 2) / 3; }
TF_INLINE uint32_t tf_mailbox_answer_packets(uint32_t output_cnt) {
  return output_cnt <= 2 ? 1 : 1 + (output_cnt - 2 + 2) / 3;
}

/* ---- packets ---- */

/* Whole, past the compiler's sight: neither it nor ThreadSanitizer knows an access of 16 bytes that two threads may make. */
TF_INLINE void tf_packet_store(tf_packet_t *to, const tf_packet_t *packet) {
#if defined(__CUDA_ARCH__)
  asm volatile("{ .reg .b64 low, high; .reg .b128 all;\n\t"
               "mov.b64 low, {%1, %2}; mov.b64 high, {%3, %4}; mov.b128 all, {low, high};\n\t"
               "st.relaxed.sys.b128 [%0], all; }" ::"l"(to),
               "r"(packet->words[0]), "r"(packet->words[1]), "r"(packet->words[2]), "r"(packet->tag)
               : "memory");
#elif defined(__x86_64__)
  __asm__ __volatile__("movdqu %1, %%xmm0\n\tmovdqa %%xmm0, %0"
                       : "=m"(*to)
                       : "m"(*packet)
                       : "xmm0", "memory");
#else
#error "packets want a single access of 16 bytes: x86-64 or a CUDA device"
#endif
}

TF_INLINE void tf_packet_load(const tf_packet_t *from, tf_packet_t *packet) {
#if defined(__CUDA_ARCH__)
  asm volatile("{ .reg .b64 low, high; .reg .b128 all;\n\t"
               "ld.relaxed.sys.b128 all, [%4]; mov.b128 {low, high}, all;\n\t"
               "mov.b64 {%0, %1}, low; mov.b64 {%2, %3}, high; }"
               : "=r"(packet->words[0]), "=r"(packet->words[1]), "=r"(packet->words[2]),
                 "=r"(packet->tag)
               : "l"(from)
               : "memory");
#else
  __asm__ __volatile__("movdqa %1, %%xmm0\n\tmovdqu %%xmm0, %0"
                       : "=m"(*packet)
                       : "m"(*from)
                       : "xmm0", "memory");
#endif
}

TF_INLINE uint32_t tf_mailbox_bits(float value) {
  union {
    float    value;
    uint32_t bits;
  } u;
  u.value = value;
  return u.bits;
}
TF_INLINE float tf_mailbox_value(uint32_t bits) {
  union {
    uint32_t bits;
    float    value;
  } u;
  u.bits = bits;
  return u.value;
}

/* Values three a packet; the last is filled up with zeros. */
TF_INLINE void tf_packets_store(tf_packet_t *to, const float *values, uint32_t cnt, uint32_t tag) {
  for (uint32_t i = 0; i < cnt; i += 3) {
    tf_packet_t p = {
        {0, 0, 0},
        tag
    };
    for (uint32_t j = 0; j < 3 && i + j < cnt; j++) p.words[j] = tf_mailbox_bits(values[i + j]);
    tf_packet_store(to++, &p);
  }
}
/* False where one of them has another tag: values is then anything. */
TF_INLINE bool tf_packets_load(const tf_packet_t *from, float *values, uint32_t cnt, uint32_t tag) {
  for (uint32_t i = 0; i < cnt; i += 3) {
    tf_packet_t p;
    tf_packet_load(from++, &p);
    if (p.tag != tag) return false;
    for (uint32_t j = 0; j < 3 && i + j < cnt; j++) values[i + j] = tf_mailbox_value(p.words[j]);
  }
  return true;
}

/* ---- both sides ---- */

/* One side's view: the checked sizes, which the other cannot change under its hands. tf_mailbox_create and
 * tf_mailbox_open (engine/flow/mailbox_file.h) fill it. */
typedef struct tf_mailbox_view {
  tf_mailbox_t *box;
  tf_packet_t  *requests, *answers;
  tf_packet_t  *state; /* NULL: none */
  const void   *plan;  /* NULL: none */
  uint64_t      plan_bytes;
  uint64_t      file_bytes;
  uint32_t      slot_mask, batch_max;
  uint32_t      input_cnt, output_cnt, row_packets, answer_packets;
  uint32_t      instrument_cnt, window;
  uint32_t      state_packets;
  uint64_t next_seq; /* the lane's next request, or the one that the worker waits for; from 1 */
} tf_mailbox_view_t;

TF_INLINE tf_packet_t *tf_mailbox_row_(const tf_mailbox_view_t *v, uint64_t seq, uint32_t row) {
  return v->requests + ((seq & v->slot_mask) * v->batch_max + row) * v->row_packets;
}
TF_INLINE tf_packet_t *tf_mailbox_answer_(const tf_mailbox_view_t *v, uint64_t seq, uint32_t row) {
  return v->answers + ((seq & v->slot_mask) * v->batch_max + row) * v->answer_packets;
}

/* What a row is of. */
typedef struct tf_mailbox_row {
  uint32_t instrument_idx;
  uint32_t flags;  /* TF_MAILBOX_RESET, TF_MAILBOX_QUIET */
  uint32_t number; /* of the instrument's rows since its reset, from 1 */
} tf_mailbox_row_t;

/* ---- the lane ---- */

/* Row idx of row_cnt (1 .. batch_max) of request next_seq. values: input_cnt. After the last one, next_seq++. */
TF_INLINE void tf_mailbox_post(tf_mailbox_view_t *v, uint32_t idx, uint32_t row_cnt,
                               const tf_mailbox_row_t *row, const float *values) {
  uint32_t     tag  = (uint32_t)v->next_seq;
  tf_packet_t *at   = tf_mailbox_row_(v, v->next_seq, idx);
  tf_packet_t  head = {
       {row->instrument_idx, row_cnt | row->flags, row->number},
       tag
  };
  tf_packets_store(at + 1, values, v->input_cnt, tag);
  tf_packet_store(at,
                  &head); /* last: whoever polls it then seldom meets a row that is half there */
}

/* cnt words from word first on (a multiple of 3) into the state room; the last packet is filled up with zeros. */
TF_INLINE void tf_mailbox_put_state(tf_mailbox_view_t *v, uint64_t first, const uint32_t *words,
                                    uint64_t cnt, uint32_t tag) {
  tf_packet_t *to = v->state + first / 3;
  for (uint64_t i = 0; i < cnt; i += 3) {
    tf_packet_t p = {
        {words[i], i + 1 < cnt ? words[i + 1] : 0, i + 2 < cnt ? words[i + 2] : 0},
        tag
    };
    tf_packet_store(to++, &p);
  }
}

typedef struct tf_mailbox_answer {
  tf_mailbox_status_t status;
  uint32_t            device_ns; /* up to 2^24 - 1, where the worker tells */
} tf_mailbox_answer_t;

/* Is row idx of request seq answered? out: output_cnt, good where the status is OK. A status that is none is REFUSED. */
TF_INLINE bool tf_mailbox_poll(const tf_mailbox_view_t *v, uint64_t seq, uint32_t idx,
                               tf_mailbox_answer_t *answer, float *out) {
  const tf_packet_t *at  = tf_mailbox_answer_(v, seq, idx);
  uint32_t           tag = (uint32_t)seq;
  tf_packet_t        head;
  tf_packet_load(at, &head);
  if (head.tag != tag) return false;
  uint32_t status = head.words[2] >> 24;
  answer->status =
      status < TF_MAILBOX_STATUS_CNT ? (tf_mailbox_status_t)status : TF_MAILBOX_REFUSED;
  answer->device_ns = head.words[2] & 0xffffffu;
  if (answer->status != TF_MAILBOX_OK) return true;
  out[0] = tf_mailbox_value(head.words[0]);
  if (v->output_cnt > 1) out[1] = tf_mailbox_value(head.words[1]);
  return v->output_cnt <= 2 || tf_packets_load(at + 1, out + 2, v->output_cnt - 2, tag);
}

/* ---- the worker ---- */

typedef enum tf_mailbox_take {
  TF_MAILBOX_EMPTY = 0, /* request next_seq is not there yet, or not whole */
  TF_MAILBOX_TAKEN = 1,
  TF_MAILBOX_LAPPED =
      2, /* the lane has come round: next_seq is now the request that the slot holds. lost_cnt were never seen */
} tf_mailbox_take_t;

/* Row idx of request next_seq. row_cnt: of the request, bounded by batch_max; a row that lies is REFUSED by the caller:
 * instrument_idx and flags are as they came. After the last one of a request, next_seq++. */
TF_INLINE tf_mailbox_take_t tf_mailbox_take(tf_mailbox_view_t *v, uint32_t idx, uint32_t *row_cnt,
                                            tf_mailbox_row_t *row, float *values,
                                            uint64_t *lost_cnt) {
  const tf_packet_t *at  = tf_mailbox_row_(v, v->next_seq, idx);
  uint32_t           tag = (uint32_t)v->next_seq;
  tf_packet_t        head;
  tf_packet_load(at, &head);
  if (head.tag != tag) {
    uint32_t ahead = head.tag - tag; /* slots are used again in steps of slot_cnt */
    if (ahead - 1 >= UINT32_MAX / 2 || (ahead & v->slot_mask)) return TF_MAILBOX_EMPTY;
    *lost_cnt = ahead;
    v->next_seq += ahead;
    return TF_MAILBOX_LAPPED;
  }
  if (!tf_packets_load(at + 1, values, v->input_cnt, tag)) return TF_MAILBOX_EMPTY;
  uint32_t cnt        = head.words[1] & 0xffu;
  *row_cnt            = cnt >= 1 && cnt <= v->batch_max ? cnt : 1;
  row->instrument_idx = head.words[0];
  row->flags          = head.words[1] & ~0xffu;
  row->number         = head.words[2];
  return TF_MAILBOX_TAKEN;
}

/* out: output_cnt where the status is OK, else not read. */
TF_INLINE void tf_mailbox_answer(const tf_mailbox_view_t *v, uint64_t seq, uint32_t idx,
                                 tf_mailbox_status_t status, uint32_t device_ns, const float *out) {
  tf_packet_t *at   = tf_mailbox_answer_(v, seq, idx);
  uint32_t     tag  = (uint32_t)seq;
  uint32_t     ns   = device_ns < 0xffffffu ? device_ns : 0xffffffu;
  tf_packet_t  head = {
       {0, 0, (uint32_t)status << 24 | ns},
       tag
  };
  if (status == TF_MAILBOX_OK) {
    head.words[0] = tf_mailbox_bits(out[0]);
    if (v->output_cnt > 1) head.words[1] = tf_mailbox_bits(out[1]);
    if (v->output_cnt > 2) tf_packets_store(at + 1, out + 2, v->output_cnt - 2, tag);
  }
  tf_packet_store(at, &head); /* last, as in post */
}

#endif
