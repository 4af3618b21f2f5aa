#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"
#include "cli/text.h"

enum { VALUE_SIZE = 64 * 1024 };

struct row {
    b10_setting setting;
    b10_error error; /* code OK, or why the value in force is invalid */
    const char *source;
    char value[VALUE_SIZE];
};

/* Row `index` of the table of settings with the value in force; false beyond its end. */
static bool read_row(const struct session *session, size_t index, struct row *row)
{
    row->setting = (b10_setting)B10_INIT(b10_setting);
    row->error = (b10_error)B10_INIT(b10_error);
    row->source = NULL;
    row->value[0] = '\0';
    if (b10_setting_at(index, &row->setting) == 0)
        return false;
    if (b10_config_get(session->config, row->setting.name, row->value, sizeof row->value,
                       &row->source, &row->error) != B10_SUCCESS)
        row->value[0] = '\0';
    return true;
}

/* Of all rows: SUCCESS, or the first invalid one's error. */
static OperationStatus check_rows(const struct session *session, struct row *row, b10_error *error)
{
    for (size_t i = 0; read_row(session, i, row); i++) {
        if (row->error.code != B10_REASON_OK) {
            *error = row->error;
            return B10_ERROR;
        }
    }
    return B10_SUCCESS;
}

static void print_row(const struct row *row)
{
    bool valid = row->error.code == B10_REASON_OK;
    const char *value = row->value[0] != '\0' ? row->value : "(empty)";
    printf("%-30s  %-11s  ", row->setting.name,
           valid && row->source != NULL ? row->source : "invalid");
    text_put(stdout, valid ? value : row->error.message);
    putchar('\n');
}

static void add_row(struct document *document, const struct row *row)
{
    bool valid = row->error.code == B10_REASON_OK;
    document_text(document, "name", row->setting.name);
    if (valid)
        document_message(document, "value", row->value);
    else
        document_text(document, "value", NULL);
    document_text(document, "source", row->source);
    document_text(document, "problem", valid ? NULL : row->error.message);
    document_message(document, "default", row->setting.default_value);
    document_message(document, "rule", row->setting.rule);
    document_message(document, "description", row->setting.description);
}

static enum exit_code print_json(struct session *session, struct row *row, OperationStatus status,
                                 const b10_error *error)
{
    struct document *document = session_document(session, status, error);
    document_list(document, "settings");
    for (size_t i = 0; read_row(session, i, row); i++)
        add_row(document_row(document), row);
    return session_print(session, document, status, error);
}

static enum exit_code print_text(struct session *session, struct row *row, OperationStatus status,
                                 const b10_error *error)
{
    printf("%-30s  %-11s  %s\n", "setting", "source", "value");
    for (size_t i = 0; read_row(session, i, row); i++)
        print_row(row);
    if (status != B10_SUCCESS)
        session_explain(session, status, error);
    return session_code(session, status, error);
}

static enum exit_code run_config(struct session *session)
{
    b10_error error = B10_INIT(b10_error);
    struct row *row = malloc(sizeof *row);
    if (row == NULL) {
        error.code = B10_REASON_NO_MEMORY;
        snprintf(error.message, sizeof error.message, "out of memory");
        session_explain(session, B10_ERROR, &error);
        return EXIT_CODE_FAILED;
    }
    OperationStatus status = check_rows(session, row, &error);
    enum exit_code code = session->options->json ? print_json(session, row, status, &error)
                                                 : print_text(session, row, status, &error);
    free(row);
    return code;
}

const struct command command_config = {
    .name = "config",
    .summary = "print the settings in force and where each comes from",
    .about = "Prints every setting with the value in force, after environment, --set, defaults and "
             "caps. An invalid value is shown as such and makes the exit code 2.",
    .in_process = true,
    .run = run_config,
};
