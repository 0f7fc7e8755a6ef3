/* The journal as a sink: every decision to a file (file/journal.h), synced to disk every 100 ms (every
 * block with `durable: true`) and when the engine stops. On a full disk it takes nothing, and goes on
 * when there is room again; a disk that fails makes it go on in a new segment, and ends it where there
 * is none to be had. The time is read here: emit may offer the same decisions again and again while the
 * disk is full, and the retries must not depend on what is in them. */
#include "file/journal.h"
#include "core/clock.h"
#include "core/error.h"
#include "file/journal_key.h"
#include "file/journal_reader.h"
#include "tf/sink.h"

#define SYNC_INTERVAL_NS (100 * TF_NS_PER_MS)
#define SEEK_BYTES       (UINT64_C(4) << 20) /* read block by block */

/* What an earlier engine wrote, beside what this one makes again. */
typedef struct held {
  bool                is_open, is_over; /* over: there is no more to compare with */
  bool                is_read;          /* the reader has a block */
  uint32_t            at;               /* in the reader's block */
  tf_journal_reader_t reader;
} held_t;

typedef struct journal_sink {
  tf_journal_t journal; /* first */
  held_t       held;
} journal_sink_t;

TF_STATIC_ASSERT(offsetof(journal_sink_t, journal) == 0, "a sink's state is its journal");

static size_t journal_state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return sizeof(journal_sink_t);
}

static tf_err_t journal_open(void *state, const tf_sink_config_t *config) {
  held_t       *held    = &((journal_sink_t *)state)->held;
  tf_journal_t *journal = state;
  held->is_open = held->is_over = held->is_read = false;

  journal->config.path = NULL; /* close accepts a journal that was never opened */
  if (!config->path || !*config->path)
    return TF_ERR(E_SINK_CONFIG, "sink of type journal: no path; give `path:` of its file");
  tf_journal_config_t own = {.path        = config->path,
                             .durable     = config->durable ? TF_JOURNAL_DURABLE_BLOCK
                                                            : TF_JOURNAL_DURABLE_INTERVAL,
                             .interval_ns = SYNC_INTERVAL_NS,
                             .epoch_min   = config->epoch,
                             .instruments = config->instruments};
  if (config->key_file) {
    tf_err_t err = tf_journal_key_load(&own.key, config->key_file);
    if (err) return tf_error_add(err, "reading the journal's key");
  }
  return tf_journal_init(journal, &own);
}

static int journal_offer(void *state, const void *records, uint32_t n) {
  tf_journal_t *journal = state;
  uint32_t      taken   = tf_journal_append(journal, records, n, tf_clock_wall_ns());
  if (TF_UNLIKELY(tf_journal_failed(journal) && taken == 0))
    return tf_journal_flush(journal, 0); /* gives the error */
  return (int)taken;
}

static tf_err_t journal_flush(void *state, uint64_t now_ns) {
  tf_journal_t *journal = state;
  now_ns                = tf_clock_wall_ns();
  /* An idle emit calls often: a full disk is not asked each time. The error text still stands. */
  if (TF_UNLIKELY(now_ns < journal->retry_ns)) return E_FILE_WRITE;
  return tf_journal_flush(journal, now_ns);
}

static uint64_t journal_durable_seq(const void *state) { return tf_journal_durable_seq(state); }

static uint64_t journal_last_seq(const void *state) {
  return ((const tf_journal_t *)state)->recovered.last_seq;
}

/* ---- what is there already ---- */

/* The earlier engine's next decision; NULL: there is none, or none that can be trusted. */
static const tf_decision_t *next_held(held_t *h) {
  for (tf_journal_reader_t *r = &h->reader; !h->is_over; h->at = 0) {
    const tf_journal_block_header_t *block = tf_journal_reader_header(r);
    if (h->is_read && block->kind == TF_JOURNAL_DECISIONS && h->at < block->record_cnt)
      return &tf_journal_reader_decisions(r)[h->at++];
    h->is_over = tf_journal_reader_next(r) != TF_JOURNAL_READ_BLOCK;
    h->is_read = true;
  }
  return NULL;
}

/* Stands shortly before the decision seq, wherever that is in a long file. */
static void seek_held(held_t *h, uint64_t end, uint64_t seq) {
  uint64_t low = TF_JOURNAL_HEADER_BYTES, high = end;
  while (high - low > SEEK_BYTES) {
    uint64_t middle = (low + (high - low) / 2) / TF_JOURNAL_HEADER_BYTES * TF_JOURNAL_HEADER_BYTES;
    bool     found  = tf_journal_reader_seek(&h->reader, middle) == TF_JOURNAL_READ_BLOCK;
    const tf_journal_block_header_t *block = tf_journal_reader_header(&h->reader);
    if (found && block->kind == TF_JOURNAL_DECISIONS && block->first_seq < seq)
      low = middle;
    else
      high = middle;
  }
  h->is_over = tf_journal_reader_seek(&h->reader, low) != TF_JOURNAL_READ_BLOCK;
  h->is_read = false;
}

static tf_err_t journal_check_held(void *state, const void *records, uint32_t n) {
  const tf_decision_t *decisions = records;
  journal_sink_t      *s         = state;
  held_t              *h         = &s->held;
  if (!h->is_open && !h->is_over) {
    h->is_open = tf_journal_reader_init(&h->reader, s->journal.path) == TF_OK;
    h->is_over = !h->is_open;
    if (h->is_open && n > 0) seek_held(h, s->journal.offset, decisions[0].decision_seq);
  }
  for (uint32_t i = 0; i < n; i++) {
    const tf_decision_t *held = next_held(h);
    while (held && held->decision_seq < decisions[i].decision_seq) held = next_held(h);
    if (!held) return TF_OK;
    if (held->decision_seq == decisions[i].decision_seq &&
        memcmp(held, &decisions[i], offsetof(tf_decision_t, ts_decision_ns)) != 0)
      return TF_ERR(E_SINK_FENCED,
                    "%s: its decision %llu is another than the one that this engine makes: events, "
                    "config or models are not those that it goes on from",
                    s->journal.path, (unsigned long long)held->decision_seq);
    if (held->decision_seq > decisions[i].decision_seq) h->at--; /* a segment that begins later */
  }
  return TF_OK;
}

static tf_err_t journal_close(void *state) {
  journal_sink_t *s = state;
  if (s->held.is_open) tf_journal_reader_fini(&s->held.reader);
  s->held.is_open = false;
  return tf_journal_fini(&s->journal);
}

const tf_sink_t tf_sink_journal = {
    .name        = "journal",
    .keys        = "path durable key_file",
    .help        = "every decision to a file, checksummed and chained; path: the file",
    .policies    = TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK) | TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_NEWEST),
    .policy      = TF_OVERFLOW_BLOCK,
    .carries     = 1u << TF_CARRIES_DECISIONS,
    .state_bytes = journal_state_bytes,
    .open        = journal_open,
    .offer       = journal_offer,
    .flush       = journal_flush,
    .close       = journal_close,
    .durable_seq = journal_durable_seq,
    .last_seq    = journal_last_seq,
    .check_held  = journal_check_held,
};
