#include "cli/cmd_key_explain.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/text.h"

static const struct {
    const char *name; /* in JSON */
    const char *words;
} verdicts[] = {
    [B10_MATCH_EXACT] = {"EXACT", "a load takes it"},
    [B10_MATCH_FALLBACK] = {"FALLBACK", "a load falls back to it"},
    [B10_MATCH_OTHER] = {"OTHER", "made for another environment"},
    [B10_MATCH_UNREADABLE] = {"UNREADABLE", "unreadable"},
};

static size_t verdict_of(const b10_comparison *comparison)
{
    return comparison->match <= B10_MATCH_UNREADABLE ? comparison->match : B10_MATCH_OTHER;
}

enum { LINE_SIZE = sizeof(((b10_comparison *)NULL)->differences) };

/* The next line of *cursor, which moves behind it; false at the end. */
static bool next_line(const char **cursor, char line[LINE_SIZE])
{
    size_t length;
    const char *begin = text_line(cursor, &length);
    if (begin == NULL)
        return false;
    snprintf(line, LINE_SIZE, "%.*s", (int)length, begin);
    return true;
}

/* ---- text ---- */

static const char *age_of(int64_t created, char out[TEXT_SIZE])
{
    int64_t seconds = (int64_t)time(NULL) - created;
    uint64_t age = seconds > 0 ? (uint64_t)seconds : 0;
    if (age < 120)
        return text_count(age, "second", "seconds", out);
    if (age < 120 * 60)
        return text_count(age / 60, "minute", "minutes", out);
    if (age < 48 * 3600)
        return text_count(age / 3600, "hour", "hours", out);
    return text_count(age / 86400, "day", "days", out);
}

static void print_lines(const char *heading, const char *lines)
{
    char line[LINE_SIZE];
    if (*lines != '\0')
        printf("  %s:\n", heading);
    while (next_line(&lines, line)) {
        fputs("    ", stdout);
        text_put(stdout, line);
        putchar('\n');
    }
}

static void print_comparison(const b10_comparison *comparison, const char *shared)
{
    char size[TEXT_SIZE];
    char created[TEXT_SIZE];
    char age[TEXT_SIZE];
    putchar('\n');
    if (strcmp(comparison->directory, shared) != 0) { /* one of B10_READ_DIRS */
        text_put(stdout, comparison->directory);
        putchar('/');
    }
    text_put(stdout, comparison->filename);
    printf("\n  %s\n  %s, saved %s, %s ago\n", verdicts[verdict_of(comparison)].words,
           text_size(comparison->size_bytes, size), text_time(comparison->created_time, created),
           age_of(comparison->created_time, age));
    print_lines(comparison->match == B10_MATCH_UNREADABLE ? "because" : "differs in",
                comparison->differences);
    print_lines("outside the key, but can leave it cold", comparison->recorded);
}

static bool is_off(const struct session *session)
{
    char value[16];
    return b10_config_get(session->config, "BASETEN_FS_ENABLED", value, sizeof value, NULL, NULL) ==
               B10_SUCCESS &&
           strcmp(value, "0") == 0;
}

void key_explain_print(const struct session *session, const b10_comparison_list *list)
{
    char shared[B10_PATH_SIZE];
    char count[TEXT_SIZE];
    if (is_off(session)) {
        puts("\nno caches: the shared volume is off (BASETEN_FS_ENABLED)");
        return;
    }
    if (b10_config_get(session->config, "B10FS_CACHE_DIR", shared, sizeof shared, NULL, NULL) !=
        B10_SUCCESS)
        shared[0] = '\0';
    printf("\n%s in ",
           list->total > 0 ? text_count(list->total, "cache", "caches", count) : "no caches");
    text_put(stdout, shared);
    puts(list->total > 0 ? ":" : "");
    for (size_t i = 0; i < list->total; i++)
        print_comparison(b10_comparison_list_at(list, i), shared);
}

/* ---- JSON ---- */

static void add_lines(struct document *row, const char *name, const char *lines)
{
    char line[LINE_SIZE];
    document_list(row, name);
    while (next_line(&lines, line))
        document_item(row, line);
}

static void add_comparison(struct document *row, const b10_comparison *comparison)
{
    document_text(row, "filename", comparison->filename);
    document_text(row, "environment_key", comparison->environment_key);
    document_text(row, "directory", comparison->directory);
    document_count(row, "size_bytes", comparison->size_bytes);
    document_time(row, "created_time", comparison->created_time);
    document_text(row, "match", verdicts[verdict_of(comparison)].name);
    add_lines(row, "differences", comparison->differences);
    add_lines(row, "recorded", comparison->recorded);
}

void key_explain_add(struct document *document, const b10_comparison_list *list)
{
    document_list(document, "comparisons");
    for (size_t i = 0; list != NULL && i < list->total; i++)
        add_comparison(document_row(document), b10_comparison_list_at(list, i));
}
