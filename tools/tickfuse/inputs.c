#include "inputs.h"

#include <string.h>

#include "boot/remotes.h"
#include "boot/text_source.h"
#include "core/error.h"
#include "core/log.h"
#include "live_capture.h"
#include "registry.h"

/* The feed config of a venue: what the config's feeds of that venue ask for, or everything. */
static void set_feed_config(const tf_config_t *config, tf_instruments_t *instruments,
                            const tf_feed_t *feed, tf_feed_config_t *out) {
  *out = (tf_feed_config_t){.instruments = instruments,
                            .channels    = (1u << TF_CHANNEL_CNT) - 1,
                            .pending_cap = TF_LIVE_PENDING_CAP};
  for (uint32_t i = 0; config && i < config->feed_cnt; i++) {
    const tf_config_feed_t *f = &config->feeds[i];
    if (strcmp(f->venue, feed->venue) != 0) continue;
    out->symbols           = f->instruments.items;
    out->symbol_cnt        = f->instruments.item_cnt;
    out->channels          = f->channels;
    out->book_depth        = f->book_depth;
    out->reorder_window_ns = f->reorder_window_ns;
    out->times_kept        = f->times == TF_CONFIG_TIMES_KEPT;
    out->ids_kept          = f->ids_kept;
    if (!tf_feed_is_dialed(feed)) out->symbols_max = out->symbol_cnt + tf_config_feed_room(f);
  }
}

/* The order of trades, and whose times count, are the config's to say, as they were live: a capture has all as it
 * came. NULL: it says nothing of the venue. */
static const tf_config_feed_t *config_of(const tf_config_t *config, const char *venue) {
  const tf_config_feed_t *f = NULL;
  for (uint32_t i = 0; config && i < config->feed_cnt; i++)
    if (strcmp(config->feeds[i].venue, venue) == 0) f = &config->feeds[i];
  return f;
}

/* For symbols that a capture's feeds were told while they ran; bounded, for it comes from a file. */
static uint32_t symbol_room(const tf_capture_reader_t *reader) {
  uint32_t room = reader->file.symbol_room;
  return room < TF_CAPTURE_SYMBOLS_MAX ? room : TF_CAPTURE_SYMBOLS_MAX;
}

static uint32_t instruments_of(const tf_capture_reader_t *reader) {
  uint64_t all = reader->file.symbol_cnt + (uint64_t)symbol_room(reader) * reader->source_cnt;
  return all < TF_CAPTURE_SYMBOLS_MAX ? (uint32_t)all : TF_CAPTURE_SYMBOLS_MAX;
}

/* The feeds of a capture's header, as they were live. */
static tf_err_t resolve_capture(const tf_config_t *config, tf_instruments_t *instruments,
                                const char *path, tf_replay_input_t *input,
                                tf_inputs_capture_t **made) {
  tf_inputs_capture_t *c = *made = calloc(1, sizeof *c);
  if (!c) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", sizeof *c);
  tf_err_t err = tf_capture_reader_init(&c->reader, path);
  if (err) return err;
  uint32_t room = symbol_room(&c->reader);
  for (uint32_t i = 0; i < c->reader.source_cnt; i++) {
    const tf_capture_source_t *source = &c->reader.sources[i];
    err = tf_engine_feed(tickfuse_registry(), source->venue, &c->feeds[i].feed);
    if (err) return tf_error_add(err, "reading feed %u of the capture %s", i, path);
    const tf_config_feed_t *f = config_of(config, source->venue);
    c->configs[i]             = (tf_feed_config_t){.instruments       = instruments,
                                                   .symbols           = source->symbols,
                                                   .symbol_cnt        = source->symbol_cnt,
                                                   .symbols_max       = source->symbol_cnt + room,
                                                   .channels          = source->channels,
                                                   .pending_cap       = source->pending_cap,
                                                   .book_depth        = source->book_depth,
                                                   .reorder_window_ns = f ? f->reorder_window_ns : 0,
                                                   .times_kept        = f && f->times == TF_CONFIG_TIMES_KEPT,
                                                   .ids_kept          = f ? f->ids_kept : 0};
    c->feeds[i].config        = &c->configs[i];
  }
  if (config && c->reader.file.config_hash != config->hash)
    tf_log(TF_LOG_NOTICE, "capture_of_another_config",
           "path=%s its_hash=%016llx this_hash=%016llx events=same decisions=may_differ", path,
           (unsigned long long)c->reader.file.config_hash, (unsigned long long)config->hash);
  *input = (tf_replay_input_t){.path = path, .feeds = c->feeds, .feed_cnt = c->reader.source_cnt};
  return TF_OK;
}

void tf_inputs_report_tails(const tf_replay_t *replay) {
  for (uint32_t i = 0; i < replay->track_cnt; i++) {
    const tf_recording_t      *rec = &replay->tracks[i].recording;
    const tf_capture_reader_t *c   = rec->capture;
    if (!c || c->end != TF_CAPTURE_READ_END || c->tail == TF_CAPTURE_TAIL_CLOSED) continue;
    if (c->tail == TF_CAPTURE_TAIL_CONTINUED) {
      fprintf(stderr,
              "tickfuse: %s ends where its next file would begin: name the directory to read all "
              "files; where there is none, the recorder died between the two\n",
              rec->path);
      continue;
    }
    fprintf(
        stderr,
        "tickfuse: %s was not closed in order (%s): a crash, or it is still being written; %llu "
        "bytes behind the last whole block were dropped\n",
        rec->path, tf_capture_tail_name((tf_capture_tail_t)c->tail),
        (unsigned long long)c->counts.bytes_dropped);
  }
}

/* "venue:FILE", or FILE with --venue or a config that has one feed. */
static tf_err_t resolve_input(tf_inputs_t *in, const tf_config_t *config,
                              tf_instruments_t *instruments, const char *standard,
                              const char *text) {
  tf_replay_input_t *input       = &in->rows[in->cnt];
  tf_feed_config_t  *feed_config = &in->feed_configs[in->cnt];
  if (tf_capture_is(text))
    return resolve_capture(config, instruments, text, input, &in->captures[in->cnt]);
  char        venue[64] = "";
  const char *colon     = strchr(text, ':');
  input->path           = text;
  if (colon && !memchr(text, '/', (size_t)(colon - text)) &&
      (size_t)(colon - text) < sizeof venue) {
    memcpy(venue, text, (size_t)(colon - text));
    input->path = colon + 1;
  }
  if (tf_tape_reader_is_tape(input->path)) return TF_OK;
  if (!venue[0] && standard)
    snprintf(venue, sizeof venue, "%s", standard);
  else if (!venue[0] && config && config->feed_cnt == 1)
    snprintf(venue, sizeof venue, "%s", config->feeds[0].venue);
  if (!venue[0])
    return TF_ERR(E_BOOT_INPUT,
                  "%s is neither capture nor tape, and names no venue: write "
                  "binance-spot:%s",
                  text, text);
  tf_err_t err = tf_engine_feed(tickfuse_registry(), venue, &input->feed);
  if (err) return tf_error_add(err, "reading --input %s", text);
  set_feed_config(config, instruments, input->feed, feed_config);
  input->feed_config = feed_config;
  return TF_OK;
}

tf_err_t tf_inputs_resolve(tf_inputs_t *in, tf_instruments_t *instruments,
                           const tf_config_t *config, const char *venue, const char *const *texts,
                           uint32_t cnt) {
  memset(in, 0, sizeof *in);
  for (; in->cnt < cnt; in->cnt++) {
    tf_err_t err = resolve_input(in, config, instruments, venue, texts[in->cnt]);
    if (err) return err;
    if (in->captures[in->cnt])
      in->instruments_min += instruments_of(&in->captures[in->cnt]->reader);
  }
  return TF_OK;
}

static bool has_capture(const tf_inputs_t *in) {
  for (uint32_t i = 0; i < in->cnt; i++)
    if (in->captures[i]) return true;
  return false;
}

tf_err_t tf_inputs_open_texts(tf_inputs_t *in, tf_engine_t *engine) {
  tf_err_t err = tf_text_source_open(
      engine, has_capture(in) ? TF_TEXT_MODE_CAPTURED : TF_TEXT_MODE_IN_PLACE, (tf_tap_t){0});
  const tf_text_port_t *port = tf_text_source_port(engine->texts);
  for (uint32_t i = 0; i < in->cnt; i++) {
    in->feed_configs[i].texts = port;
    for (uint32_t k = 0; in->captures[i] && k < in->captures[i]->reader.source_cnt; k++)
      in->captures[i]->configs[k].texts = port;
  }
  return err ? err : tf_text_source_join(engine);
}

tf_err_t tf_inputs_take_outcomes(tf_inputs_t *in, uint64_t from_ns, tf_engine_options_t *options) {
  bool has_any = false;
  for (uint32_t i = 0; i < in->cnt && !has_any; i++) {
    if (!in->captures[i]) continue;
    tf_err_t err = tf_outcome_reader_init(&in->outcome_reader, in->rows[i].path, &has_any);
    if (err) return err;
    if (!has_any) tf_outcome_reader_fini(&in->outcome_reader);
  }
  if (!has_any) return TF_OK;
  if (in->cnt > 1 || from_ns > 0) {
    tf_log(TF_LOG_NOTICE, "worker_answers_unused",
           "text=\"workers answered in this capture; it is not replayed alone and from its "
           "beginning, so their models are run here\"");
    return TF_OK;
  }
  in->outcomes           = tf_outcome_reader_source(&in->outcome_reader);
  options->outcomes      = &in->outcomes;
  options->remote_models = in->outcome_reader.models;
  return TF_OK;
}

void tf_inputs_report_outcomes(const tf_engine_t *engine) {
  uint64_t unmatched =
      tf_remotes_unmatched(engine->remotes) + engine->runner.lane.shed.counts.unmatched;
  if (unmatched > 0)
    fprintf(stderr,
            "tickfuse: %llu answers of workers, or steps of shedding, in the capture are of ticks "
            "that this config has "
            "not: decisions differ from those of the run\n",
            (unsigned long long)unmatched);
}

void tf_inputs_fini(tf_inputs_t *in) {
  tf_outcome_reader_fini(&in->outcome_reader);
  for (uint32_t i = 0; i < TF_CLI_VALUES_MAX; i++) {
    if (in->captures[i]) tf_capture_reader_fini(&in->captures[i]->reader);
    free(in->captures[i]);
  }
  memset(in, 0, sizeof *in);
}
