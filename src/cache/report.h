/* The parts of a report that load, save and clear fill in alike. Threads: one at a time. */
#ifndef CACHE_REPORT_H
#define CACHE_REPORT_H

#include "cache/names.h"

void report_key(struct b10_report *report, const char *key);
void report_archive(struct b10_report *report, const struct volume *volume, const char *key);
void report_token(struct b10_report *report, const char *token);
void report_destination(struct b10_report *report, const char *directory);

#endif
