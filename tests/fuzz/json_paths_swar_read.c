/* The rest of it: json.c defines names that the others define too. */
#include "../../adapters/wire/json.c"
#include "json_paths_swar_names.h"
