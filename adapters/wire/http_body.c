#include <string.h>

#include "core/error.h"
#include "wire/http.h"

enum {
  AT_DONE = 0,
  AT_LENGTH,
  AT_UNTIL_CLOSE,
  AT_CHUNK_SIZE,
  AT_CHUNK_EXTENSION,
  AT_CHUNK_SIZE_LF,
  AT_CHUNK_DATA,
  AT_CHUNK_DATA_CR,
  AT_CHUNK_DATA_LF,
  AT_TRAILER, /* at the beginning of a line behind the last chunk */
  AT_TRAILER_LINE,
  AT_TRAILER_LINE_LF,
  AT_END_LF,
  AT_FAULT
};

static TF_COLD int refuse(tf_http_body_t *body, const char *what) {
  body->at_ = AT_FAULT;
  return TF_ERR(E_WIRE_HTTP, "HTTP body: %s (at byte %zu; at most %zu are allowed)", what,
                body->bytes_cnt, body->bytes_max);
}

static TF_COLD int refuse_length(tf_http_body_t *body, const char *what) {
  body->is_too_long = true;
  return refuse(body, what);
}

static int done(tf_http_body_t *body) {
  body->at_ = AT_DONE;
  memset(body->bytes + body->bytes_cnt, 0, TF_BYTES_PAD);
  return TF_HTTP_DONE;
}

static int init_length(tf_http_body_t *body, const char *text, int cnt) {
  uint64_t length = 0;
  if (cnt < 1) return refuse(body, "an empty or repeated Content-Length");
  for (int i = 0; i < cnt; i++) {
    if (text[i] < '0' || text[i] > '9') return refuse(body, "a Content-Length that is no number");
    length = length * 10 + (uint64_t)(text[i] - '0');
    if (length > body->bytes_max) return refuse_length(body, "a Content-Length over the limit");
  }
  body->left_ = length;
  body->at_   = AT_LENGTH;
  return length ? TF_HTTP_MORE : done(body);
}

int tf_http_body_init(tf_http_body_t *body, const tf_http_head_t *head, const char *method,
                      uint8_t *bytes, size_t bytes_max) {
  const char *length_text, *coding, *encoding;
  TF_ASSERT(bytes_max <= SIZE_MAX >> 8);
  *body                  = (tf_http_body_t){.bytes = bytes, .bytes_max = bytes_max};
  const int length_cnt   = tf_http_head_get(head, "content-length", &length_text);
  const int coding_cnt   = tf_http_head_get(head, "transfer-encoding", &coding);
  const int encoding_cnt = tf_http_head_get(head, "content-encoding", &encoding);
  if (head->kind == TF_HTTP_RESPONSE &&
      (head->status < 200 || head->status == 204 || head->status == 304 ||
       (method && strcmp(method, "HEAD") == 0)))
    return done(body);
  if (head->kind == TF_HTTP_RESPONSE && encoding_cnt != -1 &&
      !tf_http_head_has_token(head, "content-encoding", "identity"))
    return refuse(body, "a Content-Encoding, though none was offered");
  if (coding_cnt != -1) {
    if (length_cnt != -1) return refuse(body, "both Transfer-Encoding and Content-Length");
    if (head->minor_version == 0) return refuse(body, "Transfer-Encoding in HTTP/1.0");
    if (coding_cnt != 7 || !tf_http_head_has_token(head, "transfer-encoding", "chunked"))
      return refuse(body, "a Transfer-Encoding other than chunked");
    body->at_ = AT_CHUNK_SIZE;
    return TF_HTTP_MORE;
  }
  if (length_cnt != -1) return init_length(body, length_text, length_cnt);
  if (head->kind == TF_HTTP_REQUEST) return done(body);
  body->at_ = AT_UNTIL_CLOSE;
  return TF_HTTP_MORE;
}

static int hex_digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of a chunked body's frame. NULL, or what is wrong. */
static const char *step_chunk_size(tf_http_body_t *body, uint8_t c) {
  const int digit = hex_digit(c);
  if (body->line_cnt_ == TF_HTTP_CHUNK_LINE_BYTES_MAX) return "a chunk's size line over 256 bytes";
  if (body->at_ == AT_CHUNK_SIZE && digit >= 0) {
    body->left_ = body->left_ * 16 + (unsigned)digit;
    body->line_cnt_++;
    body->is_too_long = body->left_ > body->bytes_max - body->bytes_cnt;
    return body->is_too_long ? "chunks over the limit" : NULL;
  }
  if (body->line_cnt_ == 0) return "a chunk without a size";
  if (c == '\r') {
    body->at_ = AT_CHUNK_SIZE_LF;
  } else if (body->at_ == AT_CHUNK_SIZE && c != ';' && c != ' ' && c != '\t') {
    return "a chunk size that is no hexadecimal number";
  } else if ((c < ' ' && c != '\t') || c == 0x7F) {
    return "a control character in a chunk's size line";
  } else {
    body->at_ = AT_CHUNK_EXTENSION;
  }
  body->line_cnt_++;
  return NULL;
}

static const char *step_chunked(tf_http_body_t *body, uint8_t c) {
  switch (body->at_) {
  case AT_CHUNK_SIZE:
  case AT_CHUNK_EXTENSION: return step_chunk_size(body, c);
  case AT_CHUNK_SIZE_LF:
    if (c != '\n') return "a bare CR in a chunk's size line";
    body->line_cnt_ = 0;
    body->at_       = body->left_ ? AT_CHUNK_DATA : AT_TRAILER;
    return NULL;
  case AT_CHUNK_DATA_CR:
    body->at_ = AT_CHUNK_DATA_LF;
    return c == '\r' ? NULL : "a chunk longer than its size";
  case AT_CHUNK_DATA_LF:
    body->at_ = AT_CHUNK_SIZE;
    return c == '\n' ? NULL : "a chunk longer than its size";
  case AT_END_LF: body->at_ = AT_DONE; return c == '\n' ? NULL : "a bare CR behind the last chunk";
  case AT_TRAILER_LINE_LF:
    body->at_ = AT_TRAILER;
    return c == '\n' ? NULL : "a bare CR in a trailer";
  default: break;
  }
  if (++body->trailer_cnt_ > TF_HTTP_HEAD_BYTES_MAX) return "trailers over 16384 bytes";
  if (c == '\r') {
    body->at_ = body->at_ == AT_TRAILER ? AT_END_LF : AT_TRAILER_LINE_LF;
    return NULL;
  }
  if ((c < ' ' && c != '\t') || c == 0x7F) return "a control character in a trailer";
  body->at_ = AT_TRAILER_LINE;
  return NULL;
}

static size_t take(tf_http_body_t *body, const uint8_t *bytes, size_t cnt) {
  if (cnt > body->left_) cnt = (size_t)body->left_;
  if (cnt) memcpy(body->bytes + body->bytes_cnt, bytes, cnt);
  body->bytes_cnt += cnt;
  body->left_ -= cnt;
  return cnt;
}

int tf_http_body_feed(tf_http_body_t *body, const uint8_t *bytes, size_t bytes_cnt, size_t *used) {
  size_t i = 0;
  *used    = 0;
  while (body->at_ != AT_DONE) {
    if (body->at_ == AT_FAULT) return refuse(body, "fed after it was refused");
    if (i == bytes_cnt) {
      *used = i;
      return TF_HTTP_MORE;
    }
    if (body->at_ == AT_LENGTH) {
      i += take(body, bytes + i, bytes_cnt - i);
      if (body->left_ == 0) body->at_ = AT_DONE;
    } else if (body->at_ == AT_UNTIL_CLOSE) {
      if (bytes_cnt - i > body->bytes_max - body->bytes_cnt)
        return refuse_length(body, "a body over the limit");
      body->left_ = bytes_cnt - i;
      i += take(body, bytes + i, bytes_cnt - i);
    } else if (body->at_ == AT_CHUNK_DATA) {
      i += take(body, bytes + i, bytes_cnt - i);
      if (body->left_ == 0) body->at_ = AT_CHUNK_DATA_CR;
    } else {
      const char *fault = step_chunked(body, bytes[i++]);
      if (fault) return refuse(body, fault);
    }
  }
  *used = i;
  return done(body);
}

int tf_http_body_eof(tf_http_body_t *body) {
  if (body->at_ == AT_DONE) return TF_HTTP_DONE;
  if (body->at_ == AT_UNTIL_CLOSE) return done(body);
  return refuse(body, "the connection ended before it was complete");
}
