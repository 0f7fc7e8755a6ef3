#include "wire/ws_extension.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADER "sec-websocket-extensions"

/* One extension of a header's list. */
typedef struct element {
  bool                   deflate;          /* it is permessage-deflate */
  const char            *fault;            /* of its parameters; NULL: none */
  bool                   client_bits_bare; /* client_max_window_bits stood without a number */
  tf_ws_deflate_params_t params;           /* windows that were not named are 0 */
} element_t;

typedef struct cursor {
  const char *p, *end;
} cursor_t;

typedef struct text {
  const char *chars;
  size_t      cnt;
} text_t;

static bool text_is(text_t text, const char *word) {
  return text.cnt == strlen(word) && strncasecmp(text.chars, word, text.cnt) == 0;
}

static void skip_blanks(cursor_t *c) {
  while (c->p < c->end && (*c->p == ' ' || *c->p == '\t')) c->p++;
}

static bool skip_char(cursor_t *c, char wanted) {
  skip_blanks(c);
  if (c->p == c->end || *c->p != wanted) return false;
  c->p++;
  skip_blanks(c);
  return true;
}

static bool take_token(cursor_t *c, text_t *token) {
  token->chars = c->p;
  while (c->p < c->end && tf_http_is_token_char((uint8_t)*c->p)) c->p++;
  token->cnt = (size_t)(c->p - token->chars);
  return token->cnt > 0;
}

/* RFC 6455 9.1: a value in quotes must be a token without them, so it has no escapes. */
static bool take_value(cursor_t *c, text_t *value) {
  if (c->p == c->end || *c->p != '"') return take_token(c, value);
  c->p++;
  if (!take_token(c, value) || c->p == c->end || *c->p != '"') return false;
  c->p++;
  return true;
}

/* 8 to 15 without leading zeros (RFC 7692 7.1.2); 0: something else. */
static uint8_t window_bits(text_t value) {
  if (value.cnt == 1 && (value.chars[0] == '8' || value.chars[0] == '9'))
    return (uint8_t)(value.chars[0] - '0');
  if (value.cnt == 2 && value.chars[0] == '1' && value.chars[1] >= '0' && value.chars[1] <= '5')
    return (uint8_t)(10 + value.chars[1] - '0');
  return 0;
}

static const char *take_flag(bool *flag, bool has_value) {
  if (has_value) return "a value behind a no_context_takeover parameter";
  if (*flag) return "a parameter twice";
  *flag = true;
  return NULL;
}

static const char *take_bits(uint8_t *bits, text_t value) {
  if (*bits) return "a parameter twice";
  *bits = window_bits(value);
  return *bits ? NULL : "max_window_bits that are not 8 to 15";
}

static const char *take_parameter(element_t *e, text_t name, bool has_value, text_t value) {
  if (text_is(name, "server_no_context_takeover"))
    return take_flag(&e->params.server_no_context_takeover, has_value);
  if (text_is(name, "client_no_context_takeover"))
    return take_flag(&e->params.client_no_context_takeover, has_value);
  if (text_is(name, "server_max_window_bits"))
    return take_bits(&e->params.server_max_window_bits, value);
  if (!text_is(name, "client_max_window_bits"))
    return "a parameter that permessage-deflate has not";
  if (has_value || e->params.client_max_window_bits)
    return take_bits(&e->params.client_max_window_bits, value);
  e->client_bits_bare              = true;
  e->params.client_max_window_bits = TF_WS_DEFLATE_WINDOW_BITS_MAX;
  return NULL;
}

/* One extension with its parameters. false: malformed. */
static bool take_element(cursor_t *c, element_t *e) {
  text_t name;
  *e = (element_t){0};
  if (!take_token(c, &name)) return false;
  e->deflate = text_is(name, "permessage-deflate");
  while (skip_char(c, ';')) {
    text_t value = {"", 0};
    if (!take_token(c, &name)) return false;
    const bool has_value = skip_char(c, '=');
    if (has_value && !take_value(c, &value)) return false;
    if (e->deflate && !e->fault) e->fault = take_parameter(e, name, has_value, value);
  }
  skip_blanks(c);
  return c->p == c->end || *c->p == ',';
}

/* Walks the elements of all headers of that name. 1: there is one; 0: no more; -1: malformed. */
typedef struct walk {
  const tf_http_head_t *head;
  unsigned              header_idx;
  cursor_t              c;
} walk_t;

static int next_element(walk_t *w, element_t *e) {
  for (;;) {
    while (skip_char(&w->c, ',')) {
    }
    if (w->c.p != w->c.end) return take_element(&w->c, e) ? 1 : -1;
    const char *value;
    const int   cnt = tf_http_head_next(w->head, HEADER, &w->header_idx, &value);
    if (cnt < 0) return 0;
    if (cnt == 0) return -1; /* a list of none */
    w->c = (cursor_t){value, value + cnt};
  }
}

/* --- client --- */

static size_t put_bits(char *text, size_t at, const char *name, unsigned bits) {
  return at + (size_t)snprintf(text + at, TF_WS_EXTENSION_CHARS - at, "; %s=%u", name, bits);
}

static size_t put_flags(char *text, const tf_ws_deflate_params_t *params) {
  return (size_t)snprintf(text, TF_WS_EXTENSION_CHARS, "permessage-deflate%s%s",
                          params->server_no_context_takeover ? "; server_no_context_takeover" : "",
                          params->client_no_context_takeover ? "; client_no_context_takeover" : "");
}

size_t tf_ws_extension_offer(const tf_ws_deflate_params_t *offer,
                             char                          text[TF_WS_EXTENSION_CHARS]) {
  size_t at = put_flags(text, offer);
  if (offer->server_max_window_bits)
    at = put_bits(text, at, "server_max_window_bits", offer->server_max_window_bits);
  if (offer->client_max_window_bits == TF_WS_DEFLATE_WINDOW_BITS_MAX)
    at += (size_t)snprintf(text + at, TF_WS_EXTENSION_CHARS - at, "; client_max_window_bits");
  else if (offer->client_max_window_bits)
    at = put_bits(text, at, "client_max_window_bits", offer->client_max_window_bits);
  return at;
}

static const char *check_params(const element_t *e, const tf_ws_deflate_params_t *offer) {
  const tf_ws_deflate_params_t *p = &e->params;
  if (e->fault) return e->fault;
  if (e->client_bits_bare) return "client_max_window_bits without a number";
  if (offer->server_no_context_takeover && !p->server_no_context_takeover)
    return "server_no_context_takeover was asked for and is not granted";
  if (offer->server_max_window_bits &&
      (!p->server_max_window_bits || p->server_max_window_bits > offer->server_max_window_bits))
    return "a larger server window than was asked for";
  if (p->client_max_window_bits > offer->client_max_window_bits)
    return "client_max_window_bits that were not offered";
  return NULL;
}

const char *tf_ws_extension_check(const tf_http_head_t *head, const tf_ws_deflate_params_t *offer,
                                  bool *accepted, tf_ws_deflate_params_t *agreed) {
  walk_t    w = {.head = head};
  element_t e;
  *accepted = false;
  for (int rc; (rc = next_element(&w, &e)) != 0;) {
    if (rc < 0) return "a malformed list of extensions";
    if (!e.deflate || !offer) return "an extension that was not offered";
    if (*accepted) return "permessage-deflate twice";
    const char *fault = check_params(&e, offer);
    if (fault) return fault;
    *accepted = true;
    *agreed   = e.params;
    if (!agreed->server_max_window_bits)
      agreed->server_max_window_bits = TF_WS_DEFLATE_WINDOW_BITS_MAX;
    if (!agreed->client_max_window_bits)
      agreed->client_max_window_bits = TF_WS_DEFLATE_WINDOW_BITS_MAX;
  }
  return NULL;
}

/* --- server --- */

static uint8_t least(uint8_t offered, uint8_t ours) {
  return offered && offered < ours ? offered : ours;
}

/* false: this offer does not fit. */
static bool take_offer(const element_t *e, const tf_ws_deflate_params_t *ours,
                       tf_ws_deflate_params_t *agreed, char *answer) {
  const tf_ws_deflate_params_t *p = &e->params;
  /* RFC 7692 7.1.2.2: only a client that named its window may be told to use a smaller one. */
  if (e->fault ||
      (!p->client_max_window_bits && ours->client_max_window_bits < TF_WS_DEFLATE_WINDOW_BITS_MAX))
    return false;
  *agreed = (tf_ws_deflate_params_t){
      .server_no_context_takeover =
          p->server_no_context_takeover || ours->server_no_context_takeover,
      .client_no_context_takeover =
          p->client_no_context_takeover || ours->client_no_context_takeover,
      .server_max_window_bits = least(p->server_max_window_bits, ours->server_max_window_bits),
      .client_max_window_bits = least(p->client_max_window_bits, ours->client_max_window_bits),
  };
  size_t at = put_flags(answer, agreed);
  if (p->server_max_window_bits || agreed->server_max_window_bits < TF_WS_DEFLATE_WINDOW_BITS_MAX)
    at = put_bits(answer, at, "server_max_window_bits", agreed->server_max_window_bits);
  if (agreed->client_max_window_bits < TF_WS_DEFLATE_WINDOW_BITS_MAX)
    put_bits(answer, at, "client_max_window_bits", agreed->client_max_window_bits);
  return true;
}

const char *tf_ws_extension_choose(const tf_http_head_t *head, const tf_ws_deflate_params_t *ours,
                                   bool *accepted, tf_ws_deflate_params_t *agreed,
                                   char answer[TF_WS_EXTENSION_CHARS]) {
  walk_t    w = {.head = head};
  element_t e;
  *accepted = false;
  for (int rc; (rc = next_element(&w, &e)) != 0;) {
    if (rc < 0) return "a malformed list of extensions";
    if (e.deflate && !*accepted) *accepted = take_offer(&e, ours, agreed, answer);
  }
  return NULL;
}
