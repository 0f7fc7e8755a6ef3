/* A message that is not what was agreed: one mutation of a JSON text, by seed. Works on the text, so
 * that what is not touched keeps every digit. No state. */
#ifndef SIM_MUTATE_H
#define SIM_MUTATE_H

#include "tf/base.h"

typedef enum sim_mutation {
  SIM_MUTATE_FIELD_NEW,     /* a field more, in the outermost object */
  SIM_MUTATE_FIELD_MISSING, /* one of its scalar fields, anywhere */
  SIM_MUTATE_FIELD_RENAMED,
  SIM_MUTATE_FIELD_TYPE, /* a string for a number, a number for a string */
  SIM_MUTATE_FIELD_NULL,
  SIM_MUTATE_TYPE_UNKNOWN, /* what says the message's type says something else */
  SIM_MUTATE_NUMBER,       /* a decimal is 0, negative, no number, immense, of 40 digits, empty */
  SIM_MUTATE_TIME /* a time is 0, in another unit, an hour ahead, long ago, a leap second */
} sim_mutation_t;

/* The mutated text in out, and its length; 0: nothing in it can be mutated so, or it does not fit. rng: the
 * faults' (tool_random). */
size_t sim_mutate(sim_mutation_t mutation, uint64_t *rng, const char *text, size_t cnt, char *out,
                  size_t cap);

/* Each mention of name with its last letter made a Greek one; with is_long: of 64 KiB of them. */
size_t sim_mutate_name(const char *name, bool is_long, const char *text, size_t cnt, char *out,
                       size_t cap);

#endif
