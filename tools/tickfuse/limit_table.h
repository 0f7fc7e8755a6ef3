/* What every input may be at most, in one table: limit_table.def. */
#ifndef TICKFUSE_LIMIT_TABLE_H
#define TICKFUSE_LIMIT_TABLE_H

#include <stdbool.h>
#include <stdio.h>

void tickfuse_print_limits(FILE *out, bool as_json);

#endif
