#include "sink/conflate.h"

#include <string.h>

#include "tf/atomic.h"

#define BUFFERS_OF_KEY 3u
#define FRESH          4u /* in a key's word, beside the index of the buffer that lies between */

/* The consumer's part of a key. */
typedef struct held {
  uint8_t buffer;
  bool    is_holding;
  bool    is_passed_over; /* gave way in the last sweep */
} held_t;

struct tf_conflate {
  /* written by init only */
  uint32_t  key_cnt, record_bytes;
  uint64_t  queue_mask;
  uint64_t *words;    /* of each key: the buffer between, and FRESH */
  uint32_t *queue;    /* keys whose word became fresh, each at most once */
  uint8_t  *buffers;  /* key_cnt x 3, each the order of arrival and the record */
  uint8_t  *back;     /* of each key, the producer's buffer */
  held_t   *held;     /* of each key, the consumer's */
  uint32_t *swept[2]; /* the consumer's keys: of this sweep in order, and held over */
  /* written by the producer */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t arrived; /* offers that are complete */
  uint64_t queue_in;                               /* keys put in the queue */
  /* the consumer's own */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t queue_out;
  uint32_t swept_idx, swept_cnt; /* of swept[0]: not delivered yet */
  uint32_t over_cnt;             /* of swept[1] */
  bool     is_swept_before;      /* swept[0] is what an earlier take left */
};

static uint64_t queue_slots(uint32_t key_cnt) {
  uint64_t slots = 1;
  while (slots < key_cnt) slots *= 2;
  return slots;
}

static size_t buffer_bytes(uint32_t record_bytes) { return sizeof(uint64_t) + record_bytes; }

static uint8_t *carve(uint8_t **at, size_t bytes) {
  uint8_t *place = *at;
  if (place) *at = place + tf_align_up(bytes, TF_LINE_PAIR_BYTES);
  return place;
}

size_t tf_conflate_bytes(uint32_t key_cnt, uint32_t record_bytes) {
  if (key_cnt == 0 || key_cnt > TF_CONFLATE_KEYS_MAX || record_bytes == 0 ||
      record_bytes % 8 != 0 || record_bytes > TF_SINK_RECORD_BYTES_MAX)
    return 0;
  /* at most 2^24 x 3 x 4,032 and some: no overflow */
  size_t keys = key_cnt, total = tf_align_up(sizeof(tf_conflate_t), TF_LINE_PAIR_BYTES);
  total += tf_align_up(keys * sizeof(uint64_t), TF_LINE_PAIR_BYTES);
  total += tf_align_up(queue_slots(key_cnt) * sizeof(uint32_t), TF_LINE_PAIR_BYTES);
  total += tf_align_up(keys * BUFFERS_OF_KEY * buffer_bytes(record_bytes), TF_LINE_PAIR_BYTES);
  total += tf_align_up(keys, TF_LINE_PAIR_BYTES);
  total += tf_align_up(keys * sizeof(held_t), TF_LINE_PAIR_BYTES);
  return total + 2 * tf_align_up(keys * sizeof(uint32_t), TF_LINE_PAIR_BYTES);
}

tf_conflate_t *tf_conflate_init(void *memory, uint32_t key_cnt, uint32_t record_bytes) {
  if (!memory || tf_conflate_bytes(key_cnt, record_bytes) == 0) return NULL;
  memset(memory, 0, tf_conflate_bytes(key_cnt, record_bytes));
  uint8_t       *at   = memory;
  size_t         keys = key_cnt;
  tf_conflate_t *c    = (tf_conflate_t *)carve(&at, sizeof *c);
  c->key_cnt          = key_cnt;
  c->record_bytes     = record_bytes;
  c->queue_mask       = queue_slots(key_cnt) - 1;
  c->words            = (uint64_t *)carve(&at, keys * sizeof(uint64_t));
  c->queue            = (uint32_t *)carve(&at, queue_slots(key_cnt) * sizeof(uint32_t));
  c->buffers          = carve(&at, keys * BUFFERS_OF_KEY * buffer_bytes(record_bytes));
  c->back             = carve(&at, keys);
  c->held             = (held_t *)carve(&at, keys * sizeof(held_t));
  c->swept[0]         = (uint32_t *)carve(&at, keys * sizeof(uint32_t));
  c->swept[1]         = (uint32_t *)carve(&at, keys * sizeof(uint32_t));
  for (uint32_t k = 0; k < key_cnt; k++) { /* the word's is buffer 0 */
    c->back[k]        = 1;
    c->held[k].buffer = 2;
  }
  return c;
}

static uint8_t *buffer_of(const tf_conflate_t *c, uint32_t key, uint64_t buffer) {
  return c->buffers + ((size_t)key * BUFFERS_OF_KEY + buffer) * buffer_bytes(c->record_bytes);
}

bool tf_conflate_offer(tf_conflate_t *c, uint32_t key, const void *record) {
  uint8_t *buffer = buffer_of(c, key, c->back[key]);
  uint64_t order  = c->arrived + 1;
  memcpy(buffer, &order, sizeof order);
  memcpy(buffer + sizeof order, record, c->record_bytes);
  /* pairs with: collect. The buffer's content goes with it, and the one that comes back is ours. */
  uint64_t between = tf_exchange_both(&c->words[key], c->back[key] | FRESH);
  c->back[key]     = between & (FRESH - 1);
  bool is_replaced = between & FRESH;
  if (!is_replaced) {
    c->queue[c->queue_in & c->queue_mask] = key;
    tf_store_release(&c->queue_in, c->queue_in + 1); /* pairs with: sweep */
  }
  tf_store_release(&c->arrived, order); /* pairs with: sweep */
  return is_replaced;
}

/* ---- the consumer ---- */

static uint64_t order_of(const tf_conflate_t *c, uint32_t key) {
  uint64_t order;
  memcpy(&order, buffer_of(c, key, c->held[key].buffer), sizeof order);
  return order;
}

/* Makes what lies between ours. True: something was held, and gives way. */
static bool collect(tf_conflate_t *c, uint32_t key) {
  held_t  *h    = &c->held[key];
  bool     gave = h->is_holding;
  uint64_t between =
      tf_exchange_both(&c->words[key], h->buffer); /* pairs with: tf_conflate_offer */
  h->buffer     = between & (FRESH - 1);
  h->is_holding = true;
  return gave;
}

/* Heap sort by order of arrival: in place, and as quick for a queue of keys that is nearly sorted. */
static void sift(const tf_conflate_t *c, uint32_t *keys, uint32_t root, uint32_t cnt) {
  for (uint32_t child; (child = 2 * root + 1) < cnt; root = child) {
    if (child + 1 < cnt && order_of(c, keys[child]) < order_of(c, keys[child + 1])) child++;
    if (order_of(c, keys[root]) >= order_of(c, keys[child])) return;
    uint32_t key = keys[root];
    keys[root]   = keys[child];
    keys[child]  = key;
  }
}

static void sort(const tf_conflate_t *c, uint32_t *keys, uint32_t cnt) {
  for (uint32_t i = cnt / 2; i > 0; i--) sift(c, keys, i - 1, cnt);
  for (uint32_t last = cnt; last > 1; last--) {
    uint32_t key   = keys[0];
    keys[0]        = keys[last - 1];
    keys[last - 1] = key;
    sift(c, keys, 0, last - 1);
  }
}

/* All that has come, into swept[0] in order. What came after it began goes to swept[1]: it would leave
 * ahead of an earlier record of a key whose turn had passed. */
static void sweep(tf_conflate_t *c, uint64_t *replaced) {
  /* arrived first: every key of a record up to it stands in the queue that is looked at then */
  uint64_t arrived = tf_load_acquire(&c->arrived);  /* pairs with: tf_conflate_offer */
  uint64_t queued  = tf_load_acquire(&c->queue_in); /* pairs with: tf_conflate_offer */
  uint32_t cnt = c->over_cnt, over = 0, here = 0;
  /* What was held over stands in swept[1], and is in the sweep whether its key was queued or not. */
  for (uint32_t i = 0; i < cnt; i++) c->swept[0][i] = c->swept[1][i];
  for (; c->queue_out != queued; c->queue_out++) {
    uint32_t key = c->queue[c->queue_out & c->queue_mask];
    if (collect(c, key))
      ++*replaced;
    else
      c->swept[0][cnt++] = key;
  }
  for (uint32_t i = 0; i < cnt; i++) {
    uint32_t key = c->swept[0][i];
    if (order_of(c, key) <= arrived)
      c->swept[0][here++] = key;
    else
      c->swept[1][over++] = key;
  }
  sort(c, c->swept[0], here);
  c->swept_idx = 0;
  c->swept_cnt = here;
  c->over_cnt  = over;
}

/* Held since an earlier take, and by now there is a later one of its key. */
static bool gives_way(tf_conflate_t *c, uint32_t key) {
  held_t *h = &c->held[key];
  /* relaxed: a later record may as well come after this look */
  bool gives = c->is_swept_before && !h->is_passed_over && tf_load_relaxed(&c->words[key]) & FRESH;
  h->is_passed_over = gives;
  return gives;
}

uint32_t tf_conflate_take(tf_conflate_t *c, void *records, uint32_t n, uint64_t *replaced) {
  uint32_t taken     = 0;
  uint8_t *target    = records;
  c->is_swept_before = true;
  bool has_swept     = false; /* once a take: a producer without end must not keep us here */
  for (; taken < n; taken++) {
    while (c->swept_idx < c->swept_cnt && gives_way(c, c->swept[0][c->swept_idx])) {
      c->held[c->swept[0][c->swept_idx++]].is_holding = false;
      ++*replaced;
    }
    if (c->swept_idx == c->swept_cnt) {
      if (has_swept) break;
      sweep(c, replaced);
      has_swept          = true;
      c->is_swept_before = false;
      if (c->swept_cnt == 0) break;
    }
    uint32_t key = c->swept[0][c->swept_idx++];
    memcpy(target + (size_t)taken * c->record_bytes,
           buffer_of(c, key, c->held[key].buffer) + sizeof(uint64_t), c->record_bytes);
    c->held[key].is_holding = false;
  }
  return taken;
}
