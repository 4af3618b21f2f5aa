#include <stdio.h>
#include <string.h>

#include "cli/facts_lines.h"
#include "cli/session.h"
#include "cli/text.h"

static const char *const settings[] = {"TORCHINDUCTOR_CACHE_DIR", "B10_LOCAL_PREFIXES",
                                       "B10_CACHE_TAGS",          "B10_ENVIRONMENT_KEY",
                                       "B10_LOG_LEVEL",           NULL};

enum { SOURCE_SIZE = 64 };

/* "B10_CACHE_TAGS (environment)": where the value of a setting came from. */
static void describe_setting(const struct session *session, const char *name, char out[SOURCE_SIZE])
{
    char value[B10_PATH_SIZE];
    const char *source = "unknown";
    if (b10_config_get(session->config, name, value, sizeof value, &source, NULL) != B10_SUCCESS)
        source = "unknown";
    snprintf(out, SOURCE_SIZE, "%s (%s)", name, source);
}

static void describe_source(const struct session *session, const char *fact, char out[SOURCE_SIZE])
{
    static const struct {
        const char *fact;
        const char *source;
    } fixed[] = {
        {"kind", "the only kind of this release"},
        {"os", "uname"},
        {"arch", "uname"},
        {"cpu", "class of cpu_features"},
#if defined(__x86_64__)
        {"cpu_features", "CPUID and XGETBV"},
#else
        {"cpu_features", "auxiliary vector (HWCAP)"},
#endif
    };
    if (strncmp(fact, "tag.", 4) == 0) {
        describe_setting(session, "B10_CACHE_TAGS", out);
        return;
    }
    if (strcmp(fact, "environment_key") == 0) {
        describe_setting(session, "B10_ENVIRONMENT_KEY", out);
        return;
    }
    snprintf(out, SOURCE_SIZE, "unknown");
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (strcmp(fixed[i].fact, fact) == 0)
            snprintf(out, SOURCE_SIZE, "%s", fixed[i].source);
    }
}

/* The value comes last: the exact set of processor features is long. */
static void print_text(const struct session *session, const b10_cache_info *info)
{
    char source[SOURCE_SIZE];
    struct fact_line fact;
    const char *cursor = info->facts;
    text_put(stdout, info->environment_key);
    printf("\n\n%-16s  %-30s  %s\n", "fact", "found by", "value");
    while (facts_lines_next(&cursor, &fact)) {
        describe_source(session, fact.name, source);
        printf("%-16s  %-30s  ", fact.name, source);
        text_put(stdout, fact.value);
        putchar('\n');
    }
}

static void add_facts(const struct session *session, struct document *document,
                      const b10_cache_info *info)
{
    char source[SOURCE_SIZE];
    struct fact_line fact;
    const char *cursor = info->facts;
    document_text(document, "environment_key", info->environment_key);
    document_text(document, "detection", info->detection);
    document_list(document, "facts");
    while (facts_lines_next(&cursor, &fact)) {
        struct document *row = document_row(document);
        describe_source(session, fact.name, source);
        document_message(row, "name", fact.name);
        document_message(row, "value", fact.value);
        document_message(row, "found_by", source);
    }
}

static enum exit_code run_key(struct session *session)
{
    b10_cache_info info = B10_INIT(b10_cache_info);
    b10_error error = B10_INIT(b10_error);
    /* The key needs no volume: with it off, a slow or hung mount is not even looked at. */
    OperationStatus status = b10_config_set(session->config, "BASETEN_FS_ENABLED", "0", &error);
    if (status == B10_SUCCESS)
        status = b10_info(session->config, &session->callbacks, &info, &error);
    if (session->options->json) {
        struct document *document = session_document(session, status, &error);
        add_facts(session, document, &info);
        return session_print(session, document, status, &error);
    }
    if (status == B10_SUCCESS)
        print_text(session, &info);
    else
        session_explain(session, status, &error);
    return session_code(session, status, &error);
}

const struct command command_key = {
    .name = "key",
    .summary = "print the key of this environment and the facts in it",
    .about = "Prints the key of this environment, every fact that it stands for, and how each was "
             "found. Two hosts share an archive when all these facts are equal. The shared volume "
             "is not touched.",
    .settings = settings,
    .run = run_key,
};
