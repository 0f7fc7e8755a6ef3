#include "source/json_lines.h"

#include <string.h>

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

typedef struct scan {
  uint32_t depth; /* of what is open; 1: between an array's elements */
  bool     in_text, is_escaped;
  bool     is_array;
  bool     has_element; /* since the bracket or the last comma */
  bool     is_due;      /* an element, behind a comma */
  bool     is_over;     /* the array's end was read */
} scan_t;

/* A byte inside a string. */
static void step_text(scan_t *s, char c) {
  if (s->is_escaped)
    s->is_escaped = false;
  else if (c == '\\')
    s->is_escaped = true;
  else if (c == '"')
    s->in_text = false;
}

/* A byte that is no blank and in no string. False: it cannot stand there. */
static bool step(scan_t *s, char *c) {
  bool is_between = s->is_array && s->depth == 1;
  if (s->is_over) return false;
  if (*c == '{' || *c == '[') {
    s->depth++;
  } else if (*c == '}' || *c == ']') {
    bool ends_early = is_between && (*c != ']' || s->is_due);
    if (s->depth == 0 || ends_early) return false;
    s->depth--;
    if (is_between) {
      s->is_over = true;
      *c         = ' ';
    }
    return true;
  } else if (*c == '"') {
    s->in_text = true;
  } else if (*c == ',' && is_between) {
    if (!s->has_element) return false;
    s->has_element = false;
    s->is_due      = true;
    *c             = '\n';
    return true;
  }
  if (is_between) {
    s->has_element = true;
    s->is_due      = false;
  }
  return true;
}

bool tf_json_lines(char *bytes, size_t bytes_cnt) {
  size_t at = 0;
  scan_t s  = {0};
  while (at < bytes_cnt && is_blank(bytes[at])) at++;
  if (at < bytes_cnt && bytes[at] == '[') {
    s.is_array  = true;
    s.depth     = 1;
    bytes[at++] = ' ';
  }
  for (size_t i = 0; i < at; i++) bytes[i] = ' ';
  for (; at < bytes_cnt; at++) {
    if (s.in_text) {
      if (bytes[at] == '\n') return false; /* no string holds one */
      step_text(&s, bytes[at]);
    } else if (is_blank(bytes[at])) {
      bytes[at] = ' ';
    } else if (!step(&s, &bytes[at])) {
      return false;
    }
  }
  return !s.is_array || s.is_over;
}
