#include "cache/report.h"

#include <stdio.h>

/* A path that does not fit is reported cut off; nothing is decided by it. */
static void copy_text(char *to, size_t size, const char *text)
{
    if (snprintf(to, size, "%s", text) >= (int)size)
        to[size - 1] = '\0';
}

void report_key(struct b10_report *report, const char *key)
{
    copy_text(report->environment_key, sizeof(report->environment_key), key);
}

void report_archive(struct b10_report *report, const struct volume *volume, const char *key)
{
    char name[NAMES_SIZE];
    names_archive(name, key);
    if (snprintf(report->archive, sizeof(report->archive), "%s/%s", volume->path, name) < 0)
        report->archive[0] = '\0';
}

void report_token(struct b10_report *report, const char *token)
{
    copy_text(report->archive_token, sizeof(report->archive_token), token);
}

void report_destination(struct b10_report *report, const char *directory)
{
    copy_text(report->destination, sizeof(report->destination), directory);
}
