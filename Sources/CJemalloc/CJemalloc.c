#include "CJemalloc.h"

/// Read by jemalloc before main: background threads give dirty pages back; large blocks begin on a page of their own, so that a slab chunk of
/// whole pages costs exactly its pages.
const char *malloc_conf = "background_thread:true,cache_oblivious:false,dirty_decay_ms:5000,muzzy_decay_ms:5000";
