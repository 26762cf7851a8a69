#ifndef CJEMALLOC_H
#define CJEMALLOC_H

#include <stddef.h>

/// The version of jemalloc that is linked, such as "5.3.0-0-g54eaed1"; never NULL, lives as long as the process.
const char *presenced_jemalloc_version(void);

/// Begins a new epoch: figures read from now on are of now.
void presenced_jemalloc_refresh(void);

/// A figure in bytes, such as "stats.allocated"; 0 if there is none of that name.
size_t presenced_jemalloc_figure(const char *name);

/// Gives the pages of all arenas that are not in use back to the system; 0 if that worked.
int presenced_jemalloc_purge(void);

#endif
