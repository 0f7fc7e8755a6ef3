#include "broker/nats_look.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "broker/nats_call.h"
#include "broker/nats_reply.h"
#include "broker/reach.h"
#include "core/clock.h"
#include "core/error.h"

/* libnats tells by its status alone, of which the link keeps the words. */
static tf_broker_step_t step_of(const char *why) {
  if (strstr(why, natsStatus_GetText(NATS_SSL_ERROR)) ||
      strstr(why, natsStatus_GetText(NATS_SECURE_CONNECTION_REQUIRED)) ||
      strstr(why, natsStatus_GetText(NATS_SECURE_CONNECTION_WANTED)))
    return TF_BROKER_TLS;
  if (strstr(why, natsStatus_GetText(NATS_CONNECTION_AUTH_FAILED)) ||
      strstr(why, natsStatus_GetText(NATS_NOT_PERMITTED)) || strstr(why, "Authorization"))
    return TF_BROKER_LOGIN;
  return TF_BROKER_REACH;
}

static uint64_t number_of(const json_t *object, const char *key) {
  json_int_t number = json_integer_value(json_object_get(object, key));
  return number > 0 ? (uint64_t)number : 0;
}

static void take_subjects(const json_t *subjects, tf_broker_standing_t *s) {
  size_t  at = 0, idx;
  json_t *subject;
  json_array_foreach(subjects, idx, subject) {
    const char *text = json_string_value(subject);
    if (!text || at + strlen(text) + 2 > sizeof s->subjects) continue;
    at += (size_t)snprintf(s->subjects + at, sizeof s->subjects - at, "%s%s", at ? " " : "", text);
  }
}

static void take_info(const json_t *info, tf_broker_standing_t *s) {
  const json_t *config = json_object_get(info, "config"), *state = json_object_get(info, "state");
  const char   *retention = json_string_value(json_object_get(config, "retention"));
  uint64_t      first     = number_of(state, "first_seq");
  s->is_there             = true;
  s->counts               = true;
  s->drops_read           = retention && strcmp(retention, "limits") != 0;
  s->begin                = first ? first - 1 : 0;
  s->end                  = number_of(state, "last_seq");
  s->message_cnt          = number_of(state, "messages");
  s->age_ns_max           = number_of(config, "max_age");
  take_subjects(json_object_get(config, "subjects"), s);
}

static tf_err_t take_answer(const tf_broker_config_t *reach, natsMsg *msg,
                            tf_broker_standing_t *s) {
  json_t  *info  = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
  json_t  *error = json_object_get(info, "error");
  uint64_t code  = number_of(error, "err_code");
  tf_err_t err   = TF_OK;
  if (!json_is_object(info))
    err = TF_ERR(E_BROKER_IO, "%s: an answer that is no JSON object", reach->url);
  else if (error && code != TF_NATS_STREAM_NOT_FOUND)
    err = TF_ERR(E_BROKER_IO, "%s: JetStream refuses: %llu: %.100s", reach->url,
                 (unsigned long long)code,
                 json_is_string(json_object_get(error, "description"))
                     ? json_string_value(json_object_get(error, "description"))
                     : "");
  else if (!error)
    take_info(info, s);
  json_decref(info);
  return err;
}

static tf_err_t ask(tf_nats_call_t *call, const tf_broker_config_t *reach,
                    tf_broker_standing_t *s) {
  char     subject[256];
  natsMsg *msg = tf_nats_call_ask(call, "$JS.API.INFO", "", 0, NULL); /* connects */
  s->step      = call->is_up ? TF_BROKER_STREAM : step_of(call->why);
  if (!msg) return TF_ERR(E_BROKER_IO, "%s: %s", reach->url, call->why);
  natsMsg_Destroy(msg);
  snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s", reach->stream);
  const uint64_t asked_ns = tf_clock_monotonic_ns();
  msg                     = tf_nats_call_ask(call, subject, "", 0, NULL);
  s->answer_ns            = tf_clock_monotonic_ns() - asked_ns;
  if (!msg) return TF_ERR(E_BROKER_IO, "%s: %s", reach->url, call->why);
  tf_err_t err = take_answer(reach, msg, s);
  natsMsg_Destroy(msg);
  return err;
}

tf_err_t tf_nats_look(const tf_broker_config_t *reach, int32_t partition, uint64_t wait_ns_max,
                      tf_broker_standing_t *s) {
  const uint32_t         ms     = (uint32_t)(wait_ns_max / TF_NS_PER_MS);
  const tf_nats_limits_t limits = {
      .connect_ms = ms, .ping_ms = ms, .payload_bytes_max = TF_NATS_GUARD_PAYLOAD_BYTES};
  (void)partition;
  *s           = (tf_broker_standing_t){.step = TF_BROKER_REACH};
  tf_err_t err = tf_reach_want(reach);
  if (err) return err;
  tf_nats_call_t *call = calloc(1, sizeof *call);
  if (!call) return TF_ERR(E_CORE_NO_MEMORY, "%s", reach->url);
  err = tf_nats_call_init(call, reach, wait_ns_max);
  if (err) {
    s->step = TF_BROKER_LOGIN; /* a secret, or a certificate, that cannot be read */
  } else {
    tf_nats_link_limit(&call->link, &limits);
    err = ask(call, reach, s);
    if (!err) s->step = TF_BROKER_DONE;
    tf_nats_call_fini(call);
  }
  free(call);
  nats_ReleaseThreadMemory();
  return err;
}
