/* The operator's hand on a running engine: status, halt, resume, position, drain, streams, over a socket
 * (control_socket.h), in lines of JSON (docs/man/tickfuse-control.1 has the words).
 *
 *   client --line--> socket's thread --command ring--> acquire --TF_EVENT_CONTROL--> lane
 *
 * What a lane must obey becomes an event (tf/event.h) that a source of its own publishes: so a
 * command has a place in the stream, is in events_hash, is seen by the tap, and a replay of the capture
 * obeys it at the same event. The answer to the client waits for that place. status reads the
 * metrics page; drain is tf_engine_stop. subscribe, unsubscribe and streams cross the same way and are handed
 * to their source (tf_source_ops_t.command), between two polls of the same thread; what a replay must know of
 * them the source itself tells the tap.
 *
 * The ring is ours (flow/ring.h): a command is one record by value, and ThreadSanitizer sees its
 * orderings, which ck_ring's are not (docs/adr/0013). */
#ifndef TF_BOOT_CONTROL_H
#define TF_BOOT_CONTROL_H

#include "boot/engine.h"
#include "tf/tap.h"

#define TF_CONTROL_WAIT_NS_MAX TF_NS_PER_SEC /* for a lane to take a command */

typedef struct tf_control tf_control_t;

typedef struct tf_control_config {
  tf_engine_t *engine;
  const char  *version;
  const char  *path;       /* of the socket; NULL: none, requests come through tf_control_answer */
  const char  *token_file; /* NULL: none is asked for */
  tf_tap_t     tap;
} tf_control_config_t;

/* Before tf_engine_start: adds the source of commands, and opens the socket. E_CONTROL_SOCKET,
 * E_FILE_BUSY, E_CONTROL_DENIED (a token file that others can read), E_CORE_NO_MEMORY. */
tf_err_t tf_control_start(const tf_control_config_t *config, tf_control_t **control);
/* After the engine was joined. Accepts NULL. */
void tf_control_stop(tf_control_t *control);

/* Answers one request: one line in, one out, its length returned. Any thread, one at a time; waits at
 * most TF_CONTROL_WAIT_NS_MAX. cap >= 512. */
size_t tf_control_answer(void *control, const char *line, size_t line_cnt, char *answer,
                         size_t cap);

#endif
