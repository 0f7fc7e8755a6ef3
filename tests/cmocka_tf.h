/* cmocka with the headers that it forgets to include itself. */
#ifndef TESTS_CMOCKA_TF_H
#define TESTS_CMOCKA_TF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
