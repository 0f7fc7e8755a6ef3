/* The rest of it: json.c defines names that the others define too. */
#include "json_paths_swar_names.h"

#include "../../adapters/wire/json.c"
