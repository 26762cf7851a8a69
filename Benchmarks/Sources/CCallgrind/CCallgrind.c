#include "CCallgrind.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>

bool bench_can_mark(void) { return true; }
void bench_count_begin(void) { CALLGRIND_START_INSTRUMENTATION; }
void bench_count_end(void) { CALLGRIND_STOP_INSTRUMENTATION; }
#else
bool bench_can_mark(void) { return false; }
void bench_count_begin(void) {}
void bench_count_end(void) {}
#endif
