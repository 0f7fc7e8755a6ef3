#include <openssl/evp.h>
#include <string.h>

#include "core/error.h"
#include "wire/http.h"
#include "wire/ws_extension.h"

void tf_http_ws_accept(const char *key, size_t key_cnt, char accept[TF_HTTP_WS_ACCEPT_CHARS + 1]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
  char              text[128];
  uint8_t           digest[EVP_MAX_MD_SIZE];
  unsigned          digest_cnt = 0;
  TF_ASSERT(key_cnt <= sizeof text - sizeof guid);
  memcpy(text, key, key_cnt);
  memcpy(text + key_cnt, guid, sizeof guid - 1);
  TF_ASSERT(EVP_Digest(text, key_cnt + sizeof guid - 1, digest, &digest_cnt, EVP_sha1(), NULL));
  TF_ASSERT(digest_cnt == 20);
  TF_ASSERT(EVP_EncodeBlock((unsigned char *)accept, digest, 20) == TF_HTTP_WS_ACCEPT_CHARS);
}

/* --- client side --- */

tf_err_t tf_http_ws_client_init(tf_http_ws_client_t *up, const char *host, const uint8_t nonce[16],
                                const char *protocol) {
  memset(up, 0, offsetof(tf_http_ws_client_t, head));
  tf_http_head_init(&up->head, TF_HTTP_RESPONSE);
  up->retry_after_s = UINT32_MAX;
  if (strlen(host) >= sizeof up->host)
    return TF_ERR(E_WIRE_HTTP, "a host name of %zu bytes; at most %zu are allowed", strlen(host),
                  sizeof up->host - 1);
  if (protocol && strlen(protocol) >= sizeof up->protocol)
    return TF_ERR(E_WIRE_HTTP, "a subprotocol of %zu bytes; at most %zu are allowed",
                  strlen(protocol), sizeof up->protocol - 1);
  strcpy(up->host, host);
  if (protocol) strcpy(up->protocol, protocol);
  TF_ASSERT(EVP_EncodeBlock((unsigned char *)up->key, nonce, 16) == TF_HTTP_WS_KEY_CHARS);
  tf_http_ws_accept(up->key, TF_HTTP_WS_KEY_CHARS, up->accept);
  return 0;
}

void tf_http_ws_client_offer(tf_http_ws_client_t *up, const tf_ws_deflate_params_t *offer) {
  up->deflate_offered = true;
  up->deflate         = *offer;
}

int tf_http_ws_client_write(const tf_http_ws_client_t *up, char *buf, size_t cap, const char *port,
                            const char *target, const char *headers) {
  const tf_http_request_t request = {
      .method = "GET", .host = up->host, .port = port, .target = target, .headers = headers};
  static const char fixed[] = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";
  char              tail[256 + TF_WS_EXTENSION_CHARS], offer[TF_WS_EXTENSION_CHARS];
  if (headers && (strcasestr(headers, "connection:") || strcasestr(headers, "sec-websocket-")))
    return TF_ERR(E_WIRE_HTTP, "cannot write the upgrade: an extra header that is set here");
  for (const char *p = up->protocol; *p; p++) {
    if (*p <= ' ' || *p == ',' || *p >= 0x7F)
      return TF_ERR(E_WIRE_HTTP, "cannot write the upgrade: a subprotocol that is not a token");
  }
  const int cnt = tf_http_request_write(buf, cap, &request);
  if (cnt < 0) return cnt;
  int tail_cnt = snprintf(tail, sizeof tail, "%s%s\r\n", fixed, up->key);
  if (up->protocol[0])
    tail_cnt += snprintf(tail + tail_cnt, sizeof tail - (size_t)tail_cnt,
                         "Sec-WebSocket-Protocol: %s\r\n", up->protocol);
  if (up->deflate_offered) {
    tf_ws_extension_offer(&up->deflate, offer);
    tail_cnt += snprintf(tail + tail_cnt, sizeof tail - (size_t)tail_cnt,
                         "Sec-WebSocket-Extensions: %s\r\n", offer);
  }
  /* The request ends in its blank line: the upgrade's own headers go before that. */
  if ((size_t)tail_cnt > cap - (size_t)cnt)
    return TF_ERR(E_WIRE_HTTP, "the request does not fit in %zu bytes", cap);
  memcpy(buf + cnt - 2, tail, (size_t)tail_cnt);
  memcpy(buf + cnt - 2 + tail_cnt, "\r\n", 2);
  return cnt + tail_cnt;
}

static bool value_is(const char *value, int cnt, const char *expected) {
  return cnt >= 0 && (size_t)cnt == strlen(expected) && memcmp(value, expected, (size_t)cnt) == 0;
}

/* RFC 6455 section 4.1, the client's checks in its order. */
static const char *check_switch(tf_http_ws_client_t *up) {
  const tf_http_head_t *head = &up->head;
  const char           *value;
  int                   cnt;
  if (head->minor_version != 1) return "HTTP/1.0; a websocket needs HTTP/1.1";
  cnt = tf_http_head_get(head, "upgrade", &value);
  if (cnt == -1) return "no Upgrade header";
  if (cnt == -2) return "more than one Upgrade header";
  if (cnt != 9 || strncasecmp(value, "websocket", 9) != 0) return "Upgrade is not websocket";
  if (!tf_http_head_has_token(head, "connection", "upgrade"))
    return "Connection does not say Upgrade";
  cnt = tf_http_head_get(head, "sec-websocket-accept", &value);
  if (cnt == -1) return "no Sec-WebSocket-Accept";
  if (cnt == -2) return "more than one Sec-WebSocket-Accept";
  if (!value_is(value, cnt, up->accept)) return "Sec-WebSocket-Accept does not match our key";
  const tf_ws_deflate_params_t offer = up->deflate;
  const char *fault = tf_ws_extension_check(head, up->deflate_offered ? &offer : NULL,
                                            &up->deflate_agreed, &up->deflate);
  if (fault) return fault;
  cnt = tf_http_head_get(head, "sec-websocket-protocol", &value);
  if (cnt != -1 && (!up->protocol[0] || !value_is(value, cnt, up->protocol)))
    return "a subprotocol that was not offered";
  cnt = tf_http_head_get(head, "content-length", &value);
  if (cnt != -1 && !value_is(value, cnt, "0")) return "a body behind 101";
  if (tf_http_head_get(head, "transfer-encoding", &value) != -1) return "a body behind 101";
  return NULL;
}

static tf_err_t refusal(const tf_http_ws_client_t *up) {
  char     sample[TF_HTTP_SAMPLE_BYTES + 1], retry[48] = "";
  unsigned cnt = up->sample_cnt;
  for (unsigned i = 0; i < cnt; i++) {
    const uint8_t c = up->sample[i];
    sample[i]       = c >= ' ' && c < 0x7F && c != '"' ? (char)c : '.';
  }
  sample[cnt] = '\0';
  if (up->retry_after_s != UINT32_MAX)
    snprintf(retry, sizeof retry, ", retry after %u s", up->retry_after_s);
  return TF_ERR(E_WIRE_HTTP, "%s answered the websocket upgrade with status %u %.64s%s: \"%s\"",
                up->host, up->head.status, up->head.reason, retry, sample);
}

static void begin_refusal(tf_http_ws_client_t *up) {
  const char *value;
  const int   cnt   = tf_http_head_get(&up->head, "content-length", &value);
  up->refused       = true;
  up->retry_after_s = tf_http_head_retry_after_s(&up->head);
  up->body_left     = TF_HTTP_SAMPLE_BYTES;
  if (up->head.status == 204 || up->head.status == 304) up->body_left = 0;
  if (cnt > 0 && cnt <= 3) {
    uint64_t length = 0;
    for (int i = 0; i < cnt; i++) {
      if (value[i] < '0' || value[i] > '9') return;
      length = length * 10 + (uint64_t)(value[i] - '0');
    }
    if (length < up->body_left) up->body_left = length;
  }
}

int tf_http_ws_client_feed(tf_http_ws_client_t *up, const uint8_t *bytes, size_t bytes_cnt,
                           size_t *used) {
  *used = 0;
  while (!up->refused) {
    size_t    took;
    const int rc = tf_http_head_feed(&up->head, bytes + *used, bytes_cnt - *used, &took);
    *used += took;
    if (rc < 0) return tf_error_add(rc, "upgrading to websocket at %s", up->host);
    if (rc == TF_HTTP_MORE) return rc;
    if (up->head.status == 101) {
      const char *fault = check_switch(up);
      if (!fault) return TF_HTTP_DONE;
      return TF_ERR(E_WIRE_HTTP, "%s answered the websocket upgrade wrongly: %s", up->host, fault);
    }
    if (up->head.status >= 200) {
      begin_refusal(up);
    } else if (up->interim_cnt++ == TF_HTTP_INTERIM_MAX) {
      return TF_ERR(E_WIRE_HTTP, "%s sent more than %d interim (1xx) answers", up->host,
                    TF_HTTP_INTERIM_MAX);
    } else {
      tf_http_head_init(&up->head, TF_HTTP_RESPONSE);
    }
  }
  size_t cnt = bytes_cnt - *used;
  if (cnt > up->body_left) cnt = (size_t)up->body_left;
  if (cnt) memcpy(up->sample + up->sample_cnt, bytes + *used, cnt);
  up->sample_cnt = (uint8_t)(up->sample_cnt + cnt);
  up->body_left -= cnt;
  *used += cnt;
  return up->body_left ? TF_HTTP_MORE : refusal(up);
}

tf_err_t tf_http_ws_client_eof(tf_http_ws_client_t *up) {
  if (up->refused) return refusal(up);
  return TF_ERR(E_WIRE_HTTP,
                "%s ended the connection after %u bytes of its answer to the websocket upgrade",
                up->host, up->head.bytes_cnt);
}

/* --- server side --- */

bool tf_http_ws_is_upgrade(const tf_http_head_t *head) {
  return tf_http_head_has_token(head, "upgrade", "websocket");
}

/* 16 bytes in base64: 22 digits, the last with four zero bits, and two pads. */
static bool key_valid(const char *key, int cnt) {
  if (cnt != TF_HTTP_WS_KEY_CHARS || memcmp(key + 22, "==", 2) != 0) return false;
  for (int i = 0; i < 22; i++) {
    const char c = key[i];
    if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
          c == '/'))
      return false;
  }
  return strchr("AQgw", key[21]) != NULL;
}

int tf_http_ws_request_check(const tf_http_head_t *head, const char **why) {
  const char *value;
  int         cnt;
  *why = "the method of a websocket upgrade is GET";
  if (strcmp(head->method, "GET") != 0) return 405;
  *why = "a websocket upgrade needs HTTP/1.1";
  if (head->minor_version != 1) return 400;
  *why = "exactly one Host header is needed";
  if (tf_http_head_get(head, "host", &value) < 1) return 400;
  *why = "Upgrade: websocket is missing";
  if (!tf_http_ws_is_upgrade(head)) return 400;
  *why = "Connection: Upgrade is missing";
  if (!tf_http_head_has_token(head, "connection", "upgrade")) return 400;
  *why = "Sec-WebSocket-Version must be 13";
  cnt  = tf_http_head_get(head, "sec-websocket-version", &value);
  if (!value_is(value, cnt, "13")) return 426;
  *why = "exactly one Sec-WebSocket-Key of 16 bytes in base64 is needed";
  cnt  = tf_http_head_get(head, "sec-websocket-key", &value);
  if (cnt < 0 || !key_valid(value, cnt)) return 400;
  *why = "a websocket upgrade has no body";
  if (tf_http_head_get(head, "transfer-encoding", &value) != -1) return 400;
  cnt = tf_http_head_get(head, "content-length", &value);
  if (cnt != -1 && !value_is(value, cnt, "0")) return 400;
  *why = "";
  return 0;
}

int tf_http_ws_accept_write(char *buf, size_t cap, const tf_http_head_t *head, const char *protocol,
                            const char *extensions) {
  const char *key;
  char        accept[TF_HTTP_WS_ACCEPT_CHARS + 1];
  const int   key_cnt = tf_http_head_get(head, "sec-websocket-key", &key);
  if (key_cnt < 0 || !key_valid(key, key_cnt))
    return TF_ERR(E_WIRE_HTTP, "cannot accept an upgrade whose request was not checked");
  if (protocol && !tf_http_head_has_token(head, "sec-websocket-protocol", protocol))
    return TF_ERR(E_WIRE_HTTP, "cannot accept an upgrade with a subprotocol that is not offered");
  tf_http_ws_accept(key, (size_t)key_cnt, accept);
  const int cnt =
      snprintf(buf, cap,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s%s%s%s\r\n",
               accept, protocol ? "Sec-WebSocket-Protocol: " : "", protocol ? protocol : "",
               protocol ? "\r\n" : "", extensions ? "Sec-WebSocket-Extensions: " : "",
               extensions ? extensions : "", extensions ? "\r\n" : "");
  if (cnt < 0 || (size_t)cnt >= cap)
    return TF_ERR(E_WIRE_HTTP, "the answer does not fit in %zu bytes", cap);
  return cnt;
}

int tf_http_ws_refuse_write(char *buf, size_t cap, int status, const char *why) {
  const char *headers = status == 426   ? "Sec-WebSocket-Version: 13\r\n"
                        : status == 405 ? "Allow: GET\r\n"
                                        : NULL;
  return tf_http_answer_write(buf, cap, status, "text/plain; charset=utf-8", headers, false, why,
                              strlen(why));
}
