#include "CAllocator.h"

#include <jemalloc/jemalloc.h>
#include <stddef.h>

/// As in the server.
const char *malloc_conf = "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:5000";

uint64_t bench_thread_allocated(void) {
    uint64_t bytes = 0;
    size_t size = sizeof(bytes);
    return mallctl("thread.allocated", &bytes, &size, NULL, 0) == 0 ? bytes : 0;
}
