/* A JSON document that is one object, or an array of them, as the lines that the feed `events` reads: one an element, in
 * place. Only what holds an array together is looked at; what an element is, its reader says. Pure. */
#ifndef TF_SOURCE_JSON_LINES_H
#define TF_SOURCE_JSON_LINES_H

#include "tf/base.h"

/* Line ends inside elements become blanks, commas between them line ends, the brackets around them blanks. False: it is no array of
 * that kind, or does not end; the bytes are garbage then. A document that does not begin with '[' is one line. */
bool tf_json_lines(char *bytes, size_t bytes_cnt);

#endif
