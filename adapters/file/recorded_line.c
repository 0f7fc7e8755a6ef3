#include "file/recorded_line.h"

/* ---- numbers -------------------------------------------------------------------------------*/

/* Eight ASCII digits as a number, or UINT32_MAX if one of them is none: the usual SWAR, little
 * endian. */
static inline uint32_t eight_digits(const char *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  uint64_t d = v - UINT64_C(0x3030303030303030);
  if (((v + UINT64_C(0x4646464646464646)) | d) & UINT64_C(0x8080808080808080)) return UINT32_MAX;
  d = d * 10 + (d >> 8); /* pairs in every second byte */
  return (uint32_t)((((d & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064)) +
                     (((d >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001))) >>
                    32);
}

/* Digits at p, up to end: their count, or 0 if there are none or the value does not fit. */
static size_t digits_parse(const char *p, const char *end, uint64_t *value) {
  uint64_t v = 0;
  size_t   n = 0;
  /* Nanoseconds since 1970 have 19 digits until 2286: two SWAR steps, then three by hand. */
  if (end - p >= 16) {
    uint32_t high = eight_digits(p), low = eight_digits(p + 8);
    if (high != UINT32_MAX && low != UINT32_MAX) {
      v = (uint64_t)high * 100000000 + low;
      n = 16;
    }
  }
  for (; p + n < end && p[n] >= '0' && p[n] <= '9'; n++) {
    uint64_t digit = (uint64_t)(p[n] - '0');
    if (v > (UINT64_MAX - digit) / 10) return 0;
    v = v * 10 + digit;
  }
  *value = v;
  return n;
}

/* "1633998512.0633569" as ns: exact, digits after the ninth are dropped. Returns the bytes used, 0
 * if it is no such number. */
static size_t seconds_parse(const char *p, const char *end, uint64_t *ns) {
  uint64_t whole;
  size_t   n = digits_parse(p, end, &whole);
  if (n == 0 || whole > UINT64_MAX / TF_NS_PER_SEC - 1) return 0;
  uint64_t part = 0;
  if (p + n < end && p[n] == '.') {
    uint64_t scale = TF_NS_PER_SEC;
    size_t   point = n++;
    for (; p + n < end && p[n] >= '0' && p[n] <= '9'; n++) {
      if (scale == 1) continue;
      scale /= 10;
      part += (uint64_t)(p[n] - '0') * scale;
    }
    if (n == point + 1) return 0;
  }
  *ns = whole * TF_NS_PER_SEC + part;
  return n;
}

TF_COLD tf_recorded_kind_t tf_recorded_line_fault(char *line, size_t line_bytes,
                                                  tf_record_t *record, tf_record_fault_t why) {
  record->bytes     = line;
  record->bytes_cnt = (uint32_t)line_bytes;
  record->kind      = TF_FRAME_TEXT;
  record->fault     = (uint8_t)why;
  record->target    = NULL;
  record->conn      = NULL;
  return TF_RECORDED_FAULT;
}

/* ---- `<recv_ns> <json>` --------------------------------------------------------------------*/

#define BARE_SNAPSHOT       "{\"lastUpdateId\""
#define BARE_SNAPSHOT_BYTES (sizeof BARE_SNAPSHOT - 1)

tf_recorded_kind_t tf_recorded_line_parse(char *line, size_t line_bytes, tf_record_t *record) {
  char  *end    = line + line_bytes;
  size_t digits = digits_parse(line, end, &record->recv_ns);
  if (TF_UNLIKELY(digits == 0 || digits == line_bytes || line[digits] != ' '))
    return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_NO_TIME);
  char *text = line + digits + 1;
  if (TF_UNLIKELY(end > text && end[-1] == '\r')) end--;
  if (TF_UNLIKELY(text == end))
    return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_NO_MESSAGE);
  record->bytes     = text;
  record->bytes_cnt = (uint32_t)(end - text);
  record->fault     = TF_RECORD_OK;
  record->target    = NULL;
  record->conn      = NULL;
  record->kind      = record->bytes_cnt > BARE_SNAPSHOT_BYTES &&
                         memcmp(text, BARE_SNAPSHOT, BARE_SNAPSHOT_BYTES) == 0
                          ? TF_FRAME_HTTP
                          : TF_FRAME_TEXT;
  return TF_RECORDED_MESSAGE;
}

/* ---- `{"case":"trade::spot","raw":{...}}` -----------------------------------------------------*/

#define CASE_BEGIN "{\"case\":\""
#define CASE_RAW   "\",\"raw\":"

tf_recorded_kind_t tf_recorded_line_parse_case(char *line, size_t line_bytes, tf_record_t *record) {
  static const size_t begin_bytes = sizeof CASE_BEGIN - 1, raw_bytes = sizeof CASE_RAW - 1;
  char               *end = line + line_bytes;
  while (end > line && (end[-1] == '\r' || end[-1] == ' ')) end--;
  size_t cnt   = (size_t)(end - line);
  bool   whole = cnt > begin_bytes && memcmp(line, CASE_BEGIN, begin_bytes) == 0 && end[-1] == '}';
  char  *raw   = whole ? memmem(line + begin_bytes, cnt - begin_bytes, CASE_RAW, raw_bytes) : NULL;
  if (!raw) return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_BAD_LINE);
  raw += raw_bytes;
  end--;
  if (raw >= end) return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_NO_MESSAGE);
  record->bytes     = raw;
  record->bytes_cnt = (uint32_t)(end - raw);
  record->kind      = TF_FRAME_TEXT;
  record->fault     = TF_RECORD_OK;
  record->recv_ns   = record->line_no;
  record->target    = NULL;
  record->conn      = NULL;
  return TF_RECORDED_MESSAGE;
}

/* ---- JSONL ---------------------------------------------------------------------------------*/

typedef struct span {
  const char *p;
  size_t      cnt;
} span_t;

typedef struct fields { /* p is NULL where the line has none; strings without their quotes */
  span_t t, conn, addr, ts, url, data, b64;
} fields_t;

static const char *space_skip(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) p++;
  return p;
}

/* p is behind the opening quote. Returns the closing one, or NULL. */
static const char *string_end(const char *p, const char *end) {
  while (p < end && *p != '"') p += *p == '\\' ? 2 : 1;
  return p < end ? p : NULL;
}

/* A number, word, object or array, whose inside does not matter: up to the ',' or '}' that ends it
 * at this level. */
static const char *value_skip(const char *p, const char *end) {
  uint32_t depth = 0;
  for (; p < end; p++) {
    if (*p == '"') {
      p = string_end(p + 1, end);
      if (!p) return NULL;
    } else if (*p == '{' || *p == '[') {
      depth++;
    } else if (*p == '}' || *p == ']') {
      if (depth == 0) return p;
      depth--;
    } else if (*p == ',' && depth == 0) {
      return p;
    }
  }
  return NULL;
}

static span_t *field_of(fields_t *f, span_t key) {
  static const struct {
    const char *name;
    size_t      offset;
  } known[] = {
      {"t",    offsetof(fields_t, t)   },
      {"conn", offsetof(fields_t, conn)},
      {"addr", offsetof(fields_t, addr)},
      {"ts",   offsetof(fields_t, ts)  },
      {"url",  offsetof(fields_t, url) },
      {"data", offsetof(fields_t, data)},
      {"b64",  offsetof(fields_t, b64) }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(known); i++)
    if (strlen(known[i].name) == key.cnt && memcmp(known[i].name, key.p, key.cnt) == 0)
      return (span_t *)((char *)f + known[i].offset);
  return NULL;
}

/* The known members of one flat object. ts must be a bare value, the others strings; the first of
 * two members of a name counts. */
static bool fields_find(const char *p, const char *end, fields_t *f) {
  *f = (fields_t){0};
  p  = space_skip(p, end);
  if (p == end || *p++ != '{') return false;
  for (;;) {
    p = space_skip(p, end);
    if (p == end || *p++ != '"') return false;
    const char *key_end = string_end(p, end);
    if (!key_end) return false;
    span_t key = {p, (size_t)(key_end - p)};
    p          = space_skip(key_end + 1, end);
    if (p == end || *p++ != ':') return false;
    p                = space_skip(p, end);
    bool        text = p < end && *p == '"';
    const char *stop = text ? string_end(++p, end) : value_skip(p, end);
    if (!stop) return false;
    span_t *target = field_of(f, key);
    if (target && !target->p && text == (target != &f->ts))
      *target = (span_t){p, (size_t)(stop - p)};
    p = space_skip(text ? stop + 1 : stop, end);
    if (p == end) return false;
    if (*p == '}') return space_skip(p + 1, end) == end;
    if (*p++ != ',') return false;
  }
}

static int hex4(const char *p, const char *end) {
  if (end - p < 4) return -1;
  int v = 0;
  for (int i = 0; i < 4; i++) {
    int c = p[i], low = c | 0x20;
    int digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
    if (digit < 0) return -1;
    v = v << 4 | digit;
  }
  return v;
}

/* \uXXXX at p (behind the u), with its low half where it is a high surrogate. Writes UTF-8 at w.
 * Returns the bytes used of p, 0 for a bad one or a lone surrogate (it is no text). */
static size_t unicode_unescape(const char *p, const char *end, char **w) {
  int    high = hex4(p, end);
  size_t used = 4;
  if (high < 0 || (high >= 0xdc00 && high <= 0xdfff)) return 0;
  uint32_t c = (uint32_t)high;
  if (high >= 0xd800 && high <= 0xdbff) {
    if (end - p < 10 || p[4] != '\\' || p[5] != 'u') return 0;
    int low = hex4(p + 6, end);
    if (low < 0xdc00 || low > 0xdfff) return 0;
    c    = 0x10000 + (((uint32_t)high & 0x3ff) << 10 | ((uint32_t)low & 0x3ff));
    used = 10;
  }
  char *t = *w;
  if (c < 0x80) {
    *t++ = (char)c;
  } else if (c < 0x800) {
    *t++ = (char)(0xc0 | c >> 6);
    *t++ = (char)(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    *t++ = (char)(0xe0 | c >> 12);
    *t++ = (char)(0x80 | (c >> 6 & 0x3f));
    *t++ = (char)(0x80 | (c & 0x3f));
  } else {
    *t++ = (char)(0xf0 | c >> 18);
    *t++ = (char)(0x80 | (c >> 12 & 0x3f));
    *t++ = (char)(0x80 | (c >> 6 & 0x3f));
    *t++ = (char)(0x80 | (c & 0x3f));
  }
  *w = t;
  return used;
}

/* Takes the escapes out of [p, p + cnt), in place. False for a bad escape. */
static bool unescape(char *p, size_t cnt, size_t *out_cnt) {
  const char *r = p, *end = p + cnt;
  char       *w = p;
  while (r < end) {
    if (TF_LIKELY(*r != '\\')) {
      *w++ = *r++;
      continue;
    }
    r++;
    if (r == end) return false;
    char c = *r++;
    switch (c) {
    case '"':
    case '\\':
    case '/': *w++ = c; break;
    case 'b': *w++ = '\b'; break;
    case 'f': *w++ = '\f'; break;
    case 'n': *w++ = '\n'; break;
    case 'r': *w++ = '\r'; break;
    case 't': *w++ = '\t'; break;
    case 'u': {
      size_t used = unicode_unescape(r, end, &w);
      if (used == 0) return false;
      r += used;
      break;
    }
    default: return false;
    }
  }
  *out_cnt = (size_t)(w - p);
  return true;
}

static int sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 base64 with padding, in place. False if it is not exactly that. */
static bool base64_decode(char *p, size_t cnt, size_t *out_cnt) {
  if (cnt % 4 != 0) return false;
  size_t pad = cnt && p[cnt - 1] == '=' ? (p[cnt - 2] == '=' ? 2 : 1) : 0;
  char  *w   = p;
  for (size_t i = 0; i < cnt; i += 4) {
    size_t   from = i + 4 == cnt ? 4 - pad : 4;
    uint32_t v    = 0;
    for (size_t k = 0; k < 4; k++) {
      int s = k < from ? sextet(p[i + k]) : 0;
      if (s < 0) return false;
      v = v << 6 | (uint32_t)s;
    }
    if (from < 4 && v << (8 * (from - 1) + 8) != 0) return false; /* bits that mean nothing */
    for (size_t k = 0; k + 1 < from; k++) *w++ = (char)(v >> (16 - 8 * k));
  }
  *out_cnt = (size_t)(w - p);
  return true;
}

/* The path and query of a URL that has been NUL-terminated; inside the URL in any case, so that it
 * moves with its line. */
static const char *target_of(char *url) {
  char *host = strstr(url, "://");
  if (!host) return url;
  char *path = strchr(host + 3, '/');
  return path ? path : strcpy(url, "/");
}

static bool is_word(span_t s, const char *word) {
  return s.p && s.cnt == strlen(word) && memcmp(s.p, word, s.cnt) == 0;
}

tf_recorded_kind_t tf_recorded_line_parse_jsonl(char *line, size_t line_bytes,
                                                tf_record_t *record) {
  fields_t f;
  char    *end = line + line_bytes;
  if (!fields_find(line, end, &f))
    return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_BAD_LINE);
  if (is_word(f.t, "header")) return TF_RECORDED_HEADER;
  if (is_word(f.t, "connect")) return TF_RECORDED_CONNECT;
  if (is_word(f.t, "send")) return TF_RECORDED_SEND;
  bool http = is_word(f.t, "http");
  if (!http && !is_word(f.t, "recv"))
    return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_BAD_LINE);
  size_t used = f.ts.p ? seconds_parse(f.ts.p, f.ts.p + f.ts.cnt, &record->recv_ns) : 0;
  if (used == 0 || space_skip(f.ts.p + used, f.ts.p + f.ts.cnt) != f.ts.p + f.ts.cnt)
    return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_NO_TIME);
  span_t body = f.data.p ? f.data : f.b64;
  if (!body.p || body.cnt == 0)
    return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_NO_MESSAGE);
  char  *text = line + (body.p - line);
  size_t cnt = 0, url_cnt = 0;
  bool   plain = f.data.p != NULL;
  if (!(plain ? unescape(text, body.cnt, &cnt) : base64_decode(text, body.cnt, &cnt)))
    return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_BAD_LINE);
  record->target = NULL;
  record->conn   = NULL;
  if (http && f.url.p) {
    char *url = line + (f.url.p - line);
    if (!unescape(url, f.url.cnt, &url_cnt) || memchr(url, 0, url_cnt))
      return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_BAD_LINE);
    url[url_cnt]   = 0;
    record->target = target_of(url);
  }
  if (f.conn.p) {
    record->conn                                  = f.conn.p;
    line[f.conn.p - line + (ptrdiff_t)f.conn.cnt] = 0; /* its closing quote */
  }
  record->bytes     = text;
  record->bytes_cnt = (uint32_t)cnt;
  record->kind      = http ? TF_FRAME_HTTP : plain ? TF_FRAME_TEXT : TF_FRAME_BINARY;
  record->fault     = TF_RECORD_OK;
  return TF_RECORDED_MESSAGE;
}

bool tf_recorded_line_peek_jsonl(const char *line, size_t line_bytes, uint64_t *recv_ns, char *conn,
                                 size_t conn_cap) {
  fields_t f;
  memset(conn, 0, conn_cap);
  if (!fields_find(line, line + line_bytes, &f) || !f.ts.p) return false;
  if (!is_word(f.t, "http") && !is_word(f.t, "recv")) return false;
  if (f.conn.p) memcpy(conn, f.conn.p, f.conn.cnt < conn_cap ? f.conn.cnt : conn_cap - 1);
  return seconds_parse(f.ts.p, f.ts.p + f.ts.cnt, recv_ns) != 0;
}

static void keep_name(char *name, const char *p, size_t cnt) {
  if (cnt > TF_RECORDED_NAME_BYTES - 1) cnt = TF_RECORDED_NAME_BYTES - 1;
  memcpy(name, p, cnt);
  name[cnt] = 0;
}

bool tf_recorded_line_peek_connect(const char *line, size_t line_bytes, char *conn, char *path) {
  fields_t f;
  if (!fields_find(line, line + line_bytes, &f) || !is_word(f.t, "connect")) return false;
  if (!f.conn.p || !f.addr.p) return false;
  const char *end  = f.addr.p + f.addr.cnt;
  const char *host = memmem(f.addr.p, f.addr.cnt, "://", 3);
  const char *at   = host ? memchr(host + 3, '/', (size_t)(end - host - 3)) : NULL;
  keep_name(conn, f.conn.p, f.conn.cnt);
  const char *query = at ? memchr(at, '?', (size_t)(end - at)) : NULL;
  keep_name(path, at ? at : "/", at ? (size_t)((query ? query : end) - at) : 1);
  return true;
}

/* ---- `{"instrument":"BTCUSDT.DESK","kind":"trade",...}` ----------------------------------------*/

#define EVENT_TIME "\"ts_recv_ns\":" /* inside a text its second quote would be escaped */

tf_recorded_kind_t tf_recorded_line_parse_event(char *line, size_t line_bytes,
                                                tf_record_t *record) {
  static const size_t time_bytes = sizeof EVENT_TIME - 1;
  char               *end        = line + line_bytes;
  uint64_t            recv_ns;
  while (end > line && (end[-1] == '\r' || end[-1] == ' ')) end--;
  if (end == line) return TF_RECORDED_BLANK;
  const char *time = memmem(line, (size_t)(end - line), EVENT_TIME, time_bytes);
  if (time) {
    time += time_bytes;
    while (time < end && *time == ' ') time++;
    if (digits_parse(time, end, &recv_ns) > 0 && recv_ns > 0) record->recv_ns = recv_ns;
  }
  record->bytes     = line;
  record->bytes_cnt = (uint32_t)(end - line);
  record->kind      = TF_FRAME_TEXT;
  record->fault     = TF_RECORD_OK;
  record->target    = NULL;
  record->conn      = NULL;
  return TF_RECORDED_MESSAGE;
}

/* ---- RAW -----------------------------------------------------------------------------------*/

tf_recorded_kind_t tf_recorded_line_parse_raw(char *line, size_t line_bytes, tf_record_t *record) {
  char *end = line + line_bytes, *p = line;
  if (end > line && end[-1] == '\r') end--;
  if (p == end) return TF_RECORDED_BLANK;
  record->target = NULL;
  record->conn   = NULL;
  record->kind   = TF_FRAME_TEXT;
  if (*p < '0' || *p > '9') {
    char  *space = memchr(p, ' ', (size_t)(end - p));
    size_t rest  = space ? (size_t)(end - space) : 0;
    if (rest > 5 && memcmp(space, " <-> ", 5) == 0) return TF_RECORDED_CONNECT;
    if (rest > 4 && memcmp(space, " <- ", 4) == 0) return TF_RECORDED_SEND;
    if (rest > 0 && space - line == 14 && memcmp(line, "configuration:", 14) == 0)
      return TF_RECORDED_HEADER;
    if (rest <= 4 || memcmp(space, " -> ", 4) != 0)
      return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_NO_TIME);
    record->kind = TF_FRAME_HTTP;
    p            = space + 4;
  }
  size_t used = seconds_parse(p, end, &record->recv_ns);
  if (used == 0 || end - p < (ptrdiff_t)used + 2 || p[used] != ':' || p[used + 1] != ' ')
    return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_NO_TIME);
  char *text = p + used + 2;
  if (text == end) return tf_recorded_line_fault(line, line_bytes, record, TF_RECORD_NO_MESSAGE);
  if (record->kind == TF_FRAME_HTTP) {
    p[-4]          = 0; /* the space behind the URL */
    record->target = target_of(line);
  }
  record->bytes     = text;
  record->bytes_cnt = (uint32_t)(end - text);
  record->fault     = TF_RECORD_OK;
  return TF_RECORDED_MESSAGE;
}

void tf_recorded_line_show(const char *bytes, size_t bytes_cnt, char *text, size_t text_cap) {
  size_t n = bytes_cnt < text_cap - 1 ? bytes_cnt : text_cap - 1;
  for (size_t i = 0; i < n; i++) text[i] = bytes[i] >= ' ' && bytes[i] < 0x7f ? bytes[i] : '.';
  text[n] = 0;
}
