/* And its layouts. */
#include "../../adapters/wire/json_layout.c"
