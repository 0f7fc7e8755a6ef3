/* The other side of a client, in the test's own thread: a listener on a Unix socket that says, frame by frame,
 * what the test wants it to say, right or wrong. */
#ifndef TESTS_CLIENT_LISTENER_H
#define TESTS_CLIENT_LISTENER_H

#include "tf/frame.h"

typedef struct listener {
  char url[128], path[108];
  int  fd, peer; /* listening; the client's connection, -1 */
} listener_t;

void listener_open(listener_t *listener);
void listener_close(listener_t *listener);

/* Waits for a client and reads its hello; token (TF_FRAME_TOKEN_BYTES_MAX + 1) may be NULL. */
tf_frame_hello_t listener_accept(listener_t *listener, char *token);
void             listener_hang_up(listener_t *listener);

void listener_send(listener_t *listener, const void *bytes, size_t cnt);
/* A frame whose header says everything rightly. */
void listener_frame(listener_t *listener, tf_frame_kind_t kind, uint16_t record_cnt,
                    uint64_t first_seq, uint64_t prev_seq, const void *payload,
                    uint32_t payload_bytes);
void listener_welcome(listener_t *listener, uint64_t next_seq, uint32_t epoch, uint8_t policy);
/* Decisions first_seq .. first_seq + cnt - 1 in one frame. */
void listener_decisions(listener_t *listener, uint64_t first_seq, uint16_t cnt, uint64_t prev_seq);
void listener_lost(listener_t *listener, uint64_t from, uint64_t to, uint32_t reason);
void listener_end(listener_t *listener, uint32_t reason, const char *text);

#endif
