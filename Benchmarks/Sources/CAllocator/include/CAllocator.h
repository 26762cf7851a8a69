#ifndef CALLOCATOR_H
#define CALLOCATOR_H

#include <stdint.h>

/// Bytes that the calling thread has allocated since it began, freed ones too.
uint64_t bench_thread_allocated(void);

#endif
