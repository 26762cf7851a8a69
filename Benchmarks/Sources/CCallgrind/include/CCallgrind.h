#ifndef CCALLGRIND_H
#define CCALLGRIND_H

#include <stdbool.h>

/// Whether valgrind's header was there when this was built: without it nothing below does anything.
bool bench_can_mark(void);

/// From here on callgrind counts. A few instructions that do nothing where it does not watch.
void bench_count_begin(void);

/// Up to here.
void bench_count_end(void);

#endif
