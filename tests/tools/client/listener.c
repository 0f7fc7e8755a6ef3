#include "tools/client/listener.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEARTBEAT_MS 60000u /* none comes: a test may take its time */

void listener_open(listener_t *l) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  l->peer               = -1;
  snprintf(l->path, sizeof l->path, "/tmp/tf-client-test.%d", (int)getpid());
  snprintf(l->url, sizeof l->url, "unix:%s", l->path);
  unlink(l->path);
  memcpy(to.sun_path, l->path, strlen(l->path) + 1);
  l->fd = socket(AF_UNIX, SOCK_STREAM, 0);
  TF_ASSERT(bind(l->fd, (struct sockaddr *)&to, sizeof to) == 0 && listen(l->fd, 4) == 0);
}

void listener_hang_up(listener_t *l) {
  if (l->peer >= 0) close(l->peer);
  l->peer = -1;
}

void listener_close(listener_t *l) {
  listener_hang_up(l);
  close(l->fd);
  unlink(l->path);
}

static void receive(listener_t *l, void *bytes, size_t cnt) {
  TF_ASSERT(recv(l->peer, bytes, cnt, MSG_WAITALL) == (ssize_t)cnt);
}

tf_frame_hello_t listener_accept(listener_t *l, char *token) {
  tf_frame_header_t header;
  tf_frame_hello_t  hello;
  char              text[TF_FRAME_TOKEN_BYTES_MAX + 1] = "";
  listener_hang_up(l);
  l->peer = accept(l->fd, NULL, NULL);
  receive(l, &header, sizeof header);
  TF_ASSERT(header.magic == TF_FRAME_MAGIC && header.version == TF_FRAME_VERSION);
  TF_ASSERT(header.kind == TF_FRAME_HELLO);
  receive(l, &hello, sizeof hello);
  TF_ASSERT(header.payload_bytes == sizeof hello + hello.token_bytes);
  if (hello.token_bytes) receive(l, text, hello.token_bytes);
  if (token) memcpy(token, text, sizeof text);
  return hello;
}

void listener_send(listener_t *l, const void *bytes, size_t cnt) {
  TF_ASSERT(send(l->peer, bytes, cnt, MSG_NOSIGNAL) == (ssize_t)cnt);
}

void listener_frame(listener_t *l, tf_frame_kind_t kind, uint16_t record_cnt, uint64_t first_seq,
                    uint64_t prev_seq, const void *payload, uint32_t payload_bytes) {
  tf_frame_header_t header = {.magic         = TF_FRAME_MAGIC,
                              .kind          = (uint8_t)kind,
                              .version       = TF_FRAME_VERSION,
                              .record_cnt    = record_cnt,
                              .payload_bytes = payload_bytes,
                              .first_seq     = first_seq,
                              .prev_seq      = prev_seq};
  listener_send(l, &header, sizeof header);
  if (payload_bytes) listener_send(l, payload, payload_bytes);
}

void listener_welcome(listener_t *l, uint64_t next_seq, uint32_t epoch, uint8_t policy) {
  tf_frame_welcome_t welcome = {.next_seq       = next_seq,
                                .epoch          = epoch,
                                .record_bytes   = sizeof(tf_decision_t),
                                .carries        = TF_CARRIES_DECISIONS,
                                .policy         = policy,
                                .record_version = TF_DECISION_VERSION,
                                .heartbeat_ms   = HEARTBEAT_MS,
                                .stream         = "test"};
  listener_frame(l, TF_FRAME_WELCOME, 0, next_seq, 0, &welcome, sizeof welcome);
}

void listener_decisions(listener_t *l, uint64_t first_seq, uint16_t cnt, uint64_t prev_seq) {
  static tf_decision_t decisions[1024];
  TF_ASSERT(cnt <= TF_ARRAY_CNT(decisions));
  for (uint16_t i = 0; i < cnt; i++)
    decisions[i] = (tf_decision_t){.decision_seq = first_seq + i,
                                   .version      = TF_DECISION_VERSION,
                                   .ref_price    = (int64_t)(first_seq + i) * 10};
  listener_frame(l, TF_FRAME_RECORDS, cnt, first_seq, prev_seq, decisions,
                 cnt * (uint32_t)sizeof decisions[0]);
}

void listener_lost(listener_t *l, uint64_t from, uint64_t to, uint32_t reason) {
  tf_frame_lost_t lost = {
      .first_seq = from, .last_seq = to, .record_cnt = to - from + 1, .reason = reason};
  listener_frame(l, TF_FRAME_LOST, 0, from, 0, &lost, sizeof lost);
}

void listener_end(listener_t *l, uint32_t reason, const char *text) {
  uint8_t        payload[256];
  tf_frame_end_t end = {.reason = reason, .text_bytes = (uint32_t)strlen(text)};
  memcpy(payload, &end, sizeof end);
  memcpy(payload + sizeof end, text, end.text_bytes);
  listener_frame(l, TF_FRAME_END, 0, 0, 0, payload, (uint32_t)sizeof end + end.text_bytes);
}
