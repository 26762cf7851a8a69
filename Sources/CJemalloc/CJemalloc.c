#include "CJemalloc.h"

#include <jemalloc/jemalloc.h>
#include <stdint.h>
#include <stdio.h>

/// Read by jemalloc before main: background threads give dirty pages back. Debian's jemalloc is built without cache-oblivious placement, so
/// a slab chunk of whole pages costs exactly its pages; the option that says so is unknown to it.
const char *malloc_conf = "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:5000";

const char *presenced_jemalloc_version(void) {
    const char *version = "unknown";
    size_t size = sizeof(version);
    mallctl("version", &version, &size, NULL, 0);
    return version;
}

void presenced_jemalloc_refresh(void) {
    uint64_t epoch = 1;
    mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
}

size_t presenced_jemalloc_figure(const char *name) {
    size_t figure = 0;
    size_t size = sizeof(figure);
    return mallctl(name, &figure, &size, NULL, 0) == 0 ? figure : 0;
}

int presenced_jemalloc_purge(void) {
    char name[32];
    snprintf(name, sizeof(name), "arena.%d.purge", MALLCTL_ARENAS_ALL);
    return mallctl(name, NULL, NULL, NULL, 0);
}
