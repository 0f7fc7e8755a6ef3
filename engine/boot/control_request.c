#include "boot/control_request.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "core/text.h"

#define DIGITS_MAX 18 /* any of so many fits an int64 */

static const char *const names[TF_CONTROL_COMMAND_CNT] = {
#define NAME_(id, name) name,
    TF_CONTROL_COMMANDS(NAME_)
#undef NAME_
};

const char *tf_control_command_name(tf_control_command_t command) { return names[command]; }

static const char *shown(const char *text) {
  static _Thread_local char buf[80];
  return tf_text_escape(text, strlen(text), buf, sizeof buf);
}

/* -12.50 is -1250 at exponent -2. */
static bool parse_decimal(const char *text, int64_t *mantissa, int8_t *exp) {
  bool        is_negative = *text == '-';
  const char *at          = text + is_negative;
  int         digits = 0, behind = -1;
  for (*mantissa = 0; *at; at++) {
    if (*at == '.' && behind < 0 && digits > 0) {
      behind = 0;
      continue;
    }
    if (*at < '0' || *at > '9' || ++digits > DIGITS_MAX) return false;
    *mantissa = *mantissa * 10 + (*at - '0');
    if (behind >= 0) behind++;
  }
  if (is_negative) *mantissa = -*mantissa;
  *exp = (int8_t)(behind > 0 ? -behind : 0);
  return digits > 0 && behind != 0;
}

static tf_err_t read_command(const char *text, tf_control_request_t *r) {
  for (uint32_t i = 0; i < TF_CONTROL_COMMAND_CNT; i++)
    if (!strcmp(text, names[i])) {
      r->command = (tf_control_command_t)i;
      return TF_OK;
    }
  const char *near = tf_nearest_name(text, names, TF_CONTROL_COMMAND_CNT);
  return TF_ERR(
      E_CONTROL_REQUEST,
      "command \"%s\" is not known%s%s%s; known: status halt resume position drain snapshot "
      "subscribe unsubscribe streams model cache worker",
      shown(text), near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static tf_err_t copy_text(const char *key, const char *text, char *to, size_t cap) {
  if (strlen(text) >= cap)
    return TF_ERR(E_CONTROL_REQUEST, "%s: %zu bytes; at most %zu", key, strlen(text), cap - 1);
  memcpy(to, text, strlen(text) + 1);
  return TF_OK;
}

/* "trade,book" */
static tf_err_t read_channels(const char *text, tf_control_request_t *r) {
  for (const char *at = text;; at++) {
    size_t   cnt = strcspn(at, ",");
    uint32_t c   = 0;
    while (c < TF_CHANNEL_CNT &&
           (strlen(tf_channel_name(c)) != cnt || memcmp(tf_channel_name(c), at, cnt) != 0))
      c++;
    if (c == TF_CHANNEL_CNT)
      return TF_ERR(E_CONTROL_REQUEST, "channels \"%s\": known: trade,quote,book,ticker",
                    shown(text));
    r->channels |= 1u << c;
    at += cnt;
    if (*at == '\0') return TF_OK;
  }
}

static tf_err_t read_from(const char *text, tf_control_request_t *r) {
  size_t digits = strspn(text, "0123456789");
  if (digits == 0 || digits > 9 || text[digits] != '\0')
    return TF_ERR(E_CONTROL_REQUEST, "from \"%s\" is no place of a list", shown(text));
  r->from = (uint32_t)strtoul(text, NULL, 10);
  return TF_OK;
}

/* Of whichever command: they may be told in any order, so check_members looks at it once both are known. */
static tf_err_t check_verb(const tf_control_request_t *r, const char *known) {
  size_t chars = strlen(r->verb);
  for (const char *at = known; *at; at += strspn(at, " ")) {
    size_t cnt = strcspn(at, " ");
    if (cnt == chars && !memcmp(at, r->verb, cnt)) return TF_OK;
    at += cnt;
  }
  return TF_ERR(E_CONTROL_REQUEST, "verb \"%s\" is not known; known: %s", shown(r->verb), known);
}

static tf_err_t read_version(const char *text, tf_control_request_t *r) {
  size_t digits = strspn(text, "0123456789");
  if (digits == 0 || digits > 9 || text[digits] != '\0' || *text == '0')
    return TF_ERR(E_CONTROL_REQUEST, "version \"%s\" is no number of 1 to 999999999", shown(text));
  r->version = (uint32_t)strtoul(text, NULL, 10);
  return TF_OK;
}

/* "10": per cent. */
static tf_err_t read_share(const char *text, tf_control_request_t *r) {
  size_t digits = strspn(text, "0123456789");
  if (digits == 0 || digits > 2 || text[digits] != '\0' || atoi(text) == 0)
    return TF_ERR(E_CONTROL_REQUEST, "share \"%s\" is no per cent of 1 to 99", shown(text));
  r->share.cnt = (uint32_t)atoi(text) * (TF_CANARY_SHARES / 100);
  return TF_OK;
}

const char *const tf_control_share_names[TF_SHARE_BY_CNT] = {"instruments", "ticks"};

static tf_err_t read_share_by(const char *text, tf_control_request_t *r) {
  uint32_t by = 0;
  while (by < TF_SHARE_BY_CNT && strcmp(text, tf_control_share_names[by]) != 0) by++;
  if (by == TF_SHARE_BY_CNT)
    return TF_ERR(E_CONTROL_REQUEST, "share_by \"%s\" is not known; known: instruments ticks",
                  shown(text));
  r->share.by = by;
  return TF_OK;
}

static tf_err_t read_sha256(const char *text, tf_control_request_t *r) {
  if (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64)
    return TF_ERR(E_CONTROL_REQUEST, "sha256 \"%s\" is not 64 hex digits", shown(text));
  return copy_text("sha256", text, r->sha256, sizeof r->sha256);
}

/* Commands with a verb, and what the verbs are about, list apart: a key, or a model. */
typedef struct verbs {
  tf_control_command_t command;
  const char          *known;
  bool                 is_key;
} verbs_t;

static const verbs_t verbs_of[] = {
    {TF_CONTROL_COMMAND_MODEL,  TF_CONTROL_MODEL_VERBS,  false},
    {TF_CONTROL_COMMAND_CACHE,  TF_CONTROL_CACHE_VERBS,  true },
    {TF_CONTROL_COMMAND_WORKER, TF_CONTROL_WORKER_VERBS, false},
};

/* What a command needs beside its name. */
static tf_err_t check_members(const tf_control_request_t *r) {
  bool changes =
      r->command == TF_CONTROL_COMMAND_SUBSCRIBE || r->command == TF_CONTROL_COMMAND_UNSUBSCRIBE;
  if (changes && !(*r->feed && *r->symbol))
    return TF_ERR(E_CONTROL_REQUEST, "%s wants \"feed\" and \"symbol\"", names[r->command]);
  if (r->command == TF_CONTROL_COMMAND_STREAMS && !*r->feed)
    return TF_ERR(E_CONTROL_REQUEST, "streams wants \"feed\"");
  const verbs_t *v = NULL;
  for (size_t i = 0; i < TF_ARRAY_CNT(verbs_of) && !v; i++)
    if (verbs_of[i].command == r->command) v = &verbs_of[i];
  if (!v) return TF_OK;
  if (!*r->verb)
    return TF_ERR(E_CONTROL_REQUEST, "%s wants \"verb\": %s", names[r->command], v->known);
  tf_err_t err = check_verb(r, v->known);
  if (err || !strcmp(r->verb, "list") || *(v->is_key ? r->key : r->model)) return err;
  return TF_ERR(E_CONTROL_REQUEST, "%s %s wants \"%s\"", names[r->command], r->verb,
                v->is_key ? "key" : "model");
}

static tf_err_t read_member(const char *key, const json_t *value, tf_control_request_t *r) {
  const char *text = json_string_value(value);
  if (!text) return TF_ERR(E_CONTROL_REQUEST, "\"%s\": a text in quotes is wanted", shown(key));
  if (!strcmp(key, "command")) return read_command(text, r);
  if (!strcmp(key, "token")) return copy_text(key, text, r->token, sizeof r->token);
  if (!strcmp(key, "feed")) return copy_text(key, text, r->feed, sizeof r->feed);
  if (!strcmp(key, "symbol")) return copy_text(key, text, r->symbol, sizeof r->symbol);
  if (!strcmp(key, "channels")) return read_channels(text, r);
  if (!strcmp(key, "from")) return read_from(text, r);
  if (!strcmp(key, "instrument")) return copy_text(key, text, r->instrument, sizeof r->instrument);
  if (!strcmp(key, "verb")) return copy_text(key, text, r->verb, sizeof r->verb);
  if (!strcmp(key, "key")) return copy_text(key, text, r->key, sizeof r->key);
  if (!strcmp(key, "model")) return copy_text(key, text, r->model, sizeof r->model);
  if (!strcmp(key, "version")) return read_version(text, r);
  if (!strcmp(key, "share")) return read_share(text, r);
  if (!strcmp(key, "share_by")) return read_share_by(text, r);
  if (!strcmp(key, "sha256")) return read_sha256(text, r);
  if (strcmp(key, "position") != 0)
    return TF_ERR(E_CONTROL_REQUEST,
                  "\"%s\" is not a key of a request; known: command instrument position feed "
                  "symbol channels from verb model version share share_by sha256 key token",
                  shown(key));
  if (parse_decimal(text, &r->position, &r->position_exp)) return TF_OK;
  return TF_ERR(E_CONTROL_REQUEST,
                "position \"%s\" is no decimal such as -1.5 with at most %d digits", shown(text),
                DIGITS_MAX);
}

tf_err_t tf_control_request_parse(const char *line, size_t line_cnt, tf_control_request_t *r) {
  json_error_t error;
  json_t      *root = json_loadb(line, line_cnt, JSON_REJECT_DUPLICATES, &error);
  tf_err_t     err  = TF_OK;
  const char  *key;
  json_t      *value;
  memset(r, 0, sizeof *r);
  r->share.by = TF_SHARE_BY_CNT;
  if (!json_is_object(root)) {
    if (root)
      err = TF_ERR(E_CONTROL_REQUEST, "a JSON object is wanted: {\"command\":\"status\"}");
    else
      err = TF_ERR(E_CONTROL_REQUEST, "column %d: %s; wanted: {\"command\":\"status\"}",
                   error.position, error.text);
    json_decref(root);
    return err;
  }
  json_object_foreach(root, key, value) if (!err) err = read_member(key, value, r);
  if (!err && !json_object_get(root, "command"))
    err = TF_ERR(
        E_CONTROL_REQUEST,
        "\"command\" is missing: status, halt, resume, position, drain, snapshot, subscribe, "
        "unsubscribe, streams, model, cache or worker");
  bool has_both = json_object_get(root, "instrument") && json_object_get(root, "position");
  if (!err && r->command == TF_CONTROL_COMMAND_POSITION && !has_both)
    err = TF_ERR(E_CONTROL_REQUEST, "position wants \"instrument\" and \"position\"");
  if (!err) err = check_members(r);
  json_decref(root);
  return err;
}
