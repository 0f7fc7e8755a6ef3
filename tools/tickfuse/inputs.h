/* From the texts of --input to what a replay takes: captures, which bring their feeds with them, tapes,
 * which need none, and recordings, whose venue is named. Control plane. */
#ifndef TICKFUSE_INPUTS_H
#define TICKFUSE_INPUTS_H

#include "boot/engine.h"
#include "cli.h"
#include "file/outcome_reader.h"
#include "file/replay.h"

/* What a capture brings with it. */
typedef struct tf_inputs_capture {
  tf_capture_reader_t reader; /* kept open for its texts */
  tf_feed_config_t    configs[TF_CAPTURE_FEEDS_MAX];
  tf_replay_feed_t    feeds[TF_CAPTURE_FEEDS_MAX];
} tf_inputs_capture_t;

typedef struct tf_inputs {
  tf_replay_input_t    rows[TF_CLI_VALUES_MAX];
  tf_feed_config_t     feed_configs[TF_CLI_VALUES_MAX];
  tf_inputs_capture_t *captures[TF_CLI_VALUES_MAX]; /* NULL: a recording */
  uint32_t             cnt;
  uint32_t             instruments_min; /* for tf_engine_options_t */
  tf_outcome_reader_t  outcome_reader;  /* of the one capture, where workers answered in it */
  tf_outcomes_t        outcomes;
} tf_inputs_t;

/* Before tf_engine_init: only the place of the instrument table is kept. config may be NULL: recordings
 * then give every symbol. venue: of inputs that name none; NULL: a config with one feed names it. inputs must be zeroed; fini it on errors too.
 * E_BOOT_INPUT, errors of tf_capture_reader_init. */
tf_err_t tf_inputs_resolve(tf_inputs_t *inputs, tf_instruments_t *instruments,
                           const tf_config_t *config, const char *venue, const char *const *texts,
                           uint32_t cnt);
void     tf_inputs_fini(tf_inputs_t *inputs);

/* What workers answered in the run that was captured, into options: the replay obeys it. Where there is none of it, or the replay is not of
 * one capture from its beginning, models are run here. After resolve; from_ns: 0, the replay begins where the capture does. Errors of
 * tf_outcome_reader_init. */
tf_err_t tf_inputs_take_outcomes(tf_inputs_t *inputs, uint64_t from_ns,
                                 tf_engine_options_t *options);
/* Who hears the texts of all inputs: read in place, unless one of them is a capture, which has what they came to. Once the engine
 * is made, before the replay is. Errors as tf_text_source_open. */
tf_err_t tf_inputs_open_texts(tf_inputs_t *inputs, tf_engine_t *engine);

/* After the replay: on stderr, how a capture ends where that is not in order. */
void tf_inputs_report_tails(const tf_replay_t *replay);
/* And whether what workers answered was of other ticks than the replay had. */
void tf_inputs_report_outcomes(const tf_engine_t *engine);

#endif
