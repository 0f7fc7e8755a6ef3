#include "broker/nats_call.h"

#include <string.h>

#include "core/clock.h"

tf_err_t tf_nats_call_init(tf_nats_call_t *call, const tf_broker_config_t *config,
                           uint64_t timeout_ns) {
  call->timeout_ns = timeout_ns;
  call->token      = 0;
  call->is_up      = false;
  call->why[0]     = '\0';
  return tf_nats_link_init(&call->link, config);
}

void tf_nats_call_fini(tf_nats_call_t *call) { tf_nats_link_fini(&call->link); }

void tf_nats_call_hang_up(tf_nats_call_t *call) {
  if (call->link.state == TF_NATS_LINK_UP || call->link.state == TF_NATS_LINK_DOWN)
    tf_nats_link_hang_up(&call->link);
}

static natsMsg *fail(tf_nats_call_t *call, const char *why) {
  snprintf(call->why, sizeof call->why, "%s",
           call->link.state == TF_NATS_LINK_DOWN ? call->link.text : why);
  tf_nats_call_hang_up(call);
  return NULL;
}

static bool connect_until(tf_nats_link_t *link, uint64_t until_ns) {
  if (link->state == TF_NATS_LINK_DOWN) tf_nats_link_hang_up(link);
  if (link->state == TF_NATS_LINK_NONE) tf_nats_link_dial(link);
  for (uint64_t now_ns; link->state == TF_NATS_LINK_DIALING;) {
    if ((now_ns = tf_clock_monotonic_ns()) >= until_ns) break;
    (void)tf_nats_link_wait(link, until_ns - now_ns);
  }
  return link->state == TF_NATS_LINK_UP;
}

/* The answer to the newest question; NULL: none within the time, or the connection broke. */
static natsMsg *await(tf_nats_call_t *call, uint64_t until_ns) {
  char want[TF_NATS_INBOX_BYTES + 24];
  bool no_responders = false;
  snprintf(want, sizeof want, "%s%llu", call->link.inbox, (unsigned long long)call->token);
  for (;;) {
    natsMsg *msg = tf_nats_link_next(&call->link, &no_responders);
    if (msg && !no_responders && !strcmp(natsMsg_GetSubject(msg), want)) return msg;
    natsMsg_Destroy(msg);
    if (msg && !no_responders) continue;
    uint64_t now_ns = tf_clock_monotonic_ns();
    if (no_responders || now_ns >= until_ns) return NULL;
    if (tf_nats_link_wait(&call->link, until_ns - now_ns) != TF_NATS_LINK_UP) return NULL;
  }
}

static natsStatus send_question(tf_nats_call_t *call, const char *subject, const void *bytes,
                                size_t bytes_cnt, const uint64_t *expected) {
  char     reply[TF_NATS_INBOX_BYTES + 24], number[24];
  natsMsg *msg = NULL;
  snprintf(reply, sizeof reply, "%s%llu", call->link.inbox, (unsigned long long)++call->token);
  natsStatus status = natsMsg_Create(&msg, subject, reply, bytes, (int)bytes_cnt);
  if (status == NATS_OK && expected) {
    snprintf(number, sizeof number, "%llu", (unsigned long long)*expected);
    status = natsMsgHeader_Set(msg, "Nats-Expected-Last-Subject-Sequence", number);
  }
  if (status == NATS_OK) status = natsConnection_PublishMsg(call->link.nc, msg);
  natsMsg_Destroy(msg);
  return status;
}

natsMsg *tf_nats_call_ask(tf_nats_call_t *call, const char *subject, const void *bytes,
                          size_t bytes_cnt, const uint64_t *expected) {
  uint64_t until_ns = tf_clock_monotonic_ns() + call->timeout_ns;
  call->is_up       = connect_until(&call->link, until_ns);
  if (!call->is_up) return fail(call, "no answer to connecting");
  natsStatus status = send_question(call, subject, bytes, bytes_cnt, expected);
  if (status != NATS_OK) return fail(call, natsStatus_GetText(status));
  natsMsg *msg = await(call, until_ns);
  return msg ? msg : fail(call, "JetStream does not answer");
}
