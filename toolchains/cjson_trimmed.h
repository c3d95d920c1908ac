/* SPDX-License-Identifier: MIT
 * cJSON as tocsin builds it for devices: read before cJSON.c, in place of what that would take of the C library. It
 * has no memory but what its hooks give (src/wire/reply_json.cpp sets them), and its own way to read a number. That
 * leaves the C library's heap and its strtod out of the program, 12 KiB on 32-bit ARM. (Tests use cJSON with the heap
 * too: TOCSIN_CJSON_HEAP.)
 */
#ifndef TOCSIN_CJSON_TRIMMED_H
#define TOCSIN_CJSON_TRIMMED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef TOCSIN_CJSON_HEAP
static void *tocsin_no_malloc(size_t size) {
  (void)size;
  return NULL;
}
static void *tocsin_no_realloc(void *memory, size_t size) {
  (void)memory, (void)size;
  return NULL;
}
static void tocsin_no_free(void *memory) { (void)memory; }
#define malloc tocsin_no_malloc
#define realloc tocsin_no_realloc
#define free tocsin_no_free
/* Only cJSON's way of printing a number looks at one again, and nothing is printed: the C library's scanf needs a heap. */
#define sscanf(text, format, into) 0
#endif

/* -?digits[.digits][e[+-]digits], which reply_json.cpp has seen to. Whole numbers below 10^17 are read exactly, however
 * they are written; others to a few units in the last place, which is more than is asked of an answer's numbers. */
static double tocsin_strtod(const char *text, char **end) {
  const unsigned long long room = 100000000000000000ULL; /* 10^17: ten of it fit */
  const int minus = *text == '-';
  unsigned long long digits = 0;
  long scale = 0;
  double value;
  int behind_point = 0;
  for (text += minus; (*text >= '0' && *text <= '9') || *text == '.'; ++text) {
    if (*text == '.') {
      behind_point = 1;
    } else if (digits < room) {
      digits = digits * 10 + (unsigned)(*text - '0');
      scale -= behind_point;
    } else {
      scale += !behind_point;
    }
  }
  if (*text == 'e' || *text == 'E') {
    const int below = text[1] == '-';
    long exponent = 0;
    for (text += text[1] == '-' || text[1] == '+' ? 2 : 1; *text >= '0' && *text <= '9'; ++text)
      if (exponent < 100000) exponent = exponent * 10 + (*text - '0');
    scale += below ? -exponent : exponent;
  }
  memcpy(end, &text, sizeof text); /* what cJSON gives is another kind of pointer: an assignment might be lost */
  for (; scale < 0 && digits != 0 && digits % 10 == 0; ++scale) digits /= 10;
  for (; scale > 0 && digits < room; --scale) {
    if (digits == 0) break;
    digits *= 10;
  }
  value = (double)digits;
  for (; scale < 0 && value > 0; ++scale) value /= 10;
  for (; scale > 0 && value > 0 && value < 1e300; --scale) value *= 10;
  return minus ? -value : value;
}

#define strtod tocsin_strtod

/* Before every value it asks whether it is null, false or true: most differ in the first letter. There is no NUL in
 * what it reads. */
#define strncmp(a, b, n) (*(a) != *(b) || memcmp(a, b, n) != 0)

#endif
