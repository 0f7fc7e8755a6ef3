#include "boot/config_tree.h"
#include "core/text.h"

#include <string.h>
#include <yaml.h>

/* A text that is wrong in every line is not read to its end. */
#define ERRORS_UNLISTED_MAX 100

typedef struct builder {
  tf_config_pool_t        *pool;
  tf_config_errors_t      *errors;
  const tf_config_input_t *input;
  tf_config_node_t        *root;
  tf_config_node_t        *open[TF_CONFIG_DEPTH_MAX];
  uint32_t                 depth;
  const char              *key; /* read, its value not yet */
  uint32_t                 key_line, key_col;
  bool                     key_twice;
  uint32_t                 document_cnt;
  bool                     failed; /* nothing after this point can be trusted */
} builder_t;

tf_config_node_t *tf_config_tree_child(const tf_config_node_t *node, const char *key) {
  if (!node || node->kind != TF_CONFIG_MAP) return NULL;
  for (tf_config_node_t *child = node->first; child; child = child->next)
    if (strcmp(child->key, key) == 0) return child;
  return NULL;
}

void tf_config_tree_append(tf_config_node_t *parent, tf_config_node_t *child) {
  child->next = NULL;
  if (parent->last)
    parent->last->next = child;
  else
    parent->first = child;
  parent->last = child;
  parent->child_cnt++;
}

static void report(builder_t *b, tf_err_t code, yaml_mark_t mark, const char *text) {
  uint32_t line = (uint32_t)mark.line + 1, col = (uint32_t)mark.column + 1;
  char     place[512];
  snprintf(place, sizeof place, "%s:%u:%u", b->input->label, line, col);
  tf_config_report_add(b->errors, code, b->input->source, line, col,
                       b->input->is_file ? place : b->input->label, "", "%s", text);
  if (b->errors->more_cnt >= ERRORS_UNLISTED_MAX) b->failed = true;
}

static void fail(builder_t *b, tf_err_t code, yaml_mark_t mark, const char *text) {
  report(b, code, mark, text);
  b->failed = true;
}

static void no_memory(builder_t *b) {
  tf_config_report_add(b->errors, E_CORE_NO_MEMORY, b->input->source, 0, 0, b->input->label, "",
                       "no memory for its contents");
  b->failed = true;
}

/* Hangs a finished or opening node into the innermost collection, or makes it the root. */
static tf_config_node_t *add_node(builder_t *b, tf_config_node_kind_t kind, yaml_mark_t mark) {
  tf_config_node_t *node = tf_config_pool_take(b->pool, sizeof *node);
  if (!node) return no_memory(b), NULL;
  node->kind   = (uint8_t)kind;
  node->source = b->input->source;
  node->line   = (uint32_t)mark.line + 1;
  node->col    = (uint32_t)mark.column + 1;
  if (b->depth == 0) {
    b->root = node;
    return node;
  }
  tf_config_node_t *parent = b->open[b->depth - 1];
  if (parent->kind == TF_CONFIG_MAP) {
    node->key      = b->key;
    node->key_line = b->key_line;
    node->key_col  = b->key_col;
    b->key         = NULL;
    if (b->key_twice) return node; /* reported; stays outside the tree */
  }
  tf_config_tree_append(parent, node);
  return node;
}

static void take_key(builder_t *b, const yaml_event_t *event) {
  const char *name     = (const char *)event->data.scalar.value;
  size_t      name_cnt = event->data.scalar.length;
  char        found[TF_CONFIG_FOUND_BYTES], text[256];
  b->key = tf_config_pool_text(b->pool, name, name_cnt);
  if (!b->key) {
    no_memory(b);
    return;
  }
  b->key_line                    = (uint32_t)event->start_mark.line + 1;
  b->key_col                     = (uint32_t)event->start_mark.column + 1;
  tf_config_node_t       *parent = b->open[b->depth - 1];
  const tf_config_node_t *other  = tf_config_tree_child(parent, b->key);
  b->key_twice                   = other != NULL;
  tf_text_escape(name, name_cnt, found, sizeof found);
  if (strlen(b->key) != name_cnt) {
    fail(b, E_CONFIG_SYNTAX, event->start_mark, "a key with a NUL in it");
  } else if (parent->child_cnt == TF_CONFIG_MAP_KEYS_MAX) {
    snprintf(text, sizeof text, "more than %d keys in one mapping", TF_CONFIG_MAP_KEYS_MAX);
    fail(b, E_CONFIG_SYNTAX, event->start_mark, text);
  } else if (other) {
    snprintf(text, sizeof text, "key \"%s\" is given twice; first at %u:%u", found, other->key_line,
             other->key_col);
    report(b, E_CONFIG_KEY, event->start_mark, text);
  }
}

static bool expects_key(const builder_t *b) {
  return b->depth > 0 && b->open[b->depth - 1]->kind == TF_CONFIG_MAP && !b->key;
}

/* Reports what YAML hangs onto a node. */
static void refuse_properties(builder_t *b, const yaml_event_t *event, const yaml_char_t *anchor,
                              const yaml_char_t *tag) {
  if (anchor)
    report(b, E_CONFIG_SYNTAX, event->start_mark,
           "an anchor (&); anchors and aliases are refused, write the value out");
  if (tag)
    report(b, E_CONFIG_SYNTAX, event->start_mark,
           "a tag (!); tags are refused, the key decides the type");
}

static void take_scalar(builder_t *b, const yaml_event_t *event) {
  tf_config_node_t *node = add_node(b, TF_CONFIG_SCALAR, event->start_mark);
  if (!node) return;
  node->plain    = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  node->text_cnt = (uint32_t)event->data.scalar.length;
  node->text     = tf_config_pool_text(b->pool, (const char *)event->data.scalar.value,
                                       event->data.scalar.length);
  if (!node->text) {
    no_memory(b);
    return;
  }
  for (uint32_t i = 0; i < node->text_cnt; i++) {
    if ((unsigned char)node->text[i] >= 0x20 && node->text[i] != 0x7F) continue;
    report(b, E_CONFIG_SYNTAX, event->start_mark,
           "text with a line break or control character in it; write it on one line, or with >-");
    node->kind = TF_CONFIG_POISON;
    return;
  }
}

static void open_collection(builder_t *b, const yaml_event_t *event) {
  bool is_map = event->type == YAML_MAPPING_START_EVENT;
  if (is_map)
    refuse_properties(b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
  else
    refuse_properties(b, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
  bool        is_flow = is_map ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                               : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
  const char *why     = NULL;
  if (expects_key(b)) why = "a collection as a key; a key is text";
  if (b->depth == TF_CONFIG_DEPTH_MAX) why = "nested deeper than 16 levels";
  if (!b->input->is_file && !is_flow) why = "a value here is a scalar, [a, b] or {key: value}";
  if (why) {
    fail(b, E_CONFIG_SYNTAX, event->start_mark, why);
    return;
  }
  tf_config_node_t *node = add_node(b, is_map ? TF_CONFIG_MAP : TF_CONFIG_LIST, event->start_mark);
  if (node) b->open[b->depth++] = node;
}

static void take_document(builder_t *b, const yaml_event_t *event) {
  if (event->data.document_start.tag_directives.start !=
      event->data.document_start.tag_directives.end)
    report(b, E_CONFIG_SYNTAX, event->start_mark, "a %TAG directive; tags are refused");
  if (++b->document_cnt > 1)
    fail(b, E_CONFIG_SYNTAX, event->start_mark, "a second document; a config is one document");
}

static void take_event(builder_t *b, const yaml_event_t *event) {
  switch (event->type) {
  case YAML_DOCUMENT_START_EVENT: take_document(b, event); break;
  case YAML_SCALAR_EVENT:
    refuse_properties(b, event, event->data.scalar.anchor, event->data.scalar.tag);
    if (expects_key(b))
      take_key(b, event);
    else
      take_scalar(b, event);
    break;
  case YAML_SEQUENCE_START_EVENT:
  case YAML_MAPPING_START_EVENT: open_collection(b, event); break;
  case YAML_SEQUENCE_END_EVENT:
  case YAML_MAPPING_END_EVENT: b->depth--; break;
  case YAML_ALIAS_EVENT:
    report(b, E_CONFIG_SYNTAX, event->start_mark,
           "an alias (*); anchors and aliases are refused, write the value out");
    if (expects_key(b))
      b->failed = true;
    else
      add_node(b, TF_CONFIG_POISON, event->start_mark);
    break;
  default: break;
  }
}

/* libyaml's own words, with the place where the construct began where that helps. */
static void parser_failed(builder_t *b, const yaml_parser_t *parser) {
  char text[256];
  if (parser->error == YAML_MEMORY_ERROR) {
    no_memory(b);
    return;
  }
  if (parser->context && strstr(parser->context, "alias"))
    snprintf(text, sizeof text, "%s, %s; a text that begins with * goes in quotes", parser->problem,
             parser->context);
  else if (parser->context && parser->context_mark.line != parser->problem_mark.line)
    snprintf(text, sizeof text, "%s, %s begun at %zu:%zu", parser->problem, parser->context,
             parser->context_mark.line + 1, parser->context_mark.column + 1);
  else if (parser->context)
    snprintf(text, sizeof text, "%s, %s", parser->problem, parser->context);
  else
    snprintf(text, sizeof text, "%s", parser->problem ? parser->problem : "not YAML");
  fail(b, E_CONFIG_SYNTAX, parser->problem_mark, text);
}

tf_config_node_t *tf_config_tree_parse(tf_config_pool_t *pool, tf_config_errors_t *errors,
                                       const tf_config_input_t *input) {
  builder_t     b = {.pool = pool, .errors = errors, .input = input};
  yaml_parser_t parser;
  yaml_event_t  event;
  if (!yaml_parser_initialize(&parser)) return no_memory(&b), NULL;
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, (const unsigned char *)input->text, input->text_cnt);
  bool more = true;
  while (more && !b.failed) {
    if (!yaml_parser_parse(&parser, &event)) {
      parser_failed(&b, &parser);
      break;
    }
    more = event.type != YAML_STREAM_END_EVENT;
    take_event(&b, &event);
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&parser);
  if (b.failed) return NULL;
  if (!b.root) {
    tf_config_node_t *node = add_node(&b, TF_CONFIG_SCALAR, (yaml_mark_t){0});
    if (!node) return NULL;
    node->plain = true;
    node->text  = "";
  }
  return b.root;
}
