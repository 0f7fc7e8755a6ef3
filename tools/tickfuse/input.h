/* The inputs of a command that reads recorded data: "VENUE:FILE", a FILE of the venue that is given or of the
 * config's only feed, or a tape. */
#ifndef TICKFUSE_INPUT_H
#define TICKFUSE_INPUT_H

#include "boot/config.h"
#include "file/replay.h"

/* Fills input and, for a recording, feed_config, which input points to: what the config's feeds of
 * that venue ask for, or everything. venue may be NULL. E_BOOT_INPUT. */
tf_err_t tickfuse_input(const char *text, const char *venue, const tf_config_t *config,
                        tf_instruments_t *instruments, tf_replay_input_t *input,
                        tf_feed_config_t *feed_config);

#endif
