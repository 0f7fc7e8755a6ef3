#include "source/inbox.h"

#include <string.h>

#include "tf/atomic.h"

#define SKIP UINT32_MAX /* of kind: nothing here, go on at the ring's beginning */

typedef struct entry {
  uint64_t entry_bytes; /* with this header, the pad and what rounds it up */
  uint64_t recv_ns, position;
  uint32_t bytes_cnt, kind;
  uint32_t target_bytes; /* with its NUL */
  uint32_t reserved;
} entry_t;

/* Entries are whole lines, so that there is always room for the header of a skip. */
TF_STATIC_ASSERT(sizeof(entry_t) <= TF_LINE_BYTES, "a skip's header fits the smallest rest");

struct tf_inbox {
  uint64_t   capacity_bytes;
  tf_bell_t *bell; /* NULL: its reader never sleeps */
  uint64_t   reserved_0[14];
  /* written by the writer; published and put_cnt are read by others */
  uint64_t published;
  uint64_t put_cnt;
  uint64_t consumed_seen;
  uint64_t reserved_1[13];
  /* written by the reader; consumed and taken_cnt are read by others */
  uint64_t consumed;
  uint64_t taken_cnt;
  uint64_t published_seen;
  uint64_t peeked_bytes; /* entry_bytes of the one that was peeked at; 0: none */
  uint64_t reserved_2[12];
  uint8_t  ring[];
};

TF_STATIC_ASSERT(offsetof(tf_inbox_t, published) == TF_LINE_PAIR_BYTES, "the writer's pair");
TF_STATIC_ASSERT(offsetof(tf_inbox_t, consumed) == 2 * TF_LINE_PAIR_BYTES, "the reader's pair");
TF_STATIC_ASSERT(offsetof(tf_inbox_t, ring) == 3 * TF_LINE_PAIR_BYTES, "entries begin lines");

static bool is_capacity(uint64_t capacity_bytes) {
  return tf_is_pow2(capacity_bytes) && capacity_bytes >= TF_INBOX_CAPACITY_BYTES_MIN &&
         capacity_bytes <= TF_INBOX_CAPACITY_BYTES_MAX;
}

static uint64_t entry_bytes_of(uint64_t target_bytes, uint64_t bytes_cnt) {
  return tf_align_up(sizeof(entry_t) + target_bytes + bytes_cnt + TF_BYTES_PAD, TF_LINE_BYTES);
}

/* The longest entry, twice: what is skipped before one is shorter than it. */
TF_STATIC_ASSERT(2 * (sizeof(entry_t) + TF_INBOX_TARGET_BYTES_MAX +
                      TF_INBOX_CAPACITY_BYTES_MIN / TF_INBOX_MESSAGES_IN_CAPACITY + TF_BYTES_PAD +
                      TF_LINE_BYTES) <=
                     TF_INBOX_CAPACITY_BYTES_MIN,
                 "the longest message fits an empty ring wherever its indices stand");

size_t tf_inbox_bytes(uint64_t capacity_bytes) {
  return is_capacity(capacity_bytes) ? sizeof(tf_inbox_t) + (size_t)capacity_bytes : 0;
}

uint64_t tf_inbox_capacity_for(uint64_t message_bytes_max) {
  uint64_t capacity = TF_INBOX_CAPACITY_BYTES_MIN;
  while (capacity / TF_INBOX_MESSAGES_IN_CAPACITY < message_bytes_max) {
    if (capacity == TF_INBOX_CAPACITY_BYTES_MAX) return 0;
    capacity *= 2;
  }
  return capacity;
}

tf_inbox_t *tf_inbox_init(void *memory, uint64_t capacity_bytes) {
  tf_inbox_t *inbox = memory;
  TF_ASSERT(is_capacity(capacity_bytes));
  memset(inbox, 0, sizeof *inbox);
  inbox->capacity_bytes = capacity_bytes;
  return inbox;
}

void tf_inbox_set_bell(tf_inbox_t *inbox, tf_bell_t *bell) { inbox->bell = bell; }

static entry_t *entry_at(tf_inbox_t *inbox, uint64_t index) {
  return (entry_t *)(void *)(inbox->ring + (index & (inbox->capacity_bytes - 1)));
}

/* ---- writer ---- */

static bool has_room(tf_inbox_t *inbox, uint64_t from, uint64_t bytes) {
  if (inbox->capacity_bytes - (from - inbox->consumed_seen) >= bytes) return true;
  /* pairs with: tf_inbox_drop; what it gave back nobody reads any more */
  inbox->consumed_seen = tf_load_acquire(&inbox->consumed);
  return inbox->capacity_bytes - (from - inbox->consumed_seen) >= bytes;
}

bool tf_inbox_put(tf_inbox_t *inbox, const tf_inbox_message_t *m) {
  const uint64_t target_bytes = strlen(m->target) + 1;
  TF_ASSERT(target_bytes <= TF_INBOX_TARGET_BYTES_MAX);
  TF_ASSERT(m->bytes_cnt <= inbox->capacity_bytes / TF_INBOX_MESSAGES_IN_CAPACITY);
  const uint64_t bytes = entry_bytes_of(target_bytes, m->bytes_cnt);
  uint64_t       at    = tf_load_relaxed(&inbox->published); /* relaxed: ours alone to write */
  const uint64_t rest  = inbox->capacity_bytes - (at & (inbox->capacity_bytes - 1));
  const uint64_t skip  = rest < bytes ? rest : 0;
  if (!has_room(inbox, at, skip + bytes)) return false;
  if (skip > 0) {
    *entry_at(inbox, at) = (entry_t){.entry_bytes = skip, .kind = SKIP};
    at += skip;
  }
  entry_t *e    = entry_at(inbox, at);
  char    *text = (char *)(e + 1);
  *e            = (entry_t){.entry_bytes  = bytes,
                            .recv_ns      = m->recv_ns,
                            .position     = m->position,
                            .bytes_cnt    = m->bytes_cnt,
                            .kind         = m->kind,
                            .target_bytes = (uint32_t)target_bytes};
  memcpy(text, m->target, target_bytes);
  if (m->bytes_cnt > 0) memcpy(text + target_bytes, m->bytes, m->bytes_cnt);
  memset(text + target_bytes + m->bytes_cnt, 0, TF_BYTES_PAD);
  tf_count_add(&inbox->put_cnt, 1); /* before it can be taken: waiting is never below 0 */
  tf_store_release(&inbox->published, at + bytes); /* pairs with: tf_inbox_peek */
  tf_bell_ring(inbox->bell);
  return true;
}

/* ---- reader ---- */

static bool has_entry(tf_inbox_t *inbox, uint64_t at) {
  if (at != inbox->published_seen) return true;
  /* pairs with: tf_inbox_put; entries before it are whole */
  inbox->published_seen = tf_load_acquire(&inbox->published);
  return at != inbox->published_seen;
}

bool tf_inbox_peek(tf_inbox_t *inbox, tf_inbox_message_t *m) {
  uint64_t at = tf_load_relaxed(&inbox->consumed); /* relaxed: ours alone to write */
  if (!has_entry(inbox, at)) return false;
  const entry_t *e    = entry_at(inbox, at);
  uint64_t       skip = 0;
  if (e->kind == SKIP) { /* published together with the one behind it */
    skip = e->entry_bytes;
    e    = entry_at(inbox, at + skip);
  }
  const char *text    = (const char *)(e + 1);
  *m                  = (tf_inbox_message_t){.recv_ns   = e->recv_ns,
                                             .position  = e->position,
                                             .bytes_cnt = e->bytes_cnt,
                                             .kind      = e->kind,
                                             .target    = text,
                                             .bytes     = text + e->target_bytes};
  inbox->peeked_bytes = skip + e->entry_bytes;
  return true;
}

void tf_inbox_drop(tf_inbox_t *inbox) {
  TF_ASSERT(inbox->peeked_bytes > 0);
  uint64_t at = tf_load_relaxed(&inbox->consumed); /* relaxed: ours alone to write */
  at += inbox->peeked_bytes;
  inbox->peeked_bytes = 0;
  /* pairs with: tf_inbox_waiting, tf_inbox_taken */
  tf_store_release(&inbox->taken_cnt, tf_load_relaxed(&inbox->taken_cnt) + 1); /* relaxed: ours */
  tf_store_release(&inbox->consumed, at); /* pairs with: has_room */
}

void tf_inbox_leave(tf_inbox_t *inbox) { tf_bell_ring(inbox->bell); }

/* ---- any thread ---- */

uint64_t tf_inbox_taken(const tf_inbox_t *inbox) {
  return tf_load_acquire(&inbox->taken_cnt); /* pairs with: tf_inbox_drop */
}

uint64_t tf_inbox_waiting(const tf_inbox_t *inbox) {
  uint64_t taken = tf_inbox_taken(inbox);
  /* relaxed: what was taken had been put, and the acquire before saw that */
  return tf_load_relaxed(&inbox->put_cnt) - taken;
}
