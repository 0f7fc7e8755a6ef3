/* The journal as a sink: every decision to a file (file/journal.h), synced to disk every 100 ms (every
 * block with `durable: true`) and when the engine stops. On a full disk it takes nothing, and goes on
 * when there is room again; a disk that fails makes it go on in a new segment, and ends it where there
 * is none to be had. The time is read here: emit may offer the same decisions again and again while the
 * disk is full, and the retries must not depend on what is in them. */
#include "file/journal.h"
#include "core/clock.h"
#include "core/error.h"
#include "file/journal_key.h"
#include "tf/sink.h"

#define SYNC_INTERVAL_NS (100 * TF_NS_PER_MS)

static size_t journal_state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return sizeof(tf_journal_t);
}

static tf_err_t journal_open(void *state, const tf_sink_config_t *config) {
  tf_journal_t *journal = state;
  journal->config.path  = NULL; /* close accepts a journal that was never opened */
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

static tf_err_t journal_close(void *state) { return tf_journal_fini(state); }

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
};
