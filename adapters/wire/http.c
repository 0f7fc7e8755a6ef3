#include "wire/http.h"

#include <string.h>
#include <strings.h>

#include "core/error.h"

enum { AT_START_LINE = 0, AT_HEADERS, AT_END, AT_FAULT };

#define RETRY_AFTER_S_MAX 86400u

#ifndef TF_VERSION
#define TF_VERSION "0"
#endif

bool tf_http_is_token_char(uint8_t c) {
  if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
  return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_visible(uint8_t c) { return c > ' ' && c < 0x7F; }

static TF_COLD int refuse(tf_http_head_t *head, const char *what) {
  head->at_ = AT_FAULT;
  return TF_ERR(E_WIRE_HTTP, "HTTP %s: %s (at byte %u of the head)",
                head->kind == TF_HTTP_REQUEST ? "request" : "response", what, head->bytes_cnt);
}

void tf_http_head_init(tf_http_head_t *head, tf_http_kind_t kind) {
  memset(head, 0, offsetof(tf_http_head_t, bytes));
  head->kind   = kind;
  head->method = head->target = head->reason = "";
}

/* Lines are cut out of bytes: line[cnt] is the CR, made NUL. */
static const char *parse_version(tf_http_head_t *head, const char *text) {
  if (memcmp(text, "HTTP/1.", 7) != 0 || (text[7] != '0' && text[7] != '1'))
    return "not HTTP/1.0 or HTTP/1.1";
  head->minor_version = (uint8_t)(text[7] - '0');
  return NULL;
}

static const char *parse_status_line(tf_http_head_t *head, char *line, size_t cnt) {
  if (cnt < 12) return "a status line shorter than \"HTTP/1.1 200\"";
  const char *fault = parse_version(head, line);
  if (fault) return fault;
  if (line[8] != ' ' || !is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]) ||
      (cnt > 12 && line[12] != ' '))
    return "a status that is not three digits between blanks";
  head->status = (uint16_t)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  if (head->status < 100 || head->status > 599) return "a status outside 100 to 599";
  head->reason = cnt > 13 ? line + 13 : "";
  return NULL;
}

static const char *parse_request_line(tf_http_head_t *head, char *line, size_t cnt) {
  size_t at = 0;
  while (at < cnt && tf_http_is_token_char((uint8_t)line[at])) at++;
  if (at == 0 || at == cnt || line[at] != ' ') return "a method that is not a token";
  char *target = line + at + 1, *line_end = line + cnt;
  line[at] = '\0';
  char *p  = target;
  while (p < line_end && is_visible((uint8_t)*p)) p++;
  if (p == target || *p != ' ') return "a target that is empty or holds a forbidden byte";
  if (line_end - p != 9) return "a version that is not HTTP/1.0 or HTTP/1.1";
  *p           = '\0';
  head->method = line;
  head->target = target;
  return parse_version(head, p + 1);
}

static const char *parse_header(tf_http_head_t *head, char *line, size_t cnt) {
  if (*line == ' ' || *line == '\t') return "a folded header (obs-fold)";
  if (head->header_cnt == TF_HTTP_HEADERS_MAX) return "more than 64 headers";
  size_t name_cnt = 0;
  for (; name_cnt < cnt && tf_http_is_token_char((uint8_t)line[name_cnt]); name_cnt++) {
    if (line[name_cnt] >= 'A' && line[name_cnt] <= 'Z') line[name_cnt] |= 0x20;
  }
  if (name_cnt == 0 || name_cnt == cnt || line[name_cnt] != ':')
    return "a header name that is not a token right before a colon";
  size_t from = name_cnt + 1, to = cnt;
  while (from < to && (line[from] == ' ' || line[from] == '\t')) from++;
  while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t')) to--;
  const size_t line_at              = (size_t)(line - head->bytes);
  head->headers[head->header_cnt++] = (tf_http_header_t){
      .name_at   = (uint16_t)line_at,
      .name_cnt  = (uint16_t)name_cnt,
      .value_at  = (uint16_t)(line_at + from),
      .value_cnt = (uint16_t)(to - from),
  };
  return NULL;
}

/* The bytes of a line, CR and LF too, are in: takes it. NULL, or what is wrong with it. */
static const char *end_line(tf_http_head_t *head) {
  char        *line  = head->bytes + head->mark_;
  const size_t cnt   = head->bytes_cnt - 2 - head->mark_;
  const char  *fault = NULL;
  line[cnt]          = '\0';
  if (head->at_ == AT_START_LINE) {
    fault     = head->kind == TF_HTTP_REQUEST ? parse_request_line(head, line, cnt)
                                              : parse_status_line(head, line, cnt);
    head->at_ = AT_HEADERS;
  } else if (cnt == 0) {
    head->at_ = AT_END;
  } else {
    fault = parse_header(head, line, cnt);
  }
  head->mark_ = (uint16_t)head->bytes_cnt;
  return fault;
}

int tf_http_head_feed(tf_http_head_t *head, const uint8_t *bytes, size_t bytes_cnt, size_t *used) {
  size_t i = 0;
  *used    = 0;
  if (head->at_ == AT_FAULT) return refuse(head, "fed after it was refused");
  while (head->at_ != AT_END) {
    if (i == bytes_cnt) {
      *used = i;
      return TF_HTTP_MORE;
    }
    const uint8_t c = bytes[i++];
    const bool    cr_pending =
        head->bytes_cnt > head->mark_ && head->bytes[head->bytes_cnt - 1] == '\r';
    if (head->bytes_cnt == TF_HTTP_HEAD_BYTES_MAX) return refuse(head, "a head over 16384 bytes");
    if (cr_pending != (c == '\n')) return refuse(head, "a bare CR or a bare LF");
    if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7F)
      return refuse(head, "NUL or another control character");
    head->bytes[head->bytes_cnt++] = (char)c;
    if (c == '\n') {
      const char *fault = end_line(head);
      if (fault) return refuse(head, fault);
    }
  }
  *used = i;
  return TF_HTTP_DONE;
}

static bool name_is(const tf_http_head_t *head, const tf_http_header_t *header, const char *name) {
  return strlen(name) == header->name_cnt &&
         memcmp(head->bytes + header->name_at, name, header->name_cnt) == 0;
}

int tf_http_head_next(const tf_http_head_t *head, const char *name, unsigned *idx,
                      const char **value) {
  while (*idx < head->header_cnt) {
    const tf_http_header_t *header = &head->headers[(*idx)++];
    if (!name_is(head, header, name)) continue;
    *value = head->bytes + header->value_at;
    return header->value_cnt;
  }
  return -1;
}

int tf_http_head_get(const tf_http_head_t *head, const char *name, const char **value) {
  unsigned    idx   = 0;
  const char *other = NULL;
  const int   cnt   = tf_http_head_next(head, name, &idx, value);
  if (cnt < 0) return -1;
  return tf_http_head_next(head, name, &idx, &other) < 0 ? cnt : -2;
}

bool tf_http_head_has_token(const tf_http_head_t *head, const char *name, const char *token) {
  const size_t token_cnt = strlen(token);
  for (unsigned i = 0; i < head->header_cnt; i++) {
    if (!name_is(head, &head->headers[i], name)) continue;
    const char *p = head->bytes + head->headers[i].value_at, *end = p + head->headers[i].value_cnt;
    while (p < end) {
      const char *comma = memchr(p, ',', (size_t)(end - p));
      const char *from = p, *to = comma ? comma : end;
      while (from < to && (*from == ' ' || *from == '\t')) from++;
      while (to > from && (to[-1] == ' ' || to[-1] == '\t')) to--;
      if ((size_t)(to - from) == token_cnt && strncasecmp(from, token, token_cnt) == 0) return true;
      p = comma ? comma + 1 : end;
    }
  }
  return false;
}

/* Seconds since 1970 of "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7); -1: not one. Days from
 * the civil date by counting leap days since year 0 of the proleptic Gregorian calendar. */
static int64_t parse_date_s(const char *text, int cnt) {
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  static const int  before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  static const char shape[]  = "aaa, 00 aaa 0000 00:00:00 GMT";
  if (cnt != (int)sizeof shape - 1) return -1;
  for (int i = 0; i < cnt; i++) {
    const bool fits = shape[i] == '0'   ? is_digit(text[i])
                      : shape[i] == 'a' ? tf_http_is_token_char((uint8_t)text[i])
                                        : text[i] == shape[i];
    if (!fits) return -1;
  }
  int month = 0;
  while (month < 12 && memcmp(months + 3 * month, text + 8, 3) != 0) month++;
  const int day = (text[5] - '0') * 10 + text[6] - '0';
  const int year =
      (text[12] - '0') * 1000 + (text[13] - '0') * 100 + (text[14] - '0') * 10 + (text[15] - '0');
  if (month == 12 || day < 1 || day > 31 || year < 1970) return -1;
  const int     past_february = month > 1 ? year : year - 1;
  const int     leap_days     = past_february / 4 - past_february / 100 + past_february / 400;
  const int64_t days = (int64_t)(year - 1970) * 365 + (leap_days - 477) + before[month] + day - 1;
  const int     clock_s = ((text[17] - '0') * 10 + text[18] - '0') * 3600 +
                      ((text[20] - '0') * 10 + text[21] - '0') * 60 + (text[23] - '0') * 10 +
                      text[24] - '0';
  return days * 86400 + clock_s;
}

uint32_t tf_http_head_retry_after_s(const tf_http_head_t *head) {
  const char *text;
  int         cnt = tf_http_head_get(head, "retry-after", &text);
  if (cnt <= 0) return UINT32_MAX;
  if (is_digit(text[0])) {
    uint32_t seconds = 0;
    for (int i = 0; i < cnt; i++) {
      if (!is_digit(text[i])) return UINT32_MAX;
      seconds = seconds * 10 + (uint32_t)(text[i] - '0');
      if (seconds > RETRY_AFTER_S_MAX) seconds = RETRY_AFTER_S_MAX;
    }
    return seconds;
  }
  const int64_t until_s = parse_date_s(text, cnt);
  cnt                   = tf_http_head_get(head, "date", &text);
  const int64_t now_s   = cnt > 0 ? parse_date_s(text, cnt) : -1;
  if (until_s < 0 || now_s < 0) return UINT32_MAX;
  if (until_s <= now_s) return 0;
  return until_s - now_s > RETRY_AFTER_S_MAX ? RETRY_AFTER_S_MAX : (uint32_t)(until_s - now_s);
}

bool tf_http_head_keep_alive(const tf_http_head_t *head) {
  if (tf_http_head_has_token(head, "connection", "close")) return false;
  return head->minor_version == 1 || tf_http_head_has_token(head, "connection", "keep-alive");
}

/* --- writing --- */

typedef struct put {
  char  *buf;
  size_t cap, cnt;
  bool   fault;
} put_t;

static void put_bytes(put_t *put, const void *bytes, size_t cnt) {
  if (put->fault || cnt > put->cap - put->cnt) {
    put->fault = true;
    return;
  }
  if (cnt) memcpy(put->buf + put->cnt, bytes, cnt);
  put->cnt += cnt;
}

static void put_text(put_t *put, const char *text) { put_bytes(put, text, strlen(text)); }

static bool all_visible(const char *text) {
  for (; *text; text++) {
    if (!is_visible((uint8_t)*text)) return false;
  }
  return true;
}

static bool name_in(const char *line, size_t name_cnt, const char *const *names, size_t cnt) {
  for (size_t i = 0; i < cnt; i++) {
    if (strlen(names[i]) == name_cnt && strncasecmp(line, names[i], name_cnt) == 0) return true;
  }
  return false;
}

/* Extra headers: lines "Name: value\r\n", none of those that the writers set themselves. NULL, or
 * what is wrong. has_agent: a User-Agent is among them. */
static const char *check_lines(const char *lines, bool *has_agent) {
  static const char *const ours[]  = {"host", "content-length", "transfer-encoding", "upgrade"};
  static const char *const agent[] = {"user-agent"};
  for (const char *p = lines; *p;) {
    size_t name_cnt = 0;
    while (tf_http_is_token_char((uint8_t)p[name_cnt])) name_cnt++;
    if (name_cnt == 0 || p[name_cnt] != ':') return "an extra header without a name";
    if (name_in(p, name_cnt, ours, TF_ARRAY_CNT(ours))) return "an extra header that is set here";
    if (name_in(p, name_cnt, agent, 1)) *has_agent = true;
    for (p += name_cnt; (uint8_t)*p >= ' ' || *p == '\t'; p++) {
      if (*p == 0x7F) return "an extra header with a control character";
    }
    if (p[0] != '\r' || p[1] != '\n') return "an extra header line that does not end in CR LF";
    p += 2;
  }
  return NULL;
}

int tf_http_request_write(char *buf, size_t cap, const tf_http_request_t *request) {
  put_t       put       = {.buf = buf, .cap = cap};
  const char *lines     = request->headers ? request->headers : "";
  bool        has_agent = false;
  const char *fault     = check_lines(lines, &has_agent);
  size_t      method_at = 0;
  while (tf_http_is_token_char((uint8_t)request->method[method_at])) method_at++;
  if (method_at == 0 || request->method[method_at]) fault = "a method that is not a token";
  if (request->target[0] != '/' || !all_visible(request->target))
    fault = "a target that does not begin with / or holds a blank or control character";
  if (!request->host[0] || !all_visible(request->host) || strpbrk(request->host, "/@"))
    fault = "a host that is empty or holds a blank, / or @";
  if (request->port && (!request->port[0] || strspn(request->port, "0123456789") > 5 ||
                        request->port[strspn(request->port, "0123456789")]))
    fault = "a port that is not a number";
  if (fault) return TF_ERR(E_WIRE_HTTP, "cannot write the request: %s", fault);
  put_text(&put, request->method);
  put_text(&put, " ");
  put_text(&put, request->target);
  put_text(&put, " HTTP/1.1\r\nHost: ");
  put_text(&put, request->host);
  if (request->port) {
    put_text(&put, ":");
    put_text(&put, request->port);
  }
  put_text(&put, "\r\n");
  if (!has_agent) put_text(&put, "User-Agent: tickfuse/" TF_VERSION "\r\n");
  if (request->body) {
    char line[64];
    snprintf(line, sizeof line, "Content-Length: %zu\r\n", request->body_cnt);
    put_text(&put, line);
  }
  put_text(&put, lines);
  put_text(&put, "\r\n");
  if (request->body) put_bytes(&put, request->body, request->body_cnt);
  if (put.fault || put.cnt > INT32_MAX)
    return TF_ERR(E_WIRE_HTTP, "the request does not fit in %zu bytes", cap);
  return (int)put.cnt;
}

const char *tf_http_reason(int status) {
  static const struct {
    int         status;
    const char *reason;
  } reasons[] = {
      {101, "Switching Protocols"            },
      {200, "OK"                             },
      {202, "Accepted"                       },
      {204, "No Content"                     },
      {301, "Moved Permanently"              },
      {302, "Found"                          },
      {304, "Not Modified"                   },
      {400, "Bad Request"                    },
      {401, "Unauthorized"                   },
      {403, "Forbidden"                      },
      {404, "Not Found"                      },
      {405, "Method Not Allowed"             },
      {408, "Request Timeout"                },
      {409, "Conflict"                       },
      {413, "Content Too Large"              },
      {415, "Unsupported Media Type"         },
      {418, "I'm a teapot"                   },
      {421, "Misdirected Request"            },
      {422, "Unprocessable Content"          },
      {426, "Upgrade Required"               },
      {429, "Too Many Requests"              },
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"          },
      {502, "Bad Gateway"                    },
      {503, "Service Unavailable"            },
      {504, "Gateway Timeout"                },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(reasons); i++) {
    if (reasons[i].status == status) return reasons[i].reason;
  }
  return "";
}

int tf_http_answer_write(char *buf, size_t cap, int status, const char *content_type,
                         const char *headers, bool keep_alive, const void *body, size_t body_cnt) {
  put_t       put       = {.buf = buf, .cap = cap};
  const char *lines     = headers ? headers : "";
  bool        has_agent = false;
  const char *fault     = check_lines(lines, &has_agent);
  if (status < 200 || status > 599) fault = "a status outside 200 to 599";
  if (content_type && strpbrk(content_type, "\r\n")) fault = "a content type with CR or LF";
  if (fault) return TF_ERR(E_WIRE_HTTP, "cannot write the answer: %s", fault);
  char line[128];
  snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", status, tf_http_reason(status));
  put_text(&put, line);
  if (content_type) {
    put_text(&put, "Content-Type: ");
    put_text(&put, content_type);
    put_text(&put, "\r\n");
  }
  if (status != 204 && status != 304) {
    snprintf(line, sizeof line, "Content-Length: %zu\r\n", body_cnt);
    put_text(&put, line);
  }
  put_text(&put, keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
  put_text(&put, lines);
  put_text(&put, "\r\n");
  if (status != 204 && status != 304) put_bytes(&put, body, body_cnt);
  if (put.fault || put.cnt > INT32_MAX)
    return TF_ERR(E_WIRE_HTTP, "the answer does not fit in %zu bytes", cap);
  return (int)put.cnt;
}
