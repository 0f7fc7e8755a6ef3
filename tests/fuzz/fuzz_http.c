/* Heads, bodies and upgrades. The first byte chooses what is read, the second the segmentation;
 * read whole and in pieces, the outcome must be the same. */
#include <stdlib.h>
#include <string.h>

#include "wire/http.h"
#include "wire/ws_extension.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

#define BODY_BYTES_MAX 5000u

typedef struct outcome {
  int            rc, status, header_cnt, refused;
  size_t         taken, body_cnt;
  uint32_t       retry_after_s;
  tf_http_head_t head;
  uint8_t        body[BODY_BYTES_MAX + TF_BYTES_PAD];
} outcome_t;

static outcome_t whole, pieces;

/* Feeds what is left in pieces, each in a block of its own size. */
#define FEED(call)                                                                                 \
  while (rc == TF_HTTP_MORE && at < cnt) {                                                         \
    const size_t n     = cnt - at < piece ? cnt - at : piece;                                      \
    uint8_t     *block = malloc(n);                                                                \
    size_t       used  = 0;                                                                        \
    TF_ASSERT(block);                                                                              \
    memcpy(block, bytes + at, n);                                                                  \
    rc = call;                                                                                     \
    free(block);                                                                                   \
    TF_ASSERT(used <= n && (rc != TF_HTTP_MORE || used == n));                                     \
    at += used;                                                                                    \
  }

static void check_head(const tf_http_head_t *head) {
  const char *value, *why;
  char        answer[512];
  TF_ASSERT(head->bytes_cnt <= TF_HTTP_HEAD_BYTES_MAX && head->header_cnt <= TF_HTTP_HEADERS_MAX);
  for (unsigned i = 0; i < head->header_cnt; i++) {
    const tf_http_header_t *h = &head->headers[i];
    TF_ASSERT(h->name_cnt > 0 && (unsigned)h->value_at + h->value_cnt < head->bytes_cnt);
    TF_ASSERT(!memchr(head->bytes + h->value_at, '\n', h->value_cnt));
    TF_ASSERT(!memchr(head->bytes + h->value_at, '\0', h->value_cnt));
  }
  tf_http_head_get(head, "host", &value);
  tf_http_head_retry_after_s(head);
  tf_http_head_keep_alive(head);
  if (head->kind != TF_HTTP_REQUEST) return;
  if (tf_http_ws_request_check(head, &why) != 0) return;
  const tf_ws_deflate_params_t ours = {.server_max_window_bits = 15, .client_max_window_bits = 15};
  tf_ws_deflate_params_t       agreed;
  char                         extensions[TF_WS_EXTENSION_CHARS];
  bool                         deflate;
  tf_ws_extension_choose(head, &ours, &deflate, &agreed, extensions);
  TF_ASSERT(
      tf_http_ws_accept_write(answer, sizeof answer, head, NULL, deflate ? extensions : NULL) > 0);
}

static void read_message(outcome_t *out, tf_http_kind_t kind, const char *method,
                         const uint8_t *bytes, size_t cnt, size_t piece) {
  tf_http_body_t body;
  size_t         at = 0;
  int            rc = TF_HTTP_MORE;
  tf_http_head_init(&out->head, kind);
  FEED(tf_http_head_feed(&out->head, block, n, &used));
  if (rc == TF_HTTP_DONE) {
    check_head(&out->head);
    out->status     = out->head.status;
    out->header_cnt = out->head.header_cnt;
    rc              = tf_http_body_init(&body, &out->head, method, out->body, BODY_BYTES_MAX);
    FEED(tf_http_body_feed(&body, block, n, &used));
    if (rc == TF_HTTP_MORE) rc = tf_http_body_eof(&body);
    TF_ASSERT(rc < 0 || body.bytes_cnt <= BODY_BYTES_MAX);
    out->body_cnt = rc < 0 ? 0 : body.bytes_cnt;
  }
  out->rc    = rc;
  out->taken = rc < 0 ? 0 : at;
}

static void upgrade(outcome_t *out, const uint8_t *bytes, size_t cnt, size_t piece) {
  static const uint8_t         nonce[16] = "the sample nonce";
  static tf_http_ws_client_t   up;
  size_t                       at    = 0;
  int                          rc    = TF_HTTP_MORE;
  const tf_ws_deflate_params_t offer = {.client_max_window_bits = 15};
  TF_ASSERT(tf_http_ws_client_init(&up, "h", nonce, "chat") == 0);
  tf_http_ws_client_offer(&up, &offer);
  FEED(tf_http_ws_client_feed(&up, block, n, &used));
  if (rc == TF_HTTP_MORE) rc = tf_http_ws_client_eof(&up);
  out->rc            = rc;
  out->taken         = rc < 0 ? 0 : at;
  out->refused       = up.refused;
  out->retry_after_s = up.retry_after_s;
  out->body_cnt      = up.sample_cnt;
  memcpy(out->body, up.sample, up.sample_cnt);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  static const char *const methods[] = {"GET", "HEAD", NULL};
  if (bytes_cnt < 2) return 0;
  for (int i = 0; i < 2; i++) {
    outcome_t   *out   = i ? &pieces : &whole;
    const size_t piece = i ? 1u + bytes[1] : SIZE_MAX;
    memset(out, 0, offsetof(outcome_t, head));
    switch (bytes[0] % 4) {
    case 0: read_message(out, TF_HTTP_REQUEST, NULL, bytes + 2, bytes_cnt - 2, piece); break;
    case 3: upgrade(out, bytes + 2, bytes_cnt - 2, piece); break;
    default:
      read_message(out, TF_HTTP_RESPONSE, methods[bytes[0] % 4 - 1], bytes + 2, bytes_cnt - 2,
                   piece);
    }
  }
  TF_ASSERT(memcmp(&whole, &pieces, offsetof(outcome_t, head)) == 0);
  TF_ASSERT(memcmp(whole.body, pieces.body, whole.body_cnt) == 0);
  return 0;
}
