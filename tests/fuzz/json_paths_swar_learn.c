/* And how it learns them. */
#include "../../adapters/wire/json_layout_learn.c"
