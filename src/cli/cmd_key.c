#include <stdio.h>
#include <string.h>

#include "cli/cmd_key_explain.h"
#include "cli/facts_lines.h"
#include "cli/session.h"
#include "cli/text.h"

static const char *const settings[] = {"B10_CACHE_KIND",     "TORCHINDUCTOR_CACHE_DIR",
                                       "VLLM_CACHE_ROOT",    "XDG_CACHE_HOME",
                                       "SGLANG_CACHE_DIR",   "B10_LOCAL_PREFIXES",
                                       "B10_CACHE_TAGS",     "B10_ENVIRONMENT_KEY",
                                       "BASETEN_FS_ENABLED", "B10_READ_DIRS",
                                       "B10FS_CACHE_DIR",    "B10_GPU_PROBE",
                                       "B10_PYTHON_PREFIX",  "B10_LOAD_TIMEOUT_SECONDS",
                                       "B10_LOG_LEVEL",      NULL};

enum { SOURCE_SIZE = 64 };

struct row {
    const char *name;
    const char *source;
};

static void look_up(const struct row *rows, size_t count, const char *name, char out[SOURCE_SIZE])
{
    snprintf(out, SOURCE_SIZE, "unknown");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0)
            snprintf(out, SOURCE_SIZE, "%s", rows[i].source);
    }
}

/* "B10_CACHE_TAGS (environment)": where the value of a setting came from. */
static void describe_setting(const struct session *session, const char *name, char out[SOURCE_SIZE])
{
    char value[B10_PATH_SIZE];
    const char *source = "unknown";
    if (b10_config_get(session->config, name, value, sizeof value, &source, NULL) != B10_SUCCESS)
        source = "unknown";
    snprintf(out, SOURCE_SIZE, "%s (%s)", name, source);
}

/* Facts of the device come from the step that answered. */
static void describe_step(const struct session *session, const b10_cache_info *info,
                          char out[SOURCE_SIZE])
{
    static const struct row steps[] = {
        {"driver", "CUDA of this process"},    {"nvml", "NVML"},
        {"spawn", "CUDA of a helper process"}, {"proc", "/proc/driver/nvidia"},
        {"cpu", "no sign of a GPU"},           {"unknown", "no step, see below"},
    };
    if (strncmp(info->detection_steps, "cpu=B10_GPU_PROBE", 17) == 0)
        describe_setting(session, "B10_GPU_PROBE", out);
    else
        look_up(steps, sizeof steps / sizeof steps[0], info->detection, out);
}

static bool is_device_fact(const char *fact)
{
    return strcmp(fact, "device") == 0 || strcmp(fact, "cuda") == 0 || strncmp(fact, "gpu", 3) == 0;
}

static void describe_source(const struct session *session, const b10_cache_info *info,
                            const char *fact, char out[SOURCE_SIZE])
{
    static const struct row fixed[] = {
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
    if (strcmp(fact, "kind") == 0) {
        describe_setting(session, "B10_CACHE_KIND", out);
        return;
    }
    if (is_device_fact(fact))
        describe_step(session, info, out);
    else
        look_up(fixed, sizeof fixed / sizeof fixed[0], fact, out);
}

static void print_steps(const char *steps)
{
    struct fact_line step;
    if (steps[0] != '\0')
        printf("\n%-16s  %s\n", "step", "what it said");
    while (facts_lines_next(&steps, &step)) {
        printf("%-16s  ", step.name);
        text_put(stdout, step.value);
        putchar('\n');
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
        describe_source(session, info, fact.name, source);
        printf("%-16s  %-30s  ", fact.name, source);
        text_put(stdout, fact.value);
        putchar('\n');
    }
    print_steps(info->detection_steps);
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
        describe_source(session, info, fact.name, source);
        document_message(row, "name", fact.name);
        document_message(row, "value", fact.value);
        document_message(row, "found_by", source);
    }
    facts_lines_steps(document, info->detection_steps);
}

/* The key needs no volume: with it off, a slow or hung mount is not even looked at. */
static OperationStatus read_info(struct session *session, b10_cache_info *info, b10_error *error)
{
    static const char name[] = "BASETEN_FS_ENABLED";
    char value[8];
    bool known =
        b10_config_get(session->config, name, value, sizeof value, NULL, NULL) == B10_SUCCESS;
    OperationStatus status = b10_config_set(session->config, name, "0", error);
    if (status == B10_SUCCESS)
        status = b10_info(session->config, &session->callbacks, info, error);
    b10_config_set(session->config, name, known ? value : NULL, NULL);
    return status;
}

static enum exit_code print_json(struct session *session, const b10_cache_info *info,
                                 const b10_comparison_list *list, OperationStatus status,
                                 const b10_error *error)
{
    struct document *document = session_document(session, status, error);
    add_facts(session, document, info);
    if (session->options->explain)
        key_explain_add(document, list);
    return session_print(session, document, status, error);
}

static enum exit_code run_key(struct session *session)
{
    b10_cache_info info = B10_INIT(b10_cache_info);
    b10_error error = B10_INIT(b10_error);
    b10_comparison_list *list = NULL;
    OperationStatus status = read_info(session, &info, &error);
    if (status == B10_SUCCESS && !session->options->json)
        print_text(session, &info); /* before a volume that may hang is asked */
    fflush(stdout);
    if (status == B10_SUCCESS && session->options->explain)
        status = b10_explain(session->config, &session->callbacks, &list, &error);
    enum exit_code code = session_code(session, status, &error);
    if (session->options->json)
        code = print_json(session, &info, list, status, &error);
    else if (status != B10_SUCCESS)
        session_explain(session, status, &error);
    else if (list != NULL)
        key_explain_print(session, list);
    b10_comparison_list_free(list);
    return code;
}

const struct command command_key = {
    .name = "key",
    .summary = "print the key of this environment and the facts in it",
    .about = "Prints the key of this environment, every fact that it stands for, and how each was "
             "found, then which steps were asked for the GPU and what each said. Two hosts share "
             "an archive when all these facts are equal. With --explain it "
             "also compares every stored cache with this environment: what a load takes, what "
             "keeps it from the others, and what else can leave a loaded one cold. Without, the "
             "shared volume is not touched.",
    .options = OPTION_EXPLAIN,
    .settings = settings,
    .run = run_key,
};
