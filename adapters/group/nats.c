/* A group's store in one stream of JetStream, TICKFUSE_GROUP_<name>, which keeps the last message of each subject:
 *
 *   STREAM.table               the table; a swap is a publish with Nats-Expected-Last-Subject-Sequence, and a revision is the
 *                              message's number in the stream, 0 for none
 *   STREAM.snap.PPPP.S.head    of a snapshot in slot S (0, 1): its frame. Written last
 *   STREAM.snap.PPPP.S.N       its bytes, CHUNK_BYTES a message
 *
 * A new snapshot goes into the slot that does not hold the newest; its head is a swap as well, so of two owners one is
 * refused. What is read while it is being replaced does not fit its head's CRC, and the other slot is whole.
 *
 * Calls wait for their answer (broker/nats_call.h). */
#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>

#include "broker/nats_call.h"
#include "core/error.h"
#include "group/frame.h"

#define PREFIX        "TICKFUSE_GROUP_"
#define SUBJECT_BYTES 128u
#define CHUNK_BYTES   (128u << 10) /* in base64, in JSON: within the guard's limit of an answer */
#define ANSWER_BYTES  (TF_NATS_GUARD_PAYLOAD_BYTES)

/* err_code of JetStream's errors. */
#define WRONG_LAST_SEQUENCE 10071
#define NO_STREAM           10059
#define NO_MESSAGE          10037

typedef struct nats {
  tf_group_store_config_t config;
  tf_nats_call_t          call;
  char                    stream[64];
  bool                    has_messages; /* the stream, as far as is known on this connection */
  uint8_t                 bytes[ANSWER_BYTES]; /* of a message that was asked for */
} nats_t;

/* An answer's JSON. err_code 0: it is none of an error. */
typedef struct answer {
  json_t  *json;
  uint64_t seq;
  int64_t  err_code;
} answer_t;

static tf_err_t open_nats(const tf_group_store_config_t *config, void **state) {
  *state = NULL;
  if (!config->broker.url)
    return TF_ERR(E_CONFIG_VALUE, "group.url: it is wanted with store: nats, for example "
                                  "nats://127.0.0.1:4222");
  nats_t *n = calloc(1, sizeof *n);
  if (!n) return TF_ERR(E_CORE_NO_MEMORY, "the group's store %s", config->broker.url);
  n->config = *config;
  snprintf(n->stream, sizeof n->stream, PREFIX "%s", config->group);
  n->config.broker.name = n->config.broker.stream = n->stream;
  tf_err_t err = tf_nats_call_init(&n->call, &n->config.broker, config->timeout_ns);
  if (err) {
    free(n);
    return err;
  }
  *state = n;
  return TF_OK;
}

static void close_nats(void *state) {
  nats_t *n = state;
  if (n) tf_nats_call_fini(&n->call);
  free(n);
}

/* ---- one question ---- */

static tf_group_result_t fail(nats_t *n, const char *what, const char *why) {
  (void)TF_ERR(E_GROUP_STORE, "%s: %s: %s", n->config.broker.url, what, why);
  n->has_messages = false;
  tf_nats_call_hang_up(&n->call);
  return TF_GROUP_FAILED;
}

static tf_group_result_t read_answer(nats_t *n, natsMsg *msg, const char *subject,
                                     answer_t *answer) {
  json_t *error, *code;
  answer->json     = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
  answer->seq      = (uint64_t)json_integer_value(json_object_get(answer->json, "seq"));
  answer->err_code = 0;
  if (!json_is_object(answer->json)) {
    json_decref(answer->json);
    return fail(n, subject, "its answer is no JSON object");
  }
  if ((error = json_object_get(answer->json, "error"))) {
    code             = json_object_get(error, "err_code");
    answer->err_code = json_is_integer(code) ? json_integer_value(code) : -1;
    const char *text = json_string_value(json_object_get(error, "description"));
    (void)TF_ERR(E_GROUP_STORE, "%s: %s: %.150s", n->config.broker.url, subject,
                 text ? text : "refused");
  }
  return TF_GROUP_DONE;
}

/* Asks, and waits for the answer; where DONE its JSON is the caller's. */
static tf_group_result_t ask(nats_t *n, const char *subject, const void *bytes, size_t bytes_cnt,
                             const uint64_t *expected, answer_t *answer) {
  natsMsg *msg = tf_nats_call_ask(&n->call, subject, bytes, bytes_cnt, expected);
  if (!msg) return fail(n, n->call.is_up ? subject : "connect", n->call.why);
  tf_group_result_t result = read_answer(n, msg, subject, answer);
  natsMsg_Destroy(msg);
  return result;
}

static tf_group_result_t create_stream(nats_t *n) {
  char     body[512], subject[SUBJECT_BYTES];
  answer_t answer;
  snprintf(subject, sizeof subject, "$JS.API.STREAM.CREATE.%s", n->stream);
  snprintf(body, sizeof body,
           "{\"name\":\"%s\",\"subjects\":[\"%s.>\"],\"retention\":\"limits\",\"storage\":\"file\","
           "\"discard\":\"old\",\"num_replicas\":1,\"max_msgs_per_subject\":1,\"max_msgs\":-1,"
           "\"max_bytes\":-1,\"max_age\":0,\"max_consumers\":-1}",
           n->stream, n->stream);
  tf_group_result_t result = ask(n, subject, body, strlen(body), NULL, &answer);
  if (result != TF_GROUP_DONE) return result;
  json_decref(answer.json);
  return answer.err_code ? TF_GROUP_FAILED : TF_GROUP_DONE;
}

/* ---- messages of the stream ---- */

/* Padding is no part of what it stands for. False: not base64, or more than there is room for. */
static bool decode(nats_t *n, const char *text, size_t chars, size_t *bytes_cnt) {
  if (chars % 4 != 0 || chars / 4 * 3 > sizeof n->bytes) return false;
  int cnt = EVP_DecodeBlock(n->bytes, (const unsigned char *)text, (int)chars);
  if (cnt < 0) return false;
  *bytes_cnt = (size_t)cnt - (chars && text[chars - 1] == '=') - (chars && text[chars - 2] == '=');
  return true;
}

static tf_group_result_t take_message(nats_t *n, const char *subject, const answer_t *answer,
                                      size_t *bytes_cnt, uint64_t *seq) {
  json_t *message = json_object_get(answer->json, "message");
  json_t *data    = json_object_get(message, "data");
  *seq            = (uint64_t)json_integer_value(json_object_get(message, "seq"));
  *bytes_cnt      = 0;
  if (*seq == 0 || !json_is_string(data) ||
      !decode(n, json_string_value(data), json_string_length(data), bytes_cnt))
    return fail(n, subject, "its answer holds no message");
  return TF_GROUP_DONE;
}

static tf_group_result_t make_stream_if_allowed(nats_t *n) {
  return n->config.may_create && create_stream(n) != TF_GROUP_DONE ? TF_GROUP_FAILED
                                                                   : TF_GROUP_LOST;
}

/* LOST: there is no message at all. A stream that somebody makes at this moment is known before it has a store, and
 * nats-server 2.9.10 ends itself (nil pointer, jsMsgGetRequest) where it is asked for a message then; INFO it answers. */
static tf_group_result_t look_for_messages(nats_t *n) {
  char     call[SUBJECT_BYTES];
  answer_t answer;
  if (n->has_messages) return TF_GROUP_DONE;
  snprintf(call, sizeof call, "$JS.API.STREAM.INFO.%s", n->stream);
  tf_group_result_t result = ask(n, call, "", 0, NULL, &answer);
  if (result != TF_GROUP_DONE) return result;
  json_t *state   = json_object_get(answer.json, "state");
  n->has_messages = json_integer_value(json_object_get(state, "last_seq")) > 0;
  json_decref(answer.json);
  if (answer.err_code == NO_STREAM) return make_stream_if_allowed(n);
  if (answer.err_code) return TF_GROUP_FAILED;
  return n->has_messages ? TF_GROUP_DONE : TF_GROUP_LOST;
}

/* The last message of the subject into bytes; LOST: there is none. */
static tf_group_result_t last_of(nats_t *n, const char *subject, size_t *bytes_cnt, uint64_t *seq) {
  char              call[SUBJECT_BYTES], body[SUBJECT_BYTES + 32];
  answer_t          answer;
  tf_group_result_t result = look_for_messages(n);
  if (result != TF_GROUP_DONE) return result;
  snprintf(call, sizeof call, "$JS.API.STREAM.MSG.GET.%s", n->stream);
  snprintf(body, sizeof body, "{\"last_by_subj\":\"%s\"}", subject);
  result = ask(n, call, body, strlen(body), NULL, &answer);
  if (result != TF_GROUP_DONE) return result;
  if (answer.err_code == NO_MESSAGE)
    result = TF_GROUP_LOST;
  else if (answer.err_code == NO_STREAM)
    result = make_stream_if_allowed(n);
  else if (answer.err_code)
    result = TF_GROUP_FAILED;
  else
    result = take_message(n, subject, &answer, bytes_cnt, seq);
  json_decref(answer.json);
  return result;
}

/* expected NULL: whatever was there. *seq: its number. */
static tf_group_result_t publish(nats_t *n, const char *subject, const void *bytes,
                                 size_t bytes_cnt, const uint64_t *expected, uint64_t *seq) {
  answer_t          answer;
  tf_group_result_t result = ask(n, subject, bytes, bytes_cnt, expected, &answer);
  if (result != TF_GROUP_DONE) return result;
  *seq = answer.seq;
  json_decref(answer.json);
  if (answer.err_code == WRONG_LAST_SEQUENCE) return TF_GROUP_LOST;
  if (answer.err_code) return TF_GROUP_FAILED;
  return answer.seq ? TF_GROUP_DONE : fail(n, subject, "its acknowledgement has no number");
}

/* ---- the table ---- */

static void table_subject(const nats_t *n, char subject[SUBJECT_BYTES]) {
  snprintf(subject, SUBJECT_BYTES, "%s.table", n->stream);
}

static tf_group_result_t read_table(void *state, void *bytes, size_t cap, size_t *bytes_cnt,
                                    uint64_t *revision) {
  nats_t *n = state;
  char    subject[SUBJECT_BYTES];
  table_subject(n, subject);
  tf_group_result_t result = last_of(n, subject, bytes_cnt, revision);
  if (result == TF_GROUP_LOST) {
    *bytes_cnt = 0;
    *revision  = 0;
    return TF_GROUP_DONE;
  }
  if (result == TF_GROUP_DONE && *bytes_cnt > cap) return fail(n, subject, "too large for a table");
  if (result == TF_GROUP_DONE) memcpy(bytes, n->bytes, *bytes_cnt);
  return result;
}

static tf_group_result_t swap(void *state, const void *bytes, size_t bytes_cnt,
                              uint64_t *revision) {
  nats_t *n = state;
  char    subject[SUBJECT_BYTES];
  table_subject(n, subject);
  const uint64_t    expected = *revision;
  uint64_t          seq;
  tf_group_result_t result = publish(n, subject, bytes, bytes_cnt, &expected, &seq);
  if (result == TF_GROUP_DONE) *revision = seq;
  return result;
}

/* ---- snapshots ---- */

typedef struct slot {
  tf_group_frame_t frame;
  uint64_t         seq; /* of the head; 0: there is none */
} slot_t;

static void head_subject(const nats_t *n, uint32_t partition, uint32_t slot,
                         char subject[SUBJECT_BYTES]) {
  snprintf(subject, SUBJECT_BYTES, "%s.snap.%04u.%u.head", n->stream, partition, slot);
}

static void chunk_subject(const nats_t *n, uint32_t partition, uint32_t slot, uint64_t idx,
                          char subject[SUBJECT_BYTES]) {
  snprintf(subject, SUBJECT_BYTES, "%s.snap.%04u.%u.%llu", n->stream, partition, slot,
           (unsigned long long)idx);
}

static tf_group_result_t read_heads(nats_t *n, uint32_t partition, slot_t slots[2]) {
  char subject[SUBJECT_BYTES];
  for (uint32_t i = 0; i < 2; i++) {
    size_t bytes_cnt;
    slots[i].seq = 0;
    head_subject(n, partition, i, subject);
    tf_group_result_t result = last_of(n, subject, &bytes_cnt, &slots[i].seq);
    if (result == TF_GROUP_FAILED) return result;
    if (result == TF_GROUP_LOST) slots[i].seq = 0;
    if (slots[i].seq && tf_group_frame_read(&slots[i].frame, n->bytes, bytes_cnt, partition))
      return TF_GROUP_FAILED;
  }
  return TF_GROUP_DONE;
}

/* Of two heads the later number in the stream is the newer. */
static uint32_t newest_of(const slot_t slots[2]) { return slots[1].seq > slots[0].seq; }

static tf_group_result_t read_chunks(nats_t *n, const tf_group_frame_t *frame, uint32_t slot,
                                     uint8_t *bytes) {
  char     subject[SUBJECT_BYTES];
  uint64_t left = frame->snapshot.bytes_cnt, seq;
  for (uint64_t i = 0; left > 0; i++) {
    size_t cnt, want = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
    chunk_subject(n, frame->snapshot.partition, slot, i, subject);
    tf_group_result_t result = last_of(n, subject, &cnt, &seq);
    if (result == TF_GROUP_LOST || (result == TF_GROUP_DONE && cnt != want))
      return fail(n, subject, "a piece of the snapshot is missing, or another's");
    if (result != TF_GROUP_DONE) return result;
    memcpy(bytes, n->bytes, cnt);
    bytes += cnt;
    left -= cnt;
  }
  return TF_GROUP_DONE;
}

static tf_group_result_t get(void *state, uint32_t partition, uint32_t age,
                             tf_group_snapshot_t *snapshot, uint8_t **bytes) {
  nats_t           *n = state;
  slot_t            slots[2];
  tf_group_result_t result = read_heads(n, partition, slots);
  uint32_t          slot   = newest_of(slots) ^ age;
  if (result != TF_GROUP_DONE) return result;
  if (slots[slot].seq == 0) return TF_GROUP_LOST;
  *snapshot = slots[slot].frame.snapshot;
  if (!bytes) return TF_GROUP_DONE;
  uint8_t *got = malloc(snapshot->bytes_cnt + 1);
  if (!got) return fail(n, "snapshot", "no memory");
  result = read_chunks(n, &slots[slot].frame, slot, got);
  if (result == TF_GROUP_DONE && tf_group_frame_check(&slots[slot].frame, got) != TF_OK)
    result = TF_GROUP_FAILED;
  if (result == TF_GROUP_DONE)
    *bytes = got;
  else
    free(got);
  return result;
}

static tf_group_result_t put(void *state, const tf_group_snapshot_t *snapshot, const void *bytes) {
  nats_t           *n = state;
  char              subject[SUBJECT_BYTES];
  slot_t            slots[2];
  tf_group_frame_t  frame;
  uint64_t          seq;
  tf_group_result_t result = read_heads(n, snapshot->partition, slots);
  uint32_t          newest = newest_of(slots), slot = newest ^ 1;
  if (result != TF_GROUP_DONE) return result;
  if (slots[newest].seq && slots[newest].frame.snapshot.epoch > snapshot->epoch)
    return TF_GROUP_LOST;
  for (uint64_t at = 0; at < snapshot->bytes_cnt; at += CHUNK_BYTES) {
    uint64_t left = snapshot->bytes_cnt - at;
    chunk_subject(n, snapshot->partition, slot, at / CHUNK_BYTES, subject);
    result = publish(n, subject, (const uint8_t *)bytes + at,
                     left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES, NULL, &seq);
    if (result != TF_GROUP_DONE) return result;
  }
  tf_group_frame_make(&frame, snapshot, bytes);
  head_subject(n, snapshot->partition, slot, subject);
  return publish(n, subject, &frame, sizeof frame, &slots[slot].seq, &seq);
}

extern const tf_group_store_t tf_group_store_nats;
const tf_group_store_t        tf_group_store_nats = {.name  = "nats",
                                                     .help  = "a stream of NATS JetStream",
                                                     .open  = open_nats,
                                                     .close = close_nats,
                                                     .read  = read_table,
                                                     .swap  = swap,
                                                     .put   = put,
                                                     .get   = get};
