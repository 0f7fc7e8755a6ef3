/* Text from outside, made safe to show. */
#ifndef TF_CORE_TEXT_H
#define TF_CORE_TEXT_H

#include "tf/base.h"

/* Writes text from outside into buf so that a terminal shows exactly what it is: quotes, control
 * bytes and everything beyond ASCII are escaped (\u0435 is not e; a byte that is not UTF-8 shows as
 * its value), long text is cut with "...". cap >= 16. Returns buf. */
const char *tf_text_escape(const char *text, size_t text_cnt, char *buf, size_t cap);

/* Control bytes of a text become '?', in place: an error text stays one line whatever it quotes. */
void tf_text_flatten(char *text);

#endif
